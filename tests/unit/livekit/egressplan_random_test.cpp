// SPDX-License-Identifier: LGPL-2.1-or-later
// An EgressPlan in a world in which everything goes wrong. Whatever the order: no track's session
// is lost, none is doubled, and nothing is ever asked for of those who are excluded.
#include <gtest/gtest.h>

#include <cstdlib>
#include <string>

#include "planworld.h"

namespace livekit {
namespace {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr int kOrders = 2'000;  // many times slower each, and one shows what all do
#else
constexpr int kOrders = 25'000;  // of each kind; EGRESSPLAN_ORDERS for more
#endif
constexpr int kEventsInOrder = 40;

void try_orders(Way way) {
  const char* only = std::getenv("EGRESSPLAN_SEED");  // one order again
  const uint64_t first = only ? std::strtoull(only, nullptr, 10) : 1;
  const char* orders = std::getenv("EGRESSPLAN_ORDERS");
  const uint64_t last = only ? first : orders ? std::strtoull(orders, nullptr, 10) : kOrders;
  for (uint64_t seed = first; seed <= last; ++seed) {
    World world(seed, way);
    for (int i = 0; i < kEventsInOrder; ++i) world.one_event();
    const std::string wrong = world.settle();
    ASSERT_EQ(wrong, "") << "EGRESSPLAN_SEED=" << seed;
    const std::string left = world.shut_down();
    ASSERT_EQ(left, "") << "EGRESSPLAN_SEED=" << seed;
    ASSERT_EQ(world.violation, "") << "EGRESSPLAN_SEED=" << seed;
  }
}

// None lost, none doubled, none for the excluded.
TEST(EgressPlanRandom, Tracks) {
  try_orders({EgressMode::kTrack, false});
}
TEST(EgressPlanRandom, People) {
  try_orders({EgressMode::kPerson, false});
}
TEST(EgressPlanRandom, Pairs) {
  try_orders({EgressMode::kPerson, true});
}
TEST(EgressPlanRandom, Room) {
  try_orders({EgressMode::kRoom, false});
}

}  // namespace
}  // namespace livekit
