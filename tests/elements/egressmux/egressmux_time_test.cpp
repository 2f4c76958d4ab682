// Time without tracks, hand-over between the room's thread and the element's own, and the end.
#include "muxfixture.h"

namespace {

class Time : public MuxTest {
 protected:
  /** Sets the time and lets the element's thread do all that is due, until it sleeps again. */
  void at(GstClockTime now) {
    gst_harness_set_time(harness_, now);
    GstTestClock* clock = gst_harness_get_testclock(harness_);
    while (true) {
      GstClockID id = nullptr;
      gst_test_clock_wait_for_next_pending_id(clock, &id);
      const GstClockTime time = gst_clock_id_get_time(id);
      gst_clock_id_unref(id);
      if (time > now) break;
      if (GstClockID done = gst_test_clock_process_next_clock_id(clock)) gst_clock_id_unref(done);
    }
    gst_object_unref(clock);
  }
  /** Waits until the element's thread sleeps until @when, and not for less. */
  void expect_wait_until(GstClockTime when) {
    ASSERT_TRUE(gst_harness_wait_for_clock_id_waits(harness_, 1, 10));
    GstTestClock* clock = gst_harness_get_testclock(harness_);
    GstClockID id = nullptr;
    // It may be about to leave a wait that is of no use any more.
    for (int attempt = 0; attempt < 1000; ++attempt) {
      gst_test_clock_wait_for_next_pending_id(clock, &id);
      const GstClockTime time = gst_clock_id_get_time(id);
      gst_clock_id_unref(id);
      if (time == when) break;
      if (attempt == 999) ADD_FAILURE() << "waits until " << time << " not " << when;
      g_thread_yield();
    }
    gst_object_unref(clock);
  }
  /** Goes on to the time the element's thread sleeps for. */
  void crank() {
    expect_wait_until(300 * GST_MSECOND);
    gst_harness_crank_single_clock_wait(harness_);
  }
  GstEvent* pull_event(GstEventType type) {
    while (GstEvent* event = gst_harness_pull_event(harness_)) {
      if (GST_EVENT_TYPE(event) == type) return event;
      gst_event_unref(event);
    }
    return nullptr;
  }
  void expect_eos() {
    GstEvent* event = pull_event(GST_EVENT_EOS);
    EXPECT_NE(event, nullptr);
    if (event) gst_event_unref(event);
  }
};

TEST_F(Time, SilenceWithoutTracksComesOneGraceLate) {
  play();
  expect_wait_until(30 * GST_MSECOND);
  EXPECT_EQ(ready(), 0u);
  at(30 * GST_MSECOND);
  Mixed mixed = pull();
  EXPECT_EQ(mixed.pts, 0u);
  EXPECT_EQ(mixed.duration, kSlice);
  EXPECT_TRUE(mixed.gap);
  EXPECT_EQ(mixed.samples, constant(0));
  EXPECT_TRUE(mixed.identities.empty());
  expect_wait_until(40 * GST_MSECOND);
  at(65 * GST_MSECOND);
  for (GstClockTime k = 1; k < 4; ++k) EXPECT_EQ(pull().pts, k * kSlice);
  expect_wait_until(70 * GST_MSECOND);
  EXPECT_EQ(ready(), 0u);
}

TEST_F(Time, GraceIsAProperty) {
  g_object_set(mux_, "latency", guint64(50 * GST_MSECOND), nullptr);
  play();
  expect_wait_until(60 * GST_MSECOND);
}

TEST_F(Time, StartsAtTheRunningTimeOfPlaying) {
  gst_element_set_state(mux_, GST_STATE_READY);
  gst_harness_set_time(harness_, 5 * GST_SECOND + 3 * GST_MSECOND);
  play();
  expect_wait_until(5 * GST_SECOND + 30 * GST_MSECOND);
  at(5 * GST_SECOND + 30 * GST_MSECOND);
  EXPECT_EQ(pull().pts, 5 * GST_SECOND);
}

TEST_F(Time, HandOverToTheRoomAndBackIsWithoutASeam) {
  play();
  at(30 * GST_MSECOND);
  EXPECT_EQ(pull().pts, 0u);
  {
    // Slice 2 is pushed at its end, as ever; slice 1 has not gone out and is filled in.
    RoomPad alice(mux_, "alice");
    alice.push(2 * kSlice, 5);
    ASSERT_EQ(ready(), 2u);
    Mixed mixed = pull();
    EXPECT_EQ(mixed.pts, kSlice);
    EXPECT_TRUE(mixed.gap);
    mixed = pull();
    EXPECT_EQ(mixed.pts, 2 * kSlice);
    EXPECT_EQ(mixed.samples, constant(5));
    alice.push(3 * kSlice, 6);
    EXPECT_EQ(pull().samples, constant(6));
    at(90 * GST_MSECOND);
    EXPECT_EQ(ready(), 0u) << "the room sets the pace";
  }
  // Alone again: what is overdue follows at once.
  at(90 * GST_MSECOND);
  for (GstClockTime k = 4; k < 7; ++k) {
    const Mixed mixed = pull();
    EXPECT_EQ(mixed.pts, k * kSlice);
    EXPECT_TRUE(mixed.gap);
  }
  expect_wait_until(100 * GST_MSECOND);
  EXPECT_EQ(ready(), 0u);
  EXPECT_EQ(stat("dropped-late"), 0u);
  EXPECT_EQ(stat("filled-samples"), 480u);
}

TEST_F(Time, RoomThatIsLaterThanTheGraceIsWaitedFor) {
  play();
  at(100 * GST_MSECOND);
  for (GstClockTime k = 0; k < 8; ++k) EXPECT_EQ(pull().pts, k * kSlice);
  RoomPad alice(mux_, "alice");
  for (GstClockTime k = 5; k < 8; ++k) alice.push(k * kSlice, 1);
  EXPECT_EQ(ready(), 0u);
  at(140 * GST_MSECOND);
  alice.push(8 * kSlice, 2);
  EXPECT_EQ(pull().samples, constant(2)) << "silence did not run away from it";
  EXPECT_EQ(stat("dropped-late"), 3u);
}

TEST_F(Time, StalledRoomStopsHoldingTheMixUp) {
  play();
  RoomPad alice(mux_, "alice");
  alice.push(0, 1);
  pull();
  at(500 * GST_MSECOND);
  EXPECT_EQ(ready(), 0u);
  expect_wait_until(20 * GST_MSECOND + 20 * GST_MSECOND + GST_SECOND);
  at(1040 * GST_MSECOND);
  for (GstClockTime k = 1; k <= 101; ++k) EXPECT_EQ(pull().pts, k * kSlice);
  expect_wait_until(1050 * GST_MSECOND);
  EXPECT_EQ(stat("room-stalls"), 1u);
  // And takes the lead again when it is back.
  alice.push(103 * kSlice, 4);
  EXPECT_TRUE(pull().gap);
  EXPECT_EQ(pull().samples, constant(4));
}

TEST_F(Time, SuspendedMachineLeavesTheTimeOut) {
  play();
  at(30 * GST_MSECOND);
  pull();
  expect_wait_until(40 * GST_MSECOND);
  at(3600 * GST_SECOND);
  const Mixed mixed = pull();
  EXPECT_TRUE(mixed.discont);
  EXPECT_GT(mixed.pts, 3590 * GST_SECOND);
}

TEST_F(Time, PausedElementIsSilent) {
  play();
  at(30 * GST_MSECOND);
  pull();
  ASSERT_EQ(gst_element_set_state(mux_, GST_STATE_PAUSED), GST_STATE_CHANGE_NO_PREROLL);
  gst_harness_set_time(harness_, 500 * GST_MSECOND);
  EXPECT_EQ(ready(), 0u);
  ASSERT_NE(gst_element_set_state(mux_, GST_STATE_PLAYING), GST_STATE_CHANGE_FAILURE);
  at(500 * GST_MSECOND);
  EXPECT_EQ(pull().pts, kSlice);
}

TEST_F(Time, EndsOnRequestWithoutAnyTrack) {
  play();
  EXPECT_TRUE(gst_element_send_event(mux_, gst_event_new_eos()));
  EXPECT_TRUE(gst_element_send_event(mux_, gst_event_new_eos()));
  // A stream that ends is still a whole stream: writers of files need its caps.
  gst_event_unref(pull_event(GST_EVENT_CAPS));
  gst_event_unref(pull_event(GST_EVENT_SEGMENT));
  expect_eos();
  EXPECT_TRUE(gst_element_send_event(mux_, gst_event_new_eos()));
  gst_harness_set_time(harness_, GST_SECOND);
  EXPECT_EQ(ready(), 0u);
  EXPECT_EQ(gst_harness_events_in_queue(harness_), 0u) << "ends once";
  RoomPad alice(mux_, "alice");
  EXPECT_EQ(alice.push(0, 1), GST_FLOW_EOS);
}

TEST_F(Time, WhatIsThereGoesOutBeforeTheEnd) {
  play();
  RoomPad alice(mux_, "alice"), bob(mux_, "bob");
  alice.push(0, 77);
  EXPECT_EQ(ready(), 0u);
  gst_element_send_event(mux_, gst_event_new_eos());
  EXPECT_EQ(ready(), 0u) << "the tracks may still end by themselves";
  crank();
  EXPECT_EQ(pull().samples, constant(77));
  expect_eos();
}

TEST_F(Time, TracksPlayWhatTheyHoldBeforeTheEnd) {
  play();
  RoomPad alice(mux_, "alice");
  alice.push(0, 1);
  pull();
  gst_element_send_event(mux_, gst_event_new_eos());
  EXPECT_EQ(alice.push(kSlice, 2), GST_FLOW_OK);
  EXPECT_EQ(pull().samples, constant(2));
  alice.send(gst_event_new_eos());
  expect_eos();
}

TEST_F(Time, NothingRunsSoNothingEnds) {
  gst_element_set_state(mux_, GST_STATE_READY);
  EXPECT_FALSE(gst_element_send_event(mux_, gst_event_new_eos()));
}

TEST_F(Time, EosOfAPipelineReachesIt) {
  EXPECT_TRUE(GST_OBJECT_FLAG_IS_SET(mux_, GST_ELEMENT_FLAG_SOURCE));
  EXPECT_FALSE(GST_OBJECT_FLAG_IS_SET(mux_, GST_ELEMENT_FLAG_SINK));
}

TEST_F(Time, TracksOfARoomEndingDoNotEndTheMix) {
  play();
  RoomPad alice(mux_, "alice");
  alice.push(0, 1);
  pull();
  alice.send(gst_event_new_eos());
  at(40 * GST_MSECOND);
  EXPECT_EQ(pull().pts, kSlice);
  alice.release();
  at(50 * GST_MSECOND);
  EXPECT_EQ(pull().pts, 2 * kSlice);
}

TEST_F(Time, LatencyIsASliceAndTheGraceOrWhatTheRoomSays) {
  play();
  EXPECT_EQ(gst_harness_query_latency(harness_), 30 * GST_MSECOND);
  RoomPad alice(mux_, "alice");
  EXPECT_EQ(gst_harness_query_latency(harness_), 30 * GST_MSECOND);
  GstBus* bus = gst_bus_new();
  gst_element_set_bus(mux_, bus);
  RoomPad::reported_latency = 70 * GST_MSECOND;
  RoomPad bob(mux_, "bob");
  EXPECT_EQ(gst_harness_query_latency(harness_), 70 * GST_MSECOND);
  GstMessage* message = gst_bus_pop_filtered(bus, GST_MESSAGE_LATENCY);
  EXPECT_NE(message, nullptr) << "a change is told";
  if (message) gst_message_unref(message);
  gst_element_set_bus(mux_, nullptr);
  gst_object_unref(bus);
}

TEST_F(Time, PositionIsWhatHasGoneOut) {
  play();
  at(30 * GST_MSECOND);
  pull();
  expect_wait_until(40 * GST_MSECOND);
  gint64 position = -1;
  EXPECT_TRUE(gst_element_query_position(mux_, GST_FORMAT_TIME, &position));
  EXPECT_EQ(position, gint64(kSlice));
}

TEST_F(Time, SerializedEventsSentToTheElementGoOut) {
  play();
  gst_element_send_event(
      mux_, gst_event_new_custom(GST_EVENT_CUSTOM_DOWNSTREAM, gst_structure_new_empty("hello")));
  GstEvent* event = pull_event(GST_EVENT_CUSTOM_DOWNSTREAM);
  ASSERT_NE(event, nullptr);
  EXPECT_TRUE(gst_event_has_name(event, "hello"));
  gst_event_unref(event);
}

TEST_F(Time, UpstreamEventsReachTheTracks) {
  play();
  RoomPad alice(mux_, "alice");
  static int received = 0;
  received = 0;
  gst_pad_set_event_function(
      alice.pad(), +[](GstPad*, GstObject*, GstEvent* event) -> gboolean {
        received += GST_EVENT_TYPE(event) == GST_EVENT_CUSTOM_UPSTREAM;
        gst_event_unref(event);
        return TRUE;
      });
  EXPECT_TRUE(gst_harness_push_upstream_event(
      harness_, gst_event_new_custom(GST_EVENT_CUSTOM_UPSTREAM, gst_structure_new_empty("up"))));
  EXPECT_EQ(received, 1);
  EXPECT_FALSE(gst_harness_push_upstream_event(
      harness_, gst_event_new_seek(1.0, GST_FORMAT_TIME, GST_SEEK_FLAG_FLUSH, GST_SEEK_TYPE_SET, 0,
                                   GST_SEEK_TYPE_NONE, 0)));
}

struct Wanted {
  const char* caps;
  size_t bytes;
};
class Negotiation : public Time, public ::testing::WithParamInterface<Wanted> {};

TEST_P(Negotiation, DownstreamGetsWhatItWants) {
  gst_harness_set_sink_caps_str(harness_, GetParam().caps);
  play();
  RoomPad alice(mux_, "alice");
  EXPECT_EQ(ready(), 0u);
  ASSERT_EQ(alice.push(0, 16384), GST_FLOW_OK);
  GstCaps* caps = gst_pad_get_current_caps(harness_->sinkpad);
  GstCaps* wanted = gst_caps_from_string(GetParam().caps);
  ASSERT_NE(caps, nullptr);
  EXPECT_TRUE(gst_caps_is_subset(caps, wanted));
  gst_caps_unref(wanted);
  gst_caps_unref(caps);
  // A resampler keeps a little back at first.
  size_t bytes = 0;
  for (GstClockTime k = 1; k < 11; ++k) alice.push(k * kSlice, 16384);
  while (GstBuffer* buffer = gst_harness_try_pull(harness_)) {
    bytes += gst_buffer_get_size(buffer);
    EXPECT_EQ(room_audio_buffer_get_n_tracks(buffer), 1);
    gst_buffer_unref(buffer);
  }
  EXPECT_NEAR(double(bytes), double(11 * GetParam().bytes), double(GetParam().bytes));
}

INSTANTIATE_TEST_SUITE_P(
    Formats, Negotiation,
    ::testing::Values(
        Wanted{"audio/x-raw,format=S16LE,rate=48000,channels=2", 1920},
        Wanted{"audio/x-raw,format=F32LE,rate=48000,channels=2", 3840},
        Wanted{"audio/x-raw,format=S16LE,rate=48000,channels=1", 960},
        Wanted{"audio/x-raw,format=F32LE,rate=48000,channels=1", 1920},
        Wanted{"audio/x-raw,format={F32LE,S16LE},rate=[1,96000],channels=[1,8]", 1920},
        Wanted{"audio/x-raw,format=S16LE,rate=16000,channels=1,layout=interleaved", 320},
        Wanted{"audio/x-raw,format=S32LE,rate=44100,channels=2,layout=interleaved", 3528}));

}  // namespace
