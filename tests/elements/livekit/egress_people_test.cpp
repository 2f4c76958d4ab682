// SPDX-License-Identifier: LGPL-2.1-or-later
// Egresses of people, of pairs and of the room through the element: a made-up LiveKit API, the real
// listener, callers over loopback.
#include <algorithm>

#include "egressfixture.h"

// As in loopback_test.cpp: GstTestClock keeps entries that no suppression can name.
extern "C" int __lsan_is_turned_off();
extern "C" int __lsan_is_turned_off() {
  return 1;
}

namespace livekit::fake {
namespace {

class PeopleTest : public EgressTest {
 protected:
  void SetUp() override {
    EgressTest::SetUp();
    api_.answer_with("livekit.Egress/StartEgress", [this](const std::string& body) {
      return FakeApi::Answer(
          200, R"({"egress_id":"EG_)" + std::to_string(++egresses_) +
                   R"(","room_name":"standup","status":"EGRESS_STARTING","stream_results":[)" +
                   R"({"url":")" + url_in(body) + "\"}]}");
    });
    set_egress("person");
  }
  void set_egress(const char* mode) {
    gst_util_set_object_arg(G_OBJECT(room_->element()), "egress", mode);
  }
  static std::string url_in(const std::string& body) {
    const std::string start = R"("urls":[")";
    const size_t at = body.find(start) + start.size();
    return body.substr(at, body.find('"', at) - at);
  }
  void tick_until_asked(size_t times = 1) {
    tick_until([=, this] { return calls("Egress/StartEgress") == times; });
  }
  std::string body(size_t n = 0) { return api_.requests("livekit.Egress/StartEgress").at(n).body; }
  std::string dial_people(size_t n = 0) { return address_of(url_in(body(n))); }
  bool heard(const std::string& pad, int16_t sample) {
    const PadSeen seen = room_->seen(pad);
    return std::any_of(seen.buffers.begin(), seen.buffers.end(), [sample](const auto& buffer) {
      return buffer.first_sample == sample && buffer.second_sample == sample;
    });
  }
  void refuses(const std::string& words) {
    EXPECT_EQ(room_->play(), GST_STATE_CHANGE_FAILURE);
    EXPECT_NE(room_->last_error().find(words), std::string::npos) << room_->last_error();
    EXPECT_TRUE(api_.requests().empty());
    room_->stop();
  }

  std::atomic<int> egresses_{0};
};

TEST_F(PeopleTest, OneConnectionFollowsThePerson) {
  people(participant("alice", "Alice", "") + "," + participant("bob", "Bob", "1"));
  room_->play();
  tick_until_asked();
  EXPECT_NE(
      body().find(R"("routes":[{"participant_identity":"bob","channel":"AUDIO_CHANNEL_BOTH"}])"),
      std::string::npos)
      << body();
  Caller egress(port(), dial_people());
  ASSERT_EQ(egress.status(), 101);
  egress.send_audio(960, 1000);
  tick_until([this] { return heard("src_0", 1000); });
  PadSeen pad = room_->seen("src_0");
  EXPECT_EQ(pad.stream_id, "bob");
  EXPECT_EQ(pad.title, "Bob");
  EXPECT_EQ(pad.buffers.back().identity, "bob");
  egress.send_text(R"({"muted":true})");
  tick_until([this] { return room_->has_message("muted bob"); });
  for (const char* tracks : {"", "2", "", "3"}) {
    people(participant("bob", "Bob", tracks));
    const size_t polls = calls("RoomService/ListParticipants");
    tick_until([&] { return calls("RoomService/ListParticipants") > polls + 3; });
  }
  egress.send_audio(960, 2000);
  tick_until([this] { return heard("src_0", 2000); });
  EXPECT_EQ(calls("Egress/StartEgress"), 1u);
  EXPECT_EQ(calls("Egress/StopEgress"), 0u);
  EXPECT_EQ(calls("Egress/StartTrackEgress"), 0u);
  EXPECT_EQ(room_->pads(), 1u);
  room_->stop();
  EXPECT_EQ(calls("Egress/StopEgress"), 1u);
}

