// SPDX-License-Identifier: LGPL-2.1-or-later
// livekitwssrc that starts its egresses itself: a made-up LiveKit API, the real listener. Pads are
// driven by a test clock; the API's thread is waited for.
#include <algorithm>
#include <cstring>
#include <memory>
#include <mutex>
#include <vector>

#include "egressfixture.h"
#include "gst/livekit/jsonreader.h"
#include "gst/livekit/utf8.h"
#include "tests/unit/livekit/hostilenames.h"

// As in loopback_test.cpp: GstTestClock keeps entries that no suppression can name.
extern "C" int __lsan_is_turned_off();
extern "C" int __lsan_is_turned_off() {
  return 1;
}

namespace livekit::fake {
namespace {

TEST_F(EgressTest, ARoomsNameIsAllItTakes) {
  people(participant("alice", "Alice \\\"A\\\" Doe\\n", "1"));
  EXPECT_EQ(room_->play(), GST_STATE_CHANGE_SUCCESS);
  tick_until([this] { return calls("Egress/StartTrackEgress") == 1; });
  {
    Caller stranger(port(), "/alice/TR_1");
    EXPECT_EQ(stranger.status(), 401);
  }
  Caller egress(port(), dial_address());
  EXPECT_EQ(egress.status(), 101);
  {
    Caller again(port(), dial_address());
    EXPECT_EQ(again.status(), 409) << "one connection at a time";
  }
  egress.send_audio(480, 1000);
  tick_until([this] { return room_->pads() == 1 && room_->seen("src_0").buffers.size() > 2; });
  const PadSeen pad = room_->seen("src_0");
  EXPECT_EQ(pad.stream_id, "TR_1");
  EXPECT_EQ(pad.title, "Alice \"A\" Doe ") << "the API's word; it can be shown";
  EXPECT_EQ(pad.buffers.back().identity, "alice");
  EXPECT_TRUE(room_->has_message("egress requested alice"));
  EXPECT_TRUE(room_->has_message("egress started alice"));
  EXPECT_TRUE(room_->has_message("egress connected alice"));
  for (int i = 0; i < 20; ++i) tick();
  EXPECT_EQ(calls("Egress/StartTrackEgress"), 1u);
  room_->stop();
  ASSERT_EQ(calls("Egress/StopEgress"), 1u);
  EXPECT_EQ(field(api_.requests("livekit.Egress/StopEgress")[0].body, "egress_id"), "EG_TR_1");
}

TEST_F(EgressTest, NoTextHasATokenOrTheSecret) {
  people(participant("alice", "Alice", "1"));
  // A server that quotes all it was given.
  api_.answer_with("livekit.Egress/StartTrackEgress", [](const std::string& body) {
    return FakeApi::Answer(400, R"({"code":"invalid_argument","msg":"bad url )" +
                                    field(body, "websocket_url") + " secret " + kSecret + "\"}");
  });
  room_->play();
  tick_until([this] { return !room_->last_warning().empty(); });
  EXPECT_TRUE(room_->has_message("egress failed alice"));
  const std::string address = dial_address();
  const std::string token = address.substr(address.find("token=") + 6);
  EXPECT_GT(token.size(), 40u);
  GstStructure* stats = room_->stats();
  gchar* text = gst_structure_to_string(stats);
  gst_structure_free(stats);
  const std::string all = room_->all_messages() + room_->last_warning() + text;
  g_free(text);
  EXPECT_NE(all.find("bad url ws://127.0.0.1"), std::string::npos) << all;
  EXPECT_EQ(all.find(token), std::string::npos);
  EXPECT_EQ(all.find(kSecret), std::string::npos);
}

TEST_F(EgressTest, AWrongKeyIsAnErrorBeforePlayingInTheServersWords) {
  for (const char* method : {"livekit.Egress/ListEgress", "livekit.RoomService/ListParticipants"}) {
    api_.answer(method, 401, "invalid API key: APIkey\n");
  }
  EXPECT_EQ(room_->play(), GST_STATE_CHANGE_FAILURE);
  EXPECT_EQ(room_->last_error(), "LiveKit's API says: invalid API key: APIkey (HTTP 401).");
  room_->stop();
  people("");
  api_.answer("livekit.Egress/ListEgress", 200, "{}");  // the key is right now
  EXPECT_EQ(room_->play(), GST_STATE_CHANGE_SUCCESS);
}

TEST_F(EgressTest, AMissingGrantIsAnErrorToo) {
  api_.answer("livekit.RoomService/ListParticipants", 403,
              R"({"code":"permission_denied","msg":"permissions denied"})");
  EXPECT_EQ(room_->play(), GST_STATE_CHANGE_FAILURE);
  EXPECT_NE(room_->last_error().find("permissions denied"), std::string::npos);
}

TEST_F(EgressTest, WhatIsMissingIsNamed) {
  room_->set("room", nullptr, "api-secret", nullptr);
  EXPECT_EQ(room_->play(), GST_STATE_CHANGE_FAILURE);
  EXPECT_EQ(room_->last_error(),
            "To start egresses, set: room, api-secret (or LIVEKIT_API_SECRET).");
  room_->stop();
  room_->set("room", "standup", "api-secret", "x", "livekit-url", "wss://far.example");
  EXPECT_EQ(room_->play(), GST_STATE_CHANGE_FAILURE);
  EXPECT_NE(room_->last_error().find("public-url"), std::string::npos);
  EXPECT_TRUE(api_.requests().empty());
}

TEST_F(EgressTest, TheEnvironmentIsTheDefault) {
  g_setenv("LIVEKIT_URL", api_.url().c_str(), TRUE);
  g_setenv("LIVEKIT_API_KEY", kKey, TRUE);
  // As read from a file.
  g_setenv("LIVEKIT_API_SECRET", (std::string(kSecret) + "\r\n").c_str(), TRUE);
  room_->set("livekit-url", nullptr, "api-key", nullptr, "api-secret", nullptr);
  EXPECT_EQ(room_->play(), GST_STATE_CHANGE_SUCCESS);
  EXPECT_GE(calls("Egress/ListEgress"), 1u);
}

TEST_F(EgressTest, WithoutEgressNobodyIsAsked) {
  gst_util_set_object_arg(G_OBJECT(room_->element()), "egress", "none");
  EXPECT_EQ(room_->play(), GST_STATE_CHANGE_SUCCESS);
  Caller caller(port(), "/alice/TR_1");
  EXPECT_EQ(caller.status(), 101) << "everybody may call, as ever";
  EXPECT_EQ(hook("{}"), 426u) << "no webhooks either";
  tick(10);
  EXPECT_TRUE(api_.requests().empty());
}

TEST_F(EgressTest, AServerThatHangsIsTriedAgain) {
  api_.hang("livekit.Egress/ListEgress");
  api_.hang("livekit.RoomService/ListParticipants");
  EXPECT_EQ(room_->play(), GST_STATE_CHANGE_SUCCESS) << "after a few seconds";
  EXPECT_NE(room_->last_warning().find("no answer within"), std::string::npos);
  people(participant("alice", "Alice", "1"));
  api_.answer("livekit.Egress/ListEgress", 200, "{}");
  tick_until([this] { return calls("Egress/StartTrackEgress") == 1; });
  EXPECT_TRUE(room_->has_message("egress reachable "));
}

TEST_F(EgressTest, AWebhookStartsAnEgressWithoutAPoll) {
  room_->set("poll-interval", 0u);
  room_->play();
  const size_t polls = calls("RoomService/ListParticipants");
  EXPECT_EQ(hook(joined("alice")), 200u);
  EXPECT_EQ(hook(published("alice", "TR_9")), 200u);
  tick_until([this] { return calls("Egress/StartTrackEgress") == 1; });
  EXPECT_EQ(calls("RoomService/ListParticipants"), polls);
  EXPECT_EQ(hook(published("bob", "TR_10")), 200u) << "somebody unknown";
  people(participant("bob", "Bob", ""));
  tick_until([&] { return calls("RoomService/ListParticipants") > polls; });
}

TEST_F(EgressTest, BadWebhooks) {
  room_->play();
  const std::string body = joined("alice");
  EXPECT_EQ(hook(body, "guess"), 401u) << "forged";
  EXPECT_EQ(post(body, ""), 401u);
  EXPECT_EQ(post(body + " ", authorization(body)), 401u) << "another body";
  const std::string once = authorization(body);
  EXPECT_EQ(post(body, once), 200u);
  EXPECT_EQ(post(body, once), 401u) << "replayed";
  EXPECT_EQ(hook("rubbish"), 400u);
  EXPECT_EQ(hook(R"({"event":"room_started","room":{"name":"another"}})"), 200u);
  const std::string large(2 << 20, ' ');
  EXPECT_EQ(post(large, authorization(large)), 413u);
  EXPECT_EQ(hook(body), 200u) << "still well";
}

// What is logged, for people to read on terminals.
class LogWatch {
 public:
  LogWatch() {
    gst_debug_set_threshold_from_string("livekit*:6", FALSE);
    gst_debug_add_log_function(on_log, this, nullptr);
  }
  ~LogWatch() {
    gst_debug_remove_log_function_by_data(this);
    gst_debug_set_threshold_from_string("livekit*:1", FALSE);
  }
  LogWatch(const LogWatch&) = delete;
  LogWatch& operator=(const LogWatch&) = delete;

