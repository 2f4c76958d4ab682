// SPDX-License-Identifier: LGPL-2.1-or-later
#include "networkthread.h"

#include <pthread.h>

#include <memory>
#include <utility>

#include "gobjectptr.h"

namespace livekit {

namespace {

gboolean run_task(gpointer task) {
  (*static_cast<std::function<void()>*>(task))();
  return G_SOURCE_REMOVE;
}

void free_task(gpointer task) {
  std::unique_ptr<std::function<void()>>(static_cast<std::function<void()>*>(task)).reset();
}

}  // namespace

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
  GSource* const source = g_idle_source_new();
  g_source_set_priority(source, G_PRIORITY_HIGH);
  auto owned = std::make_unique<std::function<void()>>(std::move(task));
  g_source_set_callback(source, run_task, owned.release(), free_task);
  g_source_attach(source, context_);
  g_source_unref(source);
}

}  // namespace livekit
