// The tracks that a mix carries: what comes out is what went in, also through copies.
#include <gst/check/gstharness.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "roomaudio/roomaudio.h"

namespace {

std::vector<std::string> identities_carried(GstBuffer* mix) {
  std::vector<std::string> found;
  room_audio_buffer_foreach_track(
      mix,
      [](GstBuffer* audio, GstCaps* caps, gpointer list) {
        RoomAudioTrack track;
        ASSERT_TRUE(gst_caps_is_fixed(caps));
        ASSERT_TRUE(room_audio_buffer_get_track(audio, 0, &track));
        static_cast<std::vector<std::string>*>(list)->push_back(track.identity);
      },
      &found);
  return found;
}

class RoomAudioCarried : public ::testing::Test {
 protected:
  static void SetUpTestSuite() { gst_init(nullptr, nullptr); }
  void SetUp() override {
    caps_ = gst_caps_from_string(
        "audio/x-raw,format=S16LE,rate=48000,channels=2,"
        "layout=interleaved,channel-mask=(bitmask)3");
    mix_ = gst_buffer_new_allocate(nullptr, 1920, nullptr);
    GST_BUFFER_PTS(mix_) = 0;
    GST_BUFFER_DURATION(mix_) = 10 * GST_MSECOND;
    for (const char* identity : {"alice", "bob"}) {
      GstBuffer* audio = gst_buffer_new_allocate(nullptr, 1920, nullptr);
      const RoomAudioTrack track = {"TR", identity, identity, -20, FALSE};
      room_audio_buffer_set_track(audio, &track);
      audio_.push_back(audio);
    }
  }
  void TearDown() override {
    for (GstBuffer* audio : audio_) gst_buffer_unref(audio);
    gst_clear_buffer(&mix_);
    gst_caps_unref(caps_);
  }
  void carry_both() {
    for (GstBuffer* audio : audio_) room_audio_buffer_carry_track(mix_, audio, caps_);
  }
  GstBuffer* through(const char* elements) {
    GstHarness* harness = gst_harness_new_parse(elements);
    gst_harness_set_src_caps(harness, gst_caps_ref(caps_));
    EXPECT_EQ(gst_harness_push(harness, std::exchange(mix_, nullptr)), GST_FLOW_OK);
    GstBuffer* out = gst_harness_pull(harness);
    gst_harness_teardown(harness);
    return out;
  }

  GstCaps* caps_ = nullptr;
  GstBuffer* mix_ = nullptr;
  std::vector<GstBuffer*> audio_;
};

const std::vector<std::string> kBoth = {"alice", "bob"};

TEST_F(RoomAudioCarried, NoneIsNotTheSameAsNotCarrying) {
  EXPECT_FALSE(room_audio_buffer_carries_tracks(mix_));
  EXPECT_TRUE(identities_carried(mix_).empty());
  room_audio_buffer_set_carries_tracks(mix_);
  EXPECT_TRUE(room_audio_buffer_carries_tracks(mix_));
  EXPECT_TRUE(identities_carried(mix_).empty());
}

TEST_F(RoomAudioCarried, HoldsReferencesNotCopies) {
  carry_both();
  EXPECT_EQ(identities_carried(mix_), kBoth);
  EXPECT_EQ(GST_MINI_OBJECT_REFCOUNT_VALUE(audio_[0]), 2);
  gst_clear_buffer(&mix_);
  EXPECT_EQ(GST_MINI_OBJECT_REFCOUNT_VALUE(audio_[0]), 1);
}

TEST_F(RoomAudioCarried, WholeCopiesCarryThemPartsDoNot) {
  carry_both();
  GstBuffer* whole = gst_buffer_copy(mix_);
  GstBuffer* part = gst_buffer_copy_region(mix_, GST_BUFFER_COPY_ALL, 0, 960);
  EXPECT_EQ(identities_carried(whole), kBoth);
  EXPECT_FALSE(room_audio_buffer_carries_tracks(part));
  gst_buffer_unref(whole);
  gst_buffer_unref(part);
}

TEST_F(RoomAudioCarried, SurvivesElementsThatKeepTheSamples) {
  carry_both();
  GstBuffer* out = through("queue ! level ! identity ! volume volume=0.5");
  EXPECT_EQ(identities_carried(out), kBoth);
  gst_buffer_unref(out);
}

}  // namespace
