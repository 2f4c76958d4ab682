// SPDX-License-Identifier: LGPL-2.1-or-later
// The packets that a room's front ends get, read back by a parser and to the letter.
#include "roomcaptions/captionpacket.h"

#include <gtest/gtest.h>

#include "livekit/jsonreader.h"
#include "livekit/livekitapi.h"
#include "livekit/utf8.h"
#include "unit/livekit/hostilenames.h"

namespace stt {
namespace {

constexpr int64_t kMs = 1'000'000;

Transcript said(const std::string& text, bool is_final = true) {
  Transcript transcript;
  transcript.is_final = is_final;
  transcript.utterance = "u12";
  transcript.revision = 3;
  transcript.room = "standup";
  transcript.speaker = {"TR_a", "alice", "Alice"};
  transcript.text = text;
  transcript.language = "en";
  transcript.start_ns = 1500 * kMs;
  transcript.end_ns = 2750 * kMs;
  return transcript;
}

CaptionPacket only(const Transcript& transcript) {
  const auto packets = caption_packets(transcript, "abc");
  EXPECT_EQ(packets.size(), 1u);
  return packets.empty() ? CaptionPacket() : packets[0];
}

JsonObject* segment_of(const livekit::JsonText& json) {
  const auto segments = livekit::json_objects(json.object(), "segments");
  return segments.empty() ? nullptr : segments.front();
}

std::string text_of(const CaptionPacket& packet) {
  const livekit::JsonText json(packet.data);
  return livekit::json_text(segment_of(json), "text");
}

TEST(CaptionPacket, IsTheFormOfLiveKitsOwnTranscription) {
  EXPECT_EQ(only(said("Hello there.")).data,
            R"({"transcribedParticipantIdentity":"alice","trackId":"TR_a","name":"Alice",)"
            R"("segments":[{"id":"SG_abc_u12","text":"Hello there.","startTime":1500,)"
            R"("endTime":2750,"final":true,"language":"en","revision":3}]})");
}

TEST(CaptionPacket, LiveResultsHaveWallClockTimes) {
  Transcript live = said("Hello", false);
  live.utc_start = "2026-01-02T03:04:05.678Z";
  live.utc_end = "2026-01-02T03:04:06.928Z";
  const CaptionPacket packet = only(live);
  EXPECT_NE(packet.data.find(R"("final":false,"language":"en","revision":3,)"
                             R"("utc":"2026-01-02T03:04:05.678Z",)"
                             R"("utcEnd":"2026-01-02T03:04:06.928Z"}]})"),
            std::string::npos)
      << packet.data;
  EXPECT_FALSE(packet.is_final);
}

TEST(CaptionPacket, TheCallIsAsTheServerWantsIt) {
  CaptionPacket packet;
  packet.is_final = true;
  packet.data = "{}";
  packet.nonce = std::string(16, 'x');
  EXPECT_EQ(send_data_body("stand\"up", packet),
            R"({"room":"stand\"up","data":"e30=","kind":"RELIABLE","topic":"lk.transcription",)"
            R"("nonce":"eHh4eHh4eHh4eHh4eHh4eA=="})");
  packet.is_final = false;
  EXPECT_NE(send_data_body("a", packet).find("\"kind\":\"LOSSY\""), std::string::npos);
}

TEST(CaptionPacket, TheNonceIsOfTheRevision) {
  const CaptionPacket one = only(said("a"));
  EXPECT_EQ(one.nonce.size(), 16u);
  EXPECT_EQ(only(said("a")).nonce, one.nonce);
  EXPECT_NE(only(said("a", false)).nonce, one.nonce);
  Transcript next = said("a");
  next.revision = 4;
  EXPECT_NE(only(next).nonce, one.nonce);
  EXPECT_NE(caption_packets(said("a"), "another run")[0].nonce, one.nonce);
}

TEST(CaptionPacket, AnyNameAndTextComesThrough) {
  for (const std::string text : {"\"quoted\"", "two\nlines\ttab", "back\\slash/../../etc/passwd",
                                 "<script>alert(1)</script>", "\xf0\x9f\x98\x80 emoji",
                                 "\xd7\xa9\xd7\x9c\xd7\x95\xd7\x9d \xe2\x80\xae rtl",
                                 "nul\x01\x1f\x7f", "{\"final\":false}"}) {
    Transcript transcript = said(text);
    transcript.speaker = {text, text, text};
    const CaptionPacket packet = only(transcript);
    const livekit::JsonText json(packet.data);
    ASSERT_TRUE(json.object()) << packet.data;
    EXPECT_EQ(livekit::json_text(json.object(), "transcribedParticipantIdentity"), text);
    EXPECT_EQ(livekit::json_text(json.object(), "trackId"), text);
    EXPECT_EQ(livekit::json_text(json.object(), "name"), livekit::printable_name(text));
    EXPECT_EQ(text_of(packet), text);
    EXPECT_TRUE(livekit::json_flag(segment_of(json), "final"));
  }
}

TEST(CaptionPacket, HostileNames) {
  for (const std::string& name : livekit::hostile_names()) {
    Transcript transcript = said("Hello", false);
    transcript.speaker = {"TR_a", name, name};
    const CaptionPacket packet = only(transcript);
    EXPECT_LE(packet.data.size(), kMaxLossyBytes) << name;
    const livekit::JsonText call(send_data_body(name, packet));
    EXPECT_EQ(livekit::json_text(call.object(), "room"), name);
    const livekit::JsonText json(packet.data);
    EXPECT_EQ(livekit::json_text(json.object(), "transcribedParticipantIdentity"), name);
    EXPECT_EQ(livekit::json_text(json.object(), "name"),
              name.size() < 1000 ? livekit::printable_name(name) : "");
  }
}

TEST(CaptionPacket, BytesThatAreNotUtf8AreReplaced) {
  Transcript transcript = said("caf\xe9");
  transcript.speaker = {"\xff", "\xc3", "\xed\xa0\x80"};
  const CaptionPacket packet = only(transcript);
  EXPECT_TRUE(livekit::JsonText(packet.data).object()) << packet.data;
  EXPECT_EQ(text_of(packet), "caf\xef\xbf\xbd");
}

TEST(CaptionPacket, ALongPartialKeepsItsEndInOneNetworkPacket) {
  std::string text;
  for (int i = 0; i < 2000; ++i) text += "\xc3\xa4";  // 2 bytes each
  const CaptionPacket packet = only(said(text + "\n\"end\"", false));
  EXPECT_LE(packet.data.size(), kMaxLossyBytes);
  EXPECT_GT(packet.data.size(), kMaxLossyBytes - 20);
  const std::string shown = text_of(packet);
  EXPECT_TRUE(shown.starts_with("\xe2\x80\xa6\xc3\xa4")) << shown.substr(0, 10);
  EXPECT_TRUE(shown.ends_with("\xc3\xa4\n\"end\""));
}

TEST(CaptionPacket, ALongFinalBecomesSeveralSegmentsAndLosesNothing) {
  std::string text;
  for (int i = 0; i < 8000; ++i) text += "word ";
  const auto packets = caption_packets(said(text), "abc");
  ASSERT_EQ(packets.size(), 3u);
  EXPECT_EQ(packets[0].segment, "SG_abc_u12");
  EXPECT_EQ(packets[1].segment, "SG_abc_u12.2");
  EXPECT_EQ(packets[2].segment, "SG_abc_u12.3");
  std::string whole;
  int64_t end_ms = 1500;
  for (const CaptionPacket& packet : packets) {
    EXPECT_LE(packet.data.size(), kMaxReliableBytes);
    EXPECT_TRUE(text_of(packet).ends_with("word ")) << "cut between words";
    whole += text_of(packet);
    const livekit::JsonText json(packet.data);
    EXPECT_EQ(livekit::json_number(segment_of(json), "startTime"), end_ms);
    end_ms = livekit::json_number(segment_of(json), "endTime");
  }
  EXPECT_EQ(whole, text);
  EXPECT_EQ(end_ms, 2750);
  EXPECT_NE(packets[0].nonce, packets[1].nonce);
}

TEST(CaptionPacket, ALongFinalWithoutSpacesIsCutBetweenLetters) {
  std::string text;
  for (int i = 0; i < 6000; ++i) text += "\xe5\xad\x97";
  const auto packets = caption_packets(said(text), "abc");
  ASSERT_EQ(packets.size(), 2u);
  EXPECT_TRUE(livekit::is_valid_utf8(text_of(packets[0])));
  EXPECT_EQ(text_of(packets[0]) + text_of(packets[1]), text);
}

TEST(CaptionPacket, AnEmptyFinalTakesBack) {
  const CaptionPacket packet = only(said(""));
  EXPECT_TRUE(packet.empty);
  EXPECT_TRUE(packet.is_final);
}

TEST(CaptionPacket, AnIdentityThatFillsThePacketGetsNone) {
  Transcript transcript = said("Hello", false);
  transcript.speaker.identity = std::string(1300, 'i');
  EXPECT_TRUE(caption_packets(transcript, "abc").empty());
  transcript.is_final = true;
  EXPECT_EQ(caption_packets(transcript, "abc").size(), 1u);
  transcript.speaker.identity = std::string(20000, 'i');
  EXPECT_TRUE(caption_packets(transcript, "abc").empty());
}

}  // namespace
}  // namespace stt
