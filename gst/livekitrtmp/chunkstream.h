// SPDX-License-Identifier: LGPL-2.1-or-later
// RTMP's chunk stream: a reader that puts messages together from bytes as they come, cut anywhere,
// and a writer for the few short messages a receiver sends. No socket, no clock.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace rtmp {

enum MessageType : uint8_t {
  kSetChunkSize = 1,
  kAbort = 2,
  kAcknowledgement = 3,
  kUserControl = 4,
  kWindowAckSize = 5,
  kSetPeerBandwidth = 6,
  kAudio = 8,
  kVideo = 9,
  kDataAmf3 = 15,
  kCommandAmf3 = 17,
  kDataAmf0 = 18,
  kCommandAmf0 = 20,
  kAggregate = 22,
};

inline constexpr uint32_t kDefaultChunkSize = 128;
inline constexpr uint32_t kMaxMessageLength = 0xffffff;  // a message's length has 24 bits

struct Message {
  uint8_t type = 0;
  uint32_t timestamp_ms = 0;  // wraps around
  uint32_t stream_id = 0;
  std::span<const uint8_t> payload;
};

class MessageHandler {
 public:
  virtual ~MessageHandler() = default;
  // The payload ends with the call. False: nothing more is read.
  virtual bool on_message(const Message& message) = 0;
};

struct ChunkLimits {
  size_t max_message_bytes = 4 << 20;
  size_t max_chunk_streams = 32;
};

class ChunkReader {
 public:
  enum class Status { kOpen, kStopped, kFailed };

  explicit ChunkReader(const ChunkLimits& limits) : limits_(limits) {}

  // What the handler gets does not depend on where the bytes were cut. Once the status is not
  // kOpen, everything further is ignored. Set Chunk Size and Abort are dealt with here.
  Status feed(std::span<const uint8_t> bytes, MessageHandler& handler);

  // Counts from the next message on.
  void set_max_message_bytes(size_t bytes) { limits_.max_message_bytes = bytes; }

  Status status() const { return status_; }
  const char* failure_reason() const { return failure_reason_; }
  // Bytes of messages that are not whole yet.
  size_t buffered_bytes() const { return buffered_bytes_; }
  // Memory that is in use, whole messages or not.
  size_t held_bytes() const;

 private:
  static constexpr size_t kMaxHeader = 3 + 11 + 4;
  enum class Stage { kBasicHeader, kMessageHeader, kExtendedTimestamp, kPayload };

  struct Stream {
    uint32_t id = 0;
    bool in_message = false;
    bool extended = false;   // the last header's timestamp field did not fit 24 bits
    bool absolute = false;   // the last header's timestamp field was no delta
    uint32_t field = 0;      // that field: a timestamp or a delta
    uint32_t timestamp = 0;  // of the message at hand
    uint32_t length = 0;
    uint8_t type = 0;
    uint32_t stream_id = 0;
    std::vector<uint8_t> payload;
  };

  void fail(const char* reason);
  void consume(std::span<const uint8_t> bytes, MessageHandler& handler);
  void take_header_byte(uint8_t byte, MessageHandler& handler);
  void basic_header_done(MessageHandler& handler);
  void message_header_done(MessageHandler& handler);
  void extended_timestamp_done(MessageHandler& handler);
  void begin_chunk(MessageHandler& handler);
  void expect(Stage stage, size_t bytes);
  void chunk_done(MessageHandler& handler);
  void deliver(MessageHandler& handler);
  bool control(const Message& message);
  Stream* find_stream(uint32_t id);

  ChunkLimits limits_;
  Status status_ = Status::kOpen;
  const char* failure_reason_ = "";
  uint32_t chunk_size_ = kDefaultChunkSize;
  std::vector<Stream> streams_;
  size_t buffered_bytes_ = 0;

  // The chunk at hand.
  Stage stage_ = Stage::kBasicHeader;
  std::array<uint8_t, kMaxHeader> header_{};
  size_t header_have_ = 0;
  size_t header_need_ = 1;
  uint8_t format_ = 0;
  size_t stream_ = 0;  // index into streams_
  size_t chunk_left_ = 0;
};

// Appends `message` to `out`, cut into chunks of `chunk_size`, with a full header.
void write_message(std::vector<uint8_t>& out, uint32_t chunk_stream, const Message& message,
                   uint32_t chunk_size);

uint32_t read_u24(std::span<const uint8_t> bytes);
uint32_t read_u32(std::span<const uint8_t> bytes);
void append_u32(std::vector<uint8_t>& out, uint32_t value);

}  // namespace rtmp
