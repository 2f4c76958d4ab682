// Segmenter: scripted probabilities in, known utterances out. A window is 32 ms.
#include "stt/segmenter.h"

#include <gtest/gtest.h>

#include <cmath>
#include <string>

namespace stt {
namespace {

using Kind = SegmentEvent::Kind;

constexpr int64_t kMsNs = 1'000'000;
const Speaker kAlice = {"TR_a", "alice", "Alice"};
const Speaker kBob = {"TR_b", "bob", "Bob"};

class SegmenterTest : public ::testing::Test {
 protected:
  // `script` has a character a window: S speech, ? doubt (0.4), . silence, q quiet speech.
  // Every sample of window n has the value n / 10000, so that spans can be recognized; q's are
  // 40 dB softer, with the sign turned.
  void feed(const std::string& script) {
    for (const char what : script) {
      const float value = static_cast<float>(fed_ + 1) / 10000;
      const std::vector<float> window(kWindowSamples, what == 'q' ? -value / 100 : value);
      const float probability = what == 'S' || what == 'q' ? 0.9F : what == '?' ? 0.4F : 0.1F;
      keep(segmenter_->feed(window, time_of(fed_), probability));
      fed_++;
    }
  }
  void keep(Segmenter::Events events) {
    for (SegmentEvent& event : events) events_.push_back(std::move(event));
  }
  void use(const SegmenterConfig& config) { segmenter_.emplace(config); }
  std::vector<SegmentEvent> of_kind(Kind kind) const {
    std::vector<SegmentEvent> found;
    for (const SegmentEvent& event : events_) {
      if (event.kind == kind) found.push_back(event);
    }
    return found;
  }
  static int64_t time_of(int window) { return 5'000'000'000 + window * kWindowNs; }
  static int first_window(const SegmentEvent& event) {
    const float first = event.samples.front();
    return static_cast<int>(std::lround(first < 0 ? -first * 1e6 : first * 1e4)) - 1;
  }
  static size_t n_windows(const SegmentEvent& event) {
    return event.samples.size() / kWindowSamples;
  }
  static std::string run(int count, char what) { return std::string(count, what); }

  std::optional<Segmenter> segmenter_{SegmenterConfig{}};
  int fed_ = 0;
  std::vector<SegmentEvent> events_;
};

TEST_F(SegmenterTest, SilenceAndNothingGiveNothing) {
  keep(segmenter_->end());
  feed(run(200, '.'));
  feed(run(50, '?'));
  keep(segmenter_->end());
  EXPECT_TRUE(events_.empty());
  EXPECT_TRUE(segmenter_->is_idle());
}

TEST_F(SegmenterTest, UtteranceHasPreRollPostRollAndExactTimes) {
  feed(run(20, '.') + run(10, 'S') + run(13, '.'));
  const auto finals = of_kind(Kind::final);
  ASSERT_EQ(finals.size(), 1u);
  EXPECT_EQ(finals[0].utterance, 1u);
  EXPECT_EQ(finals[0].start_ns, time_of(20));
  EXPECT_EQ(finals[0].end_ns, time_of(30));
  EXPECT_EQ(first_window(finals[0]), 10);  // 300 ms = 10 windows before
  EXPECT_EQ(finals[0].samples_ns, time_of(10));
  EXPECT_EQ(n_windows(finals[0]), 10u + 10 + 6);
  EXPECT_TRUE(segmenter_->is_idle());
}

TEST_F(SegmenterTest, PreRollIsWhatThereIsAtTheBeginning) {
  feed(run(3, '.') + run(10, 'S') + run(13, '.'));
  const auto finals = of_kind(Kind::final);
  ASSERT_EQ(finals.size(), 1u);
  EXPECT_EQ(first_window(finals[0]), 0);
}

TEST_F(SegmenterTest, PreRollHoldsNoSpeechOfTheUtteranceBefore) {
  feed(run(12, '.') + run(10, 'S') + run(14, '.') + run(10, 'S') + run(13, '.'));
  const auto finals = of_kind(Kind::final);
  ASSERT_EQ(finals.size(), 2u);
  EXPECT_EQ(finals[1].utterance, 2u);
  EXPECT_EQ(first_window(finals[1]), 36 - 10);
  EXPECT_GE(first_window(finals[1]), 22);
}

TEST_F(SegmenterTest, EndsAfterTheSilenceAndNotBefore) {
  feed(run(10, 'S') + run(12, '.'));
  EXPECT_TRUE(of_kind(Kind::final).empty());
  feed("S");
  feed(run(12, '.'));
  EXPECT_TRUE(of_kind(Kind::final).empty());
  feed(".");
  ASSERT_EQ(of_kind(Kind::final).size(), 1u);
  EXPECT_EQ(of_kind(Kind::final)[0].end_ns, time_of(23));
}

TEST_F(SegmenterTest, DoubtKeepsAnUtteranceButOpensNone) {
  feed(run(8, 'S') + run(20, '?') + run(13, '.'));
  const auto finals = of_kind(Kind::final);
  ASSERT_EQ(finals.size(), 1u);
  EXPECT_EQ(finals[0].end_ns, time_of(28));
}

TEST_F(SegmenterTest, ClicksGiveNothingAndDoNotMoveTheStart) {
  feed(run(12, '.') + "SS" + run(20, '.') + "S" + run(30, '.') + "SSSS" + run(30, '.'));
  EXPECT_TRUE(events_.empty());
  feed("SS" + run(7, '.') + run(10, 'S') + run(13, '.'));
  const auto finals = of_kind(Kind::final);
  ASSERT_EQ(finals.size(), 1u);
  EXPECT_EQ(finals[0].utterance, 1u);
  EXPECT_EQ(finals[0].start_ns, time_of(fed_ - 23));
}

TEST_F(SegmenterTest, ShortestSpeechIsAnUtterance) {
  feed("SSSSS" + run(13, '.'));
  EXPECT_EQ(of_kind(Kind::final).size(), 1u);
}

TEST_F(SegmenterTest, PartialEveryIntervalOfSpeech) {
  feed(run(15, 'S'));
  EXPECT_TRUE(events_.empty());
  feed("S");  // 512 ms
  ASSERT_EQ(of_kind(Kind::partial).size(), 1u);
  EXPECT_EQ(n_windows(events_[0]), 16u);
  EXPECT_EQ(events_[0].end_ns, time_of(16));
  feed(run(5, '.') + run(15, 'S'));  // a short pause is not speech
  EXPECT_EQ(of_kind(Kind::partial).size(), 1u);
  feed("S");
  ASSERT_EQ(of_kind(Kind::partial).size(), 2u);
  EXPECT_EQ(n_windows(of_kind(Kind::partial)[1]), 37u);
  EXPECT_EQ(of_kind(Kind::partial)[1].utterance, of_kind(Kind::partial)[0].utterance);
}

TEST_F(SegmenterTest, NoPartialsWhenNotWanted) {
  SegmenterConfig config;
  config.partials = false;
  use(config);
  feed(run(100, 'S') + run(13, '.'));
  EXPECT_TRUE(of_kind(Kind::partial).empty());
  EXPECT_EQ(of_kind(Kind::final).size(), 1u);
}

TEST_F(SegmenterTest, SpeculatesInTheSilenceWithTheFinalsSamples) {
  feed(run(10, 'S') + run(5, '.'));
  EXPECT_TRUE(events_.empty());
  feed(".");
  ASSERT_EQ(events_.size(), 1u);
  EXPECT_EQ(events_[0].kind, Kind::speculative);
  feed(run(7, '.'));
  ASSERT_EQ(events_.size(), 2u);
  EXPECT_EQ(events_[1].kind, Kind::final);
  EXPECT_TRUE(events_[1].as_speculated);
  EXPECT_EQ(events_[1].samples, events_[0].samples);
  EXPECT_EQ(events_[1].utterance, events_[0].utterance);
}

TEST_F(SegmenterTest, SpeechThatGoesOnTakesTheSpeculationBack) {
  feed(run(10, 'S') + run(8, '.') + "S");
  ASSERT_EQ(events_.size(), 2u);
  EXPECT_EQ(events_[1].kind, Kind::resumed);
  feed(run(13, '.'));
  ASSERT_EQ(events_.size(), 4u);
  EXPECT_EQ(events_[2].kind, Kind::speculative);
  EXPECT_EQ(events_[3].kind, Kind::final);
  EXPECT_EQ(n_windows(events_[3]), 19u + 6);
}

TEST_F(SegmenterTest, LongSpeechIsClosedInPartsAtItsPauses) {
  feed(run(10, '.') + run(125, 'S') + run(8, '.') + run(20, 'S') + run(8, '.') + run(20, 'S') +
       run(13, '.'));
  std::vector<Kind> kinds;
  for (const SegmentEvent& event : events_) {
    if (event.kind != Kind::partial) kinds.push_back(event.kind);
  }
  // 4 s, a pause: a part. 0.64 s, a pause: too short for one.
  EXPECT_EQ(kinds, (std::vector{Kind::speculative, Kind::part, Kind::speculative, Kind::resumed,
                                Kind::speculative, Kind::final}));
  const SegmentEvent part = of_kind(Kind::part)[0];
  EXPECT_TRUE(part.as_speculated);
  EXPECT_EQ(part.samples, of_kind(Kind::speculative)[0].samples);
  EXPECT_EQ(part.part, 0u);
  EXPECT_EQ(part.start_ns, time_of(10));
  EXPECT_EQ(part.part_start_ns, time_of(10));
  EXPECT_EQ(part.end_ns, time_of(135));
  const SegmentEvent final = of_kind(Kind::final)[0];
  EXPECT_EQ(final.utterance, part.utterance);
  EXPECT_EQ(final.part, 1u);
  EXPECT_EQ(final.start_ns, time_of(10));
  EXPECT_EQ(final.part_start_ns, time_of(143));
  EXPECT_EQ(final.end_ns, time_of(191));
  EXPECT_EQ(first_window(final), 135);
  EXPECT_EQ(n_windows(final), 8u + 20 + 8 + 20 + 6);
}

TEST_F(SegmenterTest, VeryLongSpeechEndsAtAPauseBeforeTheLimit) {
  feed(run(320, 'S') + run(8, '.') + run(20, 'S') + run(13, '.'));
  const auto finals = of_kind(Kind::final);
  ASSERT_EQ(finals.size(), 2u);
  EXPECT_TRUE(finals[0].as_speculated);
  EXPECT_EQ(finals[0].end_ns, time_of(320));
  EXPECT_EQ(finals[1].start_ns, time_of(328));
  EXPECT_EQ(finals[1].part, 0u);
  EXPECT_EQ(first_window(finals[1]), 320);
  EXPECT_TRUE(of_kind(Kind::part).empty());
}

TEST_F(SegmenterTest, NoPreRollIsPossible) {
  SegmenterConfig config;
  config.pre_roll_ms = 0;
  use(config);
  feed(run(5, '.') + run(320, 'S') + run(8, '.') + run(20, 'S') + run(13, '.'));
  const auto finals = of_kind(Kind::final);
  ASSERT_EQ(finals.size(), 2u);
  EXPECT_EQ(first_window(finals[0]), 5);
  EXPECT_EQ(first_window(finals[1]), 333);
}

TEST_F(SegmenterTest, SpeakerChangeInAClosedPartEndsTheUtteranceThere) {
  keep(segmenter_->set_speaker(kAlice, time_of(0)));
  feed(run(130, 'S') + run(8, '.') + run(30, 'S'));
  ASSERT_EQ(of_kind(Kind::part).size(), 1u);
  keep(segmenter_->set_speaker(kBob, time_of(120)));
  ASSERT_EQ(of_kind(Kind::final).size(), 1u);
  const SegmentEvent final = of_kind(Kind::final)[0];
  EXPECT_EQ(final.speaker, kAlice);
  EXPECT_EQ(final.part, 1u);
  EXPECT_TRUE(final.samples.empty());
  EXPECT_EQ(final.end_ns, time_of(130));
  feed(run(13, '.'));
  ASSERT_EQ(of_kind(Kind::final).size(), 2u);
  EXPECT_EQ(of_kind(Kind::final)[1].speaker, kBob);
  EXPECT_EQ(of_kind(Kind::final)[1].start_ns, time_of(138));
}

TEST_F(SegmenterTest, EndClosesWhatIsOpenAtOnce) {
  feed(run(4, '.') + run(10, 'S'));
  keep(segmenter_->end());
  ASSERT_EQ(of_kind(Kind::final).size(), 1u);
  EXPECT_EQ(n_windows(of_kind(Kind::final)[0]), 14u);
  EXPECT_TRUE(segmenter_->is_idle());
  feed(run(10, 'S') + run(13, '.'));
  EXPECT_EQ(of_kind(Kind::final)[1].start_ns, time_of(14));
  EXPECT_EQ(first_window(of_kind(Kind::final)[1]), 14);
}

TEST_F(SegmenterTest, LongSpeechIsCutAtItsQuietestPlaceWithoutLosingAny) {
  SegmenterConfig config;
  config.max_utterance_ms = 3200;  // 100 windows
  use(config);
  feed(run(80, 'S') + "qqq" + run(16, 'S'));
  EXPECT_TRUE(of_kind(Kind::final).empty());
  feed("S");
  auto finals = of_kind(Kind::final);
  ASSERT_EQ(finals.size(), 1u);
  EXPECT_EQ(n_windows(finals[0]), 81u);
  EXPECT_EQ(finals[0].end_ns, time_of(81));
  feed(run(10, 'S') + run(13, '.'));
  finals = of_kind(Kind::final);
  ASSERT_EQ(finals.size(), 2u);
  EXPECT_EQ(first_window(finals[1]), 81);
  EXPECT_EQ(finals[1].start_ns, time_of(81));
  EXPECT_EQ(finals[1].end_ns, time_of(110));
  EXPECT_EQ(finals[1].utterance, finals[0].utterance + 1);
}

TEST_F(SegmenterTest, LongSpeechWithAPauseIsCutInThePause) {
  SegmenterConfig config;
  config.max_utterance_ms = 3200;
  use(config);
  feed(run(75, 'S') + "...." + run(21, 'S'));
  const auto finals = of_kind(Kind::final);
  ASSERT_EQ(finals.size(), 1u);
  EXPECT_EQ(finals[0].end_ns, time_of(75));
  keep(segmenter_->end());
  EXPECT_EQ(of_kind(Kind::final)[1].start_ns, time_of(79));
}

TEST_F(SegmenterTest, EndlessSpeechNeverGrowsBeyondTheLimit) {
  SegmenterConfig config;
  config.max_utterance_ms = 3200;
  use(config);
  feed(run(1000, 'S'));
  keep(segmenter_->end());
  size_t total = 0;
  for (const SegmentEvent& event : of_kind(Kind::final)) {
    EXPECT_LE(n_windows(event), 100u);
    total += n_windows(event);
  }
  EXPECT_EQ(total, 1000u);
}

TEST_F(SegmenterTest, SpeakerIsOnEveryEvent) {
  keep(segmenter_->set_speaker(kAlice, time_of(0)));
  feed(run(20, 'S') + run(13, '.'));
  ASSERT_EQ(events_.size(), 3u);
  for (const SegmentEvent& event : events_) EXPECT_EQ(event.speaker, kAlice);
}

TEST_F(SegmenterTest, SpeakerChangeCutsAtTheQuietPlaceNearby) {
  keep(segmenter_->set_speaker(kAlice, time_of(0)));
  feed(run(40, 'S') + "qqq" + run(17, 'S'));
  keep(segmenter_->set_speaker(kBob, time_of(44)));  // q's are windows 40 to 42
  feed(run(20, 'S') + run(13, '.'));
  const auto finals = of_kind(Kind::final);
  ASSERT_EQ(finals.size(), 2u);
  EXPECT_EQ(finals[0].speaker, kAlice);
  EXPECT_EQ(finals[0].end_ns, time_of(41));
  EXPECT_EQ(finals[1].speaker, kBob);
  EXPECT_EQ(finals[1].start_ns, time_of(41));
  EXPECT_EQ(finals[1].end_ns, time_of(80));
}

TEST_F(SegmenterTest, SpeakerChangeAtTheNextSampleWaitsForTheAudioAroundIt) {
  keep(segmenter_->set_speaker(kAlice, time_of(0)));
  feed(run(40, 'S'));
  keep(segmenter_->set_speaker(kBob, time_of(40)));
  EXPECT_TRUE(of_kind(Kind::final).empty());
  feed("SqSSS");
  ASSERT_EQ(of_kind(Kind::final).size(), 1u);
  EXPECT_EQ(of_kind(Kind::final)[0].speaker, kAlice);
  keep(segmenter_->end());
}

TEST_F(SegmenterTest, SpeakerChangeInThePauseEndsTheUtteranceAtOnce) {
  keep(segmenter_->set_speaker(kAlice, time_of(0)));
  feed(run(40, 'S') + run(4, '.'));
  keep(segmenter_->set_speaker(kBob, time_of(44)));
  feed(run(16, 'S') + run(13, '.'));
  const auto finals = of_kind(Kind::final);
  ASSERT_EQ(finals.size(), 2u);
  EXPECT_EQ(finals[0].end_ns, time_of(40));
  EXPECT_EQ(finals[1].speaker, kBob);
  EXPECT_EQ(finals[1].start_ns, time_of(44));
}

TEST_F(SegmenterTest, SpeakerNamedJustAfterTheStartHasSpokenAllOfIt) {
  keep(segmenter_->set_speaker(kAlice, time_of(0)));
  feed(run(40, '.') + run(8, 'S'));
  keep(segmenter_->set_speaker(kBob, time_of(46)));  // 192 ms into it
  feed(run(20, 'S') + run(13, '.'));
  const auto finals = of_kind(Kind::final);
  ASSERT_EQ(finals.size(), 1u);
  EXPECT_EQ(finals[0].speaker, kBob);
}

TEST_F(SegmenterTest, SpeakerNamedAfterNobodyHasSpokenAllOfIt) {
  feed(run(30, 'S'));
  keep(segmenter_->set_speaker(kBob, time_of(25)));
  feed(run(10, 'S') + run(13, '.'));
  const auto finals = of_kind(Kind::final);
  ASSERT_EQ(finals.size(), 1u);
  EXPECT_EQ(finals[0].speaker, kBob);
}

TEST_F(SegmenterTest, SpeakerChangesWhileNobodySpeaksCutNothing) {
  keep(segmenter_->set_speaker(kAlice, time_of(0)));
  feed(run(20, 'S') + run(30, '.'));
  keep(segmenter_->set_speaker(kBob, time_of(50)));
  keep(segmenter_->set_speaker(kAlice, time_of(50)));
  keep(segmenter_->set_speaker(kBob, time_of(50)));
  feed(run(20, '.') + run(20, 'S') + run(13, '.'));
  const auto finals = of_kind(Kind::final);
  ASSERT_EQ(finals.size(), 2u);
  EXPECT_EQ(finals[0].speaker, kAlice);
  EXPECT_EQ(finals[1].speaker, kBob);
}

TEST_F(SegmenterTest, SameSpeakerAgainCutsNothing) {
  keep(segmenter_->set_speaker(kAlice, time_of(0)));
  feed(run(30, 'S'));
  keep(segmenter_->set_speaker(kAlice, time_of(30)));
  feed(run(30, 'S') + run(13, '.'));
  EXPECT_EQ(of_kind(Kind::final).size(), 1u);
}

TEST_F(SegmenterTest, SpeakerChangePendingAtTheEndIsApplied) {
  keep(segmenter_->set_speaker(kAlice, time_of(0)));
  feed(run(40, 'S'));
  keep(segmenter_->set_speaker(kBob, time_of(38)));
  keep(segmenter_->end());
  const auto finals = of_kind(Kind::final);
  ASSERT_GE(finals.size(), 1u);
  EXPECT_EQ(finals[0].speaker, kAlice);
  feed(run(20, 'S') + run(13, '.'));
  EXPECT_EQ(of_kind(Kind::final).back().speaker, kBob);
}

TEST_F(SegmenterTest, RapidTurnsLoseNoSpeech) {
  keep(segmenter_->set_speaker(kAlice, time_of(0)));
  for (int turn = 0; turn < 10; turn++) {
    feed(run(25, 'S'));
    keep(segmenter_->set_speaker(turn % 2 == 0 ? kBob : kAlice, time_of(fed_)));
  }
  feed(run(13, '.'));
  size_t total = 0;
  std::vector<std::string> names;
  for (const SegmentEvent& event : of_kind(Kind::final)) {
    total += n_windows(event);
    if (names.empty() || names.back() != event.speaker.name) names.push_back(event.speaker.name);
  }
  EXPECT_GE(total, 250u);
  EXPECT_LE(total, 250u + 6);
  EXPECT_EQ(names.size(), 10u);
}

}  // namespace
}  // namespace stt
