// SPDX-License-Identifier: LGPL-2.1-or-later
#include "speech/voiceactivity.h"

#include <algorithm>
#include <array>
#include <cmath>

namespace speech {
namespace {

constexpr double kGateDbov = -65.0;
constexpr int kHeardQuietWindows = 31;  // 1 s
constexpr int kWarmUpWindows = 10;      // more of them change nothing

}  // namespace

double level_dbov(std::span<const float> samples) {
  double energy = 0;
  for (const float sample : samples) energy += double{sample} * sample;
  if (energy <= 0) return kSilenceDbov;
  return std::clamp(10 * std::log10(energy / samples.size()), kSilenceDbov, 0.0);
}

float GatedVoiceActivity::probability(std::span<const float> window) {
  if (level_dbov(window) < kGateDbov) {
    if (!is_fresh_ && quiet_windows_ < kHeardQuietWindows) {
      quiet_windows_++;
      model_->probability(window);
    }
    return 0.0F;
  }
  if (is_fresh_) {
    const std::array<float, kWindowSamples> silence{};
    for (int i = 0; i < kWarmUpWindows; i++) model_->probability(silence);
    is_fresh_ = false;
  }
  quiet_windows_ = 0;
  return model_->probability(window);
}

void GatedVoiceActivity::reset() {
  is_fresh_ = true;
  quiet_windows_ = 0;
  model_->reset();
}

}  // namespace speech
