// SPDX-License-Identifier: LGPL-2.1-or-later
// sttsink livekit-captions=true against an API that answers what the test wants.
#include <chrono>
#include <condition_variable>
#include <mutex>

#include "livekit/fakeapi.h"
#include "livekit/jsonreader.h"
#include "livekit/jwt.h"
#include "sttsinktest.h"

// The made-up API is a SoupServer, and soup_server_listen_local() keeps its addresses
// (libsoup 3.2). Too deep in GLib for a suppression to name it, so this program alone is not
// searched for leaks.
extern "C" int __lsan_is_turned_off();
extern "C" int __lsan_is_turned_off() {
  return 1;
}

namespace stt {
namespace {

const char* const kSend = "livekit.RoomService/SendData";
const char* const kList = "livekit.RoomService/ListParticipants";
const std::string kSecret = "s3cret-of-the-api";

struct Caption {
  std::string identity;
  std::string track;
  std::string segment;
  std::string text;
  bool is_final = false;
  std::string kind;
  std::string topic;
  std::string room;
  std::string nonce;
};

Caption caption_of(const std::string& body) {
  const livekit::JsonText call(body);
  gsize size = 0;
  guchar* data = g_base64_decode(livekit::json_text(call.object(), "data").c_str(), &size);
  const livekit::JsonText json(std::string_view(reinterpret_cast<char*>(data), size));
  g_free(data);
  JsonObject* segment = livekit::json_objects(json.object(), "segments").at(0);
  return {livekit::json_text(json.object(), "transcribedParticipantIdentity"),
          livekit::json_text(json.object(), "trackId"),
          livekit::json_text(segment, "id"),
          livekit::json_text(segment, "text"),
          livekit::json_flag(segment, "final"),
          livekit::json_text(call.object(), "kind"),
          livekit::json_text(call.object(), "topic"),
          livekit::json_text(call.object(), "room"),
          livekit::json_text(call.object(), "nonce")};
}

class SttSinkCaptions : public SttSinkTest {
 protected:
  void SetUp() override {
    SttSinkTest::SetUp();
    for (const char* name : {"LIVEKIT_URL", "LIVEKIT_API_KEY", "LIVEKIT_API_SECRET"}) {
      g_unsetenv(name);
    }
    api.answer(kSend, 200, "{}");
    api.answer(kList, 200, "{\"participants\":[]}");
    set("livekit-captions", "true");
    set("livekit-url", api.url().c_str());
    set("api-key", "key");
    set("api-secret", kSecret.c_str());
    set("room", "standup");
    gst_stt_sink_set_room_grace(GST_STT_SINK(sink), std::chrono::milliseconds(0));
  }
  void TearDown() override {
    from.reset();
    SttSinkTest::TearDown();
  }

  // Alice talks live.
  FakeTranscriber& begin() {
    from = source();
    g_object_set(from->sink_pad, "identity", "alice", "display-name", "Alice", "track", "TR_a",
                 nullptr);
    set_state(GST_STATE_PLAYING);
    from->begin();
    from->push(0);
    return told_transcriber(0);
  }
  void end() {
    from->end();
    told_transcriber(0).complete_drains();
    wait_for_eos();
  }
  std::vector<Caption> sent() {
    std::vector<Caption> all;
    for (const auto& request : api.requests(kSend)) all.push_back(caption_of(request.body));
    return all;
  }
  std::vector<Caption> wait_for_sent(size_t count) {
    const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (api.requests(kSend).size() < count && std::chrono::steady_clock::now() < until) {
      g_usleep(1000);
    }
    std::vector<Caption> all = sent();
    EXPECT_GE(all.size(), count);
    return all;
  }
  std::string warning() {
    GstMessage* found = message(GST_MESSAGE_WARNING, 20 * GST_SECOND);
    if (!found) return "none";
    GError* error = nullptr;
    gchar* debug = nullptr;
    gst_message_parse_warning(found, &error, &debug);
    const std::string text = std::string(error->message) + " | " + (debug ? debug : "");
    g_error_free(error);
    g_free(debug);
    gst_message_unref(found);
    return text;
  }

