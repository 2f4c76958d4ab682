// SPDX-License-Identifier: LGPL-2.1-or-later
// Listening beside the streaming thread: what waits is bounded, what is late is counted.
#include "speakerdetect/mixlistener.h"

#include <gtest/gtest.h>

#include <atomic>
#include <cmath>
#include <condition_variable>
#include <future>

namespace speakerdetect {
namespace {

using namespace std::chrono_literals;

constexpr int64_t kSecondNs = 1'000'000'000;

class LoudIsSpeech : public speech::VoiceActivity {
 public:
  float probability(std::span<const float> window) override {
    return speech::level_dbov(window) > -40 ? 0.95F : 0.01F;
  }
  void reset() override {}
};

/* Two voices, by the sign of the first sample; waits while it is held. */
class SlowEmbedder : public VoiceEmbedder {
 public:
  Embedding embed(std::span<const float> speech) override {
    std::unique_lock guard(lock_);
    called_++;
    changed_.notify_all();
    changed_.wait(guard, [this] { return !held_; });
    return normalized(speech[0] > 0 ? Embedding{1, 0.3F} : Embedding{0.3F, 1});
  }
  void hold(bool held) {
    const std::lock_guard guard(lock_);
    held_ = held;
    changed_.notify_all();
  }
  void wait_until_called() {
    std::unique_lock guard(lock_);
    changed_.wait(guard, [this] { return called_ > 0; });
  }

 private:
  std::mutex lock_;
  std::condition_variable changed_;
  bool held_ = false;
  int called_ = 0;
};

class MixListenerTest : public ::testing::Test {
 protected:
  MixListener::Make make() {
    return [this](std::string&) {
      MixParts parts;
      parts.voice_activity = std::make_unique<LoudIsSpeech>();
      parts.embedder = embedder_;
      return std::make_unique<MixVoices>(std::move(parts), VoicesConfig());
    };
  }
  /* Slices of 10 ms. */
  void push(MixListener& listener, double seconds, float value) {
    const std::vector<float> slice(160, value);
    for (int i = 0; i < int(std::lround(seconds * 100)); i++, time_ns_ += 10'000'000) {
      listener.push(slice, time_ns_);
    }
  }
  std::vector<std::string> turns(MixListener& listener) {
    std::vector<std::string> all;
    while (true) {
      const MixListener::Report report = listener.report();
      if (!report.turn) return all;
      all.push_back(report.turn->identity);
    }
  }
  using Names = std::vector<std::string>;

  std::shared_ptr<SlowEmbedder> embedder_ = std::make_shared<SlowEmbedder>();
  int64_t time_ns_ = 0;
};

TEST_F(MixListenerTest, InTheCallsThemselvesNothingIsLate) {
  MixListener listener(make(), false);
  EXPECT_FALSE(listener.report().works);
  push(listener, 3, 0.1F);
  EXPECT_TRUE(listener.report().works);
  push(listener, 0.5, 0);
  push(listener, 3, -0.1F);
  listener.end();
  const MixState state = listener.report().state;
  EXPECT_EQ(state.voices, 2U);
  EXPECT_FALSE(state.is_speech);
}

TEST_F(MixListenerTest, BesideItSaysTheSame) {
  Names told[2];
  for (const bool beside : {false, true}) {
    MixListener listener(make(), beside);
    time_ns_ = 0;
    push(listener, 3, 0.1F);
    push(listener, 0.5, 0);
    push(listener, 3, -0.1F);
    push(listener, 2, 0);
    listener.end();
    listener.wait(60s);
    told[beside] = turns(listener);
  }
  EXPECT_EQ(told[0], (Names{"speaker-1", "speaker-2", ""}));
  EXPECT_EQ(told[1], told[0]);
}

TEST_F(MixListenerTest, WhoeverPushesNeverWaitsAndTheOldestIsLost) {
  MixListener listener(make(), true);
  embedder_->hold(true);
  push(listener, 2, 0.1F);
  embedder_->wait_until_called();
  push(listener, 30, 0.1F);  // returns, though nobody listens
  const int64_t lost_ns = listener.report().lost_ns;
  EXPECT_GT(lost_ns, 19 * kSecondNs);
  EXPECT_LT(lost_ns, 23 * kSecondNs);
  embedder_->hold(false);
  listener.end();
  listener.wait(60s);
  EXPECT_EQ(turns(listener).front(), "speaker-1");
  EXPECT_EQ(listener.report().lost_ns, lost_ns);
}

TEST_F(MixListenerTest, AFlushForgetsWhatWaits) {
  MixListener listener(make(), true);
  embedder_->hold(true);
  push(listener, 5, 0.1F);
  embedder_->wait_until_called();
  listener.flush();
  embedder_->hold(false);
  listener.wait(60s);
  EXPECT_EQ(turns(listener), Names());
  time_ns_ = 0;
  push(listener, 3, -0.1F);
  listener.end();
  listener.wait(60s);
  EXPECT_EQ(turns(listener).back(), "");
  EXPECT_EQ(listener.report().lost_ns, 0);
}

TEST_F(MixListenerTest, HoursOfSilenceTakeNoRoomAndNoTime) {
  MixListener listener(make(), true);
  for (int64_t at = 0; at < 3600; at++) listener.push_silence(at * kSecondNs, kSecondNs);
  listener.wait(60s);
  EXPECT_EQ(turns(listener), Names());
  EXPECT_EQ(listener.report().state.stretches, 0U);
}

TEST_F(MixListenerTest, WhatCannotBeLoadedIsToldOnce) {
  for (const bool beside : {false, true}) {
    std::promise<void> tried;
    MixListener listener(
        [&](std::string& problem) {
          problem = "run tools/setup";
          tried.set_value();
          return std::unique_ptr<MixVoices>();
        },
        beside);
    push(listener, 1, 0.1F);
    tried.get_future().wait();
    listener.end();
    listener.wait(60s);
    std::string problem;
    while (problem.empty()) problem = listener.report().problem;
    EXPECT_EQ(problem, "run tools/setup");
    EXPECT_EQ(listener.report().problem, "");
    EXPECT_FALSE(listener.report().works);
  }
}

TEST_F(MixListenerTest, GoesAwayWhileItListens) {
  auto listener = std::make_unique<MixListener>(make(), true);
  push(*listener, 5, 0.1F);
  embedder_->wait_until_called();
  listener.reset();
}

}  // namespace
}  // namespace speakerdetect
