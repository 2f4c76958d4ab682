// SPDX-License-Identifier: LGPL-2.1-or-later
#include "arrivalline.h"

#include <algorithm>

namespace livekit {
namespace {
constexpr uint64_t kSecondNs = 1'000'000'000;
}

ArrivalLine::ArrivalLine(int rate_hz, uint64_t hold_ns)
    : rate_hz_(rate_hz), hold_ns_(hold_ns), lag_ns_(kSecondNs) {}

uint64_t ArrivalLine::position_ns() const {
  return anchor_ns_ + frames_ * kSecondNs / uint64_t(rate_hz_);
}

ArrivalLine::Span ArrivalLine::move_to(uint64_t position) {
  const Span gap{position_ns(), position - position_ns()};
  anchor_ns_ = position;
  frames_ = 0;
  discont_ = true;
  return gap;
}

ArrivalLine::Stamp ArrivalLine::on_frames(uint64_t frames, uint64_t following, uint64_t now_ns) {
  Stamp stamp;
  const uint64_t duration = (frames + following) * kSecondNs / uint64_t(rate_hz_);
  if (!started_) {
    started_ = true;
    // Time may have moved on with gaps already.
    anchor_ns_ = std::max(anchor_ns_, now_ns > duration ? now_ns - duration : 0);
    last_now_ns_ = now_ns;
  } else if (following == 0) {
    // A pause in the arrivals ends what was measured before it.
    if (now_ns - last_now_ns_ > kToleranceNs) lag_ns_.clear();
    const uint64_t end = position_ns() + duration;
    lag_ns_.add(int64_t(now_ns - end), now_ns - last_now_ns_);
    last_now_ns_ = now_ns;
    if (lag_ns_.full() && lag_ns_.minimum() > int64_t(kToleranceNs)) {
      stamp.gap = move_to(position_ns() + uint64_t(lag_ns_.minimum()));
      lag_ns_.clear();
      ++reanchored_;
    }
  }
  stamp.span.start_ns = position_ns();
  stamp.discont = discont_;
  discont_ = false;
  frames_ += frames;
  // Whole hours go into the anchor, so that the product above never overflows.
  while (frames_ >= uint64_t(rate_hz_) * 3600) {
    frames_ -= uint64_t(rate_hz_) * 3600;
    anchor_ns_ += 3600 * kSecondNs;
  }
  stamp.span.duration_ns = position_ns() - stamp.span.start_ns;
  return stamp;
}

std::optional<ArrivalLine::Span> ArrivalLine::on_nothing(uint64_t now_ns) {
  if (now_ns < hold_ns_) return std::nullopt;
  const uint64_t target = now_ns - hold_ns_;
  // Time moves for a track that has not said anything yet, too.
  if (target <= position_ns()) return std::nullopt;
  return move_to(target);
}

}  // namespace livekit
