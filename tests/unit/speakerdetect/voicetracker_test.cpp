// SPDX-License-Identifier: LGPL-2.1-or-later
// Who talks since when, with a network of three voices: a sample's value tells whose it is.
#include "speakerdetect/voicetracker.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <string>

namespace speakerdetect {
namespace {

constexpr int64_t kMs = 1'000'000;
constexpr float kAlice = 0.1F;
constexpr float kBob = 0.2F;
constexpr float kCarol = 0.3F;

/* Each voice is a direction, all a little alike as real ones are; a mixture lies between. */
Embedding embed(std::span<const float> samples) {
  Embedding sum(4, 0.0F);
  for (const float sample : samples) {
    const auto voice = size_t(std::lround(std::abs(sample) * 10));
    if (voice < 1 || voice > 3) continue;
    sum[voice] += 1;
    sum[0] += 0.7F;
  }
  return normalized(std::move(sum));
}

class VoiceTrackerTest : public ::testing::Test {
 protected:
  void say(float voice, double seconds) {
    const std::vector<float> window(speech::kWindowSamples, voice);
    const float probability = voice == 0 ? 0.01F : 0.95F;
    const double end_s = now_s() + seconds;
    while (now_s() + 0.016 < end_s) {
      for (const VoiceTurn& turn : tracker_.feed(window, time_ns_, probability)) take(turn);
      time_ns_ += speech::kWindowNs;
    }
  }
  void silence(double seconds) { say(0, seconds); }
  void end() {
    for (const VoiceTurn& turn : tracker_.end()) take(turn);
  }
  void take(const VoiceTurn& turn) {
    told_.push_back(turn);
    told_at_.push_back(time_ns_ + speech::kWindowNs);
    const Voice* voice = voices_.find(turn.voice);
    names_.push_back(voice ? voice->identity : "nobody");
  }
  double now_s() const { return double(time_ns_) / 1e9; }
  double since_s(size_t index) const { return double(told_[index].since_ns) / 1e9; }
  double at_s(size_t index) const { return double(told_at_[index]) / 1e9; }
  using Names = std::vector<std::string>;

