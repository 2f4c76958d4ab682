// SPDX-License-Identifier: LGPL-2.1-or-later
#include "webhook.h"

#include <glib.h>
#include <gtest/gtest.h>

namespace livekit {
namespace {

constexpr int64_t kNow = 1'700'000'000;
const ApiCredentials kCredentials{"APIkey", "secret"};
const std::string kBody = R"({"event":"room_started"})";

std::string base64(const std::string& bytes) {
  gchar* text = g_base64_encode(reinterpret_cast<const guchar*>(bytes.data()), bytes.size());
  std::string result = text;
  g_free(text);
  return result;
}

// As LiveKit signs them.
std::string authorization(const std::string& body, int64_t now_s = kNow, int64_t lifetime_s = 300,
                          const std::string& secret = "secret") {
  return sign_jwt("{\"iss\":\"APIkey\",\"nbf\":" + std::to_string(now_s) +
                      ",\"exp\":" + std::to_string(now_s + lifetime_s) + ",\"sha256\":\"" +
                      base64(sha256(body)) + "\"}",
                  secret);
}

unsigned status(const std::string& field, const std::string& body, int64_t now_s = kNow) {
  int64_t expires_s = 0;
  return verify_webhook(field, body, kCredentials, now_s, &expires_s).http_status;
}

TEST(Webhook, ATokenWithAndWithoutBearer) {
  EXPECT_EQ(status(authorization(kBody), kBody), 0u);
  EXPECT_EQ(status("Bearer " + authorization(kBody), kBody), 0u);
}

TEST(Webhook, ForgedStaleAndOversized) {
  EXPECT_EQ(status(authorization(kBody), kBody + " "), 401u) << "another body";
  EXPECT_EQ(status(authorization(kBody, kNow, 300, "guess"), kBody), 401u);
  EXPECT_EQ(status("", kBody), 401u);
  EXPECT_EQ(status(authorization(kBody), kBody, kNow + 400), 401u) << "stale";
  EXPECT_EQ(status(authorization(kBody), kBody, kNow - 100), 401u) << "wrong clock";
  EXPECT_EQ(status(authorization(kBody, kNow, 1'000'000), kBody), 401u) << "would be kept for days";
  const std::string large(kMaxWebhookBytes + 1, 'x');
  EXPECT_EQ(status(authorization(large), large), 413u);
  EXPECT_EQ(status(sign_jwt(R"({"iss":"APIkey","exp":1700000300})", "secret"), kBody), 401u)
      << "an API token is no webhook";
}

TEST(Webhook, TheRefusalDoesNotTellTheSecret) {
  int64_t expires_s = 0;
  const std::string field = authorization(kBody, kNow, 300, "guess");
  const Verdict verdict = verify_webhook(field, kBody, kCredentials, kNow, &expires_s);
  EXPECT_EQ(verdict.reason.find("secret\""), std::string::npos);
  EXPECT_EQ(verdict.reason.find(field.substr(0, 20)), std::string::npos);
}

TEST(Webhook, EachIsTakenOnce) {
  ReplayGuard guard;
  const std::string field = authorization(kBody);
  EXPECT_TRUE(guard.take(field, kNow + 300, kNow));
  EXPECT_FALSE(guard.take(field, kNow + 300, kNow + 1));
  EXPECT_FALSE(guard.take("Bearer " + field, kNow + 300, kNow + 2));
  // The last letter of a signature has bits that mean nothing.
  for (char c = 'A'; c <= 'Z'; ++c) {
    EXPECT_FALSE(guard.take(field.substr(0, field.size() - 1) + c, kNow + 300, kNow + 3));
  }
  EXPECT_TRUE(guard.take(authorization(kBody, kNow + 1), kNow + 301, kNow + 4));
}

TEST(Webhook, WhatHasExpiredIsForgotten) {
  ReplayGuard guard;
  for (int i = 0; i < 1000; ++i) {
    guard.take(std::to_string(i) + ".x.y", kNow + 300, kNow);
  }
  EXPECT_EQ(guard.size(), 1000u);
  guard.take("new.x.y", kNow + 1300, kNow + 1000);
  EXPECT_EQ(guard.size(), 1u);
}

}  // namespace
}  // namespace livekit
