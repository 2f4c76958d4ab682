// SPDX-License-Identifier: LGPL-2.1-or-later
// Bytes in, whole frames out, always contiguous. A frame may be split anywhere between pushes.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <vector>

namespace livekit {

class SampleQueue {
 public:
  explicit SampleQueue(size_t bytes_per_frame) : bytes_per_frame_(bytes_per_frame) {}

  void push(std::span<const uint8_t> bytes) {
    if (tail_ + bytes.size() > buffer_.size()) make_room(bytes.size());
    if (!bytes.empty()) std::memcpy(buffer_.data() + tail_, bytes.data(), bytes.size());
    tail_ += bytes.size();
  }

  size_t frames() const { return (tail_ - head_) / bytes_per_frame_; }
  size_t loose_bytes() const { return (tail_ - head_) % bytes_per_frame_; }
  const uint8_t* data() const { return buffer_.data() + head_; }
  uint8_t* data() { return buffer_.data() + head_; }

  // The bytes stay readable until the next push.
  void drop(size_t frames) { head_ += frames * bytes_per_frame_; }

 private:
  void make_room(size_t incoming) {
    const size_t held = tail_ - head_;
    const size_t wanted = held + incoming;
    // After a burst has been played, its memory goes back.
    const bool much_too_large = buffer_.size() > kKeepBytes && wanted < buffer_.size() / 8;
    if (wanted > buffer_.size() || much_too_large) {
      std::vector<uint8_t> other(std::max<size_t>(wanted * 2, kSmallestBytes));
      if (held > 0) std::memcpy(other.data(), buffer_.data() + head_, held);
      buffer_.swap(other);
    } else if (held > 0) {
      std::memmove(buffer_.data(), buffer_.data() + head_, held);
    }
    head_ = 0;
    tail_ = held;
  }

  static constexpr size_t kSmallestBytes = 8 * 1024;
  static constexpr size_t kKeepBytes = 256 * 1024;

  size_t bytes_per_frame_;
  std::vector<uint8_t> buffer_;
  size_t head_ = 0;
  size_t tail_ = 0;
};

}  // namespace livekit
