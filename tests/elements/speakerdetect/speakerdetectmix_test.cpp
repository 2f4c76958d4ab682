// SPDX-License-Identifier: LGPL-2.1-or-later
// The element on streams without RoomAudioMeta: voices in a mix, and a person a channel.
#include <gst/audio/audio.h>
#include <gst/check/gstharness.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "roomaudio/roomaudio.h"
#include "speakerdetect/knownvoices.h"

namespace {

namespace fs = std::filesystem;

constexpr const char* kMono = "audio/x-raw,format=S16LE,rate=16000,channels=1,layout=interleaved";
constexpr const char* kStereo = "audio/x-raw,format=S16LE,rate=1000,channels=2,layout=interleaved";
constexpr GstClockTime kMessageTimeout = 60 * GST_SECOND;

struct Told {
  std::string identity;
  std::string name;
  guint64 running_time = 0;
  guint64 since = 0;
};

/* Two people of tests/data/voices, some seconds each. */
const std::vector<float>& voice_of(const char* person, int number) {
  static std::map<std::string, std::vector<float>> known;
  std::vector<float>& samples = known[person + std::to_string(number)];
  if (!samples.empty()) return samples;
  std::vector<fs::path> files;
  const fs::path folder = fs::path(std::getenv("ROOMAUDIO_TEST_DATA")) / "voices" / person;
  for (const auto& entry : fs::directory_iterator(folder)) files.push_back(entry.path());
  std::sort(files.begin(), files.end());
  std::string error;
  EXPECT_TRUE(speakerdetect::read_recording(files.at(size_t(number)), samples, error)) << error;
  return samples;
}

gboolean not_live(GstPad* pad, GstObject* parent, GstQuery* query) {
  if (GST_QUERY_TYPE(query) != GST_QUERY_LATENCY) return gst_pad_query_default(pad, parent, query);
  gst_query_set_latency(query, FALSE, 0, GST_CLOCK_TIME_NONE);
  return TRUE;
}

class SpeakerDetectMix : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    gst_registry_fork_set_enabled(FALSE);
    gst_init(nullptr, nullptr);
  }
  void SetUp() override {
    element_ = gst_element_factory_make("speakerdetect", nullptr);
    ASSERT_NE(element_, nullptr);
    bus_ = gst_bus_new();
    gst_element_set_bus(element_, bus_);
  }
  void TearDown() override {
    gst_element_set_bus(element_, nullptr);
    gst_object_unref(bus_);
    if (harness_) gst_harness_teardown(harness_);
    gst_object_unref(element_);
  }

  bool need_models() {
    const speech::SpeechFiles files = speech::find_speech_files("");
    return speech::missing_files({files.voices, files.voice_activity}).empty();
  }
  void begin(bool live, const char* caps = kMono) {
    harness_ = gst_harness_new_with_element(element_, "sink", "src");
    if (!live) gst_pad_set_query_function(harness_->srcpad, not_live);
    gst_harness_set_src_caps_str(harness_, caps);
  }
  /* Slices of 20 ms, each of which has to come out as it went in, at once. */
  void push(const std::vector<float>& samples, const std::function<void(GstBuffer*)>& edit = {}) {
    for (size_t at = 0; at + 320 <= samples.size(); at += 320) {
      GstBuffer* buffer = gst_buffer_new_allocate(nullptr, 640, nullptr);
      GstMapInfo map;
      gst_buffer_map(buffer, &map, GST_MAP_WRITE);
      for (size_t i = 0; i < 320; i++) {
        reinterpret_cast<gint16*>(map.data)[i] = gint16(samples[at + i] * 32767);
      }
      const std::vector<guint8> sent(map.data, map.data + map.size);
      gst_buffer_unmap(buffer, &map);
      GST_BUFFER_PTS(buffer) = time_;
      GST_BUFFER_DURATION(buffer) = 20 * GST_MSECOND;
      if (edit) edit(buffer);
      ASSERT_EQ(gst_harness_push(harness_, buffer), GST_FLOW_OK);
      GstBuffer* out = gst_harness_try_pull(harness_);
      ASSERT_NE(out, nullptr);
      EXPECT_EQ(GST_BUFFER_PTS(out), time_);
      EXPECT_EQ(gst_buffer_get_size(out), sent.size());
      EXPECT_EQ(gst_buffer_memcmp(out, 0, sent.data(), sent.size()), 0);
      RoomAudioTrack active;
      judged_ = room_audio_buffer_get_active(out, &active);
      active_ = judged_ ? active.identity : "?";
      since_ = room_audio_buffer_get_active_since(out);
      n_tracks_ = room_audio_buffer_get_n_tracks(out);
      gst_buffer_unref(out);
      time_ += 20 * GST_MSECOND;
    }
  }
  void silence(int ms) { push(std::vector<float>(size_t(ms) * 16)); }

  /* The next active-speaker message; waits for it where the element listens beside. */
  Told next(GstClockTime timeout) {
    Told told;
    GstMessage* message = gst_bus_timed_pop_filtered(bus_, timeout, GST_MESSAGE_ELEMENT);
    if (!message) return told;
    const GstStructure* s = gst_message_get_structure(message);
    told.identity = gst_structure_get_string(s, "identity");
    told.name = gst_structure_get_string(s, "name");
    gst_structure_get_uint64(s, "running-time", &told.running_time);
    gst_structure_get_uint64(s, "since", &told.since);
    EXPECT_LE(told.since, told.running_time);
    gst_message_unref(message);
    return told;
  }
  /* Whether a person is told after some seconds of a voice. Silence follows at the pace of a live
   * stream until then: what is pushed faster than it is listened to is lost, and what is known is
   * told as a buffer passes. */
  bool told_live(const std::vector<float>& voice, const std::string& identity) {
    constexpr int kSliceMs = 20;
    push({voice.begin(), voice.begin() + 5 * 16000});
    for (GstClockTime waited = 0; waited < kMessageTimeout; waited += kSliceMs * GST_MSECOND) {
      const std::string told = next(kSliceMs * GST_MSECOND).identity;
      EXPECT_TRUE(told.empty() || told == "speaker-1" || told == identity) << told;
      if (told == identity) return true;
      silence(kSliceMs);
    }
    return false;
  }
  std::vector<std::string> all_told() {
    std::vector<std::string> all;
    while (gst_bus_have_pending(bus_)) {
      const Told told = next(0);
      if (told.running_time > 0) all.push_back(told.identity);
    }
    return all;
  }
  guint64 stat(const char* name) {
    GstStructure* stats = nullptr;
    g_object_get(element_, "stats", &stats, nullptr);
    guint64 value = G_MAXUINT64;
    EXPECT_TRUE(gst_structure_get_uint64(stats, name, &value)) << name;
    gst_structure_free(stats);
    return value;
  }
  std::vector<std::string> warnings() {
    std::vector<std::string> all;
    while (GstMessage* message = gst_bus_pop_filtered(bus_, GST_MESSAGE_WARNING)) {
      GError* error = nullptr;
      gst_message_parse_warning(message, &error, nullptr);
      all.push_back(error->message);
      g_error_free(error);
      gst_message_unref(message);
    }
    return all;
  }

  GstElement* element_ = nullptr;
  GstHarness* harness_ = nullptr;
  GstBus* bus_ = nullptr;
  GstClockTime time_ = 0;
  bool judged_ = false;
  std::string active_;
  GstClockTime since_ = GST_CLOCK_TIME_NONE;
  gint n_tracks_ = -1;
};

