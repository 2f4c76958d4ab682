// SPDX-License-Identifier: LGPL-2.1-or-later
// Tags, times, and what becomes of them when publishers come and go.
#include "livekitrtmp/flvstream.h"

#include <gtest/gtest.h>

#include "livekitrtmp/flvtags.h"
#include "rtmpclient.h"

namespace rtmp {
namespace {

using test::Bytes;

class FlvStreamTest : public testing::Test {
 protected:
  void come() { event(QueuedMedia::Event::kPublisherAdded); }
  void go() { event(QueuedMedia::Event::kPublisherGone); }
  FlvPiece send(uint32_t timestamp_ms, int64_t now_ms, MediaKind kind = MediaKind::kAudio,
                Bytes payload = test::aac_frame()) {
    const Media media{kind, timestamp_ms, payload};
    QueuedMedia item;
    item.kind = kind;
    item.configuration = is_configuration(media);
    item.timestamp_ms = timestamp_ms;
    item.tag = flv_tag(media);
    auto piece = stream.take(std::move(item), now_ms);
    EXPECT_TRUE(piece);
    return std::move(*piece);
  }
  int64_t time_of(uint32_t timestamp_ms, int64_t now_ms) {
    return send(timestamp_ms, now_ms).time_ms;
  }

  FlvStream stream{false};

