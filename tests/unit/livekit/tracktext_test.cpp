// SPDX-License-Identifier: LGPL-2.1-or-later
#include "gst/livekit/tracktext.h"

#include <gtest/gtest.h>

#include <string>

namespace livekit {
namespace {

TEST(TrackText, Muted) {
  EXPECT_EQ(parse_muted_text(R"({"muted":true})"), true);
  EXPECT_EQ(parse_muted_text(R"({"muted":false})"), false);
  EXPECT_EQ(parse_muted_text(R"( { "more": 1, "muted" : true } )"), true);
}

TEST(TrackText, AnythingElseIsNothing) {
  for (const char* text :
       {"", "{", "muted", "[]", "null", "true", R"({"muted":1})", R"({"muted":"true"})",
        R"({"muted":null})", R"({"muted":{}})", R"({"Muted":true})", R"([{"muted":true}])"}) {
    EXPECT_FALSE(parse_muted_text(text)) << text;
  }
  EXPECT_FALSE(parse_muted_text(std::string(100'000, '[')));
  EXPECT_FALSE(parse_muted_text(std::string(200, '[')));
}

}  // namespace
}  // namespace livekit
