// SPDX-License-Identifier: LGPL-2.1-or-later
// What a real LiveKit was seen to do, told to the plan one story at a time: tracks that come and
// go.
#include "egressplan.h"

#include "planfixture.h"

namespace livekit {
namespace {

TEST_F(PlanTest, APublishedTrackOfSomebodyKnownIsAskedForAtOnce) {
  make();
  pass(0);
  hook("participant_joined", person("alice"));
  hook("track_published", person("alice"), "TR_1");
  const PlanAction start = next(Kind::kStart);
  EXPECT_EQ(start.track, "TR_1");
  ASSERT_EQ(start.people.size(), 1u);
  EXPECT_EQ(start.people[0].identity, "alice");
  EXPECT_EQ(start.people[0].name, "alice Smith");
  EXPECT_NE(start.session, 0u);
  plan->on_start_answer(start.session, egress("EG_1", "TR_1"), now);
  plan->on_dialled(start.session, now);
  take();
  EXPECT_EQ(told, (std::vector<std::string>{"requested", "started", "connected"}));
  EXPECT_EQ(plan->running(), 1u);
  room = {person("alice", {"TR_1"})};
  pass(600'000);
  EXPECT_EQ(count(Kind::kStart), 0u) << "one is enough";
  EXPECT_EQ(count(Kind::kStop), 0u);
}

TEST_F(PlanTest, ATrackOfSomebodyUnknownWaitsForThePoll) {
  make();
  pass(500);
  polls = 0;
  hook("track_published", person("alice"), "TR_1");
  EXPECT_EQ(count(Kind::kStart), 0u) << "it could be an agent";
  EXPECT_EQ(count(Kind::kListParticipants), 1u) << "asked at once";
  room = {person("alice", {"TR_1"})};
  pass(0);
  EXPECT_EQ(polls, 1);
  EXPECT_EQ(next(Kind::kStart).track, "TR_1");
}

TEST_F(PlanTest, PollingAloneFindsATrackWithinItsInterval) {
  make();
  pass(100);
  room = {person("alice", {"TR_1"})};
  pass(999);
  EXPECT_EQ(count(Kind::kStart), 1u);
}

TEST_F(PlanTest, PollsBecomeRareWhileWebhooksCome) {
  make();
  hook("participant_joined", person("alice"));
  polls = 0;
  pass(50'000);
  EXPECT_LE(polls, 6);
  pass(20'000);
  polls = 0;
  pass(50'000);
  EXPECT_GE(polls, 45) << "no webhook for a minute";
}

TEST_F(PlanTest, MachinesAreLeftAlone) {
  make();
  Participant agent = person("agent-x", {"TR_1"});
  agent.machine = true;
  room = {agent};
  pass(10'000);
  hook("participant_joined", agent);
  hook("track_published", agent, "TR_2");
  pass(10'000);
  EXPECT_EQ(count(Kind::kStart), 0u);
}

TEST_F(PlanTest, VideoIsNotAskedFor) {
  make();
  room = {person("alice")};
  room[0].tracks = {{"TR_v", false, TrackSource::kOther}};
  pass(5000);
  EXPECT_EQ(count(Kind::kStart), 0u);
}

TEST_F(PlanTest, TheExcludedAreNeverAskedForHoweverTheyComeBack) {
  EgressFilter filter;
  filter.exclude = {"mallory"};
  make(filter);
  hook("participant_joined", person("mallory"));
  hook("track_published", person("mallory"), "TR_1");
  room = {person("mallory", {"TR_1"})};
  pass(5000);
  hook("track_unpublished", person("mallory"), "TR_1");
  hook("track_published", person("mallory"), "TR_2");  // again
  pass(1000);
  hook("participant_left", person("mallory"));
  Participant again = person("mallory", {"TR_3"});  // rejoins with another id
  again.sid = "PA_new";
  room = {again};
  hook("participant_joined", again);
  pass(60'000);
  EXPECT_EQ(count(Kind::kStart), 0u);
}

TEST_F(PlanTest, IncludeMeansNobodyElse) {
  EgressFilter filter;
  filter.include = {"alice", "mallory"};
  filter.exclude = {"mallory"};
  make(filter);
  room = {person("alice", {"TR_1"}), person("bob", {"TR_2"}), person("mallory", {"TR_3"})};
  pass(5000);
  EXPECT_EQ(next(Kind::kStart).track, "TR_1");
  EXPECT_EQ(count(Kind::kStart), 0u);
}

TEST_F(PlanTest, ExcludedWhileRunningIsStopped) {
  make();
  room = {person("alice", {"TR_1"})};
  pass(0);
  const uint64_t session = run("TR_1", "EG_1");
  exclude("alice");
  EXPECT_EQ(next(Kind::kStop).egress, "EG_1");
  plan->on_stop_answer("EG_1", now);
  plan->on_connection_ended(session, now + 3000);
  EXPECT_EQ(next(Kind::kRevoke).session, session);
  pass(60'000);
  EXPECT_EQ(count(Kind::kStart), 0u);
}

TEST_F(PlanTest, ExcludedBeforeTheAnswerMayNotDialIn) {
  make();
  room = {person("alice", {"TR_1"}), person("bob", {"TR_2"})};
  pass(0);
  const PlanAction alice = next(Kind::kStart);
  const PlanAction bob = next(Kind::kStart);
  exclude("alice");
  EXPECT_EQ(next(Kind::kRevoke).session, alice.session) << "not only when it can be stopped";
  EXPECT_EQ(count(Kind::kRevoke), 0u);
  plan->set_filter({}, now);
  plan->on_start_answer(alice.session, egress("EG_1", "TR_1"), now);
  EXPECT_EQ(next(Kind::kStop).egress, "EG_1") << "it cannot come in any more";
  plan->on_start_answer(bob.session, egress("EG_2", "TR_2"), now);
  plan->on_stop_answer("EG_1", now);
  pass(1000);
  EXPECT_EQ(next(Kind::kStart).track, "TR_1");
  EXPECT_EQ(count(Kind::kStop), 0u);
}

TEST_F(PlanTest, ExcludedWhileTheAnswerIsLostMayNotDialIn) {
  make();
  room = {person("alice", {"TR_1"})};
  pass(0);
  const PlanAction start = next(Kind::kStart);
  plan->on_start_failed(start.session, {Failure::kUnreachable, "timeout"}, now);
  EgressFilter filter;
  filter.include = {"bob"};
  plan->set_filter(filter, now);
  EXPECT_EQ(next(Kind::kRevoke).session, start.session);
  plan->on_dialled(start.session, now);
  EXPECT_EQ(next(Kind::kRevoke).session, start.session);
  EXPECT_EQ(next(Kind::kHangUp).session, start.session) << "let in a moment before";
}

TEST_F(PlanTest, ExcludedWhileRunningIsCutAtOnce) {
  make();
  room = {person("alice", {"TR_1"})};
  pass(0);
  const uint64_t session = run("TR_1", "EG_1");
  EgressFilter filter;
  filter.sources = static_cast<unsigned>(TrackSource::kOther);
  plan->set_filter(filter, now);
  EXPECT_EQ(next(Kind::kRevoke).session, session) << "whether it can be stopped or not";
  EXPECT_EQ(next(Kind::kStop).egress, "EG_1");
}

TEST_F(PlanTest, WithoutPollsIncludedAgainIsAskedForAtOnce) {
  config.poll_ms = 0;
  make();
  room = {person("alice", {"TR_1"})};
  pass(0);
  const uint64_t session = run("TR_1", "EG_1");
  exclude("alice");
  plan->on_connection_ended(session, now);
  plan->on_stop_answer(next(Kind::kStop).egress, now);
  pass(60'000);
  EXPECT_EQ(count(Kind::kStart), 0u);
  plan->set_filter({}, now);
  pass(100);
  EXPECT_EQ(next(Kind::kStart).track, "TR_1");
}

TEST_F(PlanTest, ExcludedAndIncludedAgainIsNotHeardTwice) {
  make();
  room = {person("alice", {"TR_1"})};
  pass(0);
  const uint64_t session = run("TR_1", "EG_1");
  exclude("alice");
  next(Kind::kStop);
  plan->on_stop_answer("EG_1", now);
  plan->set_filter({}, now);
  pass(2000);
  EXPECT_EQ(count(Kind::kStart), 0u) << "the first one's last seconds still come";
  plan->on_connection_ended(session, now);
  pass(500);
  EXPECT_EQ(next(Kind::kStart).track, "TR_1");
}

TEST_F(PlanTest, AStoppedOneThatNeverHangsUpIsNotWaitedForForever) {
  make();
  room = {person("alice", {"TR_1"})};
  pass(0);
  run("TR_1", "EG_1");
  plan->shut_down(now);
  plan->on_stop_answer(next(Kind::kStop).egress, now);
  EXPECT_TRUE(plan->finished());
  EXPECT_FALSE(plan->quiet());
  pass(6000);
  EXPECT_TRUE(plan->quiet());
}

TEST_F(PlanTest, OnlyTheSourcesAskedFor) {
  EgressFilter filter;
  filter.sources = static_cast<unsigned>(TrackSource::kScreenShareAudio);
  make(filter);
  room = {person("alice", {"TR_mic", "TR_screen"})};
  room[0].tracks[1].source = TrackSource::kScreenShareAudio;
  pass(2000);
  EXPECT_EQ(next(Kind::kStart).track, "TR_screen");
  EXPECT_EQ(count(Kind::kStart), 0u);
}

TEST_F(PlanTest, AnEndedTrackEndsByItself) {
  make();
  room = {person("alice", {"TR_1"})};
  pass(0);
  const uint64_t session = run("TR_1", "EG_1");
  pass(20'000);
  hook("track_unpublished", person("alice"), "TR_1");
  room = {person("alice")};
  hook("egress_updated", egress("EG_1", "TR_1", EgressStatus::kEnding));
  pass(2800);
  plan->on_connection_ended(session, now);
  hook("egress_ended", egress("EG_1", "TR_1", EgressStatus::kComplete));
  EXPECT_EQ(next(Kind::kRevoke).session, session);
  pass(60'000);
  EXPECT_EQ(count(Kind::kStop), 0u);
  EXPECT_EQ(count(Kind::kStart), 0u);
  EXPECT_TRUE(plan->finished());
}

TEST_F(PlanTest, WithPollsOnlyAnEndedTrackIsNotAskedForAgain) {
  make();
  room = {person("alice", {"TR_1"})};
  pass(0);
  const uint64_t session = run("TR_1", "EG_1");
  pass(20'000);
  room = {person("alice")};
  pass(400);
  plan->on_connection_ended(session, now);  // low-latency settings: before two polls
  plan->on_stop_failed(next(Kind::kStop).egress, {Failure::kOver, "egress is complete"}, now);
  pass(60'000);
  EXPECT_EQ(count(Kind::kStart), 0u);
}

TEST_F(PlanTest, RepublishingIsANewTrackAndANewEgress) {
  make();
  room = {person("alice", {"TR_1"})};
  pass(0);
  run("TR_1", "EG_1");
  hook("track_unpublished", person("alice"), "TR_1");
  hook("track_published", person("alice"), "TR_2");
  EXPECT_EQ(next(Kind::kStart).track, "TR_2") << "without waiting for the first one's end";
}

TEST_F(PlanTest, ALateWebhookDoesNotBringATrackBack) {
  make();
  hook("participant_joined", person("alice"));
  hook("track_unpublished", person("alice"), "TR_1");
  hook("track_published", person("alice"), "TR_1");
  pass(30'000);
  EXPECT_EQ(count(Kind::kStart), 0u);
}

TEST_F(PlanTest, NamesFollowTheApi) {
  make();
  room = {person("alice", {"TR_1"})};
  pass(0);
  EXPECT_EQ(next(Kind::kRename).name, "alice Smith");
  room[0].name = "Dr. Alice";
  room[0].metadata = "{\"team\":1}";
  room[0].attributes = "{\"lang\":\"en\"}";
  pass(1000);
  const PlanAction rename = next(Kind::kRename);
  EXPECT_EQ(rename.identity, "alice");
  EXPECT_EQ(rename.name, "Dr. Alice");
  EXPECT_EQ(rename.metadata, "{\"team\":1}");
  EXPECT_EQ(rename.attributes, "{\"lang\":\"en\"}");
  pass(5000);
  EXPECT_EQ(count(Kind::kRename), 0u);
}

TEST_F(PlanTest, AThousandPeopleAtOnce) {
  make();
  for (int i = 0; i < 1000; ++i) {
    room.push_back(person("p" + std::to_string(i), {"TR_" + std::to_string(i)}));
  }
  pass(0);
  size_t started = 0;
  while (count(Kind::kStart) > 0) {
    EXPECT_LE(count(Kind::kStart), 16u) << "the service is not flooded";
    const PlanAction start = next(Kind::kStart);
    ++started;
    plan->on_start_answer(start.session, egress("EG_" + start.track, start.track), now);
    plan->on_dialled(start.session, now);
  }
  EXPECT_EQ(started, 1000u);
  EXPECT_EQ(plan->running(), 1000u);
}

TEST_F(PlanTest, TenThousandPeopleOfWhomSomeSpeak) {
  make();
  for (int i = 0; i < 10'000; ++i) {
    const std::string number = std::to_string(i);
    room.push_back(i % 50 == 0 ? person("p" + number, {"TR_" + number}) : person("p" + number));
  }
  pass(0);
  size_t started = 0;
  while (count(Kind::kStart) > 0) {
    const PlanAction start = next(Kind::kStart);
    ++started;
    plan->on_start_answer(start.session, egress("EG_" + start.track, start.track), now);
    plan->on_dialled(start.session, now);
  }
  EXPECT_EQ(started, 200u);
  // All but one leave between two polls, and come back under other ids.
  room.erase(room.begin() + 1, room.end());
  pass(12'000);
  EXPECT_LE(plan->running(), 200u);
  for (int i = 1; i < 10'000; ++i) {
    const std::string number = std::to_string(i);
    room.push_back(i % 50 == 0 ? person("p" + number, {"TR_again" + number})
                               : person("p" + number));
  }
  pass(12'000);
  EXPECT_GT(count(Kind::kStart), 0u);
}

}  // namespace
}  // namespace livekit
