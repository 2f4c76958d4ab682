// SPDX-License-Identifier: LGPL-2.1-or-later
#include "clientframes.h"

#include <gtest/gtest.h>

#include <cstring>

using namespace egresssim;

namespace {

std::vector<uint8_t> framed(Opcode opcode, const std::string& payload, uint32_t mask) {
  std::vector<uint8_t> buffer(kHeaderRoom + payload.size());
  std::memcpy(buffer.data() + kHeaderRoom, payload.data(), payload.size());
  const auto frame = finish_frame(opcode, buffer.data() + kHeaderRoom, payload.size(), mask);
  return {frame.begin(), frame.end()};
}

TEST(ClientFrames, MaskedTextOfTheRfc) {
  // RFC 6455 5.7: a masked "Hello" with the key 37 fa 21 3d.
  const std::vector<uint8_t> expected{0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d,
                                      0x7f, 0x9f, 0x4d, 0x51, 0x58};
  EXPECT_EQ(framed(Opcode::kText, "Hello", 0x3d21fa37), expected);
}

TEST(ClientFrames, CloseHasNoBody) {
  EXPECT_EQ(framed(Opcode::kClose, "", 0x04030201), (std::vector<uint8_t>{0x88, 0x80, 1, 2, 3, 4}));
}

TEST(ClientFrames, LengthsOfAllSizes) {
  const auto middle = framed(Opcode::kBinary, std::string(1920, 'x'), 1);
  EXPECT_EQ(middle.size(), 1928u);
  EXPECT_EQ(middle[1], 0xfe);
  EXPECT_EQ(middle[2] << 8 | middle[3], 1920);
  const auto large = framed(Opcode::kBinary, std::string(65536, 'x'), 1);
  EXPECT_EQ(large.size(), 65536u + 14);
  EXPECT_EQ(large[1], 0xff);
  EXPECT_EQ(large[7], 1);
  for (size_t i = 0; i < 1920; ++i) ASSERT_EQ(middle[8 + i] ^ middle[4 + i % 4], 'x') << i;
}

TEST(ClientFrames, MasksDiffer) {
  MaskSource masks(1);
  const uint32_t first = masks.next();
  EXPECT_NE(first, masks.next());
  EXPECT_NE(first, MaskSource(2).next());
}

TEST(ClientFrames, UpgradeRequestIsGos) {
  UrlParts url;
  std::string error;
  ASSERT_TRUE(parse_url("ws://127.0.0.1:9000/standup/alice/TR_x?name=Al", url, error)) << error;
  EXPECT_EQ(upgrade_request(url, "audio/x-raw", "KEY=="),
            "GET /standup/alice/TR_x?name=Al HTTP/1.1\r\n"
            "Host: 127.0.0.1:9000\r\n"
            "User-Agent: Go-http-client/1.1\r\n"
            "Connection: Upgrade\r\n"
            "Content-Type: audio/x-raw\r\n"
            "Sec-WebSocket-Key: KEY==\r\n"
            "Sec-WebSocket-Version: 13\r\n"
            "Upgrade: websocket\r\n\r\n");
}

TEST(ClientFrames, Urls) {
  UrlParts url;
  std::string error;
  ASSERT_TRUE(parse_url("wss://[::1]:9443", url, error)) << error;
  EXPECT_TRUE(url.tls);
  EXPECT_EQ(url.host, "::1");
  EXPECT_EQ(url.host_header, "[::1]:9443");
  EXPECT_EQ(url.target, "/");
  ASSERT_TRUE(parse_url("ws://example.org/a", url, error)) << error;
  EXPECT_EQ(url.port, 80);
  EXPECT_EQ(url.host_header, "example.org");
  EXPECT_FALSE(parse_url("http://127.0.0.1/", url, error));
  EXPECT_NE(error.find("ws://"), std::string::npos);
  // The egress itself refuses this ("malformed ws or wss URL").
  EXPECT_FALSE(parse_url("ws://user:secret@127.0.0.1/", url, error));
  EXPECT_FALSE(parse_url("127.0.0.1:9000", url, error));
}

TEST(ClientFrames, TemplatesAreEscaped) {
  EXPECT_EQ(fill_template("ws://h/{room}/{identity}?n={name}&x={other}",
                          {{"room", "a/b"}, {"identity", "J\xc3\xb6rg"}, {"name", "A & {room}"}}),
            "ws://h/a%2Fb/J%C3%B6rg?n=A%20%26%20%7Broom%7D&x={other}");
}

TEST(ClientFrames, AcceptOfTheRfc) {
  EXPECT_EQ(accept_for_key("dGhlIHNhbXBsZSBub25jZQ=="), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
  EXPECT_EQ(random_key().size(), 24u);
  EXPECT_NE(random_key(), random_key());
}

TEST(ResponseReader, WelcomeInSingleBytes) {
  const std::string answer =
      "HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nsec-websocket-accept:  OK "
      "\r\n\r\n";
  ResponseReader reader;
  for (size_t i = 0; i + 1 < answer.size(); ++i)
    ASSERT_EQ(reader.add(answer.substr(i, 1), "OK"), ResponseReader::State::kIncomplete);
  EXPECT_EQ(reader.add("\n\x81\x01x", "OK"), ResponseReader::State::kWelcome);
  EXPECT_EQ(reader.rest(), "\x81\x01x");
}

TEST(ResponseReader, RefusalWithAndWithoutLength) {
  ResponseReader reader;
  EXPECT_EQ(reader.add("HTTP/1.1 401 Unauthorized\r\nContent-Length: 11\r\n\r\nwrong", "OK"),
            ResponseReader::State::kIncomplete);
  EXPECT_EQ(reader.add(" token", "OK"), ResponseReader::State::kRefused);
  EXPECT_EQ(reader.status_line(), "HTTP/1.1 401 Unauthorized");
  EXPECT_EQ(reader.body(), "wrong token");
  ResponseReader open;
  EXPECT_EQ(open.add("HTTP/1.1 404 Not Found\r\n\r\nno", "OK"), ResponseReader::State::kIncomplete);
  EXPECT_EQ(open.finish(), ResponseReader::State::kRefused);
  EXPECT_EQ(open.body(), "no");
}

TEST(ResponseReader, BrokenAnswers) {
  ResponseReader wrong;
  EXPECT_EQ(wrong.add("HTTP/1.1 101 X\r\nSec-WebSocket-Accept: other\r\n\r\n", "OK"),
            ResponseReader::State::kBroken);
  ResponseReader foreign;
  EXPECT_EQ(foreign.add("SSH-2.0-x\r\n\r\n", "OK"), ResponseReader::State::kBroken);
  ResponseReader empty;
  EXPECT_EQ(empty.finish(), ResponseReader::State::kBroken);
  ResponseReader endless;
  EXPECT_EQ(endless.add(std::string(20000, 'x'), "OK"), ResponseReader::State::kBroken);
}

TEST(ServerFrames, ControlFramesBetweenSkippedOnesInAnyPieces) {
  std::vector<uint8_t> bytes{0x89, 3, 'a', 'b', 'c', 0x82, 126, 1, 0};
  bytes.insert(bytes.end(), 256, 0x89);
  const std::vector<uint8_t> close{0x81, 0, 0x88, 2, 0x03, 0xe8};
  bytes.insert(bytes.end(), close.begin(), close.end());
  for (const size_t step : {size_t{1}, size_t{2}, size_t{7}, bytes.size()}) {
    ServerFrames frames;
    std::string seen;
    for (size_t at = 0; at < bytes.size(); at += step) {
      const size_t length = std::min(step, bytes.size() - at);
      ASSERT_TRUE(frames.add(std::span(bytes).subspan(at, length),
                             [&](Opcode opcode, std::span<const uint8_t> payload) {
                               seen += std::to_string(static_cast<int>(opcode)) + ":" +
                                       std::to_string(payload.size()) + " ";
                             }));
    }
    EXPECT_EQ(seen, "9:3 2:0 1:0 8:2 ") << step;
  }
}

TEST(ServerFrames, RefusesWhatAServerMustNotSend) {
  const auto add = [](std::vector<uint8_t> bytes) {
    ServerFrames frames;
    return frames.add(bytes, [](Opcode, std::span<const uint8_t>) {});
  };
  EXPECT_FALSE(add({0x81, 0x85}));  // masked
  EXPECT_FALSE(add({0xc1, 0x01}));  // reserved bit
  EXPECT_FALSE(add({0x09, 0x01}));  // fragmented ping
  EXPECT_FALSE(add({0x89, 0x7e}));  // long ping
  EXPECT_TRUE(add({}));
}

}  // namespace
