// SPDX-License-Identifier: LGPL-2.1-or-later
// What LiveKit's servers say, as it was seen on the wire, and rubbish.
#include "livekitapi.h"

#include <gtest/gtest.h>

#include "hostilenames.h"
#include "utf8.h"

#include "jsonreader.h"

namespace livekit {
namespace {

TEST(LivekitApi, TrackPublishedAsWebhooksTellIt) {
  const auto event = parse_webhook(R"({"event":"track_published","room":{"sid":"RM_1",
      "name":"standup"},"participant":{"sid":"PA_1","identity":"alice"},"track":{"sid":"TR_1",
      "source":"MICROPHONE","mimeType":"audio/red","mid":"0","stream":"camera"},"id":"EV_1",
      "createdAt":"1700000000"})");
  ASSERT_TRUE(event);
  EXPECT_EQ(event->event, "track_published");
  EXPECT_EQ(event->room, "standup");
  ASSERT_TRUE(event->participant);
  EXPECT_EQ(event->participant->identity, "alice");
  EXPECT_FALSE(event->participant->machine);
  ASSERT_TRUE(event->track);
  EXPECT_TRUE(event->track->audio) << "audio is the default, and defaults are left out";
  EXPECT_EQ(event->track->source, TrackSource::kMicrophone);
}

TEST(LivekitApi, VideoIsNotAudio) {
  const auto event = parse_webhook(
      R"({"event":"track_published","track":{"sid":"TR_1","type":"VIDEO","source":"CAMERA"}})");
  EXPECT_FALSE(event->track->audio);
  EXPECT_EQ(event->track->source, TrackSource::kOther);
  EXPECT_FALSE(parse_webhook(R"({"event":"x","track":{"type":1}})")->track->audio) << "as a number";
}

TEST(LivekitApi, EgressAsWebhooksTellIt) {
  const auto event = parse_webhook(R"({"event":"egress_ended","egressInfo":{"egressId":"EG_1",
      "roomId":"RM_1","roomName":"standup","status":"EGRESS_FAILED","startedAt":"1",
      "error":"websocket: bad handshake","track":{"roomName":"standup","trackId":"TR_1",
      "websocketUrl":"ws://here:9000/TR_1?{token}"},"streamResults":[{
      "url":"ws://here:9000/TR_1?token=abc","status":"FAILED"}]}})");
  ASSERT_TRUE(event && event->egress);
  EXPECT_EQ(event->room, "standup");
  EXPECT_EQ(event->egress->id, "EG_1");
  EXPECT_EQ(event->egress->track, "TR_1");
  EXPECT_EQ(event->egress->url, "ws://here:9000/TR_1");
  EXPECT_EQ(event->egress->status, EgressStatus::kFailed);
  EXPECT_TRUE(event->egress->over());
  EXPECT_EQ(event->egress->error, "websocket: bad handshake");
  const auto starting =
      parse_webhook(R"({"event":"egress_started","egressInfo":{"egressId":"E"}})");
  EXPECT_EQ(starting->egress->status, EgressStatus::kStarting) << "the default";
}

TEST(LivekitApi, AnswersAreInSnakeCase) {
  const auto list = parse_participants(R"({"participants":[
      {"sid":"PA_1","identity":"alice","state":"ACTIVE","tracks":[{"sid":"TR_1","type":"AUDIO",
       "name":"","muted":false,"source":"MICROPHONE"},{"sid":"TR_2","type":"AUDIO",
       "source":"SCREEN_SHARE_AUDIO"}],"metadata":"m","joined_at":"1700000000","name":"Alice",
       "permission":{"can_subscribe":true,"hidden":false,"recorder":false},"kind":"STANDARD"},
      {"identity":"EG_1","kind":"EGRESS","permission":{"hidden":true,"recorder":true}},
      {"identity":"agent-1","kind":"AGENT"},{"identity":"spy","permission":{"hidden":true}},
      {"identity":"phone","kind":"SIP"},{"identity":"number","kind":4}]})");
  ASSERT_TRUE(list);
  ASSERT_EQ(list->size(), 6u);
  EXPECT_EQ((*list)[0].name, "Alice");
  EXPECT_EQ((*list)[0].metadata, "m");
  ASSERT_EQ((*list)[0].tracks.size(), 2u);
  EXPECT_EQ((*list)[0].tracks[1].source, TrackSource::kScreenShareAudio);
  const bool machines[] = {false, true, true, true, false, true};
  for (size_t i = 0; i < 6; ++i) EXPECT_EQ((*list)[i].machine, machines[i]) << (*list)[i].identity;

  const auto egresses = parse_egress_list(R"({"items":[{"egress_id":"EG_1","room_name":"standup",
      "status":"EGRESS_ACTIVE","track":{"track_id":"TR_1","websocket_url":""},
      "stream_results":[{"url":"wss://here/TR_1?token=x"}]}]})");
  ASSERT_TRUE(egresses && egresses->size() == 1);
  EXPECT_EQ((*egresses)[0].url, "wss://here/TR_1");
  EXPECT_EQ((*egresses)[0].status, EgressStatus::kActive);
  EXPECT_EQ(parse_egress(R"({"egress_id":"EG_7","status":"EGRESS_STARTING"})")->id, "EG_7");
  EXPECT_FALSE(parse_egress("{}"));
  EXPECT_TRUE(parse_egress_list("{}")->empty());
}

