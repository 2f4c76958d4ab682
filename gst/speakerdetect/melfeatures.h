// SPDX-License-Identifier: LGPL-2.1-or-later
// What a voice network listens to: the power in 40 bands of pitch as it is heard (Slaney's mel
// scale), in frames of 25 ms, one every 10 ms. Pure.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "voicekernel.h"

namespace speakerdetect {

constexpr size_t kMelBands = 40;
constexpr size_t kMelWindow = 400;  // samples at 16 kHz
constexpr size_t kMelStep = 160;

class MelFeatures {
 public:
  explicit MelFeatures(const VoiceKernel& kernel = fastest_voice_kernel());

  static constexpr size_t frames_of(size_t samples) { return 1 + samples / kMelStep; }
  // [frames][kMelBands]; frame f is centred on sample f * kMelStep, and there is silence before
  // the first sample and behind the last.
  std::vector<float> run(std::span<const float> samples) const;

 private:
  static constexpr size_t kBins = kMelWindow / 2 + 1;

  const VoiceKernel& kernel_;
  std::vector<float> transform_;  // [2 * kBins][kMelWindow]: cosines, sines, under a Hann window
  std::vector<float> bands_;      // [kMelBands][kBins]
};

}  // namespace speakerdetect