TEST_F(SpeakerDetectMix, VoicesAreToldApartAndTheLateWordTellsSinceWhen) {
  if (!need_models()) GTEST_SKIP() << "the voice model is not installed (tools/setup)";
  begin(false);
  silence(1000);
  push(voice_of("1998", 0));
  EXPECT_EQ(active_, "speaker-1");
  EXPECT_EQ(n_tracks_, 0);  // marked by the detector alone
  Told told = next(0);
  EXPECT_EQ(told.identity, "speaker-1");
  EXPECT_EQ(told.name, "speaker-1");
  EXPECT_LT(told.since, 2 * GST_SECOND);
  const GstClockTime second = time_;
  push(voice_of("3005", 0));
  EXPECT_EQ(active_, "speaker-2");
  const GstClockTime third = time_;
  push(voice_of("1998", 1));
  EXPECT_EQ(active_, "speaker-1");
  EXPECT_NEAR(double(since_), double(third), 1.0 * GST_SECOND);
  std::vector<Told> rest;
  while (gst_bus_have_pending(bus_)) {
    const Told one = next(0);
    if (!one.identity.empty()) rest.push_back(one);
  }
  const auto found = std::find_if(rest.begin(), rest.end(),
                                  [](const Told& one) { return one.identity == "speaker-2"; });
  ASSERT_NE(found, rest.end());
  EXPECT_NEAR(double(found->since), double(second), 1.0 * GST_SECOND);
  EXPECT_EQ(stat("participants"), 2U);
  EXPECT_GT(stat("stretches"), 10U);
  EXPECT_EQ(stat("lost"), 0U);
}

