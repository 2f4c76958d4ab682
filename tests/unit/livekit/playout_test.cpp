// SPDX-License-Identifier: LGPL-2.1-or-later
// The time line of a track, with time as the test's own: one call of next_slice() is one slice.
#include "gst/livekit/playout.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <deque>
#include <numbers>
#include <random>

namespace livekit {
namespace {

constexpr size_t kSlice = 480;  // 10 ms at 48 kHz

PlayoutConfig mono() {
  PlayoutConfig config;
  config.layout = {SampleType::kS16, 48000, 1};
  return config;
}

std::span<const uint8_t> bytes_of(const std::vector<int16_t>& samples) {
  return {reinterpret_cast<const uint8_t*>(samples.data()), samples.size() * 2};
}

// A ramp from `first` on, so that any sample tells its place.
std::vector<int16_t> ramp(size_t frames, int first) {
  std::vector<int16_t> samples(frames);
  for (size_t i = 0; i < frames; ++i) samples[i] = int16_t(1 + (first + int(i)) % 30000);
  return samples;
}

std::vector<int16_t> sine(size_t frames, double hz, double amplitude, size_t offset = 0) {
  std::vector<int16_t> samples(frames);
  for (size_t i = 0; i < frames; ++i) {
    samples[i] = int16_t(
        std::lrint(amplitude * std::sin(2 * std::numbers::pi * hz * double(i + offset) / 48000.0)));
  }
  return samples;
}

std::vector<int16_t> heard(const Slice& slice, size_t frames = kSlice) {
  std::vector<int16_t> samples(frames);
  if (slice.data) std::memcpy(samples.data(), slice.data, frames * 2);
  return samples;
}

TEST(Playout, EmptyGivesNothingAndCountsNothing) {
  Playout playout(mono());
  for (int i = 0; i < 100; ++i) {
    EXPECT_EQ(playout.next_slice(kSlice).kind, Slice::Kind::kNothing);
  }
  EXPECT_EQ(playout.counters().invented, 0u);
  EXPECT_EQ(playout.counters().underruns, 0u);
}

TEST(Playout, StartsWithOneSliceAndTheMargin) {
  Playout playout(mono());
  playout.push(bytes_of(ramp(kSlice, 0)));
  EXPECT_EQ(playout.next_slice(kSlice).kind, Slice::Kind::kNothing);
  playout.push(bytes_of(ramp(kSlice, kSlice)));
  EXPECT_EQ(playout.next_slice(kSlice).kind, Slice::Kind::kSamples);
  EXPECT_EQ(playout.depth_frames(), kSlice);
}

TEST(Playout, SteadyStreamPassesBitExact) {
  Playout playout(mono());
  int next_expected = 0;
  playout.push(bytes_of(ramp(kSlice, 0)));
  playout.next_slice(kSlice);
  for (int i = 1; i < 6000; ++i) {
    playout.push(bytes_of(ramp(kSlice, i * int(kSlice))));
    const Slice slice = playout.next_slice(kSlice);
    ASSERT_EQ(heard(slice), ramp(kSlice, next_expected)) << "slice " << i;
    next_expected += int(kSlice);
  }
  EXPECT_EQ(playout.counters().inserted + playout.counters().removed_drift, 0u);
  EXPECT_EQ(playout.counters().played, playout.position());
}

TEST(Playout, MessagesMaySplitASampleAnywhere) {
  Playout playout(mono());
  const std::vector<int16_t> in = ramp(kSlice * 20, 0);
  std::vector<int16_t> out;
  size_t offset = 0;
  size_t piece = 1;
  const auto all = bytes_of(in);
  while (offset < all.size()) {
    const size_t size = std::min(piece, all.size() - offset);
    playout.push(all.subspan(offset, size));
    offset += size;
    piece = piece * 7 % 997 + 1;
  }
  playout.finish();
  for (;;) {
    const Slice slice = playout.next_slice(kSlice);
    if (slice.kind == Slice::Kind::kFinished) break;
    const auto samples = heard(slice);
    out.insert(out.end(), samples.begin(), samples.end());
  }
  EXPECT_EQ(out, in);
}

TEST(Playout, ShortLastMessageIsPlayedToItsEnd) {
  Playout playout(mono());
  playout.push(bytes_of(ramp(kSlice + 13, 0)));
  const uint8_t half_a_sample = 7;
  playout.push({&half_a_sample, 1});
  playout.finish();
  EXPECT_EQ(heard(playout.next_slice(kSlice)), ramp(kSlice, 0));
  const auto rest = heard(playout.next_slice(kSlice));
  EXPECT_TRUE(std::equal(rest.begin(), rest.begin() + 13, ramp(13, kSlice).begin()));
  EXPECT_TRUE(std::all_of(rest.begin() + 13, rest.end(), [](int16_t s) { return s == 0; }));
  EXPECT_EQ(playout.next_slice(kSlice).kind, Slice::Kind::kFinished);
  EXPECT_EQ(playout.next_slice(kSlice).kind, Slice::Kind::kFinished);
  EXPECT_EQ(playout.counters().loose_bytes, 1u);
  EXPECT_EQ(playout.counters().played, kSlice + 13);
}

TEST(Playout, FinishWithoutAudioIsOverAtOnce) {
  Playout playout(mono());
  playout.finish();
  EXPECT_EQ(playout.next_slice(kSlice).kind, Slice::Kind::kFinished);
}

TEST(Playout, LessThanTheMarginIsHeardToo) {
  Playout playout(mono());
  playout.push(bytes_of(ramp(100, 0)));
  bool sounded = false;
  for (int i = 0; i < 4; ++i) sounded |= playout.next_slice(kSlice).kind == Slice::Kind::kSamples;
  EXPECT_TRUE(sounded);
}

TEST(Playout, DigitalSilenceIsTold) {
  Playout playout(mono());
  playout.push(bytes_of(std::vector<int16_t>(kSlice * 3)));
  const Slice slice = playout.next_slice(kSlice);
  EXPECT_EQ(slice.kind, Slice::Kind::kSilence);
  EXPECT_EQ(slice.level_dbov, -127.0);
}

TEST(Playout, LevelOfAFullScaleSquareWaveIsZero) {
  Playout playout(mono());
  std::vector<int16_t> square(kSlice * 2);
  for (size_t i = 0; i < square.size(); ++i) square[i] = i % 2 ? -32768 : 32767;
  playout.push(bytes_of(square));
  EXPECT_NEAR(playout.next_slice(kSlice).level_dbov, 0.0, 0.01);
}

TEST(Playout, LevelOfASineIsThreeDecibelBelowItsPeak) {
  Playout playout(mono());
  playout.push(bytes_of(sine(kSlice * 2, 1000, 3276.8)));
  EXPECT_NEAR(playout.next_slice(kSlice).level_dbov, -23.01, 0.05);
}

TEST(Playout, FloatThatIsNoNumberIsSilenced) {
  PlayoutConfig config = mono();
  config.layout.type = SampleType::kF32;
  Playout playout(config);
  std::vector<float> samples(kSlice * 2, 0.5F);
  samples[5] = std::nanf("");
  samples[6] = INFINITY;
  samples[7] = 1e30F;
  playout.push({reinterpret_cast<const uint8_t*>(samples.data()), samples.size() * 4});
  const Slice slice = playout.next_slice(kSlice);
  ASSERT_EQ(slice.kind, Slice::Kind::kSamples);
  const float* out = reinterpret_cast<const float*>(slice.data);
  for (int i = 5; i < 8; ++i) EXPECT_EQ(out[i], 0.0F);
  EXPECT_EQ(out[8], 0.5F);
  EXPECT_NEAR(slice.level_dbov, -6.05, 0.1);
  EXPECT_EQ(playout.counters().impossible_samples, 3u);
}

// Feeds one message a slice, except for what `late` says is held back.
class Sender {
 public:
  explicit Sender(Playout& playout) : playout_(playout) {}
  void produce(size_t slices = 1) {
    for (size_t i = 0; i < slices; ++i) {
      waiting_.push_back(sine(kSlice, 200, 8000, produced_));
      produced_ += kSlice;
    }
  }
  void silence(size_t slices) {
    for (size_t i = 0; i < slices; ++i) {
      waiting_.emplace_back(kSlice);
      produced_ += kSlice;
    }
  }
  void deliver() {
    for (const auto& message : waiting_) playout_.push(bytes_of(message));
    waiting_.clear();
  }
  size_t produced() const { return produced_; }