  std::vector<std::string> lines() {
    const std::lock_guard lock(mutex_);
    return lines_;
  }

 private:
  static void on_log(GstDebugCategory* category, GstDebugLevel, const gchar*, const gchar*, gint,
                     GObject*, GstDebugMessage* message, gpointer data) {
    if (!g_str_has_prefix(gst_debug_category_get_name(category), "livekit")) return;
    auto* const self = static_cast<LogWatch*>(data);
    const std::lock_guard lock(self->mutex_);
    self->lines_.push_back(gst_debug_message_get(message));
  }

  std::mutex mutex_;
  std::vector<std::string> lines_;  // guarded by mutex_
};

TEST_F(EgressTest, HostileNames) {
  LogWatch log;
  const std::vector<std::string>& names = hostile_names();
  std::string list;
  for (size_t i = 0; i < names.size(); ++i) {
    const std::string quoted = json_quote(names[i]);
    list += std::string(i ? "," : "") + R"({"sid":"PA_)" + std::to_string(i) + R"(","identity":)" +
            quoted + R"(,"name":)" + quoted + R"(,"metadata":)" + quoted +
            R"(,"tracks":[{"sid":"TR_)" + std::to_string(i) +
            R"(","type":"AUDIO","source":"MICROPHONE"}]})";
  }
  people(list);
  room_->set("room", "st\"and/../up?#\n\xe2\x80\xae\xf0\x9f\x98\x80");
  EXPECT_EQ(room_->play(), GST_STATE_CHANGE_SUCCESS);
  tick_until([&] { return calls("Egress/StartTrackEgress") == names.size(); });
  std::vector<std::unique_ptr<Caller>> egresses;
  for (size_t i = 0; i < names.size(); ++i) {
    const std::string address = dial_address(i);
    EXPECT_TRUE(address.starts_with("/TR_")) << address;
    for (const char c : address) {
      EXPECT_TRUE(g_ascii_isalnum(c) || strchr("/?=._-", c)) << address;
    }
    egresses.push_back(std::make_unique<Caller>(port(), address));
    EXPECT_EQ(egresses.back()->status(), 101) << address;
  }
  tick_until([&] { return room_->pads() == names.size(); });
  for (auto& egress : egresses) egress->send_audio(480, 1000);
  for (size_t i = 0; i < names.size(); ++i) {
    const std::string pad = "src_" + std::to_string(i);
    tick_until([&] { return !room_->seen(pad).buffers.empty(); });
    const PadSeen seen = room_->seen(pad);
    const std::string name = names.at(std::stoul(seen.stream_id.substr(3)));
    EXPECT_EQ(seen.buffers.back().identity, printable_name(name));
    EXPECT_TRUE(is_printable_utf8(seen.title)) << seen.title;
  }
  room_->stop();
  const std::vector<std::string> lines = log.lines();
  EXPECT_GT(lines.size(), names.size());
  for (const std::string& line : lines) EXPECT_TRUE(is_printable_utf8(line)) << line;
}

