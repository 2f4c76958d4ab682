// SPDX-License-Identifier: LGPL-2.1-or-later
// reconnectsrc over sources that need no network: a file that is not there yet, live audio that
// ends, a pipe that breaks. Nothing sleeps; buffers and messages are waited for.
#include <glib/gstdio.h>
#include <gst/app/gstappsink.h>
#include <gst/gst.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

namespace {

constexpr GstClockTime kPatience = 20 * GST_SECOND;
// 20 buffers of 10 ms, then the end.
const std::string kShort =
    "audiotestsrc is-live=true num-buffers=20 samplesperbuffer=480 ! audio/x-raw,rate=48000,"
    "channels=1";
// The test source runs a buffer ahead of time; a wait well above that always leaves a gap.
constexpr guint kRetry_ms = 100;

struct Piece {
  GstClockTime pts = 0;
  GstClockTime duration = 0;
  bool discont = false;
};

class ReconnectSrc : public ::testing::Test {
 protected:
  static void SetUpTestSuite() { gst_init(nullptr, nullptr); }
  void SetUp() override {
    pipeline_ = gst_pipeline_new(nullptr);
    src_ = gst_element_factory_make("reconnectsrc", "src");
    sink_ = gst_element_factory_make("appsink", "sink");
    ASSERT_TRUE(src_ && sink_);
    g_object_set(sink_, "sync", FALSE, nullptr);
    gst_bin_add_many(GST_BIN(pipeline_), src_, sink_, nullptr);
    ASSERT_TRUE(gst_element_link(src_, sink_));
    bus_ = gst_element_get_bus(pipeline_);
  }
  void TearDown() override {
    gst_element_set_state(pipeline_, GST_STATE_NULL);
    gst_object_unref(bus_);
    gst_object_unref(pipeline_);
    if (!file_.empty()) g_remove(file_.c_str());
  }
  GstStateChangeReturn play(const std::string& source, guint retry_ms = 20) {
    g_object_set(src_, "source", source.c_str(), "retry-min", retry_ms, "retry-max", retry_ms,
                 nullptr);
    return gst_element_set_state(pipeline_, GST_STATE_PLAYING);
  }
  /** Waits for a message `reconnect` with this event; NULL when it does not come. */
  GstStructure* wait_for(const char* event) {
    while (GstMessage* message = gst_bus_timed_pop_filtered(
               bus_, kPatience, GstMessageType(GST_MESSAGE_ELEMENT | GST_MESSAGE_ERROR))) {
      const GstStructure* structure = gst_message_get_structure(message);
      GstStructure* found = nullptr;
      const bool is_error = GST_MESSAGE_TYPE(message) == GST_MESSAGE_ERROR;
      if (!is_error && gst_structure_has_name(structure, "reconnect") &&
          g_strcmp0(gst_structure_get_string(structure, "event"), event) == 0)
        found = gst_structure_copy(structure);
      gst_message_unref(message);
      if (found || is_error) return found;
    }
    return nullptr;
  }
  bool heard(const char* event) {
    GstStructure* structure = wait_for(event);
    if (structure) gst_structure_free(structure);
    return structure != nullptr;
  }
  std::string wait_for_error() {
    GstMessage* message = gst_bus_timed_pop_filtered(bus_, kPatience, GST_MESSAGE_ERROR);
    if (!message) return {};
    GError* error = nullptr;
    gst_message_parse_error(message, &error, nullptr);
    const std::string text = error->message;
    g_error_free(error);
    gst_message_unref(message);
    return text;
  }
  bool pull(Piece* piece) {
    GstSample* sample = gst_app_sink_try_pull_sample(GST_APP_SINK(sink_), kPatience);
    if (!sample) return false;
    GstBuffer* buffer = gst_sample_get_buffer(sample);
    *piece = {GST_BUFFER_PTS(buffer), GST_BUFFER_DURATION(buffer),
              bool(GST_BUFFER_FLAG_IS_SET(buffer, GST_BUFFER_FLAG_DISCONT))};
    gst_sample_unref(sample);
    return true;
  }
  guint64 stat(const char* field) {
    GstStructure* stats = nullptr;
    guint64 value = G_MAXUINT64;
    g_object_get(src_, "stats", &stats, nullptr);
    EXPECT_TRUE(gst_structure_get_uint64(stats, field, &value)) << field;
    gst_structure_free(stats);
    return value;
  }
  void make_file() {
    file_ = std::string(g_get_tmp_dir()) + "/reconnectsrc-" + std::to_string(g_random_int());
  }
  void write_file(double seconds) {
    const auto line = "audiotestsrc num-buffers=" + std::to_string(int(seconds * 100)) +
                      " samplesperbuffer=480 ! audio/x-raw,rate=48000,channels=1 ! wavenc ! "
                      "filesink location=" +
                      file_ + ".new";
    GstElement* writer = gst_parse_launch(line.c_str(), nullptr);
    GstBus* bus = gst_element_get_bus(writer);
    gst_element_set_state(writer, GST_STATE_PLAYING);
    gst_message_unref(gst_bus_timed_pop_filtered(bus, kPatience, GST_MESSAGE_EOS));
    gst_element_set_state(writer, GST_STATE_NULL);
    gst_object_unref(bus);
    gst_object_unref(writer);
    g_rename((file_ + ".new").c_str(), file_.c_str());
  }

