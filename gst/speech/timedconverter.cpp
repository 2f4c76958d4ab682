// SPDX-License-Identifier: LGPL-2.1-or-later
#include "timedconverter.h"

#include <cstdlib>

#include "voiceactivity.h"

namespace speech {
namespace {

// Timestamps may be off by rounding or a little jitter; beyond it the audio is not continuous.
constexpr int64_t kMaxJitterNs = 20'000'000;
constexpr int64_t kSecondNs = 1'000'000'000;

}  // namespace

int64_t TimedConverter::time_out_ns() const {
  return anchor_ns_ + frames_out_ * kSecondNs / kSampleRateHz;
}

bool TimedConverter::continues(int64_t time_ns) const {
  if (!anchored_) return true;
  const int64_t expected_ns = anchor_ns_ + frames_in_ * kSecondNs / converter_.format().rate;
  return std::llabs(expected_ns - time_ns) <= kMaxJitterNs;
}

TimedConverter::Piece TimedConverter::convert(GstBuffer* buffer, int64_t time_ns) {
  if (!anchored_) {
    anchored_ = true;
    anchor_ns_ = time_ns;
    frames_in_ = frames_out_ = 0;
  }
  int64_t frames_in = 0;
  const Piece piece{converter_.convert(buffer, frames_in), time_out_ns()};
  frames_in_ += frames_in;
  frames_out_ += int64_t(piece.samples.size());
  return piece;
}

TimedConverter::Piece TimedConverter::flush() {
  Piece rest{converter_.flush(), time_out_ns()};
  if (!anchored_) rest.samples = {};
  anchored_ = false;
  return rest;
}

}  // namespace speech
