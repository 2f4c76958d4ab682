// SPDX-License-Identifier: LGPL-2.1-or-later
// The HTTP answer to a caller who is turned away: plain text that says what to do.
#pragma once

#include <string>

#include "trackconnection.h"

namespace livekit {

// The whole response, after which the connection is closed.
std::string format_refusal(const Verdict& verdict, bool with_body);

}  // namespace livekit
