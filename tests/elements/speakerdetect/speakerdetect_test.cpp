// SPDX-License-Identifier: LGPL-2.1-or-later
// The element: metas in; metas, messages and properties out; samples untouched.
#include <gst/check/gstharness.h>
#include <gst/check/gsttestclock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <map>
#include <string>
#include <vector>

#include "roomaudio/roomaudio.h"

namespace {

constexpr const char* kCaps = "audio/x-raw,format=S16LE,rate=1000,channels=1,layout=interleaved";

struct Told {
  gboolean active = FALSE;
  gboolean changed = FALSE;
  std::string identity;
  std::string name;
  std::string track;
  guint64 running_time = 0;
  guint64 since = 0;
  std::vector<std::string> speakers;
  double first_level = 0;
};

/** Scans for plugins in this process: the scanner has no sanitizer's runtime. */
void init() {
  gst_registry_fork_set_enabled(FALSE);
  gst_init(nullptr, nullptr);
}

class SpeakerDetect : public ::testing::Test {
 protected:
  static void SetUpTestSuite() { init(); }

  void SetUp() override {
    harness_ = gst_harness_new("speakerdetect");
    ASSERT_NE(harness_, nullptr);
    bus_ = gst_bus_new();
    gst_element_set_bus(harness_->element, bus_);
    gst_harness_set_src_caps_str(harness_, kCaps);
  }
  void TearDown() override {
    gst_element_set_bus(harness_->element, nullptr);
    gst_object_unref(bus_);
    gst_harness_teardown(harness_);
  }

  GstBuffer* make_buffer(guint size) {
    GstBuffer* buffer = gst_buffer_new_allocate(nullptr, size, nullptr);
    GstMapInfo map;
    gst_buffer_map(buffer, &map, GST_MAP_WRITE);
    for (gsize i = 0; i < map.size; ++i) map.data[i] = guint8(++noise_ * 167);
    gst_buffer_unmap(buffer, &map);
    GST_BUFFER_PTS(buffer) = time_;
    GST_BUFFER_DURATION(buffer) = slice_;
    time_ += slice_;
    return buffer;
  }

  /** Pushes @ms of audio in which those named talk; all three are in the room. */
  void push(int ms, const std::map<std::string, double>& levels) {
    for (int done = 0; done < ms; done += int(slice_ / GST_MSECOND)) {
      GstBuffer* buffer = make_buffer(guint(slice_ / GST_MSECOND) * 2);
      std::vector<RoomAudioTrack> tracks;
      for (const char* name : {"alice", "bob", "carol"}) {
        const auto level = levels.find(name);
        const double wobble = (done / 10 % 20 < 16) ? 0 : -35;
        tracks.push_back({name, name, names_[name].c_str(),
                          level == levels.end() ? ROOM_AUDIO_SILENCE_DBOV : level->second + wobble,
                          FALSE});
      }
      room_audio_buffer_set_mix(buffer, tracks.data(), guint(tracks.size()));
      ASSERT_EQ(gst_harness_push(harness_, buffer), GST_FLOW_OK);
    }
  }

  /** Pulls all there is; returns the last one's active identity ("?" = no detector's mark). */
  std::string pull_all() {
    std::string active = "?";
    while (GstBuffer* buffer = gst_harness_try_pull(harness_)) {
      RoomAudioTrack track;
      active = room_audio_buffer_get_active(buffer, &track) ? track.identity : "?";
      since_ = room_audio_buffer_get_active_since(buffer);
      gst_buffer_unref(buffer);
    }
    return active;
  }

