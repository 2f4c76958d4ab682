// SPDX-License-Identifier: LGPL-2.1-or-later
// Tracks on their way to a VoiceLearner: those that a mix carries, or a single one. The streaming
// thread's alone.
#pragma once

#include <gst/audio/audio.h>

#include <map>
#include <memory>
#include <string>

#include "speech/inputconverter.h"
#include "voicelearner.h"

namespace speakerdetect {

class TrackLearner {
 public:
  TrackLearner(VoiceLearner::Make make, std::filesystem::path folder)
      : learner_(std::move(make), std::move(folder)) {}

  /** `info` is the format of `buffer`, which has a RoomAudioMeta. */
  void take(GstBuffer* buffer, const GstAudioInfo& info);
  std::string problem() { return learner_.problem(); }

 private:
  void push(GstBuffer* audio, const GstAudioInfo& info);

  VoiceLearner learner_;
  std::map<std::string, std::unique_ptr<speech::InputConverter>> converters_;  // by identity
};

}  // namespace speakerdetect
