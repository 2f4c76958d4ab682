// SPDX-License-Identifier: LGPL-2.1-or-later
#include "websocketconnection.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <string>

#include "clientframes.h"
#include "wireclient.h"

namespace livekit {
namespace {

using namespace testing_frames;

// A connection over one end of a socket pair; the test holds the other.
class ConnectionTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends_), 0);
  }
  void TearDown() override { hang_up(); }

  std::unique_ptr<WebSocketConnection> make(uint32_t idle_timeout_ms = 0,
                                            size_t max_message_size = 1 << 20) {
    Transport transport;
    transport.socket.reset(g_socket_new_from_fd(ends_[0], nullptr));
    transport.stream.reset(
        G_IO_STREAM(g_socket_connection_factory_create_connection(transport.socket.get())));
    return std::make_unique<WebSocketConnection>(std::move(transport), max_message_size,
                                                 idle_timeout_ms, std::weak_ptr<LingeringCloser>());
  }
  void send(const Bytes& bytes) {
    ASSERT_EQ(::send(ends_[1], bytes.data(), bytes.size(), MSG_NOSIGNAL),
              static_cast<ssize_t>(bytes.size()));
  }
  // What has been answered so far, without waiting.
  Bytes answered() {
    Bytes bytes(1 << 16);
    const ssize_t count = ::recv(ends_[1], bytes.data(), bytes.size(), MSG_DONTWAIT);
    bytes.resize(count > 0 ? static_cast<size_t>(count) : 0);
    return bytes;
  }
  bool closed() {
    char byte;
    return ::recv(ends_[1], &byte, 1, MSG_DONTWAIT) == 0;
  }
  void hang_up() {
    if (ends_[1] >= 0) ::close(ends_[1]);
    ends_[1] = -1;
  }
  ConnectionState read(TrackConnection& connection, int64_t now_us = 0, size_t budget = 1 << 20) {
    return connection.read(messages_, now_us, budget, &more_);
  }

  int ends_[2] = {-1, -1};
  Messages messages_;
  bool more_ = false;
};

TEST_F(ConnectionTest, DeliversAndCounts) {
  auto connection = make();
  EXPECT_EQ(read(*connection), ConnectionState::kOpen);
  const Bytes bytes = binary("one") + text("{\"muted\":true}") + binary("two") + ping("ping");
  send(bytes);
  EXPECT_EQ(read(*connection), ConnectionState::kOpen);
  EXPECT_FALSE(more_);
  EXPECT_EQ(messages_.audio, (std::vector<std::string>{"one", "two"}));
  EXPECT_EQ(messages_.texts, std::vector<std::string>{"{\"muted\":true}"});
  EXPECT_EQ(connection->counters().bytes, bytes.size());
  EXPECT_EQ(connection->counters().messages, 2u);
  EXPECT_EQ(connection->counters().texts, 1u);
  EXPECT_EQ(connection->counters().pings, 1u);
  EXPECT_EQ(connection->close_reason(), "");
}

TEST_F(ConnectionTest, APongCarriesThePingsPayload) {
  auto connection = make();
  for (const std::string& payload : {std::string("ping"), std::string(), std::string(125, 'x')}) {
    send(ping(payload));
    read(*connection);
  }
  Bytes expected = {0x8a, 4, 'p', 'i', 'n', 'g', 0x8a, 0, 0x8a, 125};
  expected.insert(expected.end(), 125, 'x');
  EXPECT_EQ(answered(), expected);
}

TEST_F(ConnectionTest, AFloodOfPingsIsAnsweredOnceARead) {
  auto connection = make();
  send(ping("one") + ping("two") + ping("three"));
  read(*connection);
  EXPECT_EQ(connection->counters().pings, 3u);
  EXPECT_EQ(answered(), (Bytes{0x8a, 5, 't', 'h', 'r', 'e', 'e'}));
}

TEST_F(ConnectionTest, ACloseIsEchoed) {
  auto connection = make();
  send(binary("last") + close_frame("\x03\xe8"
                                    "done"));
  EXPECT_EQ(read(*connection), ConnectionState::kClosedByPeer);
  EXPECT_EQ(messages_.audio, std::vector<std::string>{"last"});
  EXPECT_EQ(answered(), (Bytes{0x88, 2, 0x03, 0xe8}));
  EXPECT_TRUE(closed());
  EXPECT_EQ(connection->close_reason(), "closed by the peer with code 1000: done");
  EXPECT_EQ(read(*connection), ConnectionState::kClosedByPeer);
}

TEST_F(ConnectionTest, ABodylessCloseIsEchoedWithoutABody) {
  auto connection = make();
  send(close_frame());
  EXPECT_EQ(read(*connection), ConnectionState::kClosedByPeer);
  EXPECT_EQ(answered(), (Bytes{0x88, 0}));
}

TEST_F(ConnectionTest, APeerThatIsGoneBeforeTheEcho) {
  auto connection = make();
  send(binary("last") + close_frame());
  hang_up();
  EXPECT_EQ(read(*connection), ConnectionState::kClosedByPeer);
  EXPECT_EQ(messages_.audio, std::vector<std::string>{"last"});
}