 private:
  Playout& playout_;
  std::deque<std::vector<int16_t>> waiting_;
  size_t produced_ = 0;
};

int largest_step(const std::vector<int16_t>& samples) {
  int largest = 0;
  for (size_t i = 1; i < samples.size(); ++i) {
    largest = std::max(largest, std::abs(samples[i] - samples[i - 1]));
  }
  return largest;
}

TEST(Playout, UnderrunWidensTheMarginByWhatWasMissing) {
  Playout playout(mono());
  Sender sender(playout);
  for (int i = 0; i < 50; ++i) {
    sender.produce();
    sender.deliver();
    playout.next_slice(kSlice);
  }
  const double before = playout.margin_ms();
  for (int i = 0; i < 4; ++i) {  // 40 ms late
    sender.produce();
    playout.next_slice(kSlice);
  }
  sender.deliver();
  for (int i = 0; i < 20; ++i) {
    sender.produce();
    sender.deliver();
    playout.next_slice(kSlice);
  }
  EXPECT_EQ(playout.counters().underruns, 1u);
  EXPECT_GT(playout.margin_ms(), before + 15);
  EXPECT_LT(playout.margin_ms(), before + 50);
  // The same lateness once more is no underrun any more.
  for (int i = 0; i < 3; ++i) {
    sender.produce();
    playout.next_slice(kSlice);
  }
  sender.deliver();
  for (int i = 0; i < 20; ++i) {
    sender.produce();
    sender.deliver();
    playout.next_slice(kSlice);
  }
  EXPECT_EQ(playout.counters().underruns, 1u);
}

TEST(Playout, MarginIsNarrowedInSilenceOnly) {
  Playout playout(mono());
  Sender sender(playout);
  const auto run = [&](int slices, bool speak) {
    for (int i = 0; i < slices; ++i) {
      speak ? sender.produce() : sender.silence(1);
      sender.deliver();
      playout.next_slice(kSlice);
    }
  };
  run(50, true);
  for (int i = 0; i < 6; ++i) {
    sender.produce();
    playout.next_slice(kSlice);
  }
  sender.deliver();
  run(6000, true);  // a minute of calm speech
  const double wide = playout.margin_ms();
  EXPECT_GT(wide, 30);
  EXPECT_EQ(playout.counters().removed_silence, 0u);
  run(100, false);
  EXPECT_LT(playout.margin_ms(), 16);
  EXPECT_LE(playout.depth_ms(), 21);
  EXPECT_GT(playout.counters().removed_silence, 0u);
  EXPECT_EQ(playout.counters().removed_speech, 0u);
}

TEST(Playout, UnderrunDoesNotClick) {
  Playout playout(mono());
  Sender sender(playout);
  std::vector<int16_t> out;
  for (int i = 0; i < 100; ++i) {
    sender.produce();
    if (i < 40 || i > 47) sender.deliver();
    const auto slice = heard(playout.next_slice(kSlice));
    out.insert(out.end(), slice.begin(), slice.end());
  }
  EXPECT_EQ(playout.counters().underruns, 1u);
  // 200 Hz at 8000 moves by 210 a sample; a fade of 2 ms adds 8000 / 96.
  EXPECT_LT(largest_step(out), 400);
}

struct BurstResult {
  int slices_to_recover = 0;
  std::vector<int16_t> out;
};

BurstResult recover(Playout& playout, Sender& sender, int at_most, bool keep_talking) {
  BurstResult result;
  for (; result.slices_to_recover < at_most; ++result.slices_to_recover) {
    keep_talking ? sender.produce() : sender.silence(1);
    sender.deliver();
    const Slice slice = playout.next_slice(kSlice);
    const auto samples = heard(slice);
    result.out.insert(result.out.end(), samples.begin(), samples.end());
    if (result.slices_to_recover > 200 && playout.depth_ms() < 60) break;
  }
  return result;
}

TEST(Playout, BurstOf20SecondsOfSpeechIsSpedUpAndNothingIsDropped) {
  Playout playout(mono());
  Sender sender(playout);
  for (int i = 0; i < 300; ++i) {
    sender.produce();
    sender.deliver();
    playout.next_slice(kSlice);
  }
  for (int i = 0; i < 2000; ++i) {
    sender.produce();
    playout.next_slice(kSlice);
  }
  const BurstResult result = recover(playout, sender, 20000, true);
  // 20 s at 1.25 times the speed: 80 s, and one to notice.
  EXPECT_LT(result.slices_to_recover, 9500);
  EXPECT_GT(result.slices_to_recover, 7000);
  const PlayoutCounters& counters = playout.counters();
  EXPECT_EQ(counters.dropped_backlog, 0u);
  EXPECT_EQ(counters.underruns, 1u);
  EXPECT_NEAR(double(counters.removed_speech), 20.0 * 48000, 0.1 * 48000);
  // Every frame is accounted for.
  EXPECT_EQ(
      counters.played + counters.removed_speech + counters.removed_silence + counters.removed_drift,
      playout.position());
  EXPECT_EQ(playout.position() + playout.depth_frames(), sender.produced());
  EXPECT_LT(largest_step(result.out), 500) << "a cut can be heard";
}

TEST(Playout, BurstWithPausesRecoversFaster) {
  Playout playout(mono());
  Sender sender(playout);
  for (int i = 0; i < 300; ++i) {
    sender.produce();
    sender.deliver();
    playout.next_slice(kSlice);
  }
  for (int i = 0; i < 10; ++i) {
    sender.produce(100);
    sender.silence(100);
    for (int j = 0; j < 200; ++j) playout.next_slice(kSlice);
  }
  const BurstResult result = recover(playout, sender, 20000, true);
  // 10 s of pauses shrink to 2 s: 12 s to hear at 1.25, while more is being said.
  EXPECT_LT(result.slices_to_recover, 6500);
  EXPECT_GT(playout.counters().removed_silence, 7u * 48000);
  EXPECT_EQ(playout.counters().dropped_backlog, 0u);
  EXPECT_LT(largest_step(result.out), 500);
}

TEST(Playout, StallInWhichTheSenderDroppedNeedsNoCatchUp) {
  Playout playout(mono());
  Sender sender(playout);
  for (int i = 0; i < 300; ++i) {
    sender.produce();
    sender.deliver();
    playout.next_slice(kSlice);
  }
  for (int i = 0; i < 900; ++i) playout.next_slice(kSlice);
  for (int i = 0; i < 500; ++i) {
    sender.produce();
    sender.deliver();
    playout.next_slice(kSlice);
  }
  EXPECT_LT(playout.depth_ms(), 40);
  EXPECT_EQ(playout.counters().removed_speech, 0u);
  EXPECT_LT(playout.margin_ms(), 20) << "a stall is not jitter";
}

TEST(Playout, BacklogBeyondTheLimitDropsTheOldestAndCountsIt) {
  PlayoutConfig config = mono();
  config.max_backlog_ms = 1000;
  Playout playout(config);
  Sender sender(playout);
  sender.produce(150);
  sender.deliver();
  EXPECT_EQ(playout.depth_frames(), 48000u);
  EXPECT_EQ(playout.counters().dropped_backlog, 24000u);
  const auto first = heard(playout.next_slice(kSlice));
  const auto expected = sine(kSlice, 200, 8000, 24000);
  EXPECT_EQ(first[200], expected[200]);
  EXPECT_LT(std::abs(first[0]), 100) << "fades in";
}

// One track for `minutes` of simulated time. Returns the delay of what is heard against when it
// was said, in ms, once a second.
struct Drifting {
  double ppm;
  unsigned seed;
  double jitter_ms;
  std::vector<double> delays_ms;
  PlayoutCounters counters;
  double deepest_ms = 0;
  double ppm_found = 0;

