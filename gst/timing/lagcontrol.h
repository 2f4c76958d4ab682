// SPDX-License-Identifier: LGPL-2.1-or-later
// How far a stream that may come late is moved in time, so that all of it is heard, and how it gets
// back to its own time: by leaving out pieces of pauses, never sound.
#pragma once

#include <cstdint>

#include "livekit/slidingminimum.h"
#include "quietdetector.h"

namespace timing {

class LagControl {
 public:
  struct Settings {
    /** Pieces that come late move the stream; off: they are nobody's problem. */
    bool grows = true;
    /** The stream is never moved to before this. */
    int64_t least_shift_ns = 0;
    /** What a move leaves in hand for the next pieces. */
    int64_t reserve_ns = 20'000'000;
    /** Leave out whole pieces only: the last bit, less than a piece, stays. */
    bool whole_pieces = false;
    /** A stream later than this is not followed. */
    int64_t most_shift_ns = 60'000'000'000;
  };

  LagControl() = default;
  explicit LagControl(const Settings& settings) : settings_(settings) {}

  struct Verdict {
    bool drop = false;  /* leave this piece out: it is silence and time is to be caught up */
    bool moved = false; /* the shift is another one than for the piece before */
  };
  /** @slack_ns: how long before it is needed the piece came, were it not moved; negative = late.*/
  Verdict place(int64_t duration_ns, int64_t slack_ns, double level_dbov);

  /** What to add to the piece's time. */
  int64_t shift_ns() const { return shift_ns_; }
  int64_t cut_ns() const { return cut_ns_; }
  uint64_t moves() const { return moves_; }
  /** A stream of its own begins. */
  void reset();

 private:
  Settings settings_;
  QuietDetector quiet_;
  livekit::SlidingMinimum least_slack_{kWindow_ns};
  int64_t shift_ns_ = 0;
  int64_t cut_ns_ = 0;
  uint64_t moves_ = 0;

  /** Longer than the pauses between a silent publisher's packets, with room. */
  static constexpr uint64_t kWindow_ns = 3'000'000'000;
};

}  // namespace timing
