// SPDX-License-Identifier: LGPL-2.1-or-later
#include "melfeatures.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace speakerdetect {
namespace {

constexpr double kRateHz = 16000;
// Slaney's scale is linear up to 1000 Hz, logarithmic above.
constexpr double kHzPerMel = 200.0 / 3;
constexpr double kKneeHz = 1000;
const double kLogStep = std::log(6.4) / 27;

double mel_of(double hz) {
  return hz < kKneeHz ? hz / kHzPerMel : kKneeHz / kHzPerMel + std::log(hz / kKneeHz) / kLogStep;
}

double hz_of(double mel) {
  const double knee = kKneeHz / kHzPerMel;
  return mel < knee ? mel * kHzPerMel : kKneeHz * std::exp(kLogStep * (mel - knee));
}

}  // namespace

MelFeatures::MelFeatures(const VoiceKernel& kernel)
    : kernel_(kernel), transform_(2 * kBins * kMelWindow), bands_(kMelBands * kBins) {
  constexpr double kTurn = 2 * std::numbers::pi;
  for (size_t bin = 0; bin < kBins; bin++) {
    for (size_t i = 0; i < kMelWindow; i++) {
      const double hann = 0.5 - 0.5 * std::cos(kTurn * double(i) / kMelWindow);
      const double angle = kTurn * double(bin * i % kMelWindow) / kMelWindow;
      transform_[bin * kMelWindow + i] = float(hann * std::cos(angle));
      transform_[(kBins + bin) * kMelWindow + i] = float(hann * std::sin(angle));
    }
  }
  const double highest = mel_of(kRateHz / 2);
  for (size_t band = 0; band < kMelBands; band++) {
    const double low = hz_of(highest * double(band) / (kMelBands + 1));
    const double middle = hz_of(highest * double(band + 1) / (kMelBands + 1));
    const double high = hz_of(highest * double(band + 2) / (kMelBands + 1));
    for (size_t bin = 0; bin < kBins; bin++) {
      const double hz = double(bin) * kRateHz / kMelWindow;
      const double slope = std::min((hz - low) / (middle - low), (high - hz) / (high - middle));
      bands_[band * kBins + bin] = float(std::max(0.0, slope) * 2 / (high - low));
    }
  }
}

std::vector<float> MelFeatures::run(std::span<const float> samples) const {
  const size_t frames = frames_of(samples.size());
  constexpr size_t kHalf = kMelWindow / 2;
  std::vector<float> windows(frames * kMelWindow);
  for (size_t frame = 0; frame < frames; frame++) {
    const size_t begin = frame * kMelStep;  // of the window, kHalf later than in `samples`
    const size_t from = begin < kHalf ? kHalf - begin : 0;
    const size_t to = std::min(kMelWindow, samples.size() + kHalf - begin);
    for (size_t i = from; i < to; i++) {
      windows[frame * kMelWindow + i] = samples[begin + i - kHalf];
    }
  }
  std::vector<float> spectrum(frames * 2 * kBins);
  kernel_.multiply(windows.data(), frames, kMelWindow, transform_.data(), 2 * kBins,
                   spectrum.data());
  std::vector<float> power(frames * kBins);
  for (size_t frame = 0; frame < frames; frame++) {
    const float* real = &spectrum[frame * 2 * kBins];
    for (size_t bin = 0; bin < kBins; bin++) {
      power[frame * kBins + bin] = real[bin] * real[bin] + real[kBins + bin] * real[kBins + bin];
    }
  }
  std::vector<float> mel(frames * kMelBands);
  kernel_.multiply(power.data(), frames, kBins, bands_.data(), kMelBands, mel.data());
  return mel;
}

}  // namespace speakerdetect
