// SPDX-License-Identifier: LGPL-2.1-or-later
#include "speech/voiceactivity.h"

#include <algorithm>
#include <cmath>

namespace speech {
namespace {

constexpr double kGateDbov = -65.0;
constexpr int kWindowsUntilReset = 31;  // 1 s

}  // namespace

double level_dbov(std::span<const float> samples) {
  double energy = 0;
  for (const float sample : samples) energy += double{sample} * sample;
  if (energy <= 0) return kSilenceDbov;
  return std::clamp(10 * std::log10(energy / samples.size()), kSilenceDbov, 0.0);
}

float GatedVoiceActivity::probability(std::span<const float> window) {
  if (level_dbov(window) >= kGateDbov) {
    quiet_windows_ = 0;
    return model_->probability(window);
  }
  quiet_windows_++;
  // The pause between two words is still heard by the model, so that it knows what went before.
  if (quiet_windows_ < kWindowsUntilReset) model_->probability(window);
  if (quiet_windows_ == kWindowsUntilReset) model_->reset();
  return 0.0F;
}

void GatedVoiceActivity::reset() {
  quiet_windows_ = 0;
  model_->reset();
}

}  // namespace speech
