// SPDX-License-Identifier: LGPL-2.1-or-later
// A socket and the session on it. Network thread only; nothing in here waits.
#pragma once

#include <gio/gio.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "livekit/gobjectptr.h"
#include "livekit/lingeringcloser.h"
#include "publishroutes.h"
#include "session.h"

namespace rtmp {

class Connection;

// What a connection wants of the server it belongs to.
class ConnectionOwner {
 public:
  virtual ~ConnectionOwner() = default;
  virtual PublishRoutes& routes() = 0;
  // Ends another connection, whose place has been given away.
  virtual void replace(uint64_t id) = 0;
};

class Connection final : private SessionHandler {
 public:
  enum class Wants { kNothing, kMoreTurns, kEnd };

  Connection(ConnectionOwner& owner, uint64_t id, livekit::GObjectPtr<GSocket> socket,
             std::string remote, int64_t handshake_timeout_us, int64_t now_us);
  ~Connection() override;
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  // From then on bytes go through TLS.
  void set_tls_stream(livekit::GObjectPtr<GIOStream> stream) { tls_ = std::move(stream); }

  // Reads what has arrived, in bounded turns. kEnd: finish() it.
  Wants read(int64_t now_us);
  Wants write();
  Wants check_time(int64_t now_us);
  // Lets go of the socket without closing it: somebody else's thread still uses it.
  void abandon();
  // The server ends it; kEnd follows from the next read() or write().
  void end(PublisherEnd end, const std::string& why);
  // Says the last words, tells the route, closes. Once.
  void finish(livekit::LingeringCloser& closer);

  int descriptor() const { return g_socket_get_fd(socket_.get()); }
  GSocket* socket() const { return socket_.get(); }
  const std::string& remote() const { return remote_; }
  uint64_t id() const { return id_; }
  uint64_t route_id() const { return admission_ ? admission_->route_id : 0; }
  bool publishing() const { return admission_.has_value(); }
  bool has_unsent() { return !session_.output().empty(); }
  // The element takes no more for now.
  bool paused() const { return paused_; }
  void resume() { paused_ = false; }

 private:
  enum class Received { kBytes, kNothing, kEnd };

  Verdict on_publish(const PublishRequest& request) override;
  void on_media(const Media& media) override;
  void on_unpublish() override;

  Received receive(std::span<uint8_t> into, size_t& count);
  bool flush();
  void lose(std::string why);

  ConnectionOwner& owner_;
  const uint64_t id_;
  livekit::GObjectPtr<GSocket> socket_;
  livekit::GObjectPtr<GIOStream> tls_;
  const std::string remote_;
  Session session_;
  int64_t now_us_;
  std::optional<Admission> admission_;  // while publishing
  bool paused_ = false;
  bool refusal_told_ = false;  // by the routes
  // Set when it is over for a reason that the session does not know.
  std::optional<PublisherEnd> end_;
  std::string end_reason_;
  bool finished_ = false;
};

}  // namespace rtmp
