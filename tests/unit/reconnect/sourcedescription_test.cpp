// SPDX-License-Identifier: LGPL-2.1-or-later
#include "reconnect/sourcedescription.h"

#include <gtest/gtest.h>

using namespace reconnect;

namespace {

SourceSettings at(const std::string& location) {
  SourceSettings settings;
  settings.location = location;
  return settings;
}

bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

TEST(SourceDescription, RtmpIsReadByEitherElement) {
  SourceSettings settings = at("rtmp://host/live/key");
  EXPECT_TRUE(
      has(connection_line(settings), "rtmp2src location=\"rtmp://host/live/key\" ! flvdemux"));
  settings.rtmp_element = "rtmpsrc";
  EXPECT_TRUE(has(connection_line(settings),
                  "rtmpsrc blocksize=256 location=\"rtmp://host/live/key live=1\""));
}

TEST(SourceDescription, NothingGetsOutOfItsQuotes) {
  EXPECT_TRUE(has(connection_line(at("rtmp://h/a/b\" ! filesink location=\"/x")),
                  "location=\"rtmp://h/a/b\\\" ! filesink location=\\\"/x\""));
}

TEST(SourceDescription, OtherAddressesAndLaunchLines) {
  EXPECT_TRUE(has(connection_line(at("http://host/live.m3u8")), "uridecodebin uri="));
  SourceSettings settings;
  EXPECT_EQ(connection_line(settings), "");
  settings.source = "livekitrtmpsrc ! flvdemux";
  EXPECT_EQ(connection_line(settings).rfind("livekitrtmpsrc ! flvdemux ! decodebin", 0), 0u);
}

TEST(SourceDescription, RtmpGoesOnAfterAnEndFilesDoNot) {
  EXPECT_EQ(default_at_end(at("rtmps://host/live/key")), AtEnd::kReconnect);
  EXPECT_EQ(default_at_end(at("https://host/playlist.m3u8")), AtEnd::kEnd);
}

TEST(SourceDescription, KeysAndPasswordsAreNotTold) {
  EXPECT_EQ(masked(at("rtmp://host:1935/live/s3cret")), "rtmp://host:1935/live/...");
  EXPECT_EQ(masked(at("rtmp://user:word@host/live/s3cret?token=x")), "rtmp://host/live/...");
  EXPECT_EQ(masked(at("https://host/a/playlist.m3u8?key=x")), "https://host/a/playlist.m3u8");
  EXPECT_EQ(masked(at("rtmp://host")), "rtmp://host");
  EXPECT_EQ(masked(at("nonsense")), "nonsense");
}

TEST(SourceDescription, ReasonsTellNoKeys) {
  EXPECT_EQ(
      told("Not Found: ../ext/soup/gstsouphttpsrc.c(1683): gst_soup_http_src_parse_status (): "
           "Not Found (404), URL: http://host/room.m3u8?token=s3cret"),
      "Not Found");
  EXPECT_EQ(told("Cannot open \"rtmp://host/live/s3cret\" now"), "Cannot open \"rtmp://...\" now");
  EXPECT_EQ(told("http://u:s3cret@host/a?b, http://host/s3cret"), "http://..., http://...");
  EXPECT_EQ(told("Could not connect."), "Could not connect.");
  EXPECT_EQ(told("://"), "://...");
  EXPECT_EQ(told(".c("), ".c(");
}

}  // namespace