TEST(LivekitApi, AttributesAreInOrder) {
  const auto list = parse_participants(R"({"participants":[
      {"identity":"a","attributes":{"z":"1","lk.agent":"x\"y","n":7}},
      {"identity":"b","attributes":{}},{"identity":"c","attributes":[]}]})");
  EXPECT_EQ((*list)[0].attributes, R"({"lk.agent":"x\"y","z":"1"})");
  EXPECT_EQ((*list)[1].attributes, "");
  EXPECT_EQ((*list)[2].attributes, "");
}

TEST(LivekitApi, AnEgressOfPeople) {
  const std::string pair = start_people_egress_body("standup", {"a\"b", "bob"}, "wss://h/pair/X");
  EXPECT_EQ(pair, R"({"room_name":"standup","media":{"audio":{"routes":[)"
                  R"({"participant_identity":"a\"b","channel":"AUDIO_CHANNEL_LEFT"},)"
                  R"({"participant_identity":"bob","channel":"AUDIO_CHANNEL_RIGHT"}]}},)"
                  R"("outputs":[{"stream":{"protocol":"WEBSOCKET","urls":["wss://h/pair/X"]}}]})");
  EXPECT_NE(start_people_egress_body("standup", {"bob"}, "u").find("AUDIO_CHANNEL_BOTH"),
            std::string::npos);
  EXPECT_NE(start_people_egress_body("standup", {}, "u").find(R"("audio":{"capture_all":true})"),
            std::string::npos);
  const auto list = parse_egress_list(R"({"items":[{"egress_id":"E","status":"EGRESS_STARTING",
      "egress":{"outputs":[{"file":{}},{"stream":{"protocol":"WEBSOCKET",
      "urls":["wss://h/pair/X?token=1"]}}]},"stream_results":[]},{"egress_id":"F",
      "stream_results":[{"url":"wss://h/person/Y?token=1"}]}]})");
  EXPECT_EQ((*list)[0].url, "wss://h/pair/X");
  EXPECT_EQ((*list)[0].track, "");
  EXPECT_EQ((*list)[1].url, "wss://h/person/Y");
}

TEST(LivekitApi, RubbishIsNothing) {
  for (const char* bad :
       {"", "null", "[]", "{", "\"x\"", "{\"event\":1}", "{}", "\xff\xfe", "<html>hello</html>"}) {
    EXPECT_FALSE(parse_webhook(bad)) << bad;
  }
  // Other types than expected are as good as absent.
  const auto event = parse_webhook(
      R"({"event":"x","room":[],"participant":{"identity":{},"tracks":[1,null,{}]},"track":null,
          "egressInfo":{"status":{},"streamResults":{}}})");
  ASSERT_TRUE(event);
  EXPECT_EQ(event->participant->tracks.size(), 1u);
  EXPECT_FALSE(event->track);
  EXPECT_TRUE(parse_participants(R"({"participants":{"a":1}})")->empty());
}

