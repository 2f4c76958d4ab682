// SPDX-License-Identifier: LGPL-2.1-or-later
#include "listeningaddress.h"

namespace livekit {

std::string listening_host(const std::string& address) {
  if (address.empty() || address == "*") return "0.0.0.0";
  if (address == "localhost") return "127.0.0.1";
  if (address.size() > 2 && address.front() == '[' && address.back() == ']') {
    return address.substr(1, address.size() - 2);
  }
  return address;
}

std::string loopback_host(const std::string& address) {
  const std::string host = listening_host(address);
  if (host == "0.0.0.0") return "127.0.0.1";
  return host == "::" ? "::1" : host;
}

}  // namespace livekit
