// SPDX-License-Identifier: LGPL-2.1-or-later
#include "flvtags.h"

#include <algorithm>

namespace rtmp {

namespace {

constexpr uint8_t kAac = 10;
constexpr uint8_t kEnhancedAudio = 9;  // a four-letter code follows
constexpr uint8_t kDeviceSpecific = 15;
constexpr uint8_t kUnassigned[] = {12, 13};
constexpr uint8_t kAvc = 7;
constexpr uint8_t kHevc = 12;

void append_u24(std::vector<uint8_t>& out, uint32_t value) {
  for (int shift = 16; shift >= 0; shift -= 8) out.push_back(static_cast<uint8_t>(value >> shift));
}

}  // namespace

std::vector<uint8_t> flv_header(bool audio, bool video) {
  const auto flags = static_cast<uint8_t>((audio ? 4 : 0) | (video ? 1 : 0));
  return {'F', 'L', 'V', 1, flags, 0, 0, 0, 9, 0, 0, 0, 0};
}

std::vector<uint8_t> flv_tag(const Media& media) {
  std::vector<uint8_t> tag;
  tag.reserve(media.payload.size() + kFlvTagOverhead);
  const uint8_t type = media.kind == MediaKind::kAudio   ? kAudio
                       : media.kind == MediaKind::kVideo ? kVideo
                                                         : kDataAmf0;
  const auto size = static_cast<uint32_t>(media.payload.size());
  tag.push_back(type);
  append_u24(tag, size);
  append_u24(tag, media.timestamp_ms & 0xffffff);
  tag.push_back(static_cast<uint8_t>(media.timestamp_ms >> 24));
  append_u24(tag, 0);
  tag.insert(tag.end(), media.payload.begin(), media.payload.end());
  append_u32(tag, size + 11);
  return tag;
}

void set_flv_tag_time(std::span<uint8_t> tag, uint64_t time_ms) {
  tag[4] = static_cast<uint8_t>(time_ms >> 16);
  tag[5] = static_cast<uint8_t>(time_ms >> 8);
  tag[6] = static_cast<uint8_t>(time_ms);
  tag[7] = static_cast<uint8_t>(time_ms >> 24);
}

bool is_configuration(const Media& media) {
  if (media.kind == MediaKind::kData || media.payload.size() < 2) return true;
  const uint8_t first = media.payload[0];
  if (media.kind == MediaKind::kAudio) {
    if (first >> 4 == kAac) return media.payload[1] == 0;
    return first >> 4 == kEnhancedAudio && (first & 0x0f) == 0;
  }
  if (first & 0x80) return (first & 0x0f) == 0;
  const uint8_t codec = first & 0x0f;
  return (codec == kAvc || codec == kHevc) && media.payload[1] == 0;
}

bool announces_video(const Media& first) {
  if (first.kind != MediaKind::kData) return first.kind == MediaKind::kVideo;
  amf0::Reader reader(first.payload);
  const auto name = reader.next();
  const auto metadata = reader.next();
  if (!name || !metadata) return false;
  // A width of 0 is LiveKit's way to say that there is none.
  const amf0::Value* const width = metadata->find("width");
  if (width) return width->number > 0;
  return metadata->find("videocodecid") != nullptr;
}

std::string unknown_audio_codec(std::span<const uint8_t> audio) {
  if (audio.empty()) return "";
  const uint8_t codec = audio[0] >> 4;
  if (codec == kEnhancedAudio) {
    std::string name;
    for (size_t i = 1; i < std::min<size_t>(audio.size(), 5); ++i) {
      name += audio[i] >= 0x20 && audio[i] < 0x7f ? static_cast<char>(audio[i]) : '?';
    }
    return "\"" + name + "\" by enhanced RTMP";
  }
  if (codec == kDeviceSpecific || codec == kUnassigned[0] || codec == kUnassigned[1]) {
    return "an unknown codec (" + std::to_string(codec) + ")";
  }
  return "";
}

}  // namespace rtmp
