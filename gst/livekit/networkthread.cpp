// SPDX-License-Identifier: LGPL-2.1-or-later
#include "networkthread.h"

#include <pthread.h>

#include <utility>

namespace livekit {

NetworkThread::NetworkThread()
    : context_(g_main_context_new()), loop_(g_main_loop_new(context_, FALSE)) {}

NetworkThread::~NetworkThread() {
  g_main_loop_unref(loop_);
  g_main_context_unref(context_);
}

void NetworkThread::start(const char* name, Body body) {
  thread_ = std::thread([this, name, body = std::move(body)] {
    pthread_setname_np(pthread_self(), name);
    g_main_context_push_thread_default(context_);
    body(loop_);
    g_main_context_pop_thread_default(context_);
  });
}

// As a source: quitting a loop that has not begun to run would be forgotten.
void NetworkThread::stop() {
  post([this] { g_main_loop_quit(loop_); });
  thread_.join();
}

void NetworkThread::post(std::function<void()> task) {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    tasks_.push_back(std::move(task));
  }
  GSource* const source = g_idle_source_new();
  g_source_set_priority(source, G_PRIORITY_HIGH);
  g_source_set_callback(source, run_next, this, nullptr);
  g_source_attach(source, context_);
  g_source_unref(source);
}

// One source a task, so that tasks and events take turns.
gboolean NetworkThread::run_next(gpointer data) {
  auto* const self = static_cast<NetworkThread*>(data);
  std::function<void()> task;
  {
    const std::lock_guard<std::mutex> lock(self->mutex_);
    task = std::move(self->tasks_.front());
    self->tasks_.pop_front();
  }
  task();
  return G_SOURCE_REMOVE;
}

}  // namespace livekit
