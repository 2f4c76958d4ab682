// SPDX-License-Identifier: LGPL-2.1-or-later
// Voices that the user gives, and those that were learnt.
#include "speakerdetect/knownvoices.h"

#include <gst/gst.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <fstream>

#include "speakerdetect/voicelearner.h"

namespace speakerdetect {
namespace {

namespace fs = std::filesystem;

class Constant : public VoiceEmbedder {
 public:
  Embedding embed(std::span<const float>) override { return normalized({1, 2, 3}); }
};

class KnownVoices : public ::testing::Test {
 protected:
  void SetUp() override {
    folder_ = fs::temp_directory_path() / ("known-voices-" + std::to_string(getpid()));
    fs::create_directories(folder_);
  }
  void TearDown() override { fs::remove_all(folder_); }
  std::vector<KnownVoice> read() { return read_known_voices(folder_, embedder_, nullptr, error_); }

  fs::path folder_;
  Constant embedder_;
  std::string error_;
};

TEST_F(KnownVoices, WhatIsWrittenIsRead) {
  const KnownVoice alice = {"alice", normalized({0.25F, -1, 0, 3e-7F}), 12.5};
  ASSERT_TRUE(write_voice(folder_ / "alice.voice", alice, error_)) << error_;
  const auto voices = read();
  EXPECT_EQ(error_, "");
  ASSERT_EQ(voices.size(), 1U);
  EXPECT_EQ(voices[0].name, "alice");
  EXPECT_DOUBLE_EQ(voices[0].seconds, 12.5);
  ASSERT_EQ(voices[0].embedding.size(), 4U);
  EXPECT_NEAR(double(likeness(voices[0].embedding, alice.embedding)), 1, 1e-5);
}

TEST_F(KnownVoices, DamagedFilesAreNamedAndTheOthersRead) {
  ASSERT_TRUE(write_voice(folder_ / "alice.voice", {"alice", normalized({1, 2}), 5}, error_));
  std::ofstream(folder_ / "bob.voice") << "speakerdetect-voice-1 5 256\n0.5\n";
  std::ofstream(folder_ / "carol.voice") << "speakerdetect-voice-1 5 99999999999\n";
  std::ofstream(folder_ / "dave.voice") << "speakerdetect-voice-1 5 2\nnan\nx\n";
  std::ofstream(folder_ / "eve.voice");
  std::ofstream(folder_ / "frank.wav") << "no recording";
  std::ofstream(folder_ / ".hidden") << "is left alone";
  fs::create_directory(folder_ / "a-folder");
  const auto voices = read();
  ASSERT_EQ(voices.size(), 1U);
  EXPECT_EQ(voices[0].name, "alice");
  for (const char* name : {"bob", "carol", "dave", "eve", "frank"}) {
    EXPECT_NE(error_.find(name), std::string::npos) << error_;
  }
  EXPECT_EQ(error_.find("hidden"), std::string::npos);
}

// What reads as numbers but is no voice would be like nobody, or like everybody.
TEST_F(KnownVoices, NumbersThatAreNoVoiceAreRefused) {
  const auto is_voice = [](const std::string& text) {
    KnownVoice voice;
    return voice_from_text(text, voice);
  };
  const std::string head = "speakerdetect-voice-1 ";
  EXPECT_TRUE(is_voice(head + "5 2\n0.5\n1e-45\n"));
  EXPECT_TRUE(is_voice(head + "5 2\r\n0.5\r\n1\r\n"));
  EXPECT_TRUE(is_voice(head + "5 2\n3e38\n3e38\n"));  // the squares fit no float
  for (const char* seconds : {"-1", "0", "nan", "inf", "1e308", "1e999", "5x"}) {
    EXPECT_FALSE(is_voice(head + seconds + " 2\n1\n2\n")) << seconds;
  }
  for (const char* number : {"nan", "inf", "-inf", "1e39", "0x1p3", "1,5", "", "\xff"}) {
    EXPECT_FALSE(is_voice(head + "5 2\n1\n" + number + "\n")) << number;
  }
  for (const char* count : {"0", "-1", "1", "3", "4097", "99999999999999999999"}) {
    EXPECT_FALSE(is_voice(head + "5 " + count + "\n1\n2\n")) << count;
  }
  EXPECT_FALSE(is_voice(head + "5 2\n0\n0\n"));
  EXPECT_FALSE(is_voice(head + "5 2\n0.5\n0.1"));  // cut within its last number
}

// A file is not read to its end to find that it has none of ours.
TEST_F(KnownVoices, EndlessFilesTakeNoMemory) {
  ASSERT_TRUE(write_voice(folder_ / "alice.voice", {"alice", normalized({1, 2}), 5}, error_));
  std::ofstream(folder_ / "bob.voice") << "speakerdetect-voice-1 5 2\n1\n2\n";
  fs::resize_file(folder_ / "bob.voice", uintmax_t(1) << 40);
  std::ofstream(folder_ / "carol.voice") << "";
  fs::resize_file(folder_ / "carol.voice", uintmax_t(1) << 40);
  ASSERT_EQ(read().size(), 1U);
  EXPECT_NE(error_.find("bob"), std::string::npos) << error_;
  EXPECT_NE(error_.find("carol"), std::string::npos) << error_;
}

TEST_F(KnownVoices, AFolderThatIsNotThereIsTold) {
  fs::remove_all(folder_);
  EXPECT_TRUE(read().empty());
  EXPECT_NE(error_.find(folder_.string()), std::string::npos);
  EXPECT_FALSE(write_voice(folder_ / "alice.voice", {"alice", {1}, 5}, error_));
}

TEST_F(KnownVoices, NoNameLeavesTheFolder) {
  EXPECT_EQ(voice_file("/f", "alice"), "/f/alice.voice");
  EXPECT_EQ(voice_file("/f", "Zo\xc3\xab B."), "/f/Zo\xc3\xab B..voice");
  EXPECT_EQ(voice_file("/f", "../etc/passwd"), "/f/_.._etc_passwd.voice");
  EXPECT_EQ(voice_file("/f", "/etc/passwd"), "/f/_etc_passwd.voice");
  EXPECT_EQ(voice_file("/f", ""), "/f/_.voice");
  EXPECT_EQ(voice_file("/f", "a\nb"), "/f/a_b.voice");
}

TEST_F(KnownVoices, LearningWithoutModelsIsToldAndHarmless) {
  VoiceLearner learner(
      [](std::string& problem) {
        problem = "run tools/setup";
        return LearnerParts();
      },
      folder_);
  for (int i = 0; i < 100; i++) learner.push("alice", std::vector<float>(16000, 0.1F));
  std::string problem;
  while (problem.empty()) problem = learner.problem();
  EXPECT_EQ(problem, "run tools/setup");
  EXPECT_EQ(learner.problem(), "");
}

TEST_F(KnownVoices, RecordingsAreDecoded) {
  const char* data = std::getenv("ROOMAUDIO_TEST_DATA");
  ASSERT_NE(data, nullptr);
  std::vector<float> samples;
  ASSERT_TRUE(read_recording(fs::path(data) / "speech" / "sonnet1.mp3", samples, error_)) << error_;
  EXPECT_GT(samples.size(), size_t(30) * speech::kSampleRateHz);
  EXPECT_FALSE(read_recording(folder_ / "not-there.wav", samples, error_));
  EXPECT_TRUE(samples.empty());
  EXPECT_NE(error_, "");
}

TEST_F(KnownVoices, VideoAloneIsToldAtOnce) {
  const fs::path file = folder_ / "video.avi";
  const std::string line =
      "videotestsrc num-buffers=5 ! video/x-raw,width=64,height=64 ! avimux ! "
      "filesink location=" +
      file.string();
  GstElement* writer = gst_parse_launch(line.c_str(), nullptr);
  ASSERT_NE(writer, nullptr);
  GstBus* bus = gst_element_get_bus(writer);
  gst_element_set_state(writer, GST_STATE_PLAYING);
  gst_message_unref(gst_bus_timed_pop_filtered(bus, GST_CLOCK_TIME_NONE, GST_MESSAGE_EOS));
  gst_element_set_state(writer, GST_STATE_NULL);
  gst_object_unref(bus);
  gst_object_unref(writer);
  const gint64 before_us = g_get_monotonic_time();
  std::vector<float> samples;
  EXPECT_FALSE(read_recording(file, samples, error_));
  EXPECT_EQ(error_, "has no audio");
  EXPECT_LT(g_get_monotonic_time() - before_us, 30'000'000);
}

}  // namespace
}  // namespace speakerdetect

int main(int argc, char** argv) {
  gst_init(&argc, &argv);
  ::testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}
