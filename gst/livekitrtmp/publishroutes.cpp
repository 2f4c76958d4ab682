// SPDX-License-Identifier: LGPL-2.1-or-later
#include "publishroutes.h"

#include <algorithm>
#include <utility>

#include "livekit/trackaddress.h"
#include "livekit/utf8.h"
#include "publishaddress.h"

namespace rtmp {

bool PublishRoutes::add(const RouteConfig& config, Route* route, std::string& error) {
  auto path = livekit::split_path(config.path);
  const bool clean = path && std::all_of(path->begin(), path->end(), livekit::is_printable_utf8);
  if (!clean || config.path.find_first_of("?#") != std::string::npos) {
    error = "The path \"" + config.path + "\" cannot be served: give a plain path such as " +
            "/live/standup, without a query.";
    return false;
  }
  const std::lock_guard lock(mutex_);
  for (const auto& entry : entries_) {
    if (entry->path == *path) {
      error = "The path " + join_path(*path) + " is taken by another element on this port: give " +
              "each livekitrtmpsrc a path of its own.";
      return false;
    }
  }
  auto entry = std::make_shared<Entry>();
  entry->id = ++last_id_;
  entry->route = route;
  entry->config = config;
  entry->config.token.clear();
  entry->path = std::move(*path);
  entry->token = livekit::AccessToken(config.token);
  entries_.push_back(std::move(entry));
  return true;
}

uint64_t PublishRoutes::remove(Route* route) {
  const std::lock_guard callbacks(callback_mutex_);
  const uint64_t id = id_of(route);
  const std::lock_guard lock(mutex_);
  std::erase_if(entries_, [route](const auto& entry) { return entry->route == route; });
  return id;
}

uint64_t PublishRoutes::id_of(const Route* route) const {
  const std::lock_guard lock(mutex_);
  for (const auto& entry : entries_) {
    if (entry->route == route) return entry->id;
  }
  return 0;
}

void PublishRoutes::close(uint64_t route_id) {
  const std::lock_guard lock(mutex_);
  if (Entry* entry = find_locked(route_id)) entry->closed = true;
}

PublishRoutes::Entry* PublishRoutes::find_locked(uint64_t id) {
  for (const auto& entry : entries_) {
    if (entry->id == id) return entry.get();
  }
  return nullptr;
}

Route* PublishRoutes::find_route(uint64_t id) {
  const std::lock_guard lock(mutex_);
  Entry* entry = find_locked(id);
  return entry ? entry->route : nullptr;
}

void PublishRoutes::report(uint64_t id, const std::string& remote, const Verdict& verdict) {
  const std::lock_guard callbacks(callback_mutex_);
  if (Route* route = find_route(id)) route->on_refused(remote, verdict.status, verdict.reason);
}

Verdict PublishRoutes::judge(const PublishRequest& request, uint64_t caller, int64_t now_us,
                             Admission& admission) {
  const auto address = parse_publish_address(request);
  if (!address) return {400, "the address has a bad escape, is too long, or is no text"};
  std::shared_ptr<const Entry> entry;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& candidate : entries_) {
      if (!livekit::match_route(candidate->path, address->parts)) continue;
      if (!entry || candidate->path.size() > entry->path.size()) entry = candidate;
    }
  }
  if (!entry) return {404, "nothing is received under this application and stream name"};
  admission.route_id = entry->id;
  admission.idle_timeout_ms = entry->config.idle_timeout_ms;
  admission.max_message_bytes = entry->config.max_message_bytes;
  Verdict verdict = check_token(*address, entry->path, entry->token, admission.publisher.stream);
  if (verdict.status != 0) return verdict;
  // Before the application is asked, which need not know of those who have no chance.
  verdict = take_place(entry->id, caller, now_us, admission);
  if (verdict.status != 0) return verdict;
  const std::lock_guard callbacks(callback_mutex_);
  Route* route = find_route(entry->id);
  if (!route) return {404, "nothing is received under this application and stream name"};
  verdict = route->on_request(admission.publisher);
  if (verdict.status != 0) {
    if (verdict.reason.empty() || !livekit::is_printable_utf8(verdict.reason)) {
      verdict.reason = "refused";
    }
    const std::lock_guard lock(mutex_);
    Entry* live = find_locked(entry->id);
    // Who was to be replaced keeps his place.
    if (live && live->holder == caller) live->holder = admission.replaced;
    admission.replaced = 0;
  }
  return verdict;
}

Verdict PublishRoutes::take_place(uint64_t route_id, uint64_t caller, int64_t now_us,
                                  Admission& admission) {
  const std::lock_guard lock(mutex_);
  Entry* entry = find_locked(route_id);
  if (!entry || entry->closed) return {503, "the stream is about to end"};
  if (entry->holder != 0 && now_us - entry->last_bytes_us < entry->config.silent_us) {
    return {409, "somebody publishes under this name already"};
  }
  admission.replaced = entry->holder;
  entry->holder = caller;
  entry->last_bytes_us = now_us;
  return {};
}

Admission PublishRoutes::admit(const PublishRequest& request, const std::string& remote,
                               uint64_t caller, int64_t now_us) {
  Admission admission;
  admission.publisher.remote = remote;
  admission.verdict = judge(request, caller, now_us, admission);
  if (admission.welcome()) return admission;
  if (admission.route_id != 0) {
    report(admission.route_id, remote, admission.verdict);
  } else {
    refused_unrouted(remote, admission.verdict);
  }
  return admission;
}

void PublishRoutes::added(const Admission& admission) {
  const std::lock_guard callbacks(callback_mutex_);
  if (Route* route = find_route(admission.route_id)) route->on_added(admission.publisher);
}

bool PublishRoutes::media(const Admission& admission, const Media& media, int64_t now_us) {
  const std::lock_guard callbacks(callback_mutex_);
  Route* route = find_route(admission.route_id);
  return !route || route->on_media(media, now_us);
}

void PublishRoutes::bytes(const Admission& admission, size_t count, int64_t now_us) {
  const std::lock_guard callbacks(callback_mutex_);
  Route* route = nullptr;
  {
    const std::lock_guard lock(mutex_);
    Entry* entry = find_locked(admission.route_id);
    if (!entry) return;
    entry->last_bytes_us = now_us;
    route = entry->route;
  }
  route->on_bytes(count);
}

void PublishRoutes::leave(const Admission& admission, uint64_t caller, PublisherEnd end,
                          const std::string& reason) {
  const std::lock_guard callbacks(callback_mutex_);
  Route* route = nullptr;
  {
    const std::lock_guard lock(mutex_);
    Entry* entry = find_locked(admission.route_id);
    if (!entry) return;
    if (entry->holder == caller) entry->holder = 0;
    route = entry->route;
  }
  route->on_removed(admission.publisher, end, reason);
}

void PublishRoutes::refused_unrouted(const std::string& remote, const Verdict& verdict) {
  uint64_t id = 0;
  {
    const std::lock_guard lock(mutex_);
    if (entries_.size() != 1) return;
    id = entries_.front()->id;
  }
  report(id, remote, verdict);
}

}  // namespace rtmp
