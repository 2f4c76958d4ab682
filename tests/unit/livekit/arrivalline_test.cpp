// SPDX-License-Identifier: LGPL-2.1-or-later
#include "gst/livekit/arrivalline.h"

#include <gtest/gtest.h>

namespace livekit {
namespace {

constexpr uint64_t kMs = 1'000'000;
constexpr uint64_t kHold = 30'000 * kMs;
constexpr int kRate = 1000;  // one frame a millisecond

TEST(ArrivalLine, FirstAudioEndsWhenItArrives) {
  ArrivalLine line(kRate, kHold);
  const auto stamp = line.on_frames(10, 0, 100 * kMs);
  EXPECT_EQ(stamp.span.start_ns, 90 * kMs);
  EXPECT_EQ(stamp.span.duration_ns, 10 * kMs);
  EXPECT_TRUE(stamp.discont);
  EXPECT_FALSE(stamp.gap);
}

TEST(ArrivalLine, FirstAudioNeverBeginsBeforeZero) {
  ArrivalLine line(kRate, kHold);
  EXPECT_EQ(line.on_frames(500, 0, 100 * kMs).span.start_ns, 0u);
}

TEST(ArrivalLine, SamplesMakeTheTimeWhateverTheJitter) {
  ArrivalLine line(kRate, kHold);
  uint64_t expected = 90 * kMs;
  for (int i = 0; i < 1000; ++i) {
    const uint64_t jitter = uint64_t(i * 37 % 30);
    const auto stamp = line.on_frames(10, 0, (100 + uint64_t(i) * 10 + jitter) * kMs);
    ASSERT_EQ(stamp.span.start_ns, expected);
    ASSERT_EQ(stamp.discont, i == 0);
    expected += 10 * kMs;
  }
  EXPECT_EQ(line.reanchored(), 0u);
}

TEST(ArrivalLine, LateBacklogGetsTheTimesAtWhichItWasSpoken) {
  ArrivalLine line(kRate, kHold);
  line.on_frames(10, 0, 100 * kMs);
  for (uint64_t now = 110; now <= 20'100; now += 10) EXPECT_FALSE(line.on_nothing(now * kMs));
  const auto stamp = line.on_frames(20'000, 0, 20'100 * kMs);
  EXPECT_EQ(stamp.span.start_ns, 100 * kMs);
  EXPECT_FALSE(stamp.discont);
  const auto next = line.on_frames(10, 0, 20'110 * kMs);
  EXPECT_EQ(next.span.start_ns, 20'100 * kMs);
}

TEST(ArrivalLine, AudioLostInAStallIsAGap) {
  ArrivalLine line(kRate, kHold);
  line.on_frames(10, 0, 100 * kMs);
  // 20 s of stall, of which 9 s never come.
  uint64_t now = 20'100;
  line.on_frames(11'000, 0, now * kMs);
  bool discont = false;
  uint64_t end = 0;
  for (int i = 0; i < 300; ++i) {
    now += 10;
    const auto stamp = line.on_frames(10, 0, now * kMs);
    EXPECT_GE(stamp.span.start_ns, end);
    if (stamp.gap) {
      EXPECT_NEAR(double(stamp.gap->duration_ns), 9000.0 * kMs, 10.0 * kMs);
      EXPECT_EQ(stamp.gap->start_ns, end);
    }
    discont |= stamp.discont;
    end = stamp.span.start_ns + stamp.span.duration_ns;
  }
  EXPECT_TRUE(discont);
  EXPECT_EQ(line.reanchored(), 1u);
  EXPECT_EQ(end, now * kMs);
}

TEST(ArrivalLine, TimeFollowsAtADistanceWhenNothingComes) {
  ArrivalLine line(kRate, 1000 * kMs);
  line.on_frames(10, 0, 100 * kMs);
  EXPECT_FALSE(line.on_nothing(1100 * kMs));
  const auto gap = line.on_nothing(1500 * kMs);
  ASSERT_TRUE(gap);
  EXPECT_EQ(gap->start_ns, 100 * kMs);
  EXPECT_EQ(gap->duration_ns, 400 * kMs);
  const auto stamp = line.on_frames(2000, 0, 1600 * kMs);
  EXPECT_EQ(stamp.span.start_ns, 500 * kMs);
  EXPECT_TRUE(stamp.discont);
}

TEST(ArrivalLine, FasterThanRealTimeIsContiguous) {
  ArrivalLine line(kRate, kHold);
  uint64_t expected = 90 * kMs;
  for (int i = 0; i < 1000; ++i) {
    const auto stamp = line.on_frames(100, 0, (190 + uint64_t(i)) * kMs);
    ASSERT_EQ(stamp.span.start_ns, expected);
    expected += 100 * kMs;
  }
}

TEST(ArrivalLine, PiecesOfOneArrivalBelongTogether) {
  ArrivalLine line(kRate, kHold);
  EXPECT_EQ(line.on_frames(100, 200, 1000 * kMs).span.start_ns, 700 * kMs);
  EXPECT_EQ(line.on_frames(100, 100, 1000 * kMs).span.start_ns, 800 * kMs);
  EXPECT_EQ(line.on_frames(100, 0, 1000 * kMs).span.start_ns, 900 * kMs);
}

TEST(ArrivalLine, DaysDoNotOverflow) {
  ArrivalLine line(192000, kHold);
  uint64_t now = 1000 * kMs;
  uint64_t end = 0;
  for (int hour = 0; hour < 24 * 30; ++hour) {
    now += 3'600'000 * kMs;
    const auto stamp = line.on_frames(192000ull * 3600, 0, now);
    if (hour > 0) {
      ASSERT_EQ(stamp.span.start_ns, end);
    }
    end = stamp.span.start_ns + stamp.span.duration_ns;
  }
  EXPECT_EQ(end, now);
}

}  // namespace
}  // namespace livekit
