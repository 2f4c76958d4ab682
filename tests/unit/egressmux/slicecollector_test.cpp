#include "slicecollector.h"

#include <gtest/gtest.h>

#include <array>
#include <string>

namespace egressmux {
namespace {

using Collector = SliceCollector<std::string>;

class SliceCollectorTest : public ::testing::Test {
 protected:
  std::string taken() {
    Collector::Slice slice = collector_.take();
    std::string parts;
    for (const std::string& part : slice.parts) parts += part;
    incomplete_ = slice.incomplete;
    return parts;
  }
  void bring(SliceMember& member, int64_t slice, const char* part) {
    EXPECT_EQ(collector_.deliver(&member, slice * 10, 10, part), Collector::Delivery::kAccepted);
  }

  Collector collector_;
  SliceMember a_, b_, c_;
  bool incomplete_ = false;
};

TEST_F(SliceCollectorTest, NothingIsNotComplete) {
  EXPECT_FALSE(collector_.head_complete());
  EXPECT_TRUE(collector_.empty());
  EXPECT_EQ(collector_.delivering_count(), 0u);
}

TEST_F(SliceCollectorTest, OneMemberCompletesAtOnce) {
  bring(a_, 0, "a");
  EXPECT_TRUE(collector_.head_complete());
  EXPECT_EQ(taken(), "a");
  EXPECT_FALSE(incomplete_);
}

TEST_F(SliceCollectorTest, CompleteWhenAllJoinedHaveBrought) {
  collector_.join(&a_);
  collector_.join(&b_);
  bring(a_, 0, "a");
  EXPECT_FALSE(collector_.head_complete());
  bring(b_, 0, "b");
  EXPECT_TRUE(collector_.head_complete());
  EXPECT_EQ(taken(), "ab");
  EXPECT_FALSE(incomplete_);
}

TEST_F(SliceCollectorTest, NextSliceClosesTheOneBefore) {
  collector_.join(&a_);
  collector_.join(&b_);
  bring(a_, 0, "a");
  bring(a_, 1, "A");
  EXPECT_TRUE(collector_.head_complete());
  EXPECT_EQ(taken(), "a");
  EXPECT_TRUE(incomplete_);
  // b is not waited for any more.
  EXPECT_TRUE(collector_.head_complete());
  EXPECT_EQ(taken(), "A");
  EXPECT_FALSE(incomplete_);
  // And is again when it comes back.
  bring(b_, 2, "b");
  EXPECT_FALSE(collector_.head_complete());
  bring(a_, 2, "a");
  EXPECT_EQ(taken(), "ba");
}

TEST_F(SliceCollectorTest, LeavingCompletesTheSliceThatWaited) {
  for (SliceMember* member : {&a_, &b_, &c_}) collector_.join(member);
  bring(a_, 0, "a");
  bring(b_, 0, "b");
  EXPECT_FALSE(collector_.head_complete());
  collector_.leave(&c_);
  EXPECT_TRUE(collector_.head_complete());
  // Who has brought its part already takes nothing with it.
  collector_.leave(&a_);
  EXPECT_TRUE(collector_.head_complete());
  EXPECT_EQ(taken(), "ab");
  EXPECT_EQ(collector_.delivering_count(), 1u);
  collector_.leave(&a_);
  EXPECT_EQ(collector_.member_count(), 1u);
}

TEST_F(SliceCollectorTest, LeavingAfterTheSliceWentKeepsTheCount) {
  bring(a_, 0, "a");
  bring(b_, 0, "b");
  taken();
  collector_.leave(&a_);
  bring(b_, 1, "b");
  EXPECT_TRUE(collector_.head_complete());
}

TEST_F(SliceCollectorTest, SecondPartOfOneMemberIsADuplicate) {
  collector_.join(&b_);
  bring(a_, 0, "a");
  EXPECT_EQ(collector_.deliver(&a_, 0, 10, "x"), Collector::Delivery::kDuplicate);
  EXPECT_FALSE(collector_.head_complete());
  bring(b_, 0, "b");
  EXPECT_EQ(taken(), "ab");
}

TEST_F(SliceCollectorTest, LatePartStillFindsItsSliceInTheQueue) {
  bring(a_, 0, "a");
  bring(a_, 1, "a");
  bring(a_, 2, "a");
  bring(b_, 1, "b");
  EXPECT_EQ(taken(), "a");
  EXPECT_EQ(taken(), "ab");
  // b joined by that, so slice 2 waits for it.
  EXPECT_FALSE(collector_.head_complete());
  bring(b_, 2, "b");
  EXPECT_EQ(taken(), "ab");
}

TEST_F(SliceCollectorTest, PartForAnEarlierTimeIsPutInOrder) {
  bring(a_, 5, "5");
  bring(b_, 3, "3");
  EXPECT_TRUE(collector_.head_complete());
  EXPECT_EQ(taken(), "3");
  EXPECT_EQ(taken(), "5");
}

TEST_F(SliceCollectorTest, TakingAnIncompleteSliceSaysSo) {
  collector_.join(&a_);
  collector_.join(&b_);
  bring(a_, 0, "a");
  EXPECT_EQ(taken(), "a");
  EXPECT_TRUE(incomplete_);
  bring(a_, 1, "a");
  EXPECT_FALSE(collector_.head_complete());
}

TEST_F(SliceCollectorTest, AliveWithoutAPartIsWaitedFor) {
  collector_.note_alive(&b_);
  EXPECT_EQ(collector_.delivering_count(), 1u);
  bring(a_, 0, "a");
  EXPECT_FALSE(collector_.head_complete());
}

TEST_F(SliceCollectorTest, LongestPartSetsTheLength) {
  collector_.deliver(&a_, 0, 10, "a");
  collector_.deliver(&b_, 0, 12, "b");
  EXPECT_EQ(collector_.take().frames, 12);
}

TEST_F(SliceCollectorTest, FiveHundredMembers) {
  std::array<SliceMember, 500> members;
  for (int slice = 0; slice < 3; ++slice) {
    for (SliceMember& member : members) {
      if (slice > 0) {
        EXPECT_FALSE(collector_.head_complete());
      }
      bring(member, slice, "m");
    }
    ASSERT_TRUE(collector_.head_complete());
    EXPECT_EQ(taken().size(), 500u);
  }
  collector_.clear();
  EXPECT_FALSE(members[7].joined);
  EXPECT_EQ(collector_.member_count(), 0u);
}

}  // namespace
}  // namespace egressmux
