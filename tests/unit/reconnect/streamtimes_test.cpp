// SPDX-License-Identifier: LGPL-2.1-or-later
#include "reconnect/streamtimes.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

using reconnect::StreamTimes;

namespace {

constexpr int64_t kMs = 1'000'000;
constexpr int64_t kPiece = 20 * kMs;
constexpr double kSpeech = -20;
constexpr double kSilence = -127;

struct Line {
  StreamTimes times;
  std::vector<StreamTimes::Placed> placed;

  StreamTimes::Placed piece(int64_t stream_ns, int64_t now_ns, double level = kSpeech) {
    placed.push_back(times.place(stream_ns, kPiece, now_ns, level));
    return placed.back();
  }
};

TEST(StreamTimes, BeginsWhenTheFirstPieceArrives) {
  Line line;
  const auto first = line.piece(700 * kMs, 5000 * kMs);
  EXPECT_EQ(first.time_ns, 4980 * kMs) << "complete at 5000";
  EXPECT_TRUE(first.discont);
  EXPECT_EQ(first.gap_from_ns, -1);
  const auto second = line.piece(720 * kMs, 5023 * kMs);
  EXPECT_EQ(second.time_ns, 5000 * kMs);
  EXPECT_FALSE(second.discont);
}

TEST(StreamTimes, KeepsTheStreamsTimeThroughAMute) {
  Line line;
  // Stops at 5 s for 2.66 s, is 2.77 s late until 20 s, and comes back in one burst.
  for (int64_t t = 0; t < 40'000 * kMs; t += kPiece) {
    int64_t arrival = t + kPiece;
    if (t > 5000 * kMs && t < 20'000 * kMs) arrival = std::min(t + 2770 * kMs, 20'000 * kMs);
    const auto placed = line.piece(t, std::max(arrival, t + kPiece));
    ASSERT_EQ(placed.time_ns, t);
    ASSERT_FALSE(placed.drop);
    ASSERT_EQ(placed.gap_from_ns, -1);
  }
}

TEST(StreamTimes, ANewConnectionGoesOnAfterAGap) {
  Line line;
  line.piece(0, 1000 * kMs);
  line.times.begin_connection();
  const auto placed = line.piece(0, 4000 * kMs);
  EXPECT_EQ(placed.time_ns, 3980 * kMs);
  EXPECT_EQ(placed.gap_from_ns, 1000 * kMs);
  EXPECT_TRUE(placed.discont);
}

TEST(StreamTimes, NeverGoesBackWhenTheLastConnectionWasAhead) {
  Line line;
  line.piece(0, 1000 * kMs);
  line.piece(3000 * kMs, 1001 * kMs);  // a backlog that lies in the future
  line.times.begin_connection();
  const auto placed = line.piece(0, 2000 * kMs);
  EXPECT_EQ(placed.time_ns, 4000 * kMs);
  EXPECT_EQ(placed.gap_from_ns, -1);
}

TEST(StreamTimes, RoundedTimestampsNeitherOverlapNorDrift) {
  StreamTimes times;
  int64_t end = 0;
  constexpr int64_t kFrame = 23'219'954;
  for (int64_t i = 0; i < 5000; ++i) {
    const int64_t stream = i * kFrame / kMs * kMs;  // whole milliseconds, as in FLV
    const auto placed = times.place(stream, kFrame, i * kFrame + kFrame, kSpeech);
    ASSERT_GE(placed.time_ns, end - 1);
    ASSERT_EQ(placed.gap_from_ns, -1);
    ASSERT_NEAR(double(placed.time_ns), double(i * kFrame), 2.0 * kMs);
    end = placed.time_ns + kFrame;
  }
}

TEST(StreamTimes, AJumpBackBeginsAnew) {
  Line line;
  line.piece(60'000 * kMs, 1000 * kMs);
  const auto placed = line.piece(0, 2000 * kMs);
  EXPECT_EQ(placed.time_ns, 1980 * kMs);
  EXPECT_TRUE(placed.discont);
  EXPECT_EQ(line.times.resyncs(), 1u);
}

TEST(StreamTimes, AJumpFarAheadBeginsAnew) {
  Line line;
  line.piece(0, 1000 * kMs);
  const auto placed = line.piece(10'000'000 * kMs, 1020 * kMs);
  EXPECT_EQ(placed.time_ns, 1000 * kMs);
  EXPECT_EQ(line.times.resyncs(), 1u);
}

TEST(StreamTimes, AStreamThatStoodStillGoesOnFromNow) {
  Line line;
  int64_t t = 0;
  for (; t < 5000 * kMs; t += kPiece) line.piece(t, t + kPiece);
  // The publisher stood still for 10 s and goes on in real time where it was.
  for (; t < 15'000 * kMs; t += kPiece) line.piece(t, t + 10'000 * kMs + kPiece);
  EXPECT_EQ(line.placed.back().time_ns, t - kPiece + 10'000 * kMs);
  EXPECT_EQ(line.times.resyncs(), 1u);
}

TEST(StreamTimes, ANetworkThatStalledAndBringsItsBacklogDoesNot) {
  Line line;
  for (int64_t t = 0; t < 60'000 * kMs; t += kPiece) {
    const bool stalled = t > 10'000 * kMs && t < 25'000 * kMs;
    const auto placed = line.piece(t, stalled ? 25'000 * kMs : t + kPiece);
    // Two seconds' worth of the backlog tell nothing yet: it comes at once.
    ASSERT_EQ(placed.time_ns, t) << t;
  }
}

TEST(StreamTimes, WhoConnectsDuringAMuteIsBackInTimeAfterThePausesThatFollow) {
  Line line;
  int dropped_speech = 0;
  int64_t last = 0;
  int64_t before_end = 0;
  for (int64_t t = 0; t < 60'000 * kMs; t += kPiece) {
    const double level = t / kMs % 3000 < 2000 ? kSpeech : kSilence;
    // The first piece is 2.77 s late, and so are all until 5 s.
    const int64_t arrival = t < 5000 * kMs ? t + 2770 * kMs : std::max(t + kPiece, 7770 * kMs);
    const auto placed = line.piece(t, arrival, level);
    dropped_speech += placed.drop && level == kSpeech;
    if (placed.drop) continue;
    ASSERT_GE(placed.time_ns, before_end);
    before_end = placed.time_ns + kPiece;
    last = placed.time_ns - t;
  }
  EXPECT_EQ(dropped_speech, 0);
  EXPECT_NEAR(double(last), 100.0 * kMs, 50.0 * kMs) << "but for what jitter may be";
  EXPECT_GT(line.times.cut_ns(), 2500 * kMs);
}

TEST(StreamTimes, TimeWithoutAConnectionIsTold) {
  StreamTimes times;
  int64_t from = 0;
  EXPECT_FALSE(times.skip_to(500 * kMs, &from)) << "before the first there is no gap";
  times.place(0, kPiece, 1000 * kMs, kSpeech);
  EXPECT_FALSE(times.skip_to(1020 * kMs, &from));
  EXPECT_TRUE(times.skip_to(1300 * kMs, &from));
  EXPECT_EQ(from, 1000 * kMs);
  EXPECT_TRUE(times.skip_to(1500 * kMs, &from));
  EXPECT_EQ(from, 1300 * kMs);
  times.begin_connection();
  EXPECT_EQ(times.place(0, kPiece, 2000 * kMs, kSpeech).gap_from_ns, 1500 * kMs);
}

}  // namespace
