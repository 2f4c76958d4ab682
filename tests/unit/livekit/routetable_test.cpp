// SPDX-License-Identifier: LGPL-2.1-or-later
#include "routetable.h"

#include <gtest/gtest.h>

#include <string>

namespace livekit {
namespace {

class FakeConnection : public TrackConnection {
 public:
  explicit FakeConnection(uint16_t& closed_with) : closed_with_(closed_with) {}
  ConnectionState read(MessageHandler&, int64_t, size_t, bool*) override {
    return ConnectionState::kOpen;
  }
  void close(uint16_t code, std::string_view) override { closed_with_ = code; }
  const ConnectionCounters& counters() const override { return counters_; }
  std::string close_reason() const override { return ""; }

 private:
  uint16_t& closed_with_;
  ConnectionCounters counters_;
};

class FakeRoute : public Route {
 public:
  Verdict on_request(const TrackRequest& request) override {
    last = request;
    ++requests;
    if (during_request) during_request();
    return answer;
  }
  void on_connected(const TrackRequest&, std::unique_ptr<TrackConnection>) override {
    ++connections;
  }
  void on_refused(const std::string& remote, unsigned http_status,
                  const std::string& reason) override {
    refusals.push_back(std::to_string(http_status) + " " + remote + " " + reason);
  }

