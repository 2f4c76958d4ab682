// SPDX-License-Identifier: LGPL-2.1-or-later
// What anybody on the network can send to the webhook's path: a token, a body. And, as if the
// signature were good, the JSON behind it. First line: Authorization; the rest: the body.
#include <cstdint>
#include <cstdlib>
#include <string>

#include "jwt.h"
#include "livekitapi.h"
#include "utf8.h"
#include "webhook.h"

using namespace livekit;

namespace {

void require(bool holds) {
  if (!holds) std::abort();
}

void check_names(const Participant& participant) {
  for (const std::string& name : {participant.identity, participant.name}) {
    require(is_printable_utf8(printable_name(name)));
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  const size_t end = text.find('\n');
  const std::string authorization = text.substr(0, end);
  const std::string body = end == text.npos ? "" : text.substr(end + 1);
  const ApiCredentials credentials{"APIkey", "not to be guessed"};
  int64_t expires_s = 0;
  require(verify_webhook(authorization, body, credentials, 1'700'000'000, &expires_s).http_status ==
          401);
  jwt_issuer(authorization);
  // The claims as they would be if the signature were good.
  std::string why;
  const std::string token = sign_jwt(authorization, credentials.secret);
  const auto claims = verify_jwt(token, credentials, 1'700'000'000, 60, why);
  require(claims.has_value() || !why.empty());

  if (const auto event = parse_webhook(body)) {
    require(!event->event.empty());
    if (event->participant) check_names(*event->participant);
    if (event->egress) require(event->egress->url.find('?') == std::string::npos);
  }
  if (const auto list = parse_participants(body)) {
    for (const Participant& participant : *list) check_names(participant);
  }
  parse_egress_list(body);
  parse_egress(body);
  return 0;
}
