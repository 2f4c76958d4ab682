// sttsink: states, what goes in, what comes out, and faults.
#include <unistd.h>

#include <thread>

#include "sttsinktest.h"

namespace stt {
namespace {

class SttSink : public SttSinkTest {};

void expect_error(GstMessage* message, GQuark domain, int code, const char* text) {
  ASSERT_TRUE(message);
  GError* error = nullptr;
  if (GST_MESSAGE_TYPE(message) == GST_MESSAGE_WARNING) {
    gst_message_parse_warning(message, &error, nullptr);
  } else {
    gst_message_parse_error(message, &error, nullptr);
  }
  EXPECT_TRUE(g_error_matches(error, domain, code)) << error->message;
  EXPECT_NE(std::string(error->message).find(text), std::string::npos) << error->message;
  g_error_free(error);
  gst_message_unref(message);
}

TEST_F(SttSink, ReachesPlayingWithoutAPadAndPrerollTwice) {
  for (int round = 0; round < 2; ++round) {
    EXPECT_EQ(set_state(GST_STATE_READY), GST_STATE_CHANGE_SUCCESS);
    EXPECT_EQ(set_state(GST_STATE_PAUSED), GST_STATE_CHANGE_SUCCESS);
    EXPECT_EQ(set_state(GST_STATE_PLAYING), GST_STATE_CHANGE_SUCCESS);
    EXPECT_EQ(set_state(GST_STATE_NULL), GST_STATE_CHANGE_SUCCESS);
  }
}

TEST_F(SttSink, WorksASecondTimeAndForgetsTheFirst) {
  set("location", path("a.txt").c_str());
  auto from = source();
  for (int round = 0; round < 2; ++round) {
    set_state(GST_STATE_PLAYING);
    from->begin();
    EXPECT_EQ(from->push(0), GST_FLOW_OK);
    FakeTranscriber& transcriber = told_transcriber(size_t(round));
    transcriber.understand(said("Round."));
    GstStructure* result = transcript();
    EXPECT_STREQ(gst_structure_get_string(result, "utterance"), "u1");
    gst_structure_free(result);
    EXPECT_EQ(stat("transcripts"), 1u);
    set_state(GST_STATE_READY);
    EXPECT_EQ(content("a.txt"), "[00:00:01] Round.\n");
    engine.wait_until_gone(size_t(round));
    set_state(GST_STATE_NULL);
    gst_pad_set_active(from->pad, FALSE);
    gst_pad_set_active(from->pad, TRUE);
  }
}

TEST_F(SttSink, ProgressIsToldWhileTheModelLoads) {
  set_state(GST_STATE_PAUSED);
  for (const GstProgressType expected :
       {GST_PROGRESS_TYPE_START, GST_PROGRESS_TYPE_CONTINUE, GST_PROGRESS_TYPE_COMPLETE}) {
    GstMessage* progress = message(GST_MESSAGE_PROGRESS);
    ASSERT_TRUE(progress);
    GstProgressType type;
    gchar* code = nullptr;
    gst_message_parse_progress(progress, &type, &code, nullptr);
    EXPECT_EQ(type, expected);
    EXPECT_STREQ(code, "load-model");
    g_free(code);
    gst_message_unref(progress);
  }
}

TEST_F(SttSink, MissingEngineIsAnErrorBeforePlaying) {
  engine.missing = "Nothing is installed. Run tools/setup.";
  EXPECT_EQ(set_state(GST_STATE_PLAYING), GST_STATE_CHANGE_FAILURE);
  expect_error(message(GST_MESSAGE_ERROR), GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_NOT_FOUND,
               "tools/setup");
}

TEST_F(SttSink, FailedLoadIsAnErrorAndEndsTheStream) {
  engine.load_error = "the model is broken";
  auto from = source();
  set_state(GST_STATE_PLAYING);
  expect_error(message(GST_MESSAGE_ERROR), GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_FAILED,
               "the model is broken");
  from->begin();
  EXPECT_EQ(from->push(0), GST_FLOW_ERROR);
}

TEST_F(SttSink, UnwritableLocationIsAnErrorBeforePlaying) {
  set("location", "/nowhere/at/all.vtt");
  EXPECT_EQ(set_state(GST_STATE_PLAYING), GST_STATE_CHANGE_FAILURE);
  expect_error(message(GST_MESSAGE_ERROR), GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_OPEN_WRITE,
               "/nowhere/at/all.vtt");
  set_state(GST_STATE_NULL);
  set("location", path("a.doc").c_str());
  EXPECT_EQ(set_state(GST_STATE_PLAYING), GST_STATE_CHANGE_FAILURE);
  expect_error(message(GST_MESSAGE_ERROR), GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_OPEN_WRITE,
               ".jsonl, .txt, .vtt or .srt");
  // It can be put right.
  set_state(GST_STATE_NULL);
  set("location", path("a.txt").c_str());
  EXPECT_EQ(set_state(GST_STATE_PLAYING), GST_STATE_CHANGE_SUCCESS);
}

TEST_F(SttSink, MessageHasExactlyTheseFields) {
  GstClock* clock = gst_test_clock_new();
  gst_pipeline_use_clock(GST_PIPELINE(pipeline), clock);
  set("room", "standup");
  auto from = source();
  set_state(GST_STATE_PLAYING);
  from->begin();
  const RoomAudioTrack alice = {"TR_a", "alice", "Alice", -20, FALSE};
  from->push(0, 10, 1000, [&](GstBuffer* buffer) { room_audio_buffer_set_track(buffer, &alice); });
  gst_test_clock_set_time(GST_TEST_CLOCK(clock), 3 * GST_SECOND);
  Result result = said("Привет.");
  result.revision = 4;
  result.words = {{"Привет.", 1000 * kMs, 2500 * kMs}};
  result.confidence = 0.5;
  told_transcriber(0).understand(result);
  GstStructure* got = transcript();
  gchar* utc = g_strdup(gst_structure_get_string(got, "utc"));
  gchar* utc_end = g_strdup(gst_structure_get_string(got, "utc-end"));
  EXPECT_TRUE(g_regex_match_simple("^\\d{4}-\\d\\d-\\d\\dT\\d\\d:\\d\\d:\\d\\d\\.\\d{3}Z$", utc,
                                   GRegexCompileFlags(0), GRegexMatchFlags(0)))
      << utc;
  GstStructure* word = gst_structure_new("word", "text", G_TYPE_STRING, "Привет.", "start",
                                         G_TYPE_DOUBLE, 1.0, "end", G_TYPE_DOUBLE, 2.5, nullptr);
  GstStructure* expected = gst_structure_new(
      "transcript", "type", G_TYPE_STRING, "final", "utterance", G_TYPE_STRING, "u1", "revision",
      G_TYPE_UINT, 4u, "room", G_TYPE_STRING, "standup", "track", G_TYPE_STRING, "TR_a", "identity",
      G_TYPE_STRING, "alice", "name", G_TYPE_STRING, "Alice", "text", G_TYPE_STRING, "Привет.",
      "language", G_TYPE_STRING, "en", "start", G_TYPE_DOUBLE, 1.0, "end", G_TYPE_DOUBLE, 2.5,
      "start-time", G_TYPE_UINT64, guint64(GST_SECOND), "end-time", G_TYPE_UINT64,
      guint64(2500 * GST_MSECOND), "utc", G_TYPE_STRING, utc, "utc-end", G_TYPE_STRING, utc_end,
      "latency-ms", G_TYPE_INT64, gint64(500), "engine", G_TYPE_STRING, "sherpa", "model",
      G_TYPE_STRING, "fake-tiny", "confidence", G_TYPE_DOUBLE, 0.5, nullptr);
  GValue words = G_VALUE_INIT;
  GValue value = G_VALUE_INIT;
  gst_value_array_init(&words, 1);
  g_value_init(&value, GST_TYPE_STRUCTURE);
  g_value_take_boxed(&value, word);
  gst_value_array_append_and_take_value(&words, &value);
  gst_structure_take_value(expected, "words", &words);
  gchar* got_text = gst_structure_to_string(got);
  gchar* expected_text = gst_structure_to_string(expected);
  EXPECT_TRUE(gst_structure_is_equal(got, expected)) << got_text << "\n" << expected_text;
  for (gchar* text : {got_text, expected_text, utc, utc_end}) g_free(text);
  gst_structure_free(got);
  gst_structure_free(expected);
  set_state(GST_STATE_NULL);
  gst_object_unref(clock);
}

TEST_F(SttSink, ResultsOfWhatIsNotLiveHaveNoWallClock) {
  auto from = source(false);
  set_state(GST_STATE_PLAYING);
  from->begin();
  from->push(0);
  told_transcriber(0).understand(said("Hi."));
  GstStructure* got = transcript();
  gint64 latency_ms = 0;
  gst_structure_get_int64(got, "latency-ms", &latency_ms);
  EXPECT_EQ(latency_ms, -1);
  EXPECT_STREQ(gst_structure_get_string(got, "utc"), "");
  gst_structure_free(got);
}

TEST_F(SttSink, SignalTellsTheSame) {
  auto from = source();
  set_state(GST_STATE_PLAYING);
  from->begin();
  std::string seen;
  g_signal_connect(sink, "transcript",
                   G_CALLBACK(+[](GstElement*, GstStructure* structure, std::string* text) {
                     *text = gst_structure_get_string(structure, "text");
                   }),
                   &seen);
  told_transcriber(0).understand(said("Hi."));
  EXPECT_EQ(seen, "Hi.");
}

TEST_F(SttSink, UtterancesAreUniqueOverThePadsAndKeptOverRevisions) {
  auto one = source();
  auto two = source();
  set_state(GST_STATE_PLAYING);
  one->begin();
  two->begin();
  FakeTranscriber& first = told_transcriber(0);
  FakeTranscriber& second = told_transcriber(1);
  first.understand(said("a", false, 1, 0));
  second.understand(said("b", false, 1, 0));
  first.understand(said("", true, 2));  // never shown: nothing to take back
  first.understand(said("a.", true, 1, 1));
  second.understand(said("", true, 1, 1));  // takes its partial back
  first.understand(said("c.", true, 3, 0));
  const char* expected[] = {"partial u1 a", "partial u2 b", "final u1 a.", "final u2 ",
                            "final u3 c."};
  for (const char* one_expected : expected) {
    GstStructure* got = transcript();
    const std::string text = std::string(gst_structure_get_string(got, "type")) + " " +
                             gst_structure_get_string(got, "utterance") + " " +
                             gst_structure_get_string(got, "text");
    EXPECT_EQ(text, one_expected);
    gst_structure_free(got);
  }
}

TEST_F(SttSink, WhatIsSaidWhileTheModelLoadsIsNotLost) {
  engine.hold_load();
  auto from = source();
  set_state(GST_STATE_PLAYING);
  from->begin();
  for (int i = 0; i < 100; ++i) EXPECT_EQ(from->push(i * 10), GST_FLOW_OK);
  EXPECT_EQ(stat("queued"), guint64(1000 * kMs));
  EXPECT_EQ(engine.made(), 0u);
  engine.release_load();
  GstMessage* progress = nullptr;
  GstProgressType type = GST_PROGRESS_TYPE_START;
  while (type != GST_PROGRESS_TYPE_COMPLETE) {
    ASSERT_TRUE(progress = message(GST_MESSAGE_PROGRESS));
    gst_message_parse_progress(progress, &type, nullptr, nullptr);
    gst_message_unref(progress);
  }
  EXPECT_EQ(told_transcriber(0).samples(), 16000u);
  from->push(1000);
  EXPECT_EQ(told_transcriber(0).samples(), 16160u);
  EXPECT_EQ(told_transcriber(0).end_ns(), 1010 * kMs);
}

TEST_F(SttSink, AnyRateAndChannelsBecomeSixteenKilohertzMono) {
  auto from = source();
  set_state(GST_STATE_PLAYING);
  from->begin("x", false, 48000, 2);
  FakeTranscriber& transcriber = told_transcriber(0);
  for (int i = 0; i < 100; ++i) from->push(i * 10, 10, 8192);
  EXPECT_NEAR(double(transcriber.samples()), 16000, 40);  // some is still in the resampler
  EXPECT_NEAR(transcriber.last_sample(), 0.25, 0.01);
  // Other caps on the way; what the resampler held comes out first.
  GstCaps* caps =
      gst_caps_from_string("audio/x-raw,format=S16LE,rate=8000,channels=1,layout=interleaved");
  from->event(gst_event_new_caps(caps));
  gst_caps_unref(caps);
  EXPECT_NEAR(double(transcriber.samples()), 16000, 2);
  from->rate = 8000;
  from->channels = 1;
  for (int i = 100; i < 200; ++i) from->push(i * 10, 10, 8192);
  from->event(gst_event_new_gap(2000 * GST_MSECOND, 10 * GST_MSECOND));
  EXPECT_NEAR(double(transcriber.samples()), 32000, 4);
}

TEST_F(SttSink, RunningTimeFollowsTheSegment) {
  auto from = source();
  set_state(GST_STATE_PLAYING);
  from->begin();
  GstSegment segment;
  gst_segment_init(&segment, GST_FORMAT_TIME);
  segment.start = 5 * GST_SECOND;
  segment.base = 2 * GST_SECOND;
  from->event(gst_event_new_segment(&segment));
  from->push(4000, 500);  // before the segment
  EXPECT_EQ(told_transcriber(0).samples(), 0u);
  from->push(4995, 10);  // half of it inside
  EXPECT_EQ(told_transcriber(0).samples(), 80u);
  EXPECT_EQ(told_transcriber(0).end_ns(), 2005 * kMs);
}

TEST_F(SttSink, GapsArePassedOnAndSmallJitterIsNot) {
  auto from = source();
  set_state(GST_STATE_PLAYING);
  from->begin();
  FakeTranscriber& transcriber = told_transcriber(0);
  from->push(0);
  from->push(12);
  EXPECT_EQ(transcriber.end_ns(), 20 * kMs);
  from->push(20, 10, 0,
             [](GstBuffer* buffer) { GST_BUFFER_FLAG_SET(buffer, GST_BUFFER_FLAG_GAP); });
  from->event(gst_event_new_gap(30 * GST_MSECOND, 20 * GST_MSECOND));
  EXPECT_EQ(transcriber.log(), "gap 10@20;gap 20@30;");
  from->push(50);
  EXPECT_EQ(transcriber.end_ns(), 60 * kMs);
  from->push(500);  // a jump
  EXPECT_EQ(transcriber.end_ns(), 510 * kMs);
  EXPECT_EQ(transcriber.samples(), 4 * 160u);
}

TEST_F(SttSink, FlushForgetsWhatWasSaid) {
  auto from = source();
  set_state(GST_STATE_PLAYING);
  from->begin();
  from->push(0);
  FakeTranscriber& before = told_transcriber(0);
  before.understand(said("one", false));
  from->event(gst_event_new_flush_start());
  from->event(gst_event_new_flush_stop(TRUE));
  engine.wait_until_gone(0);
  GstSegment segment;
  gst_segment_init(&segment, GST_FORMAT_TIME);
  from->event(gst_event_new_segment(&segment));
  EXPECT_EQ(from->push(0), GST_FLOW_OK);
  EXPECT_EQ(told_transcriber(1).samples(), 160u);
  told_transcriber(1).understand(said("two"));
  gst_structure_free(transcript());
  GstStructure* got = transcript();
  EXPECT_STREQ(gst_structure_get_string(got, "text"), "two");
  gst_structure_free(got);
}

TEST_F(SttSink, LiveInputIsNeverHeldUp) {
  auto from = source(true);
  set_state(GST_STATE_PAUSED);
  from->begin();
  engine.transcriber(0).set_queued_ns(INT64_MAX);
  EXPECT_EQ(from->push(0), GST_FLOW_OK);
  EXPECT_EQ(engine.transcriber(0).samples(), 160u);
}

TEST_F(SttSink, FileWaitsForPlayingAndForTheEngine) {
  auto from = source(false);
  set_state(GST_STATE_PAUSED);
  from->begin();
  FakeTranscriber& transcriber = engine.transcriber(0);
  transcriber.set_queued_ns(31'000 * kMs);
  GstFlowReturn flow = GST_FLOW_CUSTOM_ERROR;
  std::thread streaming([&] { flow = from->push(0); });
  set_state(GST_STATE_PLAYING);
  transcriber.wait_for_stats_calls(2);
  EXPECT_EQ(transcriber.samples(), 0u);
  transcriber.set_queued_ns(0);
  streaming.join();
  EXPECT_EQ(flow, GST_FLOW_OK);
  EXPECT_EQ(transcriber.samples(), 160u);
}

TEST_F(SttSink, WaitingFileIsWokenByFlushAndStop) {
  auto from = source(false);
  set_state(GST_STATE_PLAYING);
  from->begin();
  FakeTranscriber& transcriber = engine.transcriber(0);
  transcriber.set_queued_ns(31'000 * kMs);
  GstFlowReturn flow = GST_FLOW_OK;
  std::thread streaming([&] { flow = from->push(0); });
  transcriber.wait_for_stats_calls(2);
  from->event(gst_event_new_flush_start());
  streaming.join();
  EXPECT_EQ(flow, GST_FLOW_FLUSHING);
  from->event(gst_event_new_flush_stop(TRUE));
  GstSegment segment;
  gst_segment_init(&segment, GST_FORMAT_TIME);
  from->event(gst_event_new_segment(&segment));
  FakeTranscriber& next = engine.transcriber(1);
  next.set_queued_ns(31'000 * kMs);
  flow = GST_FLOW_OK;
  std::thread again([&] { flow = from->push(0); });
  next.wait_for_stats_calls(2);
  EXPECT_EQ(set_state(GST_STATE_NULL), GST_STATE_CHANGE_SUCCESS);
  again.join();
  EXPECT_EQ(flow, GST_FLOW_FLUSHING);
}

TEST_F(SttSink, FullDiskIsWarnedOfOnceAndResultsGoOn) {
  ASSERT_EQ(symlink("/dev/full", path("full.txt").c_str()), 0);
  const std::string both = "<" + path("full.txt") + "," + path("good.txt") + ">";
  set("locations", both.c_str());
  auto from = source();
  ASSERT_EQ(set_state(GST_STATE_PLAYING), GST_STATE_CHANGE_SUCCESS);
  from->begin();
  told_transcriber(0).understand(said("One.", true, 1));
  told_transcriber(0).understand(said("Two.", true, 2));
  expect_error(message(GST_MESSAGE_WARNING), GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_NO_SPACE_LEFT,
               "the disk is full");
  gst_structure_free(transcript());
  gst_structure_free(transcript());
  from->end();
  told_transcriber(0).complete_drains();
  gst_element_send_event(pipeline, gst_event_new_eos());
  wait_for_eos();
  EXPECT_FALSE(has_message(GST_MESSAGE_WARNING));
  EXPECT_EQ(stat("write-failures"), 1u);
  EXPECT_EQ(content("good.txt"), "[00:00:01] One.\n[00:00:01] Two.\n");
}

TEST_F(SttSink, LocationsAreReadBackAndWrittenOnce) {
  set("location", path("a.txt").c_str());
  set("locations", ("<" + path("a.txt") + ", " + path("b.jsonl") + ">").c_str());
  GValue locations = G_VALUE_INIT;
  g_value_init(&locations, GST_TYPE_ARRAY);
  g_object_get_property(G_OBJECT(sink), "locations", &locations);
  EXPECT_EQ(gst_value_array_get_size(&locations), 2u);
  g_value_unset(&locations);
  auto from = source();
  set_state(GST_STATE_PLAYING);
  told_transcriber(0).understand(said("One."));
  set_state(GST_STATE_NULL);
  EXPECT_EQ(content("a.txt"), "[00:00:01] One.\n");
  EXPECT_EQ(content("b.jsonl").find("{\"type\":\"final\""), 0u);
}

TEST_F(SttSink, LatencyIsThatOfItsLiveInputs) {
  auto query = [this](gboolean& live, GstClockTime& min) {
    GstQuery* latency = gst_query_new_latency();
    ASSERT_TRUE(gst_element_query(sink, latency));
    gst_query_parse_latency(latency, &live, &min, nullptr);
    gst_query_unref(latency);
  };
  gboolean live = TRUE;
  GstClockTime min = 1;
  query(live, min);
  EXPECT_FALSE(live);
  EXPECT_EQ(min, 0u);
  auto file = source(false);
  auto microphone = source(true);
  query(live, min);
  EXPECT_TRUE(live);
  EXPECT_EQ(min, 30 * GST_MSECOND);
}

TEST_F(SttSink, StopIsQuickInTheMiddleOfSpeechAndOfLoading) {
  auto from = source();
  set_state(GST_STATE_PLAYING);
  from->begin();
  from->push(0);
  told_transcriber(0).understand(said("half", false));
  EXPECT_EQ(set_state(GST_STATE_NULL), GST_STATE_CHANGE_SUCCESS);
  engine.wait_until_gone(0);
  EXPECT_EQ(from->push(10), GST_FLOW_FLUSHING);
}

}  // namespace
}  // namespace stt
