// The voice activity network against the numbers that ONNX Runtime gives, and the product under it.
#include "speech/silerovad.h"

#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <numbers>

#include "speech/matrix.h"
#include "speech/speechfiles.h"
#include "wavfile.h"

namespace speech {
namespace {

TEST(Matrix, KnownProductAndBothKernelsAgree) {
  std::vector<float> weights(3 * 16);
  for (size_t i = 0; i < 3; i++) {
    for (size_t o = 0; o < 16; o++) {
      weights[i * 16 + o] = static_cast<float>(i + 1) * static_cast<float>(o);
    }
  }
  const std::vector<float> values = {1, 10, 100, 1000, 2, 3};
  for (const Multiply multiply : {portable_multiply(), fastest_multiply()}) {
    for (const size_t rows : {1u, 2u, 4u}) {
      std::vector<float> results(4 * 16, -1);
      multiply({weights.data(), 3, 16}, {values.data(), 1}, results.data(), rows);
      const float sums[] = {321, 3210};
      EXPECT_EQ(results[1], sums[0]);
      EXPECT_EQ(results[15], 15 * sums[0]);
      if (rows > 1) {
        EXPECT_EQ(results[16 + 2], 2 * sums[1]);
      }
      if (rows == 4) {
        EXPECT_EQ(results[2 * 16 + 1], 100 + 2 * 1000 + 3 * 2);
        EXPECT_EQ(results[3 * 16 + 1], 1000 + 2 * 2 + 3 * 3);
      } else {
        EXPECT_EQ(results[rows * 16], -1);
      }
    }
  }
}

class SileroVadTest : public ::testing::Test {
 protected:
  void SetUp() override {
    const SpeechFiles files = find_speech_files("");
    if (!missing_files({files.voice_activity}).empty()) {
      GTEST_SKIP() << files.voice_activity << " is not installed (tools/setup)";
    }
    std::string error;
    weights_ = load_silero(files.voice_activity, error);
    ASSERT_TRUE(weights_) << error;
  }
  std::shared_ptr<const SileroWeights> weights_;
};

// Harmonics of a voice-like pitch, loudness going up and down four times a second.
std::vector<float> made_up_voice(size_t windows) {
  std::vector<float> samples(windows * kWindowSamples);
  double phase = 0;
  const double pi2 = 2 * std::numbers::pi;
  for (size_t k = 0; k < samples.size(); k++) {
    const double t = static_cast<double>(k) / 16000;
    phase += pi2 * (120 + 20 * std::sin(pi2 * 3 * t)) / 16000;
    const double envelope = 0.15 * (0.5 + 0.5 * std::sin(pi2 * 4 * t));
    double sum = 0;
    for (int h = 1; h < 16; h++) sum += std::sin(h * phase) / std::pow(h, 0.8);
    samples[k] = static_cast<float>(envelope * sum / 2);
  }
  return samples;
}

TEST_F(SileroVadTest, GivesTheNumbersOfTheOnnxFile) {
  const float expected[] = {0.2352F, 0.1121F, 0.0353F, 0.0178F, 0.0337F, 0.0736F, 0.1018F, 0.0207F,
                            0.1058F, 0.0250F, 0.0073F, 0.0044F, 0.0167F, 0.0412F, 0.0290F, 0.0050F,
                            0.0054F, 0.0027F, 0.0019F, 0.0089F, 0.0128F, 0.0243F, 0.0403F, 0.0055F};
  const std::vector<float> samples = made_up_voice(24);
  SileroVad vad(weights_);
  for (int round = 0; round < 2; round++) {
    for (size_t i = 0; i < 24; i++) {
      const auto window = std::span(samples).subspan(i * kWindowSamples, kWindowSamples);
      EXPECT_NEAR(vad.probability(window), expected[i], 1e-3) << "window " << i;
    }
    vad.reset();
  }
}

TEST_F(SileroVadTest, IsSharedWhileHeld) {
  std::string error;
  EXPECT_EQ(load_silero(find_speech_files("").voice_activity, error), weights_);
}

TEST(SileroVad, DamagedFilesAreRefused) {
  const std::string path = ::testing::TempDir() + "damaged.safetensors";
  const std::string contents[] = {
      "", "1234567", std::string("\xff\xff\xff\xff\xff\xff\xff\x7f{}", 10),
      std::string("\x02\0\0\0\0\0\0\0{}", 10),
      std::string("\x40\0\0\0\0\0\0\0", 8) +
          "{\"stft_conv.weight\":{\"data_offsets\":[0,264192]}}              "};
  for (const std::string& content : contents) {
    std::ofstream(path, std::ios::binary) << content;
    std::string error;
    EXPECT_FALSE(load_silero(path, error));
    EXPECT_NE(error.find("tools/setup"), std::string::npos);
  }
}

// Counts what gets through the gate.
class Counter : public VoiceActivity {
 public:
  explicit Counter(int& calls, int& resets) : calls_(calls), resets_(resets) {}
  float probability(std::span<const float>) override {
    calls_++;
    return 0.8F;
  }
  void reset() override { resets_++; }

