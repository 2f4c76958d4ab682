// SPDX-License-Identifier: LGPL-2.1-or-later
// JSON Web Tokens as LiveKit's API and webhooks use them: HS256 only. Time is an argument.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace livekit {

// Base64 with the alphabet of URLs and without padding (RFC 7515).
std::string base64url(std::string_view bytes);
std::optional<std::string> base64url_decode(std::string_view text);

// Raw digests of 32 bytes.
std::string sha256(std::string_view bytes);
std::string hmac_sha256(std::string_view key, std::string_view bytes);

// Takes the same time wherever the texts differ; their length is no secret.
bool equal_in_constant_time(std::string_view a, std::string_view b);

struct ApiCredentials {
  std::string key;
  std::string secret;

  bool operator==(const ApiCredentials&) const = default;
};

// What a token for the server's API permits.
struct VideoGrants {
  bool room_record = false;  // egress
  bool room_admin = false;   // of `room`
  bool room_list = false;
  std::string room;
};

// A bearer token for one call, good for `lifetime_s` from now.
std::string make_api_token(const ApiCredentials& credentials, const VideoGrants& grants,
                           int64_t now_s, int64_t lifetime_s);

// Signs any claims, given as a JSON object.
std::string sign_jwt(std::string_view claims_json, std::string_view secret);

// What a verified token says of itself; absent times are 0.
struct JwtClaims {
  std::string issuer;
  std::string sha256;  // webhooks: base64 of the body's digest
  int64_t not_before_s = 0;
  int64_t expires_s = 0;
  VideoGrants video;
};

// Who claims to have signed it; nothing is verified. nullopt: not a token.
std::optional<std::string> jwt_issuer(std::string_view token);

// Signature, algorithm, issuer and times; clocks may differ by `leeway_s`. A token without an
// expiry is refused. On nullopt `why` says what is wrong, without quoting the token.
std::optional<JwtClaims> verify_jwt(std::string_view token, const ApiCredentials& credentials,
                                    int64_t now_s, int64_t leeway_s, std::string& why);

}  // namespace livekit
