// SPDX-License-Identifier: LGPL-2.1-or-later
// The audio of a stream without RoomAudioMeta on its way to a MixListener, and what that found, in
// the words that DominantSpeaker uses. The streaming thread's alone.
#pragma once

#include <gst/audio/audio.h>

#include <memory>
#include <span>
#include <string>

#include "dominantspeaker.h"
#include "mixlistener.h"
#include "speech/timedconverter.h"

namespace speakerdetect {

class MixInput {
 public:
  MixInput(MixListener::Make make, bool beside) : listener_(std::move(make), beside) {}

  void set_silence_timeout(uint64_t timeout_ns) {
    listener_.set_silence_timeout(int64_t(timeout_ns));
  }
  bool set_format(const GstAudioInfo& info);
  void push(GstBuffer* buffer, uint64_t running_time_ns);
  void push_gap(uint64_t running_time_ns, uint64_t duration_ns);
  /** Takes up one thing that was found. TRUE when another person (or nobody) is the speaker now. */
  bool update();
  /** Takes part of what was said that was not judged yet; then there may be more to update(). */
  void end();
  void flush();

  const Speaker* dominant() const { return speaker_.identity.empty() ? nullptr : &speaker_; }
  uint64_t since_ns() const { return speaker_.since_ns; }
  /** All who talk now: of a mix, one or none. */
  std::span<const Speaker* const> speakers() const {
    return {&talking_, talking_ ? size_t{1} : size_t{0}};
  }
  const MixListener::Report& report() const { return report_; }

 private:
  void flush_converter();

  MixListener listener_;
  speech::TimedConverter converter_;
  MixListener::Report report_;
  Speaker speaker_;
  const Speaker* talking_ = nullptr;
};

}  // namespace speakerdetect
