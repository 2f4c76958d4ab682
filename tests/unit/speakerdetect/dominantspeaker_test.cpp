// SPDX-License-Identifier: LGPL-2.1-or-later
// Who speaks, on scripted levels: known time lines, at several slice lengths.
#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <limits>
#include <map>
#include <random>

#include "speakerdetect/dominantspeaker.h"

using speakerdetect::DominantSpeaker;
using speakerdetect::kSilenceDbov;
using speakerdetect::Speaker;
using speakerdetect::TrackLevel;

namespace {

constexpr uint64_t kMs = 1'000'000;

/** Levels of 10 ms of a person; times in ms. */
using Level = std::function<double(int64_t)>;

/** Syllables of 180 ms with closures of 40 ms, 30 dB up and down, as speech is. */
double syllables(int64_t ms, double dbov) {
  static const double shape[] = {-12, -6, -2, 0,  1,  2,   2,   1,   0,   0,   -1,
                                 -2,  -3, -4, -6, -8, -10, -14, -30, -32, -28, -22};
  return dbov + shape[size_t(ms / 10) % std::size(shape)];
}

struct Track {
  Level level;
  std::string identity;
  std::string id;
  std::string name;
};

struct Change {
  double ms;
  std::string identity; /* "" = nobody */
  double since_ms;
};

class Meeting : public ::testing::TestWithParam<int> {
 protected:
  /** Somebody who is silent but for what is added. */
  void add(const std::string& identity, const std::string& id = "", const std::string& name = "") {
    tracks_.push_back({[](int64_t) { return kSilenceDbov; }, identity,
                       id.empty() ? "TR_" + identity : id, name.empty() ? identity : name});
  }
  void sound(const std::string& identity, int64_t from, int64_t to, Level level) {
    for (Track& track : tracks_) {
      if (track.identity != identity) continue;
      track.level = [=, before = track.level](int64_t ms) {
        return ms >= from && ms < to ? std::max(before(ms), level(ms - from)) : before(ms);
      };
      return;
    }
    FAIL() << identity;
  }
  void talk(const std::string& identity, int64_t from, int64_t to, double dbov = -24) {
    sound(identity, from, to, [dbov](int64_t ms) { return syllables(ms, dbov); });
  }

  static double power(double dbov) { return dbov <= -127 ? 0 : std::pow(10, dbov / 10); }
  static double mean(const Level& level, double from_ms, double to_ms) {
    double sum = 0;
    for (double ms = from_ms + 0.5; ms < to_ms; ms += 1) sum += power(level(int64_t(ms) / 10 * 10));
    const double dbov = 10 * std::log10(std::max(1e-13, sum / (to_ms - from_ms)));
    return std::max(dbov, kSilenceDbov);
  }

  void run(double until_ms) {
    const double slice_ms = GetParam();
    while (clock_ms_ + slice_ms <= until_ms) {
      std::vector<TrackLevel> levels;
      for (const Track& track : tracks_) {
        levels.push_back({track.id, track.identity, track.name,
                          mean(track.level, clock_ms_, clock_ms_ + slice_ms)});
      }
      const bool changed =
          detector_.process(uint64_t(clock_ms_ * 1e6), uint64_t(slice_ms * 1e6), levels);
      clock_ms_ += slice_ms;
      const Speaker* now = detector_.dominant();
      if (changed) {
        changes_.push_back(
            {clock_ms_, now ? now->identity : "", double(detector_.dominant_since_ns()) / 1e6});
      }
    }
  }
  /** When @identity was announced after @from; NAN = never. */
  double announced(const std::string& identity, double from_ms) const {
    for (const Change& change : changes_) {
      if (change.ms > from_ms && change.identity == identity) return change.ms;
    }
    return std::numeric_limits<double>::quiet_NaN();
  }
  std::string names() const {
    std::string all;
    for (const Change& change : changes_) {
      all += (all.empty() ? "" : " ") + (change.identity.empty() ? "-" : change.identity);
    }
    return all;
  }

