// SPDX-License-Identifier: LGPL-2.1-or-later
// wss: with a certificate made on the spot by the openssl program.
#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "clientframes.h"
#include "gobjectptr.h"
#include "listener.h"
#include "wireclient.h"

namespace livekit {
namespace {

using namespace testing_frames;

class ListenerTlsTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string name = (std::filesystem::temp_directory_path() / "livekit-tls-XXXXXX").string();
    ASSERT_TRUE(::mkdtemp(name.data()));
    folder_ = name;
    certificate_ = folder_ / "certificate.pem";
    key_ = folder_ / "key.pem";
    const std::string command =
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 "
        "-subj /CN=localhost -keyout " +
        key_.string() + " -out " + certificate_.string() + " 2>/dev/null";
    if (::system(command.c_str()) != 0) GTEST_SKIP() << "the openssl program is not installed";
  }
  void TearDown() override {
    if (listener_) listener_->remove_route(&route_);
    listener_.reset();
    std::filesystem::remove_all(folder_);
  }
  void start(ListenerConfig config = {}) {
    config.address = "127.0.0.1";
    config.port = 0;
    config.tls_certificate = certificate_.string();
    if (config.tls_key.empty()) config.tls_key = key_.string();
    std::string error;
    listener_ = Listener::acquire(config, error);
    ASSERT_TRUE(listener_) << error;
    ASSERT_TRUE(listener_->add_route({}, &route_, error)) << error;
  }

  // A TLS connection that has done its handshake, or null.
  GObjectPtr<GIOStream> dial() {
    const GObjectPtr<GSocketClient> client(g_socket_client_new());
    g_socket_client_set_timeout(client.get(), 60);
    ErrorHolder error;
    const GObjectPtr<GSocketConnection> plain(g_socket_client_connect_to_host(
        client.get(), "127.0.0.1", listener_->port(), nullptr, error.out()));
    if (!plain) return nullptr;
    GObjectPtr<GIOStream> tls(
        g_tls_client_connection_new(G_IO_STREAM(plain.get()), nullptr, error.out()));
    g_signal_connect(tls.get(), "accept-certificate",
                     G_CALLBACK(+[](GTlsConnection*, GTlsCertificate*, GTlsCertificateFlags,
                                    gpointer) -> gboolean { return TRUE; }),
                     nullptr);
    if (!g_tls_connection_handshake(G_TLS_CONNECTION(tls.get()), nullptr, error.out())) {
      return nullptr;
    }
    return tls;
  }
  static void send(GIOStream* tls, const Bytes& bytes) {
    ErrorHolder error;
    EXPECT_TRUE(g_output_stream_write_all(g_io_stream_get_output_stream(tls), bytes.data(),
                                          bytes.size(), nullptr, nullptr, error.out()))
        << error.message();
  }
  static std::string receive_until(GIOStream* tls, const std::string& end) {
    std::string got;
    char byte;
    while (!got.ends_with(end) &&
           g_input_stream_read(g_io_stream_get_input_stream(tls), &byte, 1, nullptr, nullptr) > 0) {
      got += byte;
    }
    return got;
  }
  static Bytes request(const std::string& target) {
    const std::string text = upgrade_request(target);
    return Bytes(text.begin(), text.end());
  }

  std::filesystem::path folder_;
  std::filesystem::path certificate_;
  std::filesystem::path key_;
  std::shared_ptr<Listener> listener_;
  TestRoute route_;
};

TEST_F(ListenerTlsTest, ATrackOverTls) {
  start();
  size_t descriptors = 0;
  for (int round = 0; round < 5; ++round) {
    // The first call opens what TLS keeps for good.
    if (round == 1) descriptors = count_entries("/proc/self/fd");
    const auto tls = dial();
    ASSERT_TRUE(tls);
    Bytes first = request("/room/alice/TR_1");
    for (int i = 0; i < 20; ++i) first = first + binary("frame " + std::to_string(i));
    send(tls.get(), first);
    EXPECT_EQ(receive_until(tls.get(), "\r\n\r\n").substr(0, 13), "HTTP/1.1 101 ");
    send(tls.get(), binary(std::string(100000, 'x')) + ping("ping"));
    TrackRequest track;
    auto connection = route_.wait_connection(&track);
    ASSERT_TRUE(connection);
    EXPECT_EQ(track.identity, "alice");
    Messages messages;
    messages.read_until(*connection, [&] { return connection->counters().pings == 1; });
    ASSERT_EQ(messages.audio.size(), 21u);
    EXPECT_EQ(messages.audio[19], "frame 19");
    EXPECT_EQ(messages.audio[20], std::string(100000, 'x'));
    EXPECT_EQ(receive_until(tls.get(), "ping"), "\x8a\x04ping");
    send(tls.get(), close_frame());
    EXPECT_EQ(messages.read_to_end(*connection), ConnectionState::kClosedByPeer);
    EXPECT_EQ(receive_until(tls.get(), "end"), std::string("\x88\0", 2));
  }
  EXPECT_TRUE(eventually([&] { return count_entries("/proc/self/fd") <= descriptors; }));
}

