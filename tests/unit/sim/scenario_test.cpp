// SPDX-License-Identifier: LGPL-2.1-or-later
#include "scenario.h"

#include <gtest/gtest.h>

#include "options.h"
#include "trackplan.h"

using namespace egresssim;

namespace {

std::string error_of(const std::string& json) {
  std::string error;
  EXPECT_FALSE(parse_scenario(json, "meeting.json", "/data", error));
  return error;
}

TEST(Scenario, ReadsAllFields) {
  const std::string json = R"({
    "comment": "all fields", "profile": "low-latency", "format": "opus", "seed": 7,
    "rooms": [{"name": "standup", "participants": [
      {"identity": "alice", "name": "Alice A.", "track": "TR_a", "voice": "slt", "pitch": 0.9,
       "join_s": 1, "leave_s": 20.5, "mutes": [[3, 5.5], [6, 7]], "clock_ppm": 100, "jitter_ms": 30,
       "clips": [{"text": "Good morning.", "at_s": 2},
                 {"file": "a.wav", "text": "Hello.", "at_s": 4, "repeat_s": 5, "gain": 0.5}],
       "faults": [{"type": "stall", "at_s": 8, "duration_s": 3}, {"type": "reset", "at_s": 15}]},
      {"identity": "bob"}]}]})";
  std::string error;
  const auto scenario = parse_scenario(json, "meeting.json", "/data", error);
  ASSERT_TRUE(scenario) << error;
  EXPECT_EQ(scenario->latency.first_message_ms, 250);
  EXPECT_EQ(scenario->latency.audio_ms, 288);
  EXPECT_EQ(scenario->audio, AudioKind::kOpus);
  EXPECT_EQ(scenario->seed, 7u);
  const Participant& alice = scenario->rooms.at(0).participants.at(0);
  EXPECT_EQ(alice.name, "Alice A.");
  EXPECT_EQ(alice.track, "TR_a");
  EXPECT_EQ(alice.leave_s, 20.5);
  ASSERT_EQ(alice.mutes.size(), 2u);
  EXPECT_EQ(alice.mutes[0].to_s, 5.5);
  ASSERT_EQ(alice.clips.size(), 2u);
  EXPECT_EQ(alice.clips[0].voice, "slt");
  EXPECT_EQ(alice.clips[0].pitch, 0.9);
  EXPECT_EQ(alice.clips[1].file, "/data/a.wav");
  EXPECT_EQ(alice.clips[1].gain, 0.5);
  ASSERT_EQ(alice.faults.size(), 2u);
  EXPECT_EQ(alice.faults[0].kind, Fault::Kind::kStall);
  EXPECT_EQ(alice.faults[1].kind, Fault::Kind::kReset);
  EXPECT_FALSE(scenario->rooms[0].participants[1].leave_s);
}

TEST(Scenario, LatencyInMillisecondsBeatsTheProfile) {
  std::string error;
  const auto scenario = parse_scenario(
      R"({"latency_ms": 40, "rooms": [{"name": "r", "participants": [{"identity": "a"}]}]})", "x",
      "", error);
  ASSERT_TRUE(scenario) << error;
  EXPECT_EQ(scenario->latency.first_message_ms, 40);
  EXPECT_EQ(scenario->latency.audio_ms, 60);
}

TEST(Scenario, ErrorsNameFileLineAndWhatToDo) {
  // A JSON mistake: the parser's own line.
  EXPECT_EQ(error_of("{\n  \"rooms\": [,]\n}").rfind("meeting.json:2:", 0), 0u);
  EXPECT_EQ(error_of("[]"), "meeting.json:1: a scenario is a JSON object: {\"rooms\": [...]}");
  const std::string unknown = error_of(
      "{\n\"rooms\": [\n{\"name\": \"r\",\n\"participants\": [\n{\"identity\": \"a\",\n"
      "\"speed\": 2}]}]}");
  EXPECT_EQ(unknown.rfind("meeting.json:6: unknown \"speed\" in a participant", 0), 0u) << unknown;
  const std::string kind = error_of(
      "{\"rooms\": [{\"name\": \"r\", \"participants\": [{\"identity\": \"a\",\n"
      "\"join_s\": \"now\"}]}]}");
  EXPECT_EQ(kind, "meeting.json:2: \"join_s\" must be a number");
  EXPECT_NE(error_of("{}").find("no room"), std::string::npos);
}

