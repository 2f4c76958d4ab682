// SPDX-License-Identifier: LGPL-2.1-or-later
// Mel features and the voice network against numbers that NumPy computed from the same weights
// (tests/data/voices/README.md tells how).
#include <gst/gst.h>
#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <map>
#include <numbers>
#include <thread>

#include "speakerdetect/knownvoices.h"
#include "speakerdetect/melfeatures.h"
#include "speakerdetect/voiceembedder.h"

namespace speakerdetect {
namespace {

/* Twenty harmonics, with four syllables a second. */
std::vector<float> hum(size_t count, double pitch_hz) {
  std::vector<float> samples(count);
  for (size_t i = 0; i < count; i++) {
    const double t = double(i) / 16000;
    double sum = 0;
    for (int h = 1; h <= 20; h++) sum += std::sin(2 * std::numbers::pi * h * pitch_hz * t + h) / h;
    samples[i] = float(0.05 * sum * (0.6 + 0.4 * std::sin(2 * std::numbers::pi * 4 * t)));
  }
  return samples;
}

std::vector<const VoiceKernel*> kernels() {
  std::vector<const VoiceKernel*> all = {&kPortableVoiceKernel};
  if (&fastest_voice_kernel() != &kPortableVoiceKernel) all.push_back(&fastest_voice_kernel());
  return all;
}

TEST(MelFeatures, AreThoseOfTheReference) {
  const std::map<size_t, std::map<size_t, double>> wanted = {{0,
                                                              {{0, 0.0210944},
                                                               {1, 0.0474643},
                                                               {2, 0.0147108},
                                                               {5, 0.00255225},
                                                               {10, 0.00132311},
                                                               {20, 0.000209914},
                                                               {30, 1.34305e-05},
                                                               {39, 6.33174e-06}}},
                                                             {5,
                                                              {{0, 0.095324},
                                                               {1, 0.345022},
                                                               {2, 0.0776569},
                                                               {5, 0.0374398},
                                                               {10, 0.00741928},
                                                               {20, 0.00161993}}},
                                                             {10,
                                                              {{0, 0.0386992},
                                                               {1, 0.0947433},
                                                               {2, 0.0482542},
                                                               {5, 0.031177},
                                                               {10, 0.00308456},
                                                               {20, 0.000535945},
                                                               {30, 2.60796e-05},
                                                               {39, 1.2287e-05}}}};
  for (const VoiceKernel* kernel : kernels()) {
    const std::vector<float> mel = MelFeatures(*kernel).run(hum(1600, 140));
    ASSERT_EQ(mel.size(), 11 * kMelBands);
    for (const auto& [frame, bands] : wanted) {
      for (const auto& [band, value] : bands) {
        EXPECT_NEAR(double(mel[frame * kMelBands + band]), value, value * 1e-3 + 1e-9)
            << "frame " << frame << ", band " << band;
      }
    }
  }
}

TEST(MelFeatures, OfAnyLength) {
  const MelFeatures features;
  for (const size_t length : {0, 1, 159, 160, 399, 400, 401}) {
    EXPECT_EQ(features.run(std::vector<float>(length, 0.5F)).size(),
              MelFeatures::frames_of(length) * kMelBands);
  }
  for (const float value : features.run(std::vector<float>(800))) EXPECT_EQ(value, 0);
}

TEST(VoiceKernel, LstmOfOneCellByHand) {
  // Gates in the order in, forget, cell, out; input weight, recurrent weight, bias.
  const float input[] = {0.5F, -0.25F, 1.0F, 0.75F};
  const float recurrent[] = {0.1F, 0.2F, -0.3F, 0.4F};
  const float bias[] = {0.05F, 1.0F, -0.1F, 0.2F};
  const float frames[] = {1.0F, -2.0F, 0.5F};
  double state = 0;
  double hidden = 0;
  double wanted[3];
  const auto logistic = [](double x) { return 1 / (1 + std::exp(-x)); };
  for (int t = 0; t < 3; t++) {
    const auto gate = [&](int g) {
      return double(input[g]) * double(frames[t]) + double(recurrent[g]) * hidden + double(bias[g]);
    };
    const double out = logistic(gate(3));
    state = logistic(gate(1)) * state + logistic(gate(0)) * std::tanh(gate(2));
    hidden = out * std::tanh(state);
    wanted[t] = hidden;
  }
  for (const VoiceKernel* kernel : kernels()) {
    float gates[12];
    float result[3];
    kernel->run_lstm({input, recurrent, bias, 1, 1}, frames, 3, gates, result);
    for (int t = 0; t < 3; t++) EXPECT_NEAR(double(result[t]), wanted[t], 1e-6);
  }
}

class VoiceNetwork : public ::testing::Test {
 protected:
  void SetUp() override {
    const speech::SpeechFiles files = speech::find_speech_files("");
    if (!speech::missing_files({files.voices}).empty()) {
      GTEST_SKIP() << "the voice model is not installed (tools/setup)";
    }
    std::string error;
    network_ = load_resemblyzer(files.voices, error);
    ASSERT_TRUE(network_) << error;
  }
  std::shared_ptr<VoiceEmbedder> network_;
};

TEST_F(VoiceNetwork, GivesTheNumbersOfTheReference) {
  struct Wanted {
    double pitch_hz;
    size_t samples;
    std::map<size_t, double> largest;
    int zeros;
  };
  const Wanted all[] = {{140,
                         25600,
                         {{246, 0.3067},
                          {122, 0.22154},
                          {146, 0.21509},
                          {36, 0.17525},
                          {111, 0.17243},
                          {92, 0.16961},
                          {189, 0.16154},
                          {218, 0.15764}},
                         137},
                        {220,
                         25600,
                         {{246, 0.26143},
                          {28, 0.25009},
                          {218, 0.20144},
                          {195, 0.19574},
                          {92, 0.19463},
                          {150, 0.19172},
                          {244, 0.17343},
                          {11, 0.16723}},
                         129},
                        {140,
                         12800,
                         {{246, 0.26006},
                          {122, 0.19798},
                          {146, 0.18938},
                          {111, 0.1824},
                          {189, 0.17815},
                          {248, 0.17104},
                          {92, 0.16843},
                          {182, 0.16612}},
                         116}};
  for (const Wanted& wanted : all) {
    const Embedding embedding = network_->embed(hum(wanted.samples, wanted.pitch_hz));
    ASSERT_EQ(embedding.size(), 256U);
    EXPECT_NEAR(double(likeness(embedding, embedding)), 1, 1e-5);
    for (const auto& [index, value] : wanted.largest) {
      EXPECT_NEAR(double(embedding[index]), value, 2e-3) << index;
    }
    EXPECT_NEAR(double(std::count(embedding.begin(), embedding.end(), 0.0F)), wanted.zeros, 3);
  }
}

TEST_F(VoiceNetwork, LoudnessDoesNotMatter) {
  std::vector<float> loud = hum(25600, 180);
  const Embedding one = network_->embed(loud);
  for (float& sample : loud) sample *= 0.02F;
  EXPECT_GT(likeness(one, network_->embed(loud)), 0.9999F);
}

TEST_F(VoiceNetwork, SilenceIsNoVoice) {
  EXPECT_TRUE(network_->embed(std::vector<float>(16000)).empty());
  EXPECT_TRUE(network_->embed({}).empty());
}

TEST_F(VoiceNetwork, IsSharedAndUsedFromManyThreads) {
  std::string error;
  EXPECT_EQ(load_resemblyzer(speech::find_speech_files("").voices, error), network_);
  const std::vector<float> samples = hum(12800, 140);
  const Embedding wanted = network_->embed(samples);
  std::vector<std::thread> threads;
  std::vector<Embedding> got(3);
  for (Embedding& one : got) {
    threads.emplace_back([&] { one = network_->embed(samples); });
  }
  for (std::thread& thread : threads) thread.join();
  for (const Embedding& one : got) EXPECT_EQ(one, wanted);
}

TEST_F(VoiceNetwork, PeopleAreMoreLikeThemselvesThanLikeOthers) {
  const char* data = std::getenv("ROOMAUDIO_TEST_DATA");
  ASSERT_NE(data, nullptr);
  const auto silero = [] {
    std::string error;
    return speech::load_silero(speech::find_speech_files("").voice_activity, error);
  }();
  ASSERT_TRUE(silero);
  std::map<std::string, std::vector<Embedding>> people;
  for (const auto& person :
       std::filesystem::directory_iterator(std::filesystem::path(data) / "voices")) {
    if (!person.is_directory()) continue;
    for (const auto& file : std::filesystem::directory_iterator(person.path())) {
      std::vector<float> samples;
      std::string error;
      ASSERT_TRUE(read_recording(file.path(), samples, error)) << file.path() << ": " << error;
      people[person.path().filename()].push_back(
          take_voice("", samples, *network_, silero).embedding);
      if (people[person.path().filename()].size() == 2) break;
    }
  }
  ASSERT_GE(people.size(), 10U);
  for (const auto& [name, own] : people) {
    ASSERT_EQ(own.size(), 2U);
    for (const auto& [other, others] : people) {
      if (other == name) continue;
      EXPECT_GT(likeness(own[0], own[1]), likeness(own[0], others[1])) << name << ", " << other;
    }
  }
}

/* A model that says what the features of sherpa-onnx are on average: enough to see that it is run.
 */
TEST(OnnxVoices, AModelOfTheUserIsRun) {
  const char* data = std::getenv("ROOMAUDIO_TEST_DATA");
  ASSERT_NE(data, nullptr);
  const speech::SpeechFiles files = speech::find_speech_files("");
  if (!speech::missing_files({files.runtime}).empty()) {
    GTEST_SKIP() << "the speech runtime is not installed (tools/setup)";
  }
  const auto folder = std::filesystem::path(data) / "voices";
  std::string error;
  const auto network = load_onnx_voices(files, folder / "mean-of-features.onnx", error);
  ASSERT_TRUE(network) << error;
  const Embedding low = network->embed(hum(16000, 120));
  ASSERT_EQ(low.size(), 80U);
  EXPECT_NEAR(double(likeness(low, low)), 1, 1e-5);
  EXPECT_GT(likeness(low, network->embed(hum(24000, 120))), 0.999F);
  EXPECT_LT(likeness(low, network->embed(hum(16000, 300))), 0.99F);
  EXPECT_TRUE(network->embed({}).empty());

  EXPECT_FALSE(load_onnx_voices(files, folder / "README.md", error));
  EXPECT_NE(error.find("README.md"), std::string::npos);
  EXPECT_FALSE(load_onnx_voices(files, folder / "not-there.onnx", error));
}

TEST(VoiceNetworkFile, DamagedOnesAreRefused) {
  const auto path = std::filesystem::temp_directory_path() /
                    ("voices-" + std::to_string(getpid()) + ".safetensors");
  std::string error;
  EXPECT_FALSE(load_resemblyzer(path, error));
  EXPECT_NE(error.find("tools/setup"), std::string::npos);
  for (const std::string& content :
       {std::string("\x10\0\0\0\0\0\0\0{}", 10), std::string(5, 'x')}) {
    std::ofstream(path, std::ios::binary) << content;
    error.clear();
    EXPECT_FALSE(load_resemblyzer(path, error));
    EXPECT_NE(error.find("tools/setup"), std::string::npos);
  }
  std::filesystem::remove(path);
}

}  // namespace
}  // namespace speakerdetect

int main(int argc, char** argv) {
  gst_init(&argc, &argv);
  ::testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}