TEST_F(PeopleTest, WhoStaysAwayIsStopped) {
  room_->set("away-timeout", 100u);
  people(participant("bob", "Bob", "1"));
  room_->play();
  tick_until_asked();
  Caller egress(port(), dial_people());
  tick_until([this] { return room_->has_message("egress connected bob"); });
  people("");
  tick_until([this] { return calls("Egress/StopEgress") == 1; });
}

TEST_F(PeopleTest, APairIsTakenApart) {
  room_->set("pair", TRUE);
  people(participant("alice", "Alice", "1", R"(,"attributes":{"lang":"en"})") + "," +
         participant("bob", "Bob", "2"));
  room_->play();
  tick_until_asked();
  EXPECT_NE(body().find(R"("participant_identity":"alice","channel":"AUDIO_CHANNEL_LEFT")"),
            std::string::npos);
  EXPECT_NE(body().find(R"("participant_identity":"bob","channel":"AUDIO_CHANNEL_RIGHT")"),
            std::string::npos);
  Caller egress(port(), dial_people());
  ASSERT_EQ(egress.status(), 101);
  {
    Caller again(port(), dial_people());
    EXPECT_EQ(again.status(), 409) << "one connection at a time";
  }
  egress.send_stereo(1920, 1000, -2000);
  tick_until([this] { return heard("src_0", 1000) && heard("src_1", -2000); });
  egress.send_text(R"({"muted":true})");
  egress.send_stereo(1920, 0, -3000);
  tick_until([this] { return heard("src_1", -3000); });
  const PadSeen left = room_->seen("src_0");
  const PadSeen right = room_->seen("src_1");
  EXPECT_EQ(left.caps, right.caps);
  EXPECT_NE(left.caps.find("channels=(int)2"), std::string::npos) << left.caps;
  EXPECT_EQ(left.title, "Alice");
  EXPECT_EQ(left.comment, R"(livekit-attributes={"lang":"en"})");
  EXPECT_EQ(right.title, "Bob");
  EXPECT_EQ(left.stream_id, "alice");
  EXPECT_EQ(right.stream_id, "bob");
  for (const auto& [pad, identity] : {std::pair(left, "alice"), std::pair(right, "bob")}) {
    for (const BufferSeen& buffer : pad.buffers) {
      EXPECT_EQ(buffer.identity, identity);
      EXPECT_EQ(buffer.first_sample, buffer.second_sample);
      EXPECT_FALSE(buffer.muted) << "nobody knows whom that text means";
    }
  }
  EXPECT_TRUE(room_->has_message("added alice"));
  EXPECT_TRUE(room_->has_message("added bob"));
  EXPECT_FALSE(room_->has_message("muted alice"));
  EXPECT_FALSE(room_->has_message("muted bob"));
  EXPECT_EQ(calls("Egress/StartEgress"), 1u);
  people("");  // the room ends
  egress.send_close();
  egress.hang_up();
  tick_until([this] { return room_->seen("src_0").eos && room_->seen("src_1").eos; });
  tick_until(
      [this] { return room_->has_message("egress ended bob") || calls("Egress/StopEgress") > 0; });
}

TEST_F(PeopleTest, SheMovesInWithWhoComes) {
  room_->set("pair", TRUE);
  people(participant("alice", "Alice", "1"));
  room_->play();
  tick_until_asked();
  Caller alone(port(), dial_people());
  alone.send_audio(960, 1000);
  tick_until([this] { return heard("src_0", 1000); });
  people(participant("alice", "Alice", "1") + "," + participant("bob", "Bob", "2"));
  tick_until_asked(2);
  EXPECT_EQ(calls("Egress/StopEgress"), 0u) << "she is heard all the time";
  Caller pair(port(), dial_people(1));
  tick_until([this] { return calls("Egress/StopEgress") == 1; });
  EXPECT_EQ(field(api_.requests("livekit.Egress/StopEgress")[0].body, "egress_id"), "EG_1");
  alone.send_close();
  alone.hang_up();
  pair.send_stereo(1920, 3000, 4000);
  tick_until([this] { return heard("src_1", 3000) && heard("src_2", 4000); });
  EXPECT_TRUE(room_->seen("src_0").eos);
}

