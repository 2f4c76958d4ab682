// SPDX-License-Identifier: LGPL-2.1-or-later
// Webhooks on the listener's port, byte by byte.
#include <glib.h>
#include <gtest/gtest.h>

#include "jwt.h"
#include "listener.h"
#include "webhook.h"
#include "wireclient.h"

namespace livekit {
namespace {

const ApiCredentials kCredentials{"APIkey", "the secret"};
const std::string kBody = R"({"event":"room_started","room":{"name":"standup"}})";

class CountingSink : public HookSink {
 public:
  void on_webhook(const WebhookEvent& event) override {
    const std::lock_guard lock(mutex_);
    events_.push_back(event.event);
  }
  size_t count() {
    const std::lock_guard lock(mutex_);
    return events_.size();
  }

 private:
  std::mutex mutex_;
  std::vector<std::string> events_;
};

class ListenerWebhookTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ListenerConfig config;
    config.address = "127.0.0.1";
    config.port = 0;
    config.handshake_timeout_ms = 2000;
    std::string error;
    listener_ = Listener::acquire(config, error);
    ASSERT_TRUE(listener_) << error;
    ASSERT_TRUE(listener_->add_route({}, &route_, error)) << error;
    listener_->add_hook({"/hook", kCredentials, "standup"}, &sink_);
    listener_->add_hook({"/hook", kCredentials, "retro"}, &other_);
  }
  void TearDown() override {
    listener_->remove_hook(&sink_);
    listener_->remove_hook(&other_);
    listener_->remove_route(&route_);
  }
  static std::string authorization(const std::string& body) {
    static int number = 0;
    const std::string digest = sha256(body);
    gchar* base64 = g_base64_encode(reinterpret_cast<const guchar*>(digest.data()), digest.size());
    const std::string claims =
        "{\"iss\":\"APIkey\",\"n\":" + std::to_string(++number) +
        ",\"exp\":" + std::to_string(g_get_real_time() / G_USEC_PER_SEC + 300) + ",\"sha256\":\"" +
        base64 + "\"}";
    g_free(base64);
    return sign_jwt(claims, kCredentials.secret);
  }
  std::string head(const std::string& body, const std::string& more) {
    return "POST /hook HTTP/1.1\r\nHost: x\r\nAuthorization: " + authorization(body) + "\r\n" +
           more + "\r\n";
  }
  // The status of the answer, after which the connection has to end.
  int status(const std::string& request) {
    WireClient client(listener_->port());
    client.send(request);
    bool ended = false;
    const std::string answer = client.receive_all(&ended);
    EXPECT_TRUE(ended);
    return answer.size() > 12 ? std::stoi(answer.substr(9, 3)) : 0;
  }
  static std::string length(const std::string& body) {
    return "Content-Length: " + std::to_string(body.size()) + "\r\n";
  }

  std::shared_ptr<Listener> listener_;
  TestRoute route_;
  CountingSink sink_;
  CountingSink other_;
};

TEST_F(ListenerWebhookTest, ReachesTheRoomItIsAbout) {
  EXPECT_EQ(status(head(kBody, length(kBody)) + kBody), 200);
  EXPECT_EQ(sink_.count(), 1u);
  EXPECT_EQ(other_.count(), 0u);
}

TEST_F(ListenerWebhookTest, InChunks) {
  const std::string first = kBody.substr(0, 10);
  const std::string rest = kBody.substr(10);
  gchar* chunks = g_strdup_printf("%zx\r\n%s\r\n%zx\r\n%s\r\n0\r\n\r\n", first.size(),
                                  first.c_str(), rest.size(), rest.c_str());
  EXPECT_EQ(status(head(kBody, "Transfer-Encoding: chunked\r\n") + chunks), 200);
  g_free(chunks);
  EXPECT_EQ(sink_.count(), 1u);
}

TEST_F(ListenerWebhookTest, TooLong) {
  // Refused before the body comes.
  EXPECT_EQ(status(head("", "Content-Length: 1048577\r\n")), 413);
  std::string chunks;
  const std::string chunk(0x10000, ' ');
  for (int i = 0; i < 20; ++i) chunks += "10000\r\n" + chunk + "\r\n";
  EXPECT_EQ(status(head("", "Transfer-Encoding: chunked\r\n") + chunks + "0\r\n\r\n"), 413);
  EXPECT_EQ(sink_.count(), 0u);
}

TEST_F(ListenerWebhookTest, ABodyThatNeverEnds) {
  WireClient client(listener_->port());
  client.send(head(kBody, "Transfer-Encoding: chunked\r\n") + "10\r\n");
  bool ended = false;
  client.receive_all(&ended);
  EXPECT_TRUE(ended) << "as long as a handshake may take";
}

TEST_F(ListenerWebhookTest, OthersAreNotWebhooks) {
  EXPECT_EQ(status("GET /hook HTTP/1.1\r\nHost: x\r\n\r\n"), 426);
  EXPECT_EQ(status("POST /hook2 HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n"), 426);
  EXPECT_EQ(status("POST /hook HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n"), 401);
}

TEST_F(ListenerWebhookTest, WhoHasGoneIsNotCalled) {
  listener_->remove_hook(&sink_);
  EXPECT_EQ(status(head(kBody, length(kBody)) + kBody), 200) << "the other room is still there";
  EXPECT_EQ(sink_.count(), 0u);
  listener_->remove_hook(&other_);
  EXPECT_EQ(status(head(kBody, length(kBody)) + kBody), 426);
}

}  // namespace
}  // namespace livekit
