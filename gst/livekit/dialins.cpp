// SPDX-License-Identifier: LGPL-2.1-or-later
#include "dialins.h"

#include <sys/random.h>

#include <algorithm>
#include <charconv>
#include <utility>

#include "jwt.h"
#include "livekitapi.h"

namespace livekit {

namespace {

std::string random_key() {
  std::string key(32, '\0');
  for (size_t filled = 0; filled < key.size();) {
    const ssize_t got = ::getrandom(key.data() + filled, key.size() - filled, 0);
    if (got > 0) filled += static_cast<size_t>(got);
  }
  return key;
}

}  // namespace

DialIns::DialIns(std::string room) : room_(std::move(room)), key_(random_key()) {}

std::string DialIns::mac(uint64_t session, const Entry& entry) const {
  // Each part with its length before it, so that no two lists of parts read the same.
  std::string text;
  for (const std::string& part : {room_, entry.identity, entry.track, std::to_string(session),
                                  std::to_string(entry.expires_ms)}) {
    text += std::to_string(part.size()) + ":" + part;
  }
  return base64url(hmac_sha256(key_, text));
}

std::string DialIns::issue(uint64_t session, const std::string& track, const std::string& identity,
                           const std::string& name, int64_t expires_ms) {
  const Entry entry{track, identity, name, expires_ms, false};
  const std::lock_guard lock(mutex_);
  entries_[session] = entry;
  return std::to_string(session) + "." + mac(session, entry);
}

void DialIns::revoke(uint64_t session) {
  const std::lock_guard lock(mutex_);
  entries_.erase(session);
}

void DialIns::describe(const std::string& identity, const std::string& name,
                       const std::string& metadata) {
  const std::lock_guard lock(mutex_);
  if (metadata.empty()) {
    metadata_.erase(identity);
  } else {
    metadata_[identity] = metadata;
  }
  for (auto& [session, entry] : entries_) {
    if (entry.identity == identity) entry.name = name;
  }
}

Verdict DialIns::admit(std::string_view token, std::string_view track, int64_t now_ms,
                       TrackRequest& request) {
  const Verdict refused{401, "the token is missing, wrong or has expired"};
  const size_t dot = token.find('.');
  uint64_t session = 0;
  const char* const end = token.data() + std::min(dot, token.size());
  const auto number = std::from_chars(token.data(), end, session);
  if (dot == token.npos || number.ec != std::errc() || number.ptr != end) return refused;
  const std::lock_guard lock(mutex_);
  const auto found = entries_.find(session);
  if (found == entries_.end()) return refused;
  Entry& entry = found->second;
  if (!equal_in_constant_time(token.substr(dot + 1), mac(session, entry))) return refused;
  if (track != entry.track || entry.expires_ms <= now_ms) return refused;
  if (entry.in_use) return {409, "this egress is connected already"};
  entry.in_use = true;
  request.session = session;
  request.room = printable_name(room_);
  request.track = printable_name(entry.track);
  request.identity = printable_name(entry.identity);
  request.name = printable_name(entry.name);
  if (request.name.empty()) request.name = request.identity;
  const auto metadata = metadata_.find(entry.identity);
  request.metadata = metadata == metadata_.end() ? "" : metadata->second;
  return {};
}

void DialIns::release(uint64_t session) {
  const std::lock_guard lock(mutex_);
  const auto found = entries_.find(session);
  if (found != entries_.end()) found->second.in_use = false;
}

}  // namespace livekit
