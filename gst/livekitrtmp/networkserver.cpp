// SPDX-License-Identifier: LGPL-2.1-or-later
#include "networkserver.h"

#include <glib-unix.h>
#include <gst/gst.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <array>
#include <utility>

GST_DEBUG_CATEGORY_EXTERN(rtmp_listener_debug);
#define GST_CAT_DEFAULT rtmp_listener_debug

namespace rtmp {

using livekit::ErrorHolder;
using livekit::GObjectPtr;
using livekit::share;

namespace {

// Callers who do not publish yet. The oldest gives way to a new one: an honest handshake takes
// milliseconds, so whoever opens connections and stays silent drives out his own kind.
constexpr size_t kMaxPending = 1024;
constexpr guint kTickMs = 100;
constexpr int kEventsPerTurn = 64;

}  // namespace

NetworkServer::NetworkServer(livekit::ListeningSocket listening, uint32_t handshake_timeout_ms,
                             PublishRoutes& routes)
    : certificate_(std::move(listening.certificate)),
      handshake_timeout_ms_(handshake_timeout_ms),
      routes_(routes),
      context_(g_main_context_ref_thread_default()),
      closer_(std::make_shared<livekit::LingeringCloser>(context_)),
      epoll_(epoll_create1(EPOLL_CLOEXEC)) {
  events_.reset(g_unix_fd_source_new(epoll_, G_IO_IN));
  g_source_set_callback(events_.get(), G_SOURCE_FUNC(on_events), this, nullptr);
  g_source_attach(events_.get(), context_);
  acceptor_ = std::make_unique<livekit::Acceptor>(listening.socket.get(), context_,
                                                  static_cast<livekit::AcceptorOwner*>(this));
}

NetworkServer::~NetworkServer() {
  acceptor_.reset();
  events_.reset();
  more_turns_.reset();
  tick_.reset();
  while (!entries_.empty()) {
    const auto first = entries_.begin();
    first->second.connection->end(PublisherEnd::kShutdown, "the server is shutting down");
    remove(first->first);
  }
  // All of them are cancelled by now.
  while (tls_handshakes_ > 0) g_main_context_iteration(context_, TRUE);
  closer_->stop();
  ::close(epoll_);
  g_main_context_unref(context_);
}

// ---- Callers come ------------------------------------------------------------------------------

// Callers who do not publish give their descriptors to those who wait, a part at a time.
bool NetworkServer::make_room() {
  const size_t count = (pending_.size() + 3) / 4;
  for (size_t i = 0; i < count; ++i) expire(*pending_.begin(), "too many connections");
  return count > 0;
}

void NetworkServer::on_caller(GObjectPtr<GSocket> socket) {
  const GObjectPtr<GSocketAddress> remote(g_socket_get_remote_address(socket.get(), nullptr));
  if (!remote) return;
  while (pending_.size() >= kMaxPending) expire(*pending_.begin(), "too many callers at once");
  g_socket_set_blocking(socket.get(), FALSE);
  const uint64_t id = ++last_id_;
  Entry& entry = entries_[id];
  entry.connection =
      std::make_unique<Connection>(static_cast<ConnectionOwner&>(*this), id, std::move(socket),
                                   livekit::describe_address(remote.get()),
                                   int64_t{handshake_timeout_ms_} * 1000, g_get_monotonic_time());
  pending_.insert(id);
  // GIO does each TLS handshake in a thread of a small pool; one who connects and says nothing
  // must not hold such a thread, so the handshake begins with his first byte.
  entry.stage = certificate_ ? Stage::kTlsWaiting : Stage::kOpen;
  watch(entry, EPOLLIN);
  if (tick_) return;
  tick_.reset(g_timeout_source_new(kTickMs));
  g_source_set_callback(tick_.get(), on_tick, this, nullptr);
  g_source_attach(tick_.get(), context_);
}

void NetworkServer::begin_tls(Entry& entry) {
  Connection& connection = *entry.connection;
  const livekit::FirstByte first = livekit::peek_first_byte(connection.socket());
  if (first == livekit::FirstByte::kGone) return remove(connection.id());
  watch(entry, 0);
  if (first != livekit::FirstByte::kTls) {
    routes_.refused_unrouted(connection.remote(),
                             {400, "spoke plain RTMP to a TLS port: publish to rtmps://"});
    return remove(connection.id());
  }
  std::string error;
  const GObjectPtr<GSocketConnection> plain(
      g_socket_connection_factory_create_connection(connection.socket()));
  GObjectPtr<GIOStream> tls =
      livekit::make_server_tls(G_IO_STREAM(plain.get()), certificate_.get(), nullptr, error);
  if (!tls) {
    GST_WARNING("no TLS for %s: %s", connection.remote().c_str(), error.c_str());
    return remove(connection.id());
  }
  GTlsConnection* const handshake = G_TLS_CONNECTION(tls.get());
  connection.set_tls_stream(std::move(tls));
  entry.stage = Stage::kTlsHandshake;
  tls_queue_.begin(connection.id(), g_get_monotonic_time());
  entry.cancellable.reset(g_cancellable_new());
  auto ticket = std::make_unique<TlsTicket>(TlsTicket{this, connection.id()});
  ++tls_handshakes_;
  g_tls_connection_handshake_async(handshake, G_PRIORITY_DEFAULT, entry.cancellable.get(),
                                   on_tls_done, ticket.release());
}

void NetworkServer::on_tls_done(GObject* stream, GAsyncResult* result, gpointer data) {
  const std::unique_ptr<TlsTicket> ticket(static_cast<TlsTicket*>(data));
  ErrorHolder error;
  const bool done =
      g_tls_connection_handshake_finish(G_TLS_CONNECTION(stream), result, error.out());
  NetworkServer* const self = ticket->server;
  --self->tls_handshakes_;
  Entry* const entry = self->find(ticket->id);
  if (!entry) return;
  entry->cancellable.reset();
  self->tls_queue_.end(ticket->id);
  if (done) {
    entry->stage = Stage::kOpen;
    self->watch(*entry, EPOLLIN);
    // TLS may have read ahead.
    self->read(*entry);
    return;
  }
  const std::string& remote = entry->connection->remote();
  GST_INFO("TLS handshake with %s failed: %s", remote.c_str(), error.message().c_str());
  self->routes_.refused_unrouted(remote, {400, "TLS handshake failed: " + error.message()});
  // Nobody uses the socket any more.
  entry->stage = Stage::kTlsWaiting;
  self->remove(ticket->id);
}

// ---- Bytes come --------------------------------------------------------------------------------

gboolean NetworkServer::on_events(gint descriptor, GIOCondition condition, gpointer data) {
  auto* const self = static_cast<NetworkServer*>(data);
  std::array<epoll_event, kEventsPerTurn> events;
  const int count = epoll_wait(descriptor, events.data(), kEventsPerTurn, 0);
  for (int i = 0; i < count; ++i)
    self->handle(events[size_t(i)].data.u64, events[size_t(i)].events);
  return G_SOURCE_CONTINUE;
}

void NetworkServer::handle(uint64_t id, uint32_t events) {
  Entry* const entry = find(id);
  if (!entry) return;
  if (entry->stage == Stage::kTlsWaiting) return begin_tls(*entry);
  if (events & ~uint32_t{EPOLLOUT}) return read(*entry);
  settle(*entry, entry->connection->write());
}

void NetworkServer::read(Entry& entry) {
  settle(entry, entry.connection->read(g_get_monotonic_time()));
}

// What a connection needs next, after anything was done with it. `entry` may be gone after it.
void NetworkServer::settle(Entry& entry, Connection::Wants wants) {
  Connection& connection = *entry.connection;
  if (wants == Connection::Wants::kEnd) return remove(connection.id());
  if (entry.publishing != connection.publishing()) {
    entry.publishing = connection.publishing();
    if (entry.publishing) {
      pending_.erase(connection.id());
    } else {
      pending_.insert(connection.id());
    }
  }
  if (wants == Connection::Wants::kMoreTurns) want_turns(connection.id());
  const uint32_t reading = connection.paused() ? 0 : uint32_t{EPOLLIN};
  watch(entry, reading | (connection.has_unsent() ? uint32_t{EPOLLOUT} : 0));
}

void NetworkServer::watch(Entry& entry, uint32_t events) {
  if (entry.events == events) return;
  epoll_event event{};
  event.events = events;
  event.data.u64 = entry.connection->id();
  // With nothing to watch for it is taken out: epoll always tells of errors, and would spin.
  const int operation = events == 0         ? EPOLL_CTL_DEL
                        : entry.events == 0 ? EPOLL_CTL_ADD
                                            : EPOLL_CTL_MOD;
  epoll_ctl(epoll_, operation, entry.connection->descriptor(), &event);
  entry.events = events;
}

void NetworkServer::want_turns(uint64_t id) {
  turns_.insert(id);
  if (more_turns_) return;
  more_turns_.reset(g_idle_source_new());
  g_source_set_priority(more_turns_.get(), G_PRIORITY_DEFAULT);
  g_source_set_callback(more_turns_.get(), on_more_turns, this, nullptr);
  g_source_attach(more_turns_.get(), context_);
}

gboolean NetworkServer::on_more_turns(gpointer data) {
  auto* const self = static_cast<NetworkServer*>(data);
  self->more_turns_.reset();
  for (const uint64_t id : std::exchange(self->turns_, {})) {
    if (Entry* const entry = self->find(id)) self->read(*entry);
  }
  return G_SOURCE_REMOVE;
}

void NetworkServer::resume(uint64_t route_id) {
  for (auto& [id, entry] : entries_) {
    if (entry.connection->route_id() != route_id || !entry.connection->paused()) continue;
    entry.connection->resume();
    // Not read at once: there is but one, and `entries_` is being walked through.
    want_turns(id);
  }
}

// ---- Callers go --------------------------------------------------------------------------------

gboolean NetworkServer::on_tick(gpointer data) {
  auto* const self = static_cast<NetworkServer*>(data);
  const int64_t now_us = g_get_monotonic_time();
  for (auto next = self->entries_.begin(); next != self->entries_.end();) {
    const auto current = next++;
    if (current->second.connection->check_time(now_us) == Connection::Wants::kEnd) {
      const std::string& remote = current->second.connection->remote();
      GST_INFO("%s is given up", remote.c_str());
      // finish(), which tells of all others, is not for them.
      if (current->second.stage != Stage::kOpen) {
        self->routes_.refused_unrouted(remote, {408, "did not begin to speak TLS in time"});
      }
      self->remove(current->first);
    }
  }
  for (const uint64_t id : self->tls_queue_.late(now_us)) {
    self->expire(id, "the TLS handshake took too long while others waited for theirs");
  }
  if (!self->entries_.empty()) return G_SOURCE_CONTINUE;
  self->tick_.reset();
  return G_SOURCE_REMOVE;
}

void NetworkServer::close_route(uint64_t route_id, const std::string& reason) {
  for (auto next = entries_.begin(); next != entries_.end();) {
    const auto current = next++;
    if (current->second.connection->route_id() != route_id) continue;
    current->second.connection->end(PublisherEnd::kShutdown, reason);
    remove(current->first);
  }
}

void NetworkServer::replace(uint64_t id) {
  Entry* const entry = find(id);
  if (!entry) return;
  entry->connection->end(PublisherEnd::kReplaced, "was silent, and another publisher came");
  remove(id);
}

void NetworkServer::expire(uint64_t id, const std::string& why) {
  Entry* const entry = find(id);
  if (!entry) return;
  routes_.refused_unrouted(entry->connection->remote(), {503, why});
  entry->connection->end(PublisherEnd::kShutdown, why);
  remove(id);
}

void NetworkServer::remove(uint64_t id) {
  const auto found = entries_.find(id);
  if (found == entries_.end()) return;
  Entry entry = std::move(found->second);
  watch(entry, 0);
  entries_.erase(found);
  pending_.erase(id);
  turns_.erase(id);
  tls_queue_.end(id);
  if (entry.stage == Stage::kOpen) {
    entry.connection->finish(*closer_);
    return;
  }
  if (entry.stage == Stage::kTlsWaiting) return;
  // The stream is TLS's for as long as its handshake runs; it finds the end.
  g_cancellable_cancel(entry.cancellable.get());
  g_socket_shutdown(entry.connection->socket(), TRUE, TRUE, nullptr);
  entry.connection->abandon();
}

NetworkServer::Entry* NetworkServer::find(uint64_t id) {
  const auto found = entries_.find(id);
  return found == entries_.end() ? nullptr : &found->second;
}

}  // namespace rtmp
