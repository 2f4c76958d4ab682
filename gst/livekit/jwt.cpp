// SPDX-License-Identifier: LGPL-2.1-or-later
#include "jwt.h"

#include <glib.h>

#include <array>
#include <memory>

#include "jsonreader.h"

namespace livekit {

namespace {

// A LiveKit token has some 400 bytes.
constexpr size_t kMaxTokenBytes = 8 << 10;
constexpr std::string_view kHeader = R"({"alg":"HS256","typ":"JWT"})";

struct TokenParts {
  std::string_view signed_part;  // header and claims
  std::string_view header;
  std::string_view claims;
  std::string_view signature;
};

std::optional<TokenParts> cut(std::string_view token) {
  if (token.size() > kMaxTokenBytes) return std::nullopt;
  const size_t first = token.find('.');
  const size_t second = first == token.npos ? token.npos : token.find('.', first + 1);
  if (second == token.npos || token.find('.', second + 1) != token.npos) return std::nullopt;
  return TokenParts{token.substr(0, second), token.substr(0, first),
                    token.substr(first + 1, second - first - 1), token.substr(second + 1)};
}

}  // namespace

std::string base64url(std::string_view bytes) {
  const std::unique_ptr<char, decltype(&g_free)> padded(
      g_base64_encode(reinterpret_cast<const guchar*>(bytes.data()), bytes.size()), g_free);
  std::string text = padded.get();
  while (text.ends_with('=')) text.pop_back();
  for (char& c : text) c = c == '+' ? '-' : c == '/' ? '_' : c;
  return text;
}

std::optional<std::string> base64url_decode(std::string_view text) {
  std::string padded(text);
  for (char& c : padded) {
    const bool known = g_ascii_isalnum(c) || c == '-' || c == '_';
    if (!known) return std::nullopt;
    c = c == '-' ? '+' : c == '_' ? '/' : c;
  }
  if (padded.size() % 4 == 1) return std::nullopt;
  while (padded.size() % 4 != 0) padded += '=';
  if (padded.empty()) return std::string();
  gsize size = 0;
  const std::unique_ptr<guchar, decltype(&g_free)> bytes(g_base64_decode(padded.c_str(), &size),
                                                         g_free);
  return std::string(reinterpret_cast<const char*>(bytes.get()), size);
}

std::string sha256(std::string_view bytes) {
  std::array<guint8, 32> digest{};
  gsize size = digest.size();
  const std::unique_ptr<GChecksum, decltype(&g_checksum_free)> checksum(
      g_checksum_new(G_CHECKSUM_SHA256), g_checksum_free);
  g_checksum_update(checksum.get(), reinterpret_cast<const guchar*>(bytes.data()),
                    static_cast<gssize>(bytes.size()));
  g_checksum_get_digest(checksum.get(), digest.data(), &size);
  return {reinterpret_cast<const char*>(digest.data()), size};
}

std::string hmac_sha256(std::string_view key, std::string_view bytes) {
  std::array<guint8, 32> digest{};
  gsize size = digest.size();
  const std::unique_ptr<GHmac, decltype(&g_hmac_unref)> hmac(
      g_hmac_new(G_CHECKSUM_SHA256, reinterpret_cast<const guchar*>(key.data()), key.size()),
      g_hmac_unref);
  g_hmac_update(hmac.get(), reinterpret_cast<const guchar*>(bytes.data()),
                static_cast<gssize>(bytes.size()));
  g_hmac_get_digest(hmac.get(), digest.data(), &size);
  return {reinterpret_cast<const char*>(digest.data()), size};
}

bool equal_in_constant_time(std::string_view a, std::string_view b) {
  if (a.size() != b.size()) return false;
  volatile unsigned char difference = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    difference = difference | static_cast<unsigned char>(a[i] ^ b[i]);
  }
  return difference == 0;
}

std::string sign_jwt(std::string_view claims_json, std::string_view secret) {
  const std::string text = base64url(kHeader) + "." + base64url(claims_json);
  return text + "." + base64url(hmac_sha256(secret, text));
}

std::string make_api_token(const ApiCredentials& credentials, const VideoGrants& grants,
                           int64_t now_s, int64_t lifetime_s) {
  std::string video;
  const auto add = [&video](const std::string& grant) {
    video += (video.empty() ? "" : ",") + grant;
  };
  if (grants.room_record) add("\"roomRecord\":true");
  if (grants.room_admin) add("\"roomAdmin\":true");
  if (grants.room_list) add("\"roomList\":true");
  if (!grants.room.empty()) add("\"room\":" + json_quote(grants.room));
  // A server whose clock is a little behind must not find the token to be of the future.
  constexpr int64_t kClockMarginS = 10;
  return sign_jwt("{\"iss\":" + json_quote(credentials.key) +
                      ",\"sub\":\"livekitwssrc\",\"nbf\":" + std::to_string(now_s - kClockMarginS) +
                      ",\"exp\":" + std::to_string(now_s + lifetime_s) + ",\"video\":{" + video +
                      "}}",
                  credentials.secret);
}

std::optional<std::string> jwt_issuer(std::string_view token) {
  const auto parts = cut(token);
  const auto claims = parts ? base64url_decode(parts->claims) : std::nullopt;
  if (!claims) return std::nullopt;
  const JsonText json(*claims);
  if (!json.object()) return std::nullopt;
  return json_text(json.object(), "iss");
}

std::optional<JwtClaims> verify_jwt(std::string_view token, const ApiCredentials& credentials,
                                    int64_t now_s, int64_t leeway_s, std::string& why) {
  const auto refuse = [&why](const char* reason) {
    why = reason;
    return std::nullopt;
  };
  const auto parts = cut(token);
  const auto signature = parts ? base64url_decode(parts->signature) : std::nullopt;
  const auto header = parts ? base64url_decode(parts->header) : std::nullopt;
  const auto body = parts ? base64url_decode(parts->claims) : std::nullopt;
  if (!signature || !header || !body) return refuse("it is not a JSON Web Token");
  // First of all, so that nothing unsigned is looked at any further.
  if (credentials.secret.empty() ||
      !equal_in_constant_time(*signature, hmac_sha256(credentials.secret, parts->signed_part))) {
    return refuse("its signature is not made with this API secret");
  }
  if (json_text(JsonText(*header).object(), "alg") != "HS256") {
    return refuse("its algorithm is not HS256");
  }
  const JsonText json(*body);
  if (!json.object()) return refuse("its claims are not a JSON object");
  JwtClaims claims;
  claims.issuer = json_text(json.object(), "iss");
  claims.sha256 = json_text(json.object(), "sha256");
  claims.not_before_s = json_number(json.object(), "nbf");
  claims.expires_s = json_number(json.object(), "exp");
  JsonObject* video = json_child(json.object(), "video");
  claims.video = {json_flag(video, "roomRecord"), json_flag(video, "roomAdmin"),
                  json_flag(video, "roomList"), json_text(video, "room")};
  if (claims.issuer != credentials.key) return refuse("it names another API key");
  if (claims.expires_s <= 0) return refuse("it has no expiry");
  // No sums with foreign numbers: they may be anything.
  if (claims.expires_s <= now_s - leeway_s) {
    return refuse("it has expired (or the clocks of the two machines differ)");
  }
  if (claims.not_before_s > now_s + leeway_s) {
    return refuse("it is not valid yet (the clocks of the two machines differ)");
  }
  return claims;
}

}  // namespace livekit
