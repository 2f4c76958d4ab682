// SPDX-License-Identifier: LGPL-2.1-or-later
#include "mediaqueue.h"

#include <chrono>
#include <utility>

namespace rtmp {

namespace {

// What an entry costs beside its bytes: small ones must not get in without number.
constexpr size_t kEntryBytes = 128;

size_t cost(const QueuedMedia& item) {
  return item.tag.size() + kEntryBytes;
}

}  // namespace

MediaQueue::MediaQueue(size_t max_bytes, std::function<void()> resume)
    : max_bytes_(max_bytes), resume_(std::move(resume)) {}

bool MediaQueue::push(QueuedMedia item) {
  const std::lock_guard lock(mutex_);
  if (ended_) return true;
  bytes_ += cost(item);
  items_.push_back(std::move(item));
  if (bytes_ >= max_bytes_) full_ = true;
  changed_.notify_one();
  return !full_;
}

MediaQueue::Popped MediaQueue::pop(QueuedMedia& item, int64_t timeout_us) {
  std::unique_lock lock(mutex_);
  const auto ready = [this] { return flushing_ || ended_ || !items_.empty(); };
  if (timeout_us < 0) {
    changed_.wait(lock, ready);
  } else {
    changed_.wait_for(lock, std::chrono::microseconds(timeout_us), ready);
  }
  if (flushing_) return Popped::kFlushing;
  if (items_.empty()) return ended_ ? Popped::kEnded : Popped::kTimeout;
  item = std::move(items_.front());
  items_.pop_front();
  bytes_ -= cost(item);
  const bool resume = full_ && bytes_ < max_bytes_ / 2;
  if (resume) full_ = false;
  lock.unlock();
  if (resume) resume_();
  return Popped::kItem;
}

void MediaQueue::set_flushing(bool flushing) {
  const std::lock_guard lock(mutex_);
  flushing_ = flushing;
  changed_.notify_all();
}

void MediaQueue::end() {
  const std::lock_guard lock(mutex_);
  ended_ = true;
  changed_.notify_all();
}

void MediaQueue::clear() {
  const std::lock_guard lock(mutex_);
  items_.clear();
  bytes_ = 0;
}

size_t MediaQueue::bytes() const {
  const std::lock_guard lock(mutex_);
  return bytes_;
}

}  // namespace rtmp
