// SPDX-License-Identifier: LGPL-2.1-or-later
#include "listener.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <string>
#include <thread>

#include "clientframes.h"
#include "wireclient.h"

namespace livekit {
namespace {

using namespace testing_frames;

class ListenerTest : public ::testing::Test {
 protected:
  void start(ListenerConfig config = {}, RouteConfig route_config = {}) {
    config.address = "127.0.0.1";
    config.port = 0;
    std::string error;
    listener_ = Listener::acquire(config, error);
    ASSERT_TRUE(listener_) << error;
    ASSERT_TRUE(listener_->add_route(route_config, &route_, error)) << error;
  }
  void TearDown() override {
    if (listener_) listener_->remove_route(&route_);
  }
  WireClient call() { return WireClient(listener_->port()); }
  // The whole answer to a request that is refused.
  std::string answer_to(const std::string& request) {
    WireClient client = call();
    client.send(request);
    bool ended = false;
    std::string answer = client.receive_all(&ended);
    EXPECT_TRUE(ended) << "the server left the connection open";
    return answer;
  }
  static bool starts(const std::string& text, const std::string& with) {
    return text.compare(0, with.size(), with) == 0;
  }
  static bool has(const std::string& text, const std::string& part) {
    return text.find(part) != std::string::npos;
  }

