// SPDX-License-Identifier: LGPL-2.1-or-later
// Which room a caller belongs to, and whether he may come in: all of a listener's decisions, apart
// from its sockets.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "accesstoken.h"
#include "listener.h"
#include "trackaddress.h"

namespace livekit {

// What the HTTP side knows of a caller.
struct Caller {
  enum class Handshake { kGood, kNotWebSocket, kWrongVersion, kBad };

  std::string path;   // as on the wire
  std::string query;  // as on the wire
  std::optional<std::string> content_type;
  std::string authorization;  // as on the wire, "" = none
  std::string remote;
  Handshake handshake = Handshake::kGood;
};

// The answer to a caller. When welcome, one connection of the route is counted already: connected()
// or abandon() has to follow.
struct Admission {
  Verdict verdict;
  uint64_t route_id = 0;  // 0: no route is concerned
  TrackRequest request;
  size_t max_message_size = 0;
  uint32_t idle_timeout_ms = 0;

  bool welcome() const { return verdict.http_status == 0; }
};

class RouteTable {
 public:
  bool add(const RouteConfig& config, Route* route, std::string& error);
  // No callback of `route` runs or begins once this has returned. May be called from a callback.
  void remove(Route* route);
  // One connection of `route` is over.
  void ended(Route* route);

  // The network thread's side. A refusal is reported to the route by admit() itself.
  Admission admit(const Caller& caller);
  // False when the route has gone meanwhile; the connection is then closed.
  bool connected(const Admission& admission, std::unique_ptr<TrackConnection> connection);
  // The handshake of a welcome caller came to nothing.
  void abandon(const Admission& admission, const std::string& why);
  // A caller was turned away before his route was known: told to the route if there is but one.
  void refused_unrouted(const std::string& remote, unsigned http_status, const std::string& reason);

  // For tests: what max_connections is compared with.
  size_t open_connections(Route* route) const;

 private:
  struct Entry {
    uint64_t id = 0;
    Route* route = nullptr;
    std::vector<std::string> path;
    AccessToken token;
    uint32_t max_connections = 0;
    size_t max_message_size = 0;
    uint32_t idle_timeout_ms = 0;
    std::shared_ptr<DialIns> dial_ins;
    size_t open = 0;
  };

  Verdict judge(const Caller& caller, Admission& admission);
  // Who the caller is, by the token of an egress or by his address.
  static Verdict identify(const Caller& caller, const Entry& entry, TrackRequest& request);
  // An egress' token may be used again.
  void let_go(uint64_t id, uint64_t session);
  Entry* find_locked(uint64_t id);
  Route* find_route(uint64_t id);
  void release(uint64_t id);
  void report(uint64_t id, const std::string& remote, const Verdict& verdict);

  // Held while a route is called, and to remove one. Always taken before mutex_. Recursive, so
  // that a callback may remove its route.
  std::recursive_mutex callback_mutex_;
  // Guards what follows; never held while a route is called, so that an element may add, end and
  // count with locks of its own held.
  mutable std::mutex mutex_;
  // Shared, so that a caller is judged by one consistent entry without holding the lock.
  std::vector<std::shared_ptr<Entry>> entries_;
  uint64_t last_id_ = 0;
};

}  // namespace livekit
