// SPDX-License-Identifier: LGPL-2.1-or-later
// What lies between the network thread and the streaming thread of one element. Takes bytes up to
// a limit, then tells the network thread to stop reading that publisher: nothing is dropped, and
// nobody waits but the one who pops.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <mutex>
#include <vector>

#include "session.h"

namespace rtmp {

struct QueuedMedia {
  // kResumed: between what comes before and what comes after it no running time has passed.
  enum class Event : uint8_t { kMedia, kPublisherAdded, kPublisherGone, kResumed };

  Event event = Event::kMedia;
  MediaKind kind = MediaKind::kData;
  bool configuration = false;
  uint32_t timestamp_ms = 0;
  int64_t arrival_us = 0;  // monotonic
  std::vector<uint8_t> tag;
};

class MediaQueue {
 public:
  enum class Popped { kItem, kTimeout, kFlushing, kEnded };

  // `resume` is called from pop(), without locks, when a queue that was full has room again.
  MediaQueue(size_t max_bytes, std::function<void()> resume);

  // False: full; this one was taken, but read no more until `resume`.
  bool push(QueuedMedia item);
  // Waits for `timeout_us` at most; a negative one waits for ever.
  Popped pop(QueuedMedia& item, int64_t timeout_us);

  // While flushing, pop() returns at once. Nothing is lost.
  void set_flushing(bool flushing);
  // After what is in it, pop() gives kEnded.
  void end();
  void clear();

  size_t bytes() const;

 private:
  const size_t max_bytes_;
  const std::function<void()> resume_;

  mutable std::mutex mutex_;  // guards what follows
  std::condition_variable changed_;
  std::deque<QueuedMedia> items_;
  size_t bytes_ = 0;
  bool flushing_ = false;
  bool ended_ = false;
  bool full_ = false;  // push() has said so, resume has not been called
};

}  // namespace rtmp
