// SPDX-License-Identifier: LGPL-2.1-or-later
// Time stamps for audio that is handed on as it arrives (playout=arrival): counted samples make
// the time line, arrival time puts it right when audio got lost on the way. Never goes back.
#pragma once

#include <cstdint>
#include <optional>

#include "slidingminimum.h"

namespace livekit {

class ArrivalLine {
 public:
  struct Span {
    uint64_t start_ns = 0;
    uint64_t duration_ns = 0;
  };
  struct Stamp {
    Span span;
    std::optional<Span> gap;  // time without audio, right before the span
    bool discont = false;
  };

  // While nothing arrives time stands still for `hold_ns`, so that a backlog that comes late gets
  // the times at which it was spoken; after that it follows at this distance.
  ArrivalLine(int rate_hz, uint64_t hold_ns);

  // `following` frames came together with these and will be stamped next.
  Stamp on_frames(uint64_t frames, uint64_t following, uint64_t now_ns);
  std::optional<Span> on_nothing(uint64_t now_ns);
  uint64_t reanchored() const { return reanchored_; }

  // What is later than this for a second, is audio that will not come any more.
  static constexpr uint64_t kToleranceNs = 200'000'000;

 private:
  uint64_t position_ns() const;
  Span move_to(uint64_t position_ns);

  const int rate_hz_;
  const uint64_t hold_ns_;
  bool started_ = false;
  bool discont_ = true;
  uint64_t anchor_ns_ = 0;
  uint64_t frames_ = 0;  // since the anchor
  uint64_t last_now_ns_ = 0;
  uint64_t reanchored_ = 0;
  SlidingMinimum lag_ns_;
};

}  // namespace livekit
