// Slices in, buffers out: what is in them, when, and whose.
#include "mixdown.h"

#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <vector>

namespace egressmux {
namespace {

constexpr int64_t kFrames = 480;

struct Output {
  GstClockTime pts;
  GstClockTime duration;
  bool gap;
  bool discont;
  std::vector<int16_t> samples;
  std::vector<std::string> identities;
  std::vector<double> levels;
};

class MixdownTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() { gst_init(nullptr, nullptr); }

  std::shared_ptr<MixInput> input(const char* name) { return std::make_shared<MixInput>(name); }

  AlignedPart part(const std::shared_ptr<MixInput>& from, int16_t value, int64_t frames = kFrames,
                   int channels = 2) {
    const size_t count = size_t(frames) * size_t(channels);
    GstBuffer* buffer = gst_buffer_new_allocate(nullptr, count * sizeof(int16_t), nullptr);
    std::vector<int16_t> samples(count, value);
    gst_buffer_fill(buffer, 0, samples.data(), count * sizeof(int16_t));
    AlignedPart made;
    made.input = from;
    made.text = from->text();
    made.buffer = BufferRef::to(buffer);
    made.frames = frames;
    made.channels = channels;
    gst_buffer_unref(buffer);
    return made;
  }

  Output next() {
    GstBuffer* buffer = mixdown_.compose_next(true);
    Output output{GST_BUFFER_PTS(buffer),
                  GST_BUFFER_DURATION(buffer),
                  bool(GST_BUFFER_FLAG_IS_SET(buffer, GST_BUFFER_FLAG_GAP)),
                  bool(GST_BUFFER_FLAG_IS_SET(buffer, GST_BUFFER_FLAG_DISCONT)),
                  {},
                  {},
                  {}};
    output.samples.resize(gst_buffer_get_size(buffer) / sizeof(int16_t));
    gst_buffer_extract(buffer, 0, output.samples.data(), gst_buffer_get_size(buffer));
    for (gint i = 0; i < room_audio_buffer_get_n_tracks(buffer); ++i) {
      RoomAudioTrack track;
      room_audio_buffer_get_track(buffer, guint(i), &track);
      output.identities.push_back(track.identity);
      output.levels.push_back(track.level_dbov);
    }
    gst_buffer_unref(buffer);
    return output;
  }

