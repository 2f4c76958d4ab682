// SPDX-License-Identifier: LGPL-2.1-or-later
// The client of LiveKit's API against a server that misbehaves in every way.
#include "twirp.h"

#include <gtest/gtest.h>
#include <libsoup/soup.h>

#include "fakeapi.h"
#include "twirpcall.h"

// The made-up API is a SoupServer, and soup_server_listen_local() keeps its addresses
// (libsoup 3.2). Too deep in GLib for a suppression to name it, so this program alone is not
// searched for leaks.
extern "C" int __lsan_is_turned_off();
extern "C" int __lsan_is_turned_off() {
  return 1;
}

namespace livekit {
namespace {

const std::string kSecret = "s3cret-of-the-api";

CallFailure::Kind kind_of(unsigned status, const std::string& body = "{}") {
  return judge_answer(status, "", "", body, kSecret).failure.kind;
}

TEST(ApiUrl, AsInTheEnvironment) {
  std::string error;
  EXPECT_EQ(api_base_url("wss://my.livekit.cloud", error), "https://my.livekit.cloud");
  EXPECT_EQ(api_base_url("ws://localhost:7880/", error), "http://localhost:7880");
  EXPECT_EQ(api_base_url("https://a.example/livekit//", error), "https://a.example/livekit");
  EXPECT_EQ(api_base_url("ws://[::1]:7880", error), "http://[::1]:7880");
  for (const char* bad : {"", "localhost:7880", "my.livekit.cloud", "ftp://x", "wss://",
                          "wss://u:p@x", "wss://x?a=b", "wss://x#a", "http://bad host"}) {
    error.clear();
    EXPECT_FALSE(api_base_url(bad, error)) << bad;
    EXPECT_NE(error, "") << bad;
  }
  api_base_url("wss://user:pa55@x", error);
  EXPECT_EQ(error.find("pa55"), std::string::npos);
}

TEST(Secrets, AreNotQuoted) {
  EXPECT_EQ(without_secrets("malformed ws://h/TR_1?token=7.abc-_9 !", kSecret),
            "malformed ws://h/TR_1?token=... !");
  EXPECT_EQ(without_secrets("token=a token=b", kSecret), "token=... token=...");
  // A real server answers so to a wrong secret.
  EXPECT_EQ(without_secrets("invalid token: eyJhbGciOiJ.eyJpc3M.t7YM_8wV, error: x", kSecret),
            "invalid token: ..., error: x");
  EXPECT_EQ(without_secrets("key " + kSecret + "/" + kSecret, kSecret), "key .../...");
  const TwirpAnswer cut =
      judge_answer(401, "", "", std::string(250, 'x') + " eyJhbGciOiJIUzI1NiJ9.a.b", kSecret);
  EXPECT_EQ(cut.failure.text.find("eyJ"), std::string::npos);
}

TEST(Answers, WhatTheyMean) {
  EXPECT_TRUE(judge_answer(200, "OK", "", "{\"a\":1}", kSecret).ok);
  EXPECT_TRUE(judge_answer(200, "OK", "", "<html>", kSecret).hopeless) << "not LiveKit";
  EXPECT_EQ(kind_of(401), CallFailure::Kind::kDenied);
  EXPECT_EQ(kind_of(403), CallFailure::Kind::kDenied);
  EXPECT_EQ(kind_of(404, R"({"code":"not_found","msg":"x"})"), CallFailure::Kind::kNotFound);
  EXPECT_TRUE(judge_answer(404, "Not Found", "", "404 page not found", kSecret).hopeless);
  EXPECT_EQ(kind_of(503), CallFailure::Kind::kUnavailable);
  EXPECT_EQ(kind_of(429), CallFailure::Kind::kUnavailable);
  EXPECT_EQ(kind_of(500), CallFailure::Kind::kUnavailable);
  EXPECT_EQ(kind_of(502), CallFailure::Kind::kUnreachable) << "it may have happened";
  EXPECT_EQ(kind_of(400), CallFailure::Kind::kRefused);
  EXPECT_EQ(kind_of(412), CallFailure::Kind::kOver);
  const TwirpAnswer words = judge_answer(
      503, "", "", R"({"code":"unavailable","msg":"no response from servers\n"})", kSecret);
  EXPECT_EQ(words.failure.text, "no response from servers (HTTP 503, unavailable)");
  EXPECT_EQ(judge_answer(401, "", "", "invalid API key: zzz\n", kSecret).failure.text,
            "invalid API key: zzz (HTTP 401)");
  EXPECT_EQ(judge_answer(502, "Bad Gateway", "", "<html>nginx", kSecret).failure.text,
            "Bad Gateway (HTTP 502)");
}

class TwirpTest : public ::testing::Test {
 protected:
  TwirpAnswer call(const std::string& url, uint32_t timeout_ms = 10000) {
    return call_once(url, kSecret, "{\"x\":1}", timeout_ms, std::chrono::seconds(20));
  }
  FakeApi api_;
};

TEST_F(TwirpTest, AGoodAnswer) {
  api_.answer("livekit.Egress/ListEgress", 200, "{\"items\":[]}");
  const TwirpAnswer answer = call(api_.url());
  EXPECT_TRUE(answer.ok);
  EXPECT_EQ(answer.body, "{\"items\":[]}");
  const FakeApi::Request request = api_.requests().at(0);
  EXPECT_EQ(request.body, "{\"x\":1}");
  EXPECT_EQ(request.content_type, "application/json");
  std::string why;
  EXPECT_TRUE(request.authorization.starts_with("Bearer "));
  EXPECT_TRUE(verify_jwt(request.authorization.substr(7), {"key", kSecret},
                         g_get_real_time() / G_USEC_PER_SEC, 0, why))
      << why;
}

TEST_F(TwirpTest, CallsShareAConnection) {
  const auto thread = ControlThread::acquire();  // keeps it open in between
  api_.answer("livekit.Egress/ListEgress", 200, "{}");
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(call(api_.url()).ok);
  const std::vector<FakeApi::Request> requests = api_.requests();
  ASSERT_EQ(requests.size(), 3u);
  EXPECT_EQ(requests[0].caller_port, requests[2].caller_port);
}

TEST_F(TwirpTest, ARedirectIsNotFollowed) {
  FakeApi other;
  api_.redirect_to(other.url());
  const TwirpAnswer answer = call(api_.url());
  EXPECT_FALSE(answer.ok);
  EXPECT_TRUE(answer.hopeless);
  EXPECT_NE(answer.failure.text.find("redirect"), std::string::npos) << answer.failure.text;
  EXPECT_TRUE(other.requests().empty()) << "the token must not travel";
}

TEST_F(TwirpTest, AServerThatHangs) {
  api_.hang("livekit.Egress/ListEgress");
  const TwirpAnswer answer = call(api_.url(), 200);
  EXPECT_EQ(answer.failure.kind, CallFailure::Kind::kUnreachable);
  EXPECT_EQ(answer.failure.text, "no answer within 200 ms");
  EXPECT_FALSE(answer.hopeless);
}

TEST_F(TwirpTest, AnAnswerWithoutEnd) {
  api_.answer("livekit.Egress/ListEgress", 200, std::string(kMaxAnswerBytes + 1, ' '));
  const TwirpAnswer answer = call(api_.url(), 20000);
  EXPECT_FALSE(answer.ok);
  EXPECT_NE(answer.failure.text.find("longer"), std::string::npos) << answer.failure.text;
}

TEST_F(TwirpTest, NobodyThere) {
  const TwirpAnswer answer = call("http://127.0.0.1:1");
  EXPECT_EQ(answer.failure.kind, CallFailure::Kind::kUnreachable);
  EXPECT_FALSE(answer.hopeless) << "it may come";
}

TEST_F(TwirpTest, TheEndCancelsWhatIsUnderWay) {
  api_.hang("livekit.Egress/ListEgress");
  bool called = false;
  const auto thread = ControlThread::acquire();
  thread->run([&] {
    TwirpClient client(thread, api_.url(), {"key", kSecret});
    client.call("livekit.Egress/ListEgress", "{}", {}, 10000, [&](TwirpAnswer) { called = true; });
  });
  thread->run([] {});
  EXPECT_FALSE(called);
}

}  // namespace
}  // namespace livekit
