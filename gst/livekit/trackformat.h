// SPDX-License-Identifier: LGPL-2.1-or-later
// The audio formats that livekitwssrc takes, as a caller writes them: in a Content-Type (HTTP's
// way with semicolons, or GStreamer's with commas and typed values), or in a query.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "trackconnection.h"

namespace livekit {

// Says what is accepted; ends every refusal of a format.
extern const char* const kAcceptedFormats;

// What a query asks for; wins over the content type.
struct FormatWish {
  std::optional<std::string> rate;
  std::optional<std::string> channels;
  std::optional<std::string> format;
};

// No content type means LiveKit's bare audio/x-raw. Refuses with 415.
Verdict parse_track_format(std::optional<std::string_view> content_type, const FormatWish& wish,
                           AudioFormat& format);

}  // namespace livekit
