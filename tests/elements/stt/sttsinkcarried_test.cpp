// sttsink on a mix that carries its tracks: each is transcribed apart, under its own name.
#include "sttsinktest.h"

namespace stt {
namespace {

class SttSinkCarried : public SttSinkTest {
 protected:
  static constexpr RoomAudioTrack kAlice = {"TR_a", "alice", "Alice", -20, FALSE};
  static constexpr RoomAudioTrack kBob = {"TR_b", "bob", "Bob", -20, FALSE};

  void SetUp() override {
    SttSinkTest::SetUp();
    caps_ = gst_caps_from_string(
        "audio/x-raw,format=S16LE,rate=48000,channels=2,layout=interleaved,"
        "channel-mask=(bitmask)3");
  }
  void TearDown() override {
    gst_caps_unref(caps_);
    SttSinkTest::TearDown();
  }
  // Playing, with the engine loaded: transcribers are then made in the order of their first sound.
  std::unique_ptr<Source> begin() {
    auto from = source();
    set_state(GST_STATE_PLAYING);
    GstProgressType type = GST_PROGRESS_TYPE_START;
    while (type != GST_PROGRESS_TYPE_COMPLETE) {
      GstMessage* progress = message(GST_MESSAGE_PROGRESS);
      if (!progress) break;
      gst_message_parse_progress(progress, &type, nullptr, nullptr);
      gst_message_unref(progress);
    }
    from->begin("mix", false, 48000, 2);
    return from;
  }
  // 10 ms of a mix that carries these.
  void push_mix(Source& from, int start_ms, std::initializer_list<const RoomAudioTrack*> tracks) {
    from.push(start_ms, 10, 1000, [&](GstBuffer* buffer) {
      room_audio_buffer_set_mix(buffer, nullptr, 0);
      room_audio_buffer_set_carries_tracks(buffer);
      for (const RoomAudioTrack* track : tracks) {
        GstBuffer* audio = gst_buffer_new_allocate(nullptr, 1920, nullptr);
        gst_buffer_memset(audio, 0, 7, 1920);
        GST_BUFFER_PTS(audio) = GstClockTime(start_ms) * GST_MSECOND;
        room_audio_buffer_set_track(audio, track);
        room_audio_buffer_carry_track(buffer, audio, caps_);
        gst_buffer_unref(audio);
      }
    });
  }
  std::string identity_of_next() {
    GstStructure* got = transcript();
    const std::string identity = gst_structure_get_string(got, "identity");
    gst_structure_free(got);
    return identity;
  }

  GstCaps* caps_ = nullptr;
};

TEST_F(SttSinkCarried, TwoWhoTalkAtOnceAreUnderstoodApart) {
  auto from = begin();
  for (int at = 0; at < 500; at += 10) push_mix(*from, at, {&kAlice, &kBob});
  // The first is the mix's own; it gets nothing.
  told_transcriber(2);
  EXPECT_EQ(engine.made(), 3u);
  EXPECT_EQ(told_transcriber(0).samples(), 0u);
  EXPECT_EQ(told_transcriber(1).log(), "TR_a/alice/Alice@0;");
  EXPECT_EQ(told_transcriber(2).log(), "TR_b/bob/Bob@0;");
  EXPECT_NEAR(double(told_transcriber(1).samples()), 8000, 200);  // 0.5 s at 16 kHz
  told_transcriber(2).understand(said("No, I do."));
  EXPECT_EQ(identity_of_next(), "bob");
  told_transcriber(1).understand(said("I think so."));
  EXPECT_EQ(identity_of_next(), "alice");
}

TEST_F(SttSinkCarried, WhoIsNotCarriedIsSilent) {
  auto from = begin();
  push_mix(*from, 0, {&kAlice});
  push_mix(*from, 10, {});
  push_mix(*from, 20, {&kAlice});
  const std::string log = told_transcriber(1).log();
  EXPECT_NE(log.find("gap"), std::string::npos) << log;
}

TEST_F(SttSinkCarried, TheSameAudioTwiceCountsOnce) {
  auto from = begin();
  push_mix(*from, 0, {&kAlice});
  const size_t once = told_transcriber(1).samples();
  from->push(0, 10, 1000, [&](GstBuffer* buffer) {
    room_audio_buffer_set_mix(buffer, nullptr, 0);
    GstBuffer* audio = gst_buffer_new_allocate(nullptr, 1920, nullptr);
    GST_BUFFER_PTS(audio) = 0;
    room_audio_buffer_set_track(audio, &kAlice);
    room_audio_buffer_carry_track(buffer, audio, caps_);
    gst_buffer_unref(audio);
  });
  EXPECT_EQ(told_transcriber(1).samples(), once);
}

TEST_F(SttSinkCarried, MixAloneWhenTracksAreNotWanted) {
  set("use-tracks", "false");
  auto from = begin();
  for (int at = 0; at < 100; at += 10) push_mix(*from, at, {&kAlice, &kBob});
  EXPECT_EQ(engine.made(), 1u);
  EXPECT_GT(told_transcriber(0).samples(), 0u);
}

TEST_F(SttSinkCarried, EndDrainsEveryTrack) {
  auto from = begin();
  push_mix(*from, 0, {&kAlice, &kBob});
  FakeTranscriber& alice = told_transcriber(1);
  FakeTranscriber& bob = told_transcriber(2);
  FakeTranscriber& mix = told_transcriber(0);
  from->end();
  alice.wait_for_drain();
  bob.wait_for_drain();
  alice.understand(said("Bye."));
  EXPECT_EQ(identity_of_next(), "alice");
  EXPECT_FALSE(has_message(GST_MESSAGE_EOS));
  alice.complete_drains();
  bob.complete_drains();
  mix.complete_drains();
  wait_for_eos();
}

}  // namespace
}  // namespace stt
