// SPDX-License-Identifier: LGPL-2.1-or-later
// Egresses of people and of pairs, told to the plan one story at a time.
#include "egressplan.h"

#include "planfixture.h"

namespace livekit {
namespace {

TEST_F(PersonPlanTest, OneForAllThatSomebodyPublishes) {
  make();
  pass(0);
  hook("participant_joined", person("alice"));
  EXPECT_EQ(count(Kind::kStart), 0u) << "a listener costs nothing";
  hook("track_published", person("alice"), "TR_1");
  const PlanAction start = dial_next("EG_1");
  EXPECT_EQ(identities(start), People{"alice"});
  EXPECT_EQ(start.track, "");
  EXPECT_TRUE(start.key.starts_with("person/"));
  EXPECT_EQ(start.key.find("alice"), std::string::npos) << "nobody's business on the way";
  room = {person("alice", {"TR_1", "TR_2"})};
  pass(60'000);
  EXPECT_EQ(count(Kind::kStart), 0u);
  EXPECT_EQ(count(Kind::kStop), 0u);
}

TEST_F(PersonPlanTest, ItOutlivesMuteRepublishLeaveAndRejoin) {
  make();
  room = {person("alice", {"TR_1"})};
  pass(0);
  dial_next("EG_1");
  hook("track_unpublished", person("alice"), "TR_1");
  room = {person("alice")};
  pass(20'000);
  room = {person("alice", {"TR_2"})};  // again
  hook("track_published", person("alice"), "TR_2");
  pass(20'000);
  hook("participant_left", person("alice"));
  room.clear();
  pass(30'000);
  Participant again = person("alice", {"TR_3"});
  again.sid = "PA_new";
  hook("participant_joined", again);
  room = {again};
  pass(300'000);
  EXPECT_EQ(count(Kind::kStart), 0u);
  EXPECT_EQ(count(Kind::kStop), 0u);
  EXPECT_EQ(plan->running(), 1u);
}

TEST_F(PersonPlanTest, WhoStaysAwayIsStoppedAndAskedForWhenHeComesBack) {
  config.away_ms = 10'000;
  make();
  room = {person("alice", {"TR_1"}), person("bob", {"TR_2"})};
  pass(0);
  const PlanAction alice = dial_next("EG_1");
  dial_next("EG_2");
  room = {person("bob", {"TR_2"})};
  hook("participant_left", person("alice"));
  pass(9'900);
  EXPECT_EQ(count(Kind::kStop), 0u);
  pass(200);
  EXPECT_TRUE(has_reason("not there any more"));
  stop_next(alice);
  pass(30'000);
  EXPECT_EQ(count(Kind::kStart), 0u);
  Participant again = person("alice", {"TR_3"});
  again.sid = "PA_new";
  room.push_back(again);
  hook("participant_joined", again);
  pass(0);
  EXPECT_EQ(identities(next(Kind::kStart)), People{"alice"});
}

TEST_F(PersonPlanTest, AwayTimeoutZeroStopsAtOnce) {
  config.away_ms = 0;
  make();
  room = {person("alice", {"TR_1"})};
  pass(0);
  dial_next("EG_1");
  hook("track_unpublished", person("alice"), "TR_1");
  EXPECT_EQ(next(Kind::kStop).egress, "EG_1");
}

TEST_F(PersonPlanTest, TheRoomEndsAndOpensAgain) {
  make();
  room = {person("alice", {"TR_1"})};
  pass(0);
  const PlanAction start = dial_next("EG_1");
  hook("participant_left", person("alice"));
  room.clear();
  pass(20'000);
  plan->on_connection_ended(start.session, now);  // the session ends with the room
  hook("egress_ended", people_egress("EG_1", start.key, EgressStatus::kComplete));
  EXPECT_TRUE(has_reason("the room ended"));
  pass(100'000);
  EXPECT_EQ(count(Kind::kStart), 0u);
  room = {person("alice", {"TR_9"})};
  hook("room_started", Participant());
  pass(100);
  EXPECT_EQ(identities(next(Kind::kStart)), People{"alice"});
}

TEST_F(PersonPlanTest, TheExcludedAreNeverAskedForHoweverTheyComeBack) {
  EgressFilter filter;
  filter.exclude = {"mallory"};
  make(filter);
  room = {person("mallory", {"TR_1"})};
  hook("participant_joined", person("mallory"));
  hook("track_published", person("mallory"), "TR_1");
  pass(5000);
  hook("participant_left", person("mallory"));
  Participant again = person("mallory", {"TR_3"});
  again.sid = "PA_new";
  room = {again};
  hook("participant_joined", again);
  pass(60'000);
  EXPECT_EQ(count(Kind::kStart), 0u);
}

TEST_F(PersonPlanTest, ExcludedWhileRunningIsStoppedAtOnce) {
  make();
  room = {person("alice", {"TR_1"})};
  pass(0);
  const PlanAction start = dial_next("EG_1");
  exclude("alice");
  stop_next(start);
  pass(60'000);
  EXPECT_EQ(count(Kind::kStart), 0u);
  plan->set_filter({}, now);
  pass(1000);
  EXPECT_EQ(count(Kind::kStart), 1u);
}

TEST_F(PersonPlanTest, ExcludedBeforeItsAnswerMayNotDialIn) {
  make();
  room = {person("alice", {"TR_1"})};
  pass(0);
  const PlanAction start = next(Kind::kStart);
  exclude("alice");
  EXPECT_EQ(next(Kind::kRevoke).session, start.session);
}

TEST_F(PersonPlanTest, ExcludedWhileAwayIsStoppedToo) {
  make();
  room = {person("alice", {"TR_1"})};
  pass(0);
  dial_next("EG_1");
  room.clear();
  hook("participant_left", person("alice"));
  exclude("alice");
  EXPECT_EQ(count(Kind::kStop), 1u) << "he may come back any time";
}

TEST_F(PersonPlanTest, MachinesAreLeftAlone) {
  make();
  Participant agent = person("agent-x", {"TR_1"});
  agent.machine = true;
  room = {agent};
  hook("participant_joined", agent);
  hook("track_published", agent, "TR_2");
  pass(10'000);
  EXPECT_EQ(count(Kind::kStart), 0u);
}

TEST_F(PersonPlanTest, FailuresAreTriedAgainEverMoreSlowly) {
  make();
  room = {person("alice", {"TR_1"})};
  pass(0);
  int64_t longest = 0;
  for (int i = 1; i <= 10; ++i) {
    const PlanAction start = next(Kind::kStart);
    const std::string id = "EG_" + std::to_string(i);
    plan->on_start_answer(start.session, people_egress(id, start.key), now);
    hook("egress_ended", people_egress(id, start.key, EgressStatus::kFailed, "x509"));
    const int64_t before = now;
    while (count(Kind::kStart) == 0 && now < before + 40'000) pass(50);
    longest = std::max(longest, now - before);
  }
  EXPECT_GE(longest, 15'000);
  EXPECT_LE(longest, 31'000);
}

TEST_F(PersonPlanTest, AKilledHandlerIsReplaced) {
  make();
  room = {person("alice", {"TR_1"})};
  pass(0);
  const PlanAction start = dial_next("EG_1");
  pass(15'000);
  plan->on_connection_ended(start.session, now);
  plan->on_stop_failed(next(Kind::kStop).egress, {Failure::kOver, "EGRESS_FAILED"}, now);
  pass(100);
  EXPECT_EQ(count(Kind::kStart), 1u);
}

TEST_F(PersonPlanTest, NoEgressServiceAndThenOne) {
  make();
  room = {person("alice", {"TR_1"}), person("bob", {"TR_2"})};
  pass(0);
  for (const int64_t end = now + 30'000; now < end; pass(10)) {
    while (count(Kind::kStart) > 0) {
      plan->on_start_failed(next(Kind::kStart).session, {Failure::kUnavailable, "503"}, now);
    }
  }
  const int64_t back = now;
  size_t started = 0;
  while (started < 2 && now < back + 5000) {
    while (count(Kind::kStart) > 0) dial_next("EG_" + std::to_string(++started));
    pass(10);
  }
  EXPECT_LE(now - back, 1000);
}

TEST_F(PersonPlanTest, WhoNeverDialsIsStoppedAndReplaced) {
  make();
  room = {person("alice", {"TR_1"})};
  pass(0);
  const PlanAction start = next(Kind::kStart);
  plan->on_start_answer(start.session, people_egress("EG_1", start.key), now);
  pass(21'000);
  EXPECT_EQ(next(Kind::kStop).egress, "EG_1");
  plan->on_stop_answer("EG_1", now);
  pass(1000);
  EXPECT_EQ(count(Kind::kStart), 1u);
}

TEST_F(PersonPlanTest, LeftoversOfAFormerRunAreStoppedFirstWhateverItsMode) {
  listed = {people_egress("EG_old", "pair/former", EgressStatus::kActive),
            egress("EG_track", "TR_1", EgressStatus::kActive),
            people_egress("EG_mix", "room/mix", EgressStatus::kActive)};
  Egress foreign = people_egress("EG_other", "person/x", EgressStatus::kActive);
  foreign.url = "wss://somebody.else/person/x";
  listed.push_back(foreign);
  Egress another = people_egress("EG_path", "retro/person/x", EgressStatus::kActive);
  listed.push_back(another);  // of an element with another path
  room = {person("alice", {"TR_9"})};
  begin();
  serve();
  EXPECT_EQ(count(Kind::kStart), 0u);
  ASSERT_EQ(count(Kind::kStop), 3u);
  std::set<std::string> stopped;
  for (int i = 0; i < 3; ++i) {
    const std::string id = next(Kind::kStop).egress;
    stopped.insert(id);
    plan->on_stop_answer(id, now);
  }
  EXPECT_EQ(stopped, (std::set<std::string>{"EG_old", "EG_track", "EG_mix"}));
  EXPECT_EQ(count(Kind::kStart), 1u);
}

TEST_F(PersonPlanTest, ALostAnswerIsLookedUpAndTheEgressAdopted) {
  make();
  room = {person("alice", {"TR_1"})};
  pass(0);
  const PlanAction start = next(Kind::kStart);
  plan->on_start_failed(start.session, {Failure::kUnreachable, "timeout"}, now);
  listed = {people_egress("EG_1", start.key, EgressStatus::kActive)};
  pass(0);
  plan->on_dialled(start.session, now);
  pass(60'000);
  EXPECT_EQ(count(Kind::kStart), 0u);
  EXPECT_EQ(count(Kind::kStop), 0u);
}

TEST_F(PersonPlanTest, ShutdownStopsAllAndNamesThem) {
  make();
  room = {person("alice", {"TR_1"})};
  pass(0);
  dial_next("EG_1");
  plan->shut_down(now);
  EXPECT_EQ(plan->unfinished(), People{"alice (EG_1)"});
  plan->on_stop_answer(next(Kind::kStop).egress, now);
  EXPECT_TRUE(plan->finished());
}

// ---- pairs -------------------------------------------------------------------------------------

TEST_F(PairPlanTest, FivePeopleAreThreeSessions) {
  make();
  for (const char* name : {"a", "b", "c", "d", "e"}) {
    room.push_back(person(name, {std::string("TR_") + name}));
  }
  pass(0);
  ASSERT_EQ(count(Kind::kStart), 3u);
  std::multiset<std::string> everybody;
  std::multiset<size_t> sizes;
  for (int i = 0; i < 3; ++i) {
    const PlanAction start = dial_next("EG_" + std::to_string(i));
    sizes.insert(start.people.size());
    for (const auto& who : start.people) everybody.insert(who.identity);
    EXPECT_EQ(start.key.starts_with("pair/"), start.people.size() == 2);
  }
  EXPECT_EQ(sizes, (std::multiset<size_t>{1, 2, 2}));
  EXPECT_EQ(everybody, (std::multiset<std::string>{"a", "b", "c", "d", "e"}));
  pass(120'000);
  EXPECT_EQ(count(Kind::kStart), 0u);
  EXPECT_EQ(count(Kind::kStop), 0u);
}

TEST_F(PairPlanTest, WhoIsHeardAloneMovesInWithWhoComes) {
  make();
  room = {person("alice", {"TR_1"})};
  pass(0);
  const PlanAction alone = dial_next("EG_1");
  pass(3000);
  room.push_back(person("bob", {"TR_2"}));
  pass(1000);
  const PlanAction pair = next(Kind::kStart);
  EXPECT_EQ(identities(pair), (People{"alice", "bob"}));
  plan->on_start_answer(pair.session, people_egress("EG_2", pair.key), now);
  EXPECT_EQ(count(Kind::kStop), 0u) << "she is heard by the first until the second is here";
  plan->on_dialled(pair.session, now);
  EXPECT_EQ(next(Kind::kStop).egress, "EG_1");
  EXPECT_TRUE(has_reason("heard by another egress now"));
  plan->on_stop_answer("EG_1", now);
  plan->on_connection_ended(alone.session, now + 3000);
  pass(120'000);
  EXPECT_EQ(count(Kind::kStart), 0u);
  EXPECT_EQ(count(Kind::kStop), 0u);
  EXPECT_EQ(plan->running(), 1u);
}

TEST_F(PairPlanTest, TheOtherGoesOnWhenOneLeaves) {
  config.away_ms = 10'000;
  make();
  room = {person("alice", {"TR_1"}), person("bob", {"TR_2"})};
  pass(0);
  dial_next("EG_1");
  pass(20'000);
  hook("participant_left", person("alice"));
  room = {person("bob", {"TR_2"})};
  pass(120'000);
  EXPECT_EQ(count(Kind::kStop), 0u);
  EXPECT_EQ(plan->running(), 1u);
  room.push_back(person("carol", {"TR_3"}));
  pass(1000);
  EXPECT_EQ(identities(next(Kind::kStart)), (People{"bob", "carol"})) << "a new session of two";
}

TEST_F(PairPlanTest, WhoComesBackLateAndWithSomebodyElseIsHeardToo) {
  config.away_ms = 10'000;
  make();
  room = {person("kim", {"TR_1"}), person("max", {"TR_2"})};
  pass(0);
  dial_next("EG_1");
  pass(20'000);
  room = {person("kim", {"TR_1"})};
  hook("participant_left", person("max"));
  pass(60'000);
  Participant again = person("max", {"TR_3"});
  again.sid = "PA_new";
  room = {person("kim", {"TR_1"}), again, person("nina", {"TR_4"})};  // both in one answer
  pass(2000);
  EXPECT_EQ(identities(dial_next("EG_2")), People{"nina"}) << "the first one carries max";
  pass(120'000);
  EXPECT_EQ(count(Kind::kStart), 0u);
  EXPECT_EQ(count(Kind::kStop), 0u);
  EXPECT_EQ(plan->running(), 2u);
}

// She was about to move in with somebody else when he came back; that comes to nothing.
TEST_F(PairPlanTest, WhoComesBackDuringAMoveThatFailsIsHeardToo) {
  config.away_ms = 10'000;
  make();
  room = {person("kim", {"TR_1"}), person("max", {"TR_2"})};
  pass(0);
  dial_next("EG_1");
  pass(20'000);
  room = {person("kim", {"TR_1"})};
  hook("participant_left", person("max"));
  pass(60'000);
  room.push_back(person("nina", {"TR_4"}));
  pass(2000);
  const PlanAction move = next(Kind::kStart);
  EXPECT_EQ(identities(move), (People{"kim", "nina"}));
  plan->on_start_answer(move.session, people_egress("EG_2", move.key), now);
  Participant again = person("max", {"TR_3"});
  again.sid = "PA_new";
  room.push_back(again);
  pass(2000);
  EXPECT_EQ(count(Kind::kStart), 0u) << "the first one carries max";
  hook("egress_ended", people_egress("EG_2", move.key, EgressStatus::kFailed, "no"));
  pass(2000);
  EXPECT_EQ(identities(dial_next("EG_3")), People{"nina"});
  pass(40'000);
  EXPECT_EQ(count(Kind::kStart), 0u);
  EXPECT_EQ(count(Kind::kStop), 0u);
  EXPECT_EQ(plan->running(), 2u) << "kim and max, and nina";
}

TEST_F(PairPlanTest, HisPlaceIsKeptForAWhile) {
  make();
  room = {person("alice", {"TR_1"}), person("bob", {"TR_2"})};
  pass(0);
  dial_next("EG_1");
  pass(20'000);
  hook("participant_left", person("alice"));
  room = {person("bob", {"TR_2"}), person("carol", {"TR_3"})};
  pass(20'000);
  EXPECT_EQ(identities(next(Kind::kStart)), People{"carol"});
}

TEST_F(PairPlanTest, OneWhoGoesBeforeItBeginsDoesNotTakeTheOtherWithHim) {
  make();
  room = {person("alice", {"TR_1"}), person("bob", {"TR_2"})};
  pass(0);
  const PlanAction pair = next(Kind::kStart);
  plan->on_start_answer(pair.session, people_egress("EG_1", pair.key), now);
  hook("participant_left", person("alice"));
  room = {person("bob", {"TR_2"})};
  EXPECT_EQ(next(Kind::kStop).egress, "EG_1") << "it would wait for her for 30 s";
  EXPECT_EQ(count(Kind::kStart), 0u);
  plan->on_stop_answer("EG_1", now);
  pass(100);
  EXPECT_EQ(identities(next(Kind::kStart)), People{"bob"});
}

TEST_F(PairPlanTest, APairThatWeStoppedBeforeItBeganHasNotFailed) {
  make();
  room = {person("alice", {"TR_1"}), person("bob", {"TR_2"})};
  pass(0);
  const PlanAction pair = next(Kind::kStart);
  plan->on_start_answer(pair.session, people_egress("EG_1", pair.key), now);
  hook("participant_left", person("alice"));
  room = {person("bob", {"TR_2"})};
  plan->on_stop_answer(next(Kind::kStop).egress, now);
  pass(100);
  EXPECT_EQ(identities(dial_next("EG_2")), People{"bob"});
  Participant again = person("alice", {"TR_3"});
  again.sid = "PA_new";
  room.push_back(again);
  pass(12'000);
  EXPECT_EQ(identities(next(Kind::kStart)), (People{"alice", "bob"})) << "not a minute later";
}

TEST_F(PairPlanTest, ExcludingOneStopsBothAndTheOtherIsAskedForAtOnce) {
  make();
  room = {person("alice", {"TR_1"}), person("bob", {"TR_2"})};
  pass(0);
  dial_next("EG_1");
  pass(20'000);
  exclude("alice");
  EXPECT_EQ(next(Kind::kStop).egress, "EG_1");
  plan->on_stop_answer("EG_1", now);
  pass(100);
  EXPECT_EQ(identities(next(Kind::kStart)), People{"bob"}) << "while the first one's rest comes";
}

TEST_F(PairPlanTest, AfterAFailureEachIsHeardAlone) {
  make();
  room = {person("alice", {"TR_1"}), person("bob", {"TR_2"})};
  pass(0);
  const PlanAction pair = next(Kind::kStart);
  plan->on_start_answer(pair.session, people_egress("EG_1", pair.key), now);
  hook("egress_ended", people_egress("EG_1", pair.key, EgressStatus::kFailed, "not found"));
  pass(1000);
  ASSERT_EQ(count(Kind::kStart), 2u);
  EXPECT_EQ(identities(dial_next("EG_2")).size(), 1u);
  EXPECT_EQ(identities(dial_next("EG_3")).size(), 1u);
  pass(50'000);
  EXPECT_EQ(count(Kind::kStart), 0u);
  pass(15'000);
  EXPECT_EQ(identities(next(Kind::kStart)), (People{"alice", "bob"})) << "tried again";
}

TEST_F(PairPlanTest, AMoveThatFailsLeavesHerWhereSheWas) {
  make();
  room = {person("alice", {"TR_1"})};
  pass(0);
  dial_next("EG_1");
  pass(20'000);
  room.push_back(person("bob", {"TR_2"}));
  pass(1000);
  const PlanAction pair = next(Kind::kStart);
  plan->on_start_answer(pair.session, people_egress("EG_2", pair.key), now);
  hook("egress_ended", people_egress("EG_2", pair.key, EgressStatus::kFailed, "no"));
  pass(1000);
  EXPECT_EQ(identities(next(Kind::kStart)), People{"bob"});
  EXPECT_EQ(count(Kind::kStop), 0u);
  EXPECT_EQ(plan->running(), 1u);
}

TEST_F(PairPlanTest, TwoWhoAreLeftAloneArePutTogether) {
  config.away_ms = 5000;
  make();
  for (const char* name : {"a", "b", "c", "d"}) {
    room.push_back(person(name, {std::string("TR_") + name}));
  }
  pass(0);
  const PlanAction first = dial_next("EG_1");
  const PlanAction second = dial_next("EG_2");
  pass(20'000);
  const std::string gone[] = {first.people[0].identity, second.people[0].identity};
  std::erase_if(room, [&](const Participant& one) {
    return one.identity == gone[0] || one.identity == gone[1];
  });
  pass(10'000);
  const PlanAction pair = next(Kind::kStart);
  EXPECT_EQ(pair.people.size(), 2u);
  EXPECT_EQ(count(Kind::kStart), 0u);
  plan->on_start_answer(pair.session, people_egress("EG_3", pair.key), now);
  plan->on_dialled(pair.session, now);
  EXPECT_EQ(count(Kind::kStop), 2u);
}

TEST_F(PairPlanTest, AKilledPairComesBackAsOne) {
  make();
  room = {person("alice", {"TR_1"}), person("bob", {"TR_2"})};
  pass(0);
  const PlanAction pair = dial_next("EG_1");
  pass(15'000);
  hook("egress_ended", people_egress("EG_1", pair.key, EgressStatus::kFailed, "signal: killed"));
  plan->on_connection_ended(pair.session, now);
  pass(100);
  EXPECT_EQ(next(Kind::kStart).key, pair.key);
}

TEST_F(PairPlanTest, MessagesAreAboutEach) {
  make();
  room = {person("alice", {"TR_1"}), person("bob", {"TR_2"})};
  pass(0);
  dial_next("EG_1");
  take();
  EXPECT_EQ(std::count(told.begin(), told.end(), "connected"), 2);
  plan->shut_down(now);
  EXPECT_EQ(plan->unfinished(), People{"alice and bob (EG_1)"});
}

}  // namespace
}  // namespace livekit
