// SPDX-License-Identifier: LGPL-2.1-or-later
#include "mixvoices.h"

#include <algorithm>
#include <cmath>

namespace speakerdetect {
namespace {

constexpr double kLevelSmoothing = 0.1; /* of a window of 32 ms: 0.3 s */

}  // namespace

MixVoices::MixVoices(MixParts parts, const VoicesConfig& voices, const VoiceTrackerConfig& tracker)
    : voice_activity_(
          std::make_unique<speech::GatedVoiceActivity>(std::move(parts.voice_activity))),
      embedder_(std::move(parts.embedder)),
      voices_(voices),
      tracker_([this](std::span<const float> speech) { return embedder_->embed(speech); }, voices_,
               tracker),
      windows_(
          [this](std::span<const float> window, int64_t time_ns) { take_window(window, time_ns); },
          [this] {
            take(tracker_.end());
            voice_activity_->reset();
          }) {
  for (const KnownVoice& voice : parts.known) voices_.add_known(voice.name, voice.embedding);
}

void MixVoices::push(std::span<const float> samples, int64_t time_ns) {
  windows_.push(samples, time_ns);
}

void MixVoices::push_silence(int64_t time_ns, int64_t duration_ns) {
  windows_.push_silence(time_ns, duration_ns);
}

void MixVoices::end() {
  windows_.flush();
  take(tracker_.end());
  voice_activity_->reset();
  power_ = 0;
}

void MixVoices::take_window(std::span<const float> window, int64_t time_ns) {
  const float probability = voice_activity_->probability(window);
  const double power = std::pow(10.0, speech::level_dbov(window) / 10);
  power_ += (power - power_) * kLevelSmoothing;
  take(tracker_.feed(window, time_ns, probability));
}

void MixVoices::take(const std::vector<VoiceTurn>& turns) {
  for (const VoiceTurn& turn : turns) {
    const Voice* voice = voices_.find(turn.voice);
    turns_.push_back({voice ? voice->identity : std::string(), turn.since_ns});
  }
}

std::optional<MixTurn> MixVoices::next_turn() {
  if (turns_.empty()) return {};
  MixTurn turn = std::move(turns_.front());
  turns_.pop_front();
  return turn;
}

MixState MixVoices::state() const {
  MixState state;
  if (power_ > 0) {
    state.level_dbov = std::clamp(10 * std::log10(power_), speech::kSilenceDbov, 0.0);
  }
  state.is_speech = tracker_.is_speech();
  state.voices = voices_.n_heard();
  state.stretches = tracker_.stretches();
  return state;
}

}  // namespace speakerdetect
