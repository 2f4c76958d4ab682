// SPDX-License-Identifier: LGPL-2.1-or-later
#include "listener.h"

#include <gst/gst.h>

#include <mutex>
#include <utility>

#include "livekit/listeningsocket.h"
#include "livekit/networkthread.h"
#include "livekit/sharedlisteners.h"
#include "networkserver.h"
#include "publishroutes.h"

GST_DEBUG_CATEGORY(rtmp_listener_debug);
#define GST_CAT_DEFAULT rtmp_listener_debug

namespace rtmp {

using livekit::ListenerConfig;
using livekit::ListeningSocket;

namespace {

void init_debug_category() {
  static std::once_flag once;
  std::call_once(once, [] {
    GST_DEBUG_CATEGORY_INIT(rtmp_listener_debug, "livekitrtmplistener", 0,
                            "RTMP server of livekitrtmpsrc");
  });
}

class SharedListener : public Listener {
 public:
  SharedListener(const ListenerConfig& config, ListeningSocket listening);
  ~SharedListener() override { thread_.stop(); }

  uint16_t port() const override { return port_; }
  bool add_route(const RouteConfig& config, Route* route, std::string& error) override {
    return routes_.add(config, route, error);
  }
  void remove_route(Route* route) override;
  void resume(Route* route) override;
  void close_route(Route* route, const std::string& reason) override;

  const ListenerConfig& config() const { return config_; }
  bool on_own_thread() const { return thread_.is_current(); }

 private:
  void run(ListeningSocket listening, GMainLoop* loop);

  const ListenerConfig config_;
  uint16_t port_ = 0;
  PublishRoutes routes_;
  // Network thread; there while it runs its loop, and so for every posted task.
  NetworkServer* server_ = nullptr;
  livekit::NetworkThread thread_;
};

SharedListener::SharedListener(const ListenerConfig& config, ListeningSocket listening)
    : config_(config), port_(listening.port()) {
  GST_INFO("listening on %s port %u", config.address.c_str(), port_);
  // std::function wants to be copied, which a socket's owner cannot be.
  auto shared = std::make_shared<ListeningSocket>(std::move(listening));
  thread_.start("livekit-rtmp", [this, shared](GMainLoop* loop) { run(std::move(*shared), loop); });
}

void SharedListener::run(ListeningSocket listening, GMainLoop* loop) {
  NetworkServer server(std::move(listening), config_.handshake_timeout_ms, routes_);
  server_ = &server;
  g_main_loop_run(loop);
  server_ = nullptr;
}

void SharedListener::remove_route(Route* route) {
  const uint64_t id = routes_.remove(route);
  if (id == 0) return;
  thread_.post([this, id] {
    if (server_) server_->close_route(id, "the receiver has ended the stream");
  });
}

void SharedListener::resume(Route* route) {
  const uint64_t id = routes_.id_of(route);
  thread_.post([this, id] {
    if (server_ && id != 0) server_->resume(id);
  });
}

void SharedListener::close_route(Route* route, const std::string& reason) {
  const uint64_t id = routes_.id_of(route);
  routes_.close(id);
  thread_.post([this, id, reason] {
    if (server_ && id != 0) server_->close_route(id, reason);
  });
}

std::unique_ptr<SharedListener> start(const ListenerConfig& config, std::string& error) {
  std::optional<ListeningSocket> listening = livekit::open_listening_socket(config, error);
  if (!listening) return nullptr;
  return std::make_unique<SharedListener>(config, std::move(*listening));
}

}  // namespace

std::shared_ptr<Listener> Listener::acquire(const ListenerConfig& config, std::string& error) {
  init_debug_category();
  // Never destroyed: an element may let go of its listener while the process ends.
  static auto* const listeners =
      std::make_unique<livekit::SharedListeners<SharedListener>>().release();
  return listeners->acquire(config, start, error);
}

}  // namespace rtmp
