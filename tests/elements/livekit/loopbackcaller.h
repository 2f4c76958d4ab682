// SPDX-License-Identifier: LGPL-2.1-or-later
// A caller over loopback, frame by frame.
#pragma once

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cstdint>
#include <cstring>
#include <string>

namespace livekit::fake {

// As LiveKit's egress calls: upgrade request, masked frames.
class Caller {
 public:
  Caller(unsigned port, const std::string& address) {
    socket_ = ::socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(uint16_t(port));
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (::connect(socket_, reinterpret_cast<sockaddr*>(&to), sizeof to) != 0) return;
    write("GET " + address +
          " HTTP/1.1\r\nHost: localhost\r\nUser-Agent: Go-http-client/1.1\r\n"
          "Connection: Upgrade\r\nContent-Type: audio/x-raw\r\n"
          "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
          "Upgrade: websocket\r\n\r\n");
    while (answer_.find("\r\n\r\n") == std::string::npos) {
      std::array<char, 1024> chunk;
      const ssize_t got = ::recv(socket_, chunk.data(), chunk.size(), 0);
      if (got <= 0) break;
      answer_.append(chunk.data(), size_t(got));
    }
  }
  ~Caller() { hang_up(); }

  int status() const { return answer_.size() > 12 ? std::stoi(answer_.substr(9, 3)) : 0; }

  void send_frame(uint8_t opcode, const std::string& payload) {
    std::string frame;
    frame += char(0x80 | opcode);
    if (payload.size() < 126) {
      frame += char(0x80 | payload.size());
    } else {
      frame += char(0x80 | 126);
      frame += char(payload.size() >> 8);
      frame += char(payload.size() & 0xFF);
    }
    const char mask[4] = {0x12, 0x34, 0x56, 0x78};
    frame.append(mask, 4);
    for (size_t i = 0; i < payload.size(); ++i) frame += char(payload[i] ^ mask[i % 4]);
    write(frame);
  }
  void send_audio(size_t frames, int16_t value) {
    std::string payload(frames * 4, '\0');
    for (size_t i = 0; i < payload.size(); i += 2) std::memcpy(&payload[i], &value, 2);
    send_frame(2, payload);
  }
  void send_stereo(size_t frames, int16_t left, int16_t right) {
    std::string payload(frames * 4, '\0');
    for (size_t i = 0; i < payload.size(); i += 4) {
      std::memcpy(&payload[i], &left, 2);
      std::memcpy(&payload[i + 2], &right, 2);
    }
    send_frame(2, payload);
  }
  void send_text(const std::string& text) { send_frame(1, text); }
  void send_close() { send_frame(8, ""); }
  void hang_up() {
    if (socket_ >= 0) ::close(socket_);
    socket_ = -1;
  }

 private:
  void write(const std::string& bytes) {
    ASSERT_EQ(::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL), ssize_t(bytes.size()));
  }
  int socket_ = -1;
  std::string answer_;
};

}  // namespace livekit::fake
