// SPDX-License-Identifier: LGPL-2.1-or-later
// The simulated API without a network: what it tells, takes, refuses, and plays.
#include <gtest/gtest.h>

#include <algorithm>

#include "controlfaults.h"
#include "controlrooms.h"
#include "controlserver.h"
#include "egressrecords.h"
#include "livekit/livekitapi.h"
#include "protojson.h"
#include "sessionsound.h"

using namespace egresssim;

namespace {

constexpr int64_t kNow_s = 1'700'000'000;
const livekit::ApiCredentials kCredentials{"devkey", "secret"};

TEST(ProtoJson, AnswersHaveEveryFieldAndWebhooksNoDefaults) {
  const auto write = [](ProtoStyle style, bool filled) {
    return ProtoJson(style)
        .text("room_name", filled ? "a \"b\"" : "")
        .big_number("started_at", filled ? 1795400434604024810 : 0)
        .number("error_code", filled ? 404 : 0)
        .flag("hidden", filled)
        .choice("status", filled ? "EGRESS_ACTIVE" : "EGRESS_STARTING", "EGRESS_STARTING")
        .message("version", filled ? "{}" : "")
        .one_of("track", filled ? "{}" : "")
        .texts("urls", filled ? std::vector<std::string>{"x"} : std::vector<std::string>())
        .json();
  };
  EXPECT_EQ(write(ProtoStyle::kAnswer, false),
            R"({"room_name":"","started_at":"0","error_code":0,"hidden":false,)"
            R"("status":"EGRESS_STARTING","version":null,"urls":[]})");
  EXPECT_EQ(write(ProtoStyle::kWebhook, false), "{}");
  EXPECT_EQ(write(ProtoStyle::kWebhook, true),
            R"({"roomName":"a \"b\"","startedAt":"1795400434604024810","errorCode":404,)"
            R"("hidden":true,"status":"EGRESS_ACTIVE","version":{},"track":{},"urls":["x"]})");
}

// ---- requests and records ----

EgressRequest track_request(const std::string& url = "ws://host:9000/a/TR_1?token=x") {
  TwirpError error;
  const auto request = parse_start(
      "StartTrackEgress",
      R"({"room_name":"standup","track_id":"TR_1","websocket_url":")" + url + "\"}", error);
  EXPECT_TRUE(request) << error.msg;
  return request.value_or(EgressRequest());
}

std::string refusal(const char* method, const std::string& body) {
  TwirpError error;
  if (parse_start(method, body, error)) return "taken";
  EXPECT_EQ(error.status, 400u);
  return error.msg;
}

TEST(EgressRequest, TracksPeopleAndMixesAreTold) {
  const EgressRequest track = track_request();
  EXPECT_EQ(track.kind, EgressRequest::Kind::kTrack);
  EXPECT_EQ(track.room, "standup");
  EXPECT_EQ(track.track, "TR_1");

  TwirpError error;
  const auto pair = parse_start("StartEgress",
                                R"({"room_name":"r","media":{"audio":{"routes":[
           {"participant_identity":"alice","channel":"AUDIO_CHANNEL_LEFT"},
           {"participantIdentity":"bob","channel":2},{"participant_identity":"carol"}]}},
          "outputs":[{"stream":{"protocol":"WEBSOCKET","urls":["ws://h/1","ws://h/2"]}}]})",
                                error);
  ASSERT_TRUE(pair) << error.msg;
  EXPECT_EQ(pair->kind, EgressRequest::Kind::kPeople);
  ASSERT_EQ(pair->routes.size(), 3u);
  EXPECT_EQ(pair->routes[0].side, EgressRoute::Side::kLeft);
  EXPECT_EQ(pair->routes[1].identity, "bob");
  EXPECT_EQ(pair->routes[1].side, EgressRoute::Side::kRight);
  EXPECT_EQ(pair->routes[2].side, EgressRoute::Side::kBoth);
  EXPECT_EQ(pair->urls.size(), 2u);

  const auto mix = parse_start("StartEgress",
                               R"({"room_name":"r","media":{"audio":{"capture_all":true}},
      "outputs":[{"stream":{"protocol":"WEBSOCKET","urls":["wss://h/1"]}}]})",
                               error);
  ASSERT_TRUE(mix) << error.msg;
  EXPECT_EQ(mix->kind, EgressRequest::Kind::kMix);

  const auto composite = parse_start("StartRoomCompositeEgress",
                                     R"({"room_name":"r","audio_only":true,
      "stream_outputs":[{"protocol":"RTMP","urls":["rtmp://h/live/key"]}]})",
                                     error);
  ASSERT_TRUE(composite) << error.msg;
  EXPECT_TRUE(composite->rtmp());
}

