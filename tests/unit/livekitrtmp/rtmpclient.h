// SPDX-License-Identifier: LGPL-2.1-or-later
// The bytes that a publisher sends, and what a server's answer says.
#pragma once

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "livekitrtmp/amf0.h"
#include "livekitrtmp/chunkstream.h"
#include "livekitrtmp/handshake.h"

namespace rtmp::test {

using Bytes = std::vector<uint8_t>;

inline Bytes operator+(Bytes left, const Bytes& right) {
  left.insert(left.end(), right.begin(), right.end());
  return left;
}

// C0, C1 and C2 at once, as nobody does but everybody may.
inline Bytes client_handshake() {
  Bytes bytes(1 + 2 * kHandshakeBytes);
  for (size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<uint8_t>(i * 7);
  bytes[0] = 3;
  return bytes;
}

inline Bytes message(MessageType type, const Bytes& payload, uint32_t stream_id = 0,
                     uint32_t timestamp_ms = 0, uint32_t chunk_stream = 3,
                     uint32_t chunk_size = kDefaultChunkSize) {
  Bytes bytes;
  write_message(bytes, chunk_stream, {type, timestamp_ms, stream_id, payload}, chunk_size);
  return bytes;
}

inline Bytes command(const amf0::Writer& writer, uint32_t stream_id = 0) {
  return message(kCommandAmf0, writer.bytes(), stream_id);
}

inline Bytes connect(std::string_view app) {
  amf0::Writer writer;
  writer.text("connect").number(1).begin_object().key("app").text(app);
  writer.key("type").text("nonprivate").key("flashVer").text("FMLE/3.0").key("tcUrl");
  writer.text("rtmp://127.0.0.1/live").end_object();
  return command(writer);
}

inline Bytes call(std::string_view name, double transaction, std::string_view argument = "") {
  amf0::Writer writer;
  writer.text(name).number(transaction).null();
  if (!argument.empty()) writer.text(argument);
  return command(writer);
}

inline Bytes publish(std::string_view name, uint32_t stream_id = 1) {
  amf0::Writer writer;
  writer.text("publish").number(5).null().text(name).text("live");
  return command(writer, stream_id);
}

inline Bytes delete_stream(uint32_t stream_id = 1) {
  amf0::Writer writer;
  writer.text("deleteStream").number(6).null().number(stream_id);
  return command(writer);
}

// As ffmpeg does it, but in one go.
inline Bytes publisher(std::string_view app, std::string_view name) {
  return client_handshake() + connect(app) + call("releaseStream", 2, name) +
         call("FCPublish", 3, name) + call("createStream", 4) + publish(name);
}

inline Bytes aac_configuration() {
  return {0xaf, 0, 0x12, 0x10};
}

inline Bytes aac_frame(size_t size = 300) {
  Bytes frame(size, 0x21);
  frame[0] = 0xaf;
  frame[1] = 1;
  return frame;
}

inline Bytes audio(uint32_t timestamp_ms, const Bytes& payload, uint32_t stream_id = 1) {
  return message(kAudio, payload, stream_id, timestamp_ms, 4);
}

// Reads what the server says.
class Answers : private MessageHandler {
 public:
  struct Answer {
    uint8_t type = 0;
    uint32_t stream_id = 0;
    Bytes payload;
    std::string text;  // of commands: name, then the code, if it has one
  };

  void feed(const Bytes& bytes) {
    for (const uint8_t byte : bytes) {
      if (handshake_.size() < 1 + 2 * kHandshakeBytes) {
        handshake_.push_back(byte);
      } else {
        reader_.feed({&byte, 1}, *this);
      }
    }
  }

  const Bytes& handshake() const { return handshake_; }
  const std::vector<Answer>& all() const { return answers_; }
  bool has(std::string_view text) const {
    return std::any_of(answers_.begin(), answers_.end(),
                       [text](const Answer& answer) { return answer.text == text; });
  }
  size_t count(uint8_t type) const {
    return static_cast<size_t>(std::count_if(answers_.begin(), answers_.end(),
                                             [type](const Answer& a) { return a.type == type; }));
  }

 private:
  bool on_message(const Message& message) override {
    Answer answer{message.type, message.stream_id, {}, {}};
    answer.payload.assign(message.payload.begin(), message.payload.end());
    if (message.type == kCommandAmf0) {
      amf0::Reader reader(message.payload);
      const auto name = reader.next();
      if (name) answer.text = name->text;
      while (const auto value = reader.next()) {
        if (const auto* code = value->find("code")) answer.text += " " + code->text;
      }
    }
    answers_.push_back(std::move(answer));
    return true;
  }

  Bytes handshake_;
  ChunkReader reader_{ChunkLimits{}};
  std::vector<Answer> answers_;
};

}  // namespace rtmp::test
