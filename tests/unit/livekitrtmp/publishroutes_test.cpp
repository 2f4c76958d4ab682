// SPDX-License-Identifier: LGPL-2.1-or-later
// Who may publish where.
#include "livekitrtmp/publishroutes.h"

#include <gtest/gtest.h>

#include "livekitrtmp/publishaddress.h"

namespace rtmp {
namespace {

constexpr int64_t kSecond = 1'000'000;

class Room : public Route {
 public:
  Verdict on_request(const Publisher& publisher) override {
    log += "request " + publisher.stream + "\n";
    return verdict;
  }
  void on_added(const Publisher& publisher) override { log += "added " + publisher.stream + "\n"; }
  bool on_media(const Media&, int64_t) override {
    log += "media\n";
    return true;
  }
  void on_bytes(size_t count) override { bytes += count; }
  void on_removed(const Publisher& publisher, PublisherEnd, const std::string& reason) override {
    log += "removed " + publisher.stream + " " + reason + "\n";
  }
  void on_refused(const std::string& remote, unsigned status, const std::string& reason) override {
    log += "refused " + remote + " " + std::to_string(status) + "\n";
    last_reason = reason;
  }

  Verdict verdict;
  std::string log;
  std::string last_reason;
  size_t bytes = 0;
};

class PublishRoutesTest : public testing::Test {
 protected:
  void serve(Room& owner, const std::string& path, const std::string& token = "") {
    std::string error;
    RouteConfig config;
    config.path = path;
    config.token = token;
    ASSERT_TRUE(routes.add(config, &owner, error)) << error;
  }
  unsigned status(const std::string& app, const std::string& name, uint64_t caller = 1,
                  int64_t now_us = 0) {
    admission = routes.admit({app, name}, "peer", caller, now_us);
    return admission.verdict.status;
  }