  void run(int minutes, bool with_pauses) {
    Playout playout(mono());
    std::mt19937 random(seed);
    std::uniform_real_distribution<double> jitter(0.0, jitter_ms);
    const double message_ms = 10.0 / (1.0 + ppm * 1e-6);
    const double phase_ms = std::uniform_real_distribution<double>(0.0, 10.0)(random);
    std::vector<int16_t> message(kSlice);
    double last_arrival = 0;
    double next_arrival = 0;
    long sent = 0;
    const auto plan = [&] {
      // In order, as TCP delivers; spoken when complete.
      next_arrival =
          std::max(last_arrival, phase_ms + double(sent + 1) * message_ms + jitter(random));
    };
    plan();
    const long ticks = long(minutes) * 6000;
    for (long tick = 1; tick <= ticks; ++tick) {
      const double now = double(tick) * 10.0;
      while (next_arrival <= now) {
        const bool pause = with_pauses && (sent / 200) % 3 == 2;
        for (auto& sample : message) sample = pause ? 0 : int16_t(1 + random() % 2000);
        playout.push(bytes_of(message));
        last_arrival = next_arrival;
        ++sent;
        plan();
      }
      playout.next_slice(kSlice);
      if (tick % 100 == 0) {
        const double spoken = phase_ms + double(playout.position()) / 480.0 * message_ms;
        delays_ms.push_back(now - spoken);
        deepest_ms = std::max(deepest_ms, playout.depth_ms());
      }
    }
    counters = playout.counters();
    ppm_found = playout.drift_ppm();
  }
};

TEST(Playout, TracksStayAlignedForAnHourWithDriftAndJitter) {
  Drifting tracks[] = {
      {100, 1, 30, {}, {}}, {-100, 2, 30, {}, {}}, {0, 3, 30, {}, {}}, {50, 4, 30, {}, {}}};
  for (Drifting& track : tracks) track.run(60, false);
  // What was said at the same moment is heard at the same moment. After five minutes each track has
  // seen all phases between its messages and the slices, and stays where it is.
  constexpr size_t kStarted = 120;  // seconds
  constexpr size_t kSettled = 300;
  double apart = 0;
  double moved = 0;
  for (const Drifting& a : tracks) {
    for (const Drifting& b : tracks) {
      double low = 1e9;
      double high = -1e9;
      for (size_t i = kStarted; i < a.delays_ms.size(); ++i) {
        const double difference = a.delays_ms[i] - b.delays_ms[i];
        apart = std::max(apart, difference);
        if (i < kSettled) continue;
        low = std::min(low, difference);
        high = std::max(high, difference);
      }
      moved = std::max(moved, high - low);
    }
  }
  EXPECT_LT(apart, 5.0) << "ms between two tracks";
  EXPECT_LT(moved, 5.0) << "ms that two tracks moved against each other";
  for (const Drifting& track : tracks) {
    EXPECT_LT(*std::max_element(track.delays_ms.begin() + kStarted, track.delays_ms.end()), 55);
    EXPECT_LT(track.deepest_ms, 70);
    EXPECT_EQ(track.counters.dropped_backlog, 0u);
    EXPECT_EQ(track.counters.removed_speech, 0u);
    EXPECT_LT(track.counters.underruns, 5u);
    EXPECT_NEAR(track.ppm_found, track.ppm, 25);
  }
  RecordProperty("apart-ms", std::to_string(apart));
  RecordProperty("moved-ms", std::to_string(moved));
}

TEST(Playout, DriftWithoutJitterNeitherUnderrunsNorGrows) {
  for (const double ppm : {-200.0, -100.0, 100.0, 200.0}) {
    Drifting track{ppm, 5, 0.3, {}, {}};
    track.run(30, true);
    EXPECT_LE(track.counters.underruns, 3u) << ppm;
    EXPECT_LT(*std::max_element(track.delays_ms.begin() + 5, track.delays_ms.end()), 45) << ppm;
    EXPECT_EQ(track.counters.removed_speech, 0u) << ppm;
  }
}

TEST(Playout, DriftCorrectionIsInaudible) {
  // 100 ppm fast: 4.8 samples a second are taken out of a sine; nothing may stick out.
  Playout playout(mono());
  double due = 0;
  size_t produced = 0;
  int largest = 0;
  int16_t last = 0;
  std::mt19937 random(1);
  for (int tick = 0; tick < 12000; ++tick) {
    due += 480.048;
    while (double(produced) + kSlice <= due + double(random() % 200)) {
      playout.push(bytes_of(sine(kSlice, 200, 8000, produced)));
      produced += kSlice;
    }
    const Slice slice = playout.next_slice(kSlice);
    if (slice.kind != Slice::Kind::kSamples) continue;
    for (const int16_t sample : heard(slice)) {
      if (tick > 10) largest = std::max(largest, std::abs(sample - last));
      last = sample;
    }
  }
  EXPECT_GT(playout.counters().removed_drift, 100u);
  EXPECT_LT(largest, 225);  // 210 by itself
}

TEST(Playout, MemoryOfABurstIsGivenBack) {
  Playout playout(mono());
  Sender sender(playout);
  sender.produce(2500);
  sender.deliver();
  playout.next_slice(kSlice);
  EXPECT_GT(playout.depth_ms(), 20000);
  for (int i = 0; i < 2600; ++i) playout.next_slice(kSlice);
  EXPECT_EQ(playout.depth_frames(), 0u);
}

TEST(Playout, AnyRateAndSliceLength) {
  for (const int rate : {8000, 11025, 44100, 96000}) {
    for (const size_t per_second : {5u, 50u, 200u}) {
      PlayoutConfig config;
      config.layout = {SampleType::kS16, rate, 2};
      Playout playout(config);
      uint64_t played = 0;
      for (size_t i = 0; i < per_second * 30; ++i) {
        const size_t frames = size_t(rate) * (i + 1) / per_second - size_t(rate) * i / per_second;
        playout.push(bytes_of(ramp(frames * 2, int(i))));
        playout.next_slice(frames);
        played += frames;
      }
      EXPECT_EQ(playout.counters().underruns, 0u) << rate << " " << per_second;
      EXPECT_NEAR(double(playout.position()), double(played), double(rate) / 2.4)
          << rate << " " << per_second;
    }
  }
}

}  // namespace
}  // namespace livekit