  std::shared_ptr<Listener> listener_;
  TestRoute route_;
};

TEST_F(ListenerTest, ATrackComesIn) {
  start();
  WireClient client = call();
  client.send(upgrade_request("/egress/rsynth/alice/TR_AMWwJDezM4Dzy5"));
  const std::string answer = client.receive_until("\r\n\r\n");
  EXPECT_TRUE(starts(answer, "HTTP/1.1 101 ")) << answer;
  EXPECT_TRUE(has(answer, "\r\nUpgrade: websocket\r\n")) << answer;
  EXPECT_TRUE(has(answer, "\r\nConnection: Upgrade\r\n")) << answer;
  // Computed with `openssl sha1` from the key of upgrade_request().
  EXPECT_TRUE(has(answer, "\r\nSec-WebSocket-Accept: hLXTAIjs8OhjwEx3c0tFGYCppwg=\r\n")) << answer;
  EXPECT_FALSE(has(answer, "Sec-WebSocket-Extensions")) << answer;
  TrackRequest request;
  auto connection = route_.wait_connection(&request);
  ASSERT_TRUE(connection);
  EXPECT_EQ(request.room, "rsynth");
  EXPECT_EQ(request.identity, "alice");
  EXPECT_EQ(request.track, "TR_AMWwJDezM4Dzy5");
  EXPECT_TRUE(starts(request.remote, "127.0.0.1:"));
  EXPECT_EQ(request.format, AudioFormat{});

  Messages messages;
  client.send(binary(std::string(1920, 'a')) + text("{\"muted\":false}") + ping("ping"));
  messages.read_until(*connection, [&] { return connection->counters().pings == 1; });
  EXPECT_EQ(messages.audio, std::vector<std::string>{std::string(1920, 'a')});
  EXPECT_EQ(messages.texts.size(), 1u);
  EXPECT_EQ(client.receive_bytes(6), "\x8a\x04ping");
  client.send(close_frame());
  EXPECT_EQ(messages.read_to_end(*connection), ConnectionState::kClosedByPeer);
  bool ended = false;
  EXPECT_EQ(client.receive_all(&ended), std::string("\x88\0", 2));
  EXPECT_TRUE(ended);
}

TEST_F(ListenerTest, FramesThatComeWithTheRequest) {
  start();
  for (int round = 0; round < 20; ++round) {
    WireClient client = call();
    const std::string request = upgrade_request("/alice/TR_1");
    Bytes bytes(request.begin(), request.end());
    for (int i = 0; i < 20; ++i) bytes = bytes + binary("frame " + std::to_string(i));
    client.send(bytes);
    client.receive_until("\r\n\r\n");
    client.send(binary("after"));
    auto connection = route_.wait_connection();
    ASSERT_TRUE(connection);
    client.send(binary("later") + close_frame());
    Messages messages;
    EXPECT_EQ(messages.read_to_end(*connection), ConnectionState::kClosedByPeer);
    ASSERT_EQ(messages.audio.size(), 22u);
    for (int i = 0; i < 20; ++i) EXPECT_EQ(messages.audio[i], "frame " + std::to_string(i));
    EXPECT_EQ(messages.audio[20], "after");
    EXPECT_EQ(messages.audio[21], "later");
  }
}

TEST_F(ListenerTest, ManyBytesWithTheRequestAndThenTheEnd) {
  start();
  WireClient client = call();
  const std::string request = upgrade_request("/alice/TR_1");
  Bytes bytes(request.begin(), request.end());
  for (int i = 0; i < 100; ++i) bytes = bytes + binary(std::string(1920, static_cast<char>(i)));
  client.send(bytes);
  client.receive_until("\r\n\r\n");
  client.hang_up();
  auto connection = route_.wait_connection();
  ASSERT_TRUE(connection);
  Messages messages;
  EXPECT_EQ(messages.read_to_end(*connection), ConnectionState::kLost);
  EXPECT_EQ(messages.audio.size(), 100u);
}

TEST_F(ListenerTest, ARequestByteByByte) {
  start();
  WireClient client = call();
  for (char byte : upgrade_request("/alice/TR_1")) client.send(std::string(1, byte));
  EXPECT_TRUE(starts(client.receive_until("\r\n\r\n"), "HTTP/1.1 101 "));
}

TEST_F(ListenerTest, NotAWebSocket) {
  start();
  const std::string answer = answer_to("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_TRUE(starts(answer, "HTTP/1.1 426 Upgrade Required\r\n")) << answer;
  EXPECT_TRUE(has(answer, "\r\nUpgrade: websocket\r\n")) << answer;
  EXPECT_TRUE(has(answer, "ws://")) << answer;
  EXPECT_EQ(route_.wait_refusal().http_status, 426u);
  EXPECT_TRUE(starts(answer_to("GET / HTTP/1.0\r\n\r\n"), "HTTP/1.1 426 "));
  const std::string head = answer_to("HEAD / HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_TRUE(starts(head, "HTTP/1.1 426 "));
  EXPECT_TRUE(head.ends_with("\r\n\r\n")) << head;
}

TEST_F(ListenerTest, ABodyIsNotWaitedFor) {
  start();
  const std::string answer =
      answer_to("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000000\r\n\r\nabc");
  EXPECT_TRUE(starts(answer, "HTTP/1.1 426 ")) << answer;
}

TEST_F(ListenerTest, WrongVersionAndBadKey) {
  start();
  std::string request = upgrade_request("/");
  request.replace(request.find("Version: 13"), 11, "Version: 8");
  std::string answer = answer_to(request);
  EXPECT_TRUE(starts(answer, "HTTP/1.1 426 ")) << answer;
  EXPECT_TRUE(has(answer, "\r\nSec-WebSocket-Version: 13\r\n")) << answer;
  request = upgrade_request("/");
  request.replace(request.find("23Yds43u"), 8, "short");
  answer = answer_to(request);
  EXPECT_TRUE(starts(answer, "HTTP/1.1 400 ")) << answer;
}

TEST_F(ListenerTest, UnknownPath) {
  start({}, {.path = "/rooms/standup"});
  const std::string answer = answer_to(upgrade_request("/rooms/other/alice/TR_1"));
  EXPECT_TRUE(starts(answer, "HTTP/1.1 404 ")) << answer;
  EXPECT_EQ(route_.wait_refusal().http_status, 404u);
}

TEST_F(ListenerTest, Tokens) {
  start({}, {.token = "s3same"});
  for (const char* target : {"/r/alice/TR_1", "/r/alice/TR_1?token=wrong", "/wrong/alice/TR_1"}) {
    const std::string answer = answer_to(upgrade_request(target));
    EXPECT_TRUE(starts(answer, "HTTP/1.1 401 ")) << answer;
    EXPECT_FALSE(has(answer, "s3same"));
    const Verdict refusal = route_.wait_refusal();
    EXPECT_EQ(refusal.http_status, 401u);
    EXPECT_FALSE(has(refusal.reason, "wrong/"));
  }
  for (const char* target : {"/r/alice/TR_1?token=s3same", "/s3same/r/alice/TR_1",
                             "/r/alice/TR_1?access_token=s3same"}) {
    WireClient client = call();
    client.send(upgrade_request(target));
    EXPECT_TRUE(starts(client.receive_until("\r\n\r\n"), "HTTP/1.1 101 ")) << target;
    TrackRequest request;
    ASSERT_TRUE(route_.wait_connection(&request));
    EXPECT_EQ(request.room + "/" + request.identity + "/" + request.track, "r/alice/TR_1");
  }
}

TEST_F(ListenerTest, Formats) {
  start();
  const std::string answer = answer_to(upgrade_request("/", "audio/mpeg"));
  EXPECT_TRUE(starts(answer, "HTTP/1.1 415 ")) << answer;
  EXPECT_TRUE(has(answer, "audio/x-raw") && has(answer, "audio/x-opus")) << answer;
  EXPECT_EQ(route_.wait_refusal().http_status, 415u);
  WireClient client = call();
  client.send(upgrade_request("/?rate=16000", "audio/x-raw;channels=1"));
  TrackRequest request;
  ASSERT_TRUE(route_.wait_connection(&request));
  EXPECT_EQ(request.format, (AudioFormat{AudioFormat::Encoding::kS16le, 16000, 1}));
}

TEST_F(ListenerTest, TooManyConnections) {
  start({}, {.max_connections = 1});
  WireClient first = call();
  first.send(upgrade_request("/a"));
  auto connection = route_.wait_connection();
  ASSERT_TRUE(connection);
  EXPECT_TRUE(starts(answer_to(upgrade_request("/b")), "HTTP/1.1 503 "));
  EXPECT_EQ(route_.wait_refusal().http_status, 503u);
  connection.reset();
  listener_->connection_ended(&route_);
  WireClient second = call();
  second.send(upgrade_request("/b"));
  EXPECT_TRUE(starts(second.receive_until("\r\n\r\n"), "HTTP/1.1 101 "));
}

TEST_F(ListenerTest, TheElementRefuses) {
  route_.answer = {403, "we are closed"};
  start();
  const std::string answer = answer_to(upgrade_request("/"));
  EXPECT_TRUE(starts(answer, "HTTP/1.1 403 ")) << answer;
  EXPECT_TRUE(has(answer, "we are closed")) << answer;
}

TEST_F(ListenerTest, BadRequests) {
  start();
  for (const std::string request :
       {"nonsense\r\n\r\n", "GET / HTTP/1.1\r\n\r\n", "GET http://[ HTTP/1.1\r\nHost: x\r\n\r\n",
        "GET /%zz HTTP/1.1\r\nHost: x\r\n\r\n", "\r\n\r\n\r\n", "CONNECT x:1 HTTP/1.1\r\n\r\n",
        "OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n", "GET / HTTP/9.9\r\nHost: x\r\n\r\n"}) {
    WireClient client = call();
    client.send(request);
    client.hang_up();
  }
  EXPECT_TRUE(starts(answer_to("GET /%zz HTTP/1.1\r\nHost: x\r\n\r\n"), "HTTP/1.1 4"));
  const std::string answer = answer_to("nonsense\r\n\r\n");
  EXPECT_TRUE(has(answer, " 400 Bad Request\r\n")) << answer;
}

TEST_F(ListenerTest, TheAnswerArrivesThoughTheCallerGoesOnSending) {
  start({}, {.token = "x"});
  WireClient client = call();
  const std::string request = upgrade_request("/");
  Bytes bytes(request.begin(), request.end());
  bytes.resize(bytes.size() + 100000);
  client.send(bytes);
  EXPECT_TRUE(starts(client.receive_all(), "HTTP/1.1 401 "));
}

TEST_F(ListenerTest, TheCloseFrameArrivesThoughTheCallerGoesOnSending) {
  start({}, {.max_message_size = 1000});
  WireClient client = call();
  client.send(upgrade_request("/"));
  client.receive_until("\r\n\r\n");
  auto connection = route_.wait_connection();
  ASSERT_TRUE(connection);
  client.send(binary(std::string(200000, 'x')));
  Messages messages;
  EXPECT_EQ(messages.read_to_end(*connection), ConnectionState::kProtocolError);
  connection.reset();
  client.send(binary(std::string(200000, 'x')));
  bool ended = false;
  const std::string answer = client.receive_all(&ended);
  EXPECT_TRUE(starts(answer, "\x88"));
  EXPECT_EQ(answer.substr(2, 2), "\x03\xf1");
  EXPECT_TRUE(ended);
}

TEST_F(ListenerTest, SlowHandshakesEnd) {
  start({.handshake_timeout_ms = 100});
  std::vector<WireClient> silent;
  for (int i = 0; i < 20; ++i) silent.push_back(call());
  for (int i = 0; i < 10; ++i) silent[i].send("GET / HTTP/1.1\r\nHost: x\r\nX-Slow: ");
  for (WireClient& client : silent) {
    bool ended = false;
    EXPECT_TRUE(starts(client.receive_all(&ended), "HTTP/1.1 408 "));
    EXPECT_TRUE(ended);
  }
  EXPECT_EQ(route_.wait_refusal().http_status, 408u);
}

TEST_F(ListenerTest, TheTimeOutIsForAllOfTheHandshake) {
  start({.handshake_timeout_ms = 150});
  WireClient client = call();
  client.send("GET / HTTP/1.1\r\nHost: x\r\n");
  // A header line now and then, as slowloris does it: until the server has had enough.
  const bool ended = eventually([&] { return !client.send("X-Again: 1\r\n"); });
  EXPECT_TRUE(ended);
}

TEST_F(ListenerTest, TheTimeOutIsNotForTracks) {
  start({.handshake_timeout_ms = 100});
  WireClient track = call();
  track.send(upgrade_request("/"));
  auto connection = route_.wait_connection();
  ASSERT_TRUE(connection);
  WireClient silent = call();
  bool ended = false;
  silent.receive_all(&ended);  // its time-out is after the track's would be
  EXPECT_TRUE(ended);
  track.send(binary("still here"));
  Messages messages;
  messages.read_until(*connection, [&] { return !messages.audio.empty(); });
  EXPECT_EQ(messages.audio, std::vector<std::string>{"still here"});
}

TEST_F(ListenerTest, EndlessHeaders) {
  start();
  WireClient client = call();
  client.send("GET / HTTP/1.1\r\nHost: x\r\n");
  const std::string line = "X-Long: " + std::string(1000, 'x') + "\r\n";
  int lines = 0;
  while (lines < 10000 && client.send(line)) ++lines;
  EXPECT_LT(lines, 10000);
}

TEST_F(ListenerTest, CallersWhoHangUp) {
  start({}, {.max_connections = 50});
  for (int i = 0; i < 50; ++i) {
    call().reset();
    WireClient half = call();
    half.send("GET / HT");
    half.hang_up();
    WireClient asked = call();
    asked.send(upgrade_request("/"));
    i % 2 ? asked.reset() : asked.hang_up();
  }
  // Whoever got through is connected and then lost; the others are nobody's.
  WireClient last = call();
  last.send(upgrade_request("/last"));
  TrackRequest request;
  Messages messages;
  while (auto connection = route_.wait_connection(&request)) {
    if (request.identity == "last") break;
    EXPECT_EQ(messages.read_to_end(*connection), ConnectionState::kLost);
    connection.reset();
    listener_->connection_ended(&route_);
  }
  EXPECT_EQ(request.identity, "last");
}

TEST_F(ListenerTest, AThousandCallsLeaveNothingBehind) {
  start();
  auto once = [&](int i) {
    WireClient client = call();
    client.send(upgrade_request("/alice/TR_" + std::to_string(i)));
    client.receive_until("\r\n\r\n");
    auto connection = route_.wait_connection();
    ASSERT_TRUE(connection);
    client.send(binary("x") + close_frame());
    Messages messages;
    ASSERT_EQ(messages.read_to_end(*connection), ConnectionState::kClosedByPeer);
    ASSERT_EQ(messages.audio.size(), 1u);
    connection.reset();
    listener_->connection_ended(&route_);
  };
  once(0);
  const size_t descriptors = count_entries("/proc/self/fd");
  const size_t threads = count_entries("/proc/self/task");
  for (int i = 1; i <= 1000 && !HasFatalFailure(); ++i) once(i);
  for (int i = 0; i < 100; ++i) answer_to("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_TRUE(eventually([&] { return count_entries("/proc/self/fd") == descriptors; }))
      << count_entries("/proc/self/fd") << " " << descriptors;
  EXPECT_EQ(count_entries("/proc/self/task"), threads);
}

TEST_F(ListenerTest, FourHundredAtOnce) {
  start();
  std::vector<WireClient> clients;
  for (int i = 0; i < 400; ++i) clients.push_back(call());
  for (WireClient& client : clients) client.send(upgrade_request("/"));
  std::set<std::string> tracks;
  std::vector<std::unique_ptr<TrackConnection>> connections;
  for (size_t i = 0; i < clients.size(); ++i) {
    TrackRequest request;
    connections.push_back(route_.wait_connection(&request));
    ASSERT_TRUE(connections.back());
    tracks.insert(request.track);
  }
  EXPECT_EQ(tracks.size(), clients.size());
}

TEST_F(ListenerTest, RoutesComeAndGo) {
  start({}, {.path = "/one"});
  TestRoute second;
  std::string error;
  EXPECT_FALSE(listener_->add_route({.path = "/one/"}, &second, error));
  EXPECT_TRUE(starts(answer_to(upgrade_request("/two/a/t")), "HTTP/1.1 404 "));
  ASSERT_TRUE(listener_->add_route({.path = "/two"}, &second, error)) << error;
  WireClient client = call();
  client.send(upgrade_request("/two/a/t"));
  EXPECT_TRUE(second.wait_connection());
  listener_->remove_route(&second);
  EXPECT_TRUE(starts(answer_to(upgrade_request("/two/a/t")), "HTTP/1.1 404 "));
  EXPECT_EQ(second.requests(), 1u);
}

TEST_F(ListenerTest, RemovingARouteWhileCallersCome) {
  start({}, {.path = "/keep"});
  std::atomic<bool> stop = false;
  std::thread caller([&] {
    while (!stop) {
      WireClient client = call();
      client.send(upgrade_request("/gone/a/t"));
      client.receive_until("\r\n\r\n");
    }
  });
  for (int i = 0; i < 50; ++i) {
    auto route = std::make_unique<TestRoute>();
    std::string error;
    EXPECT_TRUE(listener_->add_route({.path = "/gone"}, route.get(), error));
    EXPECT_TRUE(i % 5 != 0 || route->wait_connection());
    listener_->remove_route(route.get());
    route.reset();  // a late call would be a use after free
  }
  stop = true;
  caller.join();
}

TEST_F(ListenerTest, StopsWithCallersInTheMiddle) {
  start();
  WireClient silent = call();
  WireClient half = call();
  half.send("GET / HTTP/1.1\r\n");
  WireClient track = call();
  track.send(upgrade_request("/"));
  auto connection = route_.wait_connection();
  ASSERT_TRUE(connection);
  listener_->remove_route(&route_);
  listener_.reset();
  bool ended = false;
  silent.receive_all(&ended);
  EXPECT_TRUE(ended);
  half.receive_all(&ended);
  EXPECT_TRUE(ended);
  // A track's connection is the room's, and outlives the listener.
  track.send(binary("x"));
  Messages messages;
  messages.read_until(*connection, [&] { return !messages.audio.empty(); });
  EXPECT_EQ(messages.audio.size(), 1u);
  connection->close(1001, "");
}

TEST(ListenerSharing, OneListenerAnAddress) {
  std::string error;
  const auto probe = Listener::acquire({.address = "127.0.0.1", .port = 0}, error);
  ASSERT_TRUE(probe) << error;
  const uint16_t port = probe->port();
  EXPECT_NE(port, 0);
  // Port 0 is never shared.
  const auto other = Listener::acquire({.address = "127.0.0.1", .port = 0}, error);
  EXPECT_NE(other->port(), port);

  // Taken by a listener that is not to be shared, as by another program.
  EXPECT_FALSE(Listener::acquire({.address = "127.0.0.1", .port = port}, error));
  EXPECT_NE(error.find("another program uses it"), std::string::npos) << error;
}

TEST(ListenerSharing, SharedByPortAndStartedAgain) {
  std::string error;
  auto probe = Listener::acquire({.address = "127.0.0.1", .port = 0}, error);
  ASSERT_TRUE(probe) << error;
  const uint16_t port = probe->port();
  probe.reset();
  for (int round = 0; round < 20; ++round) {
    auto one = Listener::acquire({.address = "127.0.0.1", .port = port}, error);
    ASSERT_TRUE(one) << error;
    auto two = Listener::acquire({.address = "localhost", .port = port}, error);
    EXPECT_EQ(one, two);
    EXPECT_FALSE(Listener::acquire(
        {.address = "127.0.0.1", .port = port, .handshake_timeout_ms = 5}, error));
    EXPECT_NE(error.find("handshake-timeout"), std::string::npos) << error;
    EXPECT_FALSE(Listener::acquire(
        {.address = "127.0.0.1", .port = port, .tls_certificate = "a.pem"}, error));
    EXPECT_NE(error.find("tls-certificate"), std::string::npos) << error;
    // Let go of in one thread and asked for in another, at the same time.
    std::thread thread([&] { one.reset(); });
    two.reset();
    auto again = Listener::acquire({.address = "127.0.0.1", .port = port}, error);
    thread.join();
    EXPECT_TRUE(again) << error;
  }
}

TEST(ListenerSharing, LetGoOfInACallback) {
  class Quitter : public TestRoute {
   public:
    Verdict on_request(const TrackRequest& request) override {
      listener->remove_route(this);
      listener.reset();
      return TestRoute::on_request(request);
    }
    std::shared_ptr<Listener> listener;
  };
  std::string error;
  Quitter route;
  route.listener = Listener::acquire({.address = "127.0.0.1", .port = 0}, error);
  ASSERT_TRUE(route.listener) << error;
  ASSERT_TRUE(route.listener->add_route({}, &route, error));
  WireClient client(route.listener->port());
  client.send(upgrade_request("/"));
  bool ended = false;
  client.receive_all(&ended);
  EXPECT_TRUE(ended);
}

TEST(ListenerErrors, SayWhatToDo) {
  std::string error;
  EXPECT_FALSE(Listener::acquire({.address = "not an address", .port = 0}, error));
  EXPECT_NE(error.find("IP address"), std::string::npos) << error;
  EXPECT_FALSE(Listener::acquire({.address = "192.0.2.1", .port = 0}, error));
  EXPECT_NE(error.find("Choose an address"), std::string::npos) << error;
  EXPECT_FALSE(Listener::acquire({.port = 0, .tls_certificate = "/nonexistent.pem"}, error));
  EXPECT_NE(error.find("/nonexistent.pem"), std::string::npos) << error;
  EXPECT_FALSE(Listener::acquire({.port = 0, .tls_key = "/nonexistent.pem"}, error));
  EXPECT_NE(error.find("tls-certificate"), std::string::npos) << error;
}

TEST(ListenerErrors, Ipv6) {
  std::string error;
  const auto listener = Listener::acquire({.address = "::1", .port = 0}, error);
  if (!listener) GTEST_SKIP() << "no IPv6 here: " << error;
  TestRoute route;
  ASSERT_TRUE(listener->add_route({}, &route, error));
  const int fd = ::socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in6 address{};
  address.sin6_family = AF_INET6;
  address.sin6_port = htons(listener->port());
  address.sin6_addr = in6addr_loopback;
  ASSERT_EQ(::connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  const std::string request = upgrade_request("/");
  ::send(fd, request.data(), request.size(), MSG_NOSIGNAL);
  TrackRequest track;
  EXPECT_TRUE(route.wait_connection(&track));
  EXPECT_EQ(track.remote.substr(0, 6), "[::1]:");
  ::close(fd);
  listener->remove_route(&route);
}

}  // namespace
}  // namespace livekit
