// Pads that a room's clock feeds: summed in the pushing thread, at once.
#include <atomic>
#include <memory>
#include <thread>

#include "muxfixture.h"

namespace {

using Names = std::vector<std::string>;

class Aligned : public MuxTest {
 protected:
  void SetUp() override {
    MuxTest::SetUp();
    play();
  }
};

TEST_F(Aligned, OneTrackComesOutAtOnceBitForBitWithItsName) {
  RoomPad alice(mux_, "alice");
  for (int k = 0; k < 3; ++k) {
    ASSERT_EQ(alice.push(GstClockTime(k) * kSlice, int16_t(-1000 + k)), GST_FLOW_OK);
    ASSERT_EQ(ready(), 1u) << "no waiting";
    const Mixed mixed = pull();
    EXPECT_EQ(mixed.pts, GstClockTime(k) * kSlice);
    EXPECT_EQ(mixed.duration, kSlice);
    EXPECT_EQ(mixed.samples, constant(int16_t(-1000 + k)));
    EXPECT_EQ(mixed.identities, Names{"alice"});
    EXPECT_EQ(mixed.tracks, Names{"TR_alice"});
    EXPECT_EQ(mixed.levels, std::vector<double>{-10.0});
    EXPECT_EQ(mixed.discont, k == 0);
  }
  EXPECT_EQ(ways(), Names{"aligned"});
  EXPECT_EQ(stat("incomplete-slices"), 0u);
}

TEST_F(Aligned, SliceGoesOutWithItsLastPart) {
  RoomPad alice(mux_, "alice"), bob(mux_, "bob");
  alice.push(0, 100);
  EXPECT_EQ(ready(), 0u);
  bob.push(0, 23);
  ASSERT_EQ(ready(), 1u);
  const Mixed mixed = pull();
  EXPECT_EQ(mixed.samples, constant(123));
  EXPECT_EQ(mixed.identities, (Names{"alice", "bob"}));
}

TEST_F(Aligned, FirstSliceOfAJoinerIsNotLostWhenItsEventsCameInTime) {
  RoomPad alice(mux_, "alice");
  alice.push(0, 1);
  pull();
  RoomPad bob(mux_, "bob");
  alice.push(kSlice, 1);
  EXPECT_EQ(ready(), 0u);
  bob.push(kSlice, 2);
  EXPECT_EQ(pull().samples, constant(3));
  EXPECT_EQ(stat("dropped-late"), 0u);
}

TEST_F(Aligned, FirstSliceOfAJoinerIsNotLostWhenItsEventsComeWithIt) {
  RoomPad alice(mux_, "alice");
  alice.push(0, 1);
  pull();
  RoomPad bob(nullptr, "bob");
  bob.begin();
  GstPad* sink = gst_element_request_pad_simple(mux_, "sink_%u");
  ASSERT_EQ(gst_pad_link(bob.pad(), sink), GST_PAD_LINK_OK);
  alice.push(kSlice, 1);
  EXPECT_EQ(ready(), 0u);
  bob.push(kSlice, 2);
  EXPECT_EQ(pull().samples, constant(3));
  gst_element_release_request_pad(mux_, sink);
  gst_object_unref(sink);
}

TEST_F(Aligned, JoinerThatOpensAfterTheOthersPushedLosesOneSliceOnly) {
  RoomPad alice(mux_, "alice");
  alice.push(0, 1);
  // Linked only after alice's slice had gone out.
  RoomPad bob(mux_, "bob");
  bob.push(0, 2);
  EXPECT_EQ(pull().samples, constant(1));
  for (GstClockTime k = 1; k < 4; ++k) {
    alice.push(k * kSlice, 1);
    bob.push(k * kSlice, 2);
    EXPECT_EQ(pull().samples, constant(3)) << k;
  }
  EXPECT_EQ(stat("dropped-late"), 1u);
}

TEST_F(Aligned, MissingPartDelaysOneSliceAndIsCounted) {
  RoomPad alice(mux_, "alice"), bob(mux_, "bob");
  alice.push(0, 1);
  bob.push(0, 2);
  pull();
  alice.push(kSlice, 5);
  EXPECT_EQ(ready(), 0u);
  alice.push(2 * kSlice, 6);
  ASSERT_EQ(ready(), 2u) << "bob is not waited for twice";
  EXPECT_EQ(pull().samples, constant(5));
  EXPECT_EQ(pull().samples, constant(6));
  EXPECT_EQ(stat("incomplete-slices"), 1u);
  bob.push(3 * kSlice, 2);
  alice.push(3 * kSlice, 1);
  EXPECT_EQ(pull().samples, constant(3));
}

TEST_F(Aligned, LeavingInTheMiddleOfASliceLetsItGo) {
  RoomPad alice(mux_, "alice");
  {
    RoomPad bob(mux_, "bob");
    alice.push(0, 7);
    EXPECT_EQ(ready(), 0u);
  }
  EXPECT_EQ(pull().samples, constant(7)) << "released";

  RoomPad carol(mux_, "carol");
  alice.push(kSlice, 8);
  EXPECT_EQ(ready(), 0u);
  carol.send(gst_event_new_eos());
  ASSERT_EQ(ready(), 1u) << "ended, in the room's own thread";
  EXPECT_EQ(pull().samples, constant(8));

  RoomPad dave(mux_, "dave");
  alice.push(2 * kSlice, 9);
  EXPECT_EQ(ready(), 0u);
  gst_pad_unlink(dave.pad(), dave.sink());
  EXPECT_EQ(pull().samples, constant(9)) << "unlinked";

  RoomPad eve(mux_, "eve");
  alice.push(3 * kSlice, 10);
  EXPECT_EQ(ready(), 0u);
  eve.send(gst_event_new_flush_start());
  EXPECT_EQ(pull().samples, constant(10)) << "flushing";
  eve.send(gst_event_new_flush_stop(TRUE));
  EXPECT_EQ(stat("incomplete-slices"), 0u);
}

TEST_F(Aligned, FlushedPadComesBack) {
  RoomPad alice(mux_, "alice"), bob(mux_, "bob");
  bob.send(gst_event_new_flush_start());
  bob.send(gst_event_new_flush_stop(TRUE));
  GstSegment segment;
  gst_segment_init(&segment, GST_FORMAT_TIME);
  bob.send(gst_event_new_segment(&segment));
  alice.push(0, 1);
  EXPECT_EQ(pull().samples, constant(1));
  bob.push(kSlice, 2);
  alice.push(kSlice, 1);
  EXPECT_EQ(pull().samples, constant(3));
}

TEST_F(Aligned, RelinkedPadComesBack) {
  RoomPad alice(mux_, "alice"), bob(mux_, "bob");
  gst_pad_unlink(bob.pad(), bob.sink());
  alice.push(0, 1);
  EXPECT_EQ(pull().samples, constant(1));
  ASSERT_EQ(gst_pad_link(bob.pad(), bob.sink()), GST_PAD_LINK_OK);
  bob.push(kSlice, 2);
  alice.push(kSlice, 1);
  EXPECT_EQ(pull().samples, constant(3));
  EXPECT_EQ(ways(), (Names{"aligned", "aligned"}));
}

TEST_F(Aligned, TrackThatEndedMayStartAgain) {
  RoomPad alice(mux_, "alice");
  alice.push(0, 1);
  pull();
  alice.send(gst_event_new_eos());
  alice.begin();
  EXPECT_EQ(alice.push(kSlice, 2), GST_FLOW_OK);
  EXPECT_EQ(pull().samples, constant(2));
}

TEST_F(Aligned, GapsAreSilenceAndFlaggedWhenAllAreGaps) {
  RoomPad alice(mux_, "alice"), bob(mux_, "bob");
  alice.push_gap(0);
  bob.push(0, 2);
  Mixed mixed = pull();
  EXPECT_EQ(mixed.samples, constant(2));
  EXPECT_FALSE(mixed.gap);
  EXPECT_EQ(mixed.identities, (Names{"alice", "bob"}));
  alice.push_gap(kSlice);
  bob.send(gst_event_new_gap(kSlice, kSlice));
  mixed = pull();
  EXPECT_EQ(mixed.samples, constant(0));
  EXPECT_TRUE(mixed.gap);
}

TEST_F(Aligned, EmptyBuffersAreHarmless) {
  RoomPad alice(mux_, "alice"), bob(mux_, "bob");
  GstBuffer* empty = gst_buffer_new();
  GST_BUFFER_PTS(empty) = 0;
  EXPECT_EQ(gst_pad_push(alice.pad(), empty), GST_FLOW_OK);
  bob.push(0, 2);
  EXPECT_EQ(pull().samples, constant(2));
  EXPECT_EQ(gst_pad_push(alice.pad(), gst_buffer_new()), GST_FLOW_OK) << "no timestamp";
  // Less than a sample.
  EXPECT_EQ(gst_pad_push(alice.pad(), alice.buffer(kSlice, 1, 1)), GST_FLOW_OK);
  bob.push(kSlice, 3);
  EXPECT_EQ(pull().samples, constant(3));
}

TEST_F(Aligned, SegmentsMapToRunningTime) {
  RoomPad alice(mux_, "alice"), bob(mux_, "bob");
  // bob's buffers at 5 s are at running time 20 ms.
  bob.begin(2 * kSlice, 5 * GST_SECOND);
  bob.push(5 * GST_SECOND, 2);
  alice.push(2 * kSlice, 1);
  pull();
  pull();
  const Mixed mixed = pull();
  EXPECT_EQ(mixed.pts, 2 * kSlice);
  EXPECT_EQ(mixed.samples, constant(3));
  // Before the segment's start: no running time, no sound, no trouble.
  EXPECT_EQ(bob.push(GST_SECOND, 9), GST_FLOW_OK);
}

TEST_F(Aligned, GapInTimeIsFilledAndOverlapTrimmed) {
  RoomPad alice(mux_, "alice");
  alice.push(0, 1);
  pull();
  alice.push(3 * kSlice + 5 * GST_MSECOND, 2);
  ASSERT_EQ(ready(), 4u);
  EXPECT_TRUE(pull().gap);
  EXPECT_TRUE(pull().gap);
  EXPECT_EQ(pull().duration, 5 * GST_MSECOND);
  EXPECT_EQ(pull().pts, 35 * GST_MSECOND);
  alice.push(40 * GST_MSECOND, 3);
  Mixed mixed = pull();
  EXPECT_EQ(mixed.pts, 45 * GST_MSECOND);
  EXPECT_EQ(mixed.samples, constant(3, 240));
  alice.push(30 * GST_MSECOND, 4);
  EXPECT_EQ(ready(), 0u);
  EXPECT_EQ(stat("filled-samples"), 1200u);
  EXPECT_EQ(stat("trimmed-samples"), 240u);
  EXPECT_EQ(stat("dropped-late"), 1u);
}

TEST_F(Aligned, MonoAndFloatTracksMixWithStereo) {
  RoomPad alice(mux_, "alice");
  RoomPad bob(mux_, "bob", "room",
              "audio/x-raw,format=S16LE,rate=48000,channels=1,layout=interleaved");
  RoomPad carol(mux_, "carol", "room",
                "audio/x-raw,format=F32LE,rate=48000,channels=1,layout=interleaved");
  alice.push(0, 1);
  gst_pad_push(bob.pad(), bob.buffer(0, 2, kFrames));
  GstBuffer* floats = gst_buffer_new_allocate(nullptr, kFrames * sizeof(float), nullptr);
  const std::vector<float> samples(kFrames, 0.5f);
  gst_buffer_fill(floats, 0, samples.data(), kFrames * sizeof(float));
  GST_BUFFER_PTS(floats) = 0;
  gst_pad_push(carol.pad(), floats);
  const Mixed mixed = pull();
  EXPECT_EQ(mixed.samples, constant(16384 + 3));
  // carol's buffer says nothing about itself: the stream's id and the pad's name do.
  EXPECT_EQ(mixed.tracks[2], "TR_carol");
  EXPECT_EQ(mixed.identities[2], "sink_2");
  EXPECT_NEAR(mixed.levels[2], -6.02, 0.01);
  EXPECT_EQ(ways(), (Names{"aligned", "aligned", "aligned"}));
}

TEST_F(Aligned, ManyPads) {
  for (int count : {50, 500}) {
    std::vector<std::unique_ptr<RoomPad>> pads;
    for (int i = 0; i < count; ++i)
      pads.push_back(std::make_unique<RoomPad>(mux_, ("p" + std::to_string(i)).c_str()));
    const GstClockTime pts = count == 50 ? 0 : kSlice;
    for (auto& pad : pads) {
      EXPECT_EQ(ready(), 0u);
      pad->push(pts, 10);
    }
    ASSERT_EQ(ready(), 1u);
    const Mixed mixed = pull();
    EXPECT_EQ(mixed.samples, constant(int16_t(10 * count)));
    EXPECT_EQ(mixed.identities.size(), size_t(count));
  }
}

TEST_F(Aligned, FiftyLoudTalkersDoNotWrap) {
  std::vector<std::unique_ptr<RoomPad>> pads;
  for (int i = 0; i < 50; ++i)
    pads.push_back(std::make_unique<RoomPad>(mux_, ("p" + std::to_string(i)).c_str()));
  for (GstClockTime k = 0; k < 10; ++k) {
    for (auto& pad : pads) pad->push(k * kSlice, k % 2 ? -32768 : 32767);
    for (int16_t sample : pull().samples) {
      if (k % 2)
        ASSERT_LT(sample, -30000);
      else
        ASSERT_GT(sample, 30000);
    }
  }
  EXPECT_EQ(stat("limited-slices"), 10u);
}

TEST_F(Aligned, VolumeAndMuteThroughChildrenByIdentityAndByPad) {
  RoomPad alice(mux_, "alice"), bob(mux_, "bob");
  alice.push(0, 1000);
  bob.push(0, 100);
  EXPECT_EQ(pull().samples, constant(1100));
  gst_child_proxy_set(GST_CHILD_PROXY(mux_), "alice::volume", 0.5, "sink_1::mute", TRUE, nullptr);
  alice.push(kSlice, 1000);
  bob.push(kSlice, 100);
  EXPECT_EQ(pull().samples.back(), 500) << "after a ramp of one slice";
  alice.push(2 * kSlice, 1000);
  bob.push(2 * kSlice, 100);
  const Mixed mixed = pull();
  EXPECT_EQ(mixed.samples, constant(500));
  EXPECT_NEAR(mixed.levels[0], -16.02, 0.01);
  EXPECT_EQ(mixed.levels[1], ROOM_AUDIO_SILENCE_DBOV);
  EXPECT_EQ(gst_child_proxy_get_children_count(GST_CHILD_PROXY(mux_)), 2u);
  gchar* identity = nullptr;
  gst_child_proxy_get(GST_CHILD_PROXY(mux_), "sink_0::identity", &identity, nullptr);
  EXPECT_STREQ(identity, "alice");
  g_free(identity);
}

TEST_F(Aligned, IdentitySetOnThePadGoesBeforeTheStreams) {
  RoomPad alice(mux_, "alice");
  g_object_set(alice.sink(), "identity", "boss", "display-name", "The Boss", nullptr);
  alice.push(0, 1);
  EXPECT_EQ(pull().identities, Names{"boss"});
  g_object_set(alice.sink(), "identity", "", nullptr);
  alice.push(kSlice, 1);
  EXPECT_EQ(pull().identities, Names{"alice"});
}

TEST_F(Aligned, ChildIsAddedAgainWhenItsIdentityIsKnown) {
  Names added;
  auto on_added = +[](GstChildProxy*, GObject*, gchar* name, gpointer list) {
    static_cast<Names*>(list)->push_back(name);
  };
  g_signal_connect(mux_, "child-added", G_CALLBACK(on_added), &added);
  RoomPad alice(mux_, "alice");
  alice.push(0, 1);
  alice.push(kSlice, 1);
  EXPECT_EQ(added, (Names{"sink_0", "alice"}));
}

TEST_F(Aligned, BufferListsAreTaken) {
  RoomPad alice(mux_, "alice");
  GstBufferList* list = gst_buffer_list_new();
  gst_buffer_list_add(list, alice.buffer(0, 1));
  gst_buffer_list_add(list, alice.buffer(kSlice, 2));
  EXPECT_EQ(gst_pad_push_list(alice.pad(), list), GST_FLOW_OK);
  EXPECT_EQ(pull().samples, constant(1));
  EXPECT_EQ(pull().samples, constant(2));
}

TEST_F(Aligned, OnlyOneStreamStartCapsAndSegmentGoOut) {
  RoomPad alice(mux_, "alice"), bob(mux_, "bob");
  for (GstClockTime k = 0; k < 5; ++k) {
    alice.push(k * kSlice, 1);
    bob.push(k * kSlice, 1);
  }
  int stream_starts = 0, caps = 0, segments = 0, others = 0;
  while (GstEvent* event = gst_harness_try_pull_event(harness_)) {
    switch (GST_EVENT_TYPE(event)) {
      case GST_EVENT_STREAM_START:
        ++stream_starts;
        break;
      case GST_EVENT_CAPS:
        ++caps;
        break;
      case GST_EVENT_SEGMENT:
        ++segments;
        break;
      default:
        ++others;
    }
    gst_event_unref(event);
  }
  EXPECT_EQ(stream_starts, 1);
  EXPECT_EQ(caps, 1);
  EXPECT_EQ(segments, 1);
  EXPECT_EQ(others, 0);
}

TEST_F(Aligned, PadsComeAndGoInOtherThreadsWhileARoomPlays) {
  std::atomic<bool> stop = false;
  std::vector<std::thread> others;
  for (int t = 0; t < 3; ++t)
    others.emplace_back([this, &stop, t] {
      for (int i = 0; i < 150 && !stop; ++i) {
        RoomPad guest(mux_, ("guest" + std::to_string(t)).c_str());
        GstStructure* stats = nullptr;
        g_object_get(mux_, "stats", &stats, nullptr);
        gst_structure_free(stats);
        g_object_set(guest.sink(), "volume", 0.1 * (i % 100), nullptr);
        if (i % 3 == 0) guest.send(gst_event_new_eos());
      }
    });
  RoomPad alice(mux_, "alice"), bob(mux_, "bob");
  GstClockTime next = 0;
  for (GstClockTime k = 0; k < 500; ++k) {
    ASSERT_EQ(alice.push(k * kSlice, 1), GST_FLOW_OK);
    ASSERT_EQ(bob.push(k * kSlice, 2), GST_FLOW_OK);
    while (ready() > 0) {
      const Mixed mixed = pull();
      ASSERT_EQ(mixed.pts, next);
      next += mixed.duration;
    }
  }
  stop = true;
  for (std::thread& other : others) other.join();
  EXPECT_GE(next, 498 * kSlice);
}

}  // namespace
