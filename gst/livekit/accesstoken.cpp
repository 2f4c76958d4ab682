// SPDX-License-Identifier: LGPL-2.1-or-later
#include "accesstoken.h"

#include <glib.h>

#include <memory>

namespace livekit {

namespace {

std::array<uint8_t, 32> sha256(std::string_view text) {
  std::array<uint8_t, 32> digest{};
  gsize size = digest.size();
  std::unique_ptr<GChecksum, decltype(&g_checksum_free)> checksum(g_checksum_new(G_CHECKSUM_SHA256),
                                                                  g_checksum_free);
  g_checksum_update(checksum.get(), reinterpret_cast<const guchar*>(text.data()),
                    static_cast<gssize>(text.size()));
  g_checksum_get_digest(checksum.get(), digest.data(), &size);
  return digest;
}

}  // namespace

AccessToken::AccessToken(std::string_view token) : required_(!token.empty()) {
  if (required_) digest_ = sha256(token);
}

bool AccessToken::matches(std::string_view candidate) const {
  if (!required_) return false;
  // Digests have one length and nothing in common with their neighbours, so that the time tells
  // neither the token's length nor how much of it was right.
  const std::array<uint8_t, 32> digest = sha256(candidate);
  volatile uint8_t difference = 0;
  for (size_t i = 0; i < digest.size(); ++i) difference = difference | (digest[i] ^ digest_[i]);
  return difference == 0;
}

}  // namespace livekit