TEST_F(EgressTest, WhoIsExcludedFallsSilentAtOnce) {
  people(participant("alice", "Alice", "1"));
  room_->play();
  tick_until([this] { return calls("Egress/StartTrackEgress") == 1; });
  Caller egress(port(), dial_address());
  ASSERT_EQ(egress.status(), 101);
  const auto heard = [this] {
    const PadSeen pad = room_->seen("src_0");
    return !pad.buffers.empty() && pad.buffers.back().first_sample == 1000;
  };
  tick_until([&] {
    egress.send_audio(480, 1000);
    return room_->pads() == 1 && heard();
  });
  // Nobody stops it, and what she says comes in all the same.
  api_.answer("livekit.Egress/StopEgress", 503, "{}");
  room_->set("exclude", "alice");
  tick_until([&] {
    egress.send_audio(480, 1000);
    return !heard();
  });
  const size_t before = room_->seen("src_0").buffers.size();
  for (int i = 0; i < 30; ++i) {
    egress.send_audio(480, 1000);
    tick();
  }
  const PadSeen pad = room_->seen("src_0");
  ASSERT_GT(pad.buffers.size(), before + 5);
  for (size_t i = before + 5; i < pad.buffers.size(); ++i) EXPECT_TRUE(pad.buffers[i].all_zero);
  // After some seconds of that there is no connection any more, which ends an egress too.
  tick_until([this] { return room_->seen("src_0").removed; });
}

