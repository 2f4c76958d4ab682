// SPDX-License-Identifier: LGPL-2.1-or-later
// One thread that does what may take its time (files, ends of streams) in order.
#pragma once

#include <chrono>
#include <condition_variable>
#include <deque>
#include <functional>
#include <map>
#include <mutex>
#include <thread>

namespace stt {

class SerialWorker {
 public:
  using Task = std::function<void()>;

  SerialWorker() = default;
  ~SerialWorker() { stop(); }
  SerialWorker(const SerialWorker&) = delete;
  SerialWorker& operator=(const SerialWorker&) = delete;

  void start();
  // Does what is due already, forgets what is later, then ends the thread.
  void stop();
  void post(Task task);
  void post_after(std::chrono::milliseconds delay, Task task);
  size_t waiting() const;

 private:
  void run();

  mutable std::mutex lock_;
  std::condition_variable changed_;
  std::deque<Task> tasks_;                                            // lock_
  std::multimap<std::chrono::steady_clock::time_point, Task> later_;  // lock_
  bool stopping_ = false;                                             // lock_
  std::thread thread_;
};

}  // namespace stt
