// A model that a test holds and releases, and a stream of made-up audio to feed it.
#pragma once

#include <algorithm>
#include <condition_variable>
#include <functional>
#include <latch>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "stt/streamtranscriber.h"

namespace stt {

// Understands a span as "<letter><number of windows>", e.g. "f26". While held, decodes wait.
class FakeModel : public Model {
 public:
  struct Call {
    uint64_t utterance;
    size_t windows;
    bool is_final;
  };

  FakeModel(std::string name, char letter) : name_(std::move(name)), letter_(letter) {}
  const std::string& name() const override { return name_; }
  const Capabilities& capabilities() const override { return capabilities_; }
  std::unique_ptr<Session> new_session() const override {
    return std::make_unique<FakeSession>(*this);
  }

  void hold() {
    const std::lock_guard lock(mutex_);
    allowed_ = 0;
  }
  void release() { release(1'000'000); }
  void release(int decodes) {
    const std::lock_guard lock(mutex_);
    allowed_ += decodes;
    changed_.notify_all();
  }
  // Until so many decodes have begun.
  void wait_for_calls(size_t count) const {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return calls_.size() >= count; });
  }
  std::vector<Call> calls() const {
    const std::lock_guard lock(mutex_);
    return calls_;
  }
  void say(const std::string& text) {
    const std::lock_guard lock(mutex_);
    text_ = text;
  }
  void tell_words() {
    const std::lock_guard lock(mutex_);
    words_ = {{"word", 100'000'000, 300'000'000}};
  }

 private:
  class FakeSession : public Session {
   public:
    explicit FakeSession(const FakeModel& model) : model_(model) {}
    Hypothesis decode(const SpeechSpan& span) override { return model_.decode(span); }

   private:
    const FakeModel& model_;
  };

  Hypothesis decode(const SpeechSpan& span) const {
    std::unique_lock lock(mutex_);
    const size_t windows = span.samples.size() / kWindowSamples;
    calls_.push_back({span.utterance, windows, span.is_final});
    changed_.notify_all();
    changed_.wait(lock, [this] { return allowed_ > 0; });
    allowed_--;
    Hypothesis hypothesis;
    hypothesis.text = text_ == "auto" ? letter_ + std::to_string(windows) : text_;
    hypothesis.language = "en";
    hypothesis.words = words_;
    hypothesis.confidence = 0.5;
    return hypothesis;
  }

  const std::string name_;
  const char letter_;
  const Capabilities capabilities_;
  mutable std::mutex mutex_;
  mutable std::condition_variable changed_;
  mutable int allowed_ = 1'000'000;  // guarded by mutex_
  mutable std::vector<Call> calls_;  // guarded by mutex_
  std::string text_ = "auto";        // guarded by mutex_
  std::vector<Word> words_;          // guarded by mutex_
};

// Loud windows are speech.
class FakeVoiceActivity : public VoiceActivity {
 public:
  float probability(std::span<const float> window) override {
    return window[0] > 0.05F ? 0.9F : 0.1F;
  }
  void reset() override {}
};

// What was delivered. Checks that deliveries never overlap.
class ResultLog {
 public:
  Transcriber::OnResult taker() {
    return [this](const Result& result) {
      const std::lock_guard lock(mutex_);
      results_.push_back(result);
      changed_.notify_all();
    };
  }
  void wait_for(size_t count) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return results_.size() >= count; });
  }
  void wait_until(const std::function<bool(const Result&)>& is_it) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return std::any_of(results_.begin(), results_.end(), is_it); });
  }
  std::vector<Result> results() {
    const std::lock_guard lock(mutex_);
    return results_;
  }
  // "0f26" is a partial with the text f26, "1f26" a final.
  std::vector<std::string> texts() {
    std::vector<std::string> texts;
    for (const Result& result : results()) {
      texts.push_back((result.is_final ? "1" : "0") + result.text);
    }
    return texts;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<Result> results_;  // guarded by mutex_
};

// Runs behind what was queued for the pool's light thread before.
class Fence : private PoolClient {
 public:
  explicit Fence(WorkerPool& pool) : pool_(pool) { pool_.add(*this); }
  ~Fence() override { pool_.remove(*this); }
  void pass() {
    pool_.request_light(*this);
    passed_.wait();
  }

 private:
  void run_light() override { passed_.count_down(); }
  double run_decode() override { return 0; }
  WorkerPool& pool_;
  std::latch passed_{1};
};

}  // namespace stt
