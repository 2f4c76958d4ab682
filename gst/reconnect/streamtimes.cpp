// SPDX-License-Identifier: LGPL-2.1-or-later
#include "streamtimes.h"

#include <algorithm>

namespace reconnect {

namespace {

// Decoders and containers round their timestamps.
constexpr int64_t kTolerance_ns = 40'000'000;
// A mix that waits for somebody is 2.77 s late. One that stays later than this for two seconds,
// with no backlog to come, has stood still: its time goes on from now.
constexpr int64_t kMostLate_ns = 4'000'000'000;
constexpr uint64_t kLateWindow_ns = 2'000'000'000;
// Further ahead than any backlog: the stream's time has jumped.
constexpr int64_t kMostEarly_ns = 120'000'000'000;

timing::LagControl::Settings early_only() {
  timing::LagControl::Settings settings;
  settings.grows = false;
  settings.whole_pieces = true;
  settings.least_shift_ns = INT64_MIN / 4;
  // What jitter may be; beyond it the first piece was late.
  settings.reserve_ns = 100'000'000;
  return settings;
}

}  // namespace

StreamTimes::StreamTimes(bool catch_up)
    : catch_up_(catch_up), lag_(early_only()), least_lateness_(kLateWindow_ns) {}

void StreamTimes::reset() {
  lag_ = timing::LagControl(early_only());
  least_lateness_.clear();
  begun_ = anchored_ = false;
  offset_ns_ = end_ns_ = arrival_ns_ = lateness_ns_ = 0;
  resyncs_ = 0;
}

// A piece is complete when it arrives, so it began its duration earlier.
void StreamTimes::anchor(int64_t stream_ns, int64_t duration_ns, int64_t now_ns) {
  const int64_t time_ns = std::max({now_ns - duration_ns, end_ns_, int64_t(0)});
  offset_ns_ = time_ns - stream_ns;
  anchored_ = true;
  lag_.reset();
  least_lateness_.clear();
}

StreamTimes::Placed StreamTimes::place(int64_t stream_ns, int64_t duration_ns, int64_t now_ns,
                                       double level_dbov) {
  Placed placed;
  int64_t time_ns = stream_ns + offset_ns_ + lag_.shift_ns();
  if (!anchored_) {
    anchor(stream_ns, duration_ns, now_ns);
    time_ns = stream_ns + offset_ns_;
    placed.discont = true;
  } else {
    // Time as it passes here: a backlog that comes at once is no time at all.
    least_lateness_.add(now_ns - duration_ns - time_ns,
                        uint64_t(std::clamp<int64_t>(now_ns - arrival_ns_, 0, 2 * duration_ns)));
    const bool stood_still = least_lateness_.full() && least_lateness_.minimum() > kMostLate_ns;
    if (stood_still || time_ns < end_ns_ - kTolerance_ns - duration_ns ||
        time_ns > now_ns + kMostEarly_ns) {
      ++resyncs_;
      anchor(stream_ns, duration_ns, now_ns);
      time_ns = stream_ns + offset_ns_;
      placed.discont = true;
    }
  }
  arrival_ns_ = now_ns;
  lateness_ns_ = now_ns - duration_ns - time_ns;
  if (catch_up_) {
    // Needed at once when it is complete; what is early has time in hand.
    const int64_t slack_ns = stream_ns + offset_ns_ + duration_ns - now_ns;
    const auto verdict = lag_.place(duration_ns, slack_ns, level_dbov);
    if (verdict.drop) {
      placed.drop = true;
      return placed;
    }
    if (verdict.moved) {
      time_ns = stream_ns + offset_ns_ + lag_.shift_ns();
      placed.discont = true;
    }
  }
  if (time_ns < end_ns_) {
    // Rounding: what overlaps follows.
    time_ns = end_ns_;
  } else if (begun_ && time_ns > end_ns_ + kTolerance_ns) {
    placed.gap_from_ns = end_ns_;
    placed.discont = true;
  }
  placed.time_ns = time_ns;
  begun_ = true;
  end_ns_ = time_ns + duration_ns;
  return placed;
}

bool StreamTimes::skip_to(int64_t now_ns, int64_t* gap_from_ns) {
  if (!begun_ || now_ns <= end_ns_ + kTolerance_ns) return false;
  *gap_from_ns = end_ns_;
  end_ns_ = now_ns;
  return true;
}

}  // namespace reconnect
