// SPDX-License-Identifier: LGPL-2.1-or-later
#include "flvtimeline.h"

#include <algorithm>

namespace rtmp {

void FlvTimeline::begin_publisher() {
  anchored_ = false;
  known_ = false;
}

void FlvTimeline::anchor(int64_t media_ms, int64_t now_ms) {
  shift_ms_ = std::max({end_ms_, configured_ms_, now_ms}) - media_ms;
  anchored_ = true;
  discont_ = true;
}

FlvTimeline::Place FlvTimeline::place(MediaKind kind, bool configuration, uint32_t timestamp_ms,
                                      int64_t now_ms) {
  now_ms = std::max<int64_t>(now_ms, 0);
  Place place;
  int64_t& last_ms = last_ms_[static_cast<size_t>(kind)];
  if (configuration) {
    // Its timestamp is 0 in every other sender; nothing is derived from it.
    if (!anchored_) configured_ms_ = std::max({end_ms_, configured_ms_, now_ms});
    place.time_ms = std::max(end_ms_, configured_ms_);
    return place;
  }
  const int64_t step_ms = known_ ? static_cast<int32_t>(timestamp_ms - last_timestamp_) : 0;
  known_ = true;
  last_timestamp_ = timestamp_ms;
  media_ms_ += step_ms;
  if (!anchored_) {
    anchor(media_ms_, now_ms);
  } else if (step_ms < -kReorderMs ||
             (step_ms > kJumpMs && media_ms_ + shift_ms_ > now_ms + kJumpMs)) {
    // The sender's clock was set: no real time explains the step.
    anchor(media_ms_, now_ms);
  } else if (step_ms > kJumpMs) {
    discont_ = true;
  }
  place.time_ms = std::max(media_ms_ + shift_ms_, last_ms);
  place.first_frame = !started_;
  place.discont = discont_;
  started_ = true;
  discont_ = false;
  last_ms = place.time_ms;
  end_ms_ = std::max(end_ms_, place.time_ms);
  return place;
}

bool FlvTimeline::skip_to(int64_t time_ms) {
  if (time_ms <= end_ms_) return false;
  end_ms_ = time_ms;
  return true;
}

}  // namespace rtmp
