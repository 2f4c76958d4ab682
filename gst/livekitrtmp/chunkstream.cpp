// SPDX-License-Identifier: LGPL-2.1-or-later
#include "chunkstream.h"

#include <algorithm>

namespace rtmp {

namespace {

constexpr uint32_t kNoTimestamp = 0xffffff;  // the real one follows, with 32 bits
constexpr std::array<size_t, 4> kMessageHeaderBytes = {11, 7, 3, 0};
// The messages that steer the protocol have 4 bytes, Set Peer Bandwidth 5, user control 10.
constexpr size_t kMaxControlBytes = 64;
// What half messages may hold beside the longest one.
constexpr size_t kSpareBytes = 64 << 10;
// A vector that a larger message has grown is given back: each chunk stream has one, and a thousand
// callers who need not say who they are have 32 chunk streams each. Audio fits.
constexpr size_t kKeptCapacity = 1 << 10;
// Type 3 after type 0 means "the same delta", which by the letter is type 0's timestamp. Some
// senders mean "the same timestamp". A delta as large as this is certainly not meant.
constexpr uint32_t kMaxImpliedDeltaMs = 1000;

}  // namespace

uint32_t read_u24(std::span<const uint8_t> bytes) {
  return uint32_t{bytes[0]} << 16 | uint32_t{bytes[1]} << 8 | bytes[2];
}

uint32_t read_u32(std::span<const uint8_t> bytes) {
  return uint32_t{bytes[0]} << 24 | read_u24(bytes.subspan(1));
}

void append_u32(std::vector<uint8_t>& out, uint32_t value) {
  for (int shift = 24; shift >= 0; shift -= 8) out.push_back(static_cast<uint8_t>(value >> shift));
}

ChunkReader::Status ChunkReader::feed(std::span<const uint8_t> bytes, MessageHandler& handler) {
  consume(bytes, handler);
  return status_;
}

void ChunkReader::fail(const char* reason) {
  status_ = Status::kFailed;
  failure_reason_ = reason;
}

void ChunkReader::expect(Stage stage, size_t bytes) {
  stage_ = stage;
  header_need_ += bytes;
}

void ChunkReader::consume(std::span<const uint8_t> bytes, MessageHandler& handler) {
  while (!bytes.empty() && status_ == Status::kOpen) {
    if (stage_ != Stage::kPayload) {
      const uint8_t byte = bytes.front();
      bytes = bytes.subspan(1);
      take_header_byte(byte, handler);
      continue;
    }
    const size_t count = std::min(bytes.size(), chunk_left_);
    Stream& stream = streams_[stream_];
    stream.payload.insert(stream.payload.end(), bytes.begin(),
                          bytes.begin() + static_cast<ptrdiff_t>(count));
    buffered_bytes_ += count;
    chunk_left_ -= count;
    bytes = bytes.subspan(count);
    if (chunk_left_ == 0) chunk_done(handler);
  }
}

void ChunkReader::take_header_byte(uint8_t byte, MessageHandler& handler) {
  header_[header_have_++] = byte;
  if (header_have_ < header_need_) return;
  switch (stage_) {
    case Stage::kBasicHeader:
      basic_header_done(handler);
      break;
    case Stage::kMessageHeader:
      message_header_done(handler);
      break;
    case Stage::kExtendedTimestamp:
      extended_timestamp_done(handler);
      break;
    case Stage::kPayload:
      break;
  }
}

ChunkReader::Stream* ChunkReader::find_stream(uint32_t id) {
  // Mostly the same one as before, and there are few.
  if (stream_ < streams_.size() && streams_[stream_].id == id) return &streams_[stream_];
  for (size_t i = 0; i < streams_.size(); ++i) {
    if (streams_[i].id != id) continue;
    stream_ = i;
    return &streams_[i];
  }
  return nullptr;
}

void ChunkReader::basic_header_done(MessageHandler& handler) {
  format_ = header_[0] >> 6;
  uint32_t id = header_[0] & 0x3f;
  if (id <= 1 && header_have_ == 1) {
    expect(Stage::kBasicHeader, id + 1);
    return;
  }
  if (id == 0) {
    id = 64u + header_[1];
  } else if (id == 1) {
    id = 64u + header_[1] + 256u * header_[2];
  }
  if (!find_stream(id)) {
    // Type 1 as the first one is a habit of some senders of pings.
    if (format_ > 1) return fail("a chunk continues a chunk stream that has not begun");
    if (streams_.size() >= limits_.max_chunk_streams) return fail("too many chunk streams");
    stream_ = streams_.size();
    streams_.emplace_back().id = id;
  }
  Stream& stream = streams_[stream_];
  if (format_ != 3 && stream.in_message) {
    return fail("a message began before the last one on its chunk stream was whole");
  }
  if (format_ != 3) {
    expect(Stage::kMessageHeader, kMessageHeaderBytes[format_]);
  } else if (stream.extended) {
    expect(Stage::kExtendedTimestamp, 4);
  } else {
    begin_chunk(handler);
  }
}

void ChunkReader::message_header_done(MessageHandler& handler) {
  Stream& stream = streams_[stream_];
  const auto header = std::span(header_).subspan(header_have_ - kMessageHeaderBytes[format_]);
  stream.field = read_u24(header);
  stream.absolute = format_ == 0;
  if (format_ <= 1) {
    stream.length = read_u24(header.subspan(3));
    stream.type = header[6];
  }
  // Little-endian, the only number that is.
  if (format_ == 0) {
    stream.stream_id = uint32_t{header[10]} << 24 | uint32_t{header[9]} << 16 |
                       uint32_t{header[8]} << 8 | header[7];
  }
  stream.extended = stream.field == kNoTimestamp;
  if (stream.extended) {
    expect(Stage::kExtendedTimestamp, 4);
  } else {
    begin_chunk(handler);
  }
}

void ChunkReader::extended_timestamp_done(MessageHandler& handler) {
  Stream& stream = streams_[stream_];
  std::array<uint8_t, 4> bytes;
  std::copy_n(header_.begin() + static_cast<ptrdiff_t>(header_have_ - 4), 4, bytes.begin());
  const uint32_t value = read_u32(bytes);
  if (format_ != 3) {
    stream.field = value;
    begin_chunk(handler);
    return;
  }
  // Most senders repeat the timestamp in every chunk of the message, some do not: then these bytes
  // are payload, or what follows it.
  const bool repeated = value == stream.field || (stream.in_message && value == stream.timestamp);
  begin_chunk(handler);
  if (!repeated && status_ == Status::kOpen) consume(bytes, handler);
}

void ChunkReader::begin_chunk(MessageHandler& handler) {
  Stream& stream = streams_[stream_];
  if (!stream.in_message) {
    stream.in_message = true;
    if (format_ == 0) {
      stream.timestamp = stream.field;
    } else if (format_ != 3 || !stream.absolute || stream.field < kMaxImpliedDeltaMs) {
      stream.timestamp += stream.field;
    }
    if (stream.length > limits_.max_message_bytes) return fail("a message is too long");
    if (stream.type <= kSetPeerBandwidth && stream.length > kMaxControlBytes) {
      return fail("a protocol control message is too long");
    }
  }
  const size_t missing = stream.length - stream.payload.size();
  chunk_left_ = std::min<size_t>(missing, chunk_size_);
  // Together they may be as long as one, and something for what is told in between.
  if (buffered_bytes_ + chunk_left_ > limits_.max_message_bytes + kSpareBytes) {
    return fail("too many messages are under way at once");
  }
  stage_ = Stage::kPayload;
  if (chunk_left_ == 0) chunk_done(handler);
}

void ChunkReader::chunk_done(MessageHandler& handler) {
  stage_ = Stage::kBasicHeader;
  header_have_ = 0;
  header_need_ = 1;
  const Stream& stream = streams_[stream_];
  if (stream.payload.size() == stream.length) deliver(handler);
}

void ChunkReader::deliver(MessageHandler& handler) {
  Stream& stream = streams_[stream_];
  const Message message{stream.type, stream.timestamp, stream.stream_id, stream.payload};
  stream.in_message = false;
  buffered_bytes_ -= stream.payload.size();
  if (control(message) && !handler.on_message(message)) status_ = Status::kStopped;
  if (stream.payload.capacity() > kKeptCapacity) {
    std::vector<uint8_t>().swap(stream.payload);
  } else {
    stream.payload.clear();
  }
}

// False: not for the handler.
bool ChunkReader::control(const Message& message) {
  if (message.type != kSetChunkSize && message.type != kAbort) return true;
  if (message.payload.size() < 4) {
    fail("a protocol control message is too short");
    return false;
  }
  const uint32_t value = read_u32(message.payload);
  if (message.type == kSetChunkSize) {
    if (value == 0 || value > 0x7fffffff) {
      fail("a chunk size is out of range");
    } else {
      chunk_size_ = std::min(value, kMaxMessageLength);
    }
    return false;
  }
  for (Stream& stream : streams_) {
    if (stream.id != value || !stream.in_message) continue;
    buffered_bytes_ -= stream.payload.size();
    stream.payload.clear();
    stream.in_message = false;
  }
  return false;
}

size_t ChunkReader::held_bytes() const {
  size_t bytes = streams_.capacity() * sizeof(Stream);
  for (const Stream& stream : streams_) bytes += stream.payload.capacity();
  return bytes;
}

void write_message(std::vector<uint8_t>& out, uint32_t chunk_stream, const Message& message,
                   uint32_t chunk_size) {
  const auto length = static_cast<uint32_t>(message.payload.size());
  const uint32_t timestamp = std::min(message.timestamp_ms, kNoTimestamp);
  const bool extended = timestamp == kNoTimestamp;
  out.push_back(static_cast<uint8_t>(chunk_stream & 0x3f));
  for (uint32_t number : {timestamp, length}) {
    for (int shift = 16; shift >= 0; shift -= 8) {
      out.push_back(static_cast<uint8_t>(number >> shift));
    }
  }
  out.push_back(message.type);
  for (int shift = 0; shift <= 24; shift += 8) {
    out.push_back(static_cast<uint8_t>(message.stream_id >> shift));
  }
  if (extended) append_u32(out, message.timestamp_ms);
  auto rest = message.payload;
  while (true) {
    const auto chunk = rest.first(std::min<size_t>(rest.size(), chunk_size));
    out.insert(out.end(), chunk.begin(), chunk.end());
    rest = rest.subspan(chunk.size());
    if (rest.empty()) break;
    out.push_back(static_cast<uint8_t>(0xc0 | (chunk_stream & 0x3f)));
    if (extended) append_u32(out, message.timestamp_ms);
  }
}

}  // namespace rtmp
