// SPDX-License-Identifier: LGPL-2.1-or-later
// The frame reader on any bytes: whole, one by one, and cut at places that the bytes themselves
// decide. All have to give the same, and to keep what the reader promises.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <vector>

#include "websocketframes.h"

namespace {

using namespace livekit;

constexpr FrameLimits kLimits{.max_message_size = 2000, .max_text_size = 200};

void require(bool good) {
  if (!good) std::abort();
}

class Recorder : public FrameHandler {
 public:
  void on_binary(std::span<const uint8_t> piece, bool last) override {
    message_bytes_ += piece.size();
    require(message_bytes_ <= kLimits.max_message_size);
    log.append(piece.begin(), piece.end());
    if (!last) return;
    message_bytes_ = 0;
    log += "|binary ends|";
  }
  void on_text_message(std::string_view text) override {
    require(text.size() <= kLimits.max_text_size && is_valid_utf8(text));
    log += "|text|";
    log += text;
  }
  void on_ping(std::span<const uint8_t> payload) override { control("|ping|", payload); }
  void on_pong(std::span<const uint8_t> payload) override { control("|pong|", payload); }
  void on_close(uint16_t code, std::string_view reason) override {
    require(code == kCloseNoStatus || is_valid_close_code(code));
    require(reason.size() <= kMaxControlPayload - 2 && is_valid_utf8(reason));
    log += "|close|" + std::to_string(code) + "|";
    log += reason;
  }

  std::string log;

 private:
  void control(const char* what, std::span<const uint8_t> payload) {
    require(payload.size() <= kMaxControlPayload);
    log += what;
    log.append(payload.begin(), payload.end());
    // What is answered fits its buffer.
    uint8_t frame[kMaxControlPayload + kMaxServerHeader];
    require(write_frame(frame, Opcode::kPong, payload) == payload.size() + 2);
  }
  size_t message_bytes_ = 0;
};

template <typename NextCut>
std::string run(std::span<const uint8_t> bytes, NextCut next_cut) {
  FrameReader reader(kLimits);
  Recorder recorder;
  // Each piece lies at the very end of its memory, so that a step too far is seen.
  std::vector<uint8_t> memory(bytes.size());
  while (!bytes.empty()) {
    const size_t count = std::min(next_cut(), bytes.size());
    const std::span<uint8_t> piece = std::span(memory).last(count);
    std::copy_n(bytes.begin(), count, piece.begin());
    reader.feed(piece, recorder);
    bytes = bytes.subspan(count);
  }
  return recorder.log + "|" + std::to_string(static_cast<int>(reader.status())) + "|" +
         std::to_string(reader.failure_code()) + reader.failure_reason();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::span<const uint8_t> bytes(data, size);
  uint32_t random = 2166136261u;
  for (uint8_t byte : bytes) random = (random ^ byte) * 16777619u;
  const std::string whole = run(bytes, [&] { return size; });
  require(run(bytes, [] { return size_t{1}; }) == whole);
  require(run(bytes, [&] {
            random = random * 1664525u + 1013904223u;
            return size_t{1} + (random >> 16) % (1 + (random >> 24));
          }) == whole);
  return 0;
}
