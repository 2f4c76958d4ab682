// SPDX-License-Identifier: LGPL-2.1-or-later
#include "trackaddress.h"

#include <algorithm>
#include <string>
#include <utility>

#include "trackformat.h"
#include "utf8.h"

namespace livekit {

namespace {

// LiveKit's track ids begin with this.
constexpr std::string_view kTrackPrefix = "TR_";

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

// nullopt: a percent sign without two hexadecimal digits after it.
std::optional<std::string> percent_decode(std::string_view text, bool plus_is_space) {
  std::string out;
  out.reserve(text.size());
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '+' && plus_is_space) {
      out += ' ';
    } else if (text[i] != '%') {
      out += text[i];
    } else {
      const int high = i + 2 < text.size() ? hex_digit(text[i + 1]) : -1;
      const int low = i + 2 < text.size() ? hex_digit(text[i + 2]) : -1;
      if (high < 0 || low < 0) return std::nullopt;
      out += static_cast<char>(high << 4 | low);
      i += 2;
    }
  }
  return out;
}

struct Query {
  std::string room;
  std::string identity;
  std::string name;
  std::string track;
  std::string token;
  std::string access_token;
  FormatWish wish;

  // The member that a parameter fills, or nullptr. The first of several counts.
  std::string* names(std::string_view parameter) {
    const std::pair<std::string_view, std::string*> known[] = {
        {"room", &room},   {"identity", &identity}, {"name", &name},
        {"track", &track}, {"token", &token},       {"access_token", &access_token}};
    for (const auto& [key, value] : known) {
      if (key == parameter) return value;
    }
    return nullptr;
  }
  std::optional<std::string>* format(std::string_view parameter) {
    if (parameter == "rate") return &wish.rate;
    if (parameter == "channels") return &wish.channels;
    if (parameter == "format") return &wish.format;
    return nullptr;
  }
};

// False on a bad escape. An empty value counts as none; unknown parameters are left alone, they
// may be meant for a proxy on the way.
bool parse_query(std::string_view text, Query& query) {
  while (!text.empty()) {
    const size_t end = text.find('&');
    const std::string_view part = text.substr(0, end);
    text = end == std::string_view::npos ? std::string_view() : text.substr(end + 1);
    const size_t equals = part.find('=');
    if (equals == std::string_view::npos) continue;
    const auto key = percent_decode(part.substr(0, equals), true);
    auto value = percent_decode(part.substr(equals + 1), true);
    if (!key || !value) return false;
    if (value->empty()) continue;
    if (std::string* text_value = query.names(*key)) {
      if (text_value->empty()) *text_value = std::move(*value);
    } else if (std::optional<std::string>* format = query.format(*key)) {
      if (!*format) *format = std::move(*value);
    }
  }
  return true;
}

// What follows "Bearer " (RFC 6750; the scheme's case does not matter), or nothing.
std::string_view bearer_token(std::string_view authorization) {
  constexpr std::string_view kScheme = "bearer ";
  if (authorization.size() < kScheme.size()) return {};
  for (size_t i = 0; i < kScheme.size(); ++i) {
    const char c = authorization[i];
    if ((c >= 'A' && c <= 'Z' ? char(c - 'A' + 'a') : c) != kScheme[i]) return {};
  }
  return authorization.substr(kScheme.size());
}

Verdict check_name(const char* what, const std::string& value) {
  if (value.size() > kMaxNameBytes) {
    return {400, std::string("the ") + what + " is longer than " + std::to_string(kMaxNameBytes) +
                     " bytes"};
  }
  if (!is_printable_utf8(value)) {
    return {400, std::string("the ") + what + " is not UTF-8 or has control characters"};
  }
  return {};
}

}  // namespace

std::optional<std::vector<std::string>> split_path(std::string_view path) {
  std::vector<std::string> parts;
  while (!path.empty()) {
    const size_t end = path.find('/');
    const std::string_view part = path.substr(0, end);
    path = end == std::string_view::npos ? std::string_view() : path.substr(end + 1);
    if (part.empty()) continue;
    auto decoded = percent_decode(part, false);
    if (!decoded || parts.size() == kMaxPathParts) return std::nullopt;
    parts.push_back(std::move(*decoded));
  }
  return parts;
}

std::string token_in_query(std::string_view text) {
  Query query;
  if (!parse_query(text, query)) return {};
  return query.token.empty() ? query.access_token : query.token;
}

std::optional<size_t> match_route(const std::vector<std::string>& route,
                                  const std::vector<std::string>& path) {
  if (route.size() > path.size()) return std::nullopt;
  if (!std::equal(route.begin(), route.end(), path.begin())) return std::nullopt;
  return route.size();
}

Verdict parse_track_address(const TrackAddress& address, const std::vector<std::string>& route,
                            const AccessToken& token, std::string_view fallback_track,
                            TrackRequest& request) {
  if (address.path.size() + address.query.size() > kMaxAddressBytes) {
    return {414, "the address is longer than " + std::to_string(kMaxAddressBytes) + " bytes"};
  }
  auto path = split_path(address.path);
  Query query;
  if (!path || !parse_query(address.query, query)) {
    return {400,
            "the address has a percent sign that no two hexadecimal digits follow (write it "
            "%25), or too many parts"};
  }
  const auto taken = match_route(route, *path);
  if (!taken) return {404, "this path is not served"};
  std::vector<std::string> rest(path->begin() + static_cast<ptrdiff_t>(*taken), path->end());

  if (token.required()) {
    // All places are looked at, whichever held it, so that the time does not tell.
    const bool in_token = token.matches(query.token);
    const bool in_access_token = token.matches(query.access_token);
    const bool in_path = token.matches(rest.empty() ? std::string_view() : rest.front());
    const bool in_header = token.matches(bearer_token(address.authorization));
    if (!in_token && !in_access_token && !in_path && !in_header) {
      return {
          401,
          "the access token is missing or wrong: put it into the query (?token=), as a part of "
          "its own into the path before the identity, or into the header Authorization: Bearer"};
    }
    if (in_path) rest.erase(rest.begin());
  }

  const size_t count = rest.size();
  TrackRequest found;
  if (count == 1) {
    (rest[0].starts_with(kTrackPrefix) ? found.track : found.identity) = rest[0];
  } else if (count >= 2) {
    found.identity = rest[count - 2];
    found.track = rest[count - 1];
  }
  if (count >= 3) {
    found.room = rest[count - 3];
  } else if (!route.empty()) {
    found.room = route.back();
  }
  if (!query.room.empty()) found.room = query.room;
  if (!query.identity.empty()) found.identity = query.identity;
  if (!query.track.empty()) found.track = query.track;
  found.name = query.name;
  if (found.track.empty()) found.track = fallback_track;
  if (found.identity.empty()) found.identity = found.track;
  if (found.name.empty()) found.name = found.identity;

  const std::pair<const char*, const std::string*> names[] = {{"room", &found.room},
                                                              {"identity", &found.identity},
                                                              {"name", &found.name},
                                                              {"track", &found.track}};
  for (const auto& [what, value] : names) {
    Verdict verdict = check_name(what, *value);
    if (verdict.http_status != 0) return verdict;
  }
  Verdict verdict = parse_track_format(address.content_type, query.wish, found.format);
  if (verdict.http_status != 0) return verdict;
  found.remote = std::move(request.remote);
  request = std::move(found);
  return {};
}

}  // namespace livekit
