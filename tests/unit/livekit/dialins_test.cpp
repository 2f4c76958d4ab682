// SPDX-License-Identifier: LGPL-2.1-or-later
#include "dialins.h"

#include <glib.h>
#include <gtest/gtest.h>

#include <cstring>

#include "routetable.h"

namespace livekit {
namespace {

unsigned status(DialIns& dial_ins, const std::string& token, const std::string& track,
                int64_t now_ms = 1000, TrackRequest* out = nullptr) {
  TrackRequest request;
  const unsigned result = dial_ins.admit(token, track, now_ms, request).http_status;
  if (out) *out = request;
  return result;
}

std::string issue(DialIns& dial_ins, uint64_t session, const std::string& track,
                  const std::string& identity, const std::string& name, int64_t expires_ms) {
  return dial_ins.issue(session, {TrackRequest::Scope::kTrack, track, {{identity, name}}},
                        expires_ms);
}

TEST(DialIns, TheTokenSaysWhoItIs) {
  DialIns dial_ins("stand\nup");
  const std::string token = issue(dial_ins, 7, "TR_1", "a/../b \"x\"", "Zoë\n", 2000);
  TrackRequest request;
  EXPECT_EQ(status(dial_ins, token, "TR_1", 1999, &request), 0u);
  EXPECT_EQ(request.session, 7u);
  EXPECT_EQ(request.room, "stand up");
  EXPECT_EQ(request.identity, "a/../b \"x\"");
  EXPECT_EQ(request.name, "Zoë ");
  EXPECT_EQ(request.track, "TR_1");
  for (const char c : token) EXPECT_TRUE(g_ascii_isalnum(c) || strchr("._-", c)) << c;
}

TEST(DialIns, OnceAtATime) {
  DialIns dial_ins("room");
  const std::string token = issue(dial_ins, 1, "TR_1", "alice", "Alice", 2000);
  EXPECT_EQ(status(dial_ins, token, "TR_1"), 0u);
  EXPECT_EQ(status(dial_ins, token, "TR_1"), 409u);
  dial_ins.release(1);
  EXPECT_EQ(status(dial_ins, token, "TR_1"), 0u);
  dial_ins.release(1);
  dial_ins.revoke(1);
  EXPECT_EQ(status(dial_ins, token, "TR_1"), 401u);
}

TEST(DialIns, ForThatTrackAndThatTimeOnly) {
  DialIns dial_ins("room");
  DialIns other("room");
  const std::string token = issue(dial_ins, 1, "TR_1", "alice", "Alice", 2000);
  const std::string second = issue(dial_ins, 2, "TR_2", "bob", "Bob", 2000);
  issue(other, 1, "TR_1", "alice", "Alice", 2000);
  EXPECT_EQ(status(dial_ins, token, "TR_2"), 401u);
  EXPECT_EQ(status(dial_ins, token, "TR_1", 2000), 401u) << "expired";
  EXPECT_EQ(status(other, token, "TR_1"), 401u) << "of another run";
  EXPECT_EQ(status(dial_ins, "1" + second.substr(1), "TR_1"), 401u);
  for (const std::string bad :
       {"", ".", "1.", "1", "x.y", "99999999999999999999.x", "-1.x", "3.x"}) {
    EXPECT_EQ(status(dial_ins, bad, "TR_1"), 401u) << bad;
  }
  for (size_t i = 0; i + 1 < token.size(); ++i) {
    std::string forged = token;
    forged[i] = forged[i] == 'A' ? 'B' : 'A';
    EXPECT_EQ(status(dial_ins, forged, "TR_1"), 401u) << i;
  }
  EXPECT_EQ(status(dial_ins, token, "TR_1"), 0u);
}

TEST(DialIns, NamesFollowUntilTheCall) {
  DialIns dial_ins("room");
  const std::string token = issue(dial_ins, 1, "TR_1", "alice", "", 2000);
  dial_ins.describe("alice", "Dr. Alice", "{\"a\":1}", "{\"b\":\"2\"}");
  TrackRequest request;
  status(dial_ins, token, "TR_1", 1000, &request);
  EXPECT_EQ(request.name, "Dr. Alice");
  EXPECT_EQ(request.metadata, "{\"a\":1}");
  EXPECT_EQ(request.attributes, "{\"b\":\"2\"}");
}

TEST(DialIns, APersonsTokenIsForAllHisTracks) {
  DialIns dial_ins("standup");
  const std::string token =
      dial_ins.issue(3, {TrackRequest::Scope::kPerson, "Xy", {{"alice", ""}}}, 2000);
  TrackRequest request;
  EXPECT_EQ(status(dial_ins, token, "alice"), 401u);
  EXPECT_EQ(status(dial_ins, token, "Xy", 1000, &request), 0u);
  EXPECT_EQ(request.scope, TrackRequest::Scope::kPerson);
  EXPECT_EQ(request.identity, "alice");
  EXPECT_EQ(request.name, "alice");
  EXPECT_EQ(request.track, "alice");
  EXPECT_EQ(request.right, nullptr);
}

TEST(DialIns, APairIsLeftAndRight) {
  DialIns dial_ins("standup");
  const std::string token = dial_ins.issue(
      4, {TrackRequest::Scope::kPerson, "Xy", {{"alice", "Alice"}, {"bob", "Bob"}}}, 2000);
  dial_ins.describe("bob", "Dr. Bob", "", "{\"b\":\"2\"}");
  TrackRequest request;
  request.format.channels = 1;
  EXPECT_EQ(dial_ins.admit(token, "Xy", 1000, request).http_status, 415u);
  request.format.channels = 2;
  request.format.encoding = AudioFormat::Encoding::kOpus;
  EXPECT_EQ(dial_ins.admit(token, "Xy", 1000, request).http_status, 415u);
  request.format = {};
  EXPECT_EQ(dial_ins.admit(token, "Xy", 1000, request).http_status, 0u) << "not in use yet";
  EXPECT_EQ(request.identity, "alice");
  EXPECT_EQ(request.attributes, "");
  ASSERT_NE(request.right, nullptr);
  EXPECT_EQ(request.right->identity, "bob");
  EXPECT_EQ(request.right->name, "Dr. Bob");
  EXPECT_EQ(request.right->attributes, "{\"b\":\"2\"}");
  EXPECT_EQ(request.right->session, 4u);
}

TEST(DialIns, AMixIsNobodys) {
  DialIns dial_ins("standup");
  const std::string token = dial_ins.issue(5, {TrackRequest::Scope::kRoom, "mix", {}}, 2000);
  TrackRequest request;
  EXPECT_EQ(status(dial_ins, token, "mix", 1000, &request), 0u);
  EXPECT_EQ(request.scope, TrackRequest::Scope::kRoom);
  EXPECT_EQ(request.identity, "");
  EXPECT_EQ(request.name, "standup");
}

class Door : public Route {
 public:
  Verdict on_request(const TrackRequest& request) override {
    last = request;
    return answer;
  }
  void on_connected(const TrackRequest&, std::unique_ptr<TrackConnection>) override {}
  void on_refused(const std::string&, unsigned, const std::string& why) override { reason = why; }
  TrackRequest last;
  Verdict answer;
  std::string reason;
};

class DialInRoute : public ::testing::Test {
 protected:
  void add(const std::string& token) {
    RouteConfig config;
    config.token = token;
    config.dial_ins = dial_ins;
    std::string error;
    ASSERT_TRUE(table.add(config, &door, error)) << error;
  }
  Admission call(const std::string& path, const std::string& query) {
    Caller caller;
    caller.path = path;
    caller.query = query;
    caller.content_type = "audio/x-raw";
    return table.admit(caller);
  }
  unsigned status(const std::string& path, const std::string& query) {
    return call(path, query).verdict.http_status;
  }
  std::string issue(uint64_t session, const std::string& track) {
    return "token=" + dial_ins->issue(session,
                                      {TrackRequest::Scope::kTrack, track, {{"alice", "Alice"}}},
                                      INT64_MAX);
  }
  std::shared_ptr<DialIns> dial_ins = std::make_shared<DialIns>("standup");
  Door door;
  RouteTable table;
};

TEST_F(DialInRoute, AStrangerGetsNothing) {
  add("");
  EXPECT_EQ(status("/alice/TR_1", ""), 401u);
  EXPECT_EQ(status("/TR_1", "token=guess"), 401u);
  const std::string query = issue(1, "TR_1");
  EXPECT_EQ(status("/TR_2", query), 401u);
  EXPECT_EQ(door.reason.find(query.substr(6)), std::string::npos) << "not even in the reason";
  EXPECT_EQ(status("/TR_1", query + "&identity=mallory&name=Eve"), 0u);
  EXPECT_EQ(door.last.identity, "alice") << "the token's word, not the caller's";
  EXPECT_EQ(door.last.name, "Alice");
  EXPECT_EQ(status("/TR_1", query), 409u);
}

TEST_F(DialInRoute, AStaticTokenWorksBesideThem) {
  add("s3cret");
  EXPECT_EQ(status("/alice/TR_1", "token=s3cret"), 0u);
  EXPECT_EQ(door.last.session, 0u);
  EXPECT_EQ(status("/alice/TR_1", "token=guess"), 401u);
  EXPECT_EQ(status("/TR_1", issue(3, "TR_1")), 0u);
  EXPECT_EQ(door.last.session, 3u);
}

TEST_F(DialInRoute, WhoIsTurnedAwayMayTryAgain) {
  add("");
  const std::string query = issue(1, "TR_1");
  door.answer = {403, "no"};
  EXPECT_EQ(status("/TR_1", query), 403u);
  door.answer = {};
  const Admission admission = call("/TR_1", query);
  EXPECT_EQ(admission.verdict.http_status, 0u);
  table.abandon(admission, "hung up");
  EXPECT_EQ(status("/TR_1", query), 0u);
}

}  // namespace
}  // namespace livekit
