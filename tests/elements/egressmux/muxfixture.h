// What the tests of egressmux share: the element in a harness with a test clock, and a room that
// feeds it as livekitwssrc does: from one thread, equal slices, equal timestamps.
#pragma once

#include <gst/check/gstharness.h>
#include <gst/check/gsttestclock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <string>
#include <vector>

#include "roomaudio/roomaudio.h"

inline constexpr GstClockTime kSlice = 10 * GST_MSECOND;
inline constexpr int kFrames = 480;

struct Mixed {
  GstClockTime pts = 0;
  GstClockTime duration = 0;
  bool gap = false;
  bool discont = false;
  std::vector<int16_t> samples;
  std::vector<std::string> identities;
  std::vector<std::string> tracks;
  std::vector<double> levels;
};

inline Mixed read_buffer(GstBuffer* buffer) {
  Mixed mixed;
  mixed.pts = GST_BUFFER_PTS(buffer);
  mixed.duration = GST_BUFFER_DURATION(buffer);
  mixed.gap = GST_BUFFER_FLAG_IS_SET(buffer, GST_BUFFER_FLAG_GAP);
  mixed.discont = GST_BUFFER_FLAG_IS_SET(buffer, GST_BUFFER_FLAG_DISCONT);
  mixed.samples.resize(gst_buffer_get_size(buffer) / sizeof(int16_t));
  gst_buffer_extract(buffer, 0, mixed.samples.data(), gst_buffer_get_size(buffer));
  for (gint i = 0; i < room_audio_buffer_get_n_tracks(buffer); ++i) {
    RoomAudioTrack track;
    room_audio_buffer_get_track(buffer, guint(i), &track);
    mixed.identities.push_back(track.identity);
    mixed.tracks.push_back(track.track);
    mixed.levels.push_back(track.level_dbov);
  }
  gst_buffer_unref(buffer);
  return mixed;
}

/** One track of a room: a source pad as livekitwssrc makes it. */
class RoomPad {
 public:
  RoomPad(GstElement* mux, const char* identity, const char* room = "room",
          const char* caps =
              "audio/x-raw,format=S16LE,rate=48000,channels=2,layout=interleaved,"
              "channel-mask=(bitmask)0x3",
          bool clocked = true)
      : identity_(identity), room_(room), caps_(caps), clocked_(clocked) {
    pad_ = gst_pad_new(identity, GST_PAD_SRC);
    gst_object_ref_sink(pad_);
    if (clocked) room_audio_pad_set_room_clocked(pad_);
    gst_pad_set_query_function(pad_, answer_query);
    gst_pad_set_active(pad_, TRUE);
    if (mux) {
      mux_ = GST_ELEMENT(gst_object_ref(mux));
      sink_ = gst_element_request_pad_simple(mux, "sink_%u");
      EXPECT_EQ(gst_pad_link(pad_, sink_), GST_PAD_LINK_OK);
      begin();
    }
  }
  ~RoomPad() {
    release();
    gst_pad_set_active(pad_, FALSE);
    gst_object_unref(pad_);
    if (mux_) gst_object_unref(mux_);
  }
  RoomPad(const RoomPad&) = delete;
  RoomPad& operator=(const RoomPad&) = delete;

  GstPad* pad() const { return pad_; }
  GstPad* sink() const { return sink_; }

  void release() {
    if (!sink_) return;
    gst_element_release_request_pad(mux_, sink_);
    gst_object_unref(sink_);
    sink_ = nullptr;
  }

  /** The events that open a stream. */
  void begin(GstClockTime base = 0, GstClockTime start = 0) {
    GstEvent* event = gst_event_new_stream_start(("TR_" + identity_).c_str());
    if (clocked_) room_audio_event_set_room_clock(event, room_.c_str(), kSlice);
    gst_pad_push_event(pad_, event);
    set_caps(caps_.c_str());
    GstSegment segment;
    gst_segment_init(&segment, GST_FORMAT_TIME);
    segment.base = base;
    segment.start = segment.time = start;
    gst_pad_push_event(pad_, gst_event_new_segment(&segment));
  }
  bool set_caps(const char* text) {
    GstCaps* caps = gst_caps_from_string(text);
    const bool done = gst_pad_push_event(pad_, gst_event_new_caps(caps));
    gst_caps_unref(caps);
    return done;
  }

