// SPDX-License-Identifier: LGPL-2.1-or-later
// One RTMP server an address, shared by every livekitrtmpsrc in the process: many rooms, one port,
// one thread. Publishers are handed to the element whose path matches.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "livekit/listeningsocket.h"
#include "session.h"

namespace rtmp {

// What one element wants of the publishers under its path.
struct RouteConfig {
  std::string path = "/";
  std::string token;             // "" = anybody
  uint32_t idle_timeout_ms = 0;  // 0 = never
  size_t max_message_bytes = 4 << 20;
  // A publisher from whom nothing has come for so long gives way to another one: he is most likely
  // the same, whose connection broke without a word.
  int64_t silent_us = 10'000'000;
};

struct Publisher {
  std::string stream;  // the whole address, without the token
  std::string remote;  // "127.0.0.1:41234"
};

enum class PublisherEnd {
  kClosed,    // has said so
  kLost,      // the connection broke
  kTimedOut,  // nothing came for idle-timeout
  kReplaced,  // was silent, and another one came
  kProtocolError,
  kShutdown,  // we ended it
};

// The element's side. All calls come from the network thread and must not block. There is at most
// one publisher between on_added() and on_removed().
class Route {
 public:
  virtual ~Route() = default;
  // May this caller come in? Called after path, token and a taken place have been checked.
  virtual Verdict on_request(const Publisher& publisher) = 0;
  virtual void on_added(const Publisher& publisher) = 0;
  // False: stop reading this publisher until Listener::resume().
  virtual bool on_media(const Media& media, int64_t now_us) = 0;
  virtual void on_bytes(size_t count) = 0;
  virtual void on_removed(const Publisher& publisher, PublisherEnd end,
                          const std::string& reason) = 0;
  // A caller was turned away (by anything, also before on_request); for messages and stats.
  virtual void on_refused(const std::string& remote, unsigned status,
                          const std::string& reason) = 0;
};

class Listener {
 public:
  // Returns the process's listener for that address, started, or nullptr with `error` saying what
  // the user can do (port in use, certificate not readable, other TLS settings on this port).
  // The listener stops when its last holder lets go.
  static std::shared_ptr<Listener> acquire(const livekit::ListenerConfig& config,
                                           std::string& error);

  virtual ~Listener() = default;
  virtual uint16_t port() const = 0;  // the real one when 0 was asked for

  // False with `error` when the path is taken. The longest matching path wins.
  virtual bool add_route(const RouteConfig& config, Route* route, std::string& error) = 0;
  // After this returns, `route` is not called any more; its publisher is closed soon.
  virtual void remove_route(Route* route) = 0;
  // Reads on, after on_media() said no.
  virtual void resume(Route* route) = 0;
  // Ends the publisher and takes no other. on_removed() comes, if there is one.
  virtual void close_route(Route* route, const std::string& reason) = 0;
};

}  // namespace rtmp
