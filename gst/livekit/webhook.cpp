// SPDX-License-Identifier: LGPL-2.1-or-later
#include "webhook.h"

#include <glib.h>

#include <memory>

namespace livekit {

namespace {

constexpr int64_t kClockLeewayS = 60;
// LiveKit gives its webhooks 5 minutes. Whoever asks for more cannot make this machine remember
// him for longer; his token is then refused as too long-lived.
constexpr int64_t kMaxLifetimeS = 3600;

std::string_view bare_token(std::string_view authorization) {
  constexpr std::string_view kScheme = "Bearer ";
  return authorization.starts_with(kScheme) ? authorization.substr(kScheme.size()) : authorization;
}

std::string base64(std::string_view bytes) {
  const std::unique_ptr<char, decltype(&g_free)> text(
      g_base64_encode(reinterpret_cast<const guchar*>(bytes.data()), bytes.size()), g_free);
  return text.get();
}

}  // namespace

Verdict verify_webhook(std::string_view authorization, std::string_view body,
                       const ApiCredentials& credentials, int64_t now_s, int64_t* expires_s) {
  if (body.size() > kMaxWebhookBytes) return {413, "the webhook is too long"};
  std::string why;
  const auto claims = verify_jwt(bare_token(authorization), credentials, now_s, kClockLeewayS, why);
  if (!claims) return {401, "the webhook's token is refused: " + why};
  if (claims->expires_s > now_s + kMaxLifetimeS) {
    return {401, "the webhook's token is refused: it lives too long"};
  }
  if (!equal_in_constant_time(claims->sha256, base64(sha256(body)))) {
    return {401, "the webhook's body is not the one that was signed"};
  }
  *expires_s = claims->expires_s;
  return {};
}

bool ReplayGuard::take(std::string_view authorization, int64_t expires_s, int64_t now_s) {
  if (now_s - swept_s_ >= 60 || now_s < swept_s_) {
    swept_s_ = now_s;
    std::erase_if(taken_,
                  [now_s](const auto& entry) { return entry.second + kClockLeewayS < now_s; });
  }
  // Of what is signed: the signature's last character has bits that mean nothing, so one token has
  // several spellings.
  const std::string_view token = bare_token(authorization);
  return taken_.emplace(sha256(token.substr(0, token.rfind('.'))), expires_s).second;
}

}  // namespace livekit
