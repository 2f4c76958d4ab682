// SPDX-License-Identifier: LGPL-2.1-or-later
// Half an API, told to the plan one story at a time: single methods that are refused, by the server
// or by a proxy, and egresses that cannot be stopped.
#include "egressplan.h"

#include <map>

#include "planfixture.h"

namespace livekit {
namespace {

// ---- one half of the API, one key, or a proxy's answers ----

TEST_F(PlanTest, HalfAnApiIsToldOnce) {
  make();
  room = {person("alice", {"TR_1"})};
  egress_api_works = false;
  for (const int64_t end = now + 60'000; now < end; pass(50)) {
    while (count(Kind::kStart) > 0) {
      plan->on_start_failed(next(Kind::kStart).session, {Failure::kUnreachable, "reset"}, now);
    }
  }
  EXPECT_EQ(std::count(told.begin(), told.end(), "unreachable"), 1);
  EXPECT_EQ(std::count(told.begin(), told.end(), "reachable"), 0);
}

TEST_F(PlanTest, WhoAlwaysFailsDoesNotKeepOthersFromTrying) {
  make();
  room = {person("alice", {"TR_1"}), person("bob", {"TR_2"})};
  pass(0);
  std::map<std::string, int> tries;
  for (const int64_t end = now + 60'000; now < end; pass(50)) {
    while (count(Kind::kStart) > 0) {
      const PlanAction asked = next(Kind::kStart);
      ++tries[asked.track];
      plan->on_start_failed(asked.session, {Failure::kUnavailable, "internal (HTTP 500)"}, now);
    }
  }
  EXPECT_GT(tries["TR_1"], 10);
  EXPECT_NEAR(tries["TR_1"], tries["TR_2"], 2);
}

TEST_F(PlanTest, AProxysRefusalToStopStopsNothing) {
  make();
  room = {person("alice", {"TR_1"})};
  pass(0);
  run("TR_1", "EG_1");
  listed = {egress("EG_1", "TR_1", EgressStatus::kActive)};
  pass(60'000);
  const CallFailure page{Failure::kRefused, "default backend - 404 (HTTP 404)"};
  exclude("alice");
  plan->on_stop_failed(next(Kind::kStop).egress, page, now);
  plan->set_filter({}, now);
  answer_stops(page, 8000);
  EXPECT_EQ(count(Kind::kStart), 0u) << "she would be heard twice";
  plan->shut_down(now);
  answer_stops(page, 2000);
  EXPECT_FALSE(plan->finished());
  EXPECT_EQ(plan->unfinished().size(), 1u);
}

// ---- what cannot be stopped ----

class HangUpTest : public PlanTest {
 protected:
  // She is heard, and must not be any more; the session.
  uint64_t exclude_who_is_heard() {
    make();
    room = {person("alice", {"TR_1"})};
    pass(0);
    const uint64_t session = run("TR_1", "EG_1");
    exclude("alice");
    return session;
  }
};

TEST_F(HangUpTest, WhatCannotBeStoppedIsHungUp) {
  const uint64_t session = exclude_who_is_heard();
  EXPECT_GT(answer_stops({Failure::kRefused, "a proxy's page"}, 5900), 3);
  EXPECT_EQ(count(Kind::kHangUp), 0u) << "what egress held back comes yet";
  answer_stops({Failure::kRefused, "a proxy's page"}, 200);
  EXPECT_EQ(next(Kind::kHangUp).session, session);
  listed = {egress("EG_1", "TR_1", EgressStatus::kActive)};
  plan->on_connection_ended(session, now);
  plan->set_filter({}, now);  // may be heard again
  EXPECT_GT(answer_stops({Failure::kRefused, "a proxy's page"}, 20'000), 3) << "it may run on";
  EXPECT_EQ(count(Kind::kHangUp), 0u);
  EXPECT_EQ(count(Kind::kStart), 0u);
  listed.clear();
  answer_stops({Failure::kRefused, "a proxy's page"}, 31'000);
  EXPECT_NE(next(Kind::kStart).session, session);
}

TEST_F(HangUpTest, WhatGoesOnThoughItWasStoppedIsHungUp) {
  const uint64_t session = exclude_who_is_heard();
  plan->on_stop_answer(next(Kind::kStop).egress, now);
  pass(5900);
  EXPECT_EQ(count(Kind::kHangUp), 0u);
  pass(200);
  EXPECT_EQ(next(Kind::kHangUp).session, session);
}

TEST_F(HangUpTest, WhatIsStoppedInTimeIsNotHungUp) {
  const uint64_t session = exclude_who_is_heard();
  plan->on_stop_answer(next(Kind::kStop).egress, now);
  pass(3000);
  plan->on_connection_ended(session, now);
  pass(60'000);
  EXPECT_EQ(count(Kind::kHangUp), 0u) << "that would make it a failed one";
}

// Half of the answers get lost, the others are a refusal: somebody is there.
TEST_F(PlanTest, ARefusedStopIsNoLostMachine) {
  config.filter = {};
  begin();
  take();
  room = {person("alice", {"TR_1"})};
  listed = {egress("EG_old", "TR_1", EgressStatus::kActive)};
  pass(0);
  for (int i = 0; i < 100; ++i) {
    for (pass(1000); count(Kind::kStop) == 0; pass(1000)) {
    }
    const Failure kind = i % 2 ? Failure::kRefused : Failure::kUnreachable;
    plan->on_stop_failed(next(Kind::kStop).egress, {kind, "?"}, now);
  }
  EXPECT_EQ(count(Kind::kStart), 0u) << "the former run's is still there";
}

}  // namespace
}  // namespace livekit