TEST_F(ConnectionTest, APeerThatVanishesLosesNothing) {
  auto connection = make();
  send(binary("one") + ping() + binary("two"));
  hang_up();
  EXPECT_EQ(messages_.read_to_end(*connection), ConnectionState::kLost);
  EXPECT_EQ(messages_.audio, (std::vector<std::string>{"one", "two"}));
  EXPECT_NE(connection->close_reason().find("without a close frame"), std::string::npos);
}

TEST_F(ConnectionTest, BrokenProtocolIsAnsweredWithItsCode) {
  auto connection = make(0, 100);
  send(binary("good") + binary(std::string(101, 'x')));
  EXPECT_EQ(read(*connection), ConnectionState::kProtocolError);
  EXPECT_EQ(messages_.audio, std::vector<std::string>{"good"});
  const Bytes answer = answered();
  ASSERT_GE(answer.size(), 4u);
  EXPECT_EQ(answer[0], 0x88);
  EXPECT_EQ(answer[2] << 8 | answer[3], 1009);
  EXPECT_NE(connection->close_reason().find("1009"), std::string::npos);
}

TEST_F(ConnectionTest, TheBudgetIsKept) {
  auto connection = make();
  send(binary(std::string(100, 'a')) + binary(std::string(100, 'b')));
  EXPECT_EQ(read(*connection, 0, 110), ConnectionState::kOpen);
  EXPECT_TRUE(more_);
  EXPECT_EQ(connection->counters().bytes, 110u);
  EXPECT_EQ(messages_.audio.size(), 1u);
  EXPECT_EQ(read(*connection, 0, 1000), ConnectionState::kOpen);
  EXPECT_FALSE(more_);
  EXPECT_EQ(messages_.audio.size(), 2u);
  EXPECT_EQ(read(*connection, 0, 0), ConnectionState::kOpen);
  EXPECT_TRUE(more_);
}

TEST_F(ConnectionTest, IdleTimeOut) {
  auto connection = make(1000);
  EXPECT_EQ(read(*connection, 5000000), ConnectionState::kOpen);
  EXPECT_EQ(read(*connection, 5999999), ConnectionState::kOpen);
  send(pong());  // anything at all counts
  EXPECT_EQ(read(*connection, 5999999), ConnectionState::kOpen);
  EXPECT_EQ(read(*connection, 6999998), ConnectionState::kOpen);
  EXPECT_EQ(read(*connection, 6999999), ConnectionState::kTimedOut);
  EXPECT_EQ(answered()[0], 0x88);
  EXPECT_TRUE(closed());
  EXPECT_NE(connection->close_reason(), "");
}

TEST_F(ConnectionTest, WhatCameLateStillCountsAgainstTheTimeOut) {
  auto connection = make(1000);
  read(*connection, 0);
  send(binary("late"));
  EXPECT_EQ(read(*connection, 9000000), ConnectionState::kOpen);
  EXPECT_EQ(messages_.audio.size(), 1u);
}

TEST_F(ConnectionTest, NoIdleTimeOutByDefault) {
  auto connection = make();
  read(*connection, 0);
  EXPECT_EQ(read(*connection, INT64_MAX), ConnectionState::kOpen);
}

TEST_F(ConnectionTest, LocalClose) {
  auto connection = make();
  connection->close(1001, "shutting down");
  const Bytes answer = answered();
  EXPECT_EQ(answer.size(), 2u + 2u + 13u);
  EXPECT_TRUE(closed());
  EXPECT_EQ(read(*connection), ConnectionState::kClosedLocally);
  EXPECT_EQ(connection->close_reason(), "shutting down");
  connection->close(1000, "again");
  EXPECT_EQ(connection->close_reason(), "shutting down");
}

TEST_F(ConnectionTest, DestructionClosesTheSocket) {
  auto connection = make();
  connection.reset();
  EXPECT_TRUE(closed());
}

TEST_F(ConnectionTest, APeerThatDoesNotReadItsPongsTakesNoMemory) {
  auto connection = make();
  const Bytes pings = [] {
    Bytes bytes;
    for (int i = 0; i < 500; ++i) bytes = bytes + ping(std::string(100, 'x'));
    return bytes;
  }();
  for (int i = 0; i < 100; ++i) {
    send(pings);
    ASSERT_EQ(read(*connection), ConnectionState::kOpen);
  }
  EXPECT_EQ(connection->counters().pings, 50000u);
  // What did arrive are whole pongs, also once the pipe has room again.
  Bytes got = answered();
  read(*connection);
  for (Bytes next = answered(); !next.empty(); next = answered()) {
    got.insert(got.end(), next.begin(), next.end());
    read(*connection);
  }
  ASSERT_EQ(got.size() % 102, 0u);
  for (size_t i = 0; i < got.size(); i += 102) ASSERT_EQ(got[i], 0x8a);
}

}  // namespace
}  // namespace livekit
