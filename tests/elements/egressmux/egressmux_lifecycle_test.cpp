// Through all states and back, twice; with and without data; and torn down in odd moments.
#include <thread>

#include "muxfixture.h"

namespace {

class LifeCycle : public ::testing::Test {
 protected:
  static void SetUpTestSuite() { gst_init(nullptr, nullptr); }
};

TEST_F(LifeCycle, AllStatesTwiceWithoutPads) {
  GstElement* mux = gst_element_factory_make("egressmux", nullptr);
  for (int round = 0; round < 2; ++round) {
    EXPECT_EQ(gst_element_set_state(mux, GST_STATE_READY), GST_STATE_CHANGE_SUCCESS);
    EXPECT_EQ(gst_element_set_state(mux, GST_STATE_PAUSED), GST_STATE_CHANGE_NO_PREROLL);
    EXPECT_EQ(gst_element_set_state(mux, GST_STATE_PLAYING), GST_STATE_CHANGE_SUCCESS);
    EXPECT_EQ(gst_element_set_state(mux, GST_STATE_PAUSED), GST_STATE_CHANGE_NO_PREROLL);
    EXPECT_EQ(gst_element_set_state(mux, GST_STATE_READY), GST_STATE_CHANGE_SUCCESS);
    EXPECT_EQ(gst_element_set_state(mux, GST_STATE_NULL), GST_STATE_CHANGE_SUCCESS);
  }
  gst_object_unref(mux);
}

TEST_F(LifeCycle, WorksASecondTimeAndForgetsTheFirst) {
  GstElement* mux = gst_element_factory_make("egressmux", nullptr);
  gst_object_ref_sink(mux);
  GstHarness* harness = gst_harness_new_with_element(mux, nullptr, "src");
  gst_harness_use_testclock(harness);
  RoomPad alice(nullptr, "alice");
  GstPad* sink = gst_element_request_pad_simple(mux, "sink_%u");
  ASSERT_EQ(gst_pad_link(alice.pad(), sink), GST_PAD_LINK_OK);
  for (int round = 0; round < 2; ++round) {
    gst_harness_set_time(harness, GstClockTime(round) * GST_SECOND);
    gst_harness_play(harness);
    alice.begin();
    const GstClockTime begin = GstClockTime(round) * GST_SECOND;
    ASSERT_EQ(alice.push(begin, 5), GST_FLOW_OK) << round;
    const Mixed mixed = read_buffer(gst_harness_pull(harness));
    EXPECT_EQ(mixed.pts, begin);
    EXPECT_EQ(mixed.samples, constant(5));
    EXPECT_TRUE(mixed.discont);
    gst_element_send_event(mux, gst_event_new_eos());
    ASSERT_EQ(gst_element_set_state(mux, GST_STATE_NULL), GST_STATE_CHANGE_SUCCESS);
    GstStructure* stats = nullptr;
    g_object_get(mux, "stats", &stats, nullptr);
    const GValue* inputs = gst_structure_get_value(stats, "inputs");
    EXPECT_STREQ(gst_structure_get_string(
                     gst_value_get_structure(gst_value_array_get_value(inputs, 0)), "way"),
                 "undecided");
    gst_structure_free(stats);
    EXPECT_EQ(alice.push(0, 5), GST_FLOW_FLUSHING);
    // The source's pads are taken down with it; so are its events.
    gst_pad_set_active(alice.pad(), FALSE);
    gst_pad_set_active(alice.pad(), TRUE);
  }
  gst_element_release_request_pad(mux, sink);
  gst_object_unref(sink);
  gst_harness_teardown(harness);
  gst_object_unref(mux);
}

TEST_F(LifeCycle, PadsRequestedBeforeItStartsHaveTheirNames) {
  GstElement* mux = gst_element_factory_make("egressmux", nullptr);
  GstPad* seven = gst_element_request_pad_simple(mux, "sink_7");
  GstPad* next = gst_element_request_pad_simple(mux, "sink_%u");
  EXPECT_STREQ(GST_PAD_NAME(seven), "sink_7");
  EXPECT_STREQ(GST_PAD_NAME(next), "sink_8");
  gst_element_set_state(mux, GST_STATE_PLAYING);
  gst_element_release_request_pad(mux, seven);
  gst_element_set_state(mux, GST_STATE_NULL);
  gst_object_unref(seven);
  gst_object_unref(next);
  gst_object_unref(mux);
}

TEST_F(LifeCycle, DroppedWithPadsStillLinked) {
  GstElement* mux = gst_element_factory_make("egressmux", nullptr);
  gst_object_ref_sink(mux);
  RoomPad alice(nullptr, "alice");
  GstPad* sink = gst_element_request_pad_simple(mux, "sink_%u");
  gst_pad_link(alice.pad(), sink);
  gst_object_unref(sink);
  gst_element_set_state(mux, GST_STATE_PLAYING);
  alice.begin();
  alice.push(0, 1);
  gst_element_set_state(mux, GST_STATE_NULL);
  gst_object_unref(mux);
}

TEST_F(LifeCycle, StoppedWhileARoomPushesAndForeignSourcesPlay) {
  for (int round = 0; round < 8; ++round) {
    GstElement* pipeline = gst_parse_launch(
        "egressmux name=mux ! fakesink sync=false audiotestsrc ! mux. "
        "audiotestsrc is-live=true samplesperbuffer=441 ! queue ! mux.",
        nullptr);
    GstElement* mux = gst_bin_get_by_name(GST_BIN(pipeline), "mux");
    gst_element_set_state(pipeline, GST_STATE_PLAYING);
    std::thread room([&] {
      RoomPad alice(mux, "alice");
      for (GstClockTime k = 0; k < 20000; ++k)
        if (alice.push(k * kSlice, 1) != GST_FLOW_OK) break;
    });
    for (int i = 0; i < round * 20; ++i) g_thread_yield();
    gst_element_set_state(pipeline, GST_STATE_NULL);
    room.join();
    gst_object_unref(mux);
    gst_object_unref(pipeline);
  }
}

TEST_F(LifeCycle, NotLinkedDownstreamIsToldToWhoPushes) {
  GstElement* mux = gst_element_factory_make("egressmux", nullptr);
  gst_object_ref_sink(mux);
  gst_element_set_state(mux, GST_STATE_PLAYING);
  {
    RoomPad alice(mux, "alice");
    EXPECT_EQ(alice.push(0, 1), GST_FLOW_NOT_LINKED);
  }
  gst_element_set_state(mux, GST_STATE_NULL);
  gst_object_unref(mux);
}

}  // namespace
