// SPDX-License-Identifier: LGPL-2.1-or-later
// livekitwssrc that starts its egresses itself, with a made-up LiveKit API and the real listener.
#pragma once

#include <functional>
#include <string>

#include "gst/livekit/jwt.h"
#include "gst/livekit/livekitapi.h"
#include "loopbackcaller.h"
#include "roomfixture.h"
#include "tests/unit/livekit/fakeapi.h"

namespace livekit::fake {

inline constexpr const char* kKey = "APIkey";
inline constexpr const char* kSecret = "the-api-secret";

inline std::string participant(const std::string& identity, const std::string& name,
                               const std::string& tracks, const std::string& more = "") {
  std::string list;
  for (size_t i = 0; i < tracks.size(); ++i) {
    list += std::string(i ? "," : "") + R"({"sid":"TR_)" + tracks[i] +
            R"(","type":"AUDIO","source":"MICROPHONE"})";
  }
  return R"({"sid":"PA_)" + identity + R"(","identity":")" + identity + R"(","name":")" + name +
         R"(","kind":"STANDARD","tracks":[)" + list + "]" + more + "}";
}

// A field of a request's JSON body.
inline std::string field(const std::string& body, const std::string& name) {
  const std::string start = "\"" + name + "\":\"";
  const size_t at = body.find(start);
  if (at == body.npos) return "";
  const size_t from = at + start.size();
  return body.substr(from, body.find('"', from) - from);
}

class EgressTest : public RoomTest {
 protected:
  void SetUp() override {
    RoomTest::SetUp();
    for (const char* name : {"LIVEKIT_URL", "LIVEKIT_API_KEY", "LIVEKIT_API_SECRET"}) {
      g_unsetenv(name);
    }
    people("");
    api_.answer("livekit.Egress/ListEgress", 200, "{\"items\":[]}");
    api_.answer_with("livekit.Egress/StartTrackEgress", [](const std::string& body) {
      const std::string track = field(body, "track_id");
      return FakeApi::Answer(200, R"({"egress_id":"EG_)" + track + R"(","room_name":"standup",)" +
                                      R"("status":"EGRESS_STARTING","track":{"track_id":")" +
                                      track + R"(","websocket_url":""}})");
    });
    api_.answer("livekit.Egress/StopEgress", 200,
                "{\"egress_id\":\"EG\",\"status\":\"EGRESS_ENDING\"}");
    room_->set("address", "127.0.0.1", "port", 0u, "room", "standup", "livekit-url",
               api_.url().c_str(), "api-key", kKey, "api-secret", kSecret, "poll-interval", 50u);
    gst_util_set_object_arg(G_OBJECT(room_->element()), "egress", "track");
  }

  void people(const std::string& list) {
    api_.answer("livekit.RoomService/ListParticipants", 200, "{\"participants\":[" + list + "]}");
  }
  guint port() {
    guint port = 0;
    g_object_get(room_->element(), "port", &port, nullptr);
    return port;
  }
  void tick_until(const std::function<bool()>& holds) {
    for (int i = 0; i < 20'000 && !holds(); ++i) {
      tick();
      g_usleep(500);
    }
    EXPECT_TRUE(holds());
  }
  size_t calls(const std::string& method) { return api_.requests("livekit." + method).size(); }
  // Path and query that the n-th egress was told to dial.
  std::string dial_address(size_t n = 0) {
    return address_of(
        field(api_.requests("livekit.Egress/StartTrackEgress").at(n).body, "websocket_url"));
  }
  std::string address_of(const std::string& url) {
    const std::string base = "ws://127.0.0.1:" + std::to_string(port());
    EXPECT_TRUE(url.starts_with(base)) << url;
    return url.substr(base.size());
  }
  // As LiveKit posts it. The answer's status.
  unsigned hook(const std::string& body, const std::string& secret = kSecret) {
    return post(body, authorization(body, secret));
  }
  std::string authorization(const std::string& body, const std::string& secret = kSecret) {
    const std::string digest = sha256(body);
    gchar* base64 = g_base64_encode(reinterpret_cast<const guchar*>(digest.data()), digest.size());
    const gint64 now_s = g_get_real_time() / G_USEC_PER_SEC;
    // A number in it, so that no two are the same.
    const std::string token =
        sign_jwt("{\"iss\":\"" + std::string(kKey) + "\",\"n\":" + std::to_string(++hooks_) +
                     ",\"nbf\":" + std::to_string(now_s) +
                     ",\"exp\":" + std::to_string(now_s + 300) + ",\"sha256\":\"" + base64 + "\"}",
                 secret);
    g_free(base64);
    return token;
  }
  unsigned post(const std::string& body, const std::string& authorization) {
    SoupSession* session = soup_session_new();
    const std::string url = "http://127.0.0.1:" + std::to_string(port()) + "/livekit/webhook";
    SoupMessage* message = soup_message_new("POST", url.c_str());
    soup_message_headers_replace(soup_message_get_request_headers(message), "Authorization",
                                 authorization.c_str());
    GBytes* bytes = g_bytes_new(body.data(), body.size());
    soup_message_set_request_body_from_bytes(message, "application/webhook+json", bytes);
    g_bytes_unref(bytes);
    GBytes* answer = soup_session_send_and_read(session, message, nullptr, nullptr);
    if (answer) g_bytes_unref(answer);
    const unsigned status = soup_message_get_status(message);
    g_object_unref(message);
    g_object_unref(session);
    return status;
  }
  static std::string published(const std::string& identity, const std::string& track) {
    return R"({"event":"track_published","room":{"sid":"RM_1","name":"standup"},"participant":{)"
           R"("sid":"PA_)" +
           identity + R"(","identity":")" + identity + R"("},"track":{"sid":")" + track +
           R"(","source":"MICROPHONE"}})";
  }
  static std::string joined(const std::string& identity) {
    return R"({"event":"participant_joined","room":{"name":"standup"},"participant":)" +
           participant(identity, identity, "") + "}";
  }

  FakeApi api_;
  int hooks_ = 0;
};

}  // namespace livekit::fake