TEST_F(EgressTest, RubbishFromTheServer) {
  people(participant("alice", "Alice", "1"));
  room_->play();
  tick_until([this] { return calls("Egress/StartTrackEgress") == 1; });
  Caller egress(port(), dial_address());
  EXPECT_EQ(egress.status(), 101);
  const std::string deep = "{\"participants\":" + std::string(100'000, '[') + "}";
  for (const std::string& rubbish : std::vector<std::string>{
           "", "{", "null", "[]", "<html>", deep, "\xff\xfe{}",
           "{\"participants\":[1,\"a\",null,[]]}",
           "{\"participants\":[{\"identity\":7,\"tracks\":\"x\"}]}", "{\"items\":{}}",
           "{\"participants\":[{\"identity\":\"m\",\"tracks\":[{\"sid\":\"../../TR?x\"}]}]}"}) {
    for (const char* method : {"RoomService/ListParticipants", "Egress/ListEgress"}) {
      api_.answer("livekit." + std::string(method), 200, rubbish);
    }
    const size_t polls = calls("RoomService/ListParticipants");
    for (int i = 0; i < 400 && calls("RoomService/ListParticipants") == polls; ++i) {
      tick();
      g_usleep(500);
    }
  }
  people(participant("alice", "Alice", "1") + "," + participant("bob", "Bob", "2"));
  api_.answer("livekit.Egress/ListEgress", 200, "{}");
  tick_until([this] {
    const auto starts = api_.requests("livekit.Egress/StartTrackEgress");
    return std::any_of(starts.begin(), starts.end(), [](const FakeApi::Request& one) {
      return field(one.body, "track_id") == "TR_2";
    });
  });
  for (const FakeApi::Request& one : api_.requests("livekit.Egress/StartTrackEgress")) {
    EXPECT_EQ(one.body.find(".."), std::string::npos) << one.body;
  }
}

TEST_F(EgressTest, WhatIsNoLiveKitIsAnErrorBeforePlaying) {
  for (const char* method : {"livekit.Egress/ListEgress", "livekit.RoomService/ListParticipants"}) {
    api_.answer(method, 200, "<html>It works!</html>");
  }
  EXPECT_EQ(room_->play(), GST_STATE_CHANGE_FAILURE);
  EXPECT_NE(room_->last_error().find("not the address of a LiveKit server"), std::string::npos);
  room_->stop();
  // Redirected, and the token with it: no.
  FakeApi other;
  api_.redirect_to(other.url());
  EXPECT_EQ(room_->play(), GST_STATE_CHANGE_FAILURE);
  EXPECT_NE(room_->last_error().find("redirect"), std::string::npos) << room_->last_error();
  EXPECT_TRUE(other.requests().empty());
}

TEST_F(EgressTest, TwoRoomsOfOnePortShareTheHook) {
  room_->set("port", 0u, "path", "/a", "poll-interval", 0u);
  room_->play();
  RoomElement other(clock_);
  other.set("address", "127.0.0.1", "port", 0u);
  // The first one's port is its own: both on a port that is known before.
  const guint shared = port();
  room_->stop();
  for (RoomElement* element : {room_.get(), &other}) {
    element->set("port", shared, "livekit-url", api_.url().c_str(), "api-key", kKey, "api-secret",
                 kSecret, "poll-interval", 0u);
    gst_util_set_object_arg(G_OBJECT(element->element()), "egress", "track");
  }
  other.set("path", "/b", "room", "retro");
  EXPECT_EQ(room_->play(), GST_STATE_CHANGE_SUCCESS) << room_->last_error();
  EXPECT_EQ(other.play(), GST_STATE_CHANGE_SUCCESS) << other.last_error();
  EXPECT_EQ(hook(joined("alice")), 200u);
  EXPECT_EQ(hook(published("alice", "TR_1")), 200u);
  tick_until([this] { return calls("Egress/StartTrackEgress") == 1; });
  EXPECT_TRUE(dial_address().starts_with("/a/TR_1?"));
  EXPECT_EQ(field(api_.requests("livekit.Egress/StartTrackEgress")[0].body, "room_name"),
            "standup");
  other.stop();
}

TEST_F(EgressTest, TheExcludedAndMachinesAreNeverAskedFor) {
  room_->set("exclude", " mallory , a\\,b");
  people(participant("mallory", "M", "1") + "," + participant("a,b", "C", "2") + "," +
         participant("agent", "A", "3", R"(,"permission":{"agent":true})") + "," +
         participant("alice", "Alice", "4"));
  room_->play();
  tick_until([this] { return calls("Egress/StartTrackEgress") == 1; });
  const size_t polls = calls("RoomService/ListParticipants");
  tick_until([&] { return calls("RoomService/ListParticipants") > polls + 5; });
  ASSERT_EQ(calls("Egress/StartTrackEgress"), 1u);
  EXPECT_EQ(field(api_.requests("livekit.Egress/StartTrackEgress")[0].body, "track_id"), "TR_4");
  room_->set("exclude", "alice,mallory,agent,a\\,b");
  tick_until([this] { return calls("Egress/StopEgress") == 1; });
}

TEST_F(EgressTest, WhoIsExcludedIsTold) {
  room_->set("exclude", "mallory");
  people(participant("mallory", "M", "1"));
  room_->play();
  tick_until([this] { return room_->has_message("egress excluded mallory"); });
  EXPECT_EQ(room_->last_warning(), "");
}

TEST_F(EgressTest, AnExcludeThatWasMeantForSomebodyElseIsTold) {
  for (const char* meant : {"Bob B", "BOB", "bob b"}) {
    room_->set("exclude", meant);
    people(participant("bob", "Bob B", "1"));
    room_->play();
    tick_until([this] { return calls("Egress/StartTrackEgress") > 0; });
    EXPECT_NE(room_->last_warning().find("resembles 'bob'"), std::string::npos)
        << meant << ": " << room_->last_warning();
    room_->stop();
  }
}

TEST_F(EgressTest, ANewNameReachesThePad) {
  people(participant("alice", "Alice", "1"));
  room_->play();
  tick_until([this] { return calls("Egress/StartTrackEgress") == 1; });
  Caller egress(port(), dial_address());
  tick_until([this] { return room_->pads() == 1; });
  people(participant("alice", "Dr. Alice", "1", R"(,"metadata":"{\"team\":1}")"));
  tick_until([this] { return room_->seen("src_0").title == "Dr. Alice"; });
  EXPECT_EQ(room_->seen("src_0").comment, "livekit-metadata={\"team\":1}");
  tick(2);
  EXPECT_EQ(room_->seen("src_0").buffers.back().name, "Dr. Alice");
}

// A slice between the call and the connection finds nobody to give the new name to.
TEST_F(EgressTest, ANewNameWhileTheEgressConnectsReachesThePad) {
  people(participant("alice", "Alice", "1"));
  room_->play();
  tick_until([this] { return calls("Egress/StartTrackEgress") == 1; });
  const std::function<void()> rename = [this] {
    people(participant("alice", "Dr. Alice", "1", R"(,"metadata":"doctor")"));
    const size_t polls = calls("RoomService/ListParticipants");
    tick_until([&] { return calls("RoomService/ListParticipants") > polls + 1; });
  };
  g_signal_connect(room_->element(), "caller-connecting",
                   G_CALLBACK(+[](GstElement*, GstStructure*, gpointer work) -> gboolean {
                     (*static_cast<const std::function<void()>*>(work))();
                     return TRUE;
                   }),
                   const_cast<std::function<void()>*>(&rename));
  Caller egress(port(), dial_address());
  EXPECT_EQ(egress.status(), 101);
  tick_until([this] { return room_->pads() == 1 && room_->seen("src_0").buffers.size() > 2; });
  EXPECT_EQ(room_->seen("src_0").title, "Dr. Alice");
  EXPECT_EQ(room_->seen("src_0").buffers.front().name, "Dr. Alice");
  EXPECT_EQ(room_->seen("src_0").comment, "livekit-metadata=doctor");
}

TEST_F(EgressTest, LeftoversAreStoppedFirst) {
  people(participant("alice", "Alice", "1"));
  guint known_port = 0;
  {
    room_->play();
    known_port = port();
    tick_until([this] { return calls("Egress/StartTrackEgress") == 1; });
    room_->stop();
  }
  const size_t stops = calls("Egress/StopEgress");
  api_.answer(
      "livekit.Egress/ListEgress", 200,
      R"({"items":[{"egress_id":"EG_old","status":"EGRESS_ACTIVE","track":{"track_id":"TR_1",)"
      R"("websocket_url":"ws://127.0.0.1:)" +
          std::to_string(known_port) + R"(/TR_1?{token}"}}]})");
  room_->set("port", known_port);
  ASSERT_EQ(room_->play(), GST_STATE_CHANGE_SUCCESS) << room_->last_error();
  tick_until([this] { return calls("Egress/StartTrackEgress") == 2; });
  ASSERT_GT(calls("Egress/StopEgress"), stops);
  const FakeApi::Request stop = api_.requests("livekit.Egress/StopEgress")[stops];
  EXPECT_EQ(field(stop.body, "egress_id"), "EG_old");
  EXPECT_LT(stop.at_us, api_.requests("livekit.Egress/StartTrackEgress")[1].at_us);
}

