// SPDX-License-Identifier: LGPL-2.1-or-later
// FLV as a file or a demuxer takes it: the header, and RTMP's media messages as tags. And what can
// be seen of a codec without a decoder.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "session.h"

namespace rtmp {

inline constexpr size_t kFlvTagOverhead = 11 + 4;

// With the size of the tag before it, which is none.
std::vector<uint8_t> flv_header(bool audio, bool video);
std::vector<uint8_t> flv_tag(const Media& media);
// Milliseconds; the higher bits do not fit and are left out.
void set_flv_tag_time(std::span<uint8_t> tag, uint64_t time_ms);

// A decoder's set-up or metadata: nothing that is played.
bool is_configuration(const Media& media);
// Whether the stream that begins with `first` will have video, as far as it tells.
bool announces_video(const Media& first);
// What keeps `audio` from being demuxed by stock elements, in words; "" when nothing does.
std::string unknown_audio_codec(std::span<const uint8_t> audio);

}  // namespace rtmp
