// SPDX-License-Identifier: LGPL-2.1-or-later
// Egresses of a room's mix, told to the plan one story at a time.
#include "egressplan.h"

#include "planfixture.h"

namespace livekit {
namespace {

TEST_F(MixPlanTest, OneForTheRoomFromTheFirstTrackOn) {
  make();
  room = {person("alice")};
  pass(5000);
  EXPECT_EQ(count(Kind::kStart), 0u) << "nobody speaks";
  room = {person("alice", {"TR_1"})};
  pass(1000);
  const PlanAction start = dial_next("EG_1");
  EXPECT_EQ(start.key, "room/mix");
  EXPECT_TRUE(start.people.empty());
  room = {person("alice", {"TR_1"}), person("bob", {"TR_2"})};
  pass(60'000);
  EXPECT_EQ(count(Kind::kStart), 0u);
  EXPECT_EQ(count(Kind::kStop), 0u);
}

TEST_F(MixPlanTest, WhenAllHaveGoneForLongItIsStopped) {
  make();
  room = {person("alice", {"TR_1"})};
  pass(0);
  const PlanAction start = dial_next("EG_1");
  room = {person("alice")};
  pass(50'000);
  room = {person("alice", {"TR_2"})};
  pass(50'000);
  EXPECT_EQ(count(Kind::kStop), 0u);
  room = {person("alice")};
  pass(65'000);
  stop_next(start);
  pass(60'000);
  EXPECT_EQ(count(Kind::kStart), 0u);
  room = {person("alice", {"TR_3"})};
  pass(1000);
  EXPECT_EQ(count(Kind::kStart), 1u);
}

TEST_F(MixPlanTest, TheRoomEndsAndOpensAgain) {
  make();
  room = {person("alice", {"TR_1"})};
  pass(0);
  const PlanAction start = dial_next("EG_1");
  room.clear();
  pass(20'000);
  plan->on_connection_ended(start.session, now);
  hook("egress_ended", people_egress("EG_1", start.key, EgressStatus::kComplete));
  pass(100'000);
  EXPECT_EQ(count(Kind::kStart), 0u);
  room = {person("bob", {"TR_2"})};
  pass(1000);
  EXPECT_EQ(count(Kind::kStart), 1u);
}

TEST_F(MixPlanTest, WhoIsExcludedMustNotBeInAMix) {
  make();
  room = {person("alice", {"TR_1"})};
  pass(0);
  const PlanAction start = dial_next("EG_1");
  exclude("mallory");
  stop_next(start);
  pass(60'000);
  EXPECT_EQ(count(Kind::kStart), 0u) << "everybody would be in it";
  plan->set_filter({}, now);
  pass(1000);
  EXPECT_EQ(count(Kind::kStart), 1u);
}

TEST_F(MixPlanTest, WhoIsExcludedBeforeItBeginsMustNotBeInIt) {
  make();
  room = {person("alice", {"TR_1"})};
  pass(0);
  const PlanAction start = next(Kind::kStart);
  exclude("mallory");
  EXPECT_EQ(next(Kind::kRevoke).session, start.session);
}

TEST_F(MixPlanTest, AKilledOneIsReplaced) {
  make();
  room = {person("alice", {"TR_1"})};
  pass(0);
  const PlanAction start = dial_next("EG_1");
  pass(15'000);
  plan->on_connection_ended(start.session, now);
  hook("egress_ended", people_egress("EG_1", start.key, EgressStatus::kFailed, "signal: killed"));
  pass(100);
  EXPECT_EQ(count(Kind::kStart), 1u);
}

}  // namespace
}  // namespace livekit
