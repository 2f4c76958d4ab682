// Who speaks on a mix, from scripted metas. Slices are 10 ms; times in ms.
#include <gtest/gtest.h>

#include "attribution.h"

namespace stt {
namespace {

constexpr int64_t kMs = 1'000'000;
constexpr SpeakerView kAlice = {"TR_a", "alice", "Alice"};
constexpr SpeakerView kBob = {"TR_b", "bob", "Bob"};
const Speaker kNobody;

Speaker of(const SpeakerView& view) {
  return {std::string(view.track), std::string(view.identity), std::string(view.name)};
}

class SttAttribution : public ::testing::Test {
 protected:
  // Plays until `end_ms` with these levels; collects changes.
  void play(int end_ms, double alice_dbov, double bob_dbov) {
    for (; now_ms_ < end_ms; now_ms_ += 10) {
      slice_.start_ns = now_ms_ * kMs;
      slice_.end_ns = slice_.start_ns + 10 * kMs;
      slice_.tracks = {{kAlice, alice_dbov}, {kBob, bob_dbov}};
      if (!with_tracks_) slice_.tracks.clear();
      if (only_alice_) slice_.tracks = {{kAlice, alice_dbov}};
      if (auto change = attribution_.observe(slice_)) changes_.push_back(*change);
    }
  }
  void detector_says(const SpeakerView& active, int since_ms = -1) {
    slice_.judged = true;
    slice_.active = active;
    slice_.active_since_ns = since_ms < 0 ? -1 : since_ms * kMs;
  }

