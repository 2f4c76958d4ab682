// SPDX-License-Identifier: LGPL-2.1-or-later
#include "trackaddress.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "trackformat.h"

namespace livekit {
namespace {

struct Parsed {
  Verdict verdict;
  TrackRequest request;
};

Parsed parse(const std::string& target, const std::string& route = "/",
             const std::string& token = "",
             std::optional<std::string_view> content_type = "audio/x-raw") {
  Parsed parsed;
  const size_t mark = target.find('?');
  TrackAddress address;
  address.path = std::string_view(target).substr(0, mark);
  if (mark != std::string::npos) address.query = std::string_view(target).substr(mark + 1);
  address.content_type = content_type;
  parsed.verdict = parse_track_address(address, *split_path(route), AccessToken(token),
                                       "connection-1", parsed.request);
  return parsed;
}

// "room|identity|name|track", or "!status".
std::string who(const std::string& target, const std::string& route = "/",
                const std::string& token = "") {
  const Parsed parsed = parse(target, route, token);
  if (parsed.verdict.http_status != 0) return "!" + std::to_string(parsed.verdict.http_status);
  const TrackRequest& request = parsed.request;
  return request.room + "|" + request.identity + "|" + request.name + "|" + request.track;
}

TEST(TrackAddress, WhatLiveKitDials) {
  EXPECT_EQ(who("/egress/rsynth/alice/TR_AMWwJDezM4Dzy5"), "rsynth|alice|alice|TR_AMWwJDezM4Dzy5");
  EXPECT_EQ(who("/egress/rsynth/bob/TR_AMJuc9qiMuHATJ", "/egress"),
            "rsynth|bob|bob|TR_AMJuc9qiMuHATJ");
}

TEST(TrackAddress, FromTheRoute) {
  EXPECT_EQ(who("/rooms/standup/alice/TR_x", "/rooms/standup"), "standup|alice|alice|TR_x");
  EXPECT_EQ(who("/rooms/standup/alice/TR_x/", "/rooms/standup/"), "standup|alice|alice|TR_x");
  EXPECT_EQ(who("//rooms//standup//alice//TR_x", "rooms/standup"), "standup|alice|alice|TR_x");
  EXPECT_EQ(who("/rooms/standup/sub/alice/TR_x", "/rooms/standup"), "sub|alice|alice|TR_x");
}

TEST(TrackAddress, ShortPaths) {
  EXPECT_EQ(who("/"), "|connection-1|connection-1|connection-1");
  EXPECT_EQ(who(""), "|connection-1|connection-1|connection-1");
  EXPECT_EQ(who("/alice"), "|alice|alice|connection-1");
  EXPECT_EQ(who("/TR_x"), "|TR_x|TR_x|TR_x");
  EXPECT_EQ(who("/alice/TR_x"), "|alice|alice|TR_x");
  EXPECT_EQ(who("/room/alice/TR_x"), "room|alice|alice|TR_x");
}

TEST(TrackAddress, TheQueryWins) {
  EXPECT_EQ(who("/?identity=alice&name=Alice&track=TR_1&room=r"), "r|alice|Alice|TR_1");
  EXPECT_EQ(who("/a/b/c?identity=alice"), "a|alice|alice|c");
  EXPECT_EQ(who("/a/b/c?room=r"), "r|b|b|c");
  EXPECT_EQ(who("/a/b/c?track=t"), "a|b|b|t");
  EXPECT_EQ(who("/a/b/c?name=Bee"), "a|b|Bee|c");
  EXPECT_EQ(who("/a/b/c?identity=&room"), "a|b|b|c");
  EXPECT_EQ(who("/a/b/c?identity=first&identity=second"), "a|first|first|c");
  EXPECT_EQ(who("/a/b/c?unknown=1&&=&x"), "a|b|b|c");
}

TEST(TrackAddress, PercentDecoding) {
  EXPECT_EQ(who("/room/%D0%90%D0%BD%D0%BD%D0%B0/TR_x"), "room|Анна|Анна|TR_x");
  EXPECT_EQ(who("/?identity=a&name=%D0%90%D0%BD%D0%BD%D0%B0+%D0%9F."), "|a|Анна П.|connection-1");
  EXPECT_EQ(who("/room/a%2Fb/t"), "room|a/b|a/b|t");
  EXPECT_EQ(who("/room/a+b/t"), "room|a+b|a+b|t");
  EXPECT_EQ(who("/?id%65ntity=a%26b"), "|a&b|a&b|connection-1");
  EXPECT_EQ(who("/room/%41lice/t"), "room|Alice|Alice|t");
  // A route may be written either way.
  EXPECT_EQ(who("/%D0%B0/alice/t", "/а"), "а|alice|alice|t");
  EXPECT_EQ(who("/а/alice/t", "/%D0%B0"), "а|alice|alice|t");
}

TEST(TrackAddress, BadEscapes) {
  for (const char* bad : {"/%", "/%4", "/a%zz/b", "/%g0", "/?a=%", "/?%4=1", "/?identity=%4x"}) {
    EXPECT_EQ(who(bad), "!400") << bad;
  }
}

TEST(TrackAddress, BadNames) {
  for (const char* bad :
       {"/r/a%0ab/t", "/r/%00/t", "/r/%7f/t", "/r/%ff/t", "/r/%c2/t", "/r/%ed%a0%80/t", "/r/a/%1b",
        "/%c2%85/a/t", "/?name=%e2%80%a8&track=t", "/r/a/t?room=%01"}) {
    EXPECT_EQ(who(bad), "!400") << bad;
  }
}

TEST(TrackAddress, LengthLimits) {
  const std::string longest(kMaxNameBytes, 'a');
  EXPECT_EQ(who("/r/" + longest + "/t"), "r|" + longest + "|" + longest + "|t");
  EXPECT_EQ(who("/r/" + longest + "a/t"), "!400");
  EXPECT_EQ(who("/" + longest + "a/a/t"), "!400");
  EXPECT_EQ(who("/r/a/" + longest + "a"), "!400");
  EXPECT_EQ(who("/?name=" + longest + "a"), "!400");
  EXPECT_EQ(who("/?x=" + std::string(kMaxAddressBytes - 3, 'x')).front(), '|');
  EXPECT_EQ(who("/?x=" + std::string(kMaxAddressBytes - 2, 'x')), "!414");
  std::string deep;
  for (size_t i = 0; i < kMaxPathParts; ++i) deep += "/a";
  EXPECT_EQ(who(deep), "a|a|a|a");
  EXPECT_EQ(who(deep + "/a"), "!400");
}

TEST(TrackAddress, Routes) {
  EXPECT_EQ(who("/rooms/a/t", "/rooms"), "rooms|a|a|t");
  EXPECT_EQ(who("/roomsa/t", "/rooms"), "!404");
  EXPECT_EQ(who("/", "/rooms"), "!404");
  EXPECT_EQ(who("/room", "/rooms"), "!404");
  EXPECT_EQ(*match_route({}, {"a"}), 0u);
  EXPECT_EQ(*match_route({"a"}, {"a", "b"}), 1u);
  EXPECT_FALSE(match_route({"a", "b"}, {"a"}));
}

TEST(TrackAddress, Token) {
  EXPECT_EQ(who("/r/alice/t", "/", "secret"), "!401");
  EXPECT_EQ(who("/", "/", "secret"), "!401");
  EXPECT_EQ(who("/r/alice/t?token=", "/", "secret"), "!401");
  EXPECT_EQ(who("/r/alice/t?token=Secret", "/", "secret"), "!401");
  EXPECT_EQ(who("/r/alice/t?token=secre", "/", "secret"), "!401");
  EXPECT_EQ(who("/r/alice/t?token=secrets", "/", "secret"), "!401");
  EXPECT_EQ(who("/r/alice/t?token=secret", "/", "secret"), "r|alice|alice|t");
  EXPECT_EQ(who("/r/alice/t?access_token=secret", "/", "secret"), "r|alice|alice|t");
  EXPECT_EQ(who("/r/alice/t?token=wrong&access_token=secret", "/", "secret"), "r|alice|alice|t");
  EXPECT_EQ(who("/secret/r/alice/t", "/", "secret"), "r|alice|alice|t");
  EXPECT_EQ(who("/secret", "/", "secret"), "|connection-1|connection-1|connection-1");
  EXPECT_EQ(who("/rooms/standup/secret/alice/t", "/rooms/standup", "secret"),
            "standup|alice|alice|t");
  EXPECT_EQ(who("/secret/rooms/standup/alice/t", "/rooms/standup", "secret"), "!404");
  EXPECT_EQ(who("/r/secret/alice/t", "/", "secret"), "!401");
  // Percent-encoded secrets are the same secrets.
  EXPECT_EQ(who("/s%2Fe/alice/t", "/", "s/e"), "|alice|alice|t");
  EXPECT_EQ(who("/alice/t?token=s%26e", "/", "s&e"), "|alice|alice|t");
  // In both places: taken out of the path all the same.
  EXPECT_EQ(who("/secret/alice/t?token=secret", "/", "secret"), "|alice|alice|t");
  // None asked for: the query's is ignored.
  EXPECT_EQ(who("/r/alice/t?token=x"), "r|alice|alice|t");
}

TEST(TrackAddress, TokenInTheHeaderIsForThoseWhoCanSendOne) {
  const auto status = [](std::string_view authorization) {
    TrackAddress address{"/r/alice/t", "", "audio/x-raw", authorization};
    TrackRequest request;
    return parse_track_address(address, {}, AccessToken("secret"), "c", request).http_status;
  };
  EXPECT_EQ(status("Bearer secret"), 0u);
  EXPECT_EQ(status("bearer secret"), 0u);
  for (const char* wrong : {"", "Bearer", "Bearer ", "secret", "Basic secret", "Bearer secrets"}) {
    EXPECT_EQ(status(wrong), 401u) << wrong;
  }
}

TEST(TrackAddress, NoReasonTellsTheToken) {
  for (const std::string target :
       {"/SESAME/r/%00/t", "/r/a/t?token=SESAME", "/SESAME/%zz", "/r/a/t?token=SESAME&rate=1",
        "/r/a/t?token=SESAME&name=%ff", "/other/SESAME/a/t"}) {
    for (const std::string token : {"SESAME", "other", ""}) {
      EXPECT_EQ(parse(target, "/", token).verdict.reason.find("SESAME"), std::string::npos);
    }
  }
}

TEST(AccessToken, Matches) {
  EXPECT_FALSE(AccessToken().required());
  EXPECT_FALSE(AccessToken().matches(""));
  const AccessToken token("abc");
  EXPECT_TRUE(token.required());
  EXPECT_TRUE(token.matches("abc"));
  for (const char* wrong : {"", "ab", "abcd", "abd", "ABC"}) EXPECT_FALSE(token.matches(wrong));
  EXPECT_FALSE(token.matches(std::string_view("abc\0", 4)));
}

TEST(TrackAddress, TheRemoteIsKept) {
  Parsed parsed;
  parsed.request.remote = "[::1]:80";
  parsed.verdict =
      parse_track_address({"/r/a/t", "", std::nullopt}, {}, AccessToken(), "x", parsed.request);
  EXPECT_EQ(parsed.verdict.http_status, 0u);
  EXPECT_EQ(parsed.request.remote, "[::1]:80");
}

// "ENCODING/RATE/CHANNELS", or "!415".
std::string format_of(std::optional<std::string_view> content_type, const FormatWish& wish = {}) {
  AudioFormat format;
  const Verdict verdict = parse_track_format(content_type, wish, format);
  if (verdict.http_status != 0) {
    EXPECT_NE(verdict.reason.find("accepted are audio/x-raw"), std::string::npos);
    return "!" + std::to_string(verdict.http_status);
  }
  const char* name = format.encoding == AudioFormat::Encoding::kS16le   ? "S16LE"
                     : format.encoding == AudioFormat::Encoding::kF32le ? "F32LE"
                                                                        : "OPUS";
  return std::string(name) + "/" + std::to_string(format.rate_hz) + "/" +
         std::to_string(format.channels);
}

TEST(TrackFormat, WhatLiveKitSends) {
  EXPECT_EQ(format_of("audio/x-raw"), "S16LE/48000/2");
  EXPECT_EQ(format_of(std::nullopt), "S16LE/48000/2");
  EXPECT_EQ(format_of(""), "S16LE/48000/2");
}

TEST(TrackFormat, Parameters) {
  EXPECT_EQ(format_of("audio/x-raw;rate=16000;channels=1;format=F32LE"), "F32LE/16000/1");
  EXPECT_EQ(format_of("Audio/X-RAW ; Rate=8000 ; Channels=8"), "S16LE/8000/8");
  EXPECT_EQ(format_of("audio/x-raw; rate=\"192000\""), "S16LE/192000/2");
  EXPECT_EQ(format_of("audio/x-raw;format=s16le;layout=interleaved;"), "S16LE/48000/2");
  EXPECT_EQ(format_of("audio/x-raw, format=(string)F32LE, layout=(string)interleaved, "
                      "rate=(int)44100, channels=(int)1"),
            "F32LE/44100/1");
}

TEST(TrackFormat, Opus) {
  EXPECT_EQ(format_of("audio/x-opus"), "OPUS/48000/2");
  EXPECT_EQ(format_of("audio/opus;channels=1"), "OPUS/48000/1");
  EXPECT_EQ(format_of("audio/x-opus, channel-mapping-family=(int)0, rate=(int)16000"),
            "OPUS/16000/2");
  for (const char* bad : {"audio/opus;channels=3", "audio/opus;rate=44100",
                          "audio/opus;format=S16LE", "audio/opus;channel-mapping-family=1"}) {
    EXPECT_EQ(format_of(bad), "!415") << bad;
  }
}

TEST(TrackFormat, Query) {
  EXPECT_EQ(format_of("audio/x-raw", {.rate = "16000", .channels = "1"}), "S16LE/16000/1");
  EXPECT_EQ(format_of("audio/x-raw;rate=8000", {.rate = "16000"}), "S16LE/16000/2");
  EXPECT_EQ(format_of(std::nullopt, {.format = "F32LE"}), "F32LE/48000/2");
  EXPECT_EQ(format_of("audio/x-raw", {.format = "opus"}), "OPUS/48000/2");
  EXPECT_EQ(format_of("audio/opus", {.format = "S16LE"}), "S16LE/48000/2");
  EXPECT_EQ(format_of(std::nullopt, {.rate = "x"}), "!415");
  EXPECT_EQ(format_of(std::nullopt, {.channels = "9"}), "!415");
  EXPECT_EQ(format_of(std::nullopt, {.format = "mp3"}), "!415");
  // The element reads them from the address.
  const Parsed parsed = parse("/r/a/t?rate=16000&channels=1&format=F32LE");
  EXPECT_EQ(parsed.request.format, (AudioFormat{AudioFormat::Encoding::kF32le, 16000, 1}));
}

TEST(TrackFormat, AnythingElse) {
  for (const char* bad : {"audio/mpeg",
                          "text/plain",
                          "audio/x-rawx",
                          "audio",
                          "application/octet-stream",
                          "audio/x-raw;rate=7999",
                          "audio/x-raw;rate=192001",
                          "audio/x-raw;rate=0",
                          "audio/x-raw;rate=-48000",
                          "audio/x-raw;rate=48000x",
                          "audio/x-raw;rate=",
                          "audio/x-raw;rate=99999999999",
                          "audio/x-raw;channels=0",
                          "audio/x-raw;channels=9",
                          "audio/x-raw;channels=-1",
                          "audio/x-raw;format=S16BE",
                          "audio/x-raw;format=U8",
                          "audio/x-raw;layout=non-interleaved",
                          "audio/x-raw;endianness=4321",
                          "audio/x-raw;rate"}) {
    EXPECT_EQ(format_of(bad), "!415") << bad;
  }
  EXPECT_EQ(format_of("audio/x-raw;" + std::string(600, ' ')), "!415");
}

TEST(TrackFormat, BytesPerFrame) {
  EXPECT_EQ(AudioFormat{}.bytes_per_frame(), 4u);
  EXPECT_EQ((AudioFormat{AudioFormat::Encoding::kF32le, 48000, 8}).bytes_per_frame(), 32u);
  EXPECT_EQ((AudioFormat{AudioFormat::Encoding::kOpus, 48000, 2}).bytes_per_frame(), 0u);
}

}  // namespace
}  // namespace livekit
