// What is said while the model loads comes through in order, or is counted.
#include "deferredtranscriber.h"

#include <gtest/gtest.h>

namespace stt {
namespace {

constexpr int64_t kSecondNs = 1'000'000'000;

struct Script : Transcriber {
  explicit Script(std::string& log) : log_(log) {}
  void push(std::span<const float> samples, int64_t time_ns) override {
    log_ +=
        "push " + std::to_string(samples.size()) + "@" + std::to_string(time_ns / 1000000) + ";";
  }
  void push_gap(int64_t time_ns, int64_t duration_ns) override {
    log_ += "gap " + std::to_string(duration_ns / 1000000) + "@" +
            std::to_string(time_ns / 1000000) + ";";
  }
  void set_speaker(const Speaker& speaker, int64_t time_ns) override {
    log_ += speaker.name + "@" + std::to_string(time_ns / 1000000) + ";";
  }
  void set_live(bool live) override { log_ += live ? "live;" : "file;"; }
  void drain(std::function<void()> done) override {
    log_ += "drain;";
    done();
  }
  TranscriberStats stats() const override { return {.finals = 7}; }
  std::string& log_;
};

const std::vector<float> kTenMs(160);

TEST(DeferredTranscriber, ReplaysInOrderAndJoinsWhatFollows) {
  DeferredTranscriber deferred(kSecondNs);
  std::string log;
  bool drained = false;
  deferred.set_speaker({"", "", "A"}, 0);
  deferred.push(kTenMs, 0);
  deferred.push(kTenMs, 10'000'000);
  deferred.push_gap(20'000'000, 10'000'000);
  deferred.push_gap(30'000'000, 10'000'000);
  deferred.push(kTenMs, 40'000'000);
  deferred.set_speaker({"", "", "B"}, 45'000'000);
  deferred.push(kTenMs, 500'000'000);
  deferred.drain([&] { drained = true; });
  EXPECT_FALSE(drained);
  EXPECT_EQ(deferred.stats().queued_ns, 40'000'000);
  deferred.attach(std::make_unique<Script>(log));
  EXPECT_EQ(log, "file;A@0;push 320@0;gap 20@20;push 160@40;B@45;push 160@500;drain;");
  EXPECT_TRUE(drained);
  log.clear();
  deferred.push(kTenMs, 0);
  EXPECT_EQ(log, "push 160@0;");
  EXPECT_EQ(deferred.stats().finals, 7u);
  EXPECT_EQ(deferred.stats().queued_ns, 0);
}

TEST(DeferredTranscriber, BeyondItsLimitTheOldestIsLostAndCounted) {
  DeferredTranscriber deferred(2 * kSecondNs);
  std::string log;
  const std::vector<float> second(16000);
  deferred.set_speaker({"", "", "A"}, 0);
  for (int i = 0; i < 5; ++i) deferred.push(second, i * kSecondNs);
  EXPECT_EQ(deferred.stats().lost_ns, 3 * kSecondNs);
  EXPECT_EQ(deferred.stats().queued_ns, 2 * kSecondNs);
  deferred.attach(std::make_unique<Script>(log));
  EXPECT_EQ(log, "file;A@0;push 16000@3000;push 16000@4000;");
  deferred.set_live(true);
  EXPECT_TRUE(log.ends_with("live;"));
}

TEST(DeferredTranscriber, GivingUpAnswersDrains) {
  DeferredTranscriber deferred(kSecondNs);
  int drained = 0;
  deferred.drain([&] { ++drained; });
  deferred.give_up();
  EXPECT_EQ(drained, 1);
  deferred.drain([&] { ++drained; });
  EXPECT_EQ(drained, 2);
  deferred.push(kTenMs, 0);
  EXPECT_EQ(deferred.stats().queued_ns, 0);
}

TEST(DeferredTranscriber, DetachedItTakesNothingMore) {
  DeferredTranscriber deferred(kSecondNs);
  std::string log;
  deferred.attach(std::make_unique<Script>(log));
  auto transcriber = deferred.detach();
  EXPECT_TRUE(transcriber);
  deferred.push(kTenMs, 0);
  deferred.attach(std::make_unique<Script>(log));
  deferred.push(kTenMs, 0);
  EXPECT_EQ(log, "file;");
}

}  // namespace
}  // namespace stt
