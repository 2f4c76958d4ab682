// StreamTranscriber with a model that the test holds and releases: order, dropping, speculation,
// limits. A window is 32 ms; the fake model's text is its letter and the windows it was given.
#include "stt/streamtranscriber.h"

#include <gtest/gtest.h>

#include <atomic>
#include <latch>
#include <string>
#include <thread>

#include "fakespeech.h"

namespace stt {
namespace {

using Texts = std::vector<std::string>;

class StreamTranscriberTest : public ::testing::Test {
 protected:
  // One model for everything, or with `tiered` another for partials.
  void start(unsigned decoders = 1, bool tiered = false) {
    parts_.pool = std::make_shared<WorkerPool>(decoders);
    parts_.final_model = large_;
    parts_.partial_model = tiered ? small_ : large_;
    parts_.new_voice_activity = [] { return std::make_unique<FakeVoiceActivity>(); };
    parts_.now = [this] { return Clock::time_point(std::chrono::milliseconds(now_ms_)); };
    transcriber_ = std::make_unique<StreamTranscriber>(parts_, config_, log_.taker());
  }
  // S is a window of speech, . one of (not digital) silence; waits until they are segmented.
  void feed(const std::string& script) {
    for (const char what : script) {
      const std::vector<float> window(kWindowSamples, what == 'S' ? 0.1F : 0.001F);
      transcriber_->push(window, time_ns_);
      time_ns_ += kWindowNs;
      now_ms_ += 32;
      Fence(*parts_.pool).pass();
    }
  }
  void drain() {
    std::latch done{1};
    transcriber_->drain([&] { done.count_down(); });
    done.wait();
  }
  static std::string run(int count, char what) { return std::string(count, what); }

