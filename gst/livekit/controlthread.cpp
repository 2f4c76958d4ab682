// SPDX-License-Identifier: LGPL-2.1-or-later
#include "controlthread.h"

#include <pthread.h>

#include <condition_variable>
#include <utility>

namespace livekit {

namespace {

constexpr guint kConnectionsPerServer = 32;
constexpr guint kConnections = 256;
constexpr guint kIdleConnectionSeconds = 30;
constexpr int64_t kSilenceUs = 10 * G_USEC_PER_SEC;

gboolean run_task(gpointer task) {
  (*static_cast<std::function<void()>*>(task))();
  return G_SOURCE_REMOVE;
}

void free_task(gpointer task) {
  std::unique_ptr<std::function<void()>>(static_cast<std::function<void()>*>(task)).reset();
}

}  // namespace

std::shared_ptr<ControlThread> ControlThread::acquire() {
  static std::mutex mutex;
  static std::weak_ptr<ControlThread> running;  // guarded by mutex
  const std::lock_guard lock(mutex);
  std::shared_ptr<ControlThread> thread = running.lock();
  if (!thread) {
    thread = std::make_shared<ControlThread>();
    running = thread;
  }
  return thread;
}

ControlThread::ControlThread()
    : context_(g_main_context_new()), loop_(g_main_loop_new(context_, FALSE)) {
  thread_ = std::thread(&ControlThread::loop, this);
}

ControlThread::~ControlThread() {
  post([this] { g_main_loop_quit(loop_); });
  thread_.join();
  g_main_loop_unref(loop_);
  g_main_context_unref(context_);
}

void ControlThread::loop() {
  pthread_setname_np(pthread_self(), "livekit-control");
  g_main_context_push_thread_default(context_);
  for (GObjectPtr<SoupSession>* session : {&session_, &start_session_}) {
    session->reset(soup_session_new_with_options(
        "max-conns", kConnections, "max-conns-per-host", kConnectionsPerServer, "idle-timeout",
        kIdleConnectionSeconds, "user-agent", "gst-plugins-egress/" PACKAGE_VERSION, nullptr));
  }
  g_main_loop_run(loop_);
  for (GObjectPtr<SoupSession>* session : {&session_, &start_session_}) {
    soup_session_abort(session->get());
    session->reset();
  }
  // What libsoup has put off to its next turn holds references.
  constexpr int kLastTurns = 100;
  for (int i = 0; i < kLastTurns && g_main_context_iteration(context_, FALSE); ++i) {
  }
  g_main_context_pop_thread_default(context_);
}

void ControlThread::note_silent(const std::string& server) {
  const std::lock_guard lock(mutex_);
  silent_us_[server] = g_get_monotonic_time();
}

void ControlThread::note_answer(const std::string& server) {
  const std::lock_guard lock(mutex_);
  silent_us_.erase(server);
}

bool ControlThread::was_silent(const std::string& server) const {
  const std::lock_guard lock(mutex_);
  const auto found = silent_us_.find(server);
  return found != silent_us_.end() && found->second + kSilenceUs > g_get_monotonic_time();
}

void ControlThread::post(std::function<void()> task) {
  // A source of its own, never run in the caller: quitting a loop that does not run yet is lost.
  GSource* source = g_idle_source_new();
  g_source_set_priority(source, G_PRIORITY_DEFAULT);
  g_source_set_callback(source, run_task,
                        std::make_unique<std::function<void()>>(std::move(task)).release(),
                        free_task);
  g_source_attach(source, context_);
  g_source_unref(source);
}

void ControlThread::run(const std::function<void()>& task) {
  std::mutex mutex;
  std::condition_variable changed;
  bool done = false;
  post([&] {
    task();
    // Notified under the lock: the waiter owns both, and goes as soon as it can.
    const std::lock_guard lock(mutex);
    done = true;
    changed.notify_one();
  });
  std::unique_lock lock(mutex);
  changed.wait(lock, [&done] { return done; });
}

}  // namespace livekit
