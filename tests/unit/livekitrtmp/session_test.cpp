// SPDX-License-Identifier: LGPL-2.1-or-later
#include "livekitrtmp/session.h"

#include <gtest/gtest.h>

#include "rtmpclient.h"

namespace rtmp {
namespace {

using test::Bytes;
using test::operator+;

constexpr int64_t kSecond = 1'000'000;

class Room : public SessionHandler {
 public:
  Verdict on_publish(const PublishRequest& request) override {
    log += "publish " + request.app + " " + request.name + "\n";
    if (verdict.status == 0) session->set_publisher_limits(1 << 20, idle_timeout_us);
    return verdict;
  }
  void on_media(const Media& media) override {
    static const char* const kinds[] = {"audio", "video", "data"};
    log += std::string(kinds[static_cast<int>(media.kind)]) + "@" +
           std::to_string(media.timestamp_ms) + ":" + std::to_string(media.payload.size()) + "\n";
    last.assign(media.payload.begin(), media.payload.end());
  }
  void on_unpublish() override { log += "unpublish\n"; }

  Session* session = nullptr;
  Verdict verdict;
  int64_t idle_timeout_us = 0;
  std::string log;
  Bytes last;
};

class SessionTest : public testing::Test {
 protected:
  SessionTest() { room.session = &session; }

  Session::End feed(const Bytes& bytes, int64_t now_us = 0) {
    const Session::End end = session.feed(bytes, now_us);
    answers.feed(session.output());
    session.output().clear();
    return end;
  }
  void publish() {
    ASSERT_EQ(feed(test::publisher("live", "standup")), Session::End::kOpen);
    ASSERT_EQ(room.log, "publish live standup\n");
    room.log.clear();
  }

