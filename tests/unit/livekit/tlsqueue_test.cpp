// SPDX-License-Identifier: LGPL-2.1-or-later
#include "tlsqueue.h"

#include <gtest/gtest.h>

namespace livekit {
namespace {

constexpr int64_t kLate = TlsQueue::kPatienceUs;
using Ids = std::vector<uint64_t>;

TEST(TlsQueue, NobodyGoesWhileThereAreThreads) {
  TlsQueue queue;
  for (uint64_t id = 1; id <= TlsQueue::kThreads; ++id) queue.begin(id, 0);
  EXPECT_FALSE(queue.crowded());
  EXPECT_EQ(queue.late(10 * kLate), Ids{});
}

TEST(TlsQueue, TheOldestGoUntilTheRestHaveThreads) {
  TlsQueue queue;
  for (uint64_t id = 1; id <= TlsQueue::kThreads + 3; ++id) queue.begin(id, int64_t(id));
  EXPECT_TRUE(queue.crowded());
  EXPECT_EQ(queue.late(kLate), Ids{}) << "they have their time";
  EXPECT_EQ(queue.late(kLate + 2), (Ids{1, 2}));
  EXPECT_EQ(queue.late(2 * kLate), (Ids{1, 2, 3}));
  queue.end(2);
  EXPECT_EQ(queue.late(2 * kLate), (Ids{1, 3}));
}

}  // namespace
}  // namespace livekit