 private:
  int& calls_;
  int& resets_;
};

TEST(GatedVoiceActivity, QuietWindowsAreNoSpeechAndSoonCostNothing) {
  int calls = 0;
  int resets = 0;
  GatedVoiceActivity gate(std::make_unique<Counter>(calls, resets));
  const std::vector<float> loud(kWindowSamples, 0.01F);
  const std::vector<float> quiet(kWindowSamples, 0.0005F);  // -66 dBov
  for (int i = 0; i < 1000; i++) EXPECT_EQ(gate.probability(quiet), 0);
  EXPECT_EQ(calls, 0);
  EXPECT_EQ(gate.probability(loud), 0.8F);
  const int warm_up = calls - 1;
  EXPECT_GT(warm_up, 0);
  for (int i = 0; i < 1000; i++) EXPECT_EQ(gate.probability(quiet), 0);
  EXPECT_EQ(calls, warm_up + 1 + 31);
  EXPECT_EQ(gate.probability(loud), 0.8F);
  EXPECT_EQ(calls, warm_up + 1 + 31 + 1);
  EXPECT_EQ(resets, 0);
  gate.reset();
  EXPECT_EQ(resets, 1);
  EXPECT_EQ(gate.probability(loud), 0.8F);
  EXPECT_EQ(calls, 2 * (warm_up + 1) + 31 + 1);
}

// A track that was muted, or silent with DTX, and one that begins with speech.
TEST_F(SileroVadTest, TheFirstWordsAfterSilenceAreNotDoubted) {
  const auto file = find_speech_files("").directory / "moonshine_voice" / "assets" / "beckett.wav";
  const std::vector<float> clip = read_wav(file, kSampleRateHz);
  ASSERT_FALSE(clip.empty());
  size_t onset = 0;  // in windows
  const auto window = [&](size_t i) {
    return std::span(clip).subspan(i * kWindowSamples, kWindowSamples);
  };
  while (level_dbov(window(onset)) < -40) onset++;
  const std::vector<float> silence(kWindowSamples);
  GatedVoiceActivity gate(std::make_unique<SileroVad>(weights_));
  for (int round = 0; round < 3; round++) {
    for (size_t i = onset; i < onset + 20; i++) {
      EXPECT_GT(gate.probability(window(i)), 0.5) << "round " << round << ", window " << i - onset;
    }
    for (int i = 0; i < 3000; i++) EXPECT_EQ(gate.probability(silence), 0);
  }
}

TEST(Level, KnownValues) {
  EXPECT_DOUBLE_EQ(level_dbov(std::vector<float>(100)), -127);
  EXPECT_NEAR(level_dbov(std::vector<float>(100, 1.0F)), 0, 1e-6);
  EXPECT_NEAR(level_dbov(std::vector<float>(100, -0.1F)), -20, 1e-4);
  EXPECT_DOUBLE_EQ(level_dbov(std::vector<float>(100, 9.0F)), 0);
}

}  // namespace
}  // namespace speech
