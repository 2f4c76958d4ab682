// SPDX-License-Identifier: LGPL-2.1-or-later
#include "serialworker.h"

#include <pthread.h>

namespace stt {

void SerialWorker::start() {
  stopping_ = false;
  thread_ = std::thread([this] {
    pthread_setname_np(pthread_self(), "sttsink-out");
    run();
  });
}

void SerialWorker::stop() {
  {
    const std::lock_guard guard(lock_);
    stopping_ = true;
    later_.clear();
  }
  changed_.notify_all();
  if (thread_.joinable()) thread_.join();
}

void SerialWorker::post(Task task) {
  {
    const std::lock_guard guard(lock_);
    if (stopping_) return;
    tasks_.push_back(std::move(task));
  }
  changed_.notify_all();
}

void SerialWorker::post_after(std::chrono::milliseconds delay, Task task) {
  {
    const std::lock_guard guard(lock_);
    if (stopping_) return;
    later_.emplace(std::chrono::steady_clock::now() + delay, std::move(task));
  }
  changed_.notify_all();
}

size_t SerialWorker::waiting() const {
  const std::lock_guard guard(lock_);
  return tasks_.size();
}

void SerialWorker::run() {
  std::unique_lock guard(lock_);
  while (true) {
    while (!later_.empty() && later_.begin()->first <= std::chrono::steady_clock::now()) {
      tasks_.push_back(std::move(later_.begin()->second));
      later_.erase(later_.begin());
    }
    if (!tasks_.empty()) {
      const Task task = std::move(tasks_.front());
      tasks_.pop_front();
      guard.unlock();
      task();
      guard.lock();
    } else if (stopping_) {
      return;
    } else if (later_.empty()) {
      changed_.wait(guard);
    } else {
      const auto next = later_.begin()->first;  // stop() may clear what it points to
      changed_.wait_until(guard, next);
    }
  }
}

}  // namespace stt
