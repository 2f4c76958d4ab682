// SPDX-License-Identifier: LGPL-2.1-or-later
// Tells where audio can be shortened without anybody missing anything: inside pauses.
#pragma once

#include <cstdint>

#include "livekit/slidingminimum.h"

namespace timing {

class QuietDetector {
 public:
  /** @level_dbov of a piece of @duration_ns: TRUE when it lies in a pause, not at its beginning,
   * where words fade out. */
  bool add(double level_dbov, int64_t duration_ns);
  void reset();

 private:
  livekit::SlidingMinimum floor_{5'000'000'000}; /* of the level, in thousandths of a dB */
  int64_t quiet_ns_ = 0;
};

}  // namespace timing
