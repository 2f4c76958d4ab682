// SPDX-License-Identifier: LGPL-2.1-or-later
#include "livekitrtmp/chunkstream.h"

#include <gtest/gtest.h>

#include <string>

#include "rtmpclient.h"

namespace rtmp {
namespace {

using test::Bytes;
using test::operator+;

class Recorder : public MessageHandler {
 public:
  bool on_message(const Message& message) override {
    log += std::to_string(message.type) + "@" + std::to_string(message.timestamp_ms) + "/" +
           std::to_string(message.stream_id) + ":" + std::to_string(message.payload.size()) + " ";
    last.assign(message.payload.begin(), message.payload.end());
    return ++count != stop_after;
  }
  std::string log;
  Bytes last;
  int count = 0;
  int stop_after = -1;
};

std::string read(const Bytes& bytes, ChunkLimits limits = {}, size_t step = SIZE_MAX) {
  ChunkReader reader(limits);
  Recorder recorder;
  for (size_t i = 0; i < bytes.size(); i += std::min(step, bytes.size())) {
    reader.feed(std::span(bytes).subspan(i, std::min(step, bytes.size() - i)), recorder);
  }
  return recorder.log + reader.failure_reason();
}

Bytes numbers(size_t size) {
  Bytes bytes(size);
  for (size_t i = 0; i < size; ++i) bytes[i] = static_cast<uint8_t>(i);
  return bytes;
}

// The specification's example 1: four audio messages, types 0, 2 and 3.
TEST(ChunkReader, TheSpecificationsAudioMessages) {
  Bytes bytes = {0x03, 0x00, 0x03, 0xe8, 0, 0, 32, 8, 0x39, 0x30, 0, 0};
  bytes = bytes + numbers(32) + Bytes{0x83, 0, 0, 20} + numbers(32);
  bytes = bytes + Bytes{0xc3} + numbers(32) + Bytes{0xc3} + numbers(32);
  EXPECT_EQ(read(bytes), "8@1000/12345:32 8@1020/12345:32 8@1040/12345:32 8@1060/12345:32 ");
  EXPECT_EQ(read(bytes, {}, 1), read(bytes));
}

// Example 2: a message of 307 bytes in three chunks.
TEST(ChunkReader, AMessageInSeveralChunks) {
  const Bytes payload = numbers(307);
  Bytes bytes = {0x04, 0, 0x03, 0xe8, 0, 1, 0x33, 9, 0x3a, 0x30, 0, 0};
  bytes.insert(bytes.end(), payload.begin(), payload.begin() + 128);
  bytes.push_back(0xc4);
  bytes.insert(bytes.end(), payload.begin() + 128, payload.begin() + 256);
  bytes.push_back(0xc4);
  bytes.insert(bytes.end(), payload.begin() + 256, payload.end());
  ChunkReader reader({});
  Recorder recorder;
  reader.feed(bytes, recorder);
  EXPECT_EQ(recorder.log, "9@1000/12346:307 ");
  EXPECT_EQ(recorder.last, payload);
  EXPECT_EQ(reader.buffered_bytes(), 0u);
}

TEST(ChunkReader, AllFormsOfTheChunkStreamId) {
  const Bytes rest = {0, 0, 1, 0, 0, 2, 18, 0, 0, 0, 0, 'a', 'b'};
  const Bytes bytes =
      Bytes{0x3f} + rest + Bytes{0x00, 0xff} + rest + Bytes{0x01, 0xff, 0xff} + rest;
  EXPECT_EQ(read(bytes), "18@1/0:2 18@1/0:2 18@1/0:2 ");
  EXPECT_EQ(read(bytes, {}, 1), read(bytes));
}

TEST(ChunkReader, MessagesInterleave) {
  const Bytes video = test::message(kVideo, numbers(200), 1, 5, 6);
  const Bytes audio = test::message(kAudio, numbers(10), 1, 6, 4);
  Bytes bytes(video.begin(), video.begin() + 12 + 128);
  bytes = bytes + audio + Bytes(video.begin() + 12 + 128, video.end());
  EXPECT_EQ(read(bytes), "8@6/1:10 9@5/1:200 ");
}

TEST(ChunkReader, SetChunkSizeCountsFromTheNextChunk) {
  const Bytes bytes = test::message(kSetChunkSize, {0, 0, 0, 0xc8}) +
                      test::message(kAudio, numbers(200), 1, 7, 4, 200);
  EXPECT_EQ(read(bytes), "8@7/1:200 ");
  EXPECT_EQ(read(test::message(kSetChunkSize, {0x7f, 0xff, 0xff, 0xff}) +
                 test::message(kAudio, numbers(90000), 1, 7, 4, 0xffffff)),
            "8@7/1:90000 ");
  EXPECT_EQ(read(test::message(kSetChunkSize, {0, 0, 0, 1}) +
                 test::message(kAudio, numbers(5), 1, 7, 4, 1)),
            "8@7/1:5 ");
  EXPECT_EQ(read(test::message(kSetChunkSize, {0, 0, 0, 0})), "a chunk size is out of range");
  EXPECT_EQ(read(test::message(kSetChunkSize, {0x80, 0, 0, 1})), "a chunk size is out of range");
  EXPECT_EQ(read(test::message(kSetChunkSize, {0, 1})), "a protocol control message is too short");
}

TEST(ChunkReader, AbortForgetsAPartOfAMessage) {
  Bytes bytes = test::message(kVideo, numbers(200), 1, 5, 6);
  bytes.resize(12 + 128);
  bytes = bytes + test::message(kAbort, {0, 0, 0, 6}, 0, 0, 2) +
          test::message(kVideo, numbers(9), 1, 8, 6);
  EXPECT_EQ(read(bytes), "9@8/1:9 ");
}

TEST(ChunkReader, ExtendedTimestamps) {
  const uint32_t late = 0x01234567;
  const Bytes repeated = test::message(kAudio, numbers(200), 1, late, 4);
  EXPECT_EQ(read(repeated), "8@19088743/1:200 ");
  EXPECT_EQ(read(repeated, {}, 1), read(repeated));
  // 0xffffff itself has to be extended; so has the end of the range.
  EXPECT_EQ(read(test::message(kAudio, numbers(1), 1, 0xffffff, 4)), "8@16777215/1:1 ");
  EXPECT_EQ(read(test::message(kAudio, numbers(1), 1, 0xffffffff, 4)), "8@4294967295/1:1 ");
  // A type 3 message takes the delta with it.
  const Bytes next =
      Bytes{0x44, 0xff, 0xff, 0xff, 0, 0, 1, 8, 1, 0, 0, 0, 0xee} + Bytes{0xc4, 1, 0, 0, 0, 0xee};
  EXPECT_EQ(read(test::message(kAudio, numbers(1), 1, 10, 4) + next),
            "8@10/1:1 8@16777226/1:1 8@33554442/1:1 ");
}

// Some senders do not repeat it.
TEST(ChunkReader, ExtendedTimestampsThatAreNotRepeated) {
  for (const size_t size : {130u, 132u, 200u}) {  // the last chunk shorter, as long, longer
    Bytes bytes = test::message(kAudio, numbers(size), 1, 0x01234567, 4);
    bytes.erase(bytes.begin() + 12 + 4 + 128 + 1, bytes.begin() + 12 + 4 + 128 + 5);
    bytes = bytes + test::message(kAudio, numbers(20), 1, 3, 5);
    const std::string expected = "8@19088743/1:" + std::to_string(size) + " 8@3/1:20 ";
    EXPECT_EQ(read(bytes), expected);
    EXPECT_EQ(read(bytes, {}, 1), expected);
  }
}

TEST(ChunkReader, TimestampsWrapAround) {
  const Bytes bytes = test::message(kAudio, numbers(1), 1, 0xfffffff0, 4) +
                      Bytes{0x44, 0, 0, 0x20, 0, 0, 1, 8, 0xee};
  EXPECT_EQ(read(bytes), "8@4294967280/1:1 8@16/1:1 ");
}

TEST(ChunkReader, ALargeTimestampIsNoDelta) {
  const Bytes bytes = test::message(kAudio, numbers(1), 1, 5000, 4) + Bytes{0xc4, 0xee};
  EXPECT_EQ(read(bytes), "8@5000/1:1 8@5000/1:1 ");
  const Bytes small = test::message(kAudio, numbers(1), 1, 23, 4) + Bytes{0xc4, 0xee};
  EXPECT_EQ(read(small), "8@23/1:1 8@46/1:1 ");
}

TEST(ChunkReader, EmptyMessages) {
  EXPECT_EQ(read(test::message(kAudio, {}, 1, 3, 4) + test::message(kAudio, {}, 1, 4, 4)),
            "8@3/1:0 8@4/1:0 ");
}

TEST(ChunkReader, Limits) {
  const ChunkLimits limits{.max_message_bytes = 1000, .max_chunk_streams = 4};
  EXPECT_EQ(read(test::message(kAudio, numbers(1001), 1, 0, 4), limits), "a message is too long");
  // A length alone, with nothing behind it, is enough.
  EXPECT_EQ(read({0x04, 0, 0, 0, 0xff, 0xff, 0xff, 9, 0, 0, 0, 0}, limits),
            "a message is too long");
  EXPECT_EQ(read(test::message(kWindowAckSize, numbers(65))),
            "a protocol control message is too long");
  Bytes many;
  for (uint32_t id = 3; id < 8; ++id) many = many + test::message(kAudio, {1}, 1, 0, id);
  EXPECT_EQ(read(many, limits), "8@0/1:1 8@0/1:1 8@0/1:1 8@0/1:1 too many chunk streams");
}

TEST(ChunkReader, HalfMessagesAreBoundedTogether) {
  Bytes bytes = test::message(kSetChunkSize, {0, 0xff, 0xff, 0xff});
  for (uint32_t id = 4; id < 30; ++id) {
    Bytes half = test::message(kVideo, numbers(900000), 1, 0, id, 0xffffff);
    half.resize(half.size() - 1);
    // Whoever leaves a chunk unfinished cannot begin another one: use small chunks.
    bytes = bytes + half;
    break;
  }
  Bytes small;
  for (uint32_t id = 4; id < 30; ++id) {
    Bytes half = test::message(kSetChunkSize, {0, 0, 0xff, 0xff}) +
                 test::message(kVideo, numbers(100000), 1, 0, id, 0xffff);
    half.resize(16 + 12 + 0xffff);
    small = small + half;
  }
  const ChunkLimits limits{.max_message_bytes = 200000};
  EXPECT_EQ(read(small, limits), "too many messages are under way at once");
  EXPECT_EQ(read(bytes, ChunkLimits{.max_message_bytes = 1000000}), "");
}

// Anybody may send these before he publishes; a thousand of them held 2 GB.
TEST(ChunkReader, WholeMessagesLeaveNothingBehind) {
  const ChunkLimits limits{.max_message_bytes = 64 << 10};
  ChunkReader reader(limits);
  Recorder recorder;
  reader.feed(test::message(kSetChunkSize, {0, 1, 0, 0}), recorder);
  for (uint32_t id = 3; id < 35; ++id) {
    reader.feed(test::message(kAudio, numbers(64 << 10), 0, 0, id, 64 << 10), recorder);
  }
  EXPECT_EQ(recorder.count, 32);
  EXPECT_LT(reader.held_bytes(), size_t(64) << 10);
}

TEST(ChunkReader, BrokenHeaders) {
  EXPECT_EQ(read({0xc4}), "a chunk continues a chunk stream that has not begun");
  EXPECT_EQ(read({0x84}), "a chunk continues a chunk stream that has not begun");
  Bytes half = test::message(kVideo, numbers(200), 1, 5, 6);
  half.resize(12 + 128);
  EXPECT_EQ(read(half + test::message(kVideo, numbers(1), 1, 5, 6)),
            "a message began before the last one on its chunk stream was whole");
}

TEST(ChunkReader, TheHandlerCanStopIt) {
  ChunkReader reader({});
  Recorder recorder;
  recorder.stop_after = 1;
  const Bytes one = test::message(kAudio, {1}, 1, 0, 4);
  EXPECT_EQ(reader.feed(one + one, recorder), ChunkReader::Status::kStopped);
  EXPECT_EQ(reader.feed(one, recorder), ChunkReader::Status::kStopped);
  EXPECT_EQ(recorder.count, 1);
}

}  // namespace
}  // namespace rtmp
