// SPDX-License-Identifier: LGPL-2.1-or-later
#include "quietdetector.h"

#include <algorithm>

namespace timing {

namespace {
// So much of each pause stays: a word's end fades out in it, and it still ends a sentence for those
// who tell sentences apart by their pauses (sttsink: 400 ms).
constexpr int64_t kPause_ns = 450'000'000;
// Above the quietest of the last seconds, which is what the room sounds like when nobody speaks.
constexpr double kAboveFloor_db = 6.0;
constexpr double kAlwaysQuiet_dbov = -70.0;
constexpr double kNeverQuiet_dbov = -35.0;
}  // namespace

bool QuietDetector::add(double level_dbov, int64_t duration_ns) {
  floor_.add(int64_t(level_dbov * 1000.0), uint64_t(std::max<int64_t>(duration_ns, 0)));
  const double floor_dbov = double(floor_.minimum()) / 1000.0;
  const double limit_dbov =
      std::min(kNeverQuiet_dbov, std::max(kAlwaysQuiet_dbov, floor_dbov + kAboveFloor_db));
  if (level_dbov > limit_dbov) {
    quiet_ns_ = 0;
    return false;
  }
  const bool inside = quiet_ns_ >= kPause_ns;
  quiet_ns_ += duration_ns;
  return inside;
}

void QuietDetector::reset() {
  floor_.clear();
  quiet_ns_ = 0;
}

}  // namespace timing