TEST_F(ListenerTlsTest, APeerThatVanishes) {
  start();
  auto tls = dial();
  ASSERT_TRUE(tls);
  send(tls.get(), request("/alice/t") + binary("last"));
  receive_until(tls.get(), "\r\n\r\n");
  auto connection = route_.wait_connection();
  ASSERT_TRUE(connection);
  tls.reset();
  Messages messages;
  EXPECT_EQ(messages.read_to_end(*connection), ConnectionState::kLost);
  EXPECT_EQ(messages.audio, std::vector<std::string>{"last"});
}

TEST_F(ListenerTlsTest, LocalClose) {
  start();
  const auto tls = dial();
  ASSERT_TRUE(tls);
  send(tls.get(), request("/alice/t"));
  receive_until(tls.get(), "\r\n\r\n");
  auto connection = route_.wait_connection();
  ASSERT_TRUE(connection);
  connection->close(1001, "bye");
  EXPECT_EQ(receive_until(tls.get(), "bye"),
            "\x88\x05\x03\xe9"
            "bye");
}

TEST_F(ListenerTlsTest, Refusals) {
  start();
  const auto tls = dial();
  ASSERT_TRUE(tls);
  const std::string text = "GET / HTTP/1.1\r\nHost: x\r\n\r\n";
  send(tls.get(), Bytes(text.begin(), text.end()));
  EXPECT_EQ(receive_until(tls.get(), "\r\n\r\n").substr(0, 13), "HTTP/1.1 426 ");
}

TEST_F(ListenerTlsTest, PlainHttpToATlsPort) {
  start();
  WireClient client(listener_->port());
  client.send(upgrade_request("/"));
  const std::string answer = client.receive_all();
  EXPECT_EQ(answer.substr(0, 13), "HTTP/1.1 400 ");
  EXPECT_NE(answer.find("wss://"), std::string::npos);
  EXPECT_EQ(route_.wait_refusal().http_status, 400u);
}

TEST_F(ListenerTlsTest, HandshakesThatNeverFinish) {
  start({.handshake_timeout_ms = 1000});
  std::vector<WireClient> clients;
  for (int i = 0; i < 30; ++i) clients.emplace_back(listener_->port());
  // Silent ones; ones that stop within the ClientHello; one that speaks nonsense.
  for (int i = 10; i < 15; ++i) clients[i].send(std::string("\x16\x03\x01\x02\x00\x01", 6));
  clients[15].send("\x16nonsense, and more of it than a record's header has");
  for (WireClient& client : clients) {
    bool ended = false;
    client.receive_all(&ended);
    EXPECT_TRUE(ended);
  }
  // And one that finishes TLS, but not HTTP.
  const auto tls = dial();
  ASSERT_TRUE(tls);
  EXPECT_EQ(receive_until(tls.get(), "\r\n\r\n").substr(0, 13), "HTTP/1.1 408 ");
}

// They hold the few threads that GIO has for handshakes.
TEST_F(ListenerTlsTest, HalfHandshakesKeepNobodyOutForLong) {
#ifdef __SANITIZE_ADDRESS__
  GTEST_SKIP()
      << "LeakSanitizer's own tracer dies in every other run with this test, in none without";
#endif
  ListenerConfig config;
  config.handshake_timeout_ms = 120'000;
  start(config);
  std::vector<WireClient> halves;
  for (int i = 0; i < 150; ++i) {
    halves.emplace_back(listener_->port()).send(std::string("\x16\x03\x01\x02\x00\x01", 6));
  }
  const int64_t before_us = g_get_monotonic_time();
  EXPECT_TRUE(dial());
  EXPECT_LT(g_get_monotonic_time() - before_us, 60'000'000);
}

TEST_F(ListenerTlsTest, StopsInTheMiddleOfAHandshake) {
  start();
  WireClient client(listener_->port());
  client.send(std::string("\x16\x03\x01\x02\x00\x01", 6));
  WireClient silent(listener_->port());
  listener_->remove_route(&route_);
  listener_.reset();
  bool ended = false;
  client.receive_all(&ended);
  EXPECT_TRUE(ended);
}

TEST_F(ListenerTlsTest, KeyInTheCertificatesFile) {
  const auto both = folder_ / "both.pem";
  std::ofstream(both) << std::ifstream(certificate_).rdbuf() << std::ifstream(key_).rdbuf();
  certificate_ = both;
  std::string error;
  EXPECT_TRUE(
      Listener::acquire({.address = "127.0.0.1", .port = 0, .tls_certificate = both}, error))
      << error;
}

TEST_F(ListenerTlsTest, BadFiles) {
  std::string error;
  // A certificate without a key in it.
  EXPECT_FALSE(Listener::acquire(
      {.address = "127.0.0.1", .port = 0, .tls_certificate = certificate_.string()}, error));
  EXPECT_NE(error.find("PEM"), std::string::npos) << error;
  const auto nonsense = folder_ / "nonsense.pem";
  std::ofstream(nonsense) << "nonsense";
  EXPECT_FALSE(Listener::acquire({.address = "127.0.0.1",
                                  .port = 0,
                                  .tls_certificate = nonsense.string(),
                                  .tls_key = key_.string()},
                                 error));
  EXPECT_NE(error.find("nonsense.pem"), std::string::npos) << error;
}

}  // namespace
}  // namespace livekit
