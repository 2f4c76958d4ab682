// Everything a room's clock does not feed: through stock audiomixer, on the system's clock.
// Nothing sleeps; buffers and messages are waited for.
#include <gst/app/gstappsink.h>
#include <gst/app/gstappsrc.h>

#include <algorithm>
#include <atomic>
#include <memory>
#include <thread>

#include "muxfixture.h"

namespace {

using Names = std::vector<std::string>;
// Where every sample counts: time enough also for a machine that has other things to do.
constexpr const char* kUnhurried = "latency=300000000";
constexpr GstClockTime kPatience = 20 * GST_SECOND;

class Mixer : public ::testing::Test {
 protected:
  static void SetUpTestSuite() { gst_init(nullptr, nullptr); }
  void TearDown() override {
    if (!pipeline_) return;
    gst_element_set_state(pipeline_, GST_STATE_NULL);
    gst_object_unref(mux_);
    gst_object_unref(sink_);
    gst_object_unref(pipeline_);
  }
  /** @inputs: parts of a launch line that link to "mux."; @settings: of the element. */
  void start(const std::string& inputs, const std::string& settings = "") {
    GError* error = nullptr;
    const std::string line = "egressmux name=mux " + settings +
                             " ! audio/x-raw,format=S16LE,rate=48000,channels=2 ! appsink "
                             "name=sink sync=false " +
                             inputs;
    pipeline_ = gst_parse_launch(line.c_str(), &error);
    ASSERT_EQ(error, nullptr) << error->message;
    mux_ = gst_bin_get_by_name(GST_BIN(pipeline_), "mux");
    sink_ = gst_bin_get_by_name(GST_BIN(pipeline_), "sink");
    ASSERT_NE(gst_element_set_state(pipeline_, GST_STATE_PLAYING), GST_STATE_CHANGE_FAILURE);
  }
  /** The next buffer, checked to follow the one before to the sample; empty at the end. */
  Mixed pull() {
    GstSample* sample = gst_app_sink_try_pull_sample(GST_APP_SINK(sink_), kPatience);
    if (!sample) return {};
    Mixed mixed = read_buffer(gst_buffer_ref(gst_sample_get_buffer(sample)));
    gst_sample_unref(sample);
    EXPECT_EQ(mixed.pts, next_pts_);
    next_pts_ = mixed.pts + mixed.duration;
    return mixed;
  }
  bool ended() { return gst_app_sink_is_eos(GST_APP_SINK(sink_)); }
  /** Pulls until @wanted says yes. */
  template <typename Wanted>
  Mixed pull_until(Wanted wanted, int most = 1000) {
    Mixed mixed;
    for (int i = 0; i < most; ++i) {
      mixed = pull();
      if (mixed.samples.empty() || wanted(mixed)) return mixed;
    }
    ADD_FAILURE() << "what was waited for did not come";
    return mixed;
  }
  Names ways() { return ways_of(mux_); }
  guint64 stat(const char* field) { return stat_of(mux_, field); }
  GstClockTime running_time() {
    GstClock* clock = gst_element_get_clock(mux_);
    if (!clock) return 0;
    const GstClockTime now = gst_clock_get_time(clock) - gst_element_get_base_time(mux_);
    gst_object_unref(clock);
    return now;
  }
  /** A room that pushes slice k at the time of its end, until told to stop. */
  template <typename Each>
  void run_room(RoomPad* pad, std::atomic<bool>* stop, Each each) {
    GstClock* clock = gst_pipeline_get_clock(GST_PIPELINE(pipeline_));
    for (GstClockTime k = running_time() / kSlice + 1; !*stop; ++k) {
      GstClockID id =
          gst_clock_new_single_shot_id(clock, gst_element_get_base_time(mux_) + (k + 1) * kSlice);
      gst_clock_id_wait(id, nullptr);
      gst_clock_id_unref(id);
      each(pad, k);
    }
    gst_object_unref(clock);
  }