TEST(LivekitApi, DepthIsLimited) {
  std::string deep = R"({"event":"x","a":)";
  deep += std::string(100'000, '[') + std::string(100'000, ']') + "}";
  EXPECT_FALSE(parse_webhook(deep));
  EXPECT_TRUE(parse_webhook(
      R"({"event":"x","a":"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[["})"))
      << "brackets in texts do not count";
}

TEST(LivekitApi, AnyIdentitySurvivesTheWayThere) {
  const std::string odd = "a\"b\\c\n\t\x01/../é😀\xe2\x80\xae";
  const JsonText json(list_participants_body(odd));
  ASSERT_TRUE(json.object());
  EXPECT_EQ(json_text(json.object(), "room"), odd);
  const JsonText start(start_track_egress_body(odd, "TR_1", "ws://x/?a=b&c"));
  EXPECT_EQ(json_text(start.object(), "room_name"), odd);
  EXPECT_EQ(json_text(start.object(), "websocket_url"), "ws://x/?a=b&c");
}

TEST(LivekitApi, NamesThatCanBeShown) {
  EXPECT_EQ(printable_name("Zoë \"Z\" <b>"), "Zoë \"Z\" <b>");
  EXPECT_EQ(printable_name("a\nb\rc\x01"
                           "d\x7f"),
            "a b c d ");
  EXPECT_EQ(printable_name("../../etc"), "../../etc") << "files are the sinks' business";
  EXPECT_EQ(printable_name("line\xe2\x80\xa8separator"), "line separator");
  EXPECT_EQ(printable_name("bad\xff"), "bad ");
  EXPECT_EQ(printable_name(std::string(255, 'x') + "é"), std::string(255, 'x'))
      << "not half a letter";
  EXPECT_EQ(printable_name(std::string(1000, 'x')).size(), 256u);
}

TEST(LivekitApi, NamesThatWouldTurnTheTextBesideThem) {
  EXPECT_EQ(printable_name("a\xe2\x80\xae"
                           "b\xe2\x81\xa7"
                           "c\xe2\x80\xac"),
            "abc");
  EXPECT_EQ(printable_name("\xd7\xa9\xe2\x80\x8f!"), "\xd7\xa9\xe2\x80\x8f!")
      << "a mark is harmless";
  EXPECT_EQ(printable_name("\xe2\x80\x9cquoted\xe2\x80\x9d"), "\xe2\x80\x9cquoted\xe2\x80\x9d");
}

TEST(LivekitApi, EveryNameCanBeShownAndSent) {
  for (const std::string& name : hostile_names()) {
    const std::string shown = printable_name(name);
    EXPECT_TRUE(is_printable_utf8(shown)) << name;
    EXPECT_LE(shown.size(), 256u);
    EXPECT_EQ(printable_name(shown), shown);
    const std::string quoted = json_quote(name);
    const JsonText json("{\"participants\":[{\"identity\":" + quoted + ",\"name\":" + quoted +
                        "}]}");
    ASSERT_TRUE(json.object()) << quoted;
    const auto people = parse_participants("{\"participants\":[{\"identity\":" + quoted + "}]}");
    EXPECT_EQ(people->at(0).identity, name);
  }
}

TEST(LivekitApi, AnIdThatIsNoneIsNoTrack) {
  for (const std::string& sid : hostile_names()) {
    const auto people = parse_participants(
        "{\"participants\":[{\"identity\":\"a\",\"tracks\":[{\"sid\":" + json_quote(sid) + "}]}]}");
    const std::string taken = people->at(0).tracks.at(0).sid;
    EXPECT_TRUE(taken.empty() || taken == "WEBVTT") << sid;
  }
  EXPECT_EQ(parse_participants(R"({"participants":[{"tracks":[{"sid":"TR_AMaZ-9_x"}]}]})")
                ->at(0)
                .tracks.at(0)
                .sid,
            "TR_AMaZ-9_x");
}

TEST(LivekitApi, TenThousandParticipants) {
  std::string text = "{\"participants\":[";
  for (int i = 0; i < 10'000; ++i) {
    text += std::string(i ? "," : "") + "{\"identity\":\"p" + std::to_string(i) +
            "\",\"tracks\":[{\"sid\":\"TR_" + std::to_string(i) + "\"}]}";
  }
  EXPECT_EQ(parse_participants(text + "]}")->size(), 10'000u);
}

}  // namespace
}  // namespace livekit
