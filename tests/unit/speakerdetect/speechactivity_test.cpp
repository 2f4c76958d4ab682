// SPDX-License-Identifier: LGPL-2.1-or-later
// One person's activity: ticks in, talking or not out.
#include <gtest/gtest.h>

#include <cmath>

#include "speakerdetect/speechactivity.h"

using speakerdetect::Durations;
using speakerdetect::kSilenceDbov;
using speakerdetect::kTickNs;
using speakerdetect::NoiseFloor;
using speakerdetect::SpeechActivity;
using speakerdetect::TickBits;

namespace {

constexpr uint64_t kMs = 1'000'000;

TEST(TickBits, CountsTheNewestAcrossTheWordBorder) {
  TickBits bits;
  EXPECT_EQ(bits.count_newest(128), 0);
  for (int i = 0; i < 70; ++i) bits.push(true);
  bits.push(false);
  EXPECT_EQ(bits.count_newest(0), 0);
  EXPECT_EQ(bits.count_newest(1), 0);
  EXPECT_EQ(bits.count_newest(2), 1);
  EXPECT_EQ(bits.count_newest(64), 63);
  EXPECT_EQ(bits.count_newest(65), 64);
  EXPECT_EQ(bits.count_newest(128), 70);
  for (int i = 0; i < 200; ++i) bits.push(true);
  EXPECT_EQ(bits.count_newest(128), 128);
}

TEST(TickBits, SetsTheNewest) {
  TickBits bits;
  bits.set_newest(3);
  EXPECT_EQ(bits.count_newest(128), 3);
  bits.set_newest(64);
  EXPECT_EQ(bits.count_newest(128), 64);
  bits.set_newest(70);
  EXPECT_EQ(bits.count_newest(128), 70);
  bits.set_newest(128);
  EXPECT_EQ(bits.count_newest(128), 128);
}

TEST(TickBits, BridgesShortPauses) {
  TickBits bits;
  EXPECT_EQ(bits.length_of_sound(5), 0);
  bits.push(true);
  for (int i = 0; i < 10; ++i) bits.push(false);
  bits.push(true);  // 1, 10 x 0, 1
  EXPECT_EQ(bits.length_of_sound(10), 1);
  EXPECT_EQ(bits.length_of_sound(11), 12);
  for (int i = 0; i < 5; ++i) bits.push(false);
  EXPECT_EQ(bits.length_of_sound(5), 0) << "the last sound is too long ago";
  EXPECT_EQ(bits.length_of_sound(6), 6);
}

TEST(Durations, AreLongerThanWhatTheSlicesMakeOfTheNoise) {
  // A stroke of 50 ms touches 6 slices of 10 ms, or 4 of 20 ms.
  const Durations ten = Durations::for_slices_of(10 * kMs);
  EXPECT_GT(ten.run, 6);
  EXPECT_GT(ten.onset, 11);
  EXPECT_GT(ten.sustain, 31);
  EXPECT_LE(ten.onset, 15);
  const Durations twenty = Durations::for_slices_of(20 * kMs);
  EXPECT_GT(twenty.run, 8);
  EXPECT_GT(twenty.onset, 12);
  EXPECT_GT(twenty.sustain, 32);
  EXPECT_LE(twenty.onset, 16);
  // Nonsense does not overflow or divide by zero.
  EXPECT_GT(Durations::for_slices_of(0).run, 0);
  EXPECT_LT(Durations::for_slices_of(UINT64_MAX).sustain, TickBits::kSize);
}

TEST(NoiseFloor, FollowsSteadyNoiseUpToABoundAndForgetsIt) {
  NoiseFloor floor;
  EXPECT_DOUBLE_EQ(floor.dbov(), -70.0);
  for (int i = 0; i < 299; ++i) floor.tick(-45);
  EXPECT_DOUBLE_EQ(floor.dbov(), -70.0) << "not before 3 s";
  for (int i = 0; i < 6; ++i) floor.tick(-45);
  EXPECT_NEAR(floor.dbov(), -45, 0.01);
  for (int i = 0; i < 1000; ++i) floor.tick(-20);
  EXPECT_NEAR(floor.dbov(), -35, 0.01) << "a tone at -20 is not background";
  for (int i = 0; i < 5; ++i) floor.tick(-60);
  EXPECT_NEAR(floor.dbov(), -60, 0.01);
}

TEST(NoiseFloor, OutlastsAMute) {
  NoiseFloor floor;
  for (int i = 0; i < 400; ++i) floor.tick(-45);
  for (int i = 0; i < 6000; ++i) floor.tick(kSilenceDbov);
  EXPECT_NEAR(floor.dbov(), -45, 0.01);
}

class Activity : public ::testing::Test {
 protected:
  void feed(double level, int ticks) {
    for (int i = 0; i < ticks; ++i) {
      now_ns_ += kTickNs;
      activity_.tick(level, durations_, now_ns_);
    }
  }
  int ticks_until_talking(double level, int most) {
    for (int i = 1; i <= most; ++i) {
      feed(level, 1);
      if (activity_.talking()) return i;
    }
    return 0;
  }

