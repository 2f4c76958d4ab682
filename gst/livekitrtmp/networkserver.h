// SPDX-License-Identifier: LGPL-2.1-or-later
// The network thread: accepts, does TLS, reads and writes every connection of one port, keeps their
// time-outs. One epoll descriptor holds them all, so that a hundred publishers cost no more than
// their bytes. Lives in one thread, that of its main context.
#pragma once

#include <gio/gio.h>

#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>

#include "connection.h"
#include "livekit/acceptor.h"
#include "livekit/gobjectptr.h"
#include "livekit/lingeringcloser.h"
#include "livekit/listeningsocket.h"
#include "livekit/tlsqueue.h"
#include "publishroutes.h"

namespace rtmp {

class NetworkServer final : private ConnectionOwner, private livekit::AcceptorOwner {
 public:
  // The thread's default main context must be the one that will run it.
  NetworkServer(livekit::ListeningSocket listening, uint32_t handshake_timeout_ms,
                PublishRoutes& routes);
  ~NetworkServer() override;
  NetworkServer(const NetworkServer&) = delete;
  NetworkServer& operator=(const NetworkServer&) = delete;

  void resume(uint64_t route_id);
  void close_route(uint64_t route_id, const std::string& reason);

 private:
  enum class Stage { kTlsWaiting, kTlsHandshake, kOpen };

  struct Entry {
    std::unique_ptr<Connection> connection;
    Stage stage = Stage::kOpen;
    uint32_t events = 0;                            // what epoll watches for, 0 = not in it
    livekit::GObjectPtr<GCancellable> cancellable;  // of the TLS handshake
    bool publishing = false;                        // as pending_ knows it
  };
  // What a TLS handshake knows, which may outlive its caller but not the server.
  struct TlsTicket {
    NetworkServer* server = nullptr;
    uint64_t id = 0;
  };

  static gboolean on_events(gint descriptor, GIOCondition condition, gpointer self);
  static gboolean on_more_turns(gpointer self);
  static gboolean on_tick(gpointer self);
  static void on_tls_done(GObject* stream, GAsyncResult* result, gpointer ticket);

  PublishRoutes& routes() override { return routes_; }
  void replace(uint64_t id) override;

  void on_caller(livekit::GObjectPtr<GSocket> socket) override;
  bool make_room() override;
  void begin_tls(Entry& entry);
  void handle(uint64_t id, uint32_t events);
  void read(Entry& entry);
  void settle(Entry& entry, Connection::Wants wants);
  void watch(Entry& entry, uint32_t events);
  void expire(uint64_t id, const std::string& why);
  void remove(uint64_t id);
  void want_turns(uint64_t id);
  Entry* find(uint64_t id);

  const livekit::GObjectPtr<GTlsCertificate> certificate_;  // null = no TLS
  const uint32_t handshake_timeout_ms_;
  PublishRoutes& routes_;
  GMainContext* const context_;
  const std::shared_ptr<livekit::LingeringCloser> closer_;
  int epoll_ = -1;
  livekit::GSourcePtr events_;
  livekit::GSourcePtr more_turns_;
  livekit::GSourcePtr tick_;
  uint64_t last_id_ = 0;
  std::map<uint64_t, Entry> entries_;
  std::set<uint64_t> pending_;  // who does not publish, by age
  std::set<uint64_t> turns_;    // who may have more to read
  size_t tls_handshakes_ = 0;   // that have begun and not called back
  livekit::TlsQueue tls_queue_;
  std::unique_ptr<livekit::Acceptor> acceptor_;
};

}  // namespace rtmp