TEST(Scenario, RefusesWhatCannotBePlayed) {
  const auto with = [](const std::string& fields) {
    return error_of(R"({"rooms": [{"name": "r", "participants": [{"identity": "a", )" + fields +
                    "}]}]}");
  };
  EXPECT_NE(with(R"("join_s": 5, "leave_s": 4)").find("must be after"), std::string::npos);
  EXPECT_NE(with(R"("mutes": [[2, 2]])").find("must end after it starts"), std::string::npos);
  EXPECT_NE(with(R"("mutes": [[2, 5], [4, 6]])").find("not overlap"), std::string::npos);
  EXPECT_NE(with(R"("mutes": [2, 5])").find("list of pairs"), std::string::npos);
  EXPECT_NE(with(R"("clips": [{"at_s": 1}])").find("needs a \"file\""), std::string::npos);
  EXPECT_NE(with(R"("clips": [{"text": "Hi", "at_s": 1}])").find("needs a \"voice\""),
            std::string::npos);
  EXPECT_NE(with(R"("clips": [{"text": "Hi", "voice": "slt"}])").find("needs \"at_s\""),
            std::string::npos);
  EXPECT_NE(with(R"("clips": [{"file": "a", "at_s": 1, "repeat_s": 2}])").find("leave_s"),
            std::string::npos);
  EXPECT_NE(with(R"("faults": [{"type": "stall", "at_s": 1}])").find("duration_s"),
            std::string::npos);
  EXPECT_NE(with(R"("faults": [{"type": "bang", "at_s": 1}])").find("one of: stall"),
            std::string::npos);
  EXPECT_NE(with(R"("unpublished": [[4, 2]])").find("unpublished"), std::string::npos);
  EXPECT_NE(with(R"("kind": "robot")").find("agent"), std::string::npos);
  EXPECT_NE(with(R"("pitch": 9)").find("between 0.5 and 2"), std::string::npos);
}

TEST(Scenario, ClonesHaveOwnRoomsIdentitiesAndTracks) {
  Scenario scenario;
  scenario.rooms.push_back({"standup", {}});
  Participant alice;
  alice.identity = "alice";
  alice.track = "TR_fixed";
  scenario.rooms[0].participants.push_back(alice);
  alice.identity = "bob";
  scenario.rooms[0].participants.push_back(alice);
  const Scenario clones = clone_scenario(scenario, 2, 3);
  ASSERT_EQ(clones.rooms.size(), 2u);
  EXPECT_EQ(clones.rooms[0].name, "standup-1");
  EXPECT_EQ(clones.rooms[1].name, "standup-2");
  ASSERT_EQ(clones.rooms[1].participants.size(), 3u);
  EXPECT_EQ(clones.rooms[1].participants[1].identity, "bob");
  EXPECT_EQ(clones.rooms[1].participants[2].identity, "alice-2");
  EXPECT_EQ(clones.rooms[1].participants[0].track, "");
  // Fewer people than there are; and nothing asked, nothing changed.
  EXPECT_EQ(clone_scenario(scenario, 0, 1).rooms[0].participants.size(), 1u);
  EXPECT_EQ(clone_scenario(scenario, 0, 0).rooms[0].participants[0].track, "TR_fixed");
}