  TranscriberConfig config_;
  std::shared_ptr<FakeModel> large_ = std::make_shared<FakeModel>("large", 'f');
  std::shared_ptr<FakeModel> small_ = std::make_shared<FakeModel>("small", 'p');
  SpeechParts parts_;
  ResultLog log_;
  std::atomic<int64_t> now_ms_ = 0;
  int64_t time_ns_ = 0;
  std::unique_ptr<StreamTranscriber> transcriber_;
};

TEST_F(StreamTranscriberTest, AnUtteranceGivesPartialsAndOneFinal) {
  start(1, true);
  const Speaker alice = {"TR_a", "alice", "Alice"};
  transcriber_->set_speaker(alice, 0);
  feed(run(20, '.') + run(16, 'S'));
  log_.wait_for(1);
  feed(run(16, 'S'));
  log_.wait_for(2);
  feed(run(6, '.'));
  log_.wait_for(3);  // decoded ahead: shown before it is final
  feed(run(7, '.'));
  log_.wait_for(4);
  EXPECT_EQ(log_.texts(), (Texts{"0p26", "0p42", "0f48", "1f48"}));
  const auto results = log_.results();
  for (size_t i = 0; i < results.size(); i++) {
    EXPECT_EQ(results[i].revision, i);
    EXPECT_EQ(results[i].utterance, 1u);
    EXPECT_EQ(results[i].speaker, alice);
    EXPECT_EQ(results[i].start_ns, 20 * kWindowNs);
    EXPECT_EQ(results[i].language, "en");
    EXPECT_EQ(results[i].confidence, 0.5);
  }
  EXPECT_EQ(results[0].model, "small");
  EXPECT_EQ(results[0].end_ns, 36 * kWindowNs);
  EXPECT_EQ(results[3].model, "large");
  EXPECT_EQ(results[3].end_ns, 52 * kWindowNs);
  EXPECT_EQ(large_->calls().size(), 1u);  // once, ahead
  const TranscriberStats stats = transcriber_->stats();
  EXPECT_EQ(stats.finals, 1u);
  EXPECT_EQ(stats.partials, 3u);
  EXPECT_EQ(stats.partials_dropped, 0u);
  EXPECT_EQ(stats.speculations, 1u);
  EXPECT_EQ(stats.speculations_used, 1u);
  EXPECT_EQ(stats.queued_ns, 0);
}

TEST_F(StreamTranscriberTest, NoSpeechNoTextAndNoModelCall) {
  start();
  feed(run(100, '.'));
  transcriber_->push(std::vector<float>(160'000), time_ns_);
  time_ns_ += 10'000'000'000;
  transcriber_->push_gap(time_ns_, 3'600'000'000'000);
  time_ns_ += 3'600'000'000'000;
  feed("SS" + run(30, '.'));
  drain();
  EXPECT_TRUE(log_.results().empty());
  EXPECT_TRUE(large_->calls().empty());
}

TEST_F(StreamTranscriberTest, WordTimesAreOfTheStream) {
  config_.partials = false;
  large_->tell_words();
  start();
  feed(run(30, '.') + run(10, 'S') + run(13, '.'));
  drain();
  ASSERT_EQ(log_.results().size(), 1u);
  const Word word = log_.results()[0].words.at(0);
  EXPECT_EQ(word.start_ns, 20 * kWindowNs + 100'000'000);
  EXPECT_EQ(word.end_ns, 20 * kWindowNs + 300'000'000);
}

TEST_F(StreamTranscriberTest, SpeculationInWorkIsUsedWhenTheSilenceIsLongEnough) {
  config_.partials = false;
  large_->hold();
  start();
  feed(run(10, 'S') + run(6, '.'));
  large_->wait_for_calls(1);
  feed(run(20, '.'));
  EXPECT_TRUE(log_.results().empty());
  large_->release();
  log_.wait_for(1);
  EXPECT_EQ(log_.texts(), (Texts{"1f16"}));
  EXPECT_EQ(large_->calls().size(), 1u);
}

TEST_F(StreamTranscriberTest, FinishedSpeculationWaitsForTheSilence) {
  config_.partials = false;
  start();
  feed(run(10, 'S') + run(6, '.'));
  large_->wait_for_calls(1);
  feed(run(6, '.'));
  EXPECT_TRUE(log_.results().empty());
  feed(".");
  log_.wait_for(1);
  EXPECT_EQ(log_.texts(), (Texts{"1f16"}));
  EXPECT_EQ(large_->calls().size(), 1u);
}

TEST_F(StreamTranscriberTest, SpeculationIsNoFinalWhenSpeechGoesOn) {
  config_.partials = false;
  start();
  feed(run(10, 'S') + run(6, '.'));
  large_->wait_for_calls(1);
  feed(run(3, 'S') + run(6, '.'));
  large_->wait_for_calls(2);
  feed(run(7, '.'));
  log_.wait_for(1);
  EXPECT_EQ(log_.texts(), (Texts{"1f25"}));
  const TranscriberStats stats = transcriber_->stats();
  EXPECT_EQ(stats.speculations, 2u);
  EXPECT_EQ(stats.speculations_used, 1u);
}

TEST_F(StreamTranscriberTest, PartsOfALongUtteranceAreOneResult) {
  config_.partials = false;
  large_->tell_words();
  start();
  feed(run(130, 'S') + run(8, '.') + run(20, 'S') + run(13, '.'));
  drain();
  EXPECT_EQ(log_.texts(), (Texts{"1f136 f34"}));
  const Result result = log_.results()[0];
  EXPECT_EQ(result.start_ns, 0);
  EXPECT_EQ(result.end_ns, 158 * kWindowNs);
  ASSERT_EQ(result.words.size(), 2u);
  EXPECT_EQ(result.words[1].start_ns, 130 * kWindowNs + 100'000'000);
  EXPECT_EQ(large_->calls().size(), 2u);
}

TEST_F(StreamTranscriberTest, PartialsGoOnWhileAPartIsDecoded) {
  config_.partial_interval_ms = 640;
  start(2, true);
  large_->hold();
  feed(run(130, 'S'));
  log_.wait_for(1);
  feed(run(8, '.'));
  large_->wait_for_calls(1);  // ahead; it will be the first part
  feed(run(20, 'S'));
  // What the small model said of the first part, and of what came since.
  log_.wait_until([](const Result& result) {
    return result.model == "small" && result.text.find(" p") != std::string::npos;
  });
  large_->release();
  feed(run(13, '.'));
  drain();
  EXPECT_EQ(log_.results().back().text, "f136 f34");
  EXPECT_TRUE(log_.results().back().is_final);
}

TEST_F(StreamTranscriberTest, PartialsDoNotWaitForTheFinalBeforeThem) {
  start(2, true);
  large_->hold();
  feed(run(16, 'S'));
  log_.wait_for(1);
  feed(run(13, '.'));
  large_->wait_for_calls(1);
  feed(run(16, 'S'));
  small_->wait_for_calls(2);
  feed(run(16, 'S'));
  small_->wait_for_calls(3);
  log_.wait_for(3);
  for (const Result& result : log_.results()) EXPECT_FALSE(result.is_final);
  EXPECT_EQ(log_.results()[1].utterance, 2u);
  large_->release();
  log_.wait_until([](const Result& result) { return result.is_final; });
  EXPECT_EQ(log_.results().back().utterance, 1u);
}

TEST_F(StreamTranscriberTest, LatePartialsAreDroppedAndFinalsAreNot) {
  large_->hold();
  start();
  feed(run(16, 'S'));
  large_->wait_for_calls(1);  // the first partial is in work, and stays there
  feed(run(80, 'S'));         // five more come due: each replaces the one before
  feed(run(13, '.'));
  feed(run(16, 'S') + run(13, '.'));
  feed(run(16, 'S') + run(13, '.'));
  large_->release();
  drain();
  EXPECT_EQ(log_.texts(), (Texts{"1f102", "1f32", "1f32"}));
  const TranscriberStats stats = transcriber_->stats();
  EXPECT_EQ(stats.partials, 0u);
  EXPECT_EQ(stats.partials_dropped, 8u);
  EXPECT_EQ(stats.finals, 3u);
  EXPECT_EQ(stats.finals_dropped, 0u);
  const auto calls = large_->calls();
  ASSERT_EQ(calls.size(), 4u);
  EXPECT_FALSE(calls[0].is_final);
}

TEST_F(StreamTranscriberTest, ResultsOfAStreamNeverOverlapAndKeepTheirOrder) {
  start(4);
  std::atomic<int> inside = 0;
  std::atomic<bool> overlapped = false;
  std::vector<uint64_t> finals;  // deliveries do not overlap, so needs no lock
  auto other = std::make_unique<StreamTranscriber>(parts_, config_, [&](const Result& result) {
    if (inside.fetch_add(1) != 0) overlapped = true;
    std::this_thread::yield();
    if (result.is_final) finals.push_back(result.utterance);
    inside--;
  });
  for (int utterance = 0; utterance < 40; utterance++) {
    for (int window = 0; window < 40; window++) {
      other->push(std::vector<float>(kWindowSamples, window < 20 ? 0.1F : 0.001F), time_ns_);
      time_ns_ += kWindowNs;
    }
  }
  std::latch done{1};
  other->drain([&] { done.count_down(); });
  done.wait();
  EXPECT_FALSE(overlapped);
  ASSERT_EQ(finals.size(), 40u);
  EXPECT_TRUE(std::is_sorted(finals.begin(), finals.end()));
}

TEST_F(StreamTranscriberTest, QueueLimitLosesTheOldestAndSaysSo) {
  config_.partials = false;
  config_.max_queue_ms = 2000;
  large_->hold();
  start();
  feed(run(20, 'S') + run(13, '.'));
  large_->wait_for_calls(1);  // in work: not in the queue any more
  for (int i = 0; i < 4; i++) feed(run(20 + i, 'S') + run(13, '.'));
  const TranscriberStats late = transcriber_->stats();
  EXPECT_LE(late.queued_ns, 2'000'000'000 + kWindowNs * 40);
  EXPECT_EQ(late.finals_dropped, 2u);
  EXPECT_EQ(late.lost_ns, (36 + 37) * kWindowNs);  // with pre-roll (10) and post-roll (6)
  large_->release();
  drain();
  EXPECT_EQ(log_.texts(), (Texts{"1f26", "1f38", "1f39"}));
  EXPECT_EQ(transcriber_->stats().queued_ns, 0);
}

TEST_F(StreamTranscriberTest, LostFinalIsWhatItsPartialsSaid) {
  config_.max_queue_ms = 1500;
  start();
  feed(run(16, 'S'));
  log_.wait_for(1);
  large_->hold();
  feed(run(16, 'S'));  // its second partial is in work
  large_->wait_for_calls(2);
  feed(run(13, '.'));
  for (int i = 0; i < 2; i++) feed(run(20, 'S') + run(13, '.'));
  large_->release();
  drain();
  EXPECT_EQ(log_.texts(), (Texts{"0f16", "1f16", "1f36", "1f36"}));
  EXPECT_EQ(log_.results()[1].utterance, 1u);
  EXPECT_EQ(log_.results()[1].revision, 1u);
  EXPECT_EQ(log_.results()[1].end_ns, 32 * kWindowNs);
  EXPECT_EQ(transcriber_->stats().finals_dropped, 1u);
}

TEST_F(StreamTranscriberTest, FinalsFallBackToTheSmallModelWhenTheLargeOneIsLate) {
  config_.partials = false;
  large_->hold();
  start(1, true);
  feed(run(20, 'S') + run(13, '.'));
  large_->wait_for_calls(1);
  feed(run(20, 'S') + run(13, '.'));
  now_ms_ += 2500;
  feed(run(20, 'S') + run(13, '.'));
  large_->release();
  drain();
  EXPECT_EQ(log_.texts(), (Texts{"1f26", "1p36", "1f36"}));
  EXPECT_EQ(log_.results()[1].model, "small");
  EXPECT_EQ(transcriber_->stats().finals_by_fallback, 1u);
}

TEST_F(StreamTranscriberTest, FilesGetTheLargeModelHoweverSlowItIs) {
  config_.partials = false;
  large_->hold();
  start(1, true);
  transcriber_->set_live(false);
  for (int i = 0; i < 10; i++) feed(run(20, 'S') + run(13, '.'));
  now_ms_ += 3000;
  large_->release();
  drain();
  EXPECT_EQ(transcriber_->stats().finals, 10u);
  EXPECT_EQ(transcriber_->stats().finals_by_fallback, 0u);
  EXPECT_TRUE(small_->calls().empty());
}

TEST_F(StreamTranscriberTest, EmptyTextIsNoResultButTakesPartialsBack) {
  start();
  large_->say("");
  feed(run(20, 'S') + run(13, '.'));
  drain();
  EXPECT_TRUE(log_.results().empty());
  large_->say("auto");
  feed(run(16, 'S'));
  log_.wait_for(1);
  large_->say("");
  feed(run(13, '.'));
  drain();
  EXPECT_EQ(log_.texts(), (Texts{"0f16", "1"}));
}

TEST_F(StreamTranscriberTest, InventedTextIsCut) {
  config_.partials = false;
  start();
  large_->say("the end the end the end the end the end");
  feed(run(40, 'S') + run(13, '.'));
  drain();
  EXPECT_EQ(log_.texts(), (Texts{"1the end"}));
}

TEST_F(StreamTranscriberTest, DrainEndsTheUtteranceAndComesAfterItsFinal) {
  config_.partials = false;
  large_->hold();
  start();
  feed(run(20, 'S') + run(3, '.'));
  std::atomic<bool> drained = false;
  std::latch done{1};
  transcriber_->drain([&] {
    drained = true;
    done.count_down();
  });
  large_->wait_for_calls(1);
  EXPECT_FALSE(drained);
  large_->release();
  done.wait();
  EXPECT_EQ(log_.texts(), (Texts{"1f23"}));
  // And on again.
  feed(run(20, 'S') + run(13, '.'));
  drain();
  EXPECT_EQ(log_.results().size(), 2u);
}

TEST_F(StreamTranscriberTest, DrainOfNothingIsDone) {
  start();
  drain();
  drain();
  EXPECT_TRUE(log_.results().empty());
}

TEST_F(StreamTranscriberTest, DrainBehindMuchAudioLosesNone) {
  config_.partials = false;
  start();
  std::vector<float> samples(kWindowSamples * 40, 0.001F);
  std::fill_n(samples.begin(), kWindowSamples * 20, 0.1F);
  for (int i = 0; i < 100; i++) {
    transcriber_->push(samples, time_ns_);
    time_ns_ += 40 * kWindowNs;
  }
  drain();
  EXPECT_EQ(log_.results().size(), 100u);
}

TEST_F(StreamTranscriberTest, GapsAndJumpsEndAnUtterance) {
  config_.partials = false;
  start();
  feed(run(20, 'S'));
  transcriber_->push_gap(time_ns_, 500'000'000);
  time_ns_ += 500'000'000;
  log_.wait_for(1);
  feed(run(20, 'S'));
  time_ns_ += 700'000'000;
  feed("S");
  log_.wait_for(2);
  time_ns_ = 1'000'000'000;
  feed(run(20, 'S'));
  drain();
  const auto results = log_.results();
  ASSERT_EQ(results.size(), 3u);
  EXPECT_EQ(results[0].end_ns, 20 * kWindowNs);
  EXPECT_EQ(results[2].start_ns, 1'000'000'000);
}

TEST_F(StreamTranscriberTest, SpeakerChangeSplitsAnUtterance) {
  config_.partials = false;
  start();
  transcriber_->set_speaker({"TR_a", "alice", "Alice"}, 0);
  feed(run(40, 'S'));
  transcriber_->set_speaker({"TR_b", "bob", "Bob"}, 30 * kWindowNs);
  feed(run(20, 'S') + run(13, '.'));
  drain();
  const auto results = log_.results();
  ASSERT_EQ(results.size(), 2u);
  EXPECT_EQ(results[0].speaker.name, "Alice");
  EXPECT_EQ(results[1].speaker.name, "Bob");
  EXPECT_EQ(results[0].end_ns, results[1].start_ns);
  EXPECT_NEAR(static_cast<double>(results[1].start_ns), 30.0 * kWindowNs, 160e6);
}

TEST_F(StreamTranscriberTest, DestructionWaitsForTheRunningDecodeAndDropsTheRest) {
  config_.partials = false;
  large_->hold();
  start();
  for (int i = 0; i < 3; i++) feed(run(20, 'S') + run(13, '.'));
  std::atomic<bool> drained = false;
  transcriber_->drain([&] { drained = true; });
  large_->wait_for_calls(1);
  std::thread releaser([&] {
    while (parts_.pool->clients() > 1) std::this_thread::yield();
    large_->release();
  });
  transcriber_.reset();
  releaser.join();
  EXPECT_EQ(large_->calls().size(), 1u);
  EXPECT_FALSE(drained);
}

}  // namespace
}  // namespace stt
