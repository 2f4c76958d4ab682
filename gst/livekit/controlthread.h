// SPDX-License-Identifier: LGPL-2.1-or-later
// The thread on which all livekitwssrc of the process talk to LiveKit's API, and their HTTP client:
// a hundred rooms keep a handful of connections, not a hundred threads.
#pragma once

#include <libsoup/soup.h>

#include <functional>
#include <memory>
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

 private:
  void loop();

  GMainContext* const context_;
  GMainLoop* const loop_;
  GObjectPtr<SoupSession> session_;  // made and ended on the thread
  std::thread thread_;
};

}  // namespace livekit