TEST(Scenario, TrackIdsLookLikeLiveKitsAndDoNotChange) {
  const std::string id = make_track_id("standup", "alice", 1);
  EXPECT_EQ(id.size(), 15u);
  EXPECT_EQ(id.rfind("TR_", 0), 0u);
  EXPECT_EQ(id, make_track_id("standup", "alice", 1));
  EXPECT_NE(id, make_track_id("standup", "bob", 1));
  EXPECT_NE(id, make_track_id("standup-2", "alice", 1));
}

TEST(Scenario, EachPublicationIsATrackOfItsOwn) {
  std::string error;
  auto scenario = parse_scenario(
      R"({"rooms": [{"name": "r", "participants": [
        {"identity": "a", "voice": "slt", "join_s": 1, "leave_s": 20, "unpublished": [[0, 3], [8, 10]],
         "renames": [{"at_s": 5, "name": "A. B."}], "kind": "agent", "metadata": "m",
         "clips": [{"text": "one", "at_s": 4}, {"text": "lost", "at_s": 9}, {"text": "two", "at_s": 11}]},
        {"identity": "b"}]}]})",
      "x", "", error);
  ASSERT_TRUE(scenario) << error;
  split_publications(scenario->rooms[0]);
  const auto& people = scenario->rooms[0].participants;
  ASSERT_EQ(people.size(), 3u);
  EXPECT_EQ(people[0].join_s, 3);
  EXPECT_EQ(people[0].leave_s, 8);
  EXPECT_EQ(people[0].present_from_s, 1);
  EXPECT_EQ(people[0].present_to_s, 20);
  ASSERT_EQ(people[0].clips.size(), 1u);
  EXPECT_EQ(people[0].clips[0].text, "one");
  EXPECT_EQ(people[1].join_s, 10);
  EXPECT_EQ(people[1].leave_s, 20);
  EXPECT_EQ(people[1].stay, people[0].stay);
  ASSERT_EQ(people[1].clips.size(), 1u);
  EXPECT_EQ(people[1].clips[0].text, "two");
  EXPECT_NE(people[2].stay, people[0].stay);
  EXPECT_FALSE(people[2].leave_s);
  EXPECT_EQ(name_at(people[0], 4.9), people[0].name);
  EXPECT_EQ(name_at(people[0], 5), "A. B.");
}

TEST(Scenario, WhoeverDoesNotLeaveStaysUntilTheRoomEnds) {
  Scenario scenario;
  scenario.rooms.push_back({"r", {}});
  Participant alice;
  alice.identity = "alice";
  alice.clips.push_back({});
  alice.clips[0].at_s = 4;
  Participant bob;
  bob.identity = "bob";
  bob.leave_s = 2;
  scenario.rooms[0].participants = {alice, bob};
  complete_leave_times(scenario, [](const Clip&) { return 1.5; });
  EXPECT_EQ(scenario.rooms[0].participants[0].leave_s, 6.5);
  EXPECT_EQ(scenario.rooms[0].participants[1].leave_s, 2.0);
}

TEST(Options, SpeakIsParsed) {
  std::string identity, error;
  Clip clip;
  ASSERT_TRUE(parse_speak("alice=hello.wav@1.5", identity, clip, error));
  EXPECT_EQ(identity, "alice");
  EXPECT_EQ(clip.file, "hello.wav");
  EXPECT_EQ(clip.at_s, 1.5);
  EXPECT_EQ(clip.text, "");
  ASSERT_TRUE(parse_speak("bob=voice:rms@2:Mail me@home: now.", identity, clip, error));
  EXPECT_EQ(clip.file, "");
  EXPECT_EQ(clip.voice, "rms");
  EXPECT_EQ(clip.text, "Mail me@home: now.");
  EXPECT_FALSE(parse_speak("alice=hello.wav", identity, clip, error));
  EXPECT_FALSE(parse_speak("=hello.wav@1", identity, clip, error));
  EXPECT_NE(error.find("IDENTITY=FILE@SECOND"), std::string::npos);
}

}  // namespace
