// SPDX-License-Identifier: LGPL-2.1-or-later
// The thread on which all livekitwssrc of the process talk to LiveKit's API, and their HTTP client:
// a hundred rooms keep a handful of connections, not a hundred threads.
#pragma once

#include <libsoup/soup.h>

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "gobjectptr.h"

namespace livekit {

class ControlThread {
 public:
  // The process's one; it ends when its last holder lets go.
  static std::shared_ptr<ControlThread> acquire();

  ControlThread();
  ~ControlThread();
  ControlThread(const ControlThread&) = delete;
  ControlThread& operator=(const ControlThread&) = delete;

  // Runs `task` on the thread, soon, in order. From any thread.
  void post(std::function<void()> task);
  // Runs `task` on the thread and waits for it. Not from the thread itself.
  void run(const std::function<void()>& task);

  GMainContext* context() const { return context_; }
  // For the thread itself only.
  SoupSession* session() const { return session_.get(); }
  // Connections for calls that may take half a minute; the others do not wait behind them.
  SoupSession* start_session() const { return start_session_.get(); }

  // A server that did not answer one element is waited for briefly by the next: the elements of a
  // pipeline change state one after the other. From any thread.
  void note_silent(const std::string& server);
  void note_answer(const std::string& server);
  bool was_silent(const std::string& server) const;

 private:
  void loop();

  GMainContext* const context_;
  GMainLoop* const loop_;
  GObjectPtr<SoupSession> session_;  // made and ended on the thread
  GObjectPtr<SoupSession> start_session_;
  mutable std::mutex mutex_;
  std::map<std::string, int64_t> silent_us_;  // since when, of those that were; guarded by mutex_
  std::thread thread_;
};

}  // namespace livekit