  livekit::FakeApi api;
  std::unique_ptr<Source> from;
};

TEST_F(SttSinkCaptions, PartialsAndFinalsReachTheRoom) {
  FakeTranscriber& alice = begin();
  alice.understand(said("Hello", false));
  wait_for_sent(1);
  alice.understand(said("Hello there.", true, 1, 1));
  const std::vector<Caption> captions = wait_for_sent(2);
  end();
  ASSERT_EQ(captions.size(), 2u);
  EXPECT_EQ(captions[0].text, "Hello");
  EXPECT_FALSE(captions[0].is_final);
  EXPECT_EQ(captions[0].kind, "LOSSY");
  EXPECT_EQ(captions[1].text, "Hello there.");
  EXPECT_TRUE(captions[1].is_final);
  EXPECT_EQ(captions[1].kind, "RELIABLE");
  EXPECT_EQ(captions[1].segment, captions[0].segment);
  EXPECT_TRUE(captions[0].segment.starts_with("SG_"));
  for (const Caption& caption : captions) {
    EXPECT_EQ(caption.identity, "alice");
    EXPECT_EQ(caption.track, "TR_a");
    EXPECT_EQ(caption.topic, "lk.transcription");
    EXPECT_EQ(caption.room, "standup");
  }
  EXPECT_EQ(stat("captions-sent"), 2u);
  EXPECT_EQ(stat("captions-waiting"), 0u);
  // The token is for this room alone, and signed with the secret.
  const std::string authorization = api.requests(kSend)[0].authorization;
  std::string why;
  EXPECT_TRUE(livekit::verify_jwt(authorization.substr(7), {"key", kSecret},
                                  g_get_real_time() / G_USEC_PER_SEC, 0, why))
      << why;
  const std::string claims = *livekit::base64url_decode(authorization.substr(
      authorization.find('.') + 1, authorization.rfind('.') - authorization.find('.') - 1));
  EXPECT_NE(claims.find(R"("video":{"roomAdmin":true,"room":"standup"})"), std::string::npos)
      << claims;
}

TEST_F(SttSinkCaptions, OffNobodyIsAsked) {
  set("livekit-captions", "false");
  set("api-secret", "");
  begin().understand(said("Hello."));
  end();
  EXPECT_TRUE(api.requests().empty());
}

TEST_F(SttSinkCaptions, TheRoomOfTheCaptionsMayBeAnotherThanThatOfTheResults) {
  set("room", "Team A's standup");
  set("livekit-room", "standup");
  begin().understand(said("Hello."));
  EXPECT_EQ(wait_for_sent(1)[0].room, "standup");
  end();
}

TEST_F(SttSinkCaptions, TheEnvironmentIsTheDefault) {
  for (const char* name : {"livekit-url", "api-key", "api-secret"}) set(name, "");
  g_setenv("LIVEKIT_URL", api.url().c_str(), TRUE);
  g_setenv("LIVEKIT_API_KEY", "key of the environment", TRUE);
  g_setenv("LIVEKIT_API_SECRET", kSecret.c_str(), TRUE);
  begin().understand(said("Hello."));
  wait_for_sent(1);
  end();
  const std::string token = api.requests(kSend)[0].authorization.substr(7);
  EXPECT_EQ(livekit::jwt_issuer(token), "key of the environment");
}

TEST_F(SttSinkCaptions, WhatIsMissingIsAnErrorThatNamesIt) {
  for (const char* name : {"livekit-url", "api-secret", "room"}) set(name, "");
  EXPECT_EQ(set_state(GST_STATE_PLAYING), GST_STATE_CHANGE_FAILURE);
  GstMessage* found = message(GST_MESSAGE_ERROR);
  GError* error = nullptr;
  gst_message_parse_error(found, &error, nullptr);
  EXPECT_STREQ(error->message,
               "To send captions into a room, set: room, livekit-url (or LIVEKIT_URL), api-secret "
               "(or LIVEKIT_API_SECRET).");
  g_error_free(error);
  gst_message_unref(found);
}

TEST_F(SttSinkCaptions, AWrongKeyIsToldOnceAndBeforeAnybodySpeaks) {
  api.answer(kList, 401, "invalid API key: key\n");
  api.answer(kSend, 401, "invalid API key: key\n");
  FakeTranscriber& alice = begin();
  const std::string text = warning();
  EXPECT_NE(text.find("The room \"standup\" gets no captions: invalid API key: key (HTTP 401)"),
            std::string::npos)
      << text;
  EXPECT_TRUE(api.requests(kSend).empty());
  for (uint64_t i = 1; i <= 3; ++i) alice.understand(said("Hello.", true, i));
  wait_for_sent(1);
  end();
  EXPECT_FALSE(has_message(GST_MESSAGE_WARNING));
  EXPECT_LE(api.requests(kSend).size(), 2u) << "the last one at the end";
  EXPECT_EQ(stat("captions-sent"), 0u);
  EXPECT_EQ(stat("caption-finals-dropped"), 3u);
}

TEST_F(SttSinkCaptions, AMissingGrantIsToldInTheServersWords) {
  api.answer(kList, 403, R"({"code":"permission_denied","msg":"permissions denied"})");
  begin();
  EXPECT_NE(warning().find("permissions denied (HTTP 403, permission_denied)"), std::string::npos);
}

TEST_F(SttSinkCaptions, AServerThatIsAwayForAMomentGetsAllOnceMore) {
  std::atomic<int> failures = 2;
  api.answer_with(kSend, [&failures](const std::string&) {
    return failures-- > 0 ? livekit::FakeApi::Answer(503, R"({"code":"unavailable","msg":"away"})")
                          : livekit::FakeApi::Answer(200, "{}");
  });
  FakeTranscriber& alice = begin();
  alice.understand(said("One.", true, 1));
  alice.understand(said("Two.", true, 2));
  const std::vector<Caption> captions = wait_for_sent(4);
  EXPECT_NE(warning().find("gets no captions now: away (HTTP 503"), std::string::npos);
  end();
  ASSERT_EQ(captions.size(), 4u);
  EXPECT_EQ(captions[0].text + captions[1].text + captions[2].text + captions[3].text,
            "One.One.One.Two.");
  EXPECT_EQ(captions[0].nonce, captions[2].nonce) << "so that the server drops a double";
  EXPECT_FALSE(has_message(GST_MESSAGE_WARNING));
  EXPECT_EQ(stat("captions-sent"), 2u);
}

TEST_F(SttSinkCaptions, WhatWasTheRightAddressIsAwayAndNotWrong) {
  FakeTranscriber& alice = begin();
  alice.understand(said("One.", true, 1));
  wait_for_sent(1);
  while (stat("captions-sent") < 1) g_usleep(1000);
  // An ingress has no such path while the server behind it restarts; others have a page.
  std::atomic<int> calls = 0;
  api.answer_with(kSend, [&calls](const std::string&) {
    const int call = calls++;
    if (call == 0) return livekit::FakeApi::Answer(404, "404 page not found\n");
    if (call == 1) return livekit::FakeApi::Answer(302, "");
    if (call == 2) return livekit::FakeApi::Answer(200, "<html>We will be back");
    return livekit::FakeApi::Answer(200, "{}");
  });
  alice.understand(said("Two.", true, 2));
  alice.understand(said("Three.", true, 3));
  wait_for_sent(6);
  EXPECT_NE(warning().find("gets no captions now: 404 page not found (HTTP 404)"),
            std::string::npos);
  end();
  const std::vector<Caption> captions = sent();
  ASSERT_EQ(captions.size(), 6u);
  EXPECT_EQ(captions[4].text, "Two.");
  EXPECT_EQ(captions[5].text, "Three.");
  EXPECT_EQ(stat("captions-sent"), 3u);
  EXPECT_EQ(stat("caption-finals-dropped"), 0u);
}

TEST_F(SttSinkCaptions, AnAddressThatWasNeverRightIsToldAsWrong) {
  api.answer(kList, 404, "404 page not found\n");
  begin();
  EXPECT_NE(warning().find("Set livekit-url"), std::string::npos);
}

TEST_F(SttSinkCaptions, AKeyThatIsTakenBackIsToldAsWrong) {
  FakeTranscriber& alice = begin();
  alice.understand(said("One.", true, 1));
  wait_for_sent(1);
  api.answer(kSend, 401, "invalid API key: key\n");
  alice.understand(said("Two.", true, 2));
  EXPECT_NE(warning().find("Set livekit-url"), std::string::npos);
}

TEST_F(SttSinkCaptions, ARefusedFinalIsToldAsDropped) {
  api.answer(kSend, 400, R"({"code":"invalid_argument","msg":"too long"})");
  FakeTranscriber& alice = begin();
  alice.understand(said("One.", true, 1));
  const std::string text = warning();
  EXPECT_NE(text.find("The room \"standup\" does not take a caption: too long (HTTP 400"),
            std::string::npos)
      << text;
  EXPECT_NE(text.find("dropped"), std::string::npos) << text;
  EXPECT_EQ(text.find("tried again"), std::string::npos) << text;
  EXPECT_EQ(stat("caption-finals-dropped"), 1u);
  api.answer(kSend, 200, "{}");
  alice.understand(said("Two.", true, 2));
  EXPECT_EQ(wait_for_sent(2)[1].text, "Two.");
  end();
}

TEST_F(SttSinkCaptions, ANewIncidentIsToldAgain) {
  api.answer(kSend, 503, "{\"msg\":\"away\"}");
  FakeTranscriber& alice = begin();
  alice.understand(said("One.", true, 1));
  EXPECT_NE(warning().find("away"), std::string::npos);
  api.answer(kSend, 200, "{}");
  wait_for_sent(2);
  while (stat("captions-sent") < 1) g_usleep(1000);
  api.answer(kSend, 503, "{\"msg\":\"gone\"}");
  alice.understand(said("Two.", true, 2));
  EXPECT_NE(warning().find("gone"), std::string::npos);
}

TEST_F(SttSinkCaptions, AServerThatHangsHoldsUpNothing) {
  api.hang(kSend);
  set("location", path("a.txt").c_str());
  FakeTranscriber& alice = begin();
  for (uint32_t i = 0; i < 100; ++i) alice.understand(said("Hello", false, 1, i));
  wait_for_sent(1);
  alice.understand(said("Hello there.", true, 1, 100));
  EXPECT_EQ(from->push(10), GST_FLOW_OK);
  const auto began = std::chrono::steady_clock::now();
  end();
  EXPECT_LT(std::chrono::steady_clock::now() - began, std::chrono::seconds(4));
  EXPECT_EQ(content("a.txt"), "[00:00:01] Alice: Hello there.\n");
  EXPECT_GE(stat("caption-partials-replaced"), 90u);
  EXPECT_EQ(stat("captions-sent"), 0u);
  const auto stopping = std::chrono::steady_clock::now();
  set_state(GST_STATE_NULL);
  EXPECT_LT(std::chrono::steady_clock::now() - stopping, std::chrono::seconds(2));
}

TEST_F(SttSinkCaptions, TheLastWordsAreInTheRoomBeforeTheEndIsTold) {
  FakeTranscriber& alice = begin();
  for (uint64_t i = 1; i <= 20; ++i) alice.understand(said(std::to_string(i), true, i));
  end();
  const std::vector<Caption> captions = sent();
  ASSERT_EQ(captions.size(), 20u);
  for (size_t i = 0; i < 20; ++i) EXPECT_EQ(captions[i].text, std::to_string(i + 1));
}

TEST_F(SttSinkCaptions, StoppedInTheMiddleOfACall) {
  api.hang(kSend);
  FakeTranscriber& alice = begin();
  alice.understand(said("Hello."));
  wait_for_sent(1);
  set_state(GST_STATE_NULL);
  set_state(GST_STATE_PLAYING);
  set_state(GST_STATE_NULL);
}

TEST_F(SttSinkCaptions, NoTextHasTheSecretOrAToken) {
  // A server that quotes what it was given.
  api.answer_with(kSend, [](const std::string&) {
    return livekit::FakeApi::Answer(500,
                                    "{\"msg\":\"bad eyJhbGciOiJIUzI1NiJ9.e30.x " + kSecret + "\"}");
  });
  begin().understand(said("Hello."));
  std::string all = warning();
  GstStructure* stats = nullptr;
  g_object_get(sink, "stats", &stats, nullptr);
  gchar* text = gst_structure_to_string(stats);
  all += text;
  g_free(text);
  gst_structure_free(stats);
  gchar* dot = gst_debug_bin_to_dot_data(GST_BIN(pipeline), GST_DEBUG_GRAPH_SHOW_VERBOSE);
  all += dot;
  g_free(dot);
  EXPECT_NE(all.find("bad ... ..."), std::string::npos) << all;
  EXPECT_EQ(all.find(kSecret), std::string::npos) << all;
  EXPECT_EQ(all.find("eyJ"), std::string::npos) << all;
  GParamSpec* spec = g_object_class_find_property(G_OBJECT_GET_CLASS(sink), "api-secret");
  EXPECT_FALSE(spec->flags & G_PARAM_READABLE);
}

// The end waits for Alice's last words, which the server holds up as long as the test wants.
class SttSinkCaptionsEnd : public SttSinkCaptions {
 protected:
  void TearDown() override {
    let_through();
    bob.reset();
    SttSinkCaptions::TearDown();
  }
  void begin_to_end(bool of_room) {
    api.answer_with(kSend, [this](const std::string&) {
      std::unique_lock guard(lock);
      changed.wait(guard, [this] { return open; });
      return livekit::FakeApi::Answer(200, "{}");
    });
    from = source(of_room);
    set_state(GST_STATE_PLAYING);
    from->begin("TR_a", of_room);
    from->push(0);
    FakeTranscriber& alice = told_transcriber(0);
    alice.understand(said("Bye.", true, 1));
    // One partial of a segment is on its way at a time. The other is forgotten when the end begins.
    alice.understand(said("a", false, 2, 0));
    while (stat("captions-waiting") < 2) g_usleep(1000);
    wait_for_sent(1);
    alice.understand(said("a b", false, 2, 1));
    while (stat("captions-waiting") + stat("caption-partials-replaced") < 3) g_usleep(1000);
    from->end();
    alice.complete_drains();
    while (stat("caption-partials-dropped") < 1) g_usleep(1000);
  }
  void let_through() {
    const std::lock_guard guard(lock);
    open = true;
    changed.notify_all();
  }
  void bob_comes_in(bool of_room) {
    bob = source(of_room);
    bob->begin("TR_b", of_room);
    bob->push(0);
    told_transcriber(1);
  }
  // The sink's own thread has done what it was at, and more.
  void settle(size_t index) {
    auto other = source();
    other->release();
    told_transcriber(index).complete_drains();
    engine.wait_until_gone(index);
  }

