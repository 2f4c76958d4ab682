// SPDX-License-Identifier: LGPL-2.1-or-later
#include "livekitrtmp/mediaqueue.h"

#include <gtest/gtest.h>

#include <thread>

namespace rtmp {
namespace {

QueuedMedia media(uint32_t timestamp_ms, size_t bytes) {
  QueuedMedia item;
  item.timestamp_ms = timestamp_ms;
  item.tag.resize(bytes);
  return item;
}

TEST(MediaQueue, KeepsTheOrder) {
  MediaQueue queue(1000000, [] {});
  queue.push(media(1, 10));
  queue.push(media(2, 10));
  QueuedMedia item;
  EXPECT_EQ(queue.pop(item, 0), MediaQueue::Popped::kItem);
  EXPECT_EQ(item.timestamp_ms, 1u);
  EXPECT_EQ(queue.pop(item, 0), MediaQueue::Popped::kItem);
  EXPECT_EQ(item.timestamp_ms, 2u);
  EXPECT_EQ(queue.pop(item, 0), MediaQueue::Popped::kTimeout);
  EXPECT_EQ(queue.bytes(), 0u);
}

TEST(MediaQueue, AFullOneSaysSoAndLosesNothing) {
  int resumed = 0;
  MediaQueue queue(10000, [&resumed] { ++resumed; });
  uint32_t count = 0;
  while (queue.push(media(count, 872))) ++count;
  EXPECT_EQ(count, 9u);  // 1000 each, with what an entry costs
  EXPECT_FALSE(queue.push(media(++count, 872)));
  QueuedMedia item;
  for (uint32_t i = 0; i <= count; ++i) {
    EXPECT_EQ(resumed, queue.bytes() < 5000 ? 1 : 0);
    ASSERT_EQ(queue.pop(item, 0), MediaQueue::Popped::kItem);
    EXPECT_EQ(item.timestamp_ms, i);
  }
  EXPECT_EQ(resumed, 1);
  EXPECT_TRUE(queue.push(media(99, 10)));
}

TEST(MediaQueue, SmallEntriesCostToo) {
  MediaQueue queue(10000, [] {});
  uint32_t count = 0;
  while (queue.push(media(count, 0)) && count < 1000) ++count;
  EXPECT_LT(count, 100u);
}

TEST(MediaQueue, EndsAfterWhatIsInIt) {
  MediaQueue queue(10000, [] {});
  queue.push(media(1, 10));
  queue.end();
  EXPECT_TRUE(queue.push(media(2, 10)));
  QueuedMedia item;
  EXPECT_EQ(queue.pop(item, -1), MediaQueue::Popped::kItem);
  EXPECT_EQ(queue.pop(item, -1), MediaQueue::Popped::kEnded);
}

TEST(MediaQueue, FlushingWakesWhoWaitsAndKeepsAll) {
  MediaQueue queue(10000, [] {});
  std::thread waker([&queue] { queue.set_flushing(true); });
  QueuedMedia item;
  EXPECT_EQ(queue.pop(item, -1), MediaQueue::Popped::kFlushing);
  waker.join();
  queue.push(media(1, 10));
  EXPECT_EQ(queue.pop(item, -1), MediaQueue::Popped::kFlushing);
  queue.set_flushing(false);
  EXPECT_EQ(queue.pop(item, -1), MediaQueue::Popped::kItem);
}

}  // namespace
}  // namespace rtmp
