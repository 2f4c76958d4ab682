// SPDX-License-Identifier: LGPL-2.1-or-later
#include "gst/livekit/samplekernels.h"

#include <gtest/gtest.h>

#include <cmath>
#include <numbers>
#include <vector>

namespace livekit {
namespace {

const SampleLayout kS16Mono{SampleType::kS16, 48000, 1};
const SampleLayout kF32Stereo{SampleType::kF32, 48000, 2};

template <typename Sample>
uint8_t* raw(std::vector<Sample>& samples) {
  return reinterpret_cast<uint8_t*>(samples.data());
}

TEST(SampleKernels, MeanSquareOfNothingIsZero) {
  EXPECT_EQ(mean_square(kS16Mono, nullptr, 0), 0.0);
}

TEST(SampleKernels, MeanSquareOfOddCounts) {
  for (const size_t frames : {1u, 2u, 3u, 7u, 8u, 17u, 480u}) {
    std::vector<int16_t> samples(frames, -32768);
    EXPECT_DOUBLE_EQ(mean_square(kS16Mono, raw(samples), frames), 1.0) << frames;
  }
  std::vector<float> samples(34, 0.5F);
  EXPECT_DOUBLE_EQ(mean_square(kF32Stereo, raw(samples), 17), 0.25);
}

TEST(SampleKernels, LevelIsBounded) {
  EXPECT_EQ(level_dbov(0.0), -127.0);
  EXPECT_EQ(level_dbov(1e-30), -127.0);
  EXPECT_EQ(level_dbov(4.0), 0.0);
  EXPECT_EQ(level_dbov(std::nan("")), -127.0);
  EXPECT_NEAR(level_dbov(0.01), -20.0, 1e-9);
}

TEST(SampleKernels, SilenceIsExact) {
  std::vector<int16_t> samples(200);
  EXPECT_TRUE(is_digital_silence(raw(samples), 400));
  EXPECT_EQ(leading_silent_frames(kS16Mono, raw(samples), 200), 200u);
  samples[131] = 1;
  EXPECT_FALSE(is_digital_silence(raw(samples), 400));
  EXPECT_EQ(leading_silent_frames(kS16Mono, raw(samples), 200), 131u);
  std::vector<int16_t> same(100, 0x0101);
  EXPECT_FALSE(is_digital_silence(raw(same), 200));
  EXPECT_TRUE(is_digital_silence(nullptr, 0));
}

TEST(SampleKernels, CrossFadeGoesFromOneToTheOther) {
  std::vector<int16_t> from(99, 1000);
  std::vector<int16_t> to(99, -1000);
  std::vector<int16_t> out(99);
  cross_fade(kS16Mono, raw(out), raw(from), raw(to), 99);
  EXPECT_EQ(out.front(), 980);
  EXPECT_EQ(out[49], 0);
  EXPECT_EQ(out.back(), -980);
}

TEST(SampleKernels, FadesDoNotOverflow) {
  std::vector<int16_t> samples(96, -32768);
  fade_in(kS16Mono, raw(samples), 96);
  EXPECT_GT(samples.front(), -400);
  EXPECT_LT(samples.back(), -32000);
  fade_out(kS16Mono, raw(samples), 96);
  EXPECT_GT(samples.back(), -400);
}

TEST(SampleKernels, CutIsAWholePeriod) {
  for (const double hz : {90.0, 150.0, 200.0}) {
    std::vector<int16_t> samples(1000);
    for (size_t i = 0; i < samples.size(); ++i) {
      samples[i] = int16_t(10000 * std::sin(2 * std::numbers::pi * hz * double(i) / 48000));
    }
    const Cut cut = best_cut(kS16Mono, raw(samples), 240, 240, 720);
    const double period = 48000.0 / hz;
    const double off =
        std::abs(double(cut.frames) / period - std::round(double(cut.frames) / period));
    EXPECT_LT(off, 0.02) << hz << " Hz, " << cut.frames;
    EXPECT_GT(cut.similarity, 0.98);
    EXPECT_GE(cut.frames, 240u);
    EXPECT_LE(cut.frames, 720u);
  }
}

TEST(SampleKernels, CutOfSilenceIsTheLongest) {
  std::vector<int16_t> samples(1000);
  EXPECT_EQ(best_cut(kS16Mono, raw(samples), 240, 240, 720).frames, 720u);
}

TEST(SampleKernels, ImpossibleSamplesBecomeSilent) {
  std::vector<float> samples = {1.0F, std::nanf(""), -INFINITY, 2000.0F, -1.5F, 0.0F};
  EXPECT_EQ(replace_impossible_samples(kF32Stereo, raw(samples), 3), 3u);
  EXPECT_EQ(samples, (std::vector<float>{1.0F, 0.0F, 0.0F, 0.0F, -1.5F, 0.0F}));
}

}  // namespace
}  // namespace livekit