TEST_F(SpeakerDetectMix, LiveItListensBesideTheStreamAndSaysTheSame) {
  if (!need_models()) GTEST_SKIP() << "the voice model is not installed (tools/setup)";
  begin(true);
  EXPECT_TRUE(told_live(voice_of("1998", 0), "speaker-1"));
  EXPECT_TRUE(told_live(voice_of("3005", 0), "speaker-2"));
  gst_harness_push_event(harness_, gst_event_new_eos());
  std::string last = "?";
  while (gst_bus_have_pending(bus_)) last = next(0).identity;
  EXPECT_EQ(last, "");
  gchar* active = nullptr;
  g_object_get(element_, "active-speaker", &active, nullptr);
  EXPECT_STREQ(active, "");
  g_free(active);
}

TEST_F(SpeakerDetectMix, KnownVoicesHaveTheirNames) {
  if (!need_models()) GTEST_SKIP() << "the voice model is not installed (tools/setup)";
  const fs::path folder = fs::temp_directory_path() / ("mix-voices-" + std::to_string(getpid()));
  fs::create_directories(folder);
  const fs::path data = fs::path(std::getenv("ROOMAUDIO_TEST_DATA")) / "voices";
  std::vector<fs::path> files;
  for (const auto& entry : fs::directory_iterator(data / "3005")) files.push_back(entry.path());
  std::sort(files.begin(), files.end());
  fs::copy_file(files[1], folder / "ken.opus");
  std::ofstream(folder / "nobody.wav") << "damaged";
  g_object_set(element_, "voices", folder.c_str(), nullptr);
  begin(false);
  push(voice_of("1998", 0));
  push(voice_of("3005", 0));
  EXPECT_EQ(active_, "ken");
  EXPECT_EQ(all_told(), (std::vector<std::string>{"speaker-1", "ken"}));
  fs::remove_all(folder);
}

TEST_F(SpeakerDetectMix, DamagedVoicesAreToldOnce) {
  if (!need_models()) GTEST_SKIP() << "the voice model is not installed (tools/setup)";
  g_object_set(element_, "voices", "/not-there", nullptr);
  begin(false);
  silence(200);
  const auto told = warnings();
  ASSERT_EQ(told.size(), 1U);
  EXPECT_NE(told[0].find("/not-there"), std::string::npos);
}

TEST_F(SpeakerDetectMix, WithoutTheModelAudioPassesAndOneWarningTellsWhatToDo) {
  for (const bool live : {false, true}) {
    if (live) {
      TearDown();
      harness_ = nullptr;
      SetUp();
    }
    g_object_set(element_, "speech-dir", "/not-there", nullptr);
    begin(live);
    GstMessage* message = nullptr;
    while (!message) {
      silence(100);
      message = gst_bus_pop_filtered(bus_, GST_MESSAGE_WARNING);
    }
    GError* error = nullptr;
    gst_message_parse_warning(message, &error, nullptr);
    EXPECT_NE(std::string(error->message).find("tools/setup"), std::string::npos);
    g_error_free(error);
    gst_message_unref(message);
    silence(1000);
    EXPECT_TRUE(warnings().empty());
    EXPECT_FALSE(judged_);
  }
}

