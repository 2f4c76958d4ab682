// SPDX-License-Identifier: LGPL-2.1-or-later
// Which elements read a location, as a launch line; and how a location is named without its
// secrets.
#pragma once

#include <string>

namespace reconnect {

enum class AtEnd { kReconnect, kEnd };

struct SourceSettings {
  std::string location;
  std::string source;                    /* a launch line instead of the location */
  std::string rtmp_element = "rtmp2src"; /* or rtmpsrc */
};

/** The launch line of one connection; its last element is called "out". "" = nothing to connect
 * to.*/
std::string connection_line(const SourceSettings& settings);

/** Whether a stream that ends has ended, or has only lost its publisher. */
AtEnd default_at_end(const SourceSettings& settings);

bool is_rtmp(const std::string& location);

/** Scheme, host and path up to the last part, which is often a key: rtmp://host/live/... */
std::string masked(const SourceSettings& settings);

// What an element says, for messages: some add where in their source they say it, and the whole
// address with its key.
std::string told(const std::string& reason);

}  // namespace reconnect