  Room room;
  Session session{room, 10 * kSecond, 1, 0};
  test::Answers answers;
};

TEST_F(SessionTest, APublisherIsAnsweredInOrder) {
  publish();
  std::string told;
  for (const auto& answer : answers.all()) {
    told += answer.text.empty() ? std::to_string(answer.type) : answer.text;
    told += "\n";
  }
  EXPECT_EQ(told,
            "5\n6\n"
            "_result NetConnection.Connect.Success\n"
            "_result\n_result\n_result\n"
            "4\n"
            "onStatus NetStream.Publish.Start\n");
  EXPECT_EQ(answers.all().back().stream_id, 1u);
  EXPECT_TRUE(session.publishing());
  // S2 is C1.
  const Bytes sent = test::client_handshake();
  EXPECT_EQ(answers.handshake()[0], 3);
  EXPECT_TRUE(std::equal(sent.begin() + 1, sent.begin() + 1 + kHandshakeBytes,
                         answers.handshake().begin() + 1 + kHandshakeBytes));
}

TEST_F(SessionTest, ByteByByteIsTheSame) {
  const Bytes bytes = test::publisher("live", "standup") + test::audio(5, test::aac_frame());
  for (const uint8_t byte : bytes) ASSERT_EQ(feed({byte}), Session::End::kOpen);
  EXPECT_EQ(room.log, "publish live standup\naudio@5:300\n");
  EXPECT_TRUE(answers.has("onStatus NetStream.Publish.Start"));
}

TEST_F(SessionTest, MediaOfThePublishedStreamOnly) {
  publish();
  feed(test::audio(1, test::aac_configuration()) + test::audio(2, test::aac_frame()) +
       test::audio(3, test::aac_frame(), 2) + test::message(kVideo, {0x17, 0, 0, 0, 0}, 1, 4, 6));
  EXPECT_EQ(room.log, "audio@1:4\naudio@2:300\nvideo@4:5\n");
}

TEST_F(SessionTest, MetadataLosesTheWordToTheServer) {
  publish();
  amf0::Writer metadata;
  metadata.text("onMetaData").begin_object().key("width").number(0).end_object();
  amf0::Writer set;
  set.text("@setDataFrame");
  feed(test::message(kDataAmf0, set.bytes() + metadata.bytes(), 1));
  EXPECT_EQ(room.last, metadata.bytes());
  feed(test::message(kDataAmf3, Bytes{0} + metadata.bytes(), 1));
  EXPECT_EQ(room.last, metadata.bytes());
  room.log.clear();
  feed(test::message(kDataAmf0, {0xff, 1, 2}, 1) + test::message(kDataAmf0, {}, 1));
  EXPECT_EQ(room.log, "");
}

TEST_F(SessionTest, AggregatesAreTakenApart) {
  publish();
  // Two audio tags of 2 and 1 bytes, 10 and 33 on a clock of their own, and one cut short.
  const Bytes payload = {8, 0,  0,  2, 0, 0, 10, 0, 0,  0,  0, 0xaf, 1, 0,    0,
                         0, 13, 8,  0, 0, 1, 0,  0, 33, 0,  0, 0,    0, 0xaf, 0,
                         0, 0,  12, 8, 0, 0, 9,  0, 0,  40, 0, 0,    0, 0,    0xaf};
  feed(test::message(kAggregate, payload, 1, 1000, 4));
  EXPECT_EQ(room.log, "audio@1000:2\naudio@1023:1\n");
}

TEST_F(SessionTest, AggregatesAreBounded) {
  publish();
  const Bytes tag = {8, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0xaf, 0, 0, 0, 12};
  Bytes payload;
  for (int i = 0; i < 1024; ++i) payload = payload + tag;
  feed(test::message(kAggregate, payload, 1, 0, 4));
  EXPECT_EQ(session.state(), Session::End::kOpen);
  feed(test::message(kAggregate, payload + tag, 1, 0, 4));
  EXPECT_EQ(session.state(), Session::End::kProtocolError);
  EXPECT_EQ(session.reason(), "sent an aggregate of too many messages");
}

TEST_F(SessionTest, UnpublishAndPublishAgain) {
  publish();
  feed(test::call("FCUnpublish", 7, "standup") + test::delete_stream());
  EXPECT_EQ(room.log, "unpublish\n");
  EXPECT_FALSE(session.publishing());
  room.log.clear();
  feed(test::audio(9, test::aac_frame()));
  EXPECT_EQ(room.log, "");
  feed(test::call("createStream", 8) + test::publish("standup", 2));
  EXPECT_EQ(room.log, "publish live standup\n");
}

TEST_F(SessionTest, PublishingTwiceChangesNothing) {
  publish();
  feed(test::publish("other") + test::audio(9, test::aac_frame()));
  EXPECT_EQ(room.log, "audio@9:300\n");
  EXPECT_TRUE(answers.has("onStatus NetStream.Publish.BadName"));
}

TEST_F(SessionTest, RefusedWithAWord) {
  room.verdict = {409, "taken"};
  EXPECT_EQ(feed(test::publisher("live", "standup")), Session::End::kRefused);
  EXPECT_TRUE(answers.has("onStatus NetStream.Publish.BadName"));
  EXPECT_EQ(session.reason(), "taken");
  EXPECT_EQ(session.status(), 409u);
}

TEST_F(SessionTest, AWrongTokenIsDenied) {
  room.verdict = {401, "token"};
  EXPECT_EQ(feed(test::publisher("live", "standup")), Session::End::kRefused);
  EXPECT_TRUE(answers.has("onStatus NetStream.Publish.Denied"));
}

TEST_F(SessionTest, PlayersAreRefused) {
  EXPECT_EQ(feed(test::client_handshake() + test::connect("live") + test::call("createStream", 2) +
                 test::call("play", 3, "standup")),
            Session::End::kRefused);
  EXPECT_TRUE(answers.has("onStatus NetStream.Play.Failed"));
}

TEST_F(SessionTest, PingsAndUnknownCallsAreAnswered) {
  publish();
  feed(test::message(kUserControl, {0, 6, 1, 2, 3, 4}, 0, 0, 2) + test::call("getPony", 9) +
       test::call("quietPony", 0));
  const auto& all = answers.all();
  EXPECT_EQ(all[all.size() - 2].payload, (Bytes{0, 7, 1, 2, 3, 4}));
  EXPECT_EQ(all.back().text, "_error NetConnection.Call.Failed");
}

TEST_F(SessionTest, AcknowledgesByTheWindow) {
  publish();
  const size_t before = answers.count(kAcknowledgement);
  feed(test::message(kWindowAckSize, {0, 0, 0x40, 0}, 0, 0, 2));
  for (int i = 0; i < 100; ++i) feed(test::audio(1, test::aac_frame()));
  // 100 messages of 300 and some bytes, a word every 16384.
  EXPECT_GE(answers.count(kAcknowledgement), before + 1);
  EXPECT_LE(answers.count(kAcknowledgement), before + 3);
}

TEST_F(SessionTest, StreamsAreLimited) {
  feed(test::client_handshake() + test::connect("live"));
  for (int i = 0; i < 20; ++i) ASSERT_EQ(feed(test::call("createStream", 2)), Session::End::kOpen);
  EXPECT_TRUE(answers.has("_error NetConnection.Call.Failed"));
  EXPECT_EQ(feed(test::publish("standup", 4000)), Session::End::kOpen);
  EXPECT_FALSE(session.publishing());
}

TEST_F(SessionTest, CommandsThatAreNone) {
  EXPECT_EQ(feed(test::client_handshake() + test::message(kCommandAmf0, {0x03, 0, 1})),
            Session::End::kProtocolError);
  EXPECT_EQ(session.reason(), "sent a command that cannot be read");
}

TEST_F(SessionTest, CommandsBeforeConnect) {
  EXPECT_EQ(feed(test::client_handshake() + test::call("createStream", 1)),
            Session::End::kProtocolError);
}

TEST_F(SessionTest, NothingLongBeforePublishing) {
  EXPECT_EQ(feed(test::client_handshake() + test::message(kVideo, Bytes(kMaxCommandBytes + 1), 1)),
            Session::End::kProtocolError);
}

TEST_F(SessionTest, OtherProtocolsAreNamed) {
  const std::pair<uint8_t, std::string> cases[] = {
      {'G', "spoke HTTP: publish to rtmp://"},
      {0x16, "spoke TLS to a port without: publish to rtmp://, or set tls-certificate"},
      {6, "asked for RTMPE, which is not spoken here: publish to rtmp:// or rtmps://"},
      {0, "did not speak RTMP"}};
  for (const auto& [first, reason] : cases) {
    Session other(room, 0, 1, 0);
    EXPECT_EQ(other.feed(Bytes{first}, 0), Session::End::kProtocolError);
    EXPECT_EQ(other.reason(), reason);
    EXPECT_TRUE(other.output().empty());
  }
}

TEST_F(SessionTest, WhoeverDoesNotReadIsGivenUp) {
  publish();
  const Bytes ping = test::message(kUserControl, {0, 6, 1, 2, 3, 4}, 0, 0, 2);
  Session::End end = Session::End::kOpen;
  size_t most = 0;
  for (int i = 0; i < 100000 && end == Session::End::kOpen; ++i) {
    end = session.feed(ping, 0);
    most = std::max(most, session.output().size());
  }
  EXPECT_EQ(end, Session::End::kProtocolError);
  EXPECT_LT(most, 70000u);
}

TEST_F(SessionTest, HalfAHandshakeTimesOut) {
  Bytes half = test::client_handshake();
  half.resize(700);
  EXPECT_EQ(feed(half, 9 * kSecond), Session::End::kOpen);
  EXPECT_EQ(session.check_time(10 * kSecond - 1), Session::End::kOpen);
  EXPECT_EQ(session.check_time(10 * kSecond), Session::End::kTimedOut);
}

TEST_F(SessionTest, SilenceTimesOutOnlyWhenAskedFor) {
  publish();
  EXPECT_EQ(session.check_time(3600 * kSecond), Session::End::kOpen);
  session.set_publisher_limits(1 << 20, 5 * kSecond);
  feed(test::audio(1, test::aac_frame()), 100 * kSecond);
  EXPECT_EQ(session.check_time(104 * kSecond), Session::End::kOpen);
  session.excuse_silence(104 * kSecond);
  EXPECT_EQ(session.check_time(109 * kSecond - 1), Session::End::kOpen);
  EXPECT_EQ(session.check_time(109 * kSecond), Session::End::kTimedOut);
}

TEST_F(SessionTest, TheEndIsTold) {
  publish();
  session.end("over");
  answers.feed(session.output());
  EXPECT_TRUE(answers.has("onStatus NetStream.Unpublish.Success"));
  EXPECT_EQ(session.state(), Session::End::kClosedLocally);
}

}  // namespace
}  // namespace rtmp