  /** A buffer of @count samples of @value with this track's meta. */
  GstBuffer* buffer(GstClockTime pts, int16_t value, size_t count = 2 * kFrames) const {
    GstBuffer* made = gst_buffer_new_allocate(nullptr, count * sizeof(int16_t), nullptr);
    const std::vector<int16_t> samples(count, value);
    gst_buffer_fill(made, 0, samples.data(), count * sizeof(int16_t));
    GST_BUFFER_PTS(made) = pts;
    GST_BUFFER_DURATION(made) = kSlice;
    const std::string track = "TR_" + identity_;
    const RoomAudioTrack meta = {track.c_str(), identity_.c_str(), "", -10.0, FALSE};
    room_audio_buffer_set_track(made, &meta);
    return made;
  }
  GstFlowReturn push(GstClockTime pts, int16_t value) {
    return gst_pad_push(pad_, buffer(pts, value));
  }
  GstFlowReturn push_gap(GstClockTime pts) {
    GstBuffer* gap = buffer(pts, 99);
    GST_BUFFER_FLAG_SET(gap, GST_BUFFER_FLAG_GAP);
    return gst_pad_push(pad_, gap);
  }
  gboolean send(GstEvent* event) { return gst_pad_push_event(pad_, event); }

  static inline GstClockTime reported_latency = kSlice;

 private:
  static gboolean answer_query(GstPad* pad, GstObject* parent, GstQuery* query) {
    if (GST_QUERY_TYPE(query) != GST_QUERY_LATENCY)
      return gst_pad_query_default(pad, parent, query);
    gst_query_set_latency(query, TRUE, reported_latency, GST_CLOCK_TIME_NONE);
    return TRUE;
  }

  std::string identity_;
  std::string room_;
  std::string caps_;
  bool clocked_;
  GstPad* pad_ = nullptr;
  GstPad* sink_ = nullptr;
  GstElement* mux_ = nullptr;
};

inline guint64 stat_of(GstElement* mux, const char* field) {
  GstStructure* stats = nullptr;
  guint64 value = G_MAXUINT64;
  g_object_get(mux, "stats", &stats, nullptr);
  EXPECT_TRUE(gst_structure_get_uint64(stats, field, &value)) << field;
  gst_structure_free(stats);
  return value;
}

/** Which way each pad takes, by pad name order. */
inline std::vector<std::string> ways_of(GstElement* mux) {
  std::vector<std::string> found;
  GstStructure* stats = nullptr;
  g_object_get(mux, "stats", &stats, nullptr);
  const GValue* inputs = gst_structure_get_value(stats, "inputs");
  for (guint i = 0; i < gst_value_array_get_size(inputs); ++i)
    found.push_back(gst_structure_get_string(
        gst_value_get_structure(gst_value_array_get_value(inputs, i)), "way"));
  gst_structure_free(stats);
  return found;
}

class MuxTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() { gst_init(nullptr, nullptr); }

  void SetUp() override {
    RoomPad::reported_latency = kSlice;
    mux_ = gst_element_factory_make("egressmux", nullptr);
    ASSERT_NE(mux_, nullptr);
    gst_object_ref_sink(mux_);
    harness_ = gst_harness_new_with_element(mux_, nullptr, "src");
    gst_harness_use_testclock(harness_);
  }
  void TearDown() override {
    gst_harness_teardown(harness_);
    gst_object_unref(mux_);
  }
  void play() { gst_harness_play(harness_); }

  guint ready() { return gst_harness_buffers_in_queue(harness_); }
  Mixed pull() {
    GstBuffer* buffer = gst_harness_pull(harness_);
    if (!buffer) {
      ADD_FAILURE() << "no buffer came";
      return {};
    }
    return read_buffer(buffer);
  }
  guint64 stat(const char* field) { return stat_of(mux_, field); }
  std::vector<std::string> ways() { return ways_of(mux_); }

  GstElement* mux_ = nullptr;
  GstHarness* harness_ = nullptr;
};

inline std::vector<int16_t> constant(int16_t value, size_t frames = kFrames) {
  return std::vector<int16_t>(2 * frames, value);
}
