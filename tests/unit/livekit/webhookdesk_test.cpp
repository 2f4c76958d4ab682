// SPDX-License-Identifier: LGPL-2.1-or-later
// What the desk writes to the log when somebody keeps posting nonsense, and clocks that jump.
#include "webhookdesk.h"

#include <gst/gst.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "listener.h"

// GStreamer keeps its old lists of log functions on purpose, too deep in GLib for a suppression to
// name them, so this program alone is not searched for leaks.
extern "C" int __lsan_is_turned_off();
extern "C" int __lsan_is_turned_off() {
  return 1;
}

namespace livekit {
namespace {

constexpr int64_t kNow = 1'700'000'000;
const ApiCredentials kCredentials{"APIkey", "the secret"};
const std::string kBody = R"({"event":"room_started","room":{"name":"standup"}})";

class Counting : public HookSink {
 public:
  void on_webhook(const WebhookEvent&) override { ++count; }
  int count = 0;
};

std::string authorization(const std::string& body, int64_t now_s) {
  const std::string digest = sha256(body);
  gchar* base64 = g_base64_encode(reinterpret_cast<const guchar*>(digest.data()), digest.size());
  const std::string claims = "{\"iss\":\"APIkey\",\"nbf\":" + std::to_string(now_s) +
                             ",\"exp\":" + std::to_string(now_s + 300) + ",\"sha256\":\"" + base64 +
                             "\"}";
  g_free(base64);
  return sign_jwt(claims, kCredentials.secret);
}

class WebhookDeskTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    gst_init(nullptr, nullptr);
    // The category is made with the first listener.
    ListenerConfig config;
    config.address = "127.0.0.1";
    config.port = 0;
    std::string error;
    ASSERT_TRUE(Listener::acquire(config, error)) << error;
    gst_debug_set_threshold_for_name("livekitlistener", GST_LEVEL_WARNING);
  }
  void SetUp() override {
    gst_debug_add_log_function(on_log, this, nullptr);
    desk_.add({"/hook", kCredentials, "standup"}, &sink_);
  }
  void TearDown() override { gst_debug_remove_log_function_by_data(this); }

  static void on_log(GstDebugCategory* category, GstDebugLevel, const gchar*, const gchar*, gint,
                     GObject*, GstDebugMessage* message, gpointer self) {
    if (std::string(gst_debug_category_get_name(category)) != "livekitlistener") return;
    static_cast<WebhookDeskTest*>(self)->log_.push_back(gst_debug_message_get(message));
  }

  WebhookDesk desk_;
  Counting sink_;
  std::vector<std::string> log_;
};

TEST_F(WebhookDeskTest, AFloodIsLoggedOnceAMinuteWithItsNumber) {
  for (int i = 0; i < 1000; ++i) {
    EXPECT_EQ(desk_.take("/hook", "forged", kBody, kNow + i / 20).http_status, 401u);
  }
  ASSERT_EQ(log_.size(), 1u) << "50 seconds of it";
  EXPECT_NE(log_[0].find("1 webhooks refused, the last with 401"), std::string::npos) << log_[0];
  desk_.take("/hook", "forged", std::string(kMaxWebhookBytes + 1, 'x'), kNow + 60);
  ASSERT_EQ(log_.size(), 2u);
  EXPECT_NE(log_[1].find("1000 webhooks refused, the last with 413"), std::string::npos) << log_[1];
  EXPECT_EQ(sink_.count, 0);
}

TEST_F(WebhookDeskTest, AClockThatIsSetBackDoesNotSilenceTheLog) {
  desk_.take("/hook", "forged", kBody, kNow);
  desk_.take("/hook", "forged", kBody, kNow - 86400);
  EXPECT_EQ(log_.size(), 2u);
}

TEST_F(WebhookDeskTest, TheLogTellsNeitherTokenNorSecretNorBody) {
  const std::string token = authorization(kBody, kNow);
  desk_.take("/hook", token, "another body \x1b[2J", kNow);
  desk_.take("/hook", token, kBody, kNow);
  desk_.take("/hook", token, kBody, kNow + 61);  // replayed, and stale soon
  ASSERT_EQ(log_.size(), 2u);
  for (const std::string& line : log_) {
    EXPECT_EQ(line.find(token.substr(0, 10)), std::string::npos) << line;
    EXPECT_EQ(line.find("the secret"), std::string::npos) << line;
    EXPECT_EQ(line.find("another body"), std::string::npos) << line;
  }
  EXPECT_EQ(sink_.count, 1);
}

TEST_F(WebhookDeskTest, WhatWasTakenIsNotTakenAgainWhenTheClockJumps) {
  const std::string token = authorization(kBody, kNow);
  EXPECT_EQ(desk_.take("/hook", token, kBody, kNow).http_status, 200u);
  // An hour ahead: stale. And back again: replayed.
  EXPECT_EQ(desk_.take("/hook", token, kBody, kNow + 3600).http_status, 401u);
  EXPECT_EQ(desk_.take("/hook", token, kBody, kNow - 30).http_status, 401u);
  EXPECT_EQ(desk_.take("/hook", token, kBody, kNow + 1).http_status, 401u);
  EXPECT_EQ(sink_.count, 1);
}

TEST_F(WebhookDeskTest, AGenuineHookOfAnUnknownFormIsNotForged) {
  EXPECT_EQ(desk_.take("/hook", authorization("[]", kNow), "[]", kNow).http_status, 400u);
  EXPECT_TRUE(log_.empty());
}

}  // namespace
}  // namespace livekit
