// SPDX-License-Identifier: LGPL-2.1-or-later
#include "websocketframes.h"

#include <algorithm>
#include <cstring>

namespace livekit {

namespace {

constexpr uint8_t kFinBit = 0x80;
constexpr uint8_t kReservedBits = 0x70;
constexpr uint8_t kMaskBit = 0x80;

// A text's buffer that has grown beyond this is given back, so that an idle connection is small.
constexpr size_t kKeptTextCapacity = 1024;

uint64_t read_big_endian(const uint8_t* bytes, size_t count) {
  uint64_t value = 0;
  for (size_t i = 0; i < count; ++i) value = value << 8 | bytes[i];
  return value;
}

std::string_view as_text(std::span<const uint8_t> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

}  // namespace

void unmask(std::span<uint8_t> data, std::array<uint8_t, 4>& mask) {
  uint32_t four;
  std::memcpy(&four, mask.data(), 4);
  const uint64_t eight = static_cast<uint64_t>(four) << 32 | four;
  uint8_t* p = data.data();
  size_t left = data.size();
  // Four words a turn: the compiler makes vectors of them.
  while (left >= 32) {
    uint64_t words[4];
    std::memcpy(words, p, 32);
    for (uint64_t& word : words) word ^= eight;
    std::memcpy(p, words, 32);
    p += 32;
    left -= 32;
  }
  while (left >= 8) {
    uint64_t word;
    std::memcpy(&word, p, 8);
    word ^= eight;
    std::memcpy(p, &word, 8);
    p += 8;
    left -= 8;
  }
  for (size_t i = 0; i < left; ++i) p[i] ^= mask[i & 3];
  std::rotate(mask.begin(), mask.begin() + (left & 3), mask.end());
}

bool is_valid_close_code(uint16_t code) {
  if (code >= 3000 && code <= 4999) return true;
  return (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014);
}

FrameReader::FrameReader(const FrameLimits& limits) : limits_(limits) {
  limits_.max_text_size = std::min(limits_.max_text_size, limits_.max_message_size);
}

FrameReader::Status FrameReader::fail(uint16_t code, const char* reason) {
  failure_code_ = code;
  failure_reason_ = reason;
  std::string().swap(text_);
  return status_ = Status::kFailed;
}

FrameReader::Status FrameReader::feed(std::span<uint8_t> data, FrameHandler& handler) {
  uint8_t* p = data.data();
  size_t left = data.size();
  while (status_ == Status::kOpen) {
    if (!in_payload_) {
      if (left == 0) break;
      const size_t take = std::min<size_t>(left, header_need_ - header_have_);
      std::memcpy(header_.data() + header_have_, p, take);
      header_have_ += static_cast<uint8_t>(take);
      p += take;
      left -= take;
      if (header_have_ < header_need_) break;
      if (header_need_ == 2) {
        start_frame();  // a masked header has at least six bytes: come back for the rest
        continue;
      }
      if (!finish_header()) break;
      in_payload_ = true;
    }
    if (left == 0 && remaining_ > 0) break;
    const auto count = static_cast<size_t>(std::min<uint64_t>(left, remaining_));
    const std::span<uint8_t> piece(p, count);
    remaining_ -= count;
    p += count;
    left -= count;
    unmask(piece, mask_);
    if (!deliver(piece, handler)) break;
    if (remaining_ == 0) {
      in_payload_ = false;
      header_have_ = 0;
      header_need_ = 2;
    }
  }
  return status_;
}

bool FrameReader::start_frame() {
  fin_ = (header_[0] & kFinBit) != 0;
  opcode_ = static_cast<Opcode>(header_[0] & 0x0f);
  const uint8_t length = header_[1] & 0x7f;
  auto refuse = [this](const char* reason) {
    fail(kCloseProtocolError, reason);
    return false;
  };
  if (header_[0] & kReservedBits) return refuse("reserved bits are set without an extension");
  switch (opcode_) {
    case Opcode::kContinuation:
      if (!in_message_) return refuse("a continuation frame without a message to continue");
      break;
    case Opcode::kText:
    case Opcode::kBinary:
      if (in_message_) return refuse("a new message before the last one was finished");
      break;
    case Opcode::kClose:
    case Opcode::kPing:
    case Opcode::kPong:
      if (!fin_) return refuse("a fragmented control frame");
      if (length > kMaxControlPayload) return refuse("a control frame of more than 125 bytes");
      break;
    default:
      return refuse("an unknown opcode");
  }
  if (!(header_[1] & kMaskBit)) return refuse("a frame that is not masked");
  header_need_ = 2 + 4;
  if (length == 126) header_need_ += 2;
  if (length == 127) header_need_ += 8;
  return true;
}

bool FrameReader::finish_header() {
  auto refuse = [this](uint16_t code, const char* reason) {
    fail(code, reason);
    return false;
  };
  remaining_ = header_[1] & 0x7f;
  if (remaining_ == 126) {
    remaining_ = read_big_endian(header_.data() + 2, 2);
    if (remaining_ < 126) return refuse(kCloseProtocolError, "a length in more bytes than needed");
  } else if (remaining_ == 127) {
    remaining_ = read_big_endian(header_.data() + 2, 8);
    if (remaining_ >> 63) return refuse(kCloseProtocolError, "a length of 2^63 or more");
    if (remaining_ <= 0xffff) {
      return refuse(kCloseProtocolError, "a length in more bytes than needed");
    }
  }
  std::copy_n(header_.begin() + (header_need_ - 4), 4, mask_.begin());
  if (is_control()) {
    control_have_ = 0;
    return true;
  }
  if (opcode_ != Opcode::kContinuation) {
    in_message_ = true;
    message_opcode_ = opcode_;
    message_size_ = 0;
    utf8_.reset();
  }
  const bool text = message_opcode_ == Opcode::kText;
  const uint64_t limit = text ? limits_.max_text_size : limits_.max_message_size;
  // message_size_ never exceeds the limit, so this cannot wrap.
  if (remaining_ > limit - message_size_) {
    return refuse(kCloseTooBig, text ? "a text that is too long" : "a message that is too big");
  }
  message_size_ += remaining_;
  return true;
}

bool FrameReader::deliver(std::span<uint8_t> piece, FrameHandler& handler) {
  if (is_control()) return deliver_control(piece, handler);
  const bool frame_ends = remaining_ == 0;
  if (frame_ends && fin_) in_message_ = false;
  if (message_opcode_ == Opcode::kText) return deliver_text(piece, frame_ends, handler);
  const bool last = frame_ends && fin_;
  if (last || !piece.empty()) handler.on_binary(piece, last);
  return true;
}

bool FrameReader::deliver_text(std::span<const uint8_t> piece, bool frame_ends,
                               FrameHandler& handler) {
  const bool ends = frame_ends && fin_;
  if (!utf8_.feed(piece) || (ends && !utf8_.complete())) {
    fail(kCloseInvalidData, "a text that is not UTF-8");
    return false;
  }
  if (ends && text_.empty()) {
    handler.on_text_message(as_text(piece));
    return true;
  }
  text_.append(as_text(piece));
  if (!ends) return true;
  handler.on_text_message(text_);
  if (text_.capacity() > kKeptTextCapacity) {
    std::string().swap(text_);
  } else {
    text_.clear();
  }
  return true;
}

bool FrameReader::deliver_control(std::span<const uint8_t> piece, FrameHandler& handler) {
  std::span<const uint8_t> whole = piece;
  if (control_have_ > 0 || remaining_ > 0) {
    std::copy(piece.begin(), piece.end(), control_.begin() + control_have_);
    control_have_ += static_cast<uint8_t>(piece.size());
    whole = {control_.data(), control_have_};
  }
  if (remaining_ > 0) return true;
  switch (opcode_) {
    case Opcode::kPing:
      handler.on_ping(whole);
      return true;
    case Opcode::kPong:
      handler.on_pong(whole);
      return true;
    default:
      return deliver_close(whole, handler);
  }
}

bool FrameReader::deliver_close(std::span<const uint8_t> body, FrameHandler& handler) {
  uint16_t code = kCloseNoStatus;
  std::string_view reason;
  if (body.size() == 1) {
    fail(kCloseProtocolError, "a close frame of one byte");
    return false;
  }
  if (body.size() >= 2) {
    code = static_cast<uint16_t>(read_big_endian(body.data(), 2));
    reason = as_text(body.subspan(2));
    if (!is_valid_close_code(code)) {
      fail(kCloseProtocolError, "a close code that must not be sent");
      return false;
    }
    if (!is_valid_utf8(reason)) {
      fail(kCloseInvalidData, "a close reason that is not UTF-8");
      return false;
    }
  }
  status_ = Status::kClosed;
  std::string().swap(text_);
  handler.on_close(code, reason);
  return false;
}

size_t write_frame(std::span<uint8_t> out, Opcode opcode, std::span<const uint8_t> payload) {
  std::array<uint8_t, kMaxServerHeader> header{};
  size_t header_size = 2;
  header[0] = kFinBit | static_cast<uint8_t>(opcode);
  const uint64_t length = payload.size();
  if (length <= 125) {
    header[1] = static_cast<uint8_t>(length);
  } else {
    const size_t bytes = length <= 0xffff ? 2 : 8;
    header[1] = bytes == 2 ? 126 : 127;
    for (size_t i = 0; i < bytes; ++i) {
      header[2 + i] = static_cast<uint8_t>(length >> (8 * (bytes - 1 - i)));
    }
    header_size += bytes;
  }
  if (out.size() < header_size || out.size() - header_size < payload.size()) return 0;
  std::copy_n(header.begin(), header_size, out.begin());
  std::copy(payload.begin(), payload.end(), out.begin() + static_cast<ptrdiff_t>(header_size));
  return header_size + payload.size();
}

size_t write_close_frame(std::span<uint8_t> out, uint16_t code, std::string_view reason) {
  if (code == kCloseNoStatus) return write_frame(out, Opcode::kClose, {});
  std::array<uint8_t, kMaxControlPayload> body{};
  body[0] = static_cast<uint8_t>(code >> 8);
  body[1] = static_cast<uint8_t>(code & 0xff);
  size_t size = std::min(reason.size(), body.size() - 2);
  if (size < reason.size()) {
    while (size > 0 && (static_cast<uint8_t>(reason[size]) & 0xc0) == 0x80) --size;
  }
  std::copy_n(reason.begin(), size, body.begin() + 2);
  return write_frame(out, Opcode::kClose, {body.data(), size + 2});
}

}  // namespace livekit
