// SPDX-License-Identifier: LGPL-2.1-or-later
#include "sumkernel.h"

#include <algorithm>
#include <cmath>
#include <cstring>

namespace egressmux {

namespace {

constexpr double kSilenceDbov = -127.0;
// Louder than 50 dB above full scale is a broken stream, not a talker.
constexpr float kSaneLimit = 316.0f;

inline float sane(float sample) {
  return std::fabs(sample) <= kSaneLimit ? sample : 0.0f;
}

template <typename Read>
inline void add_any(float* __restrict mix, size_t frames, int channels, GainRamp gain, Read read) {
  if (gain.is_silent()) return;
  if (gain.is_unity()) {
    if (channels == kMixChannels) {
      for (size_t i = 0; i < frames * kMixChannels; ++i) mix[i] += read(i);
    } else {
      for (size_t i = 0; i < frames; ++i) {
        const float sample = read(i);
        mix[2 * i] += sample;
        mix[2 * i + 1] += sample;
      }
    }
    return;
  }
  const float step = frames > 0 ? (gain.to - gain.from) / float(frames) : 0.0f;
  for (size_t i = 0; i < frames; ++i) {
    const float now = gain.from + step * float(i + 1);
    if (channels == kMixChannels) {
      mix[2 * i] += read(2 * i) * now;
      mix[2 * i + 1] += read(2 * i + 1) * now;
    } else {
      const float sample = read(i) * now;
      mix[2 * i] += sample;
      mix[2 * i + 1] += sample;
    }
  }
}

double to_dbov(double sum_of_squares, size_t count) {
  if (count == 0 || !(sum_of_squares > 0.0)) return kSilenceDbov;
  return std::clamp(10.0 * std::log10(sum_of_squares / double(count)), kSilenceDbov, 0.0);
}

}  // namespace

void add_s16(float* mix, const int16_t* input, size_t frames, int channels, GainRamp gain) {
  add_any(mix, frames, channels, gain, [input](size_t i) { return float(input[i]); });
}

void add_f32(float* mix, const float* input, size_t frames, int channels, GainRamp gain) {
  add_any(mix, frames, channels, gain, [input](size_t i) { return sane(input[i]) * kFullScale; });
}

void add_mix(float* __restrict mix, const float* __restrict input, size_t samples) {
  for (size_t i = 0; i < samples; ++i) mix[i] += input[i];
}

void apply_gain_f32(float* samples, size_t frames, int channels, GainRamp gain) {
  if (gain.is_unity()) return;
  const float step = frames > 0 ? (gain.to - gain.from) / float(frames) : 0.0f;
  for (size_t i = 0; i < frames; ++i) {
    const float now = gain.from + step * float(i + 1);
    for (int c = 0; c < channels; ++c) samples[i * size_t(channels) + size_t(c)] *= now;
  }
}

Range find_range(const float* samples, size_t count) {
  // Lanes by hand: the order in which samples are compared matters to the compiler, not to us.
  using Lanes = float __attribute__((vector_size(16)));
  constexpr size_t kLanes = sizeof(Lanes) / sizeof(float);
  Lanes low = {};
  Lanes high = {};
  size_t i = 0;
  for (; i + kLanes <= count; i += kLanes) {
    Lanes now;
    std::memcpy(&now, samples + i, sizeof now);
    low = now < low ? now : low;
    high = now > high ? now : high;
  }
  Range range;
  for (size_t lane = 0; lane < kLanes; ++lane) {
    range.lowest = std::min(range.lowest, low[lane]);
    range.highest = std::max(range.highest, high[lane]);
  }
  for (; i < count; ++i) {
    range.lowest = std::min(range.lowest, samples[i]);
    range.highest = std::max(range.highest, samples[i]);
  }
  return range;
}

void fold_to_mono(float* mix, size_t frames) {
  for (size_t i = 0; i < frames; ++i) mix[i] = 0.5f * (mix[2 * i] + mix[2 * i + 1]);
}

void store_s16(int16_t* __restrict output, const float* __restrict samples, size_t count) {
  for (size_t i = 0; i < count; ++i) {
    float sample = samples[i] > 32767.0f ? 32767.0f : samples[i];
    sample = sample < -32768.0f ? -32768.0f : sample;
    // Adding and taking away 1.5 * 2^23 rounds to the nearest whole number, and vectorises.
    constexpr float kRound = 12582912.0f;
    output[i] = int16_t(int32_t((sample + kRound) - kRound));
  }
}

void store_f32(float* __restrict output, const float* __restrict samples, size_t count) {
  for (size_t i = 0; i < count; ++i) output[i] = samples[i] * (1.0f / kFullScale);
}

double level_dbov_s16(const int16_t* samples, size_t count) {
  int64_t squares = 0;
  for (size_t i = 0; i < count; ++i) squares += int32_t(samples[i]) * int32_t(samples[i]);
  return to_dbov(double(squares) / (double(kFullScale) * double(kFullScale)), count);
}

double level_dbov_f32(const float* samples, size_t count) {
  double sum = 0.0;
  for (size_t i = 0; i < count; ++i) {
    const double sample = double(sane(samples[i]));
    sum += sample * sample;
  }
  return to_dbov(sum, count);
}

double level_after_gain(double level_dbov, double gain) {
  if (!(gain > 0.0) || level_dbov <= kSilenceDbov) return kSilenceDbov;
  return std::clamp(level_dbov + 20.0 * std::log10(gain), kSilenceDbov, 0.0);
}

}  // namespace egressmux
