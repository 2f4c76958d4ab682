// SPDX-License-Identifier: LGPL-2.1-or-later
// Who talks in a mix of which nothing else is known: voice activity, the voices and their names.
// One thread at a time.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "knownvoices.h"
#include "speech/audiowindows.h"
#include "voicetracker.h"

namespace speakerdetect {

/** Who talks from a time on; an empty identity = nobody. */
struct MixTurn {
  std::string identity;
  int64_t since_ns = 0;
};

/** How things stand. */
struct MixState {
  double level_dbov = speech::kSilenceDbov; /* smoothed over some syllables */
  bool is_speech = false;                   /* now, or a moment ago */
  uint64_t voices = 0;                      /* that have talked */
  uint64_t stretches = 0;                   /* that were listened to */
};

struct MixParts {
  std::unique_ptr<speech::VoiceActivity> voice_activity;
  std::shared_ptr<VoiceEmbedder> embedder;
  std::vector<KnownVoice> known;
};

class MixVoices {
 public:
  MixVoices(MixParts parts, const VoicesConfig& voices, const VoiceTrackerConfig& tracker = {});

  void set_silence_timeout(int64_t timeout_ns) { tracker_.set_silence_timeout(timeout_ns); }
  /** Mono at 16 kHz, of any length. */
  void push(std::span<const float> samples, int64_t time_ns);
  void push_silence(int64_t time_ns, int64_t duration_ns);
  /** What was said is judged as it is; what comes next does not follow it. */
  void end();
  std::optional<MixTurn> next_turn();
  MixState state() const;

 private:
  void take_window(std::span<const float> window, int64_t time_ns);
  void take(const std::vector<VoiceTurn>& turns);

  std::unique_ptr<speech::GatedVoiceActivity> voice_activity_;
  const std::shared_ptr<VoiceEmbedder> embedder_;
  Voices voices_;
  VoiceTracker tracker_;
  speech::AudioWindows windows_;
  std::deque<MixTurn> turns_;
  double power_ = 0;
};

}  // namespace speakerdetect
