// SPDX-License-Identifier: LGPL-2.1-or-later
#include "httprefusal.h"

#include <libsoup/soup.h>

namespace livekit {

std::string format_refusal(const Verdict& verdict, bool with_body) {
  const std::string body = verdict.reason + "\n";
  const char* phrase = soup_status_get_phrase(verdict.http_status);
  if (verdict.http_status == 426) phrase = "Upgrade Required";
  std::string text = "HTTP/1.1 " + std::to_string(verdict.http_status) + " " + phrase + "\r\n";
  // RFC 9110 15.5.22 and RFC 6455 4.4: say what to upgrade to.
  if (verdict.http_status == 426) {
    text += "Upgrade: websocket\r\nConnection: Upgrade, close\r\nSec-WebSocket-Version: 13\r\n";
  } else {
    text += "Connection: close\r\n";
  }
  if (verdict.http_status == 401) text += "WWW-Authenticate: Bearer realm=\"livekitwssrc\"\r\n";
  text += "Content-Type: text/plain; charset=utf-8\r\n";
  text += "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n";
  if (with_body) text += body;
  return text;
}

}  // namespace livekit
