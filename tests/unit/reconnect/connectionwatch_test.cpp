// SPDX-License-Identifier: LGPL-2.1-or-later
#include "reconnect/connectionwatch.h"

#include <gtest/gtest.h>

#include <set>

using reconnect::ConnectionWatch;
using reconnect::WatchSettings;
using Action = ConnectionWatch::Action;
using State = ConnectionWatch::State;

namespace {

constexpr int64_t kMs = 1'000'000;

WatchSettings without_jitter() {
  WatchSettings settings;
  settings.retry_min_ns = 100 * kMs;
  settings.retry_max_ns = 1000 * kMs;
  settings.retry_jitter = 0;
  settings.stall_timeout_ns = 10'000 * kMs;
  return settings;
}

TEST(ConnectionWatch, ConnectsAtOnce) {
  ConnectionWatch watch(1);
  EXPECT_EQ(watch.poll(0), Action::kNone) << "not before it is started";
  watch.start(without_jitter(), 5);
  EXPECT_EQ(watch.poll(5), Action::kConnect);
  EXPECT_EQ(watch.poll(6), Action::kNone) << "each is said once";
  EXPECT_EQ(watch.state(), State::kConnecting);
}

TEST(ConnectionWatch, WaitsTwiceAsLongEachTimeUpToTheLimit) {
  ConnectionWatch watch(1);
  watch.start(without_jitter(), 0);
  int64_t now = 0;
  for (const int64_t wait_ms : {100, 200, 400, 800, 1000, 1000}) {
    ASSERT_EQ(watch.poll(now), Action::kConnect);
    watch.lost(now);
    EXPECT_EQ(watch.wait_ns(), wait_ms * kMs);
    EXPECT_EQ(watch.next_poll_ns(now), now + wait_ms * kMs);
    EXPECT_EQ(watch.poll(now + wait_ms * kMs - 1), Action::kNone);
    now += wait_ms * kMs;
  }
  EXPECT_EQ(watch.failures_in_a_row(), 6u);
  EXPECT_EQ(watch.outages(), 0u) << "it never came";
}

TEST(ConnectionWatch, DataForgivesEverything) {
  ConnectionWatch watch(1);
  watch.start(without_jitter(), 0);
  int64_t now = 0;
  for (int i = 0; i < 5; ++i) {
    ASSERT_EQ(watch.poll(now), Action::kConnect);
    watch.lost(now);
    now += watch.wait_ns();
  }
  ASSERT_EQ(watch.poll(now), Action::kConnect);
  EXPECT_TRUE(watch.data(now + 1)) << "the first of a connection";
  EXPECT_FALSE(watch.data(now + 2));
  EXPECT_EQ(watch.failures_in_a_row(), 0u);
  watch.lost(now + 3);
  EXPECT_EQ(watch.wait_ns(), 100 * kMs);
  EXPECT_EQ(watch.outages(), 1u);
  EXPECT_EQ(watch.connections(), 1u);
}

TEST(ConnectionWatch, JitterOnlyShortensAndDiffers) {
  WatchSettings settings = without_jitter();
  settings.retry_jitter = 0.5;
  std::set<int64_t> waits;
  for (unsigned seed = 1; seed <= 50; ++seed) {
    ConnectionWatch watch(seed * 7919);
    watch.start(settings, 0);
    watch.poll(0);
    watch.lost(0);
    EXPECT_GE(watch.wait_ns(), 50 * kMs);
    EXPECT_LE(watch.wait_ns(), 100 * kMs);
    waits.insert(watch.wait_ns());
  }
  EXPECT_GT(waits.size(), 40u);
}

TEST(ConnectionWatch, AStallIsGivenUpAMuteIsNot) {
  ConnectionWatch watch(1);
  watch.start(without_jitter(), 0);
  watch.poll(0);
  watch.data(1000 * kMs);
  EXPECT_EQ(watch.poll(3700 * kMs), Action::kNone);
  watch.data(3700 * kMs);
  EXPECT_EQ(watch.poll(13'699 * kMs), Action::kNone);
  EXPECT_EQ(watch.next_poll_ns(13'699 * kMs), 13'700 * kMs);
  EXPECT_EQ(watch.poll(13'700 * kMs), Action::kAbandon);
}

TEST(ConnectionWatch, WithoutATimeOutItWaitsForEver) {
  WatchSettings settings = without_jitter();
  settings.stall_timeout_ns = 0;
  ConnectionWatch watch(1);
  watch.start(settings, 0);
  watch.poll(0);
  watch.data(0);
  EXPECT_EQ(watch.poll(86'400'000 * kMs), Action::kNone);
}

TEST(ConnectionWatch, SaysOnceThatNobodyPublishesYet) {
  ConnectionWatch watch(1);
  watch.start(without_jitter(), 0);
  watch.poll(0);
  EXPECT_EQ(watch.next_poll_ns(0), 5000 * kMs);
  EXPECT_EQ(watch.poll(5000 * kMs), Action::kSayQuiet);
  EXPECT_EQ(watch.poll(5001 * kMs), Action::kNone);
}

TEST(ConnectionWatch, GivesUpWhereThereIsALimit) {
  WatchSettings settings = without_jitter();
  settings.retry_limit = 2;
  ConnectionWatch watch(1);
  watch.start(settings, 0);
  int64_t now = 0;
  for (int i = 0; i < 2; ++i) {
    ASSERT_EQ(watch.poll(now), Action::kConnect);
    watch.lost(now);
    now += 1000 * kMs;
  }
  EXPECT_EQ(watch.poll(now), Action::kGiveUp);
  EXPECT_EQ(watch.state(), State::kGivenUp);
  EXPECT_EQ(watch.poll(now + 1000 * kMs), Action::kNone);
}

TEST(ConnectionWatch, ALossIsCountedOnce) {
  ConnectionWatch watch(1);
  watch.start(without_jitter(), 0);
  watch.poll(0);
  watch.data(1);
  watch.lost(2);
  watch.lost(3);
  EXPECT_EQ(watch.outages(), 1u);
  EXPECT_EQ(watch.failures_in_a_row(), 1u);
}

}  // namespace
