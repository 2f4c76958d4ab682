// SPDX-License-Identifier: LGPL-2.1-or-later
#include "listener.h"

#include <gst/gst.h>
#include <pthread.h>

#include <condition_variable>
#include <map>
#include <mutex>
#include <thread>
#include <utility>

#include "gobjectptr.h"
#include "handshakeserver.h"
#include "lingeringcloser.h"
#include "routetable.h"

GST_DEBUG_CATEGORY(livekit_listener_debug);
#define GST_CAT_DEFAULT livekit_listener_debug

namespace livekit {

namespace {

// The default of 10 makes callers who come together wait a second for the kernel's next try.
constexpr int kBacklog = 1024;

void init_debug_category() {
  static std::once_flag once;
  std::call_once(once, [] {
    GST_DEBUG_CATEGORY_INIT(livekit_listener_debug, "livekitlistener", 0,
                            "WebSocket server of livekitwssrc");
  });
}

// What one network thread runs.
struct NetworkContext {
  NetworkContext() : context(g_main_context_new()), loop(g_main_loop_new(context, FALSE)) {}
  ~NetworkContext() {
    g_main_loop_unref(loop);
    g_main_context_unref(context);
  }
  NetworkContext(const NetworkContext&) = delete;
  NetworkContext& operator=(const NetworkContext&) = delete;

  GMainContext* const context;
  GMainLoop* const loop;
};

class SharedListener : public Listener {
 public:
  SharedListener(const ListenerConfig& config, HandshakeSettings settings);
  ~SharedListener() override;

  uint16_t port() const override { return port_; }
  bool add_route(const RouteConfig& config, Route* route, std::string& error) override {
    return routes_.add(config, route, error);
  }
  void remove_route(Route* route) override { routes_.remove(route); }
  void connection_ended(Route* route) override { routes_.ended(route); }

  const ListenerConfig& config() const { return config_; }
  bool on_own_thread() const { return thread_.get_id() == std::this_thread::get_id(); }

 private:
  void run(HandshakeSettings settings);

  const ListenerConfig config_;
  uint16_t port_ = 0;
  NetworkContext network_;
  RouteTable routes_;
  std::thread thread_;
};

std::string host_of(const ListenerConfig& config) {
  const std::string& host = config.address;
  if (host.empty() || host == "*") return "0.0.0.0";
  if (host == "localhost") return "127.0.0.1";
  if (host.size() > 2 && host.front() == '[' && host.back() == ']') {
    return host.substr(1, host.size() - 2);
  }
  return host;
}

GObjectPtr<GSocketAddress> make_address(const ListenerConfig& config, std::string& error) {
  const GObjectPtr<GInetAddress> inet(g_inet_address_new_from_string(host_of(config).c_str()));
  if (!inet) {
    error = "\"" + config.address + "\" is not an address to listen on: give an IP address of " +
            "this machine, 0.0.0.0 for all of them, or :: for IPv6 as well.";
    return nullptr;
  }
  return GObjectPtr<GSocketAddress>(g_inet_socket_address_new(inet.get(), config.port));
}

GObjectPtr<GSocket> listen_on(GSocketAddress* address, const ListenerConfig& config,
                              std::string& error) {
  ErrorHolder failure;
  const std::string where = "port " + std::to_string(config.port) + " of address " + config.address;
  GObjectPtr<GSocket> socket(g_socket_new(g_socket_address_get_family(address),
                                          G_SOCKET_TYPE_STREAM, G_SOCKET_PROTOCOL_TCP,
                                          failure.out()));
  if (socket) {
    g_socket_set_blocking(socket.get(), FALSE);
    g_socket_set_listen_backlog(socket.get(), kBacklog);
    if (g_socket_bind(socket.get(), address, TRUE, failure.out()) &&
        g_socket_listen(socket.get(), failure.out())) {
      return socket;
    }
    g_socket_close(socket.get(), nullptr);
  }
  if (failure.is(G_IO_ERROR, G_IO_ERROR_ADDRESS_IN_USE)) {
    error = "Cannot listen on " + where + ": another program uses it. Stop that program " +
            "(`ss -ltnp` shows it) or choose another port.";
  } else if (failure.is(G_IO_ERROR, G_IO_ERROR_PERMISSION_DENIED)) {
    error = "Cannot listen on " + where + ": not permitted. Ports below 1024 are for root; " +
            "choose another port.";
  } else {
    error = "Cannot listen on " + where + ": " + failure.message() +
            ". Choose an address that this machine has.";
  }
  return nullptr;
}

bool load_certificate(const ListenerConfig& config, GObjectPtr<GTlsCertificate>& certificate,
                      std::string& error) {
  if (config.tls_certificate.empty()) {
    if (config.tls_key.empty()) return true;
    error = "A TLS key is given without a certificate: set tls-certificate too.";
    return false;
  }
  if (!g_tls_backend_supports_tls(g_tls_backend_get_default())) {
    error = "TLS is not available: install the package glib-networking.";
    return false;
  }
  const std::string& key = config.tls_key.empty() ? config.tls_certificate : config.tls_key;
  ErrorHolder failure;
  certificate.reset(
      g_tls_certificate_new_from_files(config.tls_certificate.c_str(), key.c_str(), failure.out()));
  if (certificate) return true;
  error = "Cannot use the TLS certificate " + config.tls_certificate + " with the key " + key +
          ": " + failure.message() + ". Both have to be readable PEM files that belong together.";
  return false;
}

std::unique_ptr<SharedListener> start(const ListenerConfig& config, std::string& error) {
  HandshakeSettings settings;
  settings.timeout_ms = config.handshake_timeout_ms;
  if (!load_certificate(config, settings.certificate, error)) return nullptr;
  const GObjectPtr<GSocketAddress> address = make_address(config, error);
  if (!address) return nullptr;
  settings.listening = listen_on(address.get(), config, error);
  if (!settings.listening) return nullptr;
  return std::make_unique<SharedListener>(config, std::move(settings));
}

// The listeners of the process, by address and port.
class Registry {
 public:
  static Registry& instance() {
    // Never destroyed: an element may let go of its listener while the process ends.
    static Registry* const registry = std::make_unique<Registry>().release();
    return *registry;
  }

