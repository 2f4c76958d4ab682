// SPDX-License-Identifier: LGPL-2.1-or-later
#include "apiaccess.h"

#include <glib.h>

namespace livekit {

ApiAccess with_environment(ApiAccess given) {
  const auto fill = [](std::string& setting, const char* variable) {
    const char* value = setting.empty() ? g_getenv(variable) : nullptr;
    if (value) setting = value;
    // What is read from a file ends in a line break, and no key or address in white space.
    const size_t last = setting.find_last_not_of(" \t\r\n");
    setting.resize(last == setting.npos ? 0 : last + 1);
  };
  fill(given.url, "LIVEKIT_URL");
  fill(given.credentials.key, "LIVEKIT_API_KEY");
  fill(given.credentials.secret, "LIVEKIT_API_SECRET");
  return given;
}

std::string missing_settings(const ApiAccess& access, const std::string& room) {
  std::string missing;
  const auto require = [&missing](const std::string& value, const char* name) {
    if (value.empty()) missing += (missing.empty() ? "" : ", ") + std::string(name);
  };
  require(room, "room");
  require(access.url, "livekit-url (or LIVEKIT_URL)");
  require(access.credentials.key, "api-key (or LIVEKIT_API_KEY)");
  require(access.credentials.secret, "api-secret (or LIVEKIT_API_SECRET)");
  return missing;
}

}  // namespace livekit
