// SPDX-License-Identifier: LGPL-2.1-or-later
// RFC 6455 frames as a server sees them: a reader that takes bytes as they come, cut anywhere, and
// a writer for the few frames a receiver sends. No socket, no clock, no allocation for audio.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "utf8.h"

namespace livekit {

enum class Opcode : uint8_t {
  kContinuation = 0x0,
  kText = 0x1,
  kBinary = 0x2,
  kClose = 0x8,
  kPing = 0x9,
  kPong = 0xa,
};

// Status codes of close frames.
inline constexpr uint16_t kCloseNormal = 1000;
inline constexpr uint16_t kCloseGoingAway = 1001;
inline constexpr uint16_t kCloseProtocolError = 1002;
inline constexpr uint16_t kCloseNoStatus = 1005;  // only ever meant, never sent
inline constexpr uint16_t kCloseInvalidData = 1007;
inline constexpr uint16_t kCloseTooBig = 1009;

inline constexpr size_t kMaxControlPayload = 125;
// What write_frame() puts before the payload at most (a server does not mask).
inline constexpr size_t kMaxServerHeader = 10;

// Takes what a FrameReader finds, from within feed(). All views end with the call.
class FrameHandler {
 public:
  virtual ~FrameHandler() = default;
  // A piece of a binary message; `last` on its final piece, which may be empty.
  virtual void on_binary(std::span<const uint8_t> piece, bool last) = 0;
  virtual void on_text_message(std::string_view text) = 0;
  virtual void on_ping(std::span<const uint8_t> payload) = 0;
  virtual void on_pong(std::span<const uint8_t> payload) = 0;
  // `code` is kCloseNoStatus when the frame had no body. Nothing follows it.
  virtual void on_close(uint16_t code, std::string_view reason) = 0;
};

struct FrameLimits {
  size_t max_message_size = 1 << 20;  // bytes of a whole message, all fragments together
  size_t max_text_size = 64 << 10;    // texts are kept until they are whole, so they get less
};

class FrameReader {
 public:
  enum class Status { kOpen, kClosed, kFailed };

  explicit FrameReader(const FrameLimits& limits);

  // Reads `data` and unmasks it in place. The result and what the handler gets do not depend on
  // where the bytes were cut, but for the cuts between pieces of one binary message. Once the
  // status is not kOpen, everything further is ignored.
  Status feed(std::span<uint8_t> data, FrameHandler& handler);

  Status status() const { return status_; }
  // After kFailed: what to close with, and why.
  uint16_t failure_code() const { return failure_code_; }
  const char* failure_reason() const { return failure_reason_; }

 private:
  static constexpr size_t kMaxHeader = 14;

  Status fail(uint16_t code, const char* reason);
  bool start_frame();    // after the first two bytes
  bool finish_header();  // after the whole header
  bool deliver(std::span<uint8_t> piece, FrameHandler& handler);
  bool deliver_text(std::span<const uint8_t> piece, bool frame_ends, FrameHandler& handler);
  bool deliver_control(std::span<const uint8_t> piece, FrameHandler& handler);
  bool deliver_close(std::span<const uint8_t> body, FrameHandler& handler);
  bool is_control() const { return static_cast<uint8_t>(opcode_) >= 0x8; }

  FrameLimits limits_;
  Status status_ = Status::kOpen;
  uint16_t failure_code_ = 0;
  const char* failure_reason_ = "";

  // The frame at hand.
  std::array<uint8_t, kMaxHeader> header_{};
  uint8_t header_have_ = 0;
  uint8_t header_need_ = 2;
  bool in_payload_ = false;
  bool fin_ = false;
  Opcode opcode_ = Opcode::kBinary;
  std::array<uint8_t, 4> mask_{};  // turned so that mask_[0] is for the next byte
  uint64_t remaining_ = 0;         // payload bytes still to come

  // The message at hand, which control frames may interrupt.
  bool in_message_ = false;
  Opcode message_opcode_ = Opcode::kBinary;
  uint64_t message_size_ = 0;
  std::string text_;
  Utf8Validator utf8_;

  std::array<uint8_t, kMaxControlPayload> control_{};
  uint8_t control_have_ = 0;
};

// XORs `data` with `mask` in place and turns the mask by data.size(), ready for what follows.
void unmask(std::span<uint8_t> data, std::array<uint8_t, 4>& mask);

// Writes one unmasked, unfragmented frame into `out` and returns its length; 0 when it does not
// fit (kMaxServerHeader more than the payload always do).
size_t write_frame(std::span<uint8_t> out, Opcode opcode, std::span<const uint8_t> payload);

// The same for a close frame. kCloseNoStatus gives one without a body; a reason that is too long
// is cut between two characters.
size_t write_close_frame(std::span<uint8_t> out, uint16_t code, std::string_view reason);

// Whether a peer may send this close code (RFC 6455 7.4 and the IANA registry).
bool is_valid_close_code(uint16_t code);

}  // namespace livekit