TEST_F(EgressTest, EosWaitsForTheLastWords) {
  people(participant("alice", "Alice", "1"));
  room_->play();
  tick_until([this] { return calls("Egress/StartTrackEgress") == 1; });
  Caller egress(port(), dial_address());
  tick_until([this] { return room_->pads() == 1; });
  gst_element_send_event(room_->element(), gst_event_new_eos());
  tick_until([this] { return calls("Egress/StopEgress") == 1; });
  egress.send_audio(480, 1234);
  tick_until([this] {
    const PadSeen pad = room_->seen("src_0");
    return std::any_of(pad.buffers.begin(), pad.buffers.end(),
                       [](const BufferSeen& buffer) { return buffer.first_sample == 1234; });
  });
  EXPECT_FALSE(room_->seen("src_0").eos);
  egress.send_close();
  egress.hang_up();
  tick_until([this] { return room_->seen("src_0").eos; });
}

TEST_F(EgressTest, WhatCannotBeStoppedIsNamed) {
  people(participant("alice", "Alice", "1"));
  room_->play();
  tick_until([this] { return room_->has_message("egress started alice"); });
  api_.hang("livekit.Egress/StopEgress");
  const gint64 before_us = g_get_monotonic_time();
  room_->stop();
  EXPECT_LT(g_get_monotonic_time() - before_us, 2'600'000) << "two seconds at most";
  EXPECT_NE(room_->last_warning().find("alice (TR_1, EG_TR_1)"), std::string::npos)
      << room_->last_warning();
}

}  // namespace
}  // namespace livekit::fake
