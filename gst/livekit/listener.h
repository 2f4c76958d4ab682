// SPDX-License-Identifier: LGPL-2.1-or-later
// One HTTP server an address, shared by every livekitwssrc in the process: many rooms, one port.
// libsoup does HTTP, TLS and the handshake; the connection is then taken over and handed to the
// room whose path matches.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "dialins.h"
#include "jwt.h"
#include "listeningsocket.h"
#include "livekitapi.h"
#include "trackconnection.h"

namespace livekit {

// What one element wants of the connections under its path.
struct RouteConfig {
  std::string path = "/";  // what follows it is /IDENTITY/TRACK, /ROOM/IDENTITY/TRACK, or query
  std::string token;       // "" = anybody; else in the query (?token=) or a path segment
  uint32_t max_connections = 0;  // 0 = no limit
  size_t max_message_size = 1 << 20;
  uint32_t idle_timeout_ms = 0;  // 0 = never
  // Callers with a token of these come in; others need `token`, and nobody does where it is "".
  std::shared_ptr<DialIns> dial_ins;
};

// Webhooks of one LiveKit project about one room.
struct HookConfig {
  std::string path;  // of the URL that LiveKit was told
  ApiCredentials credentials;
  std::string room;
};

class HookSink {
 public:
  virtual ~HookSink() = default;
  // A genuine webhook about the room. From the network thread; must not block.
  virtual void on_webhook(const WebhookEvent& event) = 0;
};

// The element's side. Both calls come from the network thread and must not block.
class Route {
 public:
  virtual ~Route() = default;
  // May this caller come in? Called after path, token, format and limit have been checked.
  virtual Verdict on_request(const TrackRequest& request) = 0;
  // The handshake is done; the route owns the connection from now on.
  virtual void on_connected(const TrackRequest& request,
                            std::unique_ptr<TrackConnection> connection) = 0;
  // A caller was turned away (by anything, also before on_request); for messages and stats.
  virtual void on_refused(const std::string& remote, unsigned http_status,
                          const std::string& reason) = 0;
};

class Listener {
 public:
  // Returns the process's listener for that address, started, or nullptr with `error` saying what
  // the user can do (port in use, certificate not readable, other TLS settings on this port).
  // The listener stops when its last holder lets go.
  static std::shared_ptr<Listener> acquire(const ListenerConfig& config, std::string& error);

  virtual ~Listener() = default;
  virtual uint16_t port() const = 0;  // the real one when 0 was asked for

  // False with `error` when the path is taken. The longest matching path wins.
  virtual bool add_route(const RouteConfig& config, Route* route, std::string& error) = 0;
  // After this returns, `route` is not called any more.
  virtual void remove_route(Route* route) = 0;
  // The number of open connections of a route is counted by the listener: tell it of each end.
  virtual void connection_ended(Route* route) = 0;

  // Webhooks come in on the same port. Any number of elements may share a path.
  virtual void add_hook(const HookConfig& config, HookSink* sink) = 0;
  // After this returns, `sink` is not called any more.
  virtual void remove_hook(HookSink* sink) = 0;
};

}  // namespace livekit
