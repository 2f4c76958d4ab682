// SPDX-License-Identifier: LGPL-2.1-or-later
#include "routetable.h"

#include <glib.h>

#include <algorithm>
#include <utility>

#include "utf8.h"
#include "websocketframes.h"

namespace livekit {

namespace {

// Process-wide, so that two rooms never make up the same name.
std::string next_track_name() {
  static std::atomic<uint64_t> last = 0;
  return "connection-" + std::to_string(++last);
}

// As DialIns writes them: a number, a dot, a digest. A token of the user's that happens to look
// like one is not known to DialIns, and he is told that it is wrong.
bool has_dial_in_token(std::string_view query) {
  const std::string token = token_in_query(query);
  const size_t dot = token.find_first_not_of("0123456789");
  constexpr size_t kDigestLetters = 43;
  return dot != token.npos && dot > 0 && token[dot] == '.' &&
         token.size() == dot + 1 + kDigestLetters;
}

std::string join(const std::vector<std::string>& parts) {
  std::string path;
  for (const std::string& part : parts) path += "/" + part;
  return path.empty() ? "/" : path;
}

Verdict handshake_verdict(Caller::Handshake handshake) {
  switch (handshake) {
    case Caller::Handshake::kGood:
      break;
    case Caller::Handshake::kNotWebSocket:
      return {426, "this address takes WebSocket connections only: connect with ws:// or wss://"};
    case Caller::Handshake::kWrongVersion:
      return {426, "only version 13 of the WebSocket protocol is spoken here"};
    case Caller::Handshake::kBad:
      return {400, "the WebSocket handshake has a bad key or a bad header"};
  }
  return {};
}

}  // namespace

bool RouteTable::add(const RouteConfig& config, Route* route, std::string& error) {
  auto path = split_path(config.path);
  const bool clean = path && std::all_of(path->begin(), path->end(), is_printable_utf8);
  if (!clean || config.path.find_first_of("?#") != std::string::npos) {
    error = "The path \"" + config.path + "\" cannot be served: give a plain path such as " +
            "/rooms/standup, without a query.";
    return false;
  }
  std::lock_guard lock(mutex_);
  for (const auto& entry : entries_) {
    if (entry->path == *path) {
      error = "The path " + join(*path) + " is taken by another element on this port: give each " +
              "livekitwssrc a path of its own.";
      return false;
    }
  }
  auto entry = std::make_shared<Entry>();
  entry->id = ++last_id_;
  entry->route = route;
  entry->path = std::move(*path);
  entry->token = AccessToken(config.token);
  entry->max_connections = config.max_connections;
  entry->max_message_size = config.max_message_size;
  entry->idle_timeout_ms = config.idle_timeout_ms;
  entry->dial_ins = config.dial_ins;
  entries_.push_back(std::move(entry));
  return true;
}

void RouteTable::remove(Route* route) {
  std::lock_guard callbacks(callback_mutex_);
  std::lock_guard lock(mutex_);
  std::erase_if(entries_, [route](const auto& entry) { return entry->route == route; });
}

void RouteTable::ended(Route* route) {
  std::lock_guard lock(mutex_);
  for (const auto& entry : entries_) {
    if (entry->route == route && entry->open > 0) {
      --entry->open;
      return;
    }
  }
}

RouteTable::Entry* RouteTable::find_locked(uint64_t id) {
  for (const auto& entry : entries_) {
    if (entry->id == id) return entry.get();
  }
  return nullptr;
}

Route* RouteTable::find_route(uint64_t id) {
  std::lock_guard lock(mutex_);
  Entry* entry = find_locked(id);
  return entry ? entry->route : nullptr;
}

void RouteTable::release(uint64_t id) {
  std::lock_guard lock(mutex_);
  Entry* entry = find_locked(id);
  if (entry && entry->open > 0) --entry->open;
}

void RouteTable::report(uint64_t id, const std::string& remote, const Verdict& verdict) {
  std::lock_guard callbacks(callback_mutex_);
  if (Route* route = find_route(id)) {
    route->on_refused(remote, verdict.http_status, verdict.reason);
  }
}

Verdict RouteTable::judge(const Caller& caller, Admission& admission) {
  if (caller.path.size() + caller.query.size() > kMaxAddressBytes) {
    return {414, "the address is longer than " + std::to_string(kMaxAddressBytes) + " bytes"};
  }
  const auto path = split_path(caller.path);
  if (!path) return {400, "the address has a bad percent escape or too many parts"};

  std::shared_ptr<const Entry> entry;
  {
    std::lock_guard lock(mutex_);
    for (const auto& candidate : entries_) {
      if (!match_route(candidate->path, *path)) continue;
      if (!entry || candidate->path.size() > entry->path.size()) entry = candidate;
    }
  }
  if (!entry) return {404, "no room is served under this path"};
  admission.route_id = entry->id;
  admission.max_message_size = entry->max_message_size;
  admission.idle_timeout_ms = entry->idle_timeout_ms;

  Verdict verdict = handshake_verdict(caller.handshake);
  if (verdict.http_status != 0) return verdict;

  verdict = identify(caller, *entry, admission.request);
  if (verdict.http_status != 0) return verdict;
  {
    std::lock_guard lock(mutex_);
    Entry* live = find_locked(entry->id);
    if (!live) return {404, "no room is served under this path any more"};
    if (live->max_connections != 0 && live->open >= live->max_connections) {
      if (live->dial_ins) live->dial_ins->release(admission.request.session);
      return {503, "the room has all the connections it takes (" +
                       std::to_string(live->max_connections) + "): try again later"};
    }
    ++live->open;
  }
  std::lock_guard callbacks(callback_mutex_);
  Route* route = find_route(entry->id);
  if (!route) return {404, "no room is served under this path any more"};
  verdict = route->on_request(admission.request);
  if (verdict.http_status != 0) {
    release(entry->id);
    let_go(entry->id, admission.request.session);
    if (verdict.http_status < 400 || verdict.http_status > 599) verdict.http_status = 403;
    if (verdict.reason.empty() || !is_printable_utf8(verdict.reason)) verdict.reason = "refused";
  }
  return verdict;
}

Verdict RouteTable::identify(const Caller& caller, const Entry& entry, TrackRequest& request) {
  TrackAddress address{caller.path, caller.query, std::nullopt, caller.authorization};
  if (caller.content_type) address.content_type = *caller.content_type;
  if (!entry.dial_ins || (entry.token.required() && !has_dial_in_token(caller.query))) {
    return parse_track_address(address, entry.path, entry.token, next_track_name(), request);
  }
  Verdict verdict =
      parse_track_address(address, entry.path, AccessToken(), next_track_name(), request);
  if (verdict.http_status != 0) return verdict;
  const int64_t now_ms = g_get_monotonic_time() / 1000;
  return entry.dial_ins->admit(token_in_query(caller.query), request.track, now_ms, request);
}

void RouteTable::let_go(uint64_t id, uint64_t session) {
  if (session == 0) return;
  std::lock_guard lock(mutex_);
  Entry* entry = find_locked(id);
  if (entry && entry->dial_ins) entry->dial_ins->release(session);
}

Admission RouteTable::admit(const Caller& caller) {
  Admission admission;
  admission.request.remote = caller.remote;
  admission.verdict = judge(caller, admission);
  if (admission.welcome()) return admission;
  if (admission.route_id != 0) {
    report(admission.route_id, caller.remote, admission.verdict);
  } else {
    refused_unrouted(caller.remote, admission.verdict.http_status, admission.verdict.reason);
  }
  return admission;
}

bool RouteTable::connected(const Admission& admission,
                           std::unique_ptr<TrackConnection> connection) {
  std::lock_guard callbacks(callback_mutex_);
  Route* route = find_route(admission.route_id);
  if (!route) {
    connection->close(kCloseGoingAway, "the room has closed");
    return false;
  }
  route->on_connected(admission.request, std::move(connection));
  return true;
}

void RouteTable::abandon(const Admission& admission, const std::string& why) {
  release(admission.route_id);
  let_go(admission.route_id, admission.request.session);
  report(admission.route_id, admission.request.remote, {400, why});
}

void RouteTable::refused_unrouted(const std::string& remote, unsigned http_status,
                                  const std::string& reason) {
  uint64_t id = 0;
  {
    std::lock_guard lock(mutex_);
    if (entries_.size() != 1) return;
    id = entries_.front()->id;
  }
  report(id, remote, {http_status, reason});
}

size_t RouteTable::open_connections(Route* route) const {
  std::lock_guard lock(mutex_);
  for (const auto& entry : entries_) {
    if (entry->route == route) return entry->open;
  }
  return 0;
}

}  // namespace livekit
