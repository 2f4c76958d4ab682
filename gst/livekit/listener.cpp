// SPDX-License-Identifier: LGPL-2.1-or-later
#include "listener.h"

#include <gst/gst.h>

#include <mutex>
#include <utility>

#include "handshakeserver.h"
#include "lingeringcloser.h"
#include "listeningsocket.h"
#include "networkthread.h"
#include "routetable.h"
#include "sharedlisteners.h"
#include "webhookdesk.h"

GST_DEBUG_CATEGORY(livekit_listener_debug);
#define GST_CAT_DEFAULT livekit_listener_debug

namespace livekit {

namespace {

void init_debug_category() {
  static std::once_flag once;
  std::call_once(once, [] {
    GST_DEBUG_CATEGORY_INIT(livekit_listener_debug, "livekitlistener", 0,
                            "WebSocket server of livekitwssrc");
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
  void remove_route(Route* route) override { routes_.remove(route); }
  void connection_ended(Route* route) override { routes_.ended(route); }
  void add_hook(const HookConfig& config, HookSink* sink) override { hooks_.add(config, sink); }
  void remove_hook(HookSink* sink) override { hooks_.remove(sink); }

  const ListenerConfig& config() const { return config_; }
  bool on_own_thread() const { return thread_.is_current(); }

 private:
  void run(ListeningSocket listening, GMainLoop* loop);

  const ListenerConfig config_;
  uint16_t port_ = 0;
  RouteTable routes_;
  WebhookDesk hooks_;
  NetworkThread thread_;
};

SharedListener::SharedListener(const ListenerConfig& config, ListeningSocket listening)
    : config_(config), port_(listening.port()) {
  GST_INFO("listening on %s port %u", config.address.c_str(), port_);
  // std::function wants to be copied, which a socket's owner cannot be.
  auto shared = std::make_shared<ListeningSocket>(std::move(listening));
  thread_.start("livekit-net", [this, shared](GMainLoop* loop) { run(std::move(*shared), loop); });
}

void SharedListener::run(ListeningSocket listening, GMainLoop* loop) {
  const auto closer = std::make_shared<LingeringCloser>(g_main_loop_get_context(loop));
  HandshakeServer server(std::move(listening), config_.handshake_timeout_ms, routes_, hooks_,
                         closer);
  g_main_loop_run(loop);
  closer->stop();
}

std::unique_ptr<SharedListener> start(const ListenerConfig& config, std::string& error) {
  std::optional<ListeningSocket> listening = open_listening_socket(config, error);
  if (!listening) return nullptr;
  return std::make_unique<SharedListener>(config, std::move(*listening));
}

}  // namespace

std::shared_ptr<Listener> Listener::acquire(const ListenerConfig& config, std::string& error) {
  init_debug_category();
  // Never destroyed: an element may let go of its listener while the process ends.
  static auto* const listeners = std::make_unique<SharedListeners<SharedListener>>().release();
  return listeners->acquire(config, start, error);
}

}  // namespace livekit