TEST_F(SpeakerDetectMix, SwitchedOffItIsNotThere) {
  g_object_set(element_, "find-voices", FALSE, "speech-dir", "/not-there", nullptr);
  begin(false);
  silence(1000);
  EXPECT_TRUE(warnings().empty());
  EXPECT_FALSE(judged_);
  EXPECT_EQ(stat("buffers-without-meta"), 50U);
}

TEST_F(SpeakerDetectMix, WhereTracksAreToldNobodyListensToVoices) {
  g_object_set(element_, "speech-dir", "/not-there", nullptr);
  begin(false);
  const RoomAudioTrack alice = {"TR_a", "alice", "Alice", -20, FALSE};
  push(std::vector<float>(16000, 0.1F),
       [&](GstBuffer* buffer) { room_audio_buffer_set_mix(buffer, &alice, 1); });
  EXPECT_EQ(active_, "alice");
  EXPECT_TRUE(warnings().empty());
  EXPECT_EQ(stat("stretches"), 0U);
}

TEST_F(SpeakerDetectMix, VoicesOfNamedTracksAreLearntAndKnownInAMixLater) {
  if (!need_models()) GTEST_SKIP() << "the voice model is not installed (tools/setup)";
  const fs::path folder = fs::temp_directory_path() / ("learnt-" + std::to_string(getpid()));
  fs::create_directories(folder);
  g_object_set(element_, "learn-voices", folder.c_str(), nullptr);
  begin(true);
  const RoomAudioTrack ken = {"TR_k", "ken/../t", "Ken", -20, FALSE};
  push(voice_of("3005", 0), [&](GstBuffer* buffer) { room_audio_buffer_set_track(buffer, &ken); });
  TearDown();  // everything is written when the element has stopped
  harness_ = nullptr;
  ASSERT_TRUE(fs::exists(folder / "ken_.._t.voice"));
  fs::rename(folder / "ken_.._t.voice", folder / "ken.voice");
  SetUp();
  time_ = 0;
  g_object_set(element_, "voices", folder.c_str(), nullptr);
  begin(false);
  push(voice_of("1998", 0));
  push(voice_of("3005", 1));
  EXPECT_EQ(all_told(), (std::vector<std::string>{"speaker-1", "ken"}));
  EXPECT_TRUE(warnings().empty());
  fs::remove_all(folder);
}

TEST_F(SpeakerDetectMix, AFlushEndsTheTalkAndVoicesStay) {
  if (!need_models()) GTEST_SKIP() << "the voice model is not installed (tools/setup)";
  begin(false);
  push(voice_of("1998", 0));
  EXPECT_EQ(active_, "speaker-1");
  gst_harness_push_event(harness_, gst_event_new_flush_start());
  gst_harness_push_event(harness_, gst_event_new_flush_stop(TRUE));
  GstSegment segment;
  gst_segment_init(&segment, GST_FORMAT_TIME);
  gst_harness_push_event(harness_, gst_event_new_segment(&segment));
  time_ = 0;
  const auto told = all_told();
  EXPECT_EQ(told.back(), "");
  push(voice_of("3005", 0));
  EXPECT_EQ(active_, "speaker-2");
  push(voice_of("1998", 1));
  EXPECT_EQ(active_, "speaker-1");
}

TEST_F(SpeakerDetectMix, SurvivesBeingStoppedAnywhere) {
  if (!need_models()) GTEST_SKIP() << "the voice model is not installed (tools/setup)";
  begin(true);
  for (int round = 0; round < 3; round++) {
    push(voice_of("1998", 0));
    gst_element_set_state(element_, GST_STATE_NULL);
    time_ = 0;
    gst_harness_play(harness_);
    gst_element_set_state(element_, GST_STATE_PLAYING);
    gst_harness_set_src_caps_str(harness_, kMono);
  }
}

