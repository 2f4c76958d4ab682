// Results as text: known answers, and what would break a format.
#include <gtest/gtest.h>
#include <json-glib/json-glib.h>

#include "outputs/format.h"

namespace stt {
namespace {

constexpr int64_t kMs = 1'000'000;

Transcript example() {
  Transcript t;
  t.is_final = true;
  t.utterance = "u12";
  t.revision = 3;
  t.room = "standup";
  t.speaker = {"TR_a", "alice", "Alice"};
  t.text = "Hello there.";
  t.language = "en";
  t.start_ns = 1500 * kMs;
  t.end_ns = 2750 * kMs;
  t.utc_start = "2026-01-02T03:04:05.678Z";
  t.utc_end = "2026-01-02T03:04:06.928Z";
  t.latency_ms = 640;
  t.engine = "sherpa";
  t.model = "moonshine-tiny";
  return t;
}

TEST(SttFormat, Times) {
  EXPECT_EQ(clock_time(0), "00:00:00");
  EXPECT_EQ(clock_time(3'661'999 * kMs), "01:01:01");
  EXPECT_EQ(clock_time(-5), "00:00:00");
  EXPECT_EQ(clock_time(int64_t(360'000) * 1000 * kMs), "100:00:00");
  EXPECT_EQ(vtt_time(3'661'042 * kMs), "01:01:01.042");
  EXPECT_EQ(srt_time(59'999 * kMs + 999'999), "00:00:59,999");
}

TEST(SttFormat, JsonHasTheFieldsOfTheContractInOrder) {
  EXPECT_EQ(to_json(example()),
            "{\"type\":\"final\",\"utterance\":\"u12\",\"revision\":3,\"room\":\"standup\","
            "\"track\":\"TR_a\",\"identity\":\"alice\",\"name\":\"Alice\","
            "\"text\":\"Hello there.\",\"language\":\"en\",\"start\":1.500,\"end\":2.750,"
            "\"utc\":\"2026-01-02T03:04:05.678Z\",\"utc_end\":\"2026-01-02T03:04:06.928Z\","
            "\"latency_ms\":640,\"engine\":\"sherpa\",\"model\":\"moonshine-tiny\"}");
}

TEST(SttFormat, WhatIsKnownOfTheParticipantIsText) {
  Transcript t = example();
  t.participant = {"say \"hi\"", R"({"lang":"de"})"};
  EXPECT_NE(to_json(t).find(R"("name":"Alice","metadata":"say \"hi\"",)"
                            R"("attributes":"{\"lang\":\"de\"}","text":)"),
            std::string::npos)
      << to_json(t);
}

TEST(SttFormat, JsonLeavesOutWhatIsNotKnown) {
  Transcript t = example();
  t.is_final = false;
  t.utc_start = t.utc_end = "";
  t.latency_ms = -1;
  const std::string json = to_json(t);
  EXPECT_EQ(json.find("utc"), std::string::npos);
  EXPECT_EQ(json.find("latency"), std::string::npos);
  EXPECT_EQ(json.find("words"), std::string::npos);
  EXPECT_EQ(json.find("confidence"), std::string::npos);
  EXPECT_EQ(json.find("{\"type\":\"partial\""), 0u);
}

TEST(SttFormat, JsonIsReadBackByAParser) {
  Transcript t = example();
  t.text = "a \"quote\", a \\ backslash,\na line\tand Привет \x01 --> <b>&";
  t.speaker.name = "";
  t.words = {{"Hello", 1500 * kMs, 1800 * kMs}, {"there.", 1900 * kMs, 2750 * kMs}};
  t.confidence = 0.8765;
  const std::string json = to_json(t);
  EXPECT_EQ(json.find('\n'), std::string::npos);
  JsonParser* parser = json_parser_new();
  ASSERT_TRUE(json_parser_load_from_data(parser, json.c_str(), gssize(json.size()), nullptr));
  JsonObject* object = json_node_get_object(json_parser_get_root(parser));
  EXPECT_EQ(json_object_get_string_member(object, "text"), t.text);
  EXPECT_STREQ(json_object_get_string_member(object, "name"), "alice");  // falls back
  EXPECT_DOUBLE_EQ(json_object_get_double_member(object, "confidence"), 0.877);
  JsonArray* words = json_object_get_array_member(object, "words");
  ASSERT_EQ(json_array_get_length(words), 2u);
  JsonObject* second = json_array_get_object_element(words, 1);
  EXPECT_STREQ(json_object_get_string_member(second, "text"), "there.");
  EXPECT_DOUBLE_EQ(json_object_get_double_member(second, "start"), 1.9);
  g_object_unref(parser);
}

TEST(SttFormat, BytesThatAreNotUtf8DoNotReachAFile) {
  Transcript t = example();
  t.text = "caf\xe9";
  for (const Format format :
       {Format::kJsonLines, Format::kText, Format::kWebVtt, Format::kSubRip}) {
    EXPECT_TRUE(g_utf8_validate(to_entry(format, t, 1).c_str(), -1, nullptr));
  }
}

TEST(SttFormat, TextLine) {
  Transcript t = example();
  t.start_ns = 62'000 * kMs;
  t.text = " Два\r\n  слова \x1b[31m ";
  EXPECT_EQ(to_text_line(t), "[00:01:02] Alice: Два слова [31m");
  t.speaker = {};
  EXPECT_EQ(to_text_line(t), "[00:01:02] Два слова [31m");
}

TEST(SttFormat, VttCueEscapesMarkupAndArrows) {
  Transcript t = example();
  t.speaker.name = "A <b> & Co\n>";
  t.text = "if a < b && b --> c\n\nthen";
  EXPECT_EQ(to_vtt_cue(t),
            "u12\n00:00:01.500 --> 00:00:02.750\n"
            "<v A &lt;b&gt; &amp; Co &gt;>if a &lt; b &amp;&amp; b --&gt; c then</v>\n\n");
}

TEST(SttFormat, VttCueWithoutNameAndLength) {
  Transcript t = example();
  t.speaker = {};
  t.end_ns = t.start_ns;
  EXPECT_EQ(to_vtt_cue(t), "u12\n00:00:01.500 --> 00:00:01.501\nHello there.\n\n");
}

TEST(SttFormat, SrtCueHasNoSecondArrow) {
  Transcript t = example();
  t.text = "x ---> y";
  EXPECT_EQ(to_srt_cue(t, 7), "7\n00:00:01,500 --> 00:00:02,750\nAlice: x -> y\n\n");
}

TEST(SttFormat, LineSeparatorsOfUnicodeBreakNoLine) {
  EXPECT_EQ(single_line("a\u2028b\u0085c\u00a0d"), "a b c d");
  EXPECT_EQ(single_line(" \n "), "");
}

TEST(SttFormat, FormatByExtension) {
  Format format = Format::kText;
  EXPECT_TRUE(format_of_path("/a.b/Standup.VTT", format));
  EXPECT_EQ(format, Format::kWebVtt);
  EXPECT_TRUE(format_of_path("x.jsonl", format));
  EXPECT_EQ(format, Format::kJsonLines);
  EXPECT_FALSE(format_of_path("x.json", format));
  EXPECT_FALSE(format_of_path("", format));
}

}  // namespace
}  // namespace stt
