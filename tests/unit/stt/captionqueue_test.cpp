// SPDX-License-Identifier: LGPL-2.1-or-later
// What of the captions is sent when; the times are milliseconds.
#include "roomcaptions/captionqueue.h"

#include <gtest/gtest.h>

#include <map>
#include <set>
#include <string>
#include <vector>

namespace stt {
namespace {

using Queue = CaptionQueue;

CaptionPacket packet(const std::string& segment, const std::string& data, bool is_final) {
  CaptionPacket made;
  made.segment = segment;
  made.is_final = is_final;
  made.empty = data.empty();
  made.data = data;
  return made;
}

class CaptionQueueTest : public ::testing::Test {
 protected:
  void partial(const std::string& segment, const std::string& data, int64_t now_ms) {
    queue.add(packet(segment, data, false), now_ms);
  }
  void last(const std::string& segment, const std::string& data, int64_t now_ms) {
    queue.add(packet(segment, data, true), now_ms);
  }
  // All that may be sent now, as "data data"; ids are kept by data.
  std::string send(int64_t now_ms) {
    std::string all;
    while (const auto sending = queue.next(now_ms)) {
      all += (all.empty() ? "" : " ") + sending->packet.data;
      ids[sending->packet.data] = sending->id;
    }
    return all;
  }
  void done(const std::string& data, SendResult result, int64_t now_ms) {
    queue.done(ids.at(data), result, now_ms);
  }

