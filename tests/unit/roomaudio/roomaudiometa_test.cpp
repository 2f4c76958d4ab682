// RoomAudioMeta: what is written is read back, also through stock elements and copies.
#include <gst/check/gstharness.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

#include "roomaudio/roomaudio.h"

namespace {

class RoomAudioMeta : public ::testing::Test {
 protected:
  static void SetUpTestSuite() { gst_init(nullptr, nullptr); }
  void SetUp() override { buffer_ = gst_buffer_new_allocate(nullptr, 1920, nullptr); }
  void TearDown() override { gst_buffer_unref(buffer_); }

  GstBuffer* buffer_ = nullptr;
  const RoomAudioTrack alice_ = {"TR_a", "alice", "Alice", -20.5, FALSE};
  const RoomAudioTrack bob_ = {"TR_b", "bob", "Bob", -40.0, TRUE};
};

TEST_F(RoomAudioMeta, BufferWithoutMetaSaysSo) {
  RoomAudioTrack track;
  EXPECT_EQ(room_audio_buffer_get_n_tracks(buffer_), -1);
  EXPECT_FALSE(room_audio_buffer_get_track(buffer_, 0, &track));
  EXPECT_FALSE(room_audio_buffer_get_active(buffer_, &track));
}

TEST_F(RoomAudioMeta, WhatIsKnownOfTheParticipantIsReadBack) {
  RoomAudioParticipant known = {};
  EXPECT_FALSE(room_audio_buffer_get_participant(buffer_, &known));
  const RoomAudioParticipant german = {"m", R"({"lang":"de"})"};
  room_audio_buffer_set_track_of(buffer_, &alice_, &german);
  ASSERT_TRUE(room_audio_buffer_get_participant(buffer_, &known));
  EXPECT_STREQ(known.metadata, "m");
  EXPECT_STREQ(known.attributes, R"({"lang":"de"})");
  const RoomAudioParticipant other = {nullptr, "{}"};
  room_audio_buffer_set_track_of(buffer_, &bob_, &other);
  ASSERT_TRUE(room_audio_buffer_get_participant(buffer_, &known));
  EXPECT_STREQ(known.metadata, "");
  RoomAudioTrack track;
  ASSERT_TRUE(room_audio_buffer_get_track(buffer_, 0, &track));
  EXPECT_STREQ(track.identity, "bob");
  // A pool's buffer, in other hands now.
  const RoomAudioParticipant nothing = {"", nullptr};
  room_audio_buffer_set_track_of(buffer_, &alice_, &nothing);
  EXPECT_FALSE(room_audio_buffer_get_participant(buffer_, &known));
  room_audio_buffer_set_track_of(buffer_, &alice_, &german);
  room_audio_buffer_set_mix(buffer_, &alice_, 1);
  EXPECT_FALSE(room_audio_buffer_get_participant(buffer_, &known));
}

TEST_F(RoomAudioMeta, TrackIsReadBack) {
  room_audio_buffer_set_track(buffer_, &alice_);
  ASSERT_EQ(room_audio_buffer_get_n_tracks(buffer_), 1);
  RoomAudioTrack track;
  ASSERT_TRUE(room_audio_buffer_get_track(buffer_, 0, &track));
  EXPECT_STREQ(track.track, "TR_a");
  EXPECT_STREQ(track.identity, "alice");
  EXPECT_STREQ(track.name, "Alice");
  EXPECT_DOUBLE_EQ(track.level_dbov, -20.5);
  EXPECT_FALSE(track.muted);
  EXPECT_FALSE(room_audio_buffer_get_track(buffer_, 1, &track));
}

TEST_F(RoomAudioMeta, MixReplacesTrackAndKeepsOrder) {
  room_audio_buffer_set_track(buffer_, &alice_);
  const RoomAudioTrack both[] = {bob_, alice_};
  room_audio_buffer_set_mix(buffer_, both, 2);
  ASSERT_EQ(room_audio_buffer_get_n_tracks(buffer_), 2);
  RoomAudioTrack track;
  ASSERT_TRUE(room_audio_buffer_get_track(buffer_, 0, &track));
  EXPECT_STREQ(track.identity, "bob");
  EXPECT_TRUE(track.muted);
  ASSERT_TRUE(room_audio_buffer_get_track(buffer_, 1, &track));
  EXPECT_STREQ(track.identity, "alice");
}

TEST_F(RoomAudioMeta, EmptyMixIsNotTheSameAsNoMeta) {
  room_audio_buffer_set_mix(buffer_, nullptr, 0);
  EXPECT_EQ(room_audio_buffer_get_n_tracks(buffer_), 0);
}

TEST_F(RoomAudioMeta, ActiveSpeakerAndNobody) {
  room_audio_buffer_set_mix(buffer_, &alice_, 1);
  RoomAudioTrack active;
  EXPECT_FALSE(room_audio_buffer_get_active(buffer_, &active));
  room_audio_buffer_set_active(buffer_, &alice_);
  ASSERT_TRUE(room_audio_buffer_get_active(buffer_, &active));
  EXPECT_STREQ(active.identity, "alice");
  EXPECT_DOUBLE_EQ(active.level_dbov, -20.5);
  room_audio_buffer_set_active(buffer_, nullptr);
  ASSERT_TRUE(room_audio_buffer_get_active(buffer_, &active));
  EXPECT_STREQ(active.identity, "");
  EXPECT_EQ(room_audio_buffer_get_n_tracks(buffer_), 1);
}

TEST_F(RoomAudioMeta, ActiveSinceBelongsToTheActiveSpeaker) {
  EXPECT_EQ(room_audio_buffer_get_active_since(buffer_), GST_CLOCK_TIME_NONE);
  room_audio_buffer_set_mix(buffer_, &alice_, 1);
  room_audio_buffer_set_active(buffer_, &alice_);
  EXPECT_EQ(room_audio_buffer_get_active_since(buffer_), GST_CLOCK_TIME_NONE);
  room_audio_buffer_set_active_since(buffer_, 3 * GST_SECOND);
  EXPECT_EQ(room_audio_buffer_get_active_since(buffer_), 3 * GST_SECOND);
  GstBuffer* copy = gst_buffer_copy(buffer_);
  EXPECT_EQ(room_audio_buffer_get_active_since(copy), 3 * GST_SECOND);
  gst_buffer_unref(copy);
  room_audio_buffer_set_active(buffer_, &bob_);
  EXPECT_EQ(room_audio_buffer_get_active_since(buffer_), GST_CLOCK_TIME_NONE);
}

TEST_F(RoomAudioMeta, SurvivesConvertersAndQueue) {
  GstHarness* harness = gst_harness_new_parse(
      "audioconvert ! audioresample ! queue ! volume volume=0.5 ! "
      "capsfilter caps=audio/x-raw,format=F32LE,rate=16000,channels=1");
  gst_harness_set_src_caps_str(harness,
                               "audio/x-raw,format=S16LE,rate=48000,channels=2,layout=interleaved,"
                               "channel-mask=(bitmask)3");
  GstBuffer* in = gst_buffer_new_allocate(nullptr, 1920, nullptr);
  gst_buffer_memset(in, 0, 0, 1920);
  GST_BUFFER_PTS(in) = 0;
  GST_BUFFER_DURATION(in) = 10 * GST_MSECOND;
  room_audio_buffer_set_track(in, &alice_);
  ASSERT_EQ(gst_harness_push(harness, in), GST_FLOW_OK);
  GstBuffer* out = gst_harness_pull(harness);
  RoomAudioTrack track;
  ASSERT_TRUE(room_audio_buffer_get_track(out, 0, &track));
  EXPECT_STREQ(track.identity, "alice");
  gst_buffer_unref(out);
  gst_harness_teardown(harness);
}

TEST_F(RoomAudioMeta, RoomClockTravelsInStreamStart) {
  GstEvent* event = gst_event_new_stream_start("TR_a");
  const gchar* id = nullptr;
  GstClockTime slice = 0;
  EXPECT_FALSE(room_audio_event_get_room_clock(event, &id, &slice));
  room_audio_event_set_room_clock(event, "room-7", 10 * GST_MSECOND);
  ASSERT_TRUE(room_audio_event_get_room_clock(event, &id, &slice));
  EXPECT_STREQ(id, "room-7");
  EXPECT_EQ(slice, 10 * GST_MSECOND);
  gst_event_unref(event);
}

TEST_F(RoomAudioMeta, DirectFeedIsSeenThroughGhostPadsButNotThroughAQueue) {
  GstElement* bin = gst_bin_new(nullptr);
  GstElement* inner = gst_element_factory_make("identity", nullptr);
  gst_bin_add(GST_BIN(bin), inner);
  GstPad* inner_sink = gst_element_get_static_pad(inner, "sink");
  GstPad* ghost = gst_ghost_pad_new("sink", inner_sink);
  gst_element_add_pad(bin, ghost);
  GstPad* source = gst_pad_new("src_0", GST_PAD_SRC);
  gst_object_ref_sink(source);
  ASSERT_EQ(gst_pad_link(source, ghost), GST_PAD_LINK_OK);
  EXPECT_FALSE(room_audio_pad_is_fed_by_room_clock(ghost));
  room_audio_pad_set_room_clocked(source);
  EXPECT_TRUE(room_audio_pad_is_fed_by_room_clock(ghost));
  EXPECT_TRUE(room_audio_pad_is_fed_by_room_clock(inner_sink));

  GstElement* queue = gst_element_factory_make("queue", nullptr);
  gst_object_ref_sink(queue);
  GstPad* queue_sink = gst_element_get_static_pad(queue, "sink");
  GstPad* queue_src = gst_element_get_static_pad(queue, "src");
  gst_pad_unlink(source, ghost);
  ASSERT_EQ(gst_pad_link(source, queue_sink), GST_PAD_LINK_OK);
  ASSERT_EQ(gst_pad_link(queue_src, ghost), GST_PAD_LINK_OK);
  EXPECT_FALSE(room_audio_pad_is_fed_by_room_clock(inner_sink));
  gst_pad_unlink(source, queue_sink);
  gst_pad_unlink(queue_src, ghost);
  gst_object_unref(queue_sink);
  gst_object_unref(queue_src);
  gst_object_unref(queue);
  gst_object_unref(source);
  gst_object_unref(inner_sink);
  gst_object_unref(bin);
}

// A buffer that comes back from a pool still says what it said last.
TEST_F(RoomAudioMeta, WhatWasSaidBeforeIsReplacedAndNothingIsLeftOver) {
  room_audio_buffer_set_track(buffer_, &alice_);
  room_audio_buffer_set_active(buffer_, &alice_);
  room_audio_buffer_set_active_since(buffer_, 5);
  const RoomAudioTrack louder = {"TR_a", "alice", "Alice B.", -3, TRUE};
  room_audio_buffer_set_track(buffer_, &louder);
  RoomAudioTrack track;
  ASSERT_TRUE(room_audio_buffer_get_track(buffer_, 0, &track));
  EXPECT_STREQ(track.identity, "alice");
  EXPECT_STREQ(track.name, "Alice B.");
  EXPECT_DOUBLE_EQ(track.level_dbov, -3);
  EXPECT_TRUE(track.muted);
  EXPECT_FALSE(room_audio_buffer_get_active(buffer_, &track)) << "not judged anew";

  const RoomAudioTrack both[] = {alice_, bob_};
  room_audio_buffer_set_mix(buffer_, both, 2);
  room_audio_buffer_set_active(buffer_, &bob_);
  const RoomAudioTrack swapped[] = {bob_, louder};
  room_audio_buffer_set_mix(buffer_, swapped, 2);
  EXPECT_FALSE(room_audio_buffer_get_active(buffer_, &track));
  ASSERT_TRUE(room_audio_buffer_get_track(buffer_, 0, &track));
  EXPECT_STREQ(track.track, "TR_b");
  ASSERT_TRUE(room_audio_buffer_get_track(buffer_, 1, &track));
  EXPECT_STREQ(track.name, "Alice B.");
  room_audio_buffer_set_mix(buffer_, both, 1);
  EXPECT_EQ(room_audio_buffer_get_n_tracks(buffer_), 1);
}

TEST_F(RoomAudioMeta, PoolKeepsTheMetaAndMakesBuffersOfAnySizeUpToItsOwn) {
  GstBufferPool* pool = room_audio_buffer_pool_new(1920);
  std::vector<const GstStructure*> structures;
  for (int round = 0; round < 8; ++round) {
    GstBuffer* buffer = nullptr;
    ASSERT_EQ(gst_buffer_pool_acquire_buffer(pool, &buffer, nullptr), GST_FLOW_OK);
    ASSERT_TRUE(gst_buffer_is_writable(buffer));
    EXPECT_EQ(gst_buffer_get_size(buffer), 1920u);
    EXPECT_FALSE(GST_BUFFER_FLAG_IS_SET(buffer, GST_BUFFER_FLAG_GAP));
    if (round % 2) gst_buffer_set_size(buffer, 960);
    GST_BUFFER_FLAG_SET(buffer, GST_BUFFER_FLAG_GAP);
    room_audio_buffer_set_track(buffer, round % 2 ? &alice_ : &bob_);
    RoomAudioTrack track;
    ASSERT_TRUE(room_audio_buffer_get_track(buffer, 0, &track));
    EXPECT_STREQ(track.identity, round % 2 ? "alice" : "bob");
    const GstStructure* structure =
        gst_custom_meta_get_structure(gst_buffer_get_custom_meta(buffer, ROOM_AUDIO_META_NAME));
    if (std::find(structures.begin(), structures.end(), structure) == structures.end()) {
      structures.push_back(structure);
    }
    gst_buffer_unref(buffer);
  }
  EXPECT_LE(structures.size(), 3u) << "the same metas come back";
  // One that is out when the pool goes finds its way home.
  GstBuffer* late = nullptr;
  gst_buffer_pool_acquire_buffer(pool, &late, nullptr);
  gst_buffer_pool_set_active(pool, FALSE);
  gst_object_unref(pool);
  gst_buffer_unref(late);
}

}  // namespace
