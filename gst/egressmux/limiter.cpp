// SPDX-License-Identifier: LGPL-2.1-or-later
#include "limiter.h"

#include <algorithm>
#include <cmath>

#include "sumkernel.h"

namespace egressmux {

namespace {
constexpr float kRiseDbPerSecond = 30.0f;
constexpr int kHoldMs = 20;
constexpr float kFallPerBlock = 0.5f;
// Louder than a thousand talkers at full scale is no sound but a fault, an infinite sample for
// example. It is cut off instead; the others would be silent for ever.
constexpr float kLowestGain = 1.0f / 1024;
}  // namespace

Limiter::Limiter(int rate_hz)
    : block_frames_(size_t(std::max(1, rate_hz / 1000))),
      rise_per_frame_log2_(kRiseDbPerSecond / (20.0f * std::log10(2.0f)) / float(rate_hz)),
      hold_frames_(size_t(rate_hz) * kHoldMs / 1000) {}

void Limiter::reset() {
  gain_ = 1.0f;
  held_frames_ = 0;
  lowest_gain_ = 1.0f;
  limited_slices_ = 0;
}

float Limiter::wanted_gain(const float* samples, size_t count) const {
  const Range range = find_range(samples, count);
  float gain = 1.0f;
  if (range.highest > highest_) gain = highest_ / range.highest;
  if (range.lowest < -kFullScale) gain = std::min(gain, -kFullScale / range.lowest);
  return std::max(gain, kLowestGain);
}

float Limiter::risen(float gain, size_t frames) {
  if (gain >= 1.0f) return 1.0f;
  const size_t still_held = std::min(frames, held_frames_);
  held_frames_ -= still_held;
  return std::min(1.0f, gain * std::exp2(rise_per_frame_log2_ * float(frames - still_held)));
}

void Limiter::rest(size_t frames) {
  gain_ = risen(gain_, frames);
}

void Limiter::process(float* samples, size_t frames, int channels) {
  if (frames == 0) return;
  if (gain_ >= 1.0f && wanted_gain(samples, frames * size_t(channels)) >= 1.0f) return;

  const size_t blocks = (frames + block_frames_ - 1) / block_frames_;
  auto length = [&](size_t block) {
    return std::min(block_frames_, frames - block * block_frames_);
  };
  wanted_.resize(blocks);
  nodes_.resize(blocks + 1);
  for (size_t b = 0; b < blocks; ++b)
    wanted_[b] =
        wanted_gain(samples + b * block_frames_ * size_t(channels), length(b) * size_t(channels));

  nodes_[0] = gain_;
  for (size_t b = 0; b < blocks; ++b) {
    const float allowed = b + 1 < blocks ? std::min(wanted_[b], wanted_[b + 1]) : wanted_[b];
    const float rising = risen(nodes_[b], length(b));
    nodes_[b + 1] = std::min(rising, allowed);
    // Only a loud moment starts the hold anew; being led by it would never let the gain rise.
    if (allowed <= rising && allowed < 1.0f) held_frames_ = hold_frames_;
  }
  // Look ahead: start falling before the block that needs it, up to the gain already played.
  for (size_t b = blocks; b-- > 1;) nodes_[b] = std::min(nodes_[b], nodes_[b + 1] / kFallPerBlock);

  for (size_t b = 0; b < blocks; ++b) {
    float* block = samples + b * block_frames_ * size_t(channels);
    const size_t block_length = length(b);
    const float step = (nodes_[b + 1] - nodes_[b]) / float(block_length);
    for (size_t i = 0; i < block_length; ++i) {
      const float gain = nodes_[b] + step * float(i + 1);
      for (int c = 0; c < channels; ++c) {
        float& sample = block[i * size_t(channels) + size_t(c)];
        sample = std::clamp(sample * gain, -kFullScale, highest_);
      }
    }
  }
  gain_ = nodes_[blocks];
  lowest_gain_ = std::min(lowest_gain_, *std::min_element(nodes_.begin(), nodes_.end()));
  ++limited_slices_;
}

}  // namespace egressmux
