// SPDX-License-Identifier: LGPL-2.1-or-later
// The smallest value of the last so many steps, in constant memory: kept as one minimum a bucket.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>

namespace livekit {

class SlidingMinimum {
 public:
  // Looks back over `length` units of progress, to within an eighth of it.
  explicit SlidingMinimum(uint64_t length) : bucket_length_(std::max<uint64_t>(1, length / 8)) {}

  void clear() {
    buckets_.fill(kNothing);
    current_ = 0;
    progress_ = 0;
    seen_ = 0;
  }

  // `progress` is how much passed since the last call, in the unit of the length.
  void add(int64_t value, uint64_t progress) {
    progress_ += progress;
    if (progress_ >= bucket_length_) {
      progress_ = 0;
      current_ = (current_ + 1) % buckets_.size();
      buckets_[current_] = kNothing;
      seen_ = std::min(seen_ + 1, buckets_.size());
    }
    buckets_[current_] = std::min(buckets_[current_], value);
  }

  // All that was seen turns out to have been that much larger.
  void shift(int64_t by) {
    for (int64_t& value : buckets_)
      if (value != kNothing) value += by;
  }

  // The whole length has been seen since clear().
  bool full() const { return seen_ + 1 >= buckets_.size(); }
  int64_t minimum() const { return *std::min_element(buckets_.begin(), buckets_.end()); }

 private:
  static constexpr int64_t kNothing = std::numeric_limits<int64_t>::max();
  static constexpr std::array<int64_t, 9> all_empty() {
    std::array<int64_t, 9> empty{};
    empty.fill(kNothing);
    return empty;
  }

  uint64_t bucket_length_;
  std::array<int64_t, 9> buckets_ = all_empty();
  size_t current_ = 0;
  size_t seen_ = 0;
  uint64_t progress_ = 0;
};

}  // namespace livekit
