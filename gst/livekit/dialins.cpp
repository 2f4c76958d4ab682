// SPDX-License-Identifier: LGPL-2.1-or-later
#include "dialins.h"

#include <sys/random.h>

#include <algorithm>
#include <charconv>
#include <set>
#include <utility>

#include "jwt.h"
#include "livekitapi.h"

namespace livekit {

namespace {

// People whose metadata are kept; they may be 64 kB each.
constexpr size_t kMostKnown = 2000;

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
  std::vector<std::string> parts = {room_, std::to_string(static_cast<int>(entry.target.scope)),
                                    entry.target.key, std::to_string(session),
                                    std::to_string(entry.expires_ms)};
  for (const Who& who : entry.target.people) parts.push_back(who.identity);
  // Each part with its length before it, so that no two lists of parts read the same.
  std::string text;
  for (const std::string& part : parts) text += std::to_string(part.size()) + ":" + part;
  return base64url(hmac_sha256(key_, text));
}

std::string DialIns::issue(uint64_t session, Target target, int64_t expires_ms) {
  const Entry entry{std::move(target), expires_ms, false};
  const std::lock_guard lock(mutex_);
  entries_[session] = entry;
  return std::to_string(session) + "." + mac(session, entry);
}

void DialIns::revoke(uint64_t session) {
  const std::lock_guard lock(mutex_);
  entries_.erase(session);
}

void DialIns::describe(const std::string& identity, const std::string& name,
                       const std::string& metadata, const std::string& attributes) {
  const std::lock_guard lock(mutex_);
  if (metadata.empty() && attributes.empty()) {
    about_.erase(identity);
  } else {
    about_[identity] = {metadata, attributes};
    forget_others(identity);
  }
  for (auto& [session, entry] : entries_) {
    for (Who& who : entry.target.people) {
      if (who.identity == identity) who.name = name;
    }
  }
}

// In a room that many pass through most are never heard.
void DialIns::forget_others(const std::string& identity) {
  if (about_.size() <= kMostKnown) return;
  std::set<std::string> kept = {identity};
  for (const auto& [session, entry] : entries_) {
    for (const Who& who : entry.target.people) kept.insert(who.identity);
  }
  std::erase_if(about_, [&](const auto& known) { return !kept.contains(known.first); });
}

void DialIns::fill_in(const Entry& entry, const Who& who, TrackRequest& request) const {
  request.identity = printable_name(who.identity);
  request.name = printable_name(who.name);
  if (request.name.empty()) request.name = request.identity;
  // Somebody has his tracks one after the other, or several: what comes is his.
  const bool track = entry.target.scope == TrackRequest::Scope::kTrack;
  request.track = track ? printable_name(entry.target.key) : request.identity;
  const auto about = about_.find(who.identity);
  request.metadata = about == about_.end() ? "" : about->second.metadata;
  request.attributes = about == about_.end() ? "" : about->second.attributes;
}

Verdict DialIns::admit(std::string_view token, std::string_view key, int64_t now_ms,
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
  const std::vector<Who>& people = entry.target.people;
  if (key != entry.target.key || entry.expires_ms <= now_ms) return refused;
  if (entry.in_use) return {409, "this egress is connected already"};
  const bool stereo =
      request.format.encoding != AudioFormat::Encoding::kOpus && request.format.channels == 2;
  if (people.size() > 1 && !stereo) {
    return {415, "two people in one connection are told apart in raw audio of two channels only"};
  }
  entry.in_use = true;
  request.session = session;
  request.scope = entry.target.scope;
  request.room = printable_name(room_);
  if (people.empty()) {
    request.identity.clear();
    request.name = request.room;
    request.track = "mix";
    return {};
  }
  fill_in(entry, people.front(), request);
  if (people.size() > 1) {
    auto right = std::make_shared<TrackRequest>(request);
    fill_in(entry, people.back(), *right);
    request.right = std::move(right);
  }
  return {};
}

void DialIns::introduce(TrackRequest& request) const {
  const std::lock_guard lock(mutex_);
  const auto found = entries_.find(request.session);
  if (found == entries_.end()) return;
  for (const Who& who : found->second.target.people) {
    if (printable_name(who.identity) == request.identity) {
      fill_in(found->second, who, request);
      return;
    }
  }
}

void DialIns::release(uint64_t session) {
  const std::lock_guard lock(mutex_);
  const auto found = entries_.find(session);
  if (found != entries_.end()) found->second.in_use = false;
}

}  // namespace livekit