class SpeakerDetectChannels : public SpeakerDetectMix {
 protected:
  /* 10 ms at 1000 Hz with these amplitudes; gives the buffer that came out. */
  GstBuffer* stereo(gint16 left, gint16 right) {
    GstBuffer* buffer = gst_buffer_new_allocate(nullptr, 40, nullptr);
    GstMapInfo map;
    gst_buffer_map(buffer, &map, GST_MAP_WRITE);
    auto* samples = reinterpret_cast<gint16*>(map.data);
    for (int i = 0; i < 10; i++) {
      const bool pause = time_ / (10 * GST_MSECOND) % 20 >= 16;
      samples[2 * i] = gint16((i % 2 ? left : -left) / (pause ? 60 : 1));
      samples[2 * i + 1] = gint16((i % 2 ? right : -right) / (pause ? 60 : 1));
    }
    gst_buffer_unmap(buffer, &map);
    GST_BUFFER_PTS(buffer) = time_;
    GST_BUFFER_DURATION(buffer) = 10 * GST_MSECOND;
    time_ += 10 * GST_MSECOND;
    EXPECT_EQ(gst_harness_push(harness_, buffer), GST_FLOW_OK);
    return gst_harness_try_pull(harness_);
  }
  std::string active_after(int ms, gint16 left, gint16 right) {
    std::string active;
    for (int i = 0; i < ms / 10; i++) {
      GstBuffer* buffer = stereo(left, right);
      RoomAudioTrack track;
      EXPECT_TRUE(room_audio_buffer_get_active(buffer, &track));
      active = track.identity;
      gst_buffer_unref(buffer);
    }
    return active;
  }
};

TEST_F(SpeakerDetectChannels, EachIsAPerson) {
  gst_util_set_object_arg(G_OBJECT(element_), "channels", "speakers");
  begin(true, kStereo);
  EXPECT_EQ(active_after(1000, 8000, 0), "left");
  EXPECT_EQ(active_after(1500, 0, 8000), "right");
  EXPECT_EQ(active_after(2000, 0, 0), "");
  EXPECT_EQ(all_told(), (std::vector<std::string>{"left", "right", ""}));
}

TEST_F(SpeakerDetectChannels, NamesCanBeGiven) {
  gst_util_set_object_arg(G_OBJECT(element_), "channels", "speakers");
  gst_util_set_object_arg(G_OBJECT(element_), "channel-names", "<alice, bob>");
  begin(true, kStereo);
  EXPECT_EQ(active_after(1000, 8000, 0), "alice");
  EXPECT_EQ(active_after(1500, 0, 8000), "bob");
}

TEST_F(SpeakerDetectChannels, EachIsCarriedApartForTranscription) {
  gst_util_set_object_arg(G_OBJECT(element_), "channels", "speakers");
  begin(true, kStereo);
  gst_buffer_unref(stereo(0, 0));
  GstBuffer* buffer = stereo(0, 5000);
  ASSERT_TRUE(room_audio_buffer_carries_tracks(buffer));
  EXPECT_EQ(room_audio_buffer_get_n_tracks(buffer), 2);
  RoomAudioTrack left;
  ASSERT_TRUE(room_audio_buffer_get_track(buffer, 0, &left));
  EXPECT_DOUBLE_EQ(left.level_dbov, ROOM_AUDIO_SILENCE_DBOV);
  int carried = 0;
  room_audio_buffer_foreach_track(
      buffer,
      [](GstBuffer* audio, GstCaps* caps, gpointer data) {
        ++*static_cast<int*>(data);
        RoomAudioTrack who;
        EXPECT_TRUE(room_audio_buffer_get_track(audio, 0, &who));
        EXPECT_STREQ(who.identity, "right");
        EXPECT_NEAR(who.level_dbov, -16.3, 0.1);
        GstAudioInfo info;
        EXPECT_TRUE(gst_audio_info_from_caps(&info, caps));
        EXPECT_EQ(info.channels, 1);
        EXPECT_EQ(info.rate, 1000);
        EXPECT_EQ(GST_BUFFER_PTS(audio), 10 * GST_MSECOND);
        GstMapInfo map;
        ASSERT_TRUE(gst_buffer_map(audio, &map, GST_MAP_READ));
        ASSERT_EQ(map.size, 20U);
        EXPECT_EQ(reinterpret_cast<gint16*>(map.data)[0], -5000);
        EXPECT_EQ(reinterpret_cast<gint16*>(map.data)[9], 5000);
        gst_buffer_unmap(audio, &map);
      },
      &carried);
  EXPECT_EQ(carried, 1);
  gst_buffer_unref(buffer);
}