 private:
  void event(QueuedMedia::Event what) {
    QueuedMedia item;
    item.event = what;
    EXPECT_FALSE(stream.take(std::move(item), 0));
  }
};

uint32_t written_time(const FlvPiece& piece) {
  const size_t tag = piece.bytes[0] == 'F' ? 13 : 0;
  const auto bytes = std::span(piece.bytes).subspan(tag);
  return uint32_t{bytes[7]} << 24 | read_u24(bytes.subspan(4));
}

TEST(FlvTags, KnownBytes) {
  EXPECT_EQ(flv_header(true, false), (Bytes{'F', 'L', 'V', 1, 4, 0, 0, 0, 9, 0, 0, 0, 0}));
  const Bytes payload = {0xaf, 0, 0x12, 0x10};
  EXPECT_EQ(flv_tag({MediaKind::kAudio, 0x01020304, payload}),
            (Bytes{8, 0, 0, 4, 2, 3, 4, 1, 0, 0, 0, 0xaf, 0, 0x12, 0x10, 0, 0, 0, 15}));
}

TEST(FlvTags, Configurations) {
  const auto is = [](MediaKind kind, Bytes payload) {
    return is_configuration({kind, 0, payload});
  };
  EXPECT_TRUE(is(MediaKind::kAudio, {0xaf, 0, 0x12, 0x10}));
  EXPECT_FALSE(is(MediaKind::kAudio, {0xaf, 1, 0x21}));
  EXPECT_FALSE(is(MediaKind::kAudio, {0x2f, 0, 0x21}));  // MP3
  EXPECT_TRUE(is(MediaKind::kAudio, {0x90, 'O', 'p', 'u', 's'}));
  EXPECT_TRUE(is(MediaKind::kVideo, {0x17, 0, 0, 0, 0}));
  EXPECT_FALSE(is(MediaKind::kVideo, {0x17, 1, 0, 0, 0}));
  EXPECT_TRUE(is(MediaKind::kVideo, {0x90, 'h', 'v', 'c', '1'}));
  EXPECT_TRUE(is(MediaKind::kData, {2, 0, 0}));
}

TEST(FlvTags, CodecsThatNobodyKnows) {
  EXPECT_EQ(unknown_audio_codec(Bytes{0xaf, 1}), "");
  EXPECT_EQ(unknown_audio_codec(Bytes{0x2f, 1}), "");
  EXPECT_EQ(unknown_audio_codec(Bytes{}), "");
  EXPECT_EQ(unknown_audio_codec(Bytes{0x90, 'O', 'p', 'u', 's'}), "\"Opus\" by enhanced RTMP");
  EXPECT_EQ(unknown_audio_codec(Bytes{0x90, 'O', 7}), "\"O?\" by enhanced RTMP");
  EXPECT_EQ(unknown_audio_codec(Bytes{0xf0}), "an unknown codec (15)");
}

TEST(FlvTags, MetadataTellsOfVideo) {
  const auto with_width = [](double width) {
    amf0::Writer writer;
    writer.text("onMetaData").begin_object().key("videocodecid").number(7);
    writer.key("width").number(width).end_object();
    return announces_video({MediaKind::kData, 0, writer.bytes()});
  };
  EXPECT_TRUE(with_width(1280));
  EXPECT_FALSE(with_width(0));
  EXPECT_FALSE(announces_video({MediaKind::kData, 0, Bytes{0xff}}));
  EXPECT_TRUE(announces_video({MediaKind::kVideo, 0, Bytes{0x17}}));
}

TEST_F(FlvStreamTest, OneHeaderForAllPublishers) {
  come();
  EXPECT_EQ(send(0, 100).bytes[0], 'F');
  EXPECT_EQ(send(23, 123).bytes[0], 8);
  go();
  come();
  EXPECT_EQ(send(0, 5000).bytes[0], 8);
}

TEST_F(FlvStreamTest, TheFirstFrameLiesWhereItArrives) {
  come();
  const FlvPiece configuration = send(0, 7000, MediaKind::kAudio, test::aac_configuration());
  EXPECT_TRUE(configuration.configuration);
  EXPECT_FALSE(configuration.first_frame);
  const FlvPiece first = send(900000, 7400);
  EXPECT_EQ(first.time_ms, 7400);
  EXPECT_TRUE(first.first_frame);
  EXPECT_EQ(written_time(first), 7400u);
  EXPECT_GE(first.time_ms, configuration.time_ms);
  const FlvPiece second = send(900023, 7431);
  EXPECT_EQ(second.time_ms, 7423);
  EXPECT_EQ(second.lateness_ms, 8);
  EXPECT_FALSE(second.first_frame || second.discont);
}

// livekit mutes: nothing for 2.7 s, everything late, one burst.
TEST_F(FlvStreamTest, AStallAndABurstShiftNothing) {
  come();
  EXPECT_EQ(time_of(0, 1000), 1000);
  uint32_t media_ms = 23;
  for (; media_ms < 5000; media_ms += 23) {
    const FlvPiece piece = send(media_ms, 1000 + media_ms + 2770);
    ASSERT_EQ(piece.time_ms, 1000 + media_ms);
    ASSERT_FALSE(piece.discont);
  }
  const int64_t unmuted_ms = 1000 + media_ms + 2770;
  for (int i = 0; i < 120; ++i, media_ms += 23) {
    ASSERT_EQ(time_of(media_ms, unmuted_ms), 1000 + media_ms);
  }
  const FlvPiece after = send(media_ms, 1000 + media_ms + 5);
  EXPECT_EQ(after.time_ms, 1000 + media_ms);
  EXPECT_EQ(after.lateness_ms, 5);
}

TEST_F(FlvStreamTest, AReconnectKeepsTheTimeThatPassed) {
  come();
  EXPECT_EQ(time_of(50000, 1000), 1000);
  EXPECT_EQ(time_of(50023, 1023), 1023);
  go();
  come();
  send(0, 9000, MediaKind::kAudio, test::aac_configuration());
  const FlvPiece again = send(0, 9005);
  EXPECT_EQ(again.time_ms, 9005);
  EXPECT_TRUE(again.discont);
  EXPECT_FALSE(again.first_frame);
  EXPECT_FALSE(send(23, 9028).discont);
}

// Running times of arrivals are taken one by one, and jitter.
TEST_F(FlvStreamTest, AFirstFrameIsNotBeforeItsConfiguration) {
  for (const int64_t at_ms : {1000, 5000}) {
    come();
    EXPECT_EQ(send(0, at_ms, MediaKind::kAudio, test::aac_configuration()).time_ms, at_ms);
    EXPECT_EQ(time_of(0, at_ms - 1), at_ms);
    go();
  }
}

TEST_F(FlvStreamTest, AReconnectAfterMoreThanRealTimeDoesNotGoBack) {
  come();
  // A file, published as fast as it goes.
  for (uint32_t media_ms = 0; media_ms <= 60000; media_ms += 20) {
    ASSERT_EQ(time_of(media_ms, 100), 100 + media_ms);
  }
  go();
  come();
  EXPECT_EQ(time_of(0, 2000), 60100);
}

TEST_F(FlvStreamTest, TheWireWrapsAround) {
  come();
  EXPECT_EQ(time_of(0xfffffff0, 1000), 1000);
  EXPECT_EQ(time_of(0x00000007, 1023), 1023);
  EXPECT_EQ(time_of(0x0000001e, 1046), 1046);
}

TEST_F(FlvStreamTest, AClockThatIsSetDoesNotTakeUsAlong) {
  come();
  EXPECT_EQ(time_of(100000, 1000), 1000);
  const FlvPiece back = send(0, 1023);
  EXPECT_EQ(back.time_ms, 1023);
  EXPECT_TRUE(back.discont);
  EXPECT_EQ(time_of(23, 1046), 1046);
  const FlvPiece ahead = send(3600000, 1069);
  EXPECT_EQ(ahead.time_ms, 1069);
  EXPECT_TRUE(ahead.discont);
  EXPECT_EQ(time_of(3600023, 1092), 1092);
}

TEST_F(FlvStreamTest, AHoleThatRealTimeExplainsIsKept) {
  come();
  EXPECT_EQ(time_of(0, 1000), 1000);
  const FlvPiece after = send(8000, 9010);
  EXPECT_EQ(after.time_ms, 9000);
  EXPECT_TRUE(after.discont);
}

TEST_F(FlvStreamTest, TimesOfOneMediumNeverGoBack) {
  come();
  EXPECT_EQ(time_of(100, 1000), 1000);
  EXPECT_EQ(time_of(60, 1001), 1000);
  // Video may lie a little before the audio that came first.
  EXPECT_EQ(send(80, 1002, MediaKind::kVideo, {0x27, 1, 0, 0, 0, 1}).time_ms, 980);
  EXPECT_EQ(time_of(123, 1023), 1023);
}

TEST_F(FlvStreamTest, TimeGoesOnWhileNobodyPublishes) {
  EXPECT_FALSE(stream.idle(5000));
  come();
  EXPECT_EQ(time_of(0, 6000), 6000);
  EXPECT_FALSE(stream.idle(9000));  // somebody is there, and may send it yet
  go();
  const auto gap = stream.idle(10000);
  ASSERT_TRUE(gap);
  EXPECT_EQ(gap->start_ms, 6050);
  EXPECT_EQ(gap->duration_ms, 3950);
  const auto more = stream.idle(11000);
  ASSERT_TRUE(more);
  EXPECT_EQ(more->start_ms, 10000);
  EXPECT_EQ(more->duration_ms, 1000);
  EXPECT_FALSE(stream.idle(11000));
  come();
  // Arrived a moment before the gap was told.
  EXPECT_EQ(time_of(0, 10990), 11000);
  EXPECT_EQ(time_of(23, 11014), 11023);
}

TEST_F(FlvStreamTest, AStreamOfNothingStillHasAPadForADemuxer) {
  const auto piece = stream.finish(700);
  ASSERT_TRUE(piece);
  EXPECT_TRUE(piece->first_frame);
  EXPECT_EQ(piece->time_ms, 700);
  EXPECT_EQ(piece->bytes.size(), 13u + 15 + 4 + 15 + 8);
  EXPECT_FALSE(stream.finish(800));
}

TEST_F(FlvStreamTest, MetadataInTheMiddleMovesNothing) {
  come();
  EXPECT_EQ(time_of(1000, 1000), 1000);
  send(0, 1010, MediaKind::kData, {2, 0, 1, 'x'});
  EXPECT_EQ(time_of(1023, 1023), 1023);
}

}  // namespace
}  // namespace rtmp
