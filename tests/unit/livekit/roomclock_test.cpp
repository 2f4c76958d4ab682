// SPDX-License-Identifier: LGPL-2.1-or-later
// The room's thread against a test clock: no test waits for real time.
#include "gst/livekit/roomclock.h"

#include <gst/check/gsttestclock.h>
#include <gtest/gtest.h>

#include <vector>

namespace livekit {
namespace {

constexpr GstClockTime kSlice = 10 * GST_MSECOND;

class Recorder : public RoomClock::Client {
 public:
  void on_tick(GstClockTime tick, guint64 index, GstClockTime) override {
    const std::lock_guard<std::mutex> lock(mutex_);
    ticks_.push_back(tick);
    indices_.push_back(index);
  }
  std::vector<GstClockTime> ticks() {
    const std::lock_guard<std::mutex> lock(mutex_);
    return ticks_;
  }
  std::vector<guint64> indices() {
    const std::lock_guard<std::mutex> lock(mutex_);
    return indices_;
  }

 private:
  std::mutex mutex_;
  std::vector<GstClockTime> ticks_;
  std::vector<guint64> indices_;
};

class RoomClockTest : public testing::Test {
 protected:
  static void SetUpTestSuite() { gst_init(nullptr, nullptr); }
  void SetUp() override { clock_ = GST_TEST_CLOCK(gst_test_clock_new()); }
  void TearDown() override { gst_object_unref(clock_); }

  // Lets the thread do one round and waits until it sleeps again.
  void crank() {
    GstClockID id = nullptr;
    gst_test_clock_wait_for_next_pending_id(clock_, &id);
    gst_clock_id_unref(id);
    gst_test_clock_crank(clock_);
    settle();
  }
  void settle() {
    GstClockID id = nullptr;
    gst_test_clock_wait_for_next_pending_id(clock_, &id);
    gst_clock_id_unref(id);
  }
  GstClock* clock() { return GST_CLOCK(clock_); }

  GstTestClock* clock_ = nullptr;
};

TEST_F(RoomClockTest, OwnThreadTicksFromTheOrigin) {
  gst_test_clock_set_time(clock_, 3 * GST_MSECOND);
  auto room_clock = RoomClock::get("", clock(), kSlice, 3 * GST_MSECOND);
  Recorder client;
  room_clock->add(&client);
  crank();
  crank();
  EXPECT_EQ(client.ticks(), (std::vector<GstClockTime>{13 * GST_MSECOND, 23 * GST_MSECOND}));
  EXPECT_EQ(client.indices(), (std::vector<guint64>{1, 2}));
  room_clock->remove(&client);
}

TEST_F(RoomClockTest, SharedThreadTicksOnTheAbsoluteGridForAll) {
  gst_test_clock_set_time(clock_, 3 * GST_MSECOND);
  auto one = RoomClock::get("shared", clock(), kSlice, 3 * GST_MSECOND);
  auto two = RoomClock::get("shared", clock(), kSlice, 7 * GST_MSECOND);
  EXPECT_EQ(one, two);
  EXPECT_NE(one, RoomClock::get("other", clock(), kSlice, 0));
  EXPECT_NE(one, RoomClock::get("shared", clock(), 2 * kSlice, 0));
  Recorder a;
  Recorder b;
  one->add(&a);
  two->add(&b);
  crank();
  EXPECT_EQ(a.ticks(), (std::vector<GstClockTime>{10 * GST_MSECOND}));
  EXPECT_EQ(a.ticks(), b.ticks());
  one->remove(&a);
  crank();
  EXPECT_EQ(a.ticks().size(), 1u);
  EXPECT_EQ(b.ticks().size(), 2u);
  two->remove(&b);
}

TEST_F(RoomClockTest, LateByAFewSlicesIsMadeUpFor) {
  auto room_clock = RoomClock::get("", clock(), kSlice, 0);
  Recorder client;
  room_clock->add(&client);
  settle();
  gst_test_clock_set_time(clock_, 55 * GST_MSECOND);
  for (int i = 0; i < 5; ++i) crank();
  EXPECT_EQ(client.indices(), (std::vector<guint64>{1, 2, 3, 4, 5}));
  room_clock->remove(&client);
}

TEST_F(RoomClockTest, LateByMoreIsSkipped) {
  auto room_clock = RoomClock::get("", clock(), kSlice, 0);
  Recorder client;
  room_clock->add(&client);
  settle();
  gst_test_clock_set_time(clock_, 5 * GST_SECOND);
  crank();
  EXPECT_EQ(client.indices(), (std::vector<guint64>{500}));
  crank();
  EXPECT_EQ(client.indices().back(), 501u);
  room_clock->remove(&client);
}

TEST_F(RoomClockTest, SuspendedClientGetsNothingAndComesBack) {
  auto room_clock = RoomClock::get("", clock(), kSlice, 0);
  Recorder client;
  room_clock->add(&client);
  crank();
  room_clock->suspend(&client);
  gst_test_clock_set_time(clock_, 7 * GST_SECOND);
  room_clock->add(&client);
  crank();
  EXPECT_EQ(client.indices(), (std::vector<guint64>{1, 701}));
  room_clock->remove(&client);
}

TEST_F(RoomClockTest, EndsWhileWaiting) {
  for (int i = 0; i < 20; ++i) {
    auto room_clock = RoomClock::get("", clock(), kSlice, 0);
    Recorder client;
    room_clock->add(&client);
    if (i % 2) settle();
    room_clock->remove(&client);
  }
}

}  // namespace
}  // namespace livekit
