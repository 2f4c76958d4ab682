// SPDX-License-Identifier: LGPL-2.1-or-later
// The client's side of RFC 6455 as Go's websocket client in the egress speaks it: the upgrade
// request, masked frames out, unmasked frames in. No socket in here.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace egresssim {

enum class Opcode : uint8_t {
  kContinuation = 0,
  kText = 1,
  kBinary = 2,
  kClose = 8,
  kPing = 9,
  kPong = 10,
};

// Room in front of a payload for the longest frame header with its mask.
inline constexpr size_t kHeaderRoom = 16;

// Turns the `length` bytes at `payload` into a masked final frame in place; at least kHeaderRoom
// bytes before `payload` must be free. Returns the whole frame.
std::span<const uint8_t> finish_frame(Opcode opcode, uint8_t* payload, size_t length,
                                      uint32_t mask);

// A cheap generator of masks: they hide nothing on a test's loopback, but differ frame by frame.
class MaskSource {
 public:
  explicit MaskSource(uint64_t seed) : state_(seed) {}
  uint32_t next();

 private:
  uint64_t state_;
};

struct UrlParts {
  bool tls = false;
  std::string host;  // without brackets
  uint16_t port = 0;
  std::string host_header;  // as written in the URL
  std::string target;       // path and query
};
// False with `error` when it is not a ws:// or wss:// URL.
bool parse_url(const std::string& url, UrlParts& parts, std::string& error);

// Replaces {key} by its percent-encoded value.
std::string fill_template(const std::string& text,
                          const std::vector<std::pair<std::string, std::string>>& values);

// The egress' request; headers in Go's order. `key` is the base64 Sec-WebSocket-Key.
std::string upgrade_request(const UrlParts& url, const std::string& content_type,
                            const std::string& key);
std::string random_key();
std::string accept_for_key(const std::string& key);

// Collects the server's answer to the upgrade.
class ResponseReader {
 public:
  enum class State { kIncomplete, kWelcome, kRefused, kBroken };
  // Takes bytes; what follows a 101 is left in `rest()`.
  State add(std::string_view bytes, const std::string& expected_accept);
  // The server closed: a refusal without a length is complete now.
  State finish();
  const std::string& status_line() const { return status_line_; }
  std::string body() const { return rest_; }
  std::string_view rest() const { return rest_; }

 private:
  std::string head_;
  std::string rest_;
  std::string status_line_;
  size_t body_length_ = SIZE_MAX;
  State state_ = State::kIncomplete;
};

// Reads the server's frames. Payloads of control frames are given whole, others are skipped.
class ServerFrames {
 public:
  using OnFrame = std::function<void(Opcode opcode, std::span<const uint8_t> control_payload)>;
  // False when the server broke the protocol.
  bool add(std::span<const uint8_t> bytes, const OnFrame& on_frame);

 private:
  std::vector<uint8_t> head_;
  uint64_t skip_ = 0;
};

}  // namespace egresssim