  Mixdown mixdown_;
};

TEST_F(MixdownTest, SilenceAtFirst) {
  mixdown_.timeline().start(0, kFrames);
  Output output = next();
  EXPECT_EQ(output.pts, 0u);
  EXPECT_EQ(output.duration, 10 * GST_MSECOND);
  EXPECT_TRUE(output.gap);
  EXPECT_TRUE(output.discont);
  EXPECT_EQ(output.samples, std::vector<int16_t>(960, 0));
  EXPECT_TRUE(output.identities.empty());
  output = next();
  EXPECT_EQ(output.pts, 10 * GST_MSECOND);
  EXPECT_FALSE(output.discont);
}

TEST_F(MixdownTest, OneTalkerIsUntouchedAndNamed) {
  auto alice = input("alice");
  EXPECT_TRUE(mixdown_.deliver(0, part(alice, -12345)));
  const Output output = next();
  EXPECT_EQ(output.samples, std::vector<int16_t>(960, -12345));
  EXPECT_FALSE(output.gap);
  ASSERT_EQ(output.identities, std::vector<std::string>{"alice"});
  EXPECT_NEAR(output.levels[0], 20 * std::log10(12345.0 / 32768.0), 0.01);
}

TEST_F(MixdownTest, TwoAreSummed) {
  auto alice = input("alice"), bob = input("bob");
  mixdown_.deliver(0, part(alice, 1000));
  mixdown_.deliver(0, part(bob, 234, kFrames, 1));
  const Output output = next();
  EXPECT_EQ(output.samples, std::vector<int16_t>(960, 1234));
  EXPECT_EQ(output.identities, (std::vector<std::string>{"alice", "bob"}));
}

TEST_F(MixdownTest, FiftyLoudTalkersDoNotWrap) {
  for (int16_t loudest : {int16_t(32767), int16_t(-32768)}) {
    Mixdown fresh;
    for (int i = 0; i < 50; ++i) fresh.deliver(0, part(input("x"), loudest));
    GstBuffer* buffer = fresh.compose_next(true);
    std::vector<int16_t> samples(960);
    gst_buffer_extract(buffer, 0, samples.data(), 1920);
    for (int16_t sample : samples) EXPECT_NEAR(sample, loudest, 2);
    EXPECT_EQ(fresh.limiter().limited_slices(), 1u);
    gst_buffer_unref(buffer);
  }
}

TEST_F(MixdownTest, GapBeforeASliceIsFilledToTheSample) {
  auto alice = input("alice");
  mixdown_.timeline().start(0, kFrames);
  // 25 ms ahead: two whole slices of silence and half a one.
  mixdown_.deliver(1200, part(alice, 5));
  EXPECT_EQ(next().samples.size(), 960u);
  EXPECT_EQ(next().samples.size(), 960u);
  Output output = next();
  EXPECT_EQ(output.samples.size(), 480u);
  EXPECT_TRUE(output.gap);
  output = next();
  EXPECT_EQ(output.pts, 25 * GST_MSECOND);
  EXPECT_EQ(output.samples, std::vector<int16_t>(960, 5));
  EXPECT_EQ(mixdown_.counters().filled_samples, 1200u);
}

TEST_F(MixdownTest, LateSliceIsDroppedAndOverlappingOneTrimmed) {
  auto alice = input("alice");
  mixdown_.timeline().start(20 * GST_MSECOND, kFrames);
  EXPECT_FALSE(mixdown_.deliver(480, part(alice, 5)));
  EXPECT_EQ(mixdown_.counters().dropped_late, 1u);
  EXPECT_EQ(alice->late_slices, 1u);
  EXPECT_TRUE(mixdown_.deliver(900, part(alice, 7)));
  const Output output = next();
  EXPECT_EQ(output.pts, 20 * GST_MSECOND);
  EXPECT_EQ(output.samples.size(), 2u * (900 + 480 - 960));
  EXPECT_EQ(output.samples[0], 7);
  EXPECT_EQ(mixdown_.counters().trimmed_samples, 60u);
}

TEST_F(MixdownTest, RunAwayClockSkipsInsteadOfFillingForHours) {
  auto alice = input("alice");
  mixdown_.timeline().start(0, kFrames);
  next();
  mixdown_.deliver(int64_t(48000) * 3600, part(alice, 5));
  const Output output = next();
  EXPECT_EQ(output.pts, 3600 * GST_SECOND);
  EXPECT_TRUE(output.discont);
  EXPECT_EQ(mixdown_.counters().filled_samples, 0u);
}

TEST_F(MixdownTest, GapPartsAreSilenceButListed) {
  auto alice = input("alice");
  AlignedPart silent = part(alice, 99);
  silent.gap = true;
  mixdown_.deliver(0, std::move(silent));
  const Output output = next();
  EXPECT_TRUE(output.gap);
  EXPECT_EQ(output.samples, std::vector<int16_t>(960, 0));
  ASSERT_EQ(output.identities.size(), 1u);
  EXPECT_EQ(output.levels[0], ROOM_AUDIO_SILENCE_DBOV);
}

TEST_F(MixdownTest, EmptySliceIsNothing) {
  auto alice = input("alice");
  mixdown_.timeline().start(0, kFrames);
  mixdown_.deliver(0, part(alice, 1, 0));
  EXPECT_EQ(mixdown_.compose_next(false), nullptr);
  EXPECT_EQ(next().duration, 10 * GST_MSECOND);
}

TEST_F(MixdownTest, VolumeRampsAndMuteSilences) {
  auto alice = input("alice");
  mixdown_.deliver(0, part(alice, 1000));
  next();
  alice->volume = 0.5;
  mixdown_.deliver(480, part(alice, 1000));
  Output output = next();
  EXPECT_NEAR(output.samples[0], 999, 1);
  EXPECT_EQ(output.samples[959], 500);
  alice->mute = true;
  mixdown_.deliver(960, part(alice, 1000));
  output = next();
  EXPECT_NEAR(output.samples[0], 499, 1);
  EXPECT_EQ(output.samples[959], 0);
  EXPECT_EQ(output.levels[0], ROOM_AUDIO_SILENCE_DBOV);
  mixdown_.deliver(1440, part(alice, 1000));
  EXPECT_TRUE(next().gap);
}

TEST_F(MixdownTest, FirstSliceHasItsVolumeWithoutARamp) {
  auto alice = input("alice");
  alice->volume = 0.25;
  mixdown_.deliver(0, part(alice, 1000));
  EXPECT_EQ(next().samples[0], 250);
}

TEST_F(MixdownTest, MonoAndFloatOutput) {
  auto alice = input("alice");
  mixdown_.set_output({SampleFormat::kF32, 1});
  mixdown_.deliver(0, part(alice, 16384));
  GstBuffer* buffer = mixdown_.compose_next(true);
  ASSERT_EQ(gst_buffer_get_size(buffer), 480 * sizeof(float));
  float first = 0.0f;
  gst_buffer_extract(buffer, 0, &first, sizeof first);
  EXPECT_EQ(first, 0.5f);
  gst_buffer_unref(buffer);
}

TEST_F(MixdownTest, MixerSamplesJoinAtTheirTimeWithTheirNames) {
  auto alice = input("alice"), radio = input("radio");
  mixdown_.timeline().start(0, kFrames);
  mixdown_.add_mixer_input(radio);
  EXPECT_TRUE(mixdown_.mixer_active());
  radio->levels.push_back({480, 960, -20.0, false, radio->text()});
  std::vector<float> samples(960, 0.25f);
  mixdown_.write_mixer(480, 480, samples.data());
  mixdown_.deliver(480, part(alice, 100));
  EXPECT_TRUE(next().gap);
  const Output output = next();
  EXPECT_EQ(output.samples, std::vector<int16_t>(960, 8192 + 100));
  EXPECT_EQ(output.identities, (std::vector<std::string>{"alice", "radio"}));
  EXPECT_EQ(output.levels[1], -20.0);
  mixdown_.write_mixer(0, 480, samples.data());
  EXPECT_EQ(mixdown_.counters().mixer_late_samples, 480u);
}

TEST_F(MixdownTest, MixerInputPassesWhenItsSoundIsOut) {
  auto radio = input("radio");
  mixdown_.timeline().start(0, kFrames);
  mixdown_.add_mixer_input(radio);
  radio->last_end = 700;
  mixdown_.end_mixer_input(radio.get());
  EXPECT_TRUE(mixdown_.mixer_active());
  next();
  EXPECT_TRUE(mixdown_.mixer_active());
  next();
  EXPECT_FALSE(mixdown_.mixer_active());
  EXPECT_TRUE(mixdown_.has_passed_mixer_inputs());
  mixdown_.remove_mixer_input(radio.get());
  EXPECT_FALSE(mixdown_.has_passed_mixer_inputs());
}

TEST_F(MixdownTest, ResetForgets) {
  auto alice = input("alice");
  mixdown_.deliver(4800, part(alice, 1));
  next();
  mixdown_.reset();
  EXPECT_FALSE(mixdown_.room_delivers());
  EXPECT_FALSE(mixdown_.timeline().started());
  EXPECT_EQ(mixdown_.counters().slices, 0u);
  EXPECT_FALSE(alice->member.joined);
}

TEST(TrackSources, MostTrustworthyFirst) {
  TrackSources sources;
  sources.pad_name = "sink_3";
  EXPECT_EQ(sources.resolve().identity, "sink_3");
  EXPECT_EQ(sources.resolve().track, "sink_3");
  sources.stream_id = "TR_1";
  sources.title = "Radio";
  EXPECT_EQ(sources.resolve().track, "TR_1");
  EXPECT_EQ(sources.resolve().identity, "Radio");
  EXPECT_EQ(sources.resolve().name, "Radio");
  sources.meta_identity = "alice";
  sources.meta_track = "TR_a";
  sources.meta_name = "Alice";
  EXPECT_EQ(sources.resolve().identity, "alice");
  EXPECT_EQ(sources.resolve().track, "TR_a");
  EXPECT_EQ(sources.resolve().name, "Alice");
  sources.set_identity = "boss";
  sources.set_name = "The boss";
  EXPECT_EQ(sources.resolve().identity, "boss");
  EXPECT_EQ(sources.resolve().name, "The boss");
}

}  // namespace
}  // namespace egressmux