  Attribution attribution_;
  MixSlice slice_;
  bool with_tracks_ = true;
  bool only_alice_ = false;
  int now_ms_ = 0;
  std::vector<SpeakerChange> changes_;
};

TEST_F(SttAttribution, FirstSpeakerIsToldAtOnceAndReachesBackBeforeTheDetection) {
  detector_says({});
  play(1000, -127, -127);
  EXPECT_TRUE(changes_.empty());
  detector_says(kAlice, 800);
  play(1010, -20, -127);
  ASSERT_EQ(changes_.size(), 1u);
  EXPECT_EQ(changes_[0].speaker, of(kAlice));
  EXPECT_EQ(changes_[0].time_ns, 500 * kMs);
}

TEST_F(SttAttribution, TakeOverIsCutWhereTheLevelsCross) {
  detector_says(kAlice, 0);
  play(2000, -20, -127);
  play(2300, -127, -22);
  detector_says(kBob, 2150);  // late, and not quite right
  play(2600, -127, -22);
  ASSERT_EQ(changes_.size(), 2u);
  EXPECT_EQ(changes_[1].speaker, of(kBob));
  EXPECT_NEAR(double(changes_[1].time_ns / kMs), 2000, 50);
}

TEST_F(SttAttribution, PauseBetweenTwoSpeakersIsCutBeforeTheSecond) {
  detector_says(kAlice, 0);
  play(2000, -20, -127);
  detector_says({});
  play(3000, -127, -127);
  detector_says(kBob, 3000);
  play(3500, -127, -20);
  ASSERT_EQ(changes_.size(), 2u);
  EXPECT_GE(changes_[1].time_ns, 2500 * kMs);
  EXPECT_LE(changes_[1].time_ns, 3000 * kMs);
}

TEST_F(SttAttribution, WithoutLevelsTheDetectorsTimeIsTaken) {
  with_tracks_ = false;
  detector_says(kAlice, 0);
  play(2000, 0, 0);
  detector_says(kBob, 1900);
  play(2500, 0, 0);
  ASSERT_EQ(changes_.size(), 2u);
  EXPECT_EQ(changes_[1].time_ns, 1900 * kMs);
  EXPECT_EQ(attribution_.attribute(0, 2000 * kMs, of(kBob)), of(kAlice));  // by the turns
}

TEST_F(SttAttribution, SpeakerKnownLateGetsTheTimeSinceThen) {
  with_tracks_ = false;
  detector_says(kAlice, 100);
  play(5000, 0, 0);
  detector_says(kBob, 3200);  // 1.8 s ago
  play(5010, 0, 0);
  ASSERT_EQ(changes_.size(), 2u);
  EXPECT_EQ(changes_[1].speaker, of(kBob));
  EXPECT_EQ(changes_[1].time_ns, 3200 * kMs);
  // What was understood meanwhile was told as Alice's.
  EXPECT_EQ(attribution_.attribute(3300 * kMs, 4500 * kMs, of(kAlice)), of(kBob));
  EXPECT_EQ(attribution_.attribute(1000 * kMs, 3000 * kMs, kNobody), of(kAlice));
  // Mostly Alice's; half and half stays as it was told.
  EXPECT_EQ(attribution_.attribute(1000 * kMs, 3900 * kMs, kNobody), of(kAlice));
  EXPECT_EQ(attribution_.attribute(2200 * kMs, 4200 * kMs, kNobody), kNobody);
}

TEST_F(SttAttribution, TurnThatIsTakenBackIsNobodysAnyMore) {
  with_tracks_ = false;
  detector_says(kAlice, 0);
  play(3000, 0, 0);
  detector_says(kBob, 2000);
  play(3400, 0, 0);
  detector_says(kAlice, 2000);
  play(4000, 0, 0);
  EXPECT_EQ(attribution_.attribute(2100 * kMs, 3000 * kMs, of(kBob)), of(kAlice));
}

TEST_F(SttAttribution, TimeInWhichNobodySpeaksIsNotTheLastSpeakers) {
  with_tracks_ = false;
  detector_says(kAlice, 0);
  play(2000, 0, 0);
  detector_says({}, 1500);
  play(6000, 0, 0);
  EXPECT_EQ(attribution_.attribute(4000 * kMs, 5000 * kMs, kNobody), kNobody);
  EXPECT_EQ(attribution_.attribute(1000 * kMs, 1600 * kMs, kNobody), of(kAlice));
}

TEST_F(SttAttribution, FlapsAreIgnored) {
  detector_says(kAlice, 0);
  play(2000, -20, -127);
  detector_says(kBob);
  play(2250, -20, -30);
  detector_says(kAlice);
  play(3000, -20, -127);
  ASSERT_EQ(changes_.size(), 1u);
  detector_says(kBob);
  play(3290, -127, -20);
  EXPECT_EQ(changes_.size(), 1u);
  play(3310, -127, -20);
  EXPECT_EQ(changes_.size(), 2u);
}

TEST_F(SttAttribution, NobodyMeansTheLastSpeakerForAWhile) {
  detector_says(kAlice, 0);
  play(1000, -20, -127);
  detector_says({});
  play(3900, -127, -127);
  EXPECT_EQ(changes_.size(), 1u);
  play(4100, -127, -127);
  ASSERT_EQ(changes_.size(), 2u);
  EXPECT_EQ(changes_[1].speaker, kNobody);
}

TEST_F(SttAttribution, TheOnlyTrackIsTheSpeakerWithoutADetector) {
  only_alice_ = true;
  play(10, -127, 0);
  ASSERT_EQ(changes_.size(), 1u);
  EXPECT_EQ(changes_[0].speaker, of(kAlice));
  EXPECT_EQ(changes_[0].time_ns, 0);
}

TEST_F(SttAttribution, TheOnlyTrackIsTheSpeakerThoughTheDetectorHearsNobody) {
  only_alice_ = true;
  detector_says({});
  play(100, -50, 0);
  ASSERT_EQ(changes_.size(), 1u);
  EXPECT_EQ(changes_[0].speaker, of(kAlice));
}

TEST_F(SttAttribution, LevelsAloneFindTheSpeakers) {
  play(2000, -20, -70);
  play(4000, -70, -25);
  ASSERT_EQ(changes_.size(), 2u);
  EXPECT_EQ(changes_[0].speaker, of(kAlice));
  EXPECT_EQ(changes_[1].speaker, of(kBob));
  EXPECT_NEAR(double(changes_[1].time_ns / kMs), 2000, 50);
}

TEST_F(SttAttribution, AboutEquallyLoudDoesNotTakeOver) {
  play(1000, -20, -127);
  play(4000, -20, -18);
  EXPECT_EQ(changes_.size(), 1u);
}

TEST_F(SttAttribution, SpanBelongsToWhoWasLouderForMostOfIt) {
  play(1000, -20, -127);
  play(2000, -127, -25);
  EXPECT_EQ(attribution_.attribute(0, 1000 * kMs, kNobody), of(kAlice));
  EXPECT_EQ(attribution_.attribute(1000 * kMs, 2000 * kMs, of(kAlice)), of(kBob));
  EXPECT_EQ(attribution_.attribute(800 * kMs, 1800 * kMs, kNobody), of(kBob));
  // Half and half: who was told stays.
  EXPECT_EQ(attribution_.attribute(500 * kMs, 1500 * kMs, of(kAlice)), of(kAlice));
  EXPECT_EQ(attribution_.attribute(5000 * kMs, 6000 * kMs, of(kBob)), of(kBob));
}

TEST_F(SttAttribution, NoiseInTheSpeakersPausesDoesNotCountMuch) {
  for (int at = 0; at < 2000; at += 200) {
    play(at + 100, -20, -50);
    play(at + 200, -127, -50);
  }
  EXPECT_EQ(attribution_.attribute(0, 2000 * kMs, kNobody), of(kAlice));
}

TEST_F(SttAttribution, NewNameIsTakenOver) {
  detector_says(kAlice, 0);
  play(1000, -20, -127);
  slice_.start_ns = 1000 * kMs;
  slice_.end_ns = 1010 * kMs;
  slice_.active = {"TR_a", "alice", "Alice Cooper"};
  slice_.tracks = {{slice_.active, -20}};
  attribution_.observe(slice_);
  EXPECT_EQ(attribution_.attribute(0, 1000 * kMs, kNobody).name, "Alice Cooper");
}

TEST_F(SttAttribution, TimeThatGoesBackStartsOver) {
  detector_says(kAlice, 0);
  play(1000, -20, -127);
  now_ms_ = 0;
  play(100, -20, -127);
  ASSERT_EQ(changes_.size(), 2u);
  EXPECT_EQ(changes_[1].time_ns, 0);
}

TEST_F(SttAttribution, HistoryIsBounded) {
  AttributionConfig config;
  config.history_ns = 1000 * kMs;
  attribution_ = Attribution(config);
  play(1000, -20, -127);
  play(3000, -127, -127);
  EXPECT_EQ(attribution_.attribute(0, 1000 * kMs, of(kBob)), of(kBob));
}

}  // namespace
}  // namespace stt