  DominantSpeaker detector_;
  std::vector<Track> tracks_;
  std::vector<Change> changes_;
  double clock_ms_ = 0;
};

INSTANTIATE_TEST_SUITE_P(SliceMs, Meeting, ::testing::Values(5, 10, 20, 23));

TEST_P(Meeting, OnsetOverSilenceIsAnnouncedWithin200Ms) {
  add("alice");
  add("bob");
  talk("alice", 3000, 6000);
  talk("bob", 9000, 11000);
  run(11000);
  EXPECT_LE(announced("alice", 0), 3200);
  EXPECT_LE(announced("bob", 0), 9200);
  EXPECT_EQ(names(), "alice - bob");
  EXPECT_NEAR(changes_[0].since_ms, 3000, 25);
  EXPECT_NEAR(changes_[2].since_ms, 9000, 25);
}

TEST_P(Meeting, SilenceIsNobodyAfterTheTimeout) {
  add("alice");
  talk("alice", 1000, 3000);
  run(8000);
  ASSERT_EQ(names(), "alice -");
  // The last syllable ends in a closure of 40 ms.
  EXPECT_NEAR(changes_[1].ms, 3000 + 1500, 80);
  EXPECT_NEAR(changes_[1].since_ms, 3000, 80);
}

TEST_P(Meeting, SilenceTimeoutCanBeSetOrSwitchedOff) {
  add("alice");
  talk("alice", 1000, 3000);
  detector_.set_silence_timeout(400 * kMs);
  talk("alice", 8000, 9000);
  run(7000);
  ASSERT_EQ(names(), "alice -");
  EXPECT_NEAR(changes_[1].ms, 3000 + 500, 90) << "a pause between words has 0.5 s";
  detector_.set_silence_timeout(0);
  run(60000);
  EXPECT_EQ(names(), "alice - alice");
}

TEST_P(Meeting, TakeOverFromWhoHasJustStopped) {
  add("alice");
  add("bob");
  talk("alice", 1000, 4000);
  talk("bob", 4000, 7000);
  run(7000);
  EXPECT_EQ(names(), "alice bob");
  EXPECT_LE(announced("bob", 4000), 4400);
  EXPECT_NEAR(changes_[1].since_ms, 4000, 35);
}

TEST_P(Meeting, TakeOverFromWhoStillTalks) {
  for (const int64_t overlap : {200, 600, 3000}) {
    detector_ = DominantSpeaker();
    tracks_.clear();
    changes_.clear();
    clock_ms_ = 0;
    add("alice");
    add("bob");
    talk("alice", 1000, 5000);
    talk("bob", 5000 - overlap, 9000);
    run(9000);
    EXPECT_EQ(names(), "alice bob") << overlap;
    EXPECT_LE(announced("bob", 0), 5000 - double(overlap) + 400) << overlap;
  }
}

TEST_P(Meeting, WhoGoesOnAfterAnInterjectionGetsTheFloorBack) {
  add("alice");
  add("bob");
  talk("alice", 1000, 9000);
  talk("bob", 4000, 5000);
  run(9000);
  ASSERT_EQ(names(), "alice bob alice");
  EXPECT_LE(changes_[2].ms, 5000 + 600);
  EXPECT_NEAR(changes_[2].since_ms, 5000, 80) << "since bob stopped, not since alice began";
}

TEST_P(Meeting, TwoWhoTalkAtOnceDoNotFlap) {
  add("alice");
  add("bob");
  talk("alice", 1000, 21000);
  sound("bob", 3000, 21000, [](int64_t ms) { return syllables(ms + 90, -24); });
  run(21000);
  EXPECT_LE(changes_.size(), 2u) << names();
}

TEST_P(Meeting, MmHmDoesNotTakeOver) {
  add("alice");
  add("bob");
  talk("alice", 1000, 21000);
  for (int64_t at = 2000; at < 20000; at += 1210) {
    sound("bob", at, at + 300, [](int64_t) { return -22.0; });
  }
  run(21000);
  EXPECT_EQ(names(), "alice");
}

TEST_P(Meeting, AQuietEchoOfTheTalkerDoesNotTakeOver) {
  add("alice");
  add("bob");
  talk("alice", 1000, 11000, -18);
  talk("bob", 1250, 11250, -40);  // alice out of bob's loudspeaker
  run(11200);
  EXPECT_EQ(names(), "alice");
}

class Noise : public Meeting {};
INSTANTIATE_TEST_SUITE_P(SliceMs, Noise, ::testing::Values(5, 10, 20));

TEST_P(Noise, KeyboardIsNobody) {
  add("alice");
  add("bob");
  // 20..50 ms at 3..8 strokes a second, as loud as they get; the phase drifts over the slices.
  std::mt19937 random(3);
  for (int64_t at = 500; at < 30000;) {
    const int64_t length = 20 + int64_t(random() % 31);
    sound("bob", at, at + length, [](int64_t) { return -25.0; });
    at += 125 + int64_t(random() % 209);
  }
  talk("alice", 15000, 25000);
  run(30000);
  EXPECT_EQ(names(), "alice -");
}

TEST_P(Noise, BreathIsNobody) {
  add("alice");
  add("bob");
  std::mt19937 random(4);
  for (int64_t at = 1000; at < 29000; at += 1500 + int64_t(random() % 1000)) {
    sound("bob", at, at + 300, [](int64_t ms) {
      return -42.0 + 20 * std::log10(std::sin(M_PI * (double(ms) + 5) / 300));
    });
    sound("alice", at + 433, at + 733, [](int64_t) { return -45.0; });
  }
  talk("alice", 15000, 25000);
  run(30000);
  EXPECT_EQ(names(), "alice -");
}

TEST_P(Noise, ClickIsNobody) {
  add("alice");
  add("bob");
  for (int64_t at = 1003; at < 29000; at += 1337) {
    sound("bob", at, at + 100, [](int64_t) { return -10.0; });
  }
  talk("alice", 15000, 25000);
  run(30000);
  EXPECT_EQ(names(), "alice -");
}

TEST_P(Noise, FanIsNobodyWheneverItStarts) {
  add("alice");
  add("bob");
  std::mt19937 random(5);
  std::normal_distribution<double> wobble(0, 1.5);
  std::map<int64_t, double> drawn;
  const Level fan = [&](int64_t ms) {
    return drawn.try_emplace(ms / 10, -45 + wobble(random)).first->second;
  };
  sound("alice", 0, 40000, fan);
  sound("bob", 5000, 20000, fan);
  sound("bob", 25000, 40000, fan);  // muted in between
  run(40000);
  EXPECT_EQ(names(), "");
}

TEST_P(Noise, TalkOverAFanIsFound) {
  add("alice");
  sound("alice", 0, 40000, [](int64_t ms) { return -45 + (ms / 10 % 3) - 1.0; });
  talk("alice", 10000, 12000);
  run(20000);
  EXPECT_EQ(names(), "alice -");
  EXPECT_LE(announced("alice", 0), 10250);
}

TEST_P(Noise, QuietTalkerOverDigitalSilenceIsFound) {
  add("alice");
  talk("alice", 1000, 6000, -42);
  run(9000);
  EXPECT_EQ(names(), "alice -");
  EXPECT_LE(announced("alice", 0), 2000);
}

TEST_P(Noise, FaintNoiseOfDtxIsNobody) {
  add("alice");
  for (int64_t at = 0; at < 30000; at += 420) {
    sound("alice", at, at + 40, [](int64_t) { return -60.0; });
  }
  talk("alice", 20000, 21000);
  run(23000);
  EXPECT_EQ(names(), "alice -");
  EXPECT_LE(announced("alice", 0), 20200);
}

TEST_P(Meeting, CurrentSpeakersAreListedLoudestFirst) {
  add("alice");
  add("bob");
  add("carol");
  talk("alice", 1000, 6000, -30);
  talk("bob", 2000, 6000, -20);
  run(4000);
  const auto speakers = detector_.speakers();
  ASSERT_EQ(speakers.size(), 2u);
  EXPECT_EQ(speakers[0]->identity, "bob");
  EXPECT_EQ(speakers[1]->identity, "alice");
  EXPECT_NEAR(speakers[0]->level_dbov, -20, 4);
  EXPECT_NEAR(speakers[1]->level_dbov, -30, 4);
  EXPECT_NEAR(double(speakers[0]->since_ns) / 1e6, 2000, 35);
  run(7000);
  EXPECT_TRUE(detector_.speakers().empty());
}

TEST_P(Meeting, TracksOfOneIdentityAreOnePerson) {
  add("alice", "TR_mic");
  add("alice", "TR_screen");
  tracks_[0].level = [](int64_t ms) { return ms < 1000 ? kSilenceDbov : syllables(ms, -24); };
  run(3000);
  ASSERT_EQ(names(), "alice");
  EXPECT_EQ(detector_.dominant()->track, "TR_mic");
  tracks_[1].level = tracks_[0].level;
  tracks_[0].level = [](int64_t) { return kSilenceDbov; };
  run(5000);
  EXPECT_EQ(names(), "alice") << "the same person on another track is no change";
  EXPECT_EQ(detector_.dominant()->track, "TR_screen");
  EXPECT_EQ(detector_.n_known(), 1u);
}

TEST_P(Meeting, TracksWithoutIdentityAreToldApartByTrack) {
  add("", "TR_1");
  tracks_.push_back({[](int64_t ms) { return syllables(ms, -24); }, "", "TR_2", ""});
  run(1000);
  ASSERT_NE(detector_.dominant(), nullptr);
  EXPECT_EQ(detector_.dominant()->track, "TR_2");
  EXPECT_EQ(detector_.dominant()->name, "TR_2");
  EXPECT_EQ(detector_.n_known(), 2u);
}

TEST_P(Meeting, RenamedWhileTalking) {
  add("alice", "", "Alice");
  talk("alice", 0, 9000);
  run(1000);
  EXPECT_EQ(detector_.dominant()->name, "Alice");
  tracks_[0].name = "Alice B.";
  run(2000);
  EXPECT_EQ(detector_.dominant()->name, "Alice B.");
  EXPECT_EQ(names(), "alice");
}

TEST_P(Meeting, WhoLeavesIsNobodyAfterTheTimeoutAndForgottenLater) {
  add("alice");
  add("bob");
  talk("alice", 1000, 90000);
  run(3000);
  ASSERT_EQ(names(), "alice");
  tracks_.erase(tracks_.begin());
  run(5000);
  EXPECT_EQ(names(), "alice -");
  EXPECT_EQ(detector_.n_known(), 2u);
  run(15000);
  EXPECT_EQ(detector_.n_known(), 1u);
}

TEST_P(Meeting, WhoLeavesIsForgottenEvenIfSilenceNeverEnds) {
  add("alice");
  talk("alice", 1000, 3000);
  detector_.set_silence_timeout(0);
  run(3000);
  tracks_.clear();
  run(20000);
  EXPECT_EQ(names(), "alice -");
  EXPECT_EQ(detector_.n_known(), 0u);
  EXPECT_TRUE(detector_.speakers().empty());
}

TEST_P(Meeting, ComesBackInAnotherOrder) {
  add("alice");
  add("bob");
  add("carol");
  talk("carol", 1000, 9000);
  run(2000);
  std::swap(tracks_[0], tracks_[2]);
  run(3000);
  tracks_.erase(tracks_.begin() + 1);
  run(9000);
  EXPECT_EQ(names(), "carol");
}

TEST_P(Meeting, NoTracksAtAll) {
  run(5000);
  EXPECT_EQ(names(), "");
  EXPECT_EQ(detector_.dominant(), nullptr);
  EXPECT_EQ(detector_.n_known(), 0u);
}

TEST_P(Meeting, AHoleInTimeIsSilence) {
  add("alice");
  talk("alice", 0, 90000);
  run(3000);
  clock_ms_ += 1000;  // shorter than the timeout: still alice
  run(6000);
  EXPECT_EQ(names(), "alice");
  clock_ms_ += 20000;  // reported with the first slice after the hole
  run(30000);
  EXPECT_EQ(names(), "alice - alice");
  EXPECT_EQ(detector_.counters().time_jumps, 2u);
}

TEST_P(Meeting, TimeThatJumpsBackForgetsWhatWasHeard) {
  add("alice");
  talk("alice", 0, 90000);
  run(10000);
  clock_ms_ = 0;
  run(3000);
  ASSERT_EQ(names(), "alice - alice");
  EXPECT_LE(changes_[2].since_ms, 200);
}

TEST_P(Meeting, ResetForgetsEverything) {
  EXPECT_FALSE(detector_.reset());
  add("alice");
  talk("alice", 0, 90000);
  run(3000);
  EXPECT_TRUE(detector_.reset());
  EXPECT_EQ(detector_.dominant(), nullptr);
  EXPECT_TRUE(detector_.speakers().empty());
  EXPECT_EQ(detector_.n_known(), 0u);
  clock_ms_ = 0;
  changes_.clear();
  run(3000);
  EXPECT_EQ(names(), "alice");
}

TEST(DominantSpeaker, BadLevelsAreSilenceOrFullScale) {
  DominantSpeaker detector;
  const double bad[] = {std::numeric_limits<double>::quiet_NaN(),
                        -std::numeric_limits<double>::infinity(), -1000};
  for (int slice = 0; slice < 300; ++slice) {
    const TrackLevel track = {"TR", "alice", "Alice", bad[slice % 3]};
    EXPECT_FALSE(detector.process(uint64_t(slice) * 10 * kMs, 10 * kMs, {&track, 1}));
  }
  for (int slice = 300; slice < 400; ++slice) {
    const TrackLevel track = {"TR", "alice", "Alice", std::numeric_limits<double>::infinity()};
    detector.process(uint64_t(slice) * 10 * kMs, 10 * kMs, {&track, 1});
  }
  ASSERT_NE(detector.dominant(), nullptr);
  EXPECT_NEAR(detector.dominant()->level_dbov, 0, 0.1);
}

TEST(DominantSpeaker, RoundedTimestampsAreNoJumps) {
  DominantSpeaker detector;
  // 1024 samples at 44.1 kHz, timestamps rounded as GStreamer does, and jitter of 2 ms.
  for (uint64_t i = 0; i < 1000; ++i) {
    const uint64_t time = i * 1024 * 1'000'000'000 / 44100 + (i % 3) * kMs;
    const TrackLevel track = {"TR", "alice", "Alice", syllables(int64_t(time / kMs), -24)};
    detector.process(time, 23'219'954, {&track, 1});
  }
  EXPECT_EQ(detector.counters().time_jumps, 0u);
  EXPECT_EQ(detector.counters().changes, 1u);
}

TEST(DominantSpeaker, SlicesOf100MsAndOfZero) {
  DominantSpeaker detector;
  for (uint64_t i = 0; i < 50; ++i) {
    const TrackLevel track = {"TR", "alice", "Alice", i < 10 ? kSilenceDbov : -25.0};
    detector.process(i * 100 * kMs, 100 * kMs, {&track, 1});
    detector.process((i + 1) * 100 * kMs, 0, {&track, 1});
  }
  ASSERT_NE(detector.dominant(), nullptr);
  EXPECT_EQ(detector.dominant()->identity, "alice");
}

TEST(DominantSpeaker, FiveHundredTracks) {
  DominantSpeaker detector;
  std::vector<std::string> names;
  for (int i = 0; i < 500; ++i) names.push_back("p" + std::to_string(i));
  std::vector<TrackLevel> levels;
  for (const std::string& name : names) levels.push_back({name, name, name, kSilenceDbov});
  std::vector<std::string> heard;
  for (int64_t ms = 0; ms < 20000; ms += 10) {
    for (TrackLevel& level : levels) level.level_dbov = kSilenceDbov;
    levels[size_t(ms / 5000) * 100 + 7].level_dbov = syllables(ms, -24);
    if (detector.process(uint64_t(ms) * kMs, 10 * kMs, levels)) {
      heard.push_back(detector.dominant() ? detector.dominant()->identity : "-");
    }
  }
  EXPECT_EQ(heard, (std::vector<std::string>{"p7", "p107", "p207", "p307"}));
}

TEST(DominantSpeaker, MemoryIsBoundedWhenIdentitiesAreMadeUp) {
  DominantSpeaker detector;
  size_t most = 0;
  for (uint64_t slice = 0; slice < 3000; ++slice) {
    const std::string name = "made-up-" + std::to_string(slice);
    const TrackLevel track = {name, name, name, -20};
    detector.process(slice * 10 * kMs, 10 * kMs, {&track, 1});
    most = std::max(most, detector.n_known());
  }
  EXPECT_LE(most, 1001u);
}

}  // namespace
