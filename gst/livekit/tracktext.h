// SPDX-License-Identifier: LGPL-2.1-or-later
// The text messages that come along a track.
#pragma once

#include <optional>
#include <string_view>

namespace livekit {

// What LiveKit's {"muted":true} says; nothing for any other text.
std::optional<bool> parse_muted_text(std::string_view text);

}  // namespace livekit
