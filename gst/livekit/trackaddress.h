// SPDX-License-Identifier: LGPL-2.1-or-later
// Who calls, read from an upgrade request's address and content type. Pure: foreign bytes in, a
// TrackRequest or a refusal out.
//
// An address is the route's path, then (if a token is asked for and not in the query) the token,
// then one of
//   /                        everything from the query
//   /IDENTITY                or /TR_x, a LiveKit track id
//   /IDENTITY/TRACK          the room is the route's last part
//   /…/ROOM/IDENTITY/TRACK   the last three count
// and ?room= &identity= &name= &track= win over the path, ?rate= &channels= &format= over the
// content type. The token may be in ?token= or ?access_token=.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "accesstoken.h"
#include "trackconnection.h"

namespace livekit {

inline constexpr size_t kMaxNameBytes = 256;         // of a room, identity, name, track
inline constexpr size_t kMaxAddressBytes = 8 << 10;  // of path and query together
inline constexpr size_t kMaxPathParts = 32;

// A path cut at its slashes and percent-decoded; empty parts are left out, so that a trailing or
// a doubled slash means nothing. nullopt: a bad escape, or more than kMaxPathParts.
std::optional<std::vector<std::string>> split_path(std::string_view path);

// The number of parts that `route` takes of `path`, or nullopt when the path is not under it.
std::optional<size_t> match_route(const std::vector<std::string>& route,
                                  const std::vector<std::string>& path);

// The token in ?token= (or ?access_token=), decoded; "" = none.
std::string token_in_query(std::string_view query);

// What an upgrade request says of itself. `path` and `query` as on the wire, still escaped.
struct TrackAddress {
  std::string_view path;
  std::string_view query;
  std::optional<std::string_view> content_type;
  std::string_view authorization;  // the HTTP field, "" = none
};

// Reads `address`, which must be under `route`. On welcome (http_status 0) `request` is filled in
// but for `remote`. `fallback_track` names a track whose address does not.
// 400: unreadable address, 401: token, 414: too long, 415: format. No reason quotes a part of the
// path or of the query, because that may be a token.
Verdict parse_track_address(const TrackAddress& address, const std::vector<std::string>& route,
                            const AccessToken& token, std::string_view fallback_track,
                            TrackRequest& request);

}  // namespace livekit