  Queue queue{1};
  std::map<std::string, uint64_t> ids;
};

TEST_F(CaptionQueueTest, SentAtOnce) {
  partial("s1", "he", 0);
  EXPECT_EQ(send(0), "he");
  EXPECT_EQ(send(0), "");
  EXPECT_EQ(queue.stats().waiting, 1u);
  done("he", SendResult::kSent, 40);
  EXPECT_EQ(queue.stats().sent, 1u);
  EXPECT_EQ(queue.stats().waiting, 0u);
  EXPECT_EQ(queue.wake_at_ms(), -1);
}

TEST_F(CaptionQueueTest, ANewerPartialReplacesOneThatWaits) {
  partial("s1", "a", 0);
  EXPECT_EQ(send(0), "a");
  partial("s1", "a b", 10);
  partial("s1", "a b c", 20);
  EXPECT_EQ(send(20), "") << "one of a segment at a time";
  done("a", SendResult::kSent, 50);
  EXPECT_EQ(send(50), "a b c");
  EXPECT_EQ(queue.stats().partials_replaced, 1u);
  EXPECT_EQ(queue.stats().partials_dropped, 0u);
}

TEST_F(CaptionQueueTest, AReplacedPartialKeepsItsPlaceInTheLine) {
  for (const char* segment : {"a", "b", "c", "d"}) partial(segment, segment, 0);
  EXPECT_EQ(send(0), "a b c d");
  partial("e", "e1", 1);
  partial("f", "f1", 2);
  EXPECT_EQ(send(2), "") << "four at a time";
  partial("e", "e2", 3);
  done("a", SendResult::kSent, 4);
  EXPECT_EQ(send(4), "e2");
}

TEST_F(CaptionQueueTest, AFinalGoesFirstAndReplacesItsPartial) {
  for (const char* segment : {"a", "b", "c", "d"}) partial(segment, segment, 0);
  send(0);
  partial("e", "e1", 1);
  partial("f", "f1", 1);
  last("f", "F", 2);
  EXPECT_EQ(send(2), "F");
  done("a", SendResult::kSent, 3);
  EXPECT_EQ(send(3), "e1");
  EXPECT_EQ(queue.stats().partials_replaced, 1u);
}

TEST_F(CaptionQueueTest, FinalsKeepTheirOrder) {
  last("a", "A", 0);
  last("b", "B", 0);
  EXPECT_EQ(send(0), "A");
  EXPECT_EQ(send(5), "");
  done("A", SendResult::kSent, 10);
  EXPECT_EQ(send(10), "B");
}

TEST_F(CaptionQueueTest, NothingIsTakenBackThatWasNeverShown) {
  last("a", "", 0);
  EXPECT_EQ(send(0), "");
  partial("b", "b", 0);
  last("b", "", 1);
  EXPECT_EQ(send(1), "") << "the partial never left";
  partial("c", "c", 2);
  send(2);
  last("c", "", 3);
  EXPECT_TRUE(queue.next(3).has_value());
}

TEST_F(CaptionQueueTest, AFinalIsTriedAgainEverMoreSlowly) {
  last("a", "A", 0);
  int64_t now_ms = 0;
  std::vector<int64_t> waits;
  while (send(now_ms) == "A") {
    done("A", SendResult::kUnreachable, now_ms);
    const int64_t wake_ms = queue.wake_at_ms();
    EXPECT_EQ(send(wake_ms - 1), "");
    waits.push_back(wake_ms - now_ms);
    now_ms = wake_ms;
  }
  const std::vector<int64_t> full = {250, 500, 1000, 2000, 4000, 8000, 8000, 8000};
  ASSERT_GE(waits.size(), full.size());
  for (size_t i = 0; i < full.size(); ++i) {
    EXPECT_LE(waits[i], full[i]) << i;
    EXPECT_GE(waits[i], full[i] * 8 / 10) << i;
  }
  EXPECT_GE(now_ms, Queue::kFinalPatienceMs);
  EXPECT_EQ(queue.stats().finals_dropped, 1u);
  EXPECT_TRUE(queue.finals_done());
}

TEST_F(CaptionQueueTest, HundredRoomsDoNotComeBackAtOnce) {
  std::set<int64_t> wakes;
  for (unsigned seed = 1; seed <= 100; ++seed) {
    Queue room(seed);
    room.add(packet("a", "A", true), 0);
    room.done(room.next(0)->id, SendResult::kUnreachable, 0);
    wakes.insert(room.wake_at_ms());
  }
  EXPECT_GT(wakes.size(), 20u);
}

TEST_F(CaptionQueueTest, AfterAnOutageAllFinalsComeInOrderAndNoOldPartial) {
  partial("a", "a", 0);
  last("b", "B", 0);
  EXPECT_EQ(send(0), "B a");
  done("B", SendResult::kUnreachable, 10);
  done("a", SendResult::kUnreachable, 10);
  partial("c", "c", 20);
  last("d", "D", 30);
  const int64_t wake_ms = queue.wake_at_ms();
  EXPECT_EQ(send(wake_ms), "B") << "one at a time while it is not known to work again";
  partial("e", "e", wake_ms + 3000);
  done("B", SendResult::kSent, wake_ms + 3001);
  EXPECT_EQ(send(wake_ms + 3001), "D e") << "c is too old";
  EXPECT_EQ(queue.stats().partials_dropped, 2u);
  EXPECT_EQ(queue.stats().finals_dropped, 0u);
}

TEST_F(CaptionQueueTest, TwoFailuresAtOnceAreOneStep) {
  for (const char* segment : {"a", "b", "c"}) partial(segment, segment, 0);
  send(0);
  for (const char* segment : {"a", "b", "c"}) done(segment, SendResult::kUnreachable, 5);
  partial("d", "d", 6);
  EXPECT_LE(queue.wake_at_ms(), 5 + Queue::kFirstRetryMs);
}

TEST_F(CaptionQueueTest, AWrongKeyIsNotTriedEverySecond) {
  last("a", "A", 0);
  last("b", "B", 0);
  EXPECT_EQ(send(0), "A");
  done("A", SendResult::kDenied, 10);
  EXPECT_EQ(queue.stats().finals_dropped, 2u);
  EXPECT_TRUE(queue.finals_done());
  last("c", "C", 20000);
  EXPECT_EQ(send(20000), "");
  EXPECT_EQ(queue.wake_at_ms(), 10 + Queue::kDeniedRetryMs);
  EXPECT_EQ(send(10 + Queue::kDeniedRetryMs), "C");
}

TEST_F(CaptionQueueTest, WhatTheServerRefusesIsNotTriedAgain) {
  last("a", "A", 0);
  last("b", "B", 0);
  send(0);
  done("A", SendResult::kRefused, 1);
  EXPECT_EQ(send(1), "B");
  EXPECT_EQ(queue.stats().finals_dropped, 1u);
}

TEST_F(CaptionQueueTest, IsBoundedAndPartialsGoFirst) {
  last("x", "X", 0);
  EXPECT_EQ(send(0), "X");
  done("X", SendResult::kUnreachable, 0);
  const size_t half = Queue::kMaxWaiting / 2;
  for (size_t i = 0; i < half; ++i) partial("p" + std::to_string(i), "p", 1);
  for (size_t i = 0; i < Queue::kMaxWaiting; ++i) last("f" + std::to_string(i), "F", 1);
  EXPECT_EQ(queue.stats().waiting, Queue::kMaxWaiting);
  EXPECT_EQ(queue.stats().partials_dropped, half);
  EXPECT_EQ(queue.stats().finals_dropped, 1u) << "the oldest";
}

TEST_F(CaptionQueueTest, AtTheEndFinalsAreTriedAtOnceAndPartialsForgotten) {
  last("a", "A", 0);
  send(0);
  for (int i = 0; i < 5; ++i) {
    done("A", SendResult::kUnreachable, i * 10000);
    send((i + 1) * 10000);
  }
  done("A", SendResult::kUnreachable, 50000);
  partial("b", "b", 50000);
  EXPECT_EQ(send(50001), "");
  queue.hurry(50002);
  EXPECT_EQ(send(50002), "A");
  EXPECT_EQ(queue.stats().partials_dropped, 1u);
  EXPECT_FALSE(queue.finals_done());
  done("A", SendResult::kUnreachable, 50003);
  EXPECT_LE(queue.wake_at_ms(), 50003 + Queue::kFirstRetryMs);
}

TEST_F(CaptionQueueTest, WhatIsUnderWayWhenAllIsForgottenIsCountedOnce) {
  last("a", "A", 0);
  partial("b", "b", 0);
  send(0);
  queue.clear();
  EXPECT_EQ(queue.stats().waiting, 2u);
  done("A", SendResult::kSent, 1);
  done("b", SendResult::kSent, 1);
  EXPECT_EQ(queue.stats().sent, 2u);
  EXPECT_EQ(queue.stats().finals_dropped + queue.stats().partials_dropped, 0u);
}

}  // namespace
}  // namespace stt
