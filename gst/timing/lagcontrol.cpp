// SPDX-License-Identifier: LGPL-2.1-or-later
#include "lagcontrol.h"

#include <algorithm>

namespace timing {

namespace {
// A whole number of samples at every usual rate, so that none is lost to rounding.
constexpr int64_t kStep_ns = 10'000'000;
}  // namespace

LagControl::Verdict LagControl::place(int64_t duration_ns, int64_t slack_ns, double level_dbov) {
  Verdict verdict;
  const bool quiet = quiet_.add(level_dbov, duration_ns);
  const int64_t slack = slack_ns + shift_ns_;
  if (slack < 0 && settings_.grows && settings_.reserve_ns - slack_ns <= settings_.most_shift_ns) {
    shift_ns_ = (settings_.reserve_ns - slack_ns + kStep_ns - 1) / kStep_ns * kStep_ns;
    ++moves_;
    least_slack_.clear();
    least_slack_.add(settings_.reserve_ns, uint64_t(duration_ns));
    verdict.moved = true;
    return verdict;
  }
  least_slack_.add(slack, uint64_t(std::max<int64_t>(duration_ns, 0)));
  // As much as no piece of the last seconds has needed.
  if (!quiet || !least_slack_.full()) return verdict;
  const int64_t moved_ns = shift_ns_ - settings_.least_shift_ns;
  const int64_t spare = least_slack_.minimum() >= moved_ns
                            ? moved_ns  // it would have been in time unmoved
                            : least_slack_.minimum() - settings_.reserve_ns;
  if (spare <= 0) return verdict;
  if (spare >= duration_ns) {
    verdict.drop = true;
    shift_ns_ -= duration_ns;
    least_slack_.shift(-duration_ns);
    cut_ns_ += duration_ns;
  } else if (settings_.whole_pieces) {
    return verdict;
  } else {
    // The last bit: this piece covers the end of the one before.
    shift_ns_ -= spare;
    least_slack_.shift(-spare);
    cut_ns_ += spare;
  }
  verdict.moved = true;
  return verdict;
}

void LagControl::reset() {
  quiet_.reset();
  least_slack_.clear();
  shift_ns_ = 0;
}

}  // namespace timing