TEST_F(PeopleTest, AMixIsNobodys) {
  set_egress("mix");
  people(participant("alice", "Alice", "1") + "," + participant("bob", "Bob", "2"));
  room_->play();
  tick_until_asked();
  EXPECT_NE(body().find(R"("audio":{"capture_all":true})"), std::string::npos) << body();
  Caller egress(port(), dial_people());
  ASSERT_EQ(egress.status(), 101);
  egress.send_text(R"({"muted":true})");
  egress.send_audio(960, 1000);
  tick_until([this] { return heard("src_0", 1000); });
  const PadSeen pad = room_->seen("src_0");
  EXPECT_EQ(pad.title, "standup");
  EXPECT_EQ(pad.stream_id, "mix");
  EXPECT_FALSE(pad.room_clocked) << "a mixer takes it as any other source";
  for (const BufferSeen& buffer : pad.buffers) EXPECT_FALSE(buffer.has_meta);
  EXPECT_TRUE(room_->has_message("added "));
  EXPECT_FALSE(room_->has_message("muted "));
  EXPECT_EQ(room_->pads(), 1u);
  EXPECT_EQ(calls("Egress/StartEgress"), 1u);
}

TEST_F(PeopleTest, WhatDoesNotGoTogether) {
  set_egress("track");
  room_->set("pair", TRUE);
  refuses("pair puts two people into one egress: it needs egress=person");
  set_egress("none");
  refuses("it needs egress=person");
  set_egress("mix");
  refuses("it needs egress=person");
  room_->set("pair", FALSE, "exclude", "mallory");
  refuses("A mix of all has everybody in it");
  room_->set("exclude", "");
  gst_util_set_object_arg(G_OBJECT(room_->element()), "sources", "microphone");
  refuses("sources needs egress=track");
  set_egress("person");
  refuses("sources needs egress=track");
}

TEST_F(PeopleTest, SourcesStayWhatTheyWere) {
  people("");
  room_->play();
  gst_util_set_object_arg(G_OBJECT(room_->element()), "sources", "microphone");
  guint sources = 0;
  g_object_get(room_->element(), "sources", &sources, nullptr);
  EXPECT_EQ(sources, 7u);
}

TEST_F(PeopleTest, NewAttributesReachPadMetasAndMessages) {
  people(participant("bob", "Bob", "1", R"(,"metadata":"m","attributes":{"b":"2","a":"1"})"));
  room_->play();
  tick_until_asked();
  Caller egress(port(), dial_people());
  egress.send_audio(960, 1000);
  tick_until([this] { return heard("src_0", 1000); });
  EXPECT_EQ(room_->seen("src_0").comment,
            R"(livekit-metadata=m, livekit-attributes={"a":"1","b":"2"})");
  EXPECT_EQ(room_->seen("src_0").buffers.back().attributes, R"({"a":"1","b":"2"})");
  people(participant("bob", "Robert", "1", R"(,"attributes":{"a":"3"})"));
  tick_until([this] { return room_->has_message("described bob"); });
  EXPECT_EQ(room_->seen("src_0").comment, R"(livekit-attributes={"a":"3"})");
  EXPECT_EQ(room_->seen("src_0").title, "Robert");
  tick_until([this] { return room_->seen("src_0").buffers.back().name == "Robert"; });
  EXPECT_EQ(room_->seen("src_0").buffers.back().attributes, R"({"a":"3"})");
  EXPECT_NE(room_->all_messages().find(R"x(attributes=(string)"\{\"a\":\"3\"\}")x"),
            std::string::npos)
      << room_->all_messages();
}

}  // namespace
}  // namespace livekit::fake
