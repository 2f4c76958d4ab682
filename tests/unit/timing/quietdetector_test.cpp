// SPDX-License-Identifier: LGPL-2.1-or-later
#include "timing/quietdetector.h"

#include <gtest/gtest.h>

using timing::QuietDetector;

namespace {

constexpr int64_t kPiece_ns = 20'000'000;

// How many of @count pieces of @level lie in a pause.
int quiet_pieces(QuietDetector& detector, double level_dbov, int count) {
  int quiet = 0;
  for (int i = 0; i < count; ++i) quiet += detector.add(level_dbov, kPiece_ns);
  return quiet;
}

TEST(QuietDetector, DigitalSilenceIsQuietAfterTheWordHasFadedOut) {
  QuietDetector detector;
  EXPECT_EQ(quiet_pieces(detector, -20, 50), 0);
  EXPECT_EQ(quiet_pieces(detector, -127, 23), 0) << "460 ms are the pause that stays";
  EXPECT_EQ(quiet_pieces(detector, -127, 10), 10);
}

TEST(QuietDetector, AClosureInAWordIsNone) {
  QuietDetector detector;
  int quiet = 0;
  for (int word = 0; word < 20; ++word) {
    quiet += quiet_pieces(detector, -25, 10);
    quiet += quiet_pieces(detector, -80, 3);
  }
  EXPECT_EQ(quiet, 0);
}

TEST(QuietDetector, ANoisyRoomHasPausesToo) {
  QuietDetector detector;
  quiet_pieces(detector, -55, 20);
  EXPECT_EQ(quiet_pieces(detector, -22, 50), 0);
  EXPECT_EQ(quiet_pieces(detector, -53, 33), 10);
}

TEST(QuietDetector, LoudIsNeverAPause) {
  QuietDetector detector;
  EXPECT_EQ(quiet_pieces(detector, -30, 500), 0);
}

TEST(QuietDetector, ForgetsTheRoomOfLongAgo) {
  QuietDetector detector;
  quiet_pieces(detector, -65, 20);
  EXPECT_EQ(quiet_pieces(detector, -45, 50), 0);
  quiet_pieces(detector, -40, 300);  // 6 s
  EXPECT_GT(quiet_pieces(detector, -42, 50), 40);
}

}  // namespace