  GstElement* pipeline_ = nullptr;
  GstElement* mux_ = nullptr;
  GstElement* sink_ = nullptr;
  GstClockTime next_pts_ = 0;
};

bool is_loud(const Mixed& mixed) {
  return std::any_of(mixed.samples.begin(), mixed.samples.end(),
                     [](int16_t sample) { return sample > 500 || sample < -500; });
}

TEST_F(Mixer, FilesEndTheMix) {
  start(
      "audiotestsrc wave=square num-buffers=20 samplesperbuffer=480 volume=0.25 ! "
      "audio/x-raw,format=S16LE,rate=48000,channels=2 ! mux.",
      kUnhurried);
  Mixed first = pull_until(is_loud);
  EXPECT_EQ(first.pts, 0u) << "nothing of the beginning is lost";
  EXPECT_EQ(ways(), Names{"mixer"});
  int loud = 1;
  for (Mixed mixed = pull(); !mixed.samples.empty(); mixed = pull()) loud += is_loud(mixed);
  EXPECT_TRUE(ended());
  EXPECT_EQ(loud, 20) << "nor of the end";
  EXPECT_EQ(stat("mixer-late-samples"), 0u);
}

TEST_F(Mixer, TwoFilesEndTogether) {
  start(
      "audiotestsrc num-buffers=5 ! mux. audiotestsrc num-buffers=10 samplesperbuffer=480 ! "
      "audio/x-raw,rate=16000 ! mux.");
  while (!pull().samples.empty()) {
  }
  EXPECT_TRUE(ended());
}

TEST_F(Mixer, SamplesOfOneInputAreExactWhenNothingIsConverted) {
  start(
      "audiotestsrc is-live=true wave=square volume=0.5 samplesperbuffer=480 num-buffers=30 ! "
      "audio/x-raw,format=S16LE,rate=48000,channels=2 ! mux.");
  pull_until(is_loud);
  pull();
  const Mixed mixed = pull();
  const auto [low, high] = std::minmax_element(mixed.samples.begin(), mixed.samples.end());
  EXPECT_EQ(*high, 16383);
  EXPECT_EQ(*low, -16383);
  for (int16_t sample : mixed.samples) ASSERT_EQ(std::abs(sample), 16383);
}

struct Format {
  const char* caps;
};
class Formats : public Mixer, public ::testing::WithParamInterface<Format> {};

TEST_P(Formats, AnythingIsMixed) {
  start(std::string("audiotestsrc is-live=true wave=sine volume=0.5 ! ") + GetParam().caps +
        " ! mux.");
  EXPECT_FALSE(pull_until(is_loud).samples.empty());
  EXPECT_EQ(ways(), Names{"mixer"});
}

INSTANTIATE_TEST_SUITE_P(
    All, Formats,
    ::testing::Values(Format{"audio/x-raw,format=F32LE,rate=48000,channels=2"},
                      Format{"audio/x-raw,format=S16LE,rate=8000,channels=1"},
                      Format{"audio/x-raw,format=S24LE,rate=44100,channels=2"},
                      Format{"audio/x-raw,format=U8,rate=11025,channels=1"},
                      Format{"audio/x-raw,format=F64LE,rate=96000,channels=6,"
                             "channel-mask=(bitmask)0x3f"},
                      Format{"audio/x-raw,format=S16LE,rate=48000,channels=4,"
                             "channel-mask=(bitmask)0x0"},
                      Format{"audio/x-raw,format=S16LE,rate=48000,layout=non-interleaved"},
                      Format{"audio/x-raw,rate=48000 ! opusenc frame-size=20"}));

TEST_F(Mixer, RoomAndForeignAreSummedAtTheirTimes) {
  start(
      "audiotestsrc is-live=true wave=square volume=0.25 samplesperbuffer=480 ! "
      "audio/x-raw,format=S16LE,rate=48000,channels=2 ! identity name=music ! mux.",
      kUnhurried);
  pull_until(is_loud);
  std::atomic<bool> stop = false;
  RoomPad alice(mux_, "alice");
  std::thread room([&] {
    run_room(&alice, &stop, [](RoomPad* pad, GstClockTime k) { pad->push(k * kSlice, 1000); });
  });
  auto has_alice = [](const Mixed& mixed) {
    return std::find(mixed.identities.begin(), mixed.identities.end(), "alice") !=
           mixed.identities.end();
  };
  pull_until(has_alice);
  for (int i = 0; i < 20; ++i) {
    const Mixed mixed = pull();
    EXPECT_EQ(mixed.identities.size(), 2u);
    const auto [low, high] = std::minmax_element(mixed.samples.begin(), mixed.samples.end());
    EXPECT_EQ(*high, 8191 + 1000);
    EXPECT_EQ(*low, -8191 + 1000);
  }
  EXPECT_EQ(ways(), (Names{"mixer", "aligned"}));
  EXPECT_EQ(stat("dropped-late"), 0u);
  stop = true;
  room.join();
}

TEST_F(Mixer, StalledForeignInputStallsNobody) {
  start(
      "audiotestsrc is-live=true num-buffers=10 samplesperbuffer=480 ! "
      "audio/x-raw,rate=48000 ! identity eos-after=-1 ! mux. "
      "appsrc name=dead is-live=true format=time "
      "caps=audio/x-raw,format=S16LE,rate=48000,channels=2,layout=interleaved ! mux. "
      "appsrc name=silent is-live=true format=time ! mux.");
  GstElement* dead = gst_bin_get_by_name(GST_BIN(pipeline_), "dead");
  GstBuffer* buffer = gst_buffer_new_allocate(nullptr, 1920, nullptr);
  gst_buffer_memset(buffer, 0, 0x11, 1920);
  GST_BUFFER_PTS(buffer) = 0;
  GST_BUFFER_DURATION(buffer) = kSlice;
  gst_app_src_push_buffer(GST_APP_SRC(dead), buffer);
  // One buffer came, then never another: the mix goes on at its own pace.
  GstClockTime latest = 0;
  for (int i = 0; i < 60; ++i) {
    const Mixed mixed = pull();
    ASSERT_FALSE(mixed.samples.empty());
    latest = mixed.pts;
  }
  EXPECT_EQ(latest, 59 * kSlice);
  gst_object_unref(dead);
}

TEST_F(Mixer, VolumeAndIdentityOfForeignInputs) {
  start(
      "audiotestsrc is-live=true wave=square volume=0.5 samplesperbuffer=480 ! "
      "audio/x-raw,format=S16LE,rate=48000,channels=2 ! mux.sink_0");
  Mixed mixed = pull_until(is_loud);
  ASSERT_EQ(mixed.identities, Names{"sink_0"});
  EXPECT_NEAR(mixed.levels[0], -6.02, 0.05);
  gst_child_proxy_set(GST_CHILD_PROXY(mux_), "sink_0::identity", "music", "sink_0::volume", 0.25,
                      nullptr);
  mixed = pull_until([](const Mixed& m) {
    return m.identities == Names{"music"} &&
           *std::max_element(m.samples.begin(), m.samples.end()) == 4096;
  });
  gst_child_proxy_set(GST_CHILD_PROXY(mux_), "music::mute", TRUE, nullptr);
  mixed = pull_until([](const Mixed& m) { return !is_loud(m); });
  EXPECT_EQ(mixed.levels, std::vector<double>{ROOM_AUDIO_SILENCE_DBOV});
}

TEST_F(Mixer, ForeignInputsLoudTogetherAreLimited) {
  std::string inputs;
  for (int i = 0; i < 12; ++i)
    inputs += "audiotestsrc volume=1.0 freq=" + std::to_string(300 + 10 * i) +
              " samplesperbuffer=480 ! audio/x-raw,rate=48000,channels=2 ! mux. ";
  start(inputs);
  pull_until(is_loud);
  int largest_step = 0;
  for (int i = 0; i < 50; ++i) {
    const Mixed mixed = pull();
    for (size_t s = 2; s < mixed.samples.size(); s += 2)
      largest_step = std::max(largest_step, std::abs(mixed.samples[s] - mixed.samples[s - 2]));
  }
  EXPECT_GT(stat("limited-slices"), 10u);
  // A full-scale tone of 410 Hz moves by 1759 a sample; a wrap would move by 60,000.
  EXPECT_LT(largest_step, 6000) << stat("mixer-late-samples");
}

TEST_F(Mixer, WhatLiesBetweenOrAnotherClockMakesAPadForeign) {
  start("");
  RoomPad alice(mux_, "alice", "first");
  RoomPad bob(mux_, "bob", "second");
  RoomPad carol(mux_, "carol", "first",
                "audio/x-raw,format=S16LE,rate=16000,channels=1,layout=interleaved");
  RoomPad dave(mux_, "dave", "first",
               "audio/x-raw,format=S16LE,rate=48000,channels=2,layout=interleaved", false);
  EXPECT_EQ(ways(), (Names{"aligned", "mixer", "mixer", "mixer"}));
}

TEST_F(Mixer, NewCapsTakeANewWayAndBack) {
  start("");
  RoomPad alice(mux_, "alice");
  EXPECT_EQ(ways(), Names{"aligned"});
  EXPECT_TRUE(alice.set_caps("audio/x-raw,format=S16LE,rate=16000,channels=1,layout=interleaved"));
  EXPECT_EQ(ways(), Names{"mixer"});
  std::atomic<bool> stop = false;
  std::atomic<int> phase = 0;
  std::thread room([&] {
    run_room(&alice, &stop, [&](RoomPad* pad, GstClockTime k) {
      if (phase == 1) {
        phase = 2;
        EXPECT_TRUE(
            pad->set_caps("audio/x-raw,format=S16LE,rate=48000,channels=2,layout=interleaved"));
      }
      const size_t count = phase == 0 ? 160 : 960;
      EXPECT_EQ(gst_pad_push(pad->pad(), pad->buffer(k * kSlice, 4000, count)), GST_FLOW_OK);
    });
  });
  pull_until(is_loud);
  phase = 1;
  pull_until([&](const Mixed&) { return phase == 2; });
  pull_until([](const Mixed& mixed) { return mixed.samples == constant(4000); });
  EXPECT_EQ(ways(), Names{"aligned"});
  stop = true;
  room.join();
}

TEST_F(Mixer, ForeignPadsComeAndGoWhileARoomPlays) {
  start("");
  std::atomic<bool> stop = false;
  RoomPad alice(mux_, "alice");
  std::thread room([&] {
    run_room(&alice, &stop, [](RoomPad* pad, GstClockTime k) {
      EXPECT_EQ(pad->push(k * kSlice, 1000), GST_FLOW_OK);
    });
  });
  std::thread guests([&] {
    for (int i = 0; i < 12; ++i) {
      GstElement* source = gst_parse_bin_from_description(
          "audiotestsrc is-live=true samplesperbuffer=441 ! audio/x-raw,rate=44100", TRUE, nullptr);
      gst_bin_add(GST_BIN(pipeline_), source);
      GstPad* sink = gst_element_request_pad_simple(mux_, "sink_%u");
      GstPad* src = gst_element_get_static_pad(source, "src");
      EXPECT_EQ(gst_pad_link(src, sink), GST_PAD_LINK_OK);
      gst_element_sync_state_with_parent(source);
      // Some live for a while, some hardly at all.
      const GstClockTime until = running_time() + GstClockTime(i % 4) * 15 * GST_MSECOND;
      while (running_time() < until) g_thread_yield();
      gst_element_release_request_pad(mux_, sink);
      // The pipeline may just be going on to PLAYING with its children.
      gst_element_set_locked_state(source, TRUE);
      gst_element_set_state(source, GST_STATE_NULL);
      gst_bin_remove(GST_BIN(pipeline_), source);
      gst_object_unref(src);
      gst_object_unref(sink);
    }
  });
  GstClockTime until = 0;
  for (int i = 0; i < 60; ++i) until = pull().pts;
  EXPECT_GE(until, 59 * kSlice);
  guests.join();
  stop = true;
  room.join();
  EXPECT_EQ(ways(), Names{"aligned"});
}

TEST_F(Mixer, FlushAndSegmentOnAForeignPad) {
  start(
      "appsrc name=feed is-live=true format=time "
      "caps=audio/x-raw,format=S16LE,rate=48000,channels=2,layout=interleaved ! mux.");
  GstElement* feed = gst_bin_get_by_name(GST_BIN(pipeline_), "feed");
  GstPad* src = gst_element_get_static_pad(feed, "src");
  GstPad* sink = gst_pad_get_peer(src);
  pull();
  EXPECT_TRUE(gst_pad_send_event(sink, gst_event_new_flush_start()));
  EXPECT_TRUE(gst_pad_send_event(sink, gst_event_new_flush_stop(TRUE)));
  for (int i = 0; i < 5; ++i) EXPECT_FALSE(pull().samples.empty());
  gst_object_unref(sink);
  gst_object_unref(src);
  gst_object_unref(feed);
}

// ---- live inputs that come late, as the mix of a room composite after somebody muted

class LateInput : public Mixer {
 protected:
  void start_late(const char* settings) {
    start(std::string("appsrc name=late format=time ") + settings +
          " caps=audio/x-raw,format=S16LE,rate=48000,channels=2,layout=interleaved,"
          "channel-mask=(bitmask)0x3 ! mux.");
    late_ = gst_bin_get_by_name(GST_BIN(pipeline_), "late");
  }
  void TearDown() override {
    if (late_) gst_object_unref(late_);
    Mixer::TearDown();
  }
  void push(GstClockTime from, int count, int16_t value) {
    for (int i = 0; i < count; ++i) {
      GstBuffer* buffer = gst_buffer_new_allocate(nullptr, 2 * kFrames * sizeof(int16_t), nullptr);
      const std::vector<int16_t> samples(2 * kFrames, value);
      gst_buffer_fill(buffer, 0, samples.data(), samples.size() * sizeof(int16_t));
      GST_BUFFER_PTS(buffer) = from + guint64(i) * kSlice;
      GST_BUFFER_DURATION(buffer) = kSlice;
      gst_app_src_push_buffer(GST_APP_SRC(late_), buffer);
    }
  }
  /** Pulls until the mix has come to @until; how many frames were loud, and where the first was. */
  int loud_frames(GstClockTime until, GstClockTime* first = nullptr) {
    int frames = 0;
    for (Mixed mixed = pull(); !mixed.samples.empty() && mixed.pts < until; mixed = pull()) {
      for (size_t i = 0; i < mixed.samples.size(); i += 2) {
        if (mixed.samples[i] < 500) continue;
        if (frames++ == 0 && first) *first = mixed.pts;
      }
    }
    return frames;
  }
  void wait_until(GstClockTime time) {
    while (next_pts_ < time) pull();
  }
  gint64 shift() {
    GstStructure* stats = nullptr;
    gint64 value = -1;
    g_object_get(mux_, "stats", &stats, nullptr);
    const GValue* inputs = gst_structure_get_value(stats, "inputs");
    gst_structure_get_int64(gst_value_get_structure(gst_value_array_get_value(inputs, 0)), "shift",
                            &value);
    gst_structure_free(stats);
    return value;
  }

