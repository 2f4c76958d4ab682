// SPDX-License-Identifier: LGPL-2.1-or-later
// Things to do later in the thread's default main context; what is not done by then is forgotten
// with this.
#pragma once

#include <glib.h>

#include <functional>
#include <set>

namespace egresssim {

class LoopTimers {
 public:
  LoopTimers() = default;
  ~LoopTimers() {
    for (const guint id : std::set<guint>(ids_)) g_source_remove(id);
  }
  LoopTimers(const LoopTimers&) = delete;
  LoopTimers& operator=(const LoopTimers&) = delete;

  // In `wait_s`, at once if that is past.
  void after(double wait_s, std::function<void()> task) {
    auto* const timer = new Timer{this, std::move(task), 0};
    const auto wait_ms = static_cast<guint>(wait_s > 0 ? wait_s * 1e3 + 0.5 : 0);
    timer->id = g_timeout_add_full(G_PRIORITY_DEFAULT, wait_ms, on_due, timer, on_gone);
    ids_.insert(timer->id);
  }

 private:
  struct Timer {
    LoopTimers* owner;
    std::function<void()> task;
    guint id;
  };

  static gboolean on_due(gpointer data) {
    // The task may end the owner's other timers, not its own.
    static_cast<Timer*>(data)->task();
    return G_SOURCE_REMOVE;
  }
  static void on_gone(gpointer data) {
    auto* const timer = static_cast<Timer*>(data);
    timer->owner->ids_.erase(timer->id);
    delete timer;
  }

  std::set<guint> ids_;
};

}  // namespace egresssim
