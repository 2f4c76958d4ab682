// SPDX-License-Identifier: LGPL-2.1-or-later
// Keeps the sum of many talkers inside full scale without wrapping round and without crackle.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace egressmux {

/** A peak limiter that looks ahead inside the slice it is given and adds no delay.
 *
 * The slice is cut into blocks of 1 ms. The gain is a straight line through every block, low
 * enough at both ends of a block for its loudest sample; going down it starts early (6 dB a block),
 * going up it waits 20 ms and then rises 30 dB a second. Only when a slice opens too loud for the
 * gain the slice before ended with is there nothing to look ahead into: then, within that first
 * millisecond, single samples are held at full scale.
 * A mix that never exceeds full scale passes bit for bit. Samples are in accumulator units. */
class Limiter {
 public:
  explicit Limiter(int rate_hz = 48000);

  /** @highest: the largest positive value the output format holds (32767 or 32768). */
  void set_highest(float highest) { highest_ = highest; }

  /** Limits @frames of @channels interleaved samples in place. */
  void process(float* samples, size_t frames, int channels);

  /** Lets time pass without sound. */
  void rest(size_t frames);

  void reset();

  float gain() const { return gain_; }
  /** Lowest gain since reset(). */
  float lowest_gain() const { return lowest_gain_; }
  /** Slices in which the gain was below 1. */
  uint64_t limited_slices() const { return limited_slices_; }

 private:
  float wanted_gain(const float* samples, size_t count) const;
  float risen(float gain, size_t frames);

  size_t block_frames_;
  float rise_per_frame_log2_;
  size_t hold_frames_;
  float highest_ = 32767.0f;
  float gain_ = 1.0f;
  size_t held_frames_ = 0;
  float lowest_gain_ = 1.0f;
  uint64_t limited_slices_ = 0;
  std::vector<float> nodes_;   // gains at the ends of the blocks; kept to save allocations
  std::vector<float> wanted_;  // the gain each block asks for
};

}  // namespace egressmux
