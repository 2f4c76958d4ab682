// SPDX-License-Identifier: LGPL-2.1-or-later
// Is this webhook from our LiveKit server, new, and for whom? Foreign bytes in, an event out; the
// caller gives the time.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "jwt.h"
#include "livekitapi.h"
#include "trackconnection.h"

namespace livekit {

inline constexpr size_t kMaxWebhookBytes = 1 << 20;

// Signature and hash of the body, for one API key. `authorization` is the HTTP field: a bare token,
// or "Bearer" and a token. http_status 0 = genuine, else 401 and why.
Verdict verify_webhook(std::string_view authorization, std::string_view body,
                       const ApiCredentials& credentials, int64_t now_s, int64_t* expires_s);

// Remembers the webhooks that were taken, until they expire by themselves.
class ReplayGuard {
 public:
  // False when the very same token was taken before.
  bool take(std::string_view authorization, int64_t expires_s, int64_t now_s);
  size_t size() const { return taken_.size(); }

 private:
  std::map<std::string, int64_t> taken_;  // digest of the token, and when it expires
  int64_t swept_s_ = 0;
};

}  // namespace livekit
