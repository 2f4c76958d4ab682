// The limiter: never above full scale, never a step, and nothing at all when nothing is too loud.
#include "limiter.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <complex>
#include <numbers>
#include <vector>

#include "sumkernel.h"

namespace egressmux {
namespace {

constexpr int kRate = 48000;
constexpr size_t kSlice = 480;
using Floats = std::vector<float>;

float sine(double frequency, double amplitude, size_t frame, double phase = 0.0) {
  return float(amplitude *
               std::sin(2.0 * std::numbers::pi * frequency * double(frame) / kRate + phase));
}

Floats run_in_slices(Limiter* limiter, Floats samples) {
  for (size_t at = 0; at < samples.size(); at += kSlice)
    limiter->process(samples.data() + at, std::min(kSlice, samples.size() - at), 1);
  return samples;
}

double largest_step(const Floats& samples, size_t from = 0) {
  double largest = 0.0;
  for (size_t i = from + 1; i < samples.size(); ++i)
    largest = std::max(largest, double(std::fabs(samples[i] - samples[i - 1])));
  return largest;
}

// Power of everything but the tone at @frequency, over the power of the tone. Whole periods only.
double distortion(const Floats& samples, size_t from, size_t count, double frequency) {
  std::complex<double> tone = 0.0;
  double power = 0.0;
  for (size_t i = 0; i < count; ++i) {
    const double sample = double(samples[from + i]);
    tone += sample * std::polar(1.0, -2.0 * std::numbers::pi * frequency * double(i) / kRate);
    power += sample * sample;
  }
  const double tone_power = 2.0 * std::norm(tone) / double(count);
  return std::sqrt(std::max(0.0, power - tone_power) / tone_power);
}

TEST(Limiter, WhatFitsPassesBitForBit) {
  Limiter limiter(kRate);
  Floats samples(48000);
  for (size_t i = 0; i < samples.size(); ++i) samples[i] = std::round(sine(997.0, 32767.0, i));
  samples[100] = -32768.0f;
  EXPECT_EQ(run_in_slices(&limiter, samples), samples);
  EXPECT_EQ(limiter.limited_slices(), 0u);
  EXPECT_EQ(limiter.lowest_gain(), 1.0f);
}

TEST(Limiter, NoSamplesIsNoTrouble) {
  Limiter limiter(kRate);
  limiter.process(nullptr, 0, 2);
  limiter.rest(0);
  EXPECT_EQ(limiter.gain(), 1.0f);
}

TEST(Limiter, FiftyTalkersNeitherWrapNorCrackle) {
  Limiter limiter(kRate);
  constexpr int kTalkers = 50;
  Floats sum(2 * kRate, 0.0f);
  // Fifty full-scale voices in one tone: the worst there is, 34 dB too loud.
  for (size_t i = 0; i < sum.size(); ++i) sum[i] = kTalkers * sine(440.0, 32767.0, i);
  const Floats out = run_in_slices(&limiter, sum);
  for (float sample : out) {
    ASSERT_LE(sample, 32767.0f);
    ASSERT_GE(sample, -32768.0f);
  }
  // The ideal: the same tone at full scale. Once settled the output is it, with a little ripple.
  const double ideal_step = 2.0 * std::numbers::pi * 440.0 / kRate * 32767.0;
  EXPECT_LT(largest_step(out, 4800), 1.05 * ideal_step);
  EXPECT_LT(distortion(out, 48000, 48000, 440.0), 0.01);
  const auto [lowest, highest] = std::minmax_element(out.begin() + 4800, out.end());
  EXPECT_GT(*highest, 30000.0f);
  EXPECT_LT(*lowest, -30000.0f);
  // From the very first sample on there is no step larger than the unlimited wave's own start.
  EXPECT_LT(largest_step(out), 1.05 * kTalkers * ideal_step);
}

TEST(Limiter, FiftyDifferentVoicesHaveNoStepBeyondTheIdealScaledSum) {
  Limiter limiter(kRate);
  Floats sum(2 * kRate, 0.0f);
  for (int talker = 0; talker < 50; ++talker)
    for (size_t i = 0; i < sum.size(); ++i)
      sum[i] += sine(150.0 + 37.0 * talker, 32767.0, i, 0.7 * talker);
  const float peak = std::max(*std::max_element(sum.begin(), sum.end()),
                              -*std::min_element(sum.begin(), sum.end()));
  const Floats out = run_in_slices(&limiter, sum);
  const double ideal = largest_step(sum) * 32767.0 / double(peak);
  // The gain is never much lower than the loudest moment of all needs, nor much higher.
  EXPECT_LT(largest_step(out, 4800), 3.0 * ideal);
  for (float sample : out) ASSERT_LE(std::fabs(sample), 32768.0f);
}

TEST(Limiter, LooksAheadInsideTheSlice) {
  Limiter limiter(kRate);
  Floats slice(kSlice, 1000.0f);
  for (size_t i = 240; i < kSlice; ++i) slice[i] = 65534.0f;
  const Floats out = run_in_slices(&limiter, slice);
  EXPECT_LE(*std::max_element(out.begin(), out.end()), 32767.0f);
  // Already lower in the millisecond before, untouched long before.
  EXPECT_EQ(out[0], 1000.0f);
  EXPECT_LT(out[239], 501.0f);
  EXPECT_NEAR(double(out[240]), 32767.0, 1.0);
  EXPECT_NEAR(double(limiter.gain()), 0.5, 0.001);
}

TEST(Limiter, GainComesBackSlowlyAndFully) {
  Limiter limiter(kRate);
  Floats loud(kSlice, 65534.0f);
  limiter.process(loud.data(), kSlice, 1);
  ASSERT_NEAR(double(limiter.gain()), 0.5, 0.001);
  Floats quiet(kSlice, 100.0f);
  Floats out = run_in_slices(&limiter, quiet);
  EXPECT_NEAR(double(out[0]), 50.0, 0.1) << "held for 20 ms";
  for (int slice = 0; slice < 10; ++slice) out = run_in_slices(&limiter, quiet);
  // 110 ms after the peak, of which 20 ms held: 90 ms at 30 dB a second.
  EXPECT_NEAR(20.0 * std::log10(double(limiter.gain())), -6.02 + 2.7, 0.1);
  for (int slice = 0; slice < 20; ++slice) out = run_in_slices(&limiter, quiet);
  EXPECT_EQ(limiter.gain(), 1.0f);
  EXPECT_EQ(run_in_slices(&limiter, quiet), quiet);
}

TEST(Limiter, SilenceLetsItRecoverToo) {
  Limiter limiter(kRate);
  Floats loud(kSlice, 65534.0f);
  limiter.process(loud.data(), kSlice, 1);
  limiter.rest(kRate);
  EXPECT_EQ(limiter.gain(), 1.0f);
}

TEST(Limiter, BothSidesOfStereoGetOneGain) {
  Limiter limiter(kRate);
  Floats stereo(2 * kSlice);
  for (size_t i = 0; i < kSlice; ++i) {
    stereo[2 * i] = 65534.0f;
    stereo[2 * i + 1] = 1000.0f;
  }
  limiter.process(stereo.data(), kSlice, 2);
  EXPECT_NEAR(double(stereo[2 * kSlice - 2]), 32767.0, 1.0);
  EXPECT_NEAR(double(stereo[2 * kSlice - 1]), 500.0, 0.1);
}

TEST(Limiter, FloatsMayReachFullScaleExactly) {
  Limiter limiter(kRate);
  limiter.set_highest(kFullScale);
  Floats samples(kSlice, kFullScale);
  EXPECT_EQ(run_in_slices(&limiter, samples), samples);
}

// One infinite sample of one source would silence all others for ever.
TEST(Limiter, AFaultDoesNotSilenceTheOthers) {
  for (const float fault : {HUGE_VALF, -HUGE_VALF, 1e38f, NAN}) {
    Limiter limiter(kRate);
    Floats samples(3 * kRate, 1000.0f);
    samples[100] = fault;
    const Floats out = run_in_slices(&limiter, samples);
    EXPECT_EQ(out.back(), 1000.0f) << fault;
  }
}

TEST(Limiter, OddSliceLengthsStayInside) {
  for (size_t frames : {size_t(1), size_t(7), size_t(47), size_t(49), size_t(481)}) {
    Limiter limiter(kRate);
    for (int slice = 0; slice < 20; ++slice) {
      Floats samples(frames);
      for (size_t i = 0; i < frames; ++i)
        samples[i] = sine(333.0, 5.0 * 32767.0, size_t(slice) * frames + i);
      limiter.process(samples.data(), frames, 1);
      for (float sample : samples) ASSERT_LE(std::fabs(sample), 32768.0f) << frames;
    }
  }
}

}  // namespace
}  // namespace egressmux
