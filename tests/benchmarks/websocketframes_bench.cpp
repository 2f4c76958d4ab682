// SPDX-License-Identifier: LGPL-2.1-or-later
// What the frame reader costs a message: LiveKit's messages of 1920 bytes, masked, from memory that
// holds more of them than the nearest cache. Prints ns a message, best and median of the rounds.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <vector>

#include "websocketframes.h"

namespace {

using namespace livekit;

constexpr size_t kPayload = 1920;
constexpr size_t kMessages = 500;  // one slice of 500 tracks
constexpr int kRounds = 400;

class Counter : public FrameHandler {
 public:
  void on_binary(std::span<const uint8_t> piece, bool last) override {
    bytes += piece.size();
    messages += last;
  }
  void on_text_message(std::string_view) override {}
  void on_ping(std::span<const uint8_t>) override {}
  void on_pong(std::span<const uint8_t>) override {}
  void on_close(uint16_t, std::string_view) override {}
  uint64_t bytes = 0;
  uint64_t messages = 0;
};

std::vector<uint8_t> make_message() {
  std::vector<uint8_t> message = {0x82, 0x80 | 126, kPayload >> 8, kPayload & 0xff, 1, 2, 3, 4};
  for (size_t i = 0; i < kPayload; ++i) message.push_back(static_cast<uint8_t>(i * 7));
  return message;
}

// Feeds all messages in pieces of `piece` bytes; ns a message of each round.
void run(const char* name, size_t piece) {
  const std::vector<uint8_t> message = make_message();
  std::vector<uint8_t> wire;
  for (size_t i = 0; i < kMessages; ++i) wire.insert(wire.end(), message.begin(), message.end());
  std::vector<double> rounds;
  Counter counter;
  for (int round = 0; round < kRounds; ++round) {
    std::vector<uint8_t> copy = wire;  // the reader unmasks in place
    FrameReader reader({});
    const auto start = std::chrono::steady_clock::now();
    for (size_t at = 0; at < copy.size(); at += piece) {
      reader.feed(std::span(copy).subspan(at, std::min(piece, copy.size() - at)), counter);
    }
    const std::chrono::duration<double, std::nano> took = std::chrono::steady_clock::now() - start;
    rounds.push_back(took.count() / kMessages);
  }
  std::sort(rounds.begin(), rounds.end());
  if (counter.messages != kMessages * kRounds) std::puts("WRONG: messages were lost");
  std::printf("%-24s best %6.1f ns/message, median %6.1f; 50000 messages/s take %.4f cores\n", name,
              rounds.front(), rounds[rounds.size() / 2], rounds[rounds.size() / 2] * 50000 / 1e9);
}

}  // namespace

int main() {
  run("a message a read", 1928);
  run("a slice of 10 a read", 19280);
  run("cut at 1448 (a segment)", 1448);
  run("cut at 100", 100);
  std::printf("sizeof(FrameReader) = %zu\n", sizeof(livekit::FrameReader));
}
