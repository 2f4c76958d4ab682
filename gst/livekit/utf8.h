// SPDX-License-Identifier: LGPL-2.1-or-later
// Strict UTF-8 (RFC 3629: no overlong forms, no surrogates, nothing above U+10FFFF), checked as
// the bytes come in, so that a bad text is known before its end.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

namespace livekit {

class Utf8Validator {
 public:
  // False as soon as no continuation could make the text valid; stays false until reset().
  bool feed(std::span<const uint8_t> bytes);
  // True when the text may end here.
  bool complete() const { return valid_ && missing_ == 0; }
  void reset() { *this = Utf8Validator(); }

 private:
  bool valid_ = true;
  uint8_t missing_ = 0;  // continuation bytes still to come
  uint8_t lowest_ = 0x80;
  uint8_t highest_ = 0xbf;  // range of the next continuation byte
};

bool is_valid_utf8(std::string_view text);

// Valid UTF-8 without control characters (C0, DEL, C1, line and paragraph separators): what may
// stand in a name that ends up in captions and messages.
bool is_printable_utf8(std::string_view text);

// One character that turns the direction of what follows it (embeddings, overrides, isolates,
// U+202A to U+202E and U+2066 to U+2069): in a name it would turn the text beside it too. The marks
// that only say which way a letter goes are none.
bool is_bidi_control(std::string_view character);

}  // namespace livekit
