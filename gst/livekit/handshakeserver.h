// SPDX-License-Identifier: LGPL-2.1-or-later
// From a listening socket to connections that have done their handshake: accepts, does TLS, lets
// libsoup read the request, asks the RouteTable, and takes the connection over once the 101 is
// written. Every caller has the same limited time for all of it. Lives in one thread, that of its
// main context.
#pragma once

#include <libsoup/soup.h>

#include <cstdint>
#include <map>
#include <memory>
#include <string>

#include "acceptor.h"
#include "gobjectptr.h"
#include "lingeringcloser.h"
#include "listeningsocket.h"
#include "routetable.h"
#include "tlsqueue.h"
#include "webhookdesk.h"

namespace livekit {

class HandshakeServer final : private AcceptorOwner {
 public:
  // The thread's default main context must be the one that will run it.
  // `timeout_ms` is for all of a handshake; 0 = no limit.
  HandshakeServer(ListeningSocket listening, uint32_t timeout_ms, RouteTable& routes,
                  WebhookDesk& hooks, std::shared_ptr<LingeringCloser> closer);
  ~HandshakeServer() override;
  HandshakeServer(const HandshakeServer&) = delete;
  HandshakeServer& operator=(const HandshakeServer&) = delete;

 private:
  enum class Stage { kTlsWaiting, kTlsHandshake, kRequest, kSwitching };

  // A caller who is not a track yet.
  struct Pending {
    HandshakeServer* server = nullptr;
    uint64_t id = 0;
    int64_t deadline_us = 0;
    Stage stage = Stage::kRequest;
    GObjectPtr<GSocket> socket;
    // Ours until libsoup has it; then it is the stream's end that tells of libsoup's.
    GObjectPtr<GIOStream> stream;
    GIOStream* watched = nullptr;
    GObjectPtr<GSocketAddress> local;
    GObjectPtr<GSocketAddress> remote;
    std::string remote_name;
    GSourcePtr readable;
    GObjectPtr<GCancellable> cancellable;
    // A webhook, whose body is still to come; libsoup hands it over whole.
    bool hook = false;
    size_t hook_bytes = 0;
    bool admitted = false;
    Admission admission;
  };
  // What a TLS handshake knows, which may outlive its caller but not the server.
  struct TlsTicket {
    HandshakeServer* server = nullptr;
    uint64_t id = 0;
  };

  static gboolean on_deadline(gpointer self);
  static gboolean on_tls_tick(gpointer self);
  static gboolean on_tls_readable(GSocket* socket, GIOCondition condition, gpointer pending);
  static void on_tls_done(GObject* stream, GAsyncResult* result, gpointer ticket);
  static void on_stream_gone(gpointer pending, GObject* stream);
  static void on_headers(SoupServer* soup, SoupServerMessage* message, const char* path,
                         GHashTable* query, gpointer self);
  static void on_request(SoupServer* soup, SoupServerMessage* message, const char* path,
                         GHashTable* query, gpointer self);
  static void on_hook_chunk(SoupServerMessage* message, GBytes* chunk, gpointer self);
  static void on_switched(SoupServerMessage* message, gpointer self);

  void on_caller(GObjectPtr<GSocket> socket) override;
  bool make_room() override;
  void start_tls(Pending& pending);
  void hand_to_soup(Pending& pending);
  void judge(SoupServerMessage* message, Pending& pending);
  // False: it is no webhook.
  bool expect_hook(SoupServerMessage* message, Pending& pending);
  void answer_hook(SoupServerMessage* message, const Pending& pending);
  void refuse(SoupServerMessage* message, Pending& pending, const Verdict& verdict);
  void take_over(SoupServerMessage* message, Pending& pending);
  // Ends a caller's stay: with an answer where one can still be given.
  void expire(Pending& pending, const Verdict& verdict);
  void forget(uint64_t id);
  Pending* find(SoupServerMessage* message);
  void arm_deadline();

  const GObjectPtr<GTlsCertificate> certificate_;  // null = no TLS
  const uint32_t timeout_ms_;
  RouteTable& routes_;
  WebhookDesk& hooks_;
  const std::shared_ptr<LingeringCloser> closer_;
  GMainContext* const context_;
  GObjectPtr<SoupServer> soup_;
  GSourcePtr deadline_;
  uint64_t last_id_ = 0;
  // By age: ids count up and all have the same time, so the first is the next to expire.
  std::map<uint64_t, std::unique_ptr<Pending>> pending_;
  size_t tls_handshakes_ = 0;  // that have begun and not called back
  TlsQueue tls_queue_;
  GSourcePtr tls_tick_;  // while the queue is crowded
  std::unique_ptr<Acceptor> acceptor_;
};

}  // namespace livekit
