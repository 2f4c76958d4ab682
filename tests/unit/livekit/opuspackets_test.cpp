// SPDX-License-Identifier: LGPL-2.1-or-later
#include "gst/livekit/opuspackets.h"

#include <gtest/gtest.h>

namespace livekit {
namespace {

constexpr uint64_t kMs = 1'000'000;
constexpr uint8_t kCelt20 = (31 << 3);  // one frame of 20 ms

std::vector<uint8_t> packet(size_t bytes = 60) {
  std::vector<uint8_t> data(bytes, 1);
  data[0] = kCelt20;
  return data;
}

uint64_t duration_of(std::vector<uint8_t> bytes) {
  return opus_packet_duration_ns(bytes);
}

TEST(OpusPackets, DurationByTheTableOfContents) {
  EXPECT_EQ(duration_of({}), 0u);
  EXPECT_EQ(duration_of({kCelt20}), 20 * kMs);
  EXPECT_EQ(duration_of({(28 << 3)}), 2'500'000u);
  EXPECT_EQ(duration_of({(3 << 3)}), 60 * kMs);
  EXPECT_EQ(duration_of({(12 << 3)}), 10 * kMs);
  EXPECT_EQ(duration_of({(13 << 3) | 1}), 40 * kMs);
  EXPECT_EQ(duration_of({kCelt20 | 3, 3}), 60 * kMs);
  EXPECT_EQ(duration_of({kCelt20 | 3}), 0u) << "cut off";
  EXPECT_EQ(duration_of({kCelt20 | 3, 0}), 0u);
  EXPECT_EQ(duration_of({kCelt20 | 3, 7}), 0u) << "longer than 120 ms";
}

struct Room {
  OpusPackets packets{OpusPackets::Config{}};
  uint64_t now = 0;
  uint64_t end = 0;
  int heard = 0;
  int disconts = 0;
  uint64_t gap_ns = 0;

  void slice() {
    packets.begin_slice(now, 10 * kMs);
    while (const auto next = packets.next()) {
      EXPECT_GE(next->pts_ns, end);
      EXPECT_LT(next->pts_ns, now + 10 * kMs) << "never ahead of time";
      end = next->pts_ns + next->duration_ns;
      ++heard;
      disconts += next->discont;
    }
    if (const auto gap = packets.gap()) {
      EXPECT_GE(gap->pts_ns, end);
      end = gap->pts_ns + gap->duration_ns;
      gap_ns += gap->duration_ns;
    }
    now += 10 * kMs;
  }
};

TEST(OpusPackets, SteadyStreamIsContiguous) {
  Room room;
  for (int i = 0; i < 1000; ++i) {
    if (i % 2 == 0) room.packets.push(packet());
    room.slice();
  }
  EXPECT_GE(room.heard, 498);
  EXPECT_EQ(room.disconts, 1);
  EXPECT_EQ(room.packets.counters().underruns, 0u);
}

TEST(OpusPackets, PauseBecomesAGapAndTimeGoesOn) {
  Room room;
  for (int i = 0; i < 100; ++i) {
    if (i % 2 == 0 && (i < 20 || i >= 60)) room.packets.push(packet());
    room.slice();
  }
  EXPECT_EQ(room.packets.counters().underruns, 1u);
  EXPECT_GT(room.gap_ns, 350 * kMs);
  EXPECT_GE(room.end + 40 * kMs, room.now);
}

TEST(OpusPackets, BurstIsPacedAndCaughtUp) {
  Room room;
  for (int i = 0; i < 100; ++i) {
    if (i % 2 == 0) room.packets.push(packet());
    room.slice();
  }
  for (int i = 0; i < 1000; ++i) room.slice();
  for (int i = 0; i < 250; ++i) room.packets.push(packet(i % 2 ? 60 : 2));
  for (int i = 0; i < 3000; ++i) {
    if (i % 2 == 0) room.packets.push(packet());
    room.slice();
  }
  EXPECT_LT(room.packets.depth_ns(), 200 * kMs);
  EXPECT_GT(room.packets.counters().dropped_silence, 50u);
  EXPECT_EQ(room.packets.counters().dropped_backlog, 0u);
}

TEST(OpusPackets, NonsenseIsCountedAndDropped) {
  Room room;
  room.packets.push({});
  const std::vector<uint8_t> cut_off = {kCelt20 | 3};
  room.packets.push(cut_off);
  EXPECT_EQ(room.packets.counters().invalid, 2u);
  room.packets.finish();
  EXPECT_TRUE(room.packets.drained());
}

TEST(OpusPackets, BacklogIsBounded) {
  OpusPackets packets({10 * kMs, 1000 * kMs});
  for (int i = 0; i < 100; ++i) packets.push(packet());
  EXPECT_EQ(packets.depth_ns(), 1000 * kMs);
  EXPECT_EQ(packets.counters().dropped_backlog, 50u);
}

}  // namespace
}  // namespace livekit
