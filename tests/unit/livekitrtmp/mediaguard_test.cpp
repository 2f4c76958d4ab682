// SPDX-License-Identifier: LGPL-2.1-or-later
// What would end the pipeline is left out. Which that is was found with flvdemux ! decodebin.
#include "livekitrtmp/mediaguard.h"

#include <gtest/gtest.h>

#include "rtmpclient.h"

namespace rtmp {
namespace {

using test::aac_configuration;
using test::aac_frame;
using test::Bytes;

class MediaGuardTest : public ::testing::Test {
 protected:
  bool audio(const Bytes& payload) { return guard.admits({MediaKind::kAudio, 0, payload}, told); }
  bool video(const Bytes& payload) { return guard.admits({MediaKind::kVideo, 0, payload}, told); }

  MediaGuard guard;
  std::string told;
};

TEST_F(MediaGuardTest, WhatLiveKitSendsPasses) {
  EXPECT_TRUE(audio(aac_configuration()));
  EXPECT_TRUE(audio(aac_frame()));
  EXPECT_TRUE(video({0x17, 0, 0, 0, 0, 1, 0x42}));
  EXPECT_TRUE(video({0x17, 1, 0, 0, 0, 9}));
  const Bytes metadata = {2, 0, 0};
  EXPECT_TRUE(guard.admits({MediaKind::kData, 0, metadata}, told));
  EXPECT_EQ(told, "");
}

TEST_F(MediaGuardTest, NothingAndHalfAHeaderAreLeftOutWithoutAWord) {
  EXPECT_FALSE(audio({}));
  EXPECT_FALSE(audio({0xaf}));
  EXPECT_FALSE(audio({0xaf, 0}));
  EXPECT_FALSE(video({}));
  EXPECT_FALSE(video({0x17, 1}));
  EXPECT_EQ(told, "");
}

TEST_F(MediaGuardTest, AnotherCodecLaterIsLeftOut) {
  EXPECT_TRUE(audio(aac_configuration()));
  EXPECT_FALSE(audio({0x2f, 0xff, 0xfb, 0x90}));
  EXPECT_NE(told.find("sends MP3 where the stream is AAC"), std::string::npos) << told;
  guard.begin_publisher();
  EXPECT_FALSE(audio({0x2f, 0xff, 0xfb, 0x90}));
  EXPECT_TRUE(audio(aac_frame()));
  EXPECT_TRUE(video({0x17, 1, 0, 0, 0}));
  EXPECT_FALSE(video({0x12, 1, 0, 0, 0}));
  EXPECT_NE(told.find("video as Sorenson H.263"), std::string::npos) << told;
}

// What is left out does not decide for those who come after.
TEST_F(MediaGuardTest, GarbageTakesNoStream) {
  EXPECT_FALSE(audio({0x2f, 1, 2, 3}));
  EXPECT_NE(told.find("calls MP3"), std::string::npos) << told;
  EXPECT_FALSE(audio({0xdf, 1, 2, 3}));
  EXPECT_FALSE(audio({0x90, 'O', 'p', 'u', 's'}));
  EXPECT_FALSE(audio({0xaf, 0, 0xff, 0xff}));
  EXPECT_TRUE(audio({0x2f, 0xff, 0xfb, 0x90}));
  EXPECT_TRUE(audio({0x2f, 1, 2, 3}));  // the decoder finds the next frame
}

TEST_F(MediaGuardTest, VideoThatNoDemuxerKnows) {
  EXPECT_FALSE(video({0x1f, 1, 2, 3, 4}));
  EXPECT_NE(told.find("an unknown codec"), std::string::npos) << told;
  EXPECT_FALSE(video({0x90, 'h', 'v', 'c', '1'}));
  EXPECT_NE(told.find("enhanced RTMP"), std::string::npos) << told;
}

TEST_F(MediaGuardTest, FramesOfABadConfigurationAreLeftOutUntilAGoodOne) {
  EXPECT_TRUE(audio(aac_frame()));  // some send none: it may be in a publisher's before him
  EXPECT_FALSE(audio({0xaf, 0, 0xff, 0xff}));
  EXPECT_NE(told.find("have it send AAC-LC"), std::string::npos) << told;
  EXPECT_FALSE(audio(aac_frame()));
  EXPECT_TRUE(audio(aac_configuration()));
  EXPECT_TRUE(audio(aac_frame()));
  EXPECT_FALSE(audio({0xaf, 0, 0}));
  guard.begin_publisher();
  EXPECT_TRUE(audio(aac_frame()));
}

TEST_F(MediaGuardTest, ConfigurationsOfAac) {
  const auto configuration = [](unsigned type, unsigned rate, unsigned channels) {
    const unsigned bits = type << 11 | rate << 7 | channels << 3;
    return Bytes{static_cast<uint8_t>(bits >> 8), static_cast<uint8_t>(bits)};
  };
  for (unsigned type = 1; type <= 4; ++type) {
    EXPECT_TRUE(is_decodable_aac(configuration(type, 4, 2))) << type;
  }
  for (const unsigned type : {0u, 5u, 6u, 17u, 22u, 29u, 31u}) {
    EXPECT_FALSE(is_decodable_aac(configuration(type, 4, 2))) << type;
  }
  for (const unsigned rate : {13u, 14u, 15u}) {
    EXPECT_FALSE(is_decodable_aac(configuration(2, rate, 2))) << rate;
  }
  for (const unsigned channels : {0u, 8u, 15u}) {
    EXPECT_FALSE(is_decodable_aac(configuration(2, 4, channels))) << channels;
  }
  EXPECT_TRUE(is_decodable_aac(Bytes{0x2b, 0x92, 0x08, 0x00}));        // HE-AAC, 22050 to 44100 Hz
  EXPECT_TRUE(is_decodable_aac(Bytes{0x13, 0x90, 0x56, 0xe5, 0xa0}));  // the same, as an extension
  EXPECT_FALSE(is_decodable_aac(Bytes{0x12}));
  EXPECT_FALSE(is_decodable_aac({}));
}

}  // namespace
}  // namespace rtmp
