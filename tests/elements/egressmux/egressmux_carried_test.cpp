// The mix carries the tracks it was made of, whichever way they take.
#include <memory>

#include "muxfixture.h"

namespace {

struct Carried {
  std::string identity;
  GstClockTime pts;
  int16_t first_sample;
  bool operator==(const Carried&) const = default;
};

void PrintTo(const Carried& one, std::ostream* out) {
  *out << one.identity << "@" << one.pts << "=" << one.first_sample;
}

class CarriedTracks : public MuxTest {
 protected:
  void SetUp() override {
    MuxTest::SetUp();
    play();
  }
  std::vector<Carried> next() {
    GstBuffer* mix = gst_harness_pull(harness_);
    carries_ = room_audio_buffer_carries_tracks(mix) != FALSE;
    std::vector<Carried> found;
    room_audio_buffer_foreach_track(
        mix,
        [](GstBuffer* audio, GstCaps* caps, gpointer list) {
          EXPECT_TRUE(gst_caps_is_fixed(caps));
          RoomAudioTrack track = {};
          EXPECT_TRUE(room_audio_buffer_get_track(audio, 0, &track));
          int16_t sample = 0;
          gst_buffer_extract(audio, 0, &sample, sizeof sample);
          static_cast<std::vector<Carried>*>(list)->push_back(
              {track.identity, GST_BUFFER_PTS(audio), sample});
        },
        &found);
    gst_buffer_unref(mix);
    return found;
  }
  bool carries_ = false;
};

using List = std::vector<Carried>;

TEST_F(CarriedTracks, EachPartIsThereUnderItsName) {
  RoomPad alice(mux_, "alice"), bob(mux_, "bob");
  alice.push(0, 100);
  bob.push(0, 23);
  EXPECT_EQ(next(), (List{{"alice", 0, 100}, {"bob", 0, 23}}));
  EXPECT_TRUE(carries_);
}

TEST_F(CarriedTracks, SilenceIsNotCarriedButTheMixStillSaysThatItCarries) {
  RoomPad alice(mux_, "alice"), bob(mux_, "bob");
  alice.push(0, 100);
  bob.push_gap(0);
  EXPECT_EQ(next(), (List{{"alice", 0, 100}}));
  alice.push_gap(kSlice);
  bob.push_gap(kSlice);
  EXPECT_EQ(next(), List{});
  EXPECT_TRUE(carries_);
}

TEST_F(CarriedTracks, WhoIsMutedInTheMixIsNotCarried) {
  RoomPad alice(mux_, "alice"), bob(mux_, "bob");
  alice.push(0, 100);
  bob.push(0, 23);
  next();
  gst_child_proxy_set(GST_CHILD_PROXY(mux_), "bob::mute", TRUE, nullptr);
  // The slice in which the volume falls is still heard.
  for (int k = 1; k <= 2; ++k) {
    alice.push(GstClockTime(k) * kSlice, 100);
    bob.push(GstClockTime(k) * kSlice, 23);
  }
  next();
  EXPECT_EQ(next(), (List{{"alice", 2 * kSlice, 100}}));
}

TEST_F(CarriedTracks, TimestampsAreRunningTimeWhateverTheSegment) {
  RoomPad alice(mux_, "alice");
  alice.begin(3 * kSlice, GST_SECOND);
  alice.push(GST_SECOND + kSlice, 5);
  // The mix begins at 0; silence leads up to her.
  List got;
  while (ready() > 0 && got.empty()) got = next();
  ASSERT_EQ(got.size(), 1u);
  EXPECT_EQ(got[0].pts, 4 * kSlice);
}

TEST_F(CarriedTracks, NoneWhenNotWanted) {
  g_object_set(mux_, "carry-tracks", FALSE, nullptr);
  RoomPad alice(mux_, "alice");
  alice.push(0, 100);
  EXPECT_EQ(next(), List{});
  EXPECT_FALSE(carries_);
}

}  // namespace