TEST(EgressRequest, WhatLiveKitRefusesIsRefused) {
  EXPECT_NE(
      refusal("StartTrackEgress", R"({"room_name":"r","track_id":"T","websocket_url":"http://h/"})")
          .find("invalid scheme"),
      std::string::npos);
  EXPECT_EQ(refusal("StartTrackEgress",
                    R"({"room_name":"r","track_id":"T","websocket_url":"ws://me:secret@h/"})"),
            "malformed ws or wss URL");
  EXPECT_NE(refusal("StartTrackEgress", R"({"room_name":"r","track_id":"T"})").find("output"),
            std::string::npos);
  EXPECT_NE(refusal("StartEgress", R"({"room_name":"r"})").find("media"), std::string::npos);
  EXPECT_NE(refusal("StartEgress", "[1,").find("decoded"), std::string::npos);
}

TEST(EgressRecords, TheQueryIsBlankedInTheRequestOnly) {
  EgressRecords records(1);
  const EgressRecord& record = records.add(track_request(), kNow_s * 1'000'000'000);
  const std::string json = egress_json(record, ProtoStyle::kAnswer);
  EXPECT_NE(json.find(R"("websocket_url":"ws://host:9000/a/TR_1")"), std::string::npos) << json;
  EXPECT_NE(json.find(R"("stream_results":[{"url":"ws://host:9000/a/TR_1?token=x")"),
            std::string::npos);
  // What the receiver's own reader makes of it.
  const auto read = livekit::parse_egress(json);
  ASSERT_TRUE(read);
  EXPECT_EQ(read->id, record.id);
  EXPECT_EQ(read->track, "TR_1");
  EXPECT_EQ(read->url, "ws://host:9000/a/TR_1");
  EXPECT_EQ(read->status, livekit::EgressStatus::kStarting);
  EXPECT_EQ(egress_json(record, ProtoStyle::kWebhook).find("\"status\":\"EGRESS"),
            std::string::npos);
}

TEST(EgressRecords, RtmpKeysAreMasked) {
  TwirpError error;
  const auto request = parse_start("StartRoomCompositeEgress",
                                   R"({"room_name":"r","audio_only":true,
      "stream_outputs":[{"urls":["rtmp://h/live/secret"]}]})",
                                   error);
  ASSERT_TRUE(request);
  EgressRecords records(1);
  const std::string json = egress_json(records.add(*request, 1), ProtoStyle::kAnswer);
  EXPECT_EQ(json.find("secret"), std::string::npos) << json;
  EXPECT_NE(json.find("rtmp://h/live/{s...t}"), std::string::npos) << json;
}

TEST(EgressRecords, ListsByRoomByIdAndActiveOnes) {
  EgressRecords records(7);
  const std::string first = records.add(track_request(), 1).id;
  records.find(first)->state = EgressState::kComplete;
  const std::string second = records.add(track_request(), 2).id;
  EXPECT_NE(first, second);
  EXPECT_NE(EgressRecords(8).add(track_request(), 1).id, first) << "of another run";
  const auto listed = [&](const std::string& body) {
    std::string ids;
    const auto items = livekit::parse_egress_list(records.list(body));
    for (const livekit::Egress& one : items.value_or(std::vector<livekit::Egress>()))
      ids += one.id == first ? "1" : one.id == second ? "2" : "?";
    return ids;
  };
  EXPECT_EQ(listed("{}"), "12");
  EXPECT_EQ(listed(R"({"room_name":"standup","active":true})"), "2");
  EXPECT_EQ(listed(R"({"room_name":"other"})"), "");
  EXPECT_EQ(listed(R"({"egress_id":")" + first + "\"}"), "1");
  records.find(second)->state = EgressState::kEnding;
  EXPECT_EQ(listed(R"({"active":true})"), "2");

  EXPECT_EQ(records.refuse_stop("EG_none")->status, 404u);
  EXPECT_EQ(records.refuse_stop(first)->msg,
            "egress with status EGRESS_COMPLETE cannot be stopped");
  EXPECT_EQ(records.refuse_stop(second)->status, 412u);
  records.find(second)->state = EgressState::kActive;
  EXPECT_FALSE(records.refuse_stop(second));
}

// ---- rooms ----

Participant person(const std::string& identity, double join_s, double leave_s) {
  Participant who;
  who.identity = who.name = identity;
  who.join_s = join_s;
  who.leave_s = leave_s;
  who.track = "TR_" + identity;
  return who;
}

Scenario one_room(std::vector<Participant> people) {
  Scenario scenario;
  scenario.rooms.push_back({"standup", std::move(people)});
  split_publications(scenario.rooms[0]);
  return scenario;
}

TEST(ControlRooms, PeopleAreToldWithTracksMutesAndNames) {
  Participant alice = person("alice", 1, 20);
  alice.unpublished = {{8, 10}};
  alice.mutes = {{2, 4}};
  alice.renames = {{5, "Alice Ames"}};
  alice.metadata = "m";
  Participant agent = person("helper", 0, 30);
  agent.kind = "agent";
  const Scenario scenario = one_room({alice, agent});
  const ControlRooms rooms(scenario, kNow_s);
  const auto at = [&](double now_s) {
    auto people = livekit::parse_participants(rooms.list_participants("standup", now_s, {}));
    EXPECT_TRUE(people);
    return people.value_or(std::vector<livekit::Participant>());
  };
  EXPECT_EQ(at(0.5).size(), 1u);
  EXPECT_TRUE(at(0.5)[0].machine) << "an agent";
  ASSERT_EQ(at(3).size(), 2u);
  EXPECT_EQ(at(3)[0].identity, "alice");
  EXPECT_EQ(at(3)[0].metadata, "m");
  ASSERT_EQ(at(3)[0].tracks.size(), 1u);
  EXPECT_EQ(at(3)[0].tracks[0].sid, "TR_alice");
  EXPECT_EQ(at(3)[0].tracks[0].source, livekit::TrackSource::kMicrophone);
  EXPECT_NE(rooms.list_participants("standup", 3, {}).find("\"muted\":true"), std::string::npos);
  EXPECT_EQ(at(6)[0].name, "Alice Ames");
  EXPECT_TRUE(at(9)[0].tracks.empty()) << "there, without a track";
  EXPECT_EQ(at(11)[0].tracks[0].sid, "TR_alice2");
  EXPECT_EQ(at(11)[0].sid, at(3)[0].sid);
  EXPECT_EQ(at(25).size(), 1u);

  EXPECT_NE(rooms.find_track("standup", "TR_alice", 7), nullptr);
  EXPECT_EQ(rooms.find_track("standup", "TR_alice", 9), nullptr);
  EXPECT_TRUE(rooms.is_present("standup", "alice", 9));
  EXPECT_FALSE(rooms.is_present("standup", "alice", 21));
  EXPECT_NE(rooms.open_room("standup", 49), nullptr);
  EXPECT_EQ(rooms.open_room("standup", 51), nullptr);
  EXPECT_EQ(rooms.open_room("other", 3), nullptr);

  const auto guests = livekit::parse_participants(
      rooms.list_participants("standup", 3, {{"standup", "EG_1", 2}, {"retro", "EG_2", 2}}));
  ASSERT_EQ(guests->size(), 3u);
  EXPECT_TRUE(guests->back().machine);
}

TEST(ControlRooms, HappeningsComeInLiveKitsOrder) {
  Participant alice = person("alice", 0, 5);
  alice.unpublished = {{2, 3}};
  const Scenario scenario = one_room({alice, person("alice", 7, 9)});
  const ControlRooms rooms(scenario, kNow_s);
  std::string told;
  for (const auto& happening : rooms.happenings()) {
    told += happening.event + "@" + std::to_string(int(happening.at_s)) + " ";
    const auto event =
        livekit::parse_webhook(webhook_body(happening.event, happening.body, "EV_1", kNow_s));
    ASSERT_TRUE(event) << happening.body;
    EXPECT_EQ(event->room, "standup");
    if (!happening.track.empty()) {
      EXPECT_TRUE(event->track->audio);
      EXPECT_EQ(event->track->sid, happening.track);
      EXPECT_EQ(event->participant->identity, "alice");
    }
  }
  EXPECT_EQ(told,
            "room_started@0 participant_joined@0 track_published@0 track_unpublished@2 "
            "track_published@3 track_unpublished@5 participant_left@5 participant_joined@7 "
            "track_published@7 track_unpublished@9 participant_left@9 room_finished@29 ");
}

// ---- who may call ----

std::string bearer(const livekit::VideoGrants& grants, const livekit::ApiCredentials& credentials,
                   int64_t now_s = kNow_s) {
  return "Bearer " + livekit::make_api_token(credentials, grants, now_s, 60);
}

TEST(Authorization, GrantsAreThoseOfTheToken) {
  livekit::VideoGrants grants;
  grants.room_record = true;
  grants.room_admin = true;
  grants.room_list = true;
  grants.room = "standup";
  const Authorization good = authorize(bearer(grants, kCredentials), kCredentials, kNow_s);
  EXPECT_EQ(good.refusal.status, 0u);
  EXPECT_TRUE(good.grants.room_record && good.grants.room_admin && good.grants.room_list);
  EXPECT_EQ(good.grants.room, "standup");
  EXPECT_FALSE(authorize("", kCredentials, kNow_s).grants.room_record);
  EXPECT_FALSE(authorize(bearer({}, kCredentials), kCredentials, kNow_s).grants.room_record);
}

TEST(Authorization, WrongTokensAreRefusedInLiveKitsWords) {
  const auto words = [](const std::string& header, int64_t now_s = kNow_s) {
    const Authorization answer = authorize(header, kCredentials, now_s);
    EXPECT_EQ(answer.refusal.status, 401u);
    EXPECT_FALSE(answer.grants.room_record);
    return answer.refusal.msg;
  };
  livekit::VideoGrants grants;
  grants.room_record = true;
  EXPECT_EQ(words(bearer(grants, {"other", "secret"})), "invalid API key: other");
  EXPECT_NE(words(bearer(grants, {"devkey", "guess"})).find("token signature is invalid"),
            std::string::npos);
  EXPECT_NE(words(bearer(grants, kCredentials), kNow_s + 3600).find("token is expired"),
            std::string::npos);
  EXPECT_EQ(words("Bearer rubbish"), "invalid authorization token");
  EXPECT_EQ(words("Basic abc"), "invalid authorization header. Must start with Bearer ");
}

TEST(DataLog, PayloadsAreReadable) {
  EXPECT_EQ(data_line(R"({"room":"r","data":"eyJhIjoxfQ==","kind":"RELIABLE","topic":"t",)"
                      R"("destination_identities":["x","y"]})",
                      1.5),
            R"({"at_s": 1.500, "room": "r", "topic": "t", "kind": "RELIABLE", )"
            R"("destination_identities": ["x", "y"], "text": "{\"a\":1}"})");
  EXPECT_NE(data_line(R"({"room":"r","data":"/w=="})", 0).find(R"("base64": "/w==")"),
            std::string::npos);
  EXPECT_EQ(data_line("no json", 0), "");
}

// ---- faults ----

TEST(ControlFaults, AreReadFromTheirText) {
  std::string error;
  const auto busy = parse_fault("unavailable@5:30", 100, error);
  ASSERT_TRUE(busy) << error;
  EXPECT_EQ(busy->kind, ControlFault::Kind::kUnavailable);
  EXPECT_EQ(busy->from_s, 105);
  EXPECT_EQ(busy->to_s, 135);
  const auto late = parse_fault("delay@0:1.5", 0, error);
  ASSERT_TRUE(late);
  EXPECT_EQ(late->length_s, 1.5);
  EXPECT_GT(late->to_s, 1e12);
  const auto who = parse_fault("fail@2=a=b@c", 0, error);
  ASSERT_TRUE(who) << error;
  EXPECT_EQ(who->who, "a=b@c");
  for (const char* bad : {"", "fail", "fail@", "fail@x", "fail@-1", "fail@nan", "bang@1",
                          "fail@1:y", "delay@1", "fail@1e99"}) {
    EXPECT_FALSE(parse_fault(bad, 0, error)) << bad;
    EXPECT_NE(error.find("kill-after"), std::string::npos);
  }

  ControlFaults faults;
  faults.add(*who);
  faults.add(*busy);
  EXPECT_EQ(faults.find(ControlFault::Kind::kFail, 3, "a=b@c", "TR"), &faults.all()[0]);
  EXPECT_EQ(faults.find(ControlFault::Kind::kFail, 3, "x", "a=b@c"), &faults.all()[0]);
  EXPECT_EQ(faults.find(ControlFault::Kind::kFail, 3, "bob", "TR"), nullptr);
  EXPECT_EQ(faults.find(ControlFault::Kind::kFail, 1, "a=b@c"), nullptr);
  EXPECT_NE(faults.find(ControlFault::Kind::kUnavailable, 134.9), nullptr);
  EXPECT_EQ(faults.find(ControlFault::Kind::kUnavailable, 135), nullptr);
}

// ---- what sessions play ----

Placement tone(double at_s, double seconds, int16_t value) {
  auto audio = std::make_shared<Audio>();
  audio->samples.assign(static_cast<size_t>(seconds * kRateHz), value);
  return {audio, at_s};
}

int16_t sample(const Placement& placement, double at_s, int channel = 0) {
  const auto frame = static_cast<size_t>((at_s - placement.at_s) * kRateHz + 0.5);
  const auto channels = static_cast<size_t>(placement.audio->channels);
  return placement.audio->samples.at(frame * channels + static_cast<size_t>(channel));
}

TEST(SessionSound, NothingIsHeardWhileMutedOrUnpublished) {
  Participant alice = person("alice", 1, 5);
  alice.mutes = {{2, 3}};
  const Placement whole = tone(3.5, 1, 700);
  EXPECT_EQ(heard_part(whole, alice, EgressRoute::Side::kBoth).audio, whole.audio) << "no copy";
  const Placement heard = heard_part(tone(0, 6, 700), alice, EgressRoute::Side::kBoth);
  for (const double silent_s : {0.0, 0.99, 2.0, 2.99, 5.01, 5.9})
    EXPECT_EQ(sample(heard, silent_s), 0) << silent_s;
  for (const double loud_s : {1.01, 1.99, 3.01, 4.99})
    EXPECT_EQ(sample(heard, loud_s), 700) << loud_s;
}

TEST(SessionSound, TwoPeopleAreStrictlyApart) {
  const Scenario scenario = one_room({person("alice", 0, 9), person("bob", 0, 9)});
  const RoomPlacements placements = {{tone(1, 2, 500)}, {tone(2, 2, -900)}};
  const SessionSound sound =
      people_sound(scenario.rooms[0], placements,
                   {{"alice", EgressRoute::Side::kLeft}, {"bob", EgressRoute::Side::kRight}}, 29,
                   kLowLatency, 1);
  EXPECT_EQ(sound.who->leave_s, 29);
  EXPECT_FALSE(sound.input.comfort_noise);
  ASSERT_EQ(sound.input.placements.size(), 2u);
  EXPECT_EQ(sample(sound.input.placements[0], 1.5, 0), 500);
  EXPECT_EQ(sample(sound.input.placements[0], 1.5, 1), 0);
  EXPECT_EQ(sample(sound.input.placements[1], 2.5, 0), 0);
  EXPECT_EQ(sample(sound.input.placements[1], 2.5, 1), -900);
}

TEST(SessionSound, APersonIsAllItsTracksAndAMixIsEverybody) {
  Participant alice = person("alice", 0, 9);
  alice.mutes = {{6, 8}};
  const Scenario scenario = one_room({alice, person("bob", 0, 4), person("bob", 6, 9)});
  const RoomPlacements placements = {{tone(1, 1, 1)}, {tone(2, 1, 2)}, {tone(7, 1, 3)}};
  const SessionSound bob = people_sound(scenario.rooms[0], placements,
                                        {{"bob", EgressRoute::Side::kBoth}}, 29, kLowLatency, 1);
  ASSERT_EQ(bob.input.placements.size(), 2u);
  EXPECT_EQ(sample(bob.input.placements[1], 7.5), 3);
  const SessionSound mix = mix_sound(scenario.rooms[0], placements, 29, kLowLatency, 1);
  EXPECT_EQ(mix.input.placements.size(), 3u);
  ASSERT_EQ(mix.input.told_mutes.size(), 1u);
  const TrackPlan plan = plan_track(mix.input);
  EXPECT_EQ(plan.muted.size(), 1u) << "only what comes after its end";
  EXPECT_EQ(std::count_if(plan.controls.begin(), plan.controls.end(),
                          [](const auto& c) { return c.kind == ControlEvent::Kind::kText; }),
            2);
}

}  // namespace