  GstElement* pipeline_ = nullptr;
  GstElement* src_ = nullptr;
  GstElement* sink_ = nullptr;
  GstBus* bus_ = nullptr;
  std::string file_;
};

TEST_F(ReconnectSrc, IsLiveAndReportsItsLatency) {
  g_object_set(src_, "latency", 300u, nullptr);
  EXPECT_EQ(play(kShort), GST_STATE_CHANGE_ASYNC);
  Piece piece;
  ASSERT_TRUE(pull(&piece));
  GstQuery* query = gst_query_new_latency();
  GstPad* pad = gst_element_get_static_pad(src_, "src");
  ASSERT_TRUE(gst_pad_query(pad, query));
  gst_object_unref(pad);
  gboolean live = FALSE;
  GstClockTime min = 0;
  gst_query_parse_latency(query, &live, &min, nullptr);
  gst_query_unref(query);
  EXPECT_TRUE(live);
  EXPECT_EQ(min, 300 * GST_MSECOND);
}

TEST_F(ReconnectSrc, AnEndIsFollowedByTheNextConnectionInOneStream) {
  play(kShort, kRetry_ms);
  GstClockTime end = 0;
  int disconts = 0;
  Piece piece;
  while (disconts < 3 && pull(&piece)) {
    ASSERT_GE(piece.pts + 2, end) << "time never goes back";
    if (piece.discont) ++disconts;
    if (end > 0 && !piece.discont) {
      ASSERT_NEAR(double(piece.pts), double(end), 1e6);
    }
    end = piece.pts + piece.duration;
  }
  EXPECT_EQ(disconts, 3);
  EXPECT_GE(stat("connections"), 3u);
  EXPECT_GE(stat("outages"), 2u);
  EXPECT_GT(stat("gap-time"), 0u);
  EXPECT_FALSE(gst_app_sink_is_eos(GST_APP_SINK(sink_)));
}

TEST_F(ReconnectSrc, SaysWhatItDoes) {
  play(kShort, kRetry_ms);
  EXPECT_TRUE(heard("connecting"));
  EXPECT_TRUE(heard("connected"));
  GstStructure* lost = wait_for("lost");
  ASSERT_NE(lost, nullptr);
  guint64 wait = 0;
  EXPECT_TRUE(gst_structure_get_uint64(lost, "wait", &wait));
  EXPECT_LE(wait, kRetry_ms * GST_MSECOND);
  EXPECT_STRNE(gst_structure_get_string(lost, "reason"), "");
  EXPECT_STRNE(gst_structure_get_string(lost, "utc"), "");
  gst_structure_free(lost);
  GstStructure* again = wait_for("connected");
  ASSERT_NE(again, nullptr);
  guint64 gap = 0;
  EXPECT_TRUE(gst_structure_get_uint64(again, "gap", &gap));
  EXPECT_GT(gap, 0u);
  gst_structure_free(again);
}

TEST_F(ReconnectSrc, WaitsForWhatIsNotThereYet) {
  make_file();
  g_object_set(src_, "location", ("file://" + file_).c_str(), nullptr);
  play("");
  EXPECT_TRUE(heard("failed"));
  EXPECT_TRUE(heard("failed"));
  GstMessage* warning = gst_bus_timed_pop_filtered(bus_, 0, GST_MESSAGE_WARNING);
  if (warning) gst_message_unref(warning);
  write_file(0.5);
  EXPECT_TRUE(heard("connected"));
  Piece piece;
  GstClockTime heard_ns = 0;
  while (pull(&piece)) heard_ns += piece.duration;
  EXPECT_TRUE(gst_app_sink_is_eos(GST_APP_SINK(sink_))) << "a file ends";
  EXPECT_NEAR(double(heard_ns), 0.5e9, 1e6) << "nothing of it is lost";
}

// A proxy's page of excuse, for example: no decoder for it is no reason to end what has played.
TEST_F(ReconnectSrc, AnotherKindOfContentInBetweenIsWaitedOut) {
  make_file();
  write_file(0.2);
  play("filesrc location=" + file_);
  ASSERT_TRUE(heard("connected"));
  const std::string page = "<!DOCTYPE html><html><body>Bad gateway</body></html>";
  ASSERT_TRUE(g_file_set_contents(file_.c_str(), page.c_str(), -1, nullptr));
  ASSERT_TRUE(heard("failed"));
  write_file(0.2);
  EXPECT_TRUE(heard("connected"));
}

TEST_F(ReconnectSrc, GivesUpAtItsLimit) {
  make_file();
  g_object_set(src_, "location", ("file://" + file_).c_str(), "retry-limit", 3u, nullptr);
  play("");
  EXPECT_NE(wait_for_error().find("There is no stream to be had"), std::string::npos);
  EXPECT_EQ(stat("attempts"), 3u);
}

TEST_F(ReconnectSrc, MistakesShowBeforeItPlays) {
  EXPECT_EQ(play(""), GST_STATE_CHANGE_FAILURE);
  EXPECT_NE(wait_for_error().find("set location"), std::string::npos);
  gst_element_set_state(pipeline_, GST_STATE_NULL);
  EXPECT_EQ(play("nosuchelement"), GST_STATE_CHANGE_FAILURE);
  EXPECT_NE(wait_for_error().find("nosuchelement"), std::string::npos);
}

TEST_F(ReconnectSrc, TheEndIsSentOnWhateverTheStateOfTheConnection) {
  play(kShort + ",nothing=1");  // never connects
  gst_element_send_event(pipeline_, gst_event_new_eos());
  GstMessage* end = gst_bus_timed_pop_filtered(bus_, kPatience, GstMessageType(GST_MESSAGE_EOS));
  ASSERT_NE(end, nullptr);
  gst_message_unref(end);
}

TEST_F(ReconnectSrc, TheEndPlaysOutWhatHasCome) {
  play("audiotestsrc is-live=true samplesperbuffer=480 ! audio/x-raw,rate=48000,channels=1");
  Piece piece;
  for (int i = 0; i < 10; ++i) ASSERT_TRUE(pull(&piece));
  gst_element_send_event(pipeline_, gst_event_new_eos());
  while (pull(&piece)) {
  }
  EXPECT_TRUE(gst_app_sink_is_eos(GST_APP_SINK(sink_)));
}

TEST_F(ReconnectSrc, AnErrorDownstreamIsNotTheConnectionsFault) {
  play("audiotestsrc is-live=true ! audio/x-raw,rate=48000,channels=1");
  Piece piece;
  ASSERT_TRUE(pull(&piece));
  GstPad* pad = gst_element_get_static_pad(sink_, "sink");
  gst_pad_add_probe(
      pad, GST_PAD_PROBE_TYPE_BUFFER,
      [](GstPad*, GstPadProbeInfo* info, gpointer) {
        gst_clear_buffer(reinterpret_cast<GstBuffer**>(&info->data));
        GST_PAD_PROBE_INFO_FLOW_RETURN(info) = GST_FLOW_ERROR;
        return GST_PAD_PROBE_HANDLED;
      },
      nullptr, nullptr);
  gst_object_unref(pad);
  EXPECT_FALSE(wait_for_error().empty());
  EXPECT_EQ(stat("attempts"), 1u);
}

TEST_F(ReconnectSrc, StartsAndStopsAsOftenAsOneLikes) {
  for (int i = 0; i < 5; ++i) {
    play(kShort);
    Piece piece;
    ASSERT_TRUE(pull(&piece));
    EXPECT_LT(piece.pts, 2 * GST_SECOND);
    gst_element_set_state(pipeline_, i % 2 == 0 ? GST_STATE_READY : GST_STATE_NULL);
  }
}

TEST_F(ReconnectSrc, PausesWithoutGettingStuck) {
  play("audiotestsrc is-live=true samplesperbuffer=480 ! audio/x-raw,rate=48000,channels=1");
  Piece piece;
  ASSERT_TRUE(pull(&piece));
  gst_element_set_state(pipeline_, GST_STATE_PAUSED);
  gst_element_get_state(pipeline_, nullptr, nullptr, kPatience);
  gst_element_set_state(pipeline_, GST_STATE_PLAYING);
  for (int i = 0; i < 20; ++i) ASSERT_TRUE(pull(&piece));
}

TEST_F(ReconnectSrc, GivesTheRateThatIsAskedFor) {
  GstCaps* caps = gst_caps_from_string("audio/x-raw,rate=16000");
  g_object_set(sink_, "caps", caps, nullptr);
  gst_caps_unref(caps);
  play("audiotestsrc is-live=true samplesperbuffer=480 ! audio/x-raw,rate=48000,channels=1");
  GstSample* sample = gst_app_sink_try_pull_sample(GST_APP_SINK(sink_), kPatience);
  ASSERT_NE(sample, nullptr);
  int rate = 0;
  gst_structure_get_int(gst_caps_get_structure(gst_sample_get_caps(sample), 0), "rate", &rate);
  gst_sample_unref(sample);
  EXPECT_EQ(rate, 16000);
  EXPECT_EQ(stat("attempts"), 1u);
}

TEST_F(ReconnectSrc, NobodyToGiveItToIsAnErrorAndNoLoss) {
  gst_element_unlink(src_, sink_);
  gst_bin_remove(GST_BIN(pipeline_), sink_);
  play(kShort);
  EXPECT_FALSE(wait_for_error().empty());
  EXPECT_EQ(stat("attempts"), 1u);
}

TEST_F(ReconnectSrc, APauseWithoutAConnectionMovesNothing) {
  // Behind a queue, as a mixer is: what is told in PAUSED is not held up there.
  gst_element_unlink(src_, sink_);
  GstElement* queue = gst_element_factory_make("queue", nullptr);
  gst_bin_add(GST_BIN(pipeline_), queue);
  ASSERT_TRUE(gst_element_link_many(src_, queue, sink_, nullptr));
  make_file();
  write_file(0.2);
  g_object_set(src_, "location", ("file://" + file_).c_str(), nullptr);
  gst_util_set_object_arg(G_OBJECT(src_), "at-end", "reconnect");
  play("", kRetry_ms);
  Piece piece;
  ASSERT_TRUE(pull(&piece));
  g_remove(file_.c_str());  // before it is read again
  while (piece.pts + piece.duration < 199 * GST_MSECOND) ASSERT_TRUE(pull(&piece));
  EXPECT_TRUE(heard("failed"));
  gst_element_set_state(pipeline_, GST_STATE_PAUSED);
  for (int i = 0; i < 20; ++i) EXPECT_TRUE(heard("failed"));  // 1.6 s at least
  gst_element_set_state(pipeline_, GST_STATE_PLAYING);
  write_file(0.2);
  ASSERT_TRUE(pull(&piece));
  EXPECT_TRUE(piece.discont);
  // The file is read at once, and so is a bit ahead.
  EXPECT_LE(piece.pts, gst_element_get_current_running_time(pipeline_) + 500 * GST_MSECOND);
}

}  // namespace