  std::shared_ptr<Listener> acquire(const ListenerConfig& config, std::string& error) {
    if (config.port == 0) return hold(start(config, error), "");
    const std::string key = host_of(config) + " " + std::to_string(config.port);
    // Outlives the lock: should it be the last holder, its end takes the lock.
    std::shared_ptr<SharedListener> listener;
    std::unique_lock lock(mutex_);
    for (auto found = entries_.find(key); found != entries_.end(); found = entries_.find(key)) {
      listener = found->second.lock();
      if (listener) {
        error = difference(listener->config(), config);
        return error.empty() ? listener : nullptr;
      }
      // Its last holder is just closing it: the port is free in a moment.
      released_.wait(lock);
    }
    listener = hold(start(config, error), key);
    if (listener) entries_[key] = listener;
    return listener;
  }

 private:
  std::shared_ptr<SharedListener> hold(std::unique_ptr<SharedListener> listener,
                                       const std::string& key) {
    if (!listener) return nullptr;
    return {listener.release(), [this, key](SharedListener* last) {
              auto release = [this, key, last] {
                std::unique_ptr<SharedListener>(last).reset();
                if (key.empty()) return;
                std::lock_guard lock(mutex_);
                entries_.erase(key);
                released_.notify_all();
              };
              // Let go of in one of its callbacks: its thread cannot wait for its own end.
              if (last->on_own_thread()) {
                std::thread(release).detach();
              } else {
                release();
              }
            }};
  }

  static std::string difference(const ListenerConfig& running, const ListenerConfig& wanted) {
    const char* what = nullptr;
    if (running.tls_certificate != wanted.tls_certificate) what = "tls-certificate";
    if (running.tls_key != wanted.tls_key) what = "tls-key";
    if (running.handshake_timeout_ms != wanted.handshake_timeout_ms) what = "handshake-timeout";
    if (!what) return "";
    return "Port " + std::to_string(wanted.port) + " of address " + wanted.address +
           " is already served in this process with another " + what +
           ": give all elements on one port the same, or this one another port.";
  }

  std::mutex mutex_;
  std::condition_variable released_;
  std::map<std::string, std::weak_ptr<SharedListener>> entries_;  // guarded by mutex_
};

SharedListener::SharedListener(const ListenerConfig& config, HandshakeSettings settings)
    : config_(config) {
  const GObjectPtr<GSocketAddress> local(
      g_socket_get_local_address(settings.listening.get(), nullptr));
  port_ = local ? g_inet_socket_address_get_port(G_INET_SOCKET_ADDRESS(local.get())) : config.port;
  GST_INFO("listening on %s port %u", config.address.c_str(), port_);
  thread_ = std::thread(&SharedListener::run, this, std::move(settings));
}

void SharedListener::run(HandshakeSettings settings) {
  pthread_setname_np(pthread_self(), "livekit-net");
  g_main_context_push_thread_default(network_.context);
  {
    const auto closer = std::make_shared<LingeringCloser>(network_.context);
    HandshakeServer server(std::move(settings), routes_, closer);
    g_main_loop_run(network_.loop);
    closer->stop();
  }
  g_main_context_pop_thread_default(network_.context);
}

gboolean quit_loop(gpointer loop) {
  g_main_loop_quit(static_cast<GMainLoop*>(loop));
  return G_SOURCE_REMOVE;
}

SharedListener::~SharedListener() {
  // As a source of its own: quitting a loop that has not begun to run would be forgotten.
  const GSourcePtr quit(g_idle_source_new());
  g_source_set_priority(quit.get(), G_PRIORITY_HIGH);
  g_source_set_callback(quit.get(), quit_loop, network_.loop, nullptr);
  g_source_attach(quit.get(), network_.context);
  thread_.join();
}

}  // namespace

std::shared_ptr<Listener> Listener::acquire(const ListenerConfig& config, std::string& error) {
  init_debug_category();
  return Registry::instance().acquire(config, error);
}

}  // namespace livekit