  std::vector<Told> told() {
    std::vector<Told> all;
    while (GstMessage* message = gst_bus_pop_filtered(bus_, GST_MESSAGE_ELEMENT)) {
      const GstStructure* s = gst_message_get_structure(message);
      EXPECT_TRUE(gst_structure_has_name(s, "active-speaker"));
      Told one;
      one.identity = gst_structure_get_string(s, "identity");
      one.name = gst_structure_get_string(s, "name");
      one.track = gst_structure_get_string(s, "track");
      EXPECT_TRUE(gst_structure_get_boolean(s, "active", &one.active));
      EXPECT_TRUE(gst_structure_get_boolean(s, "changed", &one.changed));
      EXPECT_TRUE(gst_structure_get_uint64(s, "running-time", &one.running_time));
      EXPECT_TRUE(gst_structure_get_uint64(s, "since", &one.since));
      const GValue* speakers = gst_structure_get_value(s, "speakers");
      for (guint i = 0; i < gst_value_array_get_size(speakers); ++i) {
        const GstStructure* speaker =
            gst_value_get_structure(gst_value_array_get_value(speakers, i));
        one.speakers.push_back(gst_structure_get_string(speaker, "identity"));
        if (i == 0) gst_structure_get_double(speaker, "level", &one.first_level);
      }
      all.push_back(one);
      gst_message_unref(message);
    }
    return all;
  }

  std::string property(const char* name) {
    gchar* value = nullptr;
    g_object_get(harness_->element, name, &value, nullptr);
    std::string text = value ? value : "(null)";
    g_free(value);
    return text;
  }
  guint64 stat(const char* name) {
    GstStructure* stats = nullptr;
    g_object_get(harness_->element, "stats", &stats, nullptr);
    guint64 value = G_MAXUINT64;
    EXPECT_TRUE(gst_structure_get_uint64(stats, name, &value)) << name;
    gst_structure_free(stats);
    return value;
  }

