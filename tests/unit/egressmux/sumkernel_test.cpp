// The inner loops against numbers that can be checked in the head.
#include "sumkernel.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

namespace egressmux {
namespace {

using Floats = std::vector<float>;

TEST(SumKernel, StereoIsAddedSampleBySample) {
  Floats mix = {1, 2, 3, 4};
  const int16_t input[] = {10, -20, 30, -32768};
  add_s16(mix.data(), input, 2, 2, {});
  EXPECT_EQ(mix, (Floats{11, -18, 33, -32764}));
}

TEST(SumKernel, MonoGoesToBothSides) {
  Floats mix(4, 0.0f);
  const int16_t input[] = {7, -9};
  add_s16(mix.data(), input, 2, 1, {});
  EXPECT_EQ(mix, (Floats{7, 7, -9, -9}));
}

TEST(SumKernel, NoFramesAndNoInputsChangeNothing) {
  Floats mix = {5, 6};
  add_s16(mix.data(), nullptr, 0, 2, {0.3f, 0.9f});
  add_f32(mix.data(), nullptr, 0, 1, {});
  EXPECT_EQ(mix, (Floats{5, 6}));
  const Range range = find_range(mix.data(), 0);
  EXPECT_EQ(range.lowest, 0.0f);
  EXPECT_EQ(range.highest, 0.0f);
}

TEST(SumKernel, SilentGainAddsNothingAndUnityIsExact) {
  Floats mix(2, 0.0f);
  const int16_t input[] = {32767, -32768};
  add_s16(mix.data(), input, 1, 2, {0.0f, 0.0f});
  EXPECT_EQ(mix, (Floats{0, 0}));
  add_s16(mix.data(), input, 1, 2, {1.0f, 1.0f});
  EXPECT_EQ(mix, (Floats{32767, -32768}));
}

TEST(SumKernel, GainRampsEvenlyAndArrives) {
  Floats mix(8, 0.0f);
  const int16_t input[] = {1000, 1000, 1000, 1000};
  add_s16(mix.data(), input, 4, 1, {0.0f, 1.0f});
  EXPECT_EQ(mix, (Floats{250, 250, 500, 500, 750, 750, 1000, 1000}));
}

TEST(SumKernel, FloatHasTheSameScale) {
  Floats mix(2, 0.0f);
  const float input[] = {0.5f, -1.0f};
  add_f32(mix.data(), input, 1, 2, {});
  EXPECT_EQ(mix, (Floats{16384, -32768}));
}

TEST(SumKernel, BrokenFloatsAreSilence) {
  Floats mix(8, 0.0f);
  const float input[] = {std::numeric_limits<float>::quiet_NaN(),
                         std::numeric_limits<float>::infinity(),
                         -std::numeric_limits<float>::infinity(), 1e30f};
  add_f32(mix.data(), input, 4, 1, {});
  EXPECT_EQ(mix, Floats(8, 0.0f));
  EXPECT_EQ(level_dbov_f32(input, 4), -127.0);
}

TEST(SumKernel, ManyFullScaleTalkersStayExact) {
  Floats mix(2, 0.0f);
  const int16_t input[] = {-32768, 32767};
  for (int i = 0; i < 512; ++i) add_s16(mix.data(), input, 1, 2, {});
  EXPECT_EQ(mix, (Floats{-32768.0f * 512, 32767.0f * 512}));
}

TEST(SumKernel, EveryShortSurvivesTheRoundTrip) {
  std::vector<int16_t> input(65536 * 2);
  for (int i = 0; i < 65536; ++i)
    input[size_t(2 * i)] = input[size_t(2 * i + 1)] = int16_t(i - 32768);
  Floats mix(input.size(), 0.0f);
  add_s16(mix.data(), input.data(), 65536, 2, {});
  std::vector<int16_t> output(input.size());
  store_s16(output.data(), mix.data(), mix.size());
  EXPECT_EQ(output, input);
  Floats floats(mix.size());
  store_f32(floats.data(), mix.data(), mix.size());
  EXPECT_EQ(floats[0], -1.0f);
}

TEST(SumKernel, StoringRoundsAndHolds) {
  const Floats mix = {0.4f, 0.6f, -0.6f, 40000.0f, -40000.0f, 32767.4f};
  int16_t output[6];
  store_s16(output, mix.data(), mix.size());
  const int16_t expected[] = {0, 1, -1, 32767, -32768, 32767};
  for (size_t i = 0; i < mix.size(); ++i) EXPECT_EQ(output[i], expected[i]) << i;
}

TEST(SumKernel, RangeFoldAndLevels) {
  Floats mix = {10, 20, -30, 50};
  const Range range = find_range(mix.data(), mix.size());
  EXPECT_EQ(range.lowest, -30.0f);
  EXPECT_EQ(range.highest, 50.0f);
  fold_to_mono(mix.data(), 2);
  EXPECT_EQ(mix[0], 15.0f);
  EXPECT_EQ(mix[1], 10.0f);

  const int16_t square[] = {-32768, -32768, -32768, -32768};
  EXPECT_DOUBLE_EQ(level_dbov_s16(square, 4), 0.0);
  const int16_t half[] = {16384, -16384};
  EXPECT_NEAR(level_dbov_s16(half, 2), -6.02, 0.01);
  EXPECT_EQ(level_dbov_s16(half, 0), -127.0);
  const float tenth[] = {0.1f, -0.1f};
  EXPECT_NEAR(level_dbov_f32(tenth, 2), -20.0, 0.01);
  EXPECT_NEAR(level_after_gain(-20.0, 0.5), -26.02, 0.01);
  EXPECT_EQ(level_after_gain(-20.0, 0.0), -127.0);
  EXPECT_EQ(level_after_gain(-3.0, 10.0), 0.0);
}

TEST(SumKernel, GainInPlace) {
  Floats samples = {0.5f, 0.5f, 0.5f, 0.5f};
  apply_gain_f32(samples.data(), 2, 2, {1.0f, 0.0f});
  EXPECT_EQ(samples, (Floats{0.25f, 0.25f, 0.0f, 0.0f}));
}

}  // namespace
}  // namespace egressmux
