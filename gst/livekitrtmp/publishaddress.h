// SPDX-License-Identifier: LGPL-2.1-or-later
// Where a caller publishes to. Application and stream name together are the address, because every
// client cuts rtmp://HOST/a/b/c at another slash: rtmp://HOST/live/standup is /live/standup.
//
// An element's path comes first, then what the caller may call the stream, then, if a token is
// asked for and not in ?token=, the token as last part.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "livekit/accesstoken.h"
#include "session.h"

namespace rtmp {

struct PublishAddress {
  std::vector<std::string> parts;
  std::vector<std::string> tokens;  // from ?token= of both
};

// nullopt: a bad escape, too long, too many parts, or a name that is no text.
std::optional<PublishAddress> parse_publish_address(const PublishRequest& request);

// 401 when `token` is asked for and not there. `stream` is the address without the token, with
// slashes; only when welcome, because otherwise it may hold a mistyped one.
Verdict check_token(const PublishAddress& address, const std::vector<std::string>& route,
                    const livekit::AccessToken& token, std::string& stream);

// "/a/b", or "/".
std::string join_path(const std::vector<std::string>& parts);

}  // namespace rtmp
