// SPDX-License-Identifier: LGPL-2.1-or-later
// Which server to talk to, and as whom: what the user set, else what the environment says, by the
// names that LiveKit's own tools use.
#pragma once

#include <string>

#include "jwt.h"

namespace livekit {

struct ApiAccess {
  std::string url;  // as the user gives it: wss://HOST
  ApiCredentials credentials;
};

// LIVEKIT_URL, LIVEKIT_API_KEY and LIVEKIT_API_SECRET fill in what is empty.
ApiAccess with_environment(ApiAccess given);

// The properties that are still to be set, separated by commas; "" = none.
std::string missing_settings(const ApiAccess& access, const std::string& room);

}  // namespace livekit