  SpeechActivity activity_;
  Durations durations_ = Durations::for_slices_of(10 * kMs);
  uint64_t now_ns_ = 0;
};

TEST_F(Activity, ScoresRiseWithTheEvidenceAndAreNegativeInSilence) {
  feed(kSilenceDbov, 100);
  EXPECT_LT(activity_.immediate_score(), 0);
  EXPECT_LT(activity_.medium_score(), 0);
  EXPECT_LT(activity_.long_score(), 0);
  double last = activity_.immediate_score();
  for (double level : {-62.0, -58.0, -50.0, -46.0}) {
    feed(level, 1);
    EXPECT_GE(activity_.immediate_score(), last) << level;
    last = activity_.immediate_score();
  }
  double medium = activity_.medium_score();
  double lasting = activity_.long_score();
  for (int i = 0; i < 120; ++i) {
    feed(-20, 1);
    EXPECT_GE(activity_.medium_score(), medium);
    EXPECT_GE(activity_.long_score(), lasting);
    medium = activity_.medium_score();
    lasting = activity_.long_score();
  }
  EXPECT_GT(medium, 0);
  EXPECT_GT(lasting, 0);
}

TEST_F(Activity, TalksAfterMoreThanAClick) {
  feed(kSilenceDbov, 100);
  const int ticks = ticks_until_talking(-20, 100);
  EXPECT_GT(ticks, 11);
  EXPECT_LE(ticks, 15);
  EXPECT_EQ(activity_.talk_start_ns(), 1000 * kMs);
}

TEST_F(Activity, SpeechThatFadesInBeganWithTheFaintSound) {
  feed(kSilenceDbov, 100);
  feed(-57, 8);  // a soft consonant
  ASSERT_GT(ticks_until_talking(-20, 100), 0);
  EXPECT_EQ(activity_.talk_start_ns(), 1000 * kMs);
}

TEST_F(Activity, AWordPauseDoesNotEndTheTalkALongOneDoes) {
  ASSERT_GT(ticks_until_talking(-20, 100), 0);
  feed(-20, 50);
  feed(kSilenceDbov, 40);
  EXPECT_TRUE(activity_.talking());
  feed(kSilenceDbov, 20);
  EXPECT_FALSE(activity_.talking());
  EXPECT_FALSE(activity_.sounded_lately());
}

TEST_F(Activity, WhatDiesAwayAfterALoudSoundIsNoSound) {
  feed(kSilenceDbov, 100);
  feed(-10, 10);
  for (int i = 0; i < 30; ++i) feed(-36.0 - i, 1);  // reverberation
  EXPECT_FALSE(activity_.talking());
}

TEST_F(Activity, LevelIsSmoothed) {
  feed(-20, 200);
  EXPECT_NEAR(activity_.level_dbov(), -20, 0.1);
  feed(kSilenceDbov, 5);
  EXPECT_NEAR(activity_.level_dbov(), -21, 0.3);
  feed(kSilenceDbov, 2000);
  EXPECT_DOUBLE_EQ(activity_.level_dbov(), kSilenceDbov);
}

TEST_F(Activity, ForgetsSpeechButNotTheRoom) {
  feed(-45, 400);
  feed(-15, 50);
  ASSERT_TRUE(activity_.talking());
  const double floor = activity_.noise_floor_dbov();
  activity_.forget_speech();
  EXPECT_FALSE(activity_.talking());
  EXPECT_DOUBLE_EQ(activity_.noise_floor_dbov(), floor);
}

TEST_F(Activity, VowelThatSwellsIsKnownBeforeItIsLongerThanAClick) {
  feed(-40, 1);
  feed(-34, 1);
  feed(-28, 1);
  const int ticks = ticks_until_talking(-24, 20);
  ASSERT_GT(ticks, 0);
  EXPECT_LT(3 + ticks, Durations::for_slices_of(10 * kMs).onset);
}

TEST_F(Activity, ClickThatBeganInsideASliceHasNotSwelled) {
  for (const double first : {-60.0, -40.0, -25.0, -12.0}) {
    feed(first, 1);
    // Noise goes up and down a little.
    for (int i = 0; i < 5; ++i) {
      feed(-12, 1);
      feed(-9, 1);
    }
    EXPECT_FALSE(activity_.talking()) << first;
    feed(kSilenceDbov, 100);
    EXPECT_FALSE(activity_.talking()) << first;
  }
}

}  // namespace
