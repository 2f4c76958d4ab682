// SPDX-License-Identifier: LGPL-2.1-or-later
#include "mixtimeline.h"

namespace egressmux {

namespace {

constexpr int64_t kSecond = 1000000000;
// Timestamps are rounded to nanoseconds on their way: this much is no gap and no overlap.
constexpr int64_t kRoundingFrames = 2;

// value * to / from, rounded to the nearest, without overflow for any time of this century.
int64_t scale(int64_t value, int64_t to, int64_t from) {
  const int64_t whole = value / from * to;
  const int64_t rest = value % from * to;
  return whole + (rest + (rest >= 0 ? from / 2 : -from / 2)) / from;
}

}  // namespace

int64_t MixTimeline::samples_at(int64_t time_ns) const {
  return scale(time_ns, rate_hz_, kSecond);
}

int64_t MixTimeline::time_at(int64_t samples) const {
  return scale(samples, kSecond, rate_hz_);
}

void MixTimeline::start(int64_t running_time_ns, int64_t slice_frames) {
  if (started_) return;
  started_ = true;
  const int64_t samples = running_time_ns > 0 ? samples_at(running_time_ns) : 0;
  position_ = slice_frames > 0 ? samples / slice_frames * slice_frames : samples;
}

MixTimeline::Placement MixTimeline::place(int64_t start, int64_t frames) const {
  const int64_t ahead = start - position_;
  if (ahead > kRoundingFrames) return {.fill = ahead};
  if (ahead >= -kRoundingFrames) return {};
  if (-ahead >= frames) return {.late = true};
  return {.skip = -ahead};
}

}  // namespace egressmux
