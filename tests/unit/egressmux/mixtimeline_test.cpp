#include "mixtimeline.h"

#include <gtest/gtest.h>

namespace egressmux {
namespace {

constexpr int64_t kMs = 1000000;

// A rate of 1000 Hz: a sample is a millisecond.
TEST(MixTimeline, StartsAtTheSliceThatHoldsTheMoment) {
  MixTimeline line(1000);
  EXPECT_FALSE(line.started());
  line.start(27 * kMs, 10);
  EXPECT_TRUE(line.started());
  EXPECT_EQ(line.position(), 20);
  line.start(90 * kMs, 10);
  EXPECT_EQ(line.position(), 20) << "starts once";
  line.reset();
  line.start(-5 * kMs, 10);
  EXPECT_EQ(line.position(), 0);
}

TEST(MixTimeline, PlacesWhatFollowsWhatComesLaterAndWhatOverlaps) {
  MixTimeline line(1000);
  line.start(100 * kMs, 10);
  ASSERT_EQ(line.position(), 100);
  auto next = line.place(100, 10);
  EXPECT_EQ(next.fill, 0);
  EXPECT_EQ(next.skip, 0);
  EXPECT_FALSE(next.late);
  EXPECT_EQ(line.place(130, 10).fill, 30);
  EXPECT_EQ(line.place(96, 10).skip, 4);
  EXPECT_TRUE(line.place(90, 10).late);
  EXPECT_TRUE(line.place(50, 10).late);
  EXPECT_FALSE(line.place(50, 60).late);
}

TEST(MixTimeline, RoundingIsNeitherGapNorOverlap) {
  MixTimeline line(48000);
  line.start(0, 480);
  line.advance(480);
  EXPECT_EQ(line.place(481, 480).fill, 0);
  EXPECT_EQ(line.place(479, 480).skip, 0);
  EXPECT_EQ(line.place(483, 480).fill, 3);
}

TEST(MixTimeline, EmptySliceIsLateOnlyWhenItIs) {
  MixTimeline line(1000);
  line.start(50 * kMs, 10);
  EXPECT_FALSE(line.place(50, 0).late);
  EXPECT_TRUE(line.place(40, 0).late);
}

TEST(MixTimeline, NothingIsLostToRoundingInAYear) {
  MixTimeline line(44100);
  for (int64_t samples : {int64_t(0), int64_t(1), int64_t(441), int64_t(44100) * 86400 * 365 + 7}) {
    EXPECT_EQ(line.samples_at(line.time_at(samples)), samples);
  }
  EXPECT_EQ(line.time_at(44100), 1000 * kMs);
  EXPECT_EQ(MixTimeline(48000).samples_at(10 * kMs), 480);
}

}  // namespace
}  // namespace egressmux
