#include "samplequeue.h"

#include <gtest/gtest.h>

namespace egressmux {
namespace {

using Floats = std::vector<float>;

TEST(SampleQueue, GivesEachSampleAtItsTime) {
  SampleQueue queue;
  const float one[] = {1, -1, 2, -2, 3, -3};
  EXPECT_EQ(queue.write(10, 3, one), 3);
  Floats mix(8, 0.0f);
  EXPECT_TRUE(queue.add_to(mix.data(), 9, 4, 2.0f));
  EXPECT_EQ(mix, (Floats{0, 0, 2, -2, 4, -4, 6, -6}));
  EXPECT_TRUE(queue.empty());
}

TEST(SampleQueue, PieceIsReadInParts) {
  SampleQueue queue;
  const float samples[] = {1, 1, 2, 2, 3, 3};
  queue.write(0, 3, samples);
  Floats mix(2, 0.0f);
  EXPECT_TRUE(queue.add_to(mix.data(), 0, 1, 1.0f));
  EXPECT_FALSE(queue.empty());
  Floats rest(4, 0.0f);
  EXPECT_TRUE(queue.add_to(rest.data(), 1, 2, 1.0f));
  EXPECT_EQ(rest, (Floats{2, 2, 3, 3}));
  EXPECT_EQ(queue.end(), 3);
}

TEST(SampleQueue, OverlapLosesItsHead) {
  SampleQueue queue;
  const float first[] = {1, 1, 1, 1};
  const float second[] = {2, 2, 3, 3};
  queue.write(0, 2, first);
  EXPECT_EQ(queue.write(1, 2, second), 1);
  EXPECT_EQ(queue.write(0, 2, second), 0);
  Floats mix(6, 0.0f);
  queue.add_to(mix.data(), 0, 3, 1.0f);
  EXPECT_EQ(mix, (Floats{1, 1, 1, 1, 3, 3}));
}

TEST(SampleQueue, SilenceTakesTimeButMakesNoSound) {
  SampleQueue queue;
  EXPECT_EQ(queue.write(5, 10, nullptr), 10);
  EXPECT_EQ(queue.span(), 10);
  EXPECT_EQ(queue.end(), 15);
  Floats mix(20, 0.0f);
  EXPECT_FALSE(queue.add_to(mix.data(), 5, 10, 1.0f));
  EXPECT_EQ(queue.span(), 0);
}

TEST(SampleQueue, EmptyAndCleared) {
  SampleQueue queue;
  Floats mix(2, 0.0f);
  EXPECT_FALSE(queue.add_to(mix.data(), 0, 1, 1.0f));
  EXPECT_EQ(queue.write(0, 0, mix.data()), 0);
  queue.write(3, 1, mix.data());
  queue.clear();
  EXPECT_TRUE(queue.empty());
  EXPECT_EQ(queue.end(), 0);
}

}  // namespace
}  // namespace egressmux
