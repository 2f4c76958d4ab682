// SPDX-License-Identifier: LGPL-2.1-or-later
// A thread with a main context of its own, in which a listener lives.
#pragma once

#include <gio/gio.h>

#include <deque>
#include <functional>
#include <mutex>
#include <thread>

namespace livekit {

class NetworkThread {
 public:
  // `body` gets a loop that it has to run, with the thread's context as its default; it returns
  // once stop() was called.
  using Body = std::function<void(GMainLoop* loop)>;

  NetworkThread();
  // stop() has been called, or start() has not.
  ~NetworkThread();
  NetworkThread(const NetworkThread&) = delete;
  NetworkThread& operator=(const NetworkThread&) = delete;

  void start(const char* name, Body body);
  // Not from the thread itself.
  void stop();
  // From any thread; soon, or never when the thread ends before.
  void post(std::function<void()> task);

  bool is_current() const { return thread_.get_id() == std::this_thread::get_id(); }

 private:
  static gboolean run_next(gpointer self);

  GMainContext* const context_;
  GMainLoop* const loop_;
  std::thread thread_;

  std::mutex mutex_;
  std::deque<std::function<void()>> tasks_;  // guarded by mutex_
};

}  // namespace livekit