  Voices voices_;
  VoiceTracker tracker_{embed, voices_};
  int64_t time_ns_ = 0;
  std::vector<VoiceTurn> told_;
  std::vector<int64_t> told_at_;
  Names names_;
};

TEST_F(VoiceTrackerTest, SilenceIsNobody) {
  silence(10);
  end();
  EXPECT_TRUE(told_.empty());
}

TEST_F(VoiceTrackerTest, TheFirstOneIsToldSoonAndSinceTheBeginning) {
  silence(1);
  say(kAlice, 4);
  ASSERT_EQ(names_, (Names{"speaker-1"}));
  EXPECT_NEAR(since_s(0), 1.0, 0.05);
  EXPECT_LT(at_s(0), 3.0);
}

TEST_F(VoiceTrackerTest, NobodyIsToldSinceTheEndOfTheSpeech) {
  say(kAlice, 4);
  silence(3);
  ASSERT_EQ(names_, (Names{"speaker-1", "nobody"}));
  EXPECT_NEAR(since_s(1), 4.0, 0.1);
  EXPECT_NEAR(at_s(1), 5.5, 0.1);
}

TEST_F(VoiceTrackerTest, ZeroTimeoutMeansThatTheLastOneStays) {
  tracker_.set_silence_timeout(0);
  say(kAlice, 4);
  silence(60);
  EXPECT_EQ(names_, (Names{"speaker-1"}));
}

TEST_F(VoiceTrackerTest, AfterAPauseTheOtherIsToldSinceThePause) {
  say(kAlice, 4);
  silence(0.5);
  say(kBob, 4);
  ASSERT_EQ(names_, (Names{"speaker-1", "speaker-2"}));
  EXPECT_NEAR(since_s(1), 4.5, 0.1);
  EXPECT_LT(at_s(1), 6.5);
}

TEST_F(VoiceTrackerTest, WhoIsKnownIsToldSooner) {
  say(kAlice, 6);
  silence(0.5);
  say(kBob, 6);
  silence(0.5);
  say(kAlice, 4);
  ASSERT_EQ(names_, (Names{"speaker-1", "speaker-2", "speaker-1"}));
  EXPECT_NEAR(since_s(2), 13.0, 0.1);
  EXPECT_LT(at_s(2), 14.0);
}

TEST_F(VoiceTrackerTest, AChangeWithoutAPauseIsFound) {
  say(kAlice, 6);
  silence(0.5);
  say(kBob, 6);
  say(kAlice, 6);
  ASSERT_EQ(names_, (Names{"speaker-1", "speaker-2", "speaker-1"}));
  EXPECT_NEAR(since_s(2), 12.5, 0.5);
  EXPECT_LT(at_s(2), 14.5);
}

TEST_F(VoiceTrackerTest, AShortAnswerIsWhoseItIs) {
  say(kAlice, 6);
  silence(0.5);
  say(kBob, 6);
  silence(0.5);
  say(kAlice, 0.7);
  silence(0.5);
  say(kBob, 4);
  ASSERT_EQ(names_, (Names{"speaker-1", "speaker-2", "speaker-1", "speaker-2"}));
  EXPECT_NEAR(since_s(2), 13.0, 0.1);
  EXPECT_NEAR(since_s(3), 14.2, 0.1);
}

TEST_F(VoiceTrackerTest, ACoughIsNobodyNew) {
  say(kAlice, 6);
  silence(0.5);
  say(kCarol, 0.25);  // too short to be listened to
  silence(0.5);
  say(kAlice, 4);
  EXPECT_EQ(names_, (Names{"speaker-1"}));
  EXPECT_EQ(voices_.n_heard(), 1U);
}

TEST_F(VoiceTrackerTest, WhoComesBackAfterAnHourIsTheSame) {
  for (int minute = 0; minute < 60; minute++) {
    say(minute == 0 || minute == 59 ? kCarol : kAlice, 10);
    silence(0.4);
    say(kBob, 10);
    silence(39.6);
  }
  EXPECT_EQ(voices_.n_heard(), 3U);
  EXPECT_EQ(names_.front(), "speaker-1");
  EXPECT_EQ(names_[names_.size() - 3], "speaker-1");
  EXPECT_EQ(names_.back(), "nobody");
}

TEST_F(VoiceTrackerTest, KnownVoicesHaveTheirNames) {
  voices_.add_known("alice", embed(std::vector<float>(16, kAlice)));
  voices_.add_known("bob", embed(std::vector<float>(16, kBob)));
  say(kBob, 3);
  silence(0.5);
  say(kCarol, 4);
  silence(0.5);
  say(kAlice, 3);
  ASSERT_EQ(names_, (Names{"bob", "speaker-1", "alice"}));
  EXPECT_NEAR(since_s(0), 0, 0.05);
  EXPECT_LT(at_s(0), 1.0);  // nothing has to be learnt first
}

TEST_F(VoiceTrackerTest, TheEndOfTheStreamIsTheEndOfTheTalk) {
  say(kAlice, 1.3);
  end();
  ASSERT_EQ(names_, (Names{"speaker-1", "nobody"}));
  EXPECT_NEAR(since_s(0), 0, 0.05);
  EXPECT_NEAR(since_s(1), 1.3, 0.1);
  say(kAlice, 3);
  EXPECT_EQ(names_, (Names{"speaker-1", "nobody", "speaker-1"}));
}

TEST_F(VoiceTrackerTest, MoreThanThereMayBeAreTheNearest) {
  voices_.set_max_voices(2);
  say(kAlice, 6);
  silence(0.5);
  say(kBob, 6);
  silence(0.5);
  say(kCarol, 6);
  EXPECT_EQ(voices_.n_heard(), 2U);
}

TEST_F(VoiceTrackerTest, ANetworkThatHearsNothingHarmsNothing) {
  VoiceTracker deaf([](std::span<const float>) { return Embedding(); }, voices_);
  const std::vector<float> window(speech::kWindowSamples, 0.1F);
  for (int i = 0; i < 300; i++) {
    EXPECT_TRUE(deaf.feed(window, i * speech::kWindowNs, 0.9F).empty());
  }
  EXPECT_TRUE(deaf.end().empty());
}

TEST_F(VoiceTrackerTest, ATurnIsNeverSinceTheFuture) {
  for (int i = 0; i < 40; i++) {
    say(std::array{kAlice, kBob, kCarol}[size_t(i * 7 % 3)], 0.3 + 0.37 * (i % 9));
    silence(0.1 * (i % 5));
  }
  for (size_t i = 0; i < told_.size(); i++) {
    EXPECT_GE(told_[i].since_ns, 0);
    EXPECT_LE(told_[i].since_ns, told_at_[i]);
    EXPECT_GE(told_[i].since_ns, told_at_[i] - 8000 * kMs);
  }
}

}  // namespace
}  // namespace speakerdetect