  Verdict answer;
  TrackRequest last;
  int requests = 0;
  int connections = 0;
  std::vector<std::string> refusals;
  std::function<void()> during_request;
};

Caller caller(const std::string& path, const std::string& query = "") {
  return {.path = path, .query = query, .content_type = "audio/x-raw", .remote = "10.0.0.1:5"};
}

class RouteTableTest : public ::testing::Test {
 protected:
  bool add(const std::string& path, Route* route, RouteConfig config = {}) {
    config.path = path;
    return table.add(config, route, error);
  }
  RouteTable table;
  std::string error;
  uint16_t closed_with = 0;
};

TEST_F(RouteTableTest, TheLongestPathWins) {
  FakeRoute root, rooms, standup;
  ASSERT_TRUE(add("/", &root));
  ASSERT_TRUE(add("/rooms", &rooms));
  ASSERT_TRUE(add("/rooms/standup/", &standup));
  EXPECT_TRUE(table.admit(caller("/rooms/standup/alice/TR_1")).welcome());
  EXPECT_EQ(standup.requests, 1);
  EXPECT_EQ(standup.last.room, "standup");
  EXPECT_TRUE(table.admit(caller("/rooms/standups/alice/TR_1")).welcome());
  EXPECT_EQ(rooms.requests, 1);
  EXPECT_EQ(rooms.last.room, "standups");
  EXPECT_TRUE(table.admit(caller("/roomsy/alice/TR_1")).welcome());
  EXPECT_EQ(root.requests, 1);
  EXPECT_EQ(root.last.remote, "10.0.0.1:5");
}

TEST_F(RouteTableTest, APathIsTakenOnce) {
  FakeRoute one, two;
  ASSERT_TRUE(add("/a/b", &one));
  EXPECT_FALSE(add("/a//b/", &two));
  EXPECT_NE(error.find("/a/b"), std::string::npos);
  EXPECT_TRUE(add("/a", &two));
  table.remove(&one);
  EXPECT_TRUE(add("/a/b", &one));
}

TEST_F(RouteTableTest, BadPaths) {
  FakeRoute route;
  for (const char* bad : {"/a?b", "/a#b", "/%zz", "/a%0a", "/\xff"}) {
    EXPECT_FALSE(add(bad, &route)) << bad;
    EXPECT_NE(error, "");
  }
}

TEST_F(RouteTableTest, RefusalsInTheirOrder) {
  FakeRoute route;
  RouteConfig config;
  config.token = "secret";
  config.max_connections = 1;
  ASSERT_TRUE(add("/r", &route, config));
  auto status = [&](Caller who) { return table.admit(who).verdict.http_status; };

  Caller bad = caller("/elsewhere");
  bad.handshake = Caller::Handshake::kNotWebSocket;
  EXPECT_EQ(status(bad), 404u);
  bad.path = "/r/a/t";
  bad.content_type = "audio/mpeg";
  EXPECT_EQ(status(bad), 426u);
  bad.handshake = Caller::Handshake::kWrongVersion;
  EXPECT_EQ(status(bad), 426u);
  bad.handshake = Caller::Handshake::kBad;
  EXPECT_EQ(status(bad), 400u);
  bad.handshake = Caller::Handshake::kGood;
  EXPECT_EQ(status(bad), 401u);
  bad.query = "token=secret";
  EXPECT_EQ(status(bad), 415u);
  bad.content_type.reset();
  EXPECT_EQ(status(bad), 0u);
  EXPECT_EQ(route.requests, 1);
  EXPECT_EQ(status(bad), 503u);
  EXPECT_EQ(route.requests, 1);
  EXPECT_EQ(status(caller(std::string(9000, 'a'))), 414u);
  // All were reported, also the one whose path nobody has: there is but one route.
  EXPECT_EQ(route.refusals.size(), 8u);
}

TEST_F(RouteTableTest, UnroutedCallersAreNobodysWhenThereAreSeveralRoutes) {
  FakeRoute one, two;
  ASSERT_TRUE(add("/1", &one));
  ASSERT_TRUE(add("/2", &two));
  EXPECT_EQ(table.admit(caller("/3")).verdict.http_status, 404u);
  EXPECT_TRUE(one.refusals.empty());
  EXPECT_TRUE(two.refusals.empty());
}

TEST_F(RouteTableTest, TheElementMayRefuse) {
  FakeRoute route;
  ASSERT_TRUE(add("/", &route));
  route.answer = {403, "not today"};
  EXPECT_EQ(table.admit(caller("/a")).verdict.http_status, 403u);
  EXPECT_EQ(table.open_connections(&route), 0u);
  ASSERT_EQ(route.refusals.size(), 1u);
  EXPECT_EQ(route.refusals[0], "403 10.0.0.1:5 not today");
  // What could not be sent as an answer is made one that can.
  route.answer = {200, "x\r\ny"};
  const Verdict verdict = table.admit(caller("/a")).verdict;
  EXPECT_EQ(verdict.http_status, 403u);
  EXPECT_EQ(verdict.reason, "refused");
}

TEST_F(RouteTableTest, ConnectionsAreCounted) {
  FakeRoute route;
  RouteConfig config;
  config.max_connections = 2;
  ASSERT_TRUE(add("/", &route, config));
  const Admission first = table.admit(caller("/a"));
  const Admission second = table.admit(caller("/b"));
  EXPECT_EQ(table.admit(caller("/c")).verdict.http_status, 503u);
  EXPECT_TRUE(table.connected(first, std::make_unique<FakeConnection>(closed_with)));
  EXPECT_EQ(table.admit(caller("/c")).verdict.http_status, 503u);
  table.ended(&route);
  EXPECT_TRUE(table.admit(caller("/c")).welcome());
  table.abandon(second, "gone");
  EXPECT_EQ(table.open_connections(&route), 1u);
  table.ended(&route);
  table.ended(&route);  // once too often: stays at none
  EXPECT_EQ(table.open_connections(&route), 0u);
}

TEST_F(RouteTableTest, ARemovedRouteIsNotCalled) {
  FakeRoute route;
  ASSERT_TRUE(add("/", &route));
  const Admission admission = table.admit(caller("/a"));
  const Admission other = table.admit(caller("/b"));
  table.remove(&route);
  EXPECT_FALSE(table.connected(admission, std::make_unique<FakeConnection>(closed_with)));
  EXPECT_EQ(closed_with, 1001);
  EXPECT_EQ(route.connections, 0);
  table.abandon(other, "gone");
  table.ended(&route);
  EXPECT_EQ(table.admit(caller("/a")).verdict.http_status, 404u);
  EXPECT_TRUE(route.refusals.empty());
  // The same address again is another route: old admissions do not count.
  ASSERT_TRUE(add("/", &route));
  EXPECT_FALSE(table.connected(admission, std::make_unique<FakeConnection>(closed_with)));
}

TEST_F(RouteTableTest, ARouteMayRemoveItselfWhenCalled) {
  FakeRoute route;
  ASSERT_TRUE(add("/", &route));
  route.during_request = [&] { table.remove(&route); };
  const Admission admission = table.admit(caller("/a"));
  EXPECT_TRUE(admission.welcome());
  EXPECT_FALSE(table.connected(admission, std::make_unique<FakeConnection>(closed_with)));
}

TEST_F(RouteTableTest, UnnamedTracksGetDifferentNames) {
  FakeRoute route;
  ASSERT_TRUE(add("/", &route));
  table.admit(caller("/"));
  const std::string first = route.last.track;
  table.admit(caller("/"));
  EXPECT_NE(route.last.track, first);
  EXPECT_EQ(route.last.identity, route.last.track);
}

}  // namespace
}  // namespace livekit