  // The pipeline keeps an EOS for itself until PLAYING, so the sink's own is looked for.
  bool sink_told_end() {
    bool told = false;
    while (GstMessage* found = message(GST_MESSAGE_ELEMENT, 0)) {
      const GstStructure* structure = gst_message_get_structure(found);
      GstMessage* inner = nullptr;
      if (gst_structure_has_name(structure, "GstBinForwarded") &&
          gst_structure_get(structure, "message", GST_TYPE_MESSAGE, &inner, nullptr)) {
        told = told || GST_MESSAGE_TYPE(inner) == GST_MESSAGE_EOS;
        gst_message_unref(inner);
      }
      gst_message_unref(found);
    }
    return told;
  }

  std::mutex lock;
  std::condition_variable changed;
  bool open = false;  // lock
  std::unique_ptr<Source> bob;
};

TEST_F(SttSinkCaptionsEnd, WhoComesInMeanwhileKeepsTheRoomOpen) {
  begin_to_end(true);
  bob_comes_in(true);
  let_through();
  settle(2);
  EXPECT_FALSE(has_message(GST_MESSAGE_EOS));
  EXPECT_EQ(bob->push(10), GST_FLOW_OK);
  bob->end();
  told_transcriber(1).complete_drains();
  wait_for_eos();
}

TEST_F(SttSinkCaptionsEnd, PausedMeanwhileItIsToldInPlaying) {
  g_object_set(pipeline, "message-forward", TRUE, nullptr);
  begin_to_end(false);
  set_state(GST_STATE_PAUSED);
  let_through();
  settle(1);
  EXPECT_FALSE(sink_told_end());
  set_state(GST_STATE_PLAYING);
  wait_for_eos();
  EXPECT_TRUE(sink_told_end());
}

TEST_F(SttSinkCaptionsEnd, WhoComesInWhenTheEndWasAskedForEndsAgain) {
  begin_to_end(false);
  bob_comes_in(false);
  let_through();
  wait_for_eos();
  EXPECT_EQ(bob->push(10), GST_FLOW_OK);
  bob->end();
  told_transcriber(1).complete_drains();
  wait_for_eos();
}

}  // namespace
}  // namespace stt
