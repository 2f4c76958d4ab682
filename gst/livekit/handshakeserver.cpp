// SPDX-License-Identifier: LGPL-2.1-or-later
#include "handshakeserver.h"

#include <gst/gst.h>

#include <algorithm>
#include <string>
#include <utility>

#include "httprefusal.h"
#include "websocketconnection.h"

GST_DEBUG_CATEGORY_EXTERN(livekit_listener_debug);
#define GST_CAT_DEFAULT livekit_listener_debug

namespace livekit {

namespace {

// Callers between accept() and 101. The oldest gives way to a new one: an honest handshake takes
// milliseconds, so whoever opens connections and stays silent drives out his own kind.
constexpr size_t kMaxPending = 1024;
constexpr int kLastTurns = 100;
constexpr guint kTlsTickMs = 100;
constexpr const char* kPendingKey = "livekit-pending-id";

Caller::Handshake check_handshake(SoupServerMessage* message) {
  SoupMessageHeaders* headers = soup_server_message_get_request_headers(message);
  if (soup_server_message_get_http_version(message) == SOUP_HTTP_1_0) {
    return Caller::Handshake::kNotWebSocket;
  }
  ErrorHolder error;
  if (soup_websocket_server_check_handshake(message, nullptr, nullptr, nullptr, error.out())) {
    return Caller::Handshake::kGood;
  }
  if (error.is(SOUP_WEBSOCKET_ERROR, SOUP_WEBSOCKET_ERROR_NOT_WEBSOCKET)) {
    return Caller::Handshake::kNotWebSocket;
  }
  const char* version = soup_message_headers_get_one(headers, "Sec-WebSocket-Version");
  return g_strcmp0(version, "13") == 0 ? Caller::Handshake::kBad : Caller::Handshake::kWrongVersion;
}

// A fresh socket takes an answer of this size at once; if not, the caller is not worth waiting for.
void write_answer(GIOStream* stream, const std::string& answer) {
  g_pollable_output_stream_write_nonblocking(
      G_POLLABLE_OUTPUT_STREAM(g_io_stream_get_output_stream(stream)), answer.data(), answer.size(),
      nullptr, nullptr);
}

}  // namespace

HandshakeServer::HandshakeServer(ListeningSocket listening, uint32_t timeout_ms, RouteTable& routes,
                                 WebhookDesk& hooks, std::shared_ptr<LingeringCloser> closer)
    : certificate_(std::move(listening.certificate)),
      timeout_ms_(timeout_ms),
      routes_(routes),
      hooks_(hooks),
      closer_(std::move(closer)),
      context_(g_main_context_ref_thread_default()),
      // raw-paths: names are decoded by us, once, and a %2F in a name stays a part of it.
      soup_(soup_server_new("raw-paths", TRUE, nullptr)) {
  soup_server_add_early_handler(soup_.get(), nullptr, on_headers, this, nullptr);
  soup_server_add_handler(soup_.get(), nullptr, on_request, this, nullptr);
  acceptor_ = std::make_unique<Acceptor>(listening.socket.get(), context_,
                                         static_cast<AcceptorOwner*>(this));
}

HandshakeServer::~HandshakeServer() {
  acceptor_.reset();
  deadline_.reset();
  tls_tick_.reset();
  while (!pending_.empty()) {
    expire(*pending_.begin()->second, {503, "the server is shutting down"});
  }
  soup_server_disconnect(soup_.get());
  soup_.reset();
  // All of them are cancelled by now.
  while (tls_handshakes_ > 0) g_main_context_iteration(context_, TRUE);
  // What libsoup has put off to its next turn holds references.
  for (int i = 0; i < kLastTurns && g_main_context_iteration(context_, FALSE); ++i) {
  }
  g_main_context_unref(context_);
}

// Callers who have not said who they are give their descriptors to those who wait, a part of them
// at a time.
bool HandshakeServer::make_room() {
  const size_t count = (pending_.size() + 3) / 4;
  for (size_t i = 0; i < count; ++i) {
    expire(*pending_.begin()->second, {503, "too many connections"});
  }
  return count > 0;
}

void HandshakeServer::on_caller(GObjectPtr<GSocket> socket) {
  // Asked for now: libsoup would ask after the peer may have gone, and warn.
  GObjectPtr<GSocketAddress> local(g_socket_get_local_address(socket.get(), nullptr));
  GObjectPtr<GSocketAddress> remote(g_socket_get_remote_address(socket.get(), nullptr));
  if (!local || !remote) {
    g_socket_close(socket.get(), nullptr);
    return;
  }
  while (pending_.size() >= kMaxPending) {
    expire(*pending_.begin()->second, {503, "too many callers at once"});
  }
  auto entry = std::make_unique<Pending>();
  Pending& pending = *entry;
  pending.server = this;
  pending.id = ++last_id_;
  pending.deadline_us = g_get_monotonic_time() + int64_t{timeout_ms_} * 1000;
  pending.remote_name = describe_address(remote.get());
  pending.local = std::move(local);
  pending.remote = std::move(remote);
  pending.stream.reset(G_IO_STREAM(g_socket_connection_factory_create_connection(socket.get())));
  pending.socket = std::move(socket);
  pending_.emplace(pending.id, std::move(entry));
  if (!deadline_) arm_deadline();
  if (!certificate_) {
    hand_to_soup(pending);
    return;
  }
  // GIO does each TLS handshake in a thread of a small pool; one who connects and says nothing
  // must not hold such a thread, so the handshake begins with his first byte.
  pending.stage = Stage::kTlsWaiting;
  pending.readable.reset(g_socket_create_source(pending.socket.get(), G_IO_IN, nullptr));
  g_source_set_callback(pending.readable.get(), G_SOURCE_FUNC(on_tls_readable), &pending, nullptr);
  g_source_attach(pending.readable.get(), context_);
}

gboolean HandshakeServer::on_tls_readable(GSocket* socket, GIOCondition condition, gpointer data) {
  auto& pending = *static_cast<Pending*>(data);
  HandshakeServer* const self = pending.server;
  const FirstByte first = peek_first_byte(socket);
  if (first == FirstByte::kGone) {
    self->forget(pending.id);
  } else if (first == FirstByte::kOther) {
    const std::string answer =
        format_refusal({400, "this port speaks TLS: connect with wss:// instead of ws://"}, true);
    write_answer(pending.stream.get(), answer);
    self->routes_.refused_unrouted(pending.remote_name, 400, "spoke plain HTTP to a TLS port");
    self->closer_->take(std::move(pending.socket), std::move(pending.stream));
    self->forget(pending.id);
  } else {
    self->start_tls(pending);
  }
  return G_SOURCE_REMOVE;
}

void HandshakeServer::start_tls(Pending& pending) {
  pending.readable.reset();
  pending.stage = Stage::kTlsHandshake;
  const char* const protocols[] = {"http/1.1", nullptr};
  std::string error;
  GObjectPtr<GIOStream> tls =
      make_server_tls(pending.stream.get(), certificate_.get(), protocols, error);
  if (!tls) {
    GST_WARNING("no TLS for %s: %s", pending.remote_name.c_str(), error.c_str());
    forget(pending.id);
    return;
  }
  GTlsConnection* const connection = G_TLS_CONNECTION(tls.get());
  pending.stream = std::move(tls);
  tls_queue_.begin(pending.id, g_get_monotonic_time());
  if (tls_queue_.crowded() && !tls_tick_) {
    tls_tick_.reset(g_timeout_source_new(kTlsTickMs));
    g_source_set_callback(tls_tick_.get(), on_tls_tick, this, nullptr);
    g_source_attach(tls_tick_.get(), context_);
  }
  pending.cancellable.reset(g_cancellable_new());
  auto ticket = std::make_unique<TlsTicket>(TlsTicket{this, pending.id});
  ++tls_handshakes_;
  g_tls_connection_handshake_async(connection, G_PRIORITY_DEFAULT, pending.cancellable.get(),
                                   on_tls_done, ticket.release());
}

void HandshakeServer::on_tls_done(GObject* stream, GAsyncResult* result, gpointer data) {
  const std::unique_ptr<TlsTicket> ticket(static_cast<TlsTicket*>(data));
  ErrorHolder error;
  const bool done =
      g_tls_connection_handshake_finish(G_TLS_CONNECTION(stream), result, error.out());
  HandshakeServer* const self = ticket->server;
  --self->tls_handshakes_;
  const auto found = self->pending_.find(ticket->id);
  if (found == self->pending_.end()) return;
  Pending& pending = *found->second;
  self->tls_queue_.end(pending.id);
  pending.cancellable.reset();
  if (done) {
    self->hand_to_soup(pending);
    return;
  }
  GST_INFO("TLS handshake with %s failed: %s", pending.remote_name.c_str(),
           error.message().c_str());
  self->routes_.refused_unrouted(pending.remote_name, 400,
                                 "TLS handshake failed: " + error.message());
  // Before the stream goes, so that TLS does not try to say goodbye, which may block.
  g_socket_close(pending.socket.get(), nullptr);
  self->forget(pending.id);
}

gboolean HandshakeServer::on_tls_tick(gpointer data) {
  auto* const self = static_cast<HandshakeServer*>(data);
  for (const uint64_t id : self->tls_queue_.late(g_get_monotonic_time())) {
    const auto found = self->pending_.find(id);
    if (found == self->pending_.end()) continue;
    self->expire(*found->second,
                 {503, "the TLS handshake took too long while others waited for theirs"});
  }
  if (self->tls_queue_.crowded()) return G_SOURCE_CONTINUE;
  self->tls_tick_.reset();
  return G_SOURCE_REMOVE;
}

void HandshakeServer::hand_to_soup(Pending& pending) {
  pending.stage = Stage::kRequest;
  // libsoup carries the address along with the message: that is how find() knows the caller.
  g_object_set_data(G_OBJECT(pending.remote.get()), kPendingKey, &pending);
  pending.watched = pending.stream.get();
  g_object_weak_ref(G_OBJECT(pending.watched), on_stream_gone, &pending);
  const GObjectPtr<GIOStream> stream = std::move(pending.stream);
  const GObjectPtr<GSocketAddress> local = share(pending.local.get());
  const GObjectPtr<GSocketAddress> remote = share(pending.remote.get());
  soup_server_accept_iostream(soup_.get(), stream.get(), local.get(), remote.get(), nullptr);
}

void HandshakeServer::on_stream_gone(gpointer data, GObject* stream) {
  auto& pending = *static_cast<Pending*>(data);
  pending.watched = nullptr;
  pending.server->forget(pending.id);
}

HandshakeServer::Pending* HandshakeServer::find(SoupServerMessage* message) {
  GSocketAddress* remote = soup_server_message_get_remote_address(message);
  return static_cast<Pending*>(g_object_get_data(G_OBJECT(remote), kPendingKey));
}

void HandshakeServer::on_headers(SoupServer* soup, SoupServerMessage* message, const char* path,
                                 GHashTable* query, gpointer data) {
  auto* const self = static_cast<HandshakeServer*>(data);
  Pending* const pending = self->find(message);
  if (pending && self->expect_hook(message, *pending)) return;
  // A body has no meaning here; it must not take memory either.
  soup_message_body_set_accumulate(soup_server_message_get_request_body(message), FALSE);
  if (pending) self->judge(message, *pending);
}

bool HandshakeServer::expect_hook(SoupServerMessage* message, Pending& pending) {
  if (soup_server_message_get_method(message) != SOUP_METHOD_POST ||
      !hooks_.serves(g_uri_get_path(soup_server_message_get_uri(message)))) {
    return false;
  }
  SoupMessageHeaders* headers = soup_server_message_get_request_headers(message);
  const auto length = soup_message_headers_get_content_length(headers);
  if (length > static_cast<goffset>(kMaxWebhookBytes)) {
    refuse(message, pending, {413, "the webhook is too long"});
    return true;
  }
  pending.hook = true;
  g_signal_connect(message, "got-chunk", G_CALLBACK(on_hook_chunk), this);
  return true;
}

// A body whose length was not told beforehand is read on, so that its sender gets an answer, but
// not kept; his time is limited anyway.
void HandshakeServer::on_hook_chunk(SoupServerMessage* message, GBytes* chunk, gpointer data) {
  Pending* const pending = static_cast<HandshakeServer*>(data)->find(message);
  if (!pending) return;
  pending->hook_bytes += g_bytes_get_size(chunk);
  if (pending->hook_bytes <= kMaxWebhookBytes) return;
  SoupMessageBody* body = soup_server_message_get_request_body(message);
  soup_message_body_set_accumulate(body, FALSE);
  soup_message_body_truncate(body);
}

void HandshakeServer::answer_hook(SoupServerMessage* message, const Pending& pending) {
  Verdict verdict{413, "the webhook is too long"};
  if (pending.hook_bytes <= kMaxWebhookBytes) {
    const std::unique_ptr<GBytes, decltype(&g_bytes_unref)> body(
        soup_message_body_flatten(soup_server_message_get_request_body(message)), g_bytes_unref);
    gsize size = 0;
    const auto* bytes = static_cast<const char*>(g_bytes_get_data(body.get(), &size));
    SoupMessageHeaders* headers = soup_server_message_get_request_headers(message);
    const char* authorization = soup_message_headers_get_one(headers, "Authorization");
    verdict = hooks_.take(g_uri_get_path(soup_server_message_get_uri(message)),
                          authorization ? authorization : "", {bytes, bytes ? size : 0},
                          g_get_real_time() / G_USEC_PER_SEC);
  }
  // One request a connection: what comes next on it would have no time limit of its own.
  SoupMessageHeaders* headers = soup_server_message_get_response_headers(message);
  soup_message_headers_replace(headers, "Connection", "close");
  const std::string text = verdict.reason + "\n";
  soup_server_message_set_response(message, "text/plain; charset=utf-8", SOUP_MEMORY_COPY,
                                   text.data(), text.size());
  soup_server_message_set_status(message, verdict.http_status, nullptr);
}

void HandshakeServer::judge(SoupServerMessage* message, Pending& pending) {
  GUri* uri = soup_server_message_get_uri(message);
  SoupMessageHeaders* headers = soup_server_message_get_request_headers(message);
  Caller caller;
  caller.path = g_uri_get_path(uri);
  if (const char* text = g_uri_get_query(uri)) caller.query = text;
  if (const char* type = soup_message_headers_get_one(headers, "Content-Type")) {
    caller.content_type = type;
  }
  if (const char* given = soup_message_headers_get_one(headers, "Authorization")) {
    caller.authorization = given;
  }
  caller.remote = pending.remote_name;
  caller.handshake = check_handshake(message);
  Admission admission = routes_.admit(caller);
  if (!admission.welcome()) {
    refuse(message, pending, admission.verdict);
    return;
  }
  pending.admission = std::move(admission);
  pending.admitted = true;
}

void HandshakeServer::refuse(SoupServerMessage* message, Pending& pending, const Verdict& verdict) {
  GST_INFO("%s is refused with %u: %s", pending.remote_name.c_str(), verdict.http_status,
           verdict.reason.c_str());
  const bool with_body = soup_server_message_get_method(message) != SOUP_METHOD_HEAD;
  // Taken from libsoup, which would first read a body of any length, and would reset the
  // connection under the answer when the caller has already sent more.
  GObjectPtr<GIOStream> stream = share(pending.watched);
  GObjectPtr<GSocket> socket = share(pending.socket.get());
  forget(pending.id);
  const GObjectPtr<GIOStream> stolen(soup_server_message_steal_connection(message));
  write_answer(stream.get(), format_refusal(verdict, with_body));
  closer_->take(std::move(socket), std::move(stream));
}

void HandshakeServer::on_request(SoupServer* soup, SoupServerMessage* message, const char* path,
                                 GHashTable* query, gpointer data) {
  auto* const self = static_cast<HandshakeServer*>(data);
  Pending* const pending = self->find(message);
  if (pending && pending->hook) {
    self->answer_hook(message, *pending);
    return;
  }
  if (!pending || !pending->admitted) {
    soup_server_message_set_status(message, SOUP_STATUS_BAD_REQUEST, nullptr);
    return;
  }
  if (!soup_websocket_server_process_handshake(message, nullptr, nullptr, nullptr, nullptr)) return;
  pending->stage = Stage::kSwitching;
  g_signal_connect(message, "wrote-informational", G_CALLBACK(on_switched), self);
}

void HandshakeServer::on_switched(SoupServerMessage* message, gpointer data) {
  auto* const self = static_cast<HandshakeServer*>(data);
  Pending* const pending = self->find(message);
  // "Expect: 100-continue" has an informational answer of its own.
  const bool switching = soup_server_message_get_status(message) == SOUP_STATUS_SWITCHING_PROTOCOLS;
  if (pending && switching) self->take_over(message, *pending);
}

void HandshakeServer::take_over(SoupServerMessage* message, Pending& pending) {
  Transport transport;
  transport.tls = certificate_ != nullptr;
  transport.stream = share(pending.watched);
  transport.socket = share(pending.socket.get());
  const Admission admission = std::move(pending.admission);
  pending.admitted = false;
  forget(pending.id);
  transport.buffered.reset(soup_server_message_steal_connection(message));
  GST_INFO("%s is connected", admission.request.remote.c_str());
  routes_.connected(admission, std::make_unique<WebSocketConnection>(
                                   std::move(transport), admission.max_message_size,
                                   admission.idle_timeout_ms, closer_));
}

void HandshakeServer::expire(Pending& pending, const Verdict& verdict) {
  GST_INFO("%s is given up: %s", pending.remote_name.c_str(), verdict.reason.c_str());
  if (pending.stage == Stage::kRequest) {
    write_answer(pending.watched, format_refusal(verdict, true));
  }
  if (!pending.admitted) {
    routes_.refused_unrouted(pending.remote_name, verdict.http_status, verdict.reason);
  }
  if (pending.cancellable) g_cancellable_cancel(pending.cancellable.get());
  const GObjectPtr<GSocket> socket = share(pending.socket.get());
  forget(pending.id);
  // Not close(): whoever polls it, libsoup or TLS, finds the end and lets go of it.
  g_socket_shutdown(socket.get(), TRUE, TRUE, nullptr);
}

void HandshakeServer::forget(uint64_t id) {
  const auto found = pending_.find(id);
  if (found == pending_.end()) return;
  const std::unique_ptr<Pending> pending = std::move(found->second);
  pending_.erase(found);
  tls_queue_.end(id);
  if (pending->watched) {
    g_object_weak_unref(G_OBJECT(pending->watched), on_stream_gone, pending.get());
  }
  if (pending->remote) g_object_set_data(G_OBJECT(pending->remote.get()), kPendingKey, nullptr);
  if (pending->admitted) routes_.abandon(pending->admission, "hung up during the handshake");
}

void HandshakeServer::arm_deadline() {
  deadline_.reset();
  if (pending_.empty() || timeout_ms_ == 0) return;
  const int64_t left_us = pending_.begin()->second->deadline_us - g_get_monotonic_time();
  const auto wait_ms = static_cast<guint>(std::max<int64_t>(left_us, 0) / 1000 + 1);
  deadline_.reset(g_timeout_source_new(wait_ms));
  g_source_set_callback(deadline_.get(), on_deadline, this, nullptr);
  g_source_attach(deadline_.get(), context_);
}

gboolean HandshakeServer::on_deadline(gpointer data) {
  auto* const self = static_cast<HandshakeServer*>(data);
  const int64_t now_us = g_get_monotonic_time();
  while (!self->pending_.empty() && self->pending_.begin()->second->deadline_us <= now_us) {
    self->expire(*self->pending_.begin()->second, {408, "the handshake took too long"});
  }
  self->arm_deadline();
  return G_SOURCE_REMOVE;
}

}  // namespace livekit
