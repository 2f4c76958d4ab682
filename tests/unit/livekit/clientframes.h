// SPDX-License-Identifier: LGPL-2.1-or-later
// Frames as a client writes them, byte by byte and with every mistake one asks for.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace testing_frames {

using Bytes = std::vector<uint8_t>;

struct Frame {
  uint8_t opcode = 0x2;
  bool fin = true;
  uint8_t reserved = 0;  // bits 0x70
  bool masked = true;
  uint32_t mask = 0x12345678;
  int length_bytes = -1;  // 0, 2, 8: forced form of the length; -1: the shortest
};

inline Bytes make(std::string_view payload, Frame frame = {}, uint64_t claimed_length = ~0ull) {
  Bytes out;
  const uint64_t length = claimed_length == ~0ull ? payload.size() : claimed_length;
  int form = frame.length_bytes;
  if (form < 0) form = length <= 125 ? 0 : length <= 0xffff ? 2 : 8;
  out.push_back(static_cast<uint8_t>((frame.fin ? 0x80 : 0) | frame.reserved | frame.opcode));
  const uint8_t mask_bit = frame.masked ? 0x80 : 0;
  out.push_back(static_cast<uint8_t>(mask_bit | (form == 0 ? length : form == 2 ? 126 : 127)));
  for (int i = form - 1; i >= 0; --i) out.push_back(static_cast<uint8_t>(length >> (8 * i)));
  uint8_t mask[4] = {};
  if (frame.masked) {
    for (int i = 0; i < 4; ++i) {
      mask[i] = static_cast<uint8_t>(frame.mask >> (8 * (3 - i)));
      out.push_back(mask[i]);
    }
  }
  for (size_t i = 0; i < payload.size(); ++i) {
    out.push_back(static_cast<uint8_t>(payload[i]) ^ mask[i % 4]);
  }
  return out;
}

inline Bytes binary(std::string_view payload, bool fin = true) {
  return make(payload, {.opcode = 0x2, .fin = fin});
}
inline Bytes text(std::string_view payload, bool fin = true) {
  return make(payload, {.opcode = 0x1, .fin = fin});
}
inline Bytes more(std::string_view payload, bool fin = true) {
  return make(payload, {.opcode = 0x0, .fin = fin});
}
inline Bytes ping(std::string_view payload = "ping") {
  return make(payload, {.opcode = 0x9});
}
inline Bytes pong(std::string_view payload = "pong") {
  return make(payload, {.opcode = 0xa});
}
inline Bytes close_frame(std::string_view body = "") {
  return make(body, {.opcode = 0x8});
}

inline Bytes operator+(Bytes left, const Bytes& right) {
  left.insert(left.end(), right.begin(), right.end());
  return left;
}

}  // namespace testing_frames
