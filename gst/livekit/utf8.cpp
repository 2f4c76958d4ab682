// SPDX-License-Identifier: LGPL-2.1-or-later
#include "utf8.h"

#include <cstring>

namespace livekit {

bool Utf8Validator::feed(std::span<const uint8_t> bytes) {
  if (!valid_) return false;
  size_t i = 0;
  while (i < bytes.size()) {
    if (missing_ == 0) {
      // Texts are mostly ASCII: eight at a time.
      while (bytes.size() - i >= 8) {
        uint64_t eight;
        std::memcpy(&eight, bytes.data() + i, 8);
        if (eight & 0x8080808080808080u) break;
        i += 8;
      }
      if (i == bytes.size()) break;
      const uint8_t lead = bytes[i++];
      lowest_ = 0x80;
      highest_ = 0xbf;
      if (lead < 0x80) continue;
      if (lead >= 0xc2 && lead <= 0xdf) {
        missing_ = 1;
      } else if (lead >= 0xe0 && lead <= 0xef) {
        missing_ = 2;
        if (lead == 0xe0) lowest_ = 0xa0;   // shorter form exists
        if (lead == 0xed) highest_ = 0x9f;  // surrogates
      } else if (lead >= 0xf0 && lead <= 0xf4) {
        missing_ = 3;
        if (lead == 0xf0) lowest_ = 0x90;   // shorter form exists
        if (lead == 0xf4) highest_ = 0x8f;  // above U+10FFFF
      } else {
        return valid_ = false;
      }
    } else {
      const uint8_t next = bytes[i++];
      if (next < lowest_ || next > highest_) return valid_ = false;
      lowest_ = 0x80;
      highest_ = 0xbf;
      --missing_;
    }
  }
  return true;
}

bool is_valid_utf8(std::string_view text) {
  Utf8Validator validator;
  validator.feed({reinterpret_cast<const uint8_t*>(text.data()), text.size()});
  return validator.complete();
}

bool is_printable_utf8(std::string_view text) {
  if (!is_valid_utf8(text)) return false;
  for (size_t i = 0; i < text.size(); ++i) {
    const auto byte = static_cast<uint8_t>(text[i]);
    if (byte < 0x20 || byte == 0x7f) return false;
    // Validity is known, so the bytes after a lead are there.
    if (byte == 0xc2 && static_cast<uint8_t>(text[i + 1]) < 0xa0) return false;
    if (byte == 0xe2 && static_cast<uint8_t>(text[i + 1]) == 0x80) {
      const auto last = static_cast<uint8_t>(text[i + 2]);
      if (last == 0xa8 || last == 0xa9) return false;
    }
  }
  return true;
}

bool is_bidi_control(std::string_view character) {
  if (character.size() != 3 || character[0] != '\xe2') return false;
  const auto middle = static_cast<uint8_t>(character[1]);
  const auto last = static_cast<uint8_t>(character[2]);
  return (middle == 0x80 && last >= 0xaa && last <= 0xae) ||
         (middle == 0x81 && last >= 0xa6 && last <= 0xa9);
}

}  // namespace livekit
