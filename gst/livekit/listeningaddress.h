// SPDX-License-Identifier: LGPL-2.1-or-later
// What users call an address to listen on.
#pragma once

#include <string>

namespace livekit {

// `address` as g_inet_address knows it: the usual names of "all" and "this machine" replaced.
std::string listening_host(const std::string& address);

// How this machine itself reaches what listens on `address`; without brackets.
std::string loopback_host(const std::string& address);

}  // namespace livekit