  GstElement* late_ = nullptr;
};

TEST_F(LateInput, IsHeardWholeAndComesBackToItsTimeInThePauses) {
  start_late("is-live=true");
  wait_until(600 * GST_MSECOND);
  // What should have been heard at 0 comes now, and then all that was held up behind it.
  push(0, 30, 1000);
  GstClockTime first = 0;
  EXPECT_EQ(loud_frames(1200 * GST_MSECOND, &first), 30 * kFrames) << "not a sample is lost";
  EXPECT_GE(first, 600 * GST_MSECOND);
  EXPECT_GT(shift(), gint64(600 * GST_MSECOND));
  push(300 * GST_MSECOND, 450, 0);
  push(4800 * GST_MSECOND, 30, 1000);
  wait_until(1500 * GST_MSECOND);
  EXPECT_EQ(shift(), 0) << "the silence made up for it";
  EXPECT_EQ(loud_frames(5300 * GST_MSECOND, &first), 30 * kFrames);
  EXPECT_EQ(first, 4800 * GST_MSECOND) << "in its own time again";
}

TEST_F(LateInput, HoldsNobodyUp) {
  start_late("is-live=true");
  push(0, 20, 1000);
  wait_until(500 * GST_MSECOND);
  EXPECT_LT(running_time(), 1500 * GST_MSECOND) << "the mix goes on while it stands still";
}

TEST_F(LateInput, ANetworkThatDoesNotSayItIsLiveIsTreatedAsSuch) {
  start_late("stream-type=stream");  // cannot be sought in
  wait_until(600 * GST_MSECOND);
  push(0, 30, 1000);
  EXPECT_EQ(loud_frames(1200 * GST_MSECOND), 30 * kFrames);
}

TEST_F(LateInput, AFileThatIsPluggedInLateBeginsAtItsOwnTime) {
  start("audiotestsrc is-live=true wave=silence ! mux.");
  wait_until(600 * GST_MSECOND);
  GstElement* file = gst_parse_bin_from_description(
      "audiotestsrc wave=square num-buffers=30 samplesperbuffer=480 volume=0.25 ! "
      "audio/x-raw,format=S16LE,rate=48000,channels=2",
      TRUE, nullptr);
  gst_bin_add(GST_BIN(pipeline_), file);
  gst_element_link(file, mux_);
  gst_element_sync_state_with_parent(file);
  EXPECT_EQ(loud_frames(1200 * GST_MSECOND), 0);
}

}  // namespace
