// SPDX-License-Identifier: LGPL-2.1-or-later
#include "websocketframes.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>
#include <random>
#include <string>
#include <vector>

#include "clientframes.h"

namespace livekit {
namespace {

using namespace testing_frames;
using Status = FrameReader::Status;

// Writes down what the reader finds, one line an event, pieces of a message put together.
class Recorder : public FrameHandler {
 public:
  void on_binary(std::span<const uint8_t> piece, bool last) override {
    ++pieces;
    message_.append(piece.begin(), piece.end());
    if (!last) return;
    events.push_back("binary " + message_);
    message_.clear();
  }
  void on_text_message(std::string_view text) override {
    events.push_back("text " + std::string(text));
  }
  void on_ping(std::span<const uint8_t> payload) override { add("ping", payload); }
  void on_pong(std::span<const uint8_t> payload) override { add("pong", payload); }
  void on_close(uint16_t code, std::string_view reason) override {
    events.push_back("close " + std::to_string(code) + " " + std::string(reason));
  }
  const std::string& unfinished() const { return message_; }

  std::vector<std::string> events;
  int pieces = 0;

 private:
  void add(const char* what, std::span<const uint8_t> payload) {
    events.push_back(what + (" " + std::string(payload.begin(), payload.end())));
  }
  std::string message_;
};

struct Result {
  Status status = Status::kOpen;
  uint16_t code = 0;
  std::string reason;
  std::vector<std::string> events;
  std::string unfinished;
  bool operator==(const Result&) const = default;
};

// `next_cut` gives the length of each piece.
template <typename NextCut>
Result read(Bytes bytes, NextCut next_cut, FrameLimits limits = {}) {
  FrameReader reader(limits);
  Recorder recorder;
  for (size_t at = 0; at < bytes.size();) {
    const size_t count = std::min<size_t>(next_cut(), bytes.size() - at);
    // A copy of its own, so that a sanitizer sees any byte too far.
    Bytes piece(bytes.begin() + static_cast<ptrdiff_t>(at),
                bytes.begin() + static_cast<ptrdiff_t>(at + count));
    reader.feed(piece, recorder);
    at += count;
  }
  return {reader.status(), reader.failure_code(), reader.failure_reason(), recorder.events,
          recorder.unfinished()};
}

Result read_whole(const Bytes& bytes, FrameLimits limits = {}) {
  return read(
      bytes, [&] { return bytes.size(); }, limits);
}

// Whole, byte by byte, and at many random places: always the same.
Result read_every_way(const Bytes& bytes, FrameLimits limits = {}) {
  const Result whole = read_whole(bytes, limits);
  EXPECT_EQ(read(
                bytes, [] { return 1; }, limits),
            whole);
  std::minstd_rand random(7);
  for (int i = 0; i < 50; ++i) {
    const Result cut = read(
        bytes, [&] { return 1 + random() % 40; }, limits);
    EXPECT_EQ(cut, whole);
  }
  return whole;
}

void expect_failure(const Bytes& bytes, uint16_t code, FrameLimits limits = {}) {
  const Result result = read_every_way(bytes, limits);
  EXPECT_EQ(result.status, Status::kFailed);
  EXPECT_EQ(result.code, code) << result.reason;
  EXPECT_NE(result.reason, "");
}

std::vector<std::string> events_of(const Bytes& bytes, FrameLimits limits = {}) {
  const Result result = read_every_way(bytes, limits);
  EXPECT_NE(result.status, Status::kFailed) << result.reason;
  return result.events;
}

using Events = std::vector<std::string>;

TEST(Unmask, KnownAnswerFromTheRfc) {
  // RFC 6455 5.7: a masked "Hello".
  Bytes frame = {0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58};
  EXPECT_EQ(events_of(frame), Events{"text Hello"});
}

TEST(Unmask, EveryLengthAndAlignmentAgreesWithTheDefinition) {
  std::minstd_rand random(3);
  Bytes memory(200);
  for (size_t start = 0; start < 9; ++start) {
    for (size_t length = 0; length < 150; ++length) {
      for (uint8_t& byte : memory) byte = static_cast<uint8_t>(random());
      const Bytes before = memory;
      std::array<uint8_t, 4> mask = {0xde, 0xad, 0xbe, 0x0f};
      const std::array<uint8_t, 4> original = mask;
      unmask({memory.data() + start, length}, mask);
      for (size_t i = 0; i < memory.size(); ++i) {
        const bool inside = i >= start && i < start + length;
        const uint8_t expected = inside ? before[i] ^ original[(i - start) % 4] : before[i];
        ASSERT_EQ(memory[i], expected) << start << " " << length << " " << i;
      }
      for (size_t i = 0; i < 4; ++i) ASSERT_EQ(mask[i], original[(i + length) % 4]);
    }
  }
}

TEST(FrameReader, LengthsAtTheEdgesOfTheThreeForms) {
  for (size_t length : {0, 1, 125, 126, 127, 1919, 1920, 65535, 65536, 70000}) {
    const std::string payload(length, 'x');
    EXPECT_EQ(events_of(binary(payload)), Events{"binary " + payload}) << length;
  }
}

TEST(FrameReader, AWholeMessageComesInOnePiece) {
  Bytes bytes;
  for (int i = 0; i < 10; ++i) bytes = bytes + binary(std::string(1920, static_cast<char>(i)));
  FrameReader reader({});
  Recorder recorder;
  EXPECT_EQ(reader.feed(bytes, recorder), Status::kOpen);
  EXPECT_EQ(recorder.pieces, 10);
  EXPECT_EQ(recorder.events.size(), 10u);
}

TEST(FrameReader, PiecesAreHandedOnAsTheyCome) {
  Bytes bytes = binary("abcdefgh");
  FrameReader reader({});
  Recorder recorder;
  reader.feed(std::span(bytes).first(10), recorder);
  EXPECT_EQ(recorder.unfinished(), "abcd");
  reader.feed(std::span(bytes).subspan(10), recorder);
  EXPECT_EQ(recorder.events, Events{"binary abcdefgh"});
  EXPECT_EQ(recorder.pieces, 2);
}

TEST(FrameReader, EmptyMessages) {
  EXPECT_EQ(events_of(binary("") + text("") + binary("")), (Events{"binary ", "text ", "binary "}));
}

TEST(FrameReader, Fragments) {
  EXPECT_EQ(events_of(binary("ab", false) + more("cd", false) + more("ef")),
            Events{"binary abcdef"});
  EXPECT_EQ(events_of(text("ab", false) + more("", false) + more("")), Events{"text ab"});
  EXPECT_EQ(events_of(binary("", false) + more("", false) + more("")), Events{"binary "});
}

TEST(FrameReader, ControlFramesBetweenFragments) {
  const Bytes bytes = binary("ab", false) + ping("1") + more("cd", false) + pong("2") + more("") +
                      text("x", false) + ping("") + more("y");
  EXPECT_EQ(events_of(bytes), (Events{"ping 1", "pong 2", "binary abcd", "ping ", "text xy"}));
}

TEST(FrameReader, LargestControlFrame) {
  const std::string payload(125, 'p');
  EXPECT_EQ(events_of(ping(payload)), Events{"ping " + payload});
}

TEST(FrameReader, UnmaskedIsRefused) {
  expect_failure(make("abc", {.masked = false}), 1002);
  expect_failure(make("", {.masked = false}), 1002);
  expect_failure(make("", {.opcode = 0x9, .masked = false}), 1002);
}

TEST(FrameReader, ReservedBitsAreRefused) {
  for (uint8_t bit : {0x40, 0x20, 0x10}) {
    for (uint8_t opcode : {0x1, 0x2, 0x8, 0x9, 0xa}) {
      expect_failure(make("ab", {.opcode = opcode, .reserved = bit}), 1002);
    }
  }
}

TEST(FrameReader, UnknownOpcodesAreRefused) {
  for (uint8_t opcode : {0x3, 0x4, 0x5, 0x6, 0x7, 0xb, 0xc, 0xd, 0xe, 0xf}) {
    expect_failure(make("ab", {.opcode = opcode}), 1002);
  }
}

TEST(FrameReader, BadFragmentation) {
  expect_failure(more("ab"), 1002);
  expect_failure(binary("x") + more("ab"), 1002);
  expect_failure(binary("ab", false) + binary("cd"), 1002);
  expect_failure(binary("ab", false) + text("cd"), 1002);
  expect_failure(text("ab", false) + more("cd") + more("ef"), 1002);
}

TEST(FrameReader, BadControlFrames) {
  expect_failure(make("x", {.opcode = 0x9, .fin = false}), 1002);
  expect_failure(make("", {.opcode = 0x8, .fin = false}), 1002);
  expect_failure(make(std::string(126, 'x'), {.opcode = 0x9}), 1002);
  expect_failure(make(std::string(70000, 'x'), {.opcode = 0xa}), 1002);
}

TEST(FrameReader, LengthsInMoreBytesThanNeeded) {
  expect_failure(make("ab", {.length_bytes = 2}), 1002);
  expect_failure(make(std::string(125, 'x'), {.length_bytes = 2}), 1002);
  expect_failure(make(std::string(126, 'x'), {.length_bytes = 8}), 1002);
  expect_failure(make(std::string(65535, 'x'), {.length_bytes = 8}), 1002);
}

TEST(FrameReader, ALengthOf2To63) {
  expect_failure(make("", {.length_bytes = 8}, 1ull << 63), 1002);
  expect_failure(make("", {.length_bytes = 8}, ~0ull - 1), 1002);
  expect_failure(make("", {.length_bytes = 8}, (1ull << 63) - 1), 1009);
}

TEST(FrameReader, OversizedMessages) {
  const FrameLimits limits{.max_message_size = 100};
  EXPECT_EQ(events_of(binary(std::string(100, 'x')), limits).size(), 1u);
  expect_failure(binary(std::string(101, 'x')), 1009, limits);
  // All fragments together count.
  EXPECT_EQ(events_of(binary(std::string(60, 'x'), false) + more(std::string(40, 'x')), limits),
            Events{"binary " + std::string(100, 'x')});
  expect_failure(binary(std::string(60, 'x'), false) + more(std::string(41, 'x')), 1009, limits);
  expect_failure(binary("x", false) + make("", {.opcode = 0, .length_bytes = 8}, (1ull << 63) - 1),
                 1009, limits);
  // Control frames do not count.
  EXPECT_EQ(events_of(binary(std::string(100, 'x'), false) + ping("p") + more(""), limits).size(),
            2u);
  // Refused by its header, without waiting for the payload.
  EXPECT_EQ(read_whole(make("", {.length_bytes = 8}, 1 << 20), limits).code, 1009);
}

TEST(FrameReader, TextsHaveALimitOfTheirOwn) {
  const FrameLimits limits{.max_message_size = 1000, .max_text_size = 10};
  EXPECT_EQ(events_of(text("0123456789"), limits).size(), 1u);
  expect_failure(text("0123456789a"), 1009, limits);
  expect_failure(text("012345", false) + more("6789a"), 1009, limits);
  // A text is never allowed more than a message.
  expect_failure(text("0123456789a"), 1009, {.max_message_size = 10, .max_text_size = 1000});
  EXPECT_EQ(events_of(text(std::string(65536, 'x'))).size(), 1u);
  expect_failure(text(std::string(65537, 'x')), 1009);
}

TEST(FrameReader, ValidUtf8) {
  for (const std::string valid :
       {"", "a", "\x7f", "\xc2\x80", "\xdf\xbf", "\xe0\xa0\x80", "\xed\x9f\xbf", "\xee\x80\x80",
        "\xef\xbf\xbf", "\xf0\x90\x80\x80", "\xf4\x8f\xbf\xbf", "Привет, мир", "日本語",
        "{\"muted\":true}", "0123456789abcdef\xc3\xa9"}) {
    EXPECT_EQ(events_of(text(valid)), Events{"text " + valid});
    // Also cut within a character by a fragment.
    for (size_t cut = 0; cut <= valid.size(); ++cut) {
      EXPECT_EQ(events_of(text(valid.substr(0, cut), false) + more(valid.substr(cut))),
                Events{"text " + valid});
    }
  }
}

TEST(FrameReader, InvalidUtf8) {
  for (const std::string invalid :
       {"\x80", "\xbf", "\xc0\x80", "\xc1\xbf", "\xc2", "\xc2\x41", "\xe0\x9f\xbf", "\xe0\x80\x80",
        "\xed\xa0\x80", "\xed\xbf\xbf", "\xef\xbf", "\xf0\x8f\xbf\xbf", "\xf4\x90\x80\x80",
        "\xf5\x80\x80\x80", "\xff", "\xfe", "abcdefgh\x80", "\xf0\x90\x80"}) {
    expect_failure(text(invalid), 1007);
    expect_failure(text(invalid, false) + more(""), 1007);
    expect_failure(text("a", false) + more(invalid), 1007);
    // Binary may be anything.
    EXPECT_EQ(events_of(binary(invalid)), Events{"binary " + invalid});
  }
}

TEST(FrameReader, InvalidUtf8IsFoundBeforeTheEnd) {
  Bytes bytes = text(std::string(1000, '\xff'));
  bytes.resize(9);  // the header and one byte
  EXPECT_EQ(read_whole(bytes).code, 1007);
}

TEST(FrameReader, CloseFrames) {
  EXPECT_EQ(events_of(close_frame()), Events{"close 1005 "});
  EXPECT_EQ(events_of(close_frame("\x03\xe8")), Events{"close 1000 "});
  EXPECT_EQ(events_of(close_frame("\x03\xe9"
                                  "bye")),
            Events{"close 1001 bye"});
  // Nothing after it counts, not even nonsense.
  EXPECT_EQ(events_of(close_frame() + binary("x") + Bytes{0xff, 0xff}), Events{"close 1005 "});
  expect_failure(close_frame("\x03"), 1002);
  expect_failure(close_frame("\x03\xe8\xff"), 1007);
  expect_failure(close_frame("\x03\xe8\xc3"), 1007);
}

TEST(FrameReader, EveryCloseCode) {
  for (unsigned code = 0; code <= 0xffff; ++code) {
    const std::string body = {static_cast<char>(code >> 8), static_cast<char>(code & 0xff)};
    const Result result = read_whole(close_frame(body));
    const bool good = (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014) ||
                      (code >= 3000 && code <= 4999);
    ASSERT_EQ(result.status, good ? Status::kClosed : Status::kFailed) << code;
    ASSERT_EQ(result.code, good ? 0 : 1002) << code;
  }
}

TEST(FrameReader, AfterAFailureNothingCounts) {
  const Result result = read_whole(binary("good") + more("bad") + binary("late"));
  EXPECT_EQ(result.events, Events{"binary good"});
  EXPECT_EQ(result.status, Status::kFailed);
}

TEST(FrameReader, ALongMixedSessionCutAnywhere) {
  Bytes bytes;
  std::minstd_rand random(11);
  for (int i = 0; i < 200; ++i) {
    std::string payload(random() % 300, '\0');
    for (char& byte : payload) byte = static_cast<char>('a' + random() % 26);
    switch (random() % 5) {
      case 0:
        bytes = bytes + text(payload);
        break;
      case 1:
        bytes = bytes + binary(payload, false) + ping("ping") + more(payload);
        break;
      case 2:
        bytes = bytes + text(payload, false) + more(payload, false) + more(payload);
        break;
      default:
        bytes = bytes + make(payload, {.opcode = 2, .mask = static_cast<uint32_t>(random())});
    }
  }
  bytes = bytes + close_frame();
  const Result whole = read_every_way(bytes);
  EXPECT_EQ(whole.status, Status::kClosed);
  EXPECT_GT(whole.events.size(), 200u);
}

TEST(FrameWriter, ShortFrames) {
  uint8_t out[300];
  const uint8_t payload[] = {'p', 'i', 'n', 'g'};
  ASSERT_EQ(write_frame(out, Opcode::kPong, payload), 6u);
  EXPECT_EQ(Bytes(out, out + 6), (Bytes{0x8a, 4, 'p', 'i', 'n', 'g'}));
  ASSERT_EQ(write_frame(out, Opcode::kClose, {}), 2u);
  EXPECT_EQ(Bytes(out, out + 2), (Bytes{0x88, 0}));
}

TEST(FrameWriter, LongFrames) {
  Bytes out(70000);
  const Bytes payload(126, 1);
  ASSERT_EQ(write_frame(out, Opcode::kBinary, payload), 130u);
  EXPECT_EQ(Bytes(out.begin(), out.begin() + 5), (Bytes{0x82, 126, 0, 126, 1}));
  const Bytes large(65536, 1);
  ASSERT_EQ(write_frame(out, Opcode::kBinary, large), 65546u);
  EXPECT_EQ(Bytes(out.begin(), out.begin() + 11), (Bytes{0x82, 127, 0, 0, 0, 0, 0, 1, 0, 0, 1}));
}

TEST(FrameWriter, WritesNothingWhereItDoesNotFit) {
  Bytes out(5);
  const Bytes payload(4, 1);
  EXPECT_EQ(write_frame(out, Opcode::kPong, payload), 0u);
  EXPECT_EQ(write_frame({}, Opcode::kPong, {}), 0u);
}

TEST(FrameWriter, CloseFrames) {
  Bytes out(200);
  ASSERT_EQ(write_close_frame(out, 1002, "no"), 6u);
  EXPECT_EQ(Bytes(out.begin(), out.begin() + 6), (Bytes{0x88, 4, 0x03, 0xea, 'n', 'o'}));
  ASSERT_EQ(write_close_frame(out, kCloseNoStatus, "unused"), 2u);
  // Cut to 123 bytes, between two characters.
  std::string reason = "a";
  for (int i = 0; i < 100; ++i) reason += "я";
  ASSERT_EQ(write_close_frame(out, 1000, reason), 2u + 2u + 123u);
  reason = reason.substr(1);
  ASSERT_EQ(write_close_frame(out, 1000, reason), 2u + 2u + 122u);
}

TEST(PrintableUtf8, NamesMayBeAnythingButControls) {
  EXPECT_TRUE(is_printable_utf8("Анна Петрова"));
  EXPECT_TRUE(is_printable_utf8(""));
  EXPECT_TRUE(is_printable_utf8("\xc2\xa0"));
  for (const char* bad :
       {"a\nb", "\x1b[0m", "\x7f", "\xc2\x85", "\xe2\x80\xa8", "\xe2\x80\xa9", "\xff", "\xc2"}) {
    EXPECT_FALSE(is_printable_utf8(bad));
  }
  EXPECT_FALSE(is_printable_utf8(std::string_view("a\0b", 3)));
}

}  // namespace
}  // namespace livekit