  PublishRoutes routes;
  Room room;
  Room other;
  Admission admission;
};

TEST_F(PublishRoutesTest, ApplicationAndNameAreOneAddress) {
  serve(room, "/live/standup");
  EXPECT_EQ(status("live", "standup", 1), 0u);
  EXPECT_EQ(admission.publisher.stream, "/live/standup");
  routes.leave(admission, 1, PublisherEnd::kClosed, "over");
  EXPECT_EQ(status("live/standup", "", 2), 0u);
  routes.leave(admission, 2, PublisherEnd::kClosed, "over");
  EXPECT_EQ(status("live/", "/standup", 3), 0u);
  routes.leave(admission, 3, PublisherEnd::kClosed, "over");
  EXPECT_EQ(status("live", "standup?x=1", 4), 0u);
  routes.leave(admission, 4, PublisherEnd::kClosed, "over");
  EXPECT_EQ(status("live", "retro"), 404u);
  EXPECT_EQ(status("", "live"), 404u);
}

TEST_F(PublishRoutesTest, TheLongestPathWins) {
  serve(room, "/live");
  serve(other, "/live/standup");
  EXPECT_EQ(status("live", "standup", 1), 0u);
  EXPECT_EQ(other.log, "request /live/standup\n");
  EXPECT_EQ(status("live", "retro", 2), 0u);
  EXPECT_EQ(room.log, "request /live/retro\n");
}

TEST_F(PublishRoutesTest, ATakenPathIsRefused) {
  serve(room, "/live/standup");
  std::string error;
  EXPECT_FALSE(routes.add({.path = "live/standup/"}, &other, error));
  EXPECT_NE(error.find("is taken by another element"), std::string::npos);
  EXPECT_FALSE(routes.add({.path = "/live?x"}, &other, error));
  EXPECT_NE(error.find("without a query"), std::string::npos);
}

TEST_F(PublishRoutesTest, TheTokenIsTheLastPartOrInAQuery) {
  serve(room, "/live/standup", "s3cret");
  const std::pair<std::string, std::string> good[] = {{"live", "standup/s3cret"},
                                                      {"live/standup", "s3cret"},
                                                      {"live", "standup?token=s3cret"},
                                                      {"live?token=s3cret", "standup"},
                                                      {"live", "standup?a=b&access_token=s3cret"},
                                                      {"live", "standup?token=%733cret"}};
  for (const auto& [app, name] : good) {
    ASSERT_EQ(status(app, name), 0u) << app << " " << name;
    EXPECT_EQ(admission.publisher.stream, "/live/standup");
    routes.leave(admission, 1, PublisherEnd::kClosed, "over");
  }
  room.log.clear();
  const std::pair<std::string, std::string> bad[] = {
      {"live", "standup"},        {"live", "standup/wrong"},
      {"live", "standup?token="}, {"live", "standup/s3cret/x"},
      {"live", "standup?s3cret"}, {"live", "standup?nottoken=s3cret"}};
  for (const auto& [app, name] : bad) {
    EXPECT_EQ(status(app, name), 401u) << app << " " << name;
    EXPECT_EQ(admission.publisher.stream, "");
    EXPECT_EQ(room.last_reason.find("wrong/"), std::string::npos);
  }
}

TEST_F(PublishRoutesTest, ATokenThatIsThePathIsNotEnough) {
  serve(room, "/live", "live");
  EXPECT_EQ(status("live", "standup"), 401u);
  EXPECT_EQ(status("live", "live"), 0u);
}

TEST_F(PublishRoutesTest, ASecondPublisherIsRefused) {
  serve(room, "/");
  ASSERT_EQ(status("live", "standup", 1), 0u);
  routes.added(admission);
  const Admission first = admission;
  EXPECT_EQ(status("live", "standup", 2), 409u);
  routes.leave(first, 1, PublisherEnd::kLost, "hung up");
  EXPECT_EQ(status("live", "standup", 3), 0u);
  EXPECT_EQ(room.log,
            "request /live/standup\nadded /live/standup\nrefused peer 409\n"
            "removed /live/standup hung up\nrequest /live/standup\n");
}

TEST_F(PublishRoutesTest, ASilentPublisherGivesWay) {
  serve(room, "/");
  ASSERT_EQ(status("live", "a", 1, 0), 0u);
  const Admission first = admission;
  routes.bytes(first, 100, 5 * kSecond);
  EXPECT_EQ(room.bytes, 100u);
  EXPECT_EQ(status("live", "a", 2, 14 * kSecond), 409u);
  EXPECT_EQ(status("live", "a", 3, 15 * kSecond), 0u);
  EXPECT_EQ(admission.replaced, 1u);
  // He leaves after his place has been taken, which changes nothing.
  routes.leave(first, 1, PublisherEnd::kReplaced, "silent");
  EXPECT_EQ(status("live", "a", 4, 16 * kSecond), 409u);
}

TEST_F(PublishRoutesTest, WhoIsRefusedReplacesNobody) {
  serve(room, "/");
  ASSERT_EQ(status("live", "a", 1, 0), 0u);
  room.verdict = {403, "no"};
  EXPECT_EQ(status("live", "a", 2, 60 * kSecond), 403u);
  EXPECT_EQ(admission.replaced, 0u);
  room.verdict = {};
  EXPECT_EQ(status("live", "a", 3, 60 * kSecond + 1), 409u);
}

TEST_F(PublishRoutesTest, AClosedRouteTakesNobody) {
  serve(room, "/");
  routes.close(routes.id_of(&room));
  EXPECT_EQ(status("live", "a"), 503u);
  EXPECT_NE(routes.remove(&room), 0u);
  EXPECT_EQ(routes.remove(&room), 0u);
  EXPECT_EQ(status("live", "a"), 404u);
}

TEST_F(PublishRoutesTest, BadAddresses) {
  serve(room, "/");
  EXPECT_EQ(status("live", "%zz"), 400u);
  EXPECT_EQ(status("live", "a%0ab"), 400u);
  EXPECT_EQ(status("live", std::string(300, 'a')), 400u);
  EXPECT_EQ(status(std::string(9000, 'a'), "x"), 400u);
  std::string deep;
  for (int i = 0; i < 100; ++i) deep += "/a";
  EXPECT_EQ(status("live", deep), 400u);
}

}  // namespace
}  // namespace rtmp
