// SPDX-License-Identifier: LGPL-2.1-or-later
#include "timing/lagcontrol.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

using timing::LagControl;

namespace {

constexpr int64_t kMs = 1'000'000;
constexpr int64_t kPiece = 20 * kMs;
constexpr double kSpeech = -20;
constexpr double kSilence = -127;

struct Heard {
  int64_t stream_ns;
  int64_t at_ns;
};

// A stream whose pieces must be there 30 ms after their time.
struct Stream {
  explicit Stream(const LagControl::Settings& settings = {}) : lag(settings) {}

  // A piece of the stream's time @stream_ns that arrives at @arrival_ns.
  void piece(int64_t stream_ns, int64_t arrival_ns, double level) {
    const auto verdict = lag.place(kPiece, stream_ns + 30 * kMs - arrival_ns, level);
    if (verdict.drop) {
      dropped_speech += level == kSpeech;
      return;
    }
    const int64_t at_ns = stream_ns + lag.shift_ns();
    late += at_ns + 30 * kMs < arrival_ns;
    heard.push_back({stream_ns, at_ns});
  }

  LagControl lag;
  std::vector<Heard> heard;
  int late = 0;
  int dropped_speech = 0;
};

// Speech of 2 s and pauses of 1 s.
double talk(int64_t stream_ns) {
  return stream_ns / kMs % 3000 < 2000 ? kSpeech : kSilence;
}

TEST(LagControl, LeavesAStreamAloneThatIsInTime) {
  Stream stream;
  for (int64_t t = 0; t < 20'000 * kMs; t += kPiece) stream.piece(t, t + 10 * kMs, talk(t));
  EXPECT_EQ(stream.lag.shift_ns(), 0);
  EXPECT_EQ(stream.heard.size(), 1000u);
}

TEST(LagControl, ALateStreamIsHeardWholeAndCatchesUpInThePauses) {
  Stream stream;
  // As the mix of a room: from 5 s it stops for 2.66 s, runs 2.77 s late until 15 s, comes back.
  for (int64_t t = 0; t < 60'000 * kMs; t += kPiece) {
    int64_t arrival = t + 20 * kMs;
    if (t > 5000 * kMs && t < 15'000 * kMs) arrival = std::min(t + 2770 * kMs, 15'000 * kMs);
    stream.piece(t, std::max(arrival, t), talk(t));
  }
  EXPECT_EQ(stream.late, 0);
  EXPECT_EQ(stream.dropped_speech, 0);
  EXPECT_EQ(stream.lag.shift_ns(), 0) << "no shift stays";
  EXPECT_EQ(stream.heard.back().at_ns, stream.heard.back().stream_ns);
  int64_t back_at = 0;
  for (const Heard& piece : stream.heard)
    if (piece.at_ns != piece.stream_ns) back_at = piece.stream_ns;
  EXPECT_LT(back_at, 40'000 * kMs) << "of each pause half a second stays";
}

TEST(LagControl, StaysLateWhileTheStreamDoes) {
  Stream stream;
  for (int64_t t = 0; t < 30'000 * kMs; t += kPiece) stream.piece(t, t + 2770 * kMs, talk(t));
  EXPECT_EQ(stream.lag.moves(), 1u);
  EXPECT_EQ(stream.lag.cut_ns(), 0);
  EXPECT_NEAR(double(stream.lag.shift_ns()), 2760.0 * kMs, 1.0);
}

TEST(LagControl, GapsThatComeAgainAndAgainAreLearnt) {
  Stream stream;
  int64_t arrival_before = 0;
  for (int64_t t = 0; t < 30'000 * kMs; t += kPiece) {
    const int64_t in_cycle = t % (420 * kMs);
    const int64_t arrival = in_cycle < 280 * kMs ? t - in_cycle + 280 * kMs : t + 10 * kMs;
    stream.piece(t, std::max(arrival, arrival_before), talk(t));
    arrival_before = std::max(arrival, arrival_before);
  }
  EXPECT_EQ(stream.dropped_speech, 0);
  EXPECT_LE(stream.lag.moves(), 3u);
  EXPECT_LT(stream.lag.shift_ns(), 320 * kMs);
}

TEST(LagControl, MovesNothingWhereItMayNotGrow) {
  LagControl::Settings settings;
  settings.grows = false;
  settings.least_shift_ns = INT64_MIN / 2;
  Stream stream(settings);
  // It began late: all that follows is 2 s early by comparison.
  for (int64_t t = 0; t < 40'000 * kMs; t += kPiece)
    stream.piece(t, t < 1000 * kMs ? t : std::max(t - 2000 * kMs, int64_t(1000) * kMs), talk(t));
  EXPECT_EQ(stream.dropped_speech, 0);
  EXPECT_NEAR(double(stream.lag.shift_ns()), -2000.0 * kMs, 40.0 * kMs);
}

TEST(LagControl, DoesNotFollowIntoThePast) {
  Stream stream;
  stream.piece(0, 3600'000 * kMs, kSpeech);
  EXPECT_EQ(stream.lag.shift_ns(), 0);
}

TEST(LagControl, BeginsAnewAfterReset) {
  Stream stream;
  stream.piece(0, 1000 * kMs, kSpeech);
  EXPECT_GT(stream.lag.shift_ns(), 0);
  stream.lag.reset();
  EXPECT_EQ(stream.lag.shift_ns(), 0);
}

}  // namespace