  GstHarness* harness_ = nullptr;
  GstBus* bus_ = nullptr;
  GstClockTime time_ = 0;
  GstClockTime slice_ = 10 * GST_MSECOND;
  GstClockTime since_ = GST_CLOCK_TIME_NONE;
  guint32 noise_ = 0;
  std::map<std::string, std::string> names_ = {
      {"alice", "Alice"}, {"bob", "Bob"}, {"carol", "Carol"}};
};

class Slices : public SpeakerDetect, public ::testing::WithParamInterface<int> {
  void SetUp() override {
    SpeakerDetect::SetUp();
    slice_ = GstClockTime(GetParam()) * GST_MSECOND;
  }
};
INSTANTIATE_TEST_SUITE_P(Ms, Slices, ::testing::Values(10, 20));

TEST_P(Slices, TellsTheSpeakerByMetaMessageAndProperty) {
  push(1000, {});
  EXPECT_EQ(pull_all(), "");
  EXPECT_TRUE(told().empty());
  EXPECT_EQ(property("active-speaker"), "");

  push(200, {{"alice", -20}});
  EXPECT_EQ(pull_all(), "alice");
  EXPECT_EQ(since_, GST_SECOND);
  auto messages = told();
  ASSERT_EQ(messages.size(), 1u);
  EXPECT_TRUE(messages[0].active);
  EXPECT_TRUE(messages[0].changed);
  EXPECT_EQ(messages[0].identity, "alice");
  EXPECT_EQ(messages[0].name, "Alice");
  EXPECT_EQ(messages[0].track, "alice");
  EXPECT_EQ(messages[0].since, GST_SECOND);
  EXPECT_GT(messages[0].running_time, GST_SECOND);
  EXPECT_LE(messages[0].running_time, GST_SECOND + 200 * GST_MSECOND);
  EXPECT_EQ(messages[0].speakers, std::vector<std::string>{"alice"});
  EXPECT_NEAR(messages[0].first_level, -20, 4);
  EXPECT_EQ(property("active-speaker"), "alice");
  EXPECT_EQ(property("active-speaker-name"), "Alice");

  push(1000, {{"alice", -20}});
  push(400, {{"bob", -20}});
  EXPECT_EQ(pull_all(), "bob");
  messages = told();
  ASSERT_EQ(messages.size(), 1u);
  EXPECT_EQ(messages[0].identity, "bob");

  push(2500, {});
  EXPECT_EQ(pull_all(), "");
  messages = told();
  ASSERT_EQ(messages.size(), 1u);
  EXPECT_FALSE(messages[0].active);
  EXPECT_EQ(messages[0].identity, "");
  EXPECT_TRUE(messages[0].speakers.empty());
  EXPECT_NEAR(double(messages[0].since), 2.6e9, 0.05e9) << "when bob was last heard";
  EXPECT_EQ(property("active-speaker"), "");
  EXPECT_EQ(stat("changes"), 3u);
  EXPECT_EQ(stat("participants"), 3u);
  EXPECT_EQ(stat("slices"), 5100u / guint64(GetParam()));
}

TEST_F(SpeakerDetect, MetaOfABufferTellsWhatIsKnownWhenItHasBeenHeard) {
  push(1000, {});
  pull_all();
  push(500, {{"alice", -20}});
  const auto messages = told();
  ASSERT_EQ(messages.size(), 1u);
  bool seen = false;
  while (GstBuffer* buffer = gst_harness_try_pull(harness_)) {
    RoomAudioTrack track;
    ASSERT_TRUE(room_audio_buffer_get_active(buffer, &track));
    const GstClockTime end = GST_BUFFER_PTS(buffer) + GST_BUFFER_DURATION(buffer);
    EXPECT_EQ(std::string(track.identity) == "alice", end >= messages[0].running_time);
    seen = true;
    gst_buffer_unref(buffer);
  }
  EXPECT_TRUE(seen);
}

TEST_F(SpeakerDetect, SamplesAreNeverCopiedOrAltered) {
  for (const bool shared : {false, true}) {
    GstBuffer* in = make_buffer(20);
    const RoomAudioTrack track = {"alice", "alice", "Alice", -20, FALSE};
    room_audio_buffer_set_mix(in, &track, 1);
    GstMapInfo map;
    gst_buffer_map(in, &map, GST_MAP_READ);
    const std::string before(reinterpret_cast<char*>(map.data), map.size);
    const guint8* address = map.data;
    gst_buffer_unmap(in, &map);
    if (shared) gst_buffer_ref(in);
    ASSERT_EQ(gst_harness_push(harness_, in), GST_FLOW_OK);
    GstBuffer* out = gst_harness_pull(harness_);
    gst_buffer_map(out, &map, GST_MAP_READ);
    EXPECT_EQ(std::string(reinterpret_cast<char*>(map.data), map.size), before);
    EXPECT_EQ(map.data, address) << "copied";
    gst_buffer_unmap(out, &map);
    RoomAudioTrack active;
    EXPECT_TRUE(room_audio_buffer_get_active(out, &active));
    if (shared) {
      EXPECT_NE(in, out);
      EXPECT_FALSE(room_audio_buffer_get_active(in, &active)) << "the other branch's meta changed";
      gst_buffer_unref(in);
    } else {
      EXPECT_EQ(in, out);
    }
    EXPECT_EQ(GST_BUFFER_DURATION(out), slice_);
    gst_buffer_unref(out);
  }
}

TEST_F(SpeakerDetect, WithoutMetaAudioPassesAsItIs) {
  g_object_set(harness_->element, "find-voices", FALSE, nullptr);
  for (int i = 0; i < 100; ++i) {
    GstBuffer* in = make_buffer(20);
    gst_buffer_ref(in);
    ASSERT_EQ(gst_harness_push(harness_, in), GST_FLOW_OK);
    GstBuffer* out = gst_harness_pull(harness_);
    EXPECT_EQ(in, out);
    EXPECT_EQ(room_audio_buffer_get_n_tracks(out), -1);
    gst_buffer_unref(in);
    gst_buffer_unref(out);
  }
  EXPECT_TRUE(told().empty());
  EXPECT_EQ(stat("buffers-without-meta"), 100u);
  EXPECT_EQ(stat("slices"), 0u);
}

TEST_F(SpeakerDetect, ABufferThatLostItsMetaIsSilence) {
  push(500, {{"alice", -20}});
  ASSERT_EQ(gst_harness_push(harness_, make_buffer(20)), GST_FLOW_OK);
  EXPECT_EQ(pull_all(), "?");
  push(500, {{"alice", -20}});
  EXPECT_EQ(pull_all(), "alice");
  EXPECT_EQ(told().size(), 1u);
  EXPECT_EQ(stat("time-jumps"), 0u);
}

TEST_F(SpeakerDetect, EmptyMixIsNobody) {
  GstBuffer* buffer = make_buffer(20);
  room_audio_buffer_set_mix(buffer, nullptr, 0);
  ASSERT_EQ(gst_harness_push(harness_, buffer), GST_FLOW_OK);
  EXPECT_EQ(pull_all(), "");
  EXPECT_EQ(stat("participants"), 0u);
}

TEST_F(SpeakerDetect, ATrackAloneIsJudgedToo) {
  for (int i = 0; i < 50; ++i) {
    GstBuffer* buffer = make_buffer(20);
    const RoomAudioTrack track = {"TR_a", "alice", "Alice", i % 20 < 15 ? -20.0 : -60.0, FALSE};
    room_audio_buffer_set_track(buffer, &track);
    ASSERT_EQ(gst_harness_push(harness_, buffer), GST_FLOW_OK);
  }
  EXPECT_EQ(pull_all(), "alice");
}

TEST_F(SpeakerDetect, DurationComesFromTheCapsWhereBuffersHaveNone) {
  for (int i = 0; i < 50; ++i) {
    GstBuffer* buffer = make_buffer(20);
    GST_BUFFER_PTS(buffer) = GST_BUFFER_DURATION(buffer) = GST_CLOCK_TIME_NONE;
    const RoomAudioTrack track = {"TR_a", "alice", "Alice", -20.0, FALSE};
    room_audio_buffer_set_mix(buffer, &track, 1);
    ASSERT_EQ(gst_harness_push(harness_, buffer), GST_FLOW_OK);
  }
  EXPECT_EQ(pull_all(), "alice");
  const auto messages = told();
  ASSERT_EQ(messages.size(), 1u);
  EXPECT_EQ(messages[0].running_time % (10 * GST_MSECOND), 0u);
  EXPECT_GT(messages[0].running_time, 100 * GST_MSECOND);
  EXPECT_LE(messages[0].running_time, 200 * GST_MSECOND);
}

TEST_F(SpeakerDetect, GapEventsAreSilenceAndGoOn) {
  push(1000, {{"alice", -20}});
  EXPECT_EQ(pull_all(), "alice");
  for (int i = 0; i < 250; ++i) {
    ASSERT_TRUE(gst_harness_push_event(harness_, gst_event_new_gap(time_, slice_)));
    time_ += slice_;
  }
  const auto messages = told();
  ASSERT_EQ(messages.size(), 2u);
  EXPECT_FALSE(messages[1].active);
  int gaps = 0;
  while (GstEvent* event = gst_harness_try_pull_event(harness_)) {
    gaps += GST_EVENT_TYPE(event) == GST_EVENT_GAP;
    gst_event_unref(event);
  }
  EXPECT_EQ(gaps, 250);
  EXPECT_EQ(stat("time-jumps"), 0u);
}

TEST_F(SpeakerDetect, GapBuffersKeepTheirFlagAndAreJudged) {
  push(1000, {{"alice", -20}});
  pull_all();
  for (int i = 0; i < 250; ++i) {
    GstBuffer* buffer = make_buffer(20);
    GST_BUFFER_FLAG_SET(buffer, GST_BUFFER_FLAG_GAP);
    const RoomAudioTrack track = {"alice", "alice", "Alice", ROOM_AUDIO_SILENCE_DBOV, FALSE};
    room_audio_buffer_set_mix(buffer, &track, 1);
    ASSERT_EQ(gst_harness_push(harness_, buffer), GST_FLOW_OK);
    GstBuffer* out = gst_harness_pull(harness_);
    EXPECT_TRUE(GST_BUFFER_FLAG_IS_SET(out, GST_BUFFER_FLAG_GAP));
    gst_buffer_unref(out);
  }
  EXPECT_EQ(property("active-speaker"), "");
}

TEST_F(SpeakerDetect, TimesAreRunningTimesOfTheSegment) {
  GstSegment segment;
  gst_segment_init(&segment, GST_FORMAT_TIME);
  segment.start = 1000 * GST_SECOND;
  segment.base = 5 * GST_SECOND;
  ASSERT_TRUE(gst_harness_push_event(harness_, gst_event_new_segment(&segment)));
  time_ = 1000 * GST_SECOND;
  push(1000, {});
  push(400, {{"alice", -20}});
  EXPECT_EQ(pull_all(), "alice");
  EXPECT_EQ(since_, 6 * GST_SECOND);
  EXPECT_EQ(told().at(0).since, 6 * GST_SECOND);
}

TEST_F(SpeakerDetect, ANewSegmentThatGoesOnKeepsTheSpeaker) {
  push(1000, {{"alice", -20}});
  GstSegment segment;
  gst_segment_init(&segment, GST_FORMAT_TIME);
  segment.start = 50 * GST_SECOND;
  segment.base = time_;
  ASSERT_TRUE(gst_harness_push_event(harness_, gst_event_new_segment(&segment)));
  time_ = 50 * GST_SECOND;
  push(1000, {{"alice", -20}});
  EXPECT_EQ(pull_all(), "alice");
  EXPECT_EQ(told().size(), 1u);
  EXPECT_EQ(stat("time-jumps"), 0u);
}

TEST_F(SpeakerDetect, FlushForgets) {
  push(1000, {{"alice", -20}});
  ASSERT_TRUE(gst_harness_push_event(harness_, gst_event_new_flush_start()));
  ASSERT_TRUE(gst_harness_push_event(harness_, gst_event_new_flush_stop(TRUE)));
  EXPECT_EQ(property("active-speaker"), "");
  EXPECT_EQ(stat("participants"), 0u);
  ASSERT_EQ(told().size(), 2u);
  GstSegment segment;
  gst_segment_init(&segment, GST_FORMAT_TIME);
  ASSERT_TRUE(gst_harness_push_event(harness_, gst_event_new_segment(&segment)));
  time_ = 0;
  push(1000, {{"bob", -20}});
  const auto messages = told();
  ASSERT_EQ(messages.size(), 1u);
  EXPECT_EQ(messages[0].identity, "bob");
  EXPECT_EQ(messages[0].since, 0u);
}

TEST_F(SpeakerDetect, EosEndsTheTalkAndIsForwarded) {
  push(1000, {{"alice", -20}});
  told();
  ASSERT_TRUE(gst_harness_push_event(harness_, gst_event_new_eos()));
  const auto messages = told();
  ASSERT_EQ(messages.size(), 1u);
  EXPECT_FALSE(messages[0].active);
  EXPECT_EQ(messages[0].running_time, GST_SECOND);
  EXPECT_NEAR(double(messages[0].since), 1e9, 0.06e9);
  EXPECT_EQ(property("active-speaker"), "");
  bool eos = false;
  while (GstEvent* event = gst_harness_try_pull_event(harness_)) {
    eos = eos || GST_EVENT_TYPE(event) == GST_EVENT_EOS;
    gst_event_unref(event);
  }
  EXPECT_TRUE(eos);
}

TEST_F(SpeakerDetect, AHoleAndAJumpBackAreCounted) {
  push(1000, {{"alice", -20}});
  time_ += 10 * GST_SECOND;
  push(10, {});
  EXPECT_EQ(pull_all(), "");
  time_ = 0;
  push(1000, {{"bob", -20}});
  EXPECT_EQ(pull_all(), "bob");
  EXPECT_EQ(stat("time-jumps"), 2u);
}

TEST_F(SpeakerDetect, SilenceTimeoutIsSettableWhilePlaying) {
  g_object_set(harness_->element, "silence-timeout", 0u, nullptr);
  push(1000, {{"alice", -20}});
  push(30000, {});
  EXPECT_EQ(pull_all(), "alice");
  g_object_set(harness_->element, "silence-timeout", 700u, nullptr);
  push(10, {});
  EXPECT_EQ(pull_all(), "");
  guint timeout_ms = 0;
  g_object_get(harness_->element, "silence-timeout", &timeout_ms, nullptr);
  EXPECT_EQ(timeout_ms, 700u);
}

TEST_F(SpeakerDetect, SpeakersIntervalPostsLevelsWhileSomebodyTalks) {
  g_object_set(harness_->element, "speakers-interval", 100u, nullptr);
  push(1000, {});
  EXPECT_TRUE(told().empty());
  push(2000, {{"alice", -30}, {"bob", -20}});
  auto messages = told();
  EXPECT_GE(messages.size(), 18u);
  EXPECT_LE(messages.size(), 21u);
  EXPECT_EQ(messages.back().speakers, (std::vector<std::string>{"bob", "alice"}));
  EXPECT_FALSE(messages.back().changed);
  push(3000, {});
  messages = told();
  ASSERT_FALSE(messages.empty());
  EXPECT_LE(messages.size(), 9u) << "nothing more to tell once all are silent";
  EXPECT_TRUE(messages.back().speakers.empty());
}

TEST_F(SpeakerDetect, SpeakersPropertyListsWhoTalksLoudestFirst) {
  push(1000, {{"alice", -30}, {"carol", -20}});
  GValue value = G_VALUE_INIT;
  g_value_init(&value, GST_TYPE_ARRAY);
  g_object_get_property(G_OBJECT(harness_->element), "speakers", &value);
  ASSERT_EQ(gst_value_array_get_size(&value), 2u);
  const GstStructure* first = gst_value_get_structure(gst_value_array_get_value(&value, 0));
  EXPECT_STREQ(gst_structure_get_string(first, "identity"), "carol");
  EXPECT_STREQ(gst_structure_get_string(first, "name"), "Carol");
  guint64 since = 1;
  EXPECT_TRUE(gst_structure_get_uint64(first, "since", &since));
  EXPECT_EQ(since, 0u);
  g_value_unset(&value);
}

TEST_F(SpeakerDetect, PropertyIsNotifiedOncePerChange) {
  int notified = 0;
  g_signal_connect(
      harness_->element, "notify::active-speaker",
      G_CALLBACK(+[](GObject*, GParamSpec*, gpointer count) { ++*static_cast<int*>(count); }),
      &notified);
  push(2000, {{"alice", -20}});
  EXPECT_EQ(notified, 1);
  push(2000, {{"bob", -20}});
  EXPECT_EQ(notified, 2);
  push(3000, {});
  EXPECT_EQ(notified, 3);
}

TEST_F(SpeakerDetect, RenamedWhileSpeaking) {
  push(1000, {{"alice", -20}});
  names_["alice"] = "Alice B.";
  push(20, {{"alice", -20}});
  EXPECT_EQ(property("active-speaker-name"), "Alice B.");
  EXPECT_EQ(told().size(), 1u) << "a new name is no new speaker";
}

TEST_F(SpeakerDetect, AddsNoLatency) {
  gst_harness_set_upstream_latency(harness_, 30 * GST_MSECOND);
  EXPECT_EQ(gst_harness_query_latency(harness_), 30 * GST_MSECOND);
}

TEST_F(SpeakerDetect, TakesAnyRawAudio) {
  for (const char* caps : {"audio/x-raw,format=F32LE,rate=48000,channels=2,layout=interleaved,"
                           "channel-mask=(bitmask)3",
                           "audio/x-raw,format=S24_32BE,rate=8000,channels=6,layout=interleaved,"
                           "channel-mask=(bitmask)0x3f",
                           "audio/x-raw,format=U8,rate=44100,channels=1,layout=non-interleaved"}) {
    gst_harness_set_src_caps_str(harness_, caps);
    push(20, {});
    EXPECT_EQ(pull_all(), "") << caps;
    GstCaps* out = gst_pad_get_current_caps(harness_->sinkpad);
    GstCaps* in = gst_caps_from_string(caps);
    EXPECT_TRUE(gst_caps_is_equal(in, out)) << caps;
    gst_caps_unref(in);
    gst_caps_unref(out);
  }
}

TEST_F(SpeakerDetect, FiveHundredTracks) {
  std::vector<std::string> ids;
  for (int i = 0; i < 500; ++i) ids.push_back("p" + std::to_string(i));
  for (int slice = 0; slice < 50; ++slice) {
    GstBuffer* buffer = make_buffer(20);
    std::vector<RoomAudioTrack> tracks;
    for (const std::string& id : ids) {
      tracks.push_back({id.c_str(), id.c_str(), id.c_str(),
                        id == "p321" ? -20.0 : ROOM_AUDIO_SILENCE_DBOV, FALSE});
    }
    room_audio_buffer_set_mix(buffer, tracks.data(), guint(tracks.size()));
    ASSERT_EQ(gst_harness_push(harness_, buffer), GST_FLOW_OK);
  }
  EXPECT_EQ(pull_all(), "p321");
}

TEST(SpeakerDetectLife, AllStatesTwiceAndNothingRemembered) {
  init();
  GstElement* pipeline = gst_parse_launch(
      "audiotestsrc num-buffers=50 ! speakerdetect name=detect ! fakesink sync=false", nullptr);
  ASSERT_NE(pipeline, nullptr);
  GstElement* detect = gst_bin_get_by_name(GST_BIN(pipeline), "detect");
  // A mix in which alice talks, as egressmux marks it.
  GstPad* pad = gst_element_get_static_pad(detect, "sink");
  gst_pad_add_probe(
      pad, GST_PAD_PROBE_TYPE_BUFFER,
      [](GstPad*, GstPadProbeInfo* info, gpointer) {
        auto* buffer = gst_buffer_make_writable(GST_PAD_PROBE_INFO_BUFFER(info));
        const RoomAudioTrack alice = {"TR_a", "alice", "Alice", -20, FALSE};
        room_audio_buffer_set_mix(buffer, &alice, 1);
        GST_PAD_PROBE_INFO_DATA(info) = buffer;
        return GST_PAD_PROBE_OK;
      },
      nullptr, nullptr);
  GstBus* bus = gst_element_get_bus(pipeline);
  for (int round = 0; round < 2; ++round) {
    ASSERT_NE(gst_element_set_state(pipeline, GST_STATE_PLAYING), GST_STATE_CHANGE_FAILURE);
    std::vector<std::string> told;
    for (bool eos = false; !eos;) {
      GstMessage* message = gst_bus_timed_pop_filtered(
          bus, 20 * GST_SECOND,
          GstMessageType(GST_MESSAGE_EOS | GST_MESSAGE_ERROR | GST_MESSAGE_ELEMENT));
      ASSERT_NE(message, nullptr);
      ASSERT_NE(GST_MESSAGE_TYPE(message), GST_MESSAGE_ERROR);
      eos = GST_MESSAGE_TYPE(message) == GST_MESSAGE_EOS;
      if (!eos) {
        told.push_back(gst_structure_get_string(gst_message_get_structure(message), "identity"));
      }
      gst_message_unref(message);
    }
    EXPECT_EQ(told, (std::vector<std::string>{"alice", ""})) << "round " << round;
    ASSERT_EQ(gst_element_set_state(pipeline, GST_STATE_NULL), GST_STATE_CHANGE_SUCCESS);
    gchar* active = nullptr;
    GstStructure* stats = nullptr;
    g_object_get(detect, "active-speaker", &active, "stats", &stats, nullptr);
    EXPECT_STREQ(active, "");
    guint64 slices = 0;
    gst_structure_get_uint64(stats, "slices", &slices);
    EXPECT_EQ(slices, 50u) << "counters stay readable after the run, and start anew";
    gst_structure_free(stats);
    g_free(active);
  }
  gst_object_unref(pad);
  gst_object_unref(bus);
  gst_object_unref(detect);
  gst_object_unref(pipeline);
}

}  // namespace