TEST_F(SpeakerDetectChannels, MonoIsAMixAllTheSame) {
  gst_util_set_object_arg(G_OBJECT(element_), "channels", "speakers");
  g_object_set(element_, "find-voices", FALSE, nullptr);
  begin(true);
  silence(100);
  EXPECT_FALSE(judged_);
}

/* Twenty people of ten minutes each: half a minute of work, which nobody wants to wait for. */
class ManyVoices : public SpeakerDetectMix {
 protected:
  void SetUp() override {
    SpeakerDetectMix::SetUp();
    if (!need_models()) GTEST_SKIP() << "the voice model is not installed (tools/setup)";
    folder_ = fs::temp_directory_path() / ("many-voices-" + std::to_string(getpid()));
    fs::create_directory(folder_);
    std::vector<guint8> wav = {'R', 'I',  'F', 'F', 0, 0, 0,  0, 'W', 'A', 'V',  'E',  'f', 'm',
                               't', ' ',  16,  0,   0, 0, 1,  0, 1,   0,   0x80, 0x3e, 0,   0,
                               0,   0x7d, 0,   0,   2, 0, 16, 0, 'd', 'a', 't',  'a'};
    const guint32 size = 600 * 16000 * 2;
    for (int shift = 0; shift < 32; shift += 8) wav.push_back(guint8(size >> shift));
    wav.resize(wav.size() + size);
    std::ofstream(folder_ / ".all", std::ios::binary)
        .write(reinterpret_cast<const char*>(wav.data()), std::streamsize(wav.size()));
    for (int i = 0; i < 20; i++) {
      fs::create_symlink(".all", folder_ / ("person" + std::to_string(i) + ".wav"));
    }
    g_object_set(element_, "voices", folder_.c_str(), nullptr);
  }
  void TearDown() override {
    SpeakerDetectMix::TearDown();
    fs::remove_all(folder_);
  }
  gint64 stop_ms() {
    const gint64 before_us = g_get_monotonic_time();
    gst_element_set_state(element_, GST_STATE_READY);
    return (g_get_monotonic_time() - before_us) / 1000;
  }

  fs::path folder_;
};

TEST_F(ManyVoices, StoppingDoesNotWaitUntilAllAreRead) {
  begin(true);
  silence(20);
  EXPECT_LT(stop_ms(), 3000);
}

TEST_F(ManyVoices, NorDoesItWhereTheStreamWaitsForThem) {
  begin(false);
  GThread* pusher = g_thread_new(
      "pusher",
      [](gpointer data) -> gpointer {
        GstBuffer* buffer = gst_buffer_new_allocate(nullptr, 640, nullptr);
        GST_BUFFER_PTS(buffer) = 0;
        gst_harness_push(static_cast<GstHarness*>(data), buffer);
        return nullptr;
      },
      harness_);
  g_usleep(300'000);  // it reads the first of them
  EXPECT_LT(stop_ms(), 3000);
  g_thread_join(pusher);
}

TEST_F(ManyVoices, NorDoesAStreamThatTurnsOutToHaveMetas) {
  begin(true);
  silence(20);
  const gint64 before_us = g_get_monotonic_time();
  const RoomAudioTrack alice = {"TR_a", "alice", "Alice", -20.0, FALSE};
  push(std::vector<float>(320),
       [&](GstBuffer* buffer) { room_audio_buffer_set_mix(buffer, &alice, 1); });
  EXPECT_LT(g_get_monotonic_time() - before_us, 3'000'000);
}

}  // namespace
