// SPDX-License-Identifier: LGPL-2.1-or-later
// Which element a publisher belongs to, and whether he may come in: all of a listener's decisions,
// apart from its sockets.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "listener.h"
#include "livekit/accesstoken.h"

namespace rtmp {

// The answer to a caller. When welcome, he holds the route's only place until leave().
struct Admission {
  Verdict verdict;
  uint64_t route_id = 0;  // 0: no route is concerned
  Publisher publisher;
  uint32_t idle_timeout_ms = 0;
  size_t max_message_bytes = 0;
  uint64_t replaced = 0;  // the caller who loses his place to this one, 0 = none

  bool welcome() const { return verdict.status == 0; }
};

class PublishRoutes {
 public:
  bool add(const RouteConfig& config, Route* route, std::string& error);
  // No callback of `route` runs or begins once this has returned. May be called from a callback.
  // 0, or the id of what was removed.
  uint64_t remove(Route* route);
  // 0: there is none.
  uint64_t id_of(const Route* route) const;
  // Takes no publisher any more.
  void close(uint64_t route_id);

  // The network thread's side. `caller` is a number of his own. A refusal is reported to the route
  // by admit() itself. Whoever is replaced has to leave() before added() is called.
  Admission admit(const PublishRequest& request, const std::string& remote, uint64_t caller,
                  int64_t now_us);
  void added(const Admission& admission);
  // False: no more for now. A route that has gone takes everything.
  bool media(const Admission& admission, const Media& media, int64_t now_us);
  void bytes(const Admission& admission, size_t count, int64_t now_us);
  void leave(const Admission& admission, uint64_t caller, PublisherEnd end,
             const std::string& reason);
  // A caller was turned away before his route was known: told to the route if there is but one.
  void refused_unrouted(const std::string& remote, const Verdict& verdict);

 private:
  struct Entry {
    uint64_t id = 0;
    Route* route = nullptr;
    RouteConfig config;  // without the token
    std::vector<std::string> path;
    livekit::AccessToken token;
    bool closed = false;
    uint64_t holder = 0;  // the caller who publishes, 0 = nobody
    int64_t last_bytes_us = 0;
  };

  Verdict judge(const PublishRequest& request, uint64_t caller, int64_t now_us,
                Admission& admission);
  Verdict take_place(uint64_t route_id, uint64_t caller, int64_t now_us, Admission& admission);
  void report(uint64_t id, const std::string& remote, const Verdict& verdict);
  Entry* find_locked(uint64_t id);
  Route* find_route(uint64_t id);

  // Held while a route is called, and to remove one. Always taken before mutex_. Recursive, so
  // that a callback may remove its route.
  std::recursive_mutex callback_mutex_;
  // Guards what follows; never held while a route is called.
  mutable std::mutex mutex_;
  std::vector<std::shared_ptr<Entry>> entries_;
  uint64_t last_id_ = 0;
};

}  // namespace rtmp
