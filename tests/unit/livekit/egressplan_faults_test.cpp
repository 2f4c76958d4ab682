// SPDX-License-Identifier: LGPL-2.1-or-later
// What a real LiveKit was seen to do, told to the plan one story at a time: all that goes wrong.
#include "egressplan.h"

#include "planfixture.h"

namespace livekit {
namespace {

TEST_F(PlanTest, FailedAfterA200IsTriedAgainEverMoreSlowly) {
  make();
  room = {person("alice", {"TR_1"})};
  pass(0);
  int64_t longest = 0;
  for (int i = 1; i <= 12; ++i) {
    const PlanAction start = next(Kind::kStart);
    const std::string id = "EG_" + std::to_string(i);
    plan->on_start_answer(start.session, egress(id, "TR_1"), now);
    hook("egress_ended", egress(id, "TR_1", EgressStatus::kFailed,
                                "x509: certificate signed by unknown authority"));
    EXPECT_EQ(next(Kind::kRevoke).session, start.session);
    EXPECT_EQ(count(Kind::kStart), 0u) << "never at once";
    const int64_t before = now;
    while (count(Kind::kStart) == 0 && now < before + 40'000) pass(50);
    longest = std::max(longest, now - before);
  }
  EXPECT_TRUE(has_reason("x509: certificate signed by unknown authority")) << "the server's words";
  EXPECT_GE(longest, 15'000);
  EXPECT_LE(longest, 31'000);
}

TEST_F(PlanTest, FailureBeforeTheAnswerToItsStart) {
  make();
  room = {person("alice", {"TR_1"})};
  pass(0);
  const PlanAction start = next(Kind::kStart);
  hook("egress_started", egress("EG_1", "TR_1"));
  hook("egress_ended", egress("EG_1", "TR_1", EgressStatus::kFailed, "bad handshake"));
  plan->on_start_answer(start.session, egress("EG_1", "TR_1"), now);
  pass(2000);
  EXPECT_TRUE(has_reason("bad handshake"));
  EXPECT_EQ(count(Kind::kStart), 1u);
  EXPECT_EQ(count(Kind::kStop), 0u);
}

TEST_F(PlanTest, WithoutWebhooksAFailureIsFoundByAsking) {
  make();
  room = {person("alice", {"TR_1"})};
  pass(0);
  const PlanAction start = next(Kind::kStart);
  plan->on_start_answer(start.session, egress("EG_1", "TR_1"), now);
  pass(3000);
  EXPECT_EQ(next(Kind::kCheckEgress).egress, "EG_1");
  const Egress failed = egress("EG_1", "TR_1", EgressStatus::kFailed, "connection refused");
  plan->on_egress_checked("EG_1", &failed, now);
  EXPECT_TRUE(has_reason("connection refused"));
  pass(1000);
  EXPECT_EQ(count(Kind::kStart), 1u);
}

TEST_F(PlanTest, WhoNeverDialsIsStoppedAndReplaced) {
  make();
  room = {person("alice", {"TR_1"})};
  pass(0);
  const PlanAction start = next(Kind::kStart);
  plan->on_start_answer(start.session, egress("EG_1", "TR_1"), now);
  for (int i = 0; i < 20; ++i) {
    pass(1000);
    while (count(Kind::kCheckEgress) > 0) {
      const Egress starting = egress("EG_1", "TR_1");
      plan->on_egress_checked(next(Kind::kCheckEgress).egress, &starting, now);
    }
  }
  EXPECT_EQ(next(Kind::kStop).egress, "EG_1");
  EXPECT_EQ(count(Kind::kStart), 0u) << "not before the first is stopped";
  plan->on_stop_answer("EG_1", now);
  EXPECT_EQ(next(Kind::kRevoke).session, start.session);
  pass(1000);
  EXPECT_EQ(count(Kind::kStart), 1u);
}

TEST_F(PlanTest, NoEgressServiceForHalfAMinuteAndAllRunWithinASecondOfItsReturn) {
  make();
  room = {person("alice", {"TR_1"}), person("bob", {"TR_2"}), person("carol", {"TR_3"})};
  pass(0);
  int refused = 0;
  const int64_t end = now + 30'000;
  while (now < end) {
    while (count(Kind::kStart) > 0) {
      ++refused;
      plan->on_start_failed(next(Kind::kStart).session, {Failure::kUnavailable, "no response"},
                            now);
    }
    pass(10);
  }
  EXPECT_LE(refused, 60) << "one tries for all";
  const int64_t back = now;
  std::set<std::string> started;
  while (started.size() < 3 && now < back + 5000) {
    while (count(Kind::kStart) > 0) {
      const PlanAction start = next(Kind::kStart);
      started.insert(start.track);
      plan->on_start_answer(start.session, egress("EG_" + start.track, start.track), now);
      plan->on_dialled(start.session, now);
    }
    pass(10);
  }
  EXPECT_EQ(started.size(), 3u);
  EXPECT_LE(now - back, 1000);
}

TEST_F(PlanTest, AtMostNinetyRetriesAMinute) {
  make();
  for (int i = 0; i < 40; ++i)
    room.push_back(person("p" + std::to_string(i), {"TR_" + std::to_string(i)}));
  pass(0);
  int retries = -40;
  int id = 0;
  const int64_t end = now + 60'000;
  while (now < end) {
    while (count(Kind::kStart) > 0) {
      ++retries;
      const PlanAction start = next(Kind::kStart);
      const std::string egress_id = "EG_" + std::to_string(++id);
      plan->on_start_answer(start.session, egress(egress_id, start.track), now);
      hook("egress_ended", egress(egress_id, start.track, EgressStatus::kFailed, "no"));
    }
    pass(20);
  }
  EXPECT_LE(retries, 90);
  EXPECT_GE(retries, 60);
}

TEST_F(PlanTest, AKilledHandlerIsReplacedAtOnce) {
  make();
  room = {person("alice", {"TR_1"})};
  pass(0);
  const uint64_t session = run("TR_1", "EG_1");
  pass(15'000);
  plan->on_connection_ended(session, now);
  hook("egress_ended", egress("EG_1", "TR_1", EgressStatus::kFailed, "signal: killed"));
  pass(60);
  EXPECT_EQ(next(Kind::kStart).track, "TR_1");
}

TEST_F(PlanTest, AKilledHandlerOfWhichNoWebhookTells) {
  make();
  room = {person("alice", {"TR_1"})};
  pass(0);
  const uint64_t session = run("TR_1", "EG_1");
  pass(15'000);
  plan->on_connection_ended(session, now);
  EXPECT_EQ(next(Kind::kStop).egress, "EG_1") << "nobody may be billed for it";
  EXPECT_EQ(count(Kind::kStart), 0u);
  plan->on_stop_failed("EG_1", {Failure::kOver, "egress with status EGRESS_FAILED"}, now);
  pass(60);
  EXPECT_EQ(next(Kind::kStart).track, "TR_1");
}

TEST_F(PlanTest, LeftoversOfAFormerRunAreStoppedBeforeTheirTracksAreAskedFor) {
  begin();
  room = {person("alice", {"TR_1"}), person("bob", {"TR_2"})};
  Egress foreign = egress("EG_other", "TR_2", EgressStatus::kActive);
  foreign.url = "wss://somebody.else/TR_2";
  Egress file = egress("EG_file", "", EgressStatus::kActive);
  listed = {egress("EG_old", "TR_1", EgressStatus::kActive), foreign, file,
            egress("EG_done", "TR_2", EgressStatus::kEnding)};
  serve();
  EXPECT_TRUE(was_told("leftover"));
  EXPECT_EQ(next(Kind::kStop).egress, "EG_old");
  EXPECT_EQ(count(Kind::kStop), 0u) << "what others have started is theirs";
  EXPECT_EQ(next(Kind::kStart).track, "TR_2");
  EXPECT_EQ(count(Kind::kStart), 0u);
  plan->on_stop_answer("EG_old", now);
  EXPECT_EQ(next(Kind::kStart).track, "TR_1");
}

TEST_F(PlanTest, NothingIsStartedBeforeLeftoversAreKnown) {
  begin();
  next(Kind::kListEgress);
  next(Kind::kListParticipants);
  plan->on_egress_list_failed({Failure::kUnreachable, "timeout"}, now);
  plan->on_participants({person("alice", {"TR_1"})}, now);
  EXPECT_EQ(count(Kind::kStart), 0u);
  pass(1000);
  EXPECT_EQ(count(Kind::kStart), 1u);
}

TEST_F(PlanTest, ServerUnreachableAtStartAndLaterThere) {
  reachable = false;
  begin();
  room = {person("alice", {"TR_1"})};
  pass(60'000);
  EXPECT_EQ(std::count(told.begin(), told.end(), "unreachable"), 1) << "said once";
  EXPECT_TRUE(has_reason("Connection refused"));
  reachable = true;
  pass(1000);
  EXPECT_TRUE(was_told("reachable"));
  EXPECT_EQ(count(Kind::kStart), 1u);
}

TEST_F(PlanTest, TheRoomIsNotThereYet) {
  make();
  pass(0);
  for (int i = 0; i < 5; ++i) {
    now += 1000;
    plan->on_time(now);
    next(Kind::kListParticipants);
    plan->on_participants_failed({Failure::kNotFound, "requested room does not exist"}, now);
  }
  EXPECT_FALSE(was_told("unreachable"));
  hook("room_started", Participant());
  room = {person("alice", {"TR_1"})};
  pass(1100);
  EXPECT_EQ(count(Kind::kStart), 1u);
}

TEST_F(PlanTest, TheRoomEndsAndOpensAgain) {
  make();
  room = {person("alice", {"TR_1"})};
  pass(0);
  const uint64_t session = run("TR_1", "EG_1");
  pass(20'000);
  room.clear();
  plan->on_connection_ended(session, now);
  hook("egress_ended", egress("EG_1", "TR_1", EgressStatus::kComplete));
  hook("room_finished", Participant());
  pass(10'000);
  EXPECT_EQ(count(Kind::kStart), 0u);
  room = {person("alice", {"TR_9"})};
  hook("room_started", Participant());
  pass(100);
  EXPECT_EQ(next(Kind::kStart).track, "TR_9");
}

TEST_F(PlanTest, ALostAnswerIsLookedUpAndTheEgressAdopted) {
  make();
  room = {person("alice", {"TR_1"})};
  pass(0);
  const PlanAction start = next(Kind::kStart);
  now += 5000;
  plan->on_start_failed(start.session, {Failure::kUnreachable, "timeout"}, now);
  EXPECT_EQ(count(Kind::kStart), 0u);
  listed = {egress("EG_1", "TR_1", EgressStatus::kActive)};
  pass(0);
  EXPECT_EQ(count(Kind::kStart), 0u);
  EXPECT_EQ(count(Kind::kStop), 0u);
  plan->on_dialled(start.session, now);
  EXPECT_EQ(plan->running(), 1u);
  pass(60'000);
  EXPECT_EQ(count(Kind::kStart), 0u);
}

TEST_F(PlanTest, ALostAnswerToWhatWasNeverStarted) {
  make();
  room = {person("alice", {"TR_1"})};
  pass(0);
  const PlanAction start = next(Kind::kStart);
  plan->on_start_failed(start.session, {Failure::kUnreachable, "reset"}, now);
  pass(2000);
  EXPECT_EQ(next(Kind::kRevoke).session, start.session);
  const PlanAction again = next(Kind::kStart);
  EXPECT_NE(again.session, start.session) << "a token of its own";
}

TEST_F(PlanTest, DialledInBeforeTheAnswer) {
  make();
  room = {person("alice", {"TR_1"})};
  pass(0);
  const PlanAction start = next(Kind::kStart);
  plan->on_dialled(start.session, now);
  plan->on_start_failed(start.session, {Failure::kUnavailable, "no response"}, now + 100);
  EXPECT_EQ(count(Kind::kRevoke), 0u) << "it runs, whatever the server says";
  listed = {egress("EG_1", "TR_1", EgressStatus::kActive)};
  pass(1000);
  EXPECT_EQ(count(Kind::kStart), 0u);
  plan->shut_down(now);
  EXPECT_EQ(next(Kind::kStop).egress, "EG_1");
}

TEST_F(PlanTest, ADoubleIsStopped) {
  make();
  room = {person("alice", {"TR_1"})};
  pass(0);
  run("TR_1", "EG_1");
  listed = {egress("EG_1", "TR_1", EgressStatus::kActive),
            egress("EG_2", "TR_1", EgressStatus::kActive)};
  pass(31'000);
  EXPECT_EQ(next(Kind::kStop).egress, "EG_2");
  EXPECT_EQ(count(Kind::kStop), 0u);
}

TEST_F(PlanTest, APollThatIsBehindDoesNotEndATrack) {
  make();
  pass(0);
  hook("participant_joined", person("alice"));
  hook("track_published", person("alice"), "TR_1");
  run("TR_1", "EG_1");
  pass(30'000);  // polls that do not show it
  EXPECT_EQ(plan->running(), 1u);
  EXPECT_EQ(count(Kind::kStop), 0u) << "its audio still comes";
}

// ---- an egress machine that is lost: LiveKit lists its egresses on, and has nobody to stop them
// ----

const CallFailure kNobody{Failure::kUnavailable, "no response from servers"};

TEST_F(PlanTest, ALostMachineIsReplacedThoughNobodyAnswersForIt) {
  make();
  room = {person("alice", {"TR_1"})};
  pass(0);
  const uint64_t session = run("TR_1", "EG_1");
  listed = {egress("EG_1", "TR_1", EgressStatus::kActive)};
  pass(60'000);
  plan->on_connection_ended(session, now);
  const int64_t lost = now;
  answer_stops(kNobody, 10'000);
  EXPECT_EQ(next(Kind::kRevoke).session, session);
  EXPECT_TRUE(has_reason("no egress service answers for it"));
  const uint64_t second = run("TR_1", "EG_2");
  listed.push_back(egress("EG_2", "TR_1", EgressStatus::kActive));
  EXPECT_LE(now - lost, 10'000);
  const int tries = answer_stops(kNobody, 300'000);
  EXPECT_LE(tries, 25) << "rarely, from now on";
  EXPECT_GE(tries, 8) << "but it may come back, and be billed";
  EXPECT_EQ(plan->running(), 1u);
  EXPECT_EQ(count(Kind::kStart), 0u);
  // The server has tidied up.
  listed = {egress("EG_2", "TR_1", EgressStatus::kActive)};
  answer_stops(kNobody, 31'000);
  EXPECT_EQ(answer_stops(kNobody, 120'000), 0);
  plan->shut_down(now);
  EXPECT_EQ(plan->unfinished(), std::vector<std::string>{"alice (TR_1, EG_2)"});
  plan->on_stop_answer(next(Kind::kStop).egress, now);
  plan->on_connection_ended(second, now);
  EXPECT_TRUE(plan->finished());
}

// As livekit-server answers (measured): 408 after 3 s.
TEST_F(PlanTest, TwoStopsThatTimedOutInTheServerAreALostMachine) {
  make();
  room = {person("alice", {"TR_1"})};
  pass(0);
  plan->on_connection_ended(run("TR_1", "EG_1"), now);
  listed = {egress("EG_1", "TR_1", EgressStatus::kActive)};
  const int64_t lost = now;
  for (int stops = 0; count(Kind::kStart) == 0 && now - lost < 60'000; stops++) {
    pass(50);
    if (count(Kind::kStop) == 0) continue;
    const std::string id = next(Kind::kStop).egress;
    pass(3000);
    plan->on_stop_failed(id, {Failure::kTimedOut, "request timed out (HTTP 408)"}, now);
  }
  EXPECT_EQ(next(Kind::kStart).track, "TR_1");
  EXPECT_GE(now - lost, 6000) << "one may have been slow";
  EXPECT_LE(now - lost, 7500);
  EXPECT_FALSE(was_told("unreachable")) << "the server answers";
}

TEST_F(PlanTest, AStartThatTimedOutInTheServerMayHaveBeenDone) {
  make();
  room = {person("alice", {"TR_1"})};
  pass(0);
  const PlanAction asked = next(Kind::kStart);
  plan->on_start_failed(asked.session, {Failure::kTimedOut, "request timed out (HTTP 408)"}, now);
  listed = {egress("EG_1", "TR_1", EgressStatus::kActive)};
  pass(5000);
  EXPECT_EQ(count(Kind::kStart), 0u) << "it is adopted";
  EXPECT_FALSE(was_told("unreachable")) << "the server answers";
}

TEST_F(PlanTest, ALostMachineOfWhichTheServerOnlySaysNothing) {
  make();
  room = {person("alice", {"TR_1"})};
  pass(0);
  plan->on_connection_ended(run("TR_1", "EG_1"), now);
  listed = {egress("EG_1", "TR_1", EgressStatus::kActive)};
  answer_stops({Failure::kUnreachable, "no answer within 10000 ms"}, 60'000);
  EXPECT_EQ(next(Kind::kStart).track, "TR_1");
}

TEST_F(PlanTest, WhileTheServerIsAwayNobodyIsTakenForLost) {
  make();
  room = {person("alice", {"TR_1"})};
  pass(0);
  const uint64_t session = run("TR_1", "EG_1");
  reachable = false;
  pass(2000);
  plan->on_connection_ended(session, now);
  answer_stops({Failure::kUnreachable, "Connection refused"}, 120'000);
  EXPECT_EQ(count(Kind::kStart), 0u);
  reachable = true;
  pass(1000);
  plan->on_stop_answer(next(Kind::kStop).egress, now);
  pass(1000);
  EXPECT_EQ(next(Kind::kStart).track, "TR_1");
}

TEST_F(PlanTest, WhatStillSendsIsNotTakenForLost) {
  make();
  room = {person("alice", {"TR_1"})};
  pass(0);
  run("TR_1", "EG_1");
  exclude("alice");
  plan->set_filter({}, now);
  answer_stops(kNobody, 60'000);
  EXPECT_EQ(count(Kind::kStart), 0u) << "it would be heard twice";
}

TEST_F(PlanTest, ShutdownNamesWhatALostMachineLeftAndTriesOnceMore) {
  make();
  room = {person("alice", {"TR_1"})};
  pass(0);
  plan->on_connection_ended(run("TR_1", "EG_1"), now);
  listed = {egress("EG_1", "TR_1", EgressStatus::kActive)};
  answer_stops(kNobody, 60'000);
  todo.clear();
  EXPECT_EQ(plan->lost(), std::vector<std::string>{"TR_1 (EG_1)"});
  plan->shut_down(now);
  EXPECT_EQ(next(Kind::kStop).egress, "EG_1");
  EXPECT_FALSE(plan->finished());
  plan->on_stop_failed("EG_1", kNobody, now);
  const auto left = plan->unfinished();
  EXPECT_EQ(std::count(left.begin(), left.end(), "TR_1 (EG_1)"), 1);
}

TEST_F(PersonPlanTest, ALostMachineIsReplaced) {
  make();
  room = {person("alice", {"TR_1"})};
  pass(0);
  const PlanAction first = dial_next("EG_1");
  listed = {people_egress("EG_1", first.key, EgressStatus::kActive)};
  pass(60'000);
  plan->on_connection_ended(first.session, now);
  answer_stops(kNobody, 10'000);
  EXPECT_EQ(next(Kind::kStart).key, first.key);
}

TEST_F(PersonPlanTest, LeftoversOnALostMachineDoNotKeepEverybodyDeaf) {
  listed = {people_egress("EG_old", "person/former", EgressStatus::kActive)};
  room = {person("alice", {"TR_1"})};
  begin();
  serve();
  EXPECT_EQ(count(Kind::kStart), 0u);
  answer_stops(kNobody, 10'000);
  EXPECT_EQ(identities(next(Kind::kStart)), People{"alice"});
}

TEST_F(PersonPlanTest, LeftoversThatAreNotListedAnyMoreAreForgotten) {
  listed = {people_egress("EG_old", "person/former", EgressStatus::kActive)};
  room = {person("alice", {"TR_1"})};
  begin();
  serve();
  plan->on_stop_failed(next(Kind::kStop).egress, {Failure::kDenied, "not now"}, now);
  listed.clear();
  pass(31'000);
  EXPECT_EQ(identities(next(Kind::kStart)), People{"alice"});
  plan->shut_down(now);
  EXPECT_EQ(plan->unfinished(), People{"alice"});
}

TEST_F(MixPlanTest, ALostMachineIsReplaced) {
  make();
  room = {person("alice", {"TR_1"})};
  pass(0);
  const PlanAction first = dial_next("EG_1");
  listed = {people_egress("EG_1", first.key, EgressStatus::kActive)};
  pass(60'000);
  plan->on_connection_ended(first.session, now);
  answer_stops(kNobody, 10'000);
  EXPECT_EQ(next(Kind::kStart).key, "room/mix");
}

// ------------------------------------------------------------------------------------------------

TEST_F(PlanTest, ShutdownStopsAllAndWaitsForAnswersUnderWay) {
  make();
  room = {person("alice", {"TR_1"}), person("bob", {"TR_2"})};
  pass(0);
  run("TR_1", "EG_1");
  const PlanAction start = next(Kind::kStart);
  plan->shut_down(now);
  EXPECT_EQ(next(Kind::kStop).egress, "EG_1");
  EXPECT_FALSE(plan->finished());
  plan->on_stop_answer("EG_1", now);
  EXPECT_EQ(plan->unfinished(), std::vector<std::string>{"bob (TR_2)"});
  plan->on_start_answer(start.session, egress("EG_2", "TR_2"), now);
  EXPECT_EQ(next(Kind::kStop).egress, "EG_2");
  plan->on_stop_failed("EG_2", {Failure::kUnreachable, "reset"}, now);
  EXPECT_EQ(plan->unfinished(), std::vector<std::string>{"bob (TR_2, EG_2)"});
  pass(1000);
  EXPECT_EQ(next(Kind::kStop).egress, "EG_2");
  plan->on_stop_answer("EG_2", now);
  EXPECT_TRUE(plan->finished());
  EXPECT_EQ(count(Kind::kStart), 0u);
}

TEST_F(PlanTest, ARefusedKeyIsNotTriedEverySecond) {
  make();
  room = {person("alice", {"TR_1"})};
  pass(0);
  int tries = 0;
  const int64_t end = now + 120'000;
  while (now < end) {
    while (count(Kind::kStart) > 0) {
      ++tries;
      plan->on_start_failed(next(Kind::kStart).session, {Failure::kDenied, "permissions denied"},
                            now);
    }
    pass(100);
  }
  EXPECT_LE(tries, 15);
  EXPECT_GE(tries, 4);
}

}  // namespace
}  // namespace livekit
