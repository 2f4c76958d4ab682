// SPDX-License-Identifier: LGPL-2.1-or-later
#include "voicelearner.h"

#include <pthread.h>

#include <algorithm>
#include <utility>

namespace speakerdetect {
namespace {

constexpr size_t kMostWaiting = size_t(30) * speech::kSampleRateHz;
constexpr size_t kMostPeople = 200;
constexpr size_t kStretch = 50 * speech::kWindowSamples; /* 1.6 s */
constexpr double kEnoughSeconds = 120;                   /* of speech; more tells nothing new */
constexpr double kWriteEverySeconds = 15;
constexpr double kLeastSeconds = 5;
constexpr float kSpeechProbability = 0.5F;

}  // namespace

std::filesystem::path voice_file(const std::filesystem::path& folder, const std::string& name) {
  std::string file = name;
  for (char& c : file) {
    if (c == '/' || static_cast<unsigned char>(c) < ' ') c = '_';
  }
  const bool is_plain = !file.empty() && file.front() != '.';
  return folder / ((is_plain ? "" : "_") + file + ".voice");
}

VoiceLearner::VoiceLearner(Make make, std::filesystem::path folder)
    : make_(std::move(make)), folder_(std::move(folder)) {
  thread_ = std::thread([this] {
    pthread_setname_np(pthread_self(), "voice-learner");
    run();
  });
}

VoiceLearner::~VoiceLearner() {
  {
    const std::lock_guard guard(lock_);
    stopping_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

void VoiceLearner::push(const std::string& name, std::span<const float> samples) {
  if (name.empty() || samples.empty()) return;
  {
    const std::lock_guard guard(lock_);
    if (waiting_ + samples.size() > kMostWaiting) return;
    waiting_ += samples.size();
    pieces_.emplace_back(name, std::vector<float>(samples.begin(), samples.end()));
  }
  changed_.notify_all();
}

std::string VoiceLearner::problem() {
  const std::lock_guard guard(lock_);
  return std::exchange(problem_, {});
}

void VoiceLearner::run() {
  std::string problem;
  parts_ = make_(problem);
  std::unique_lock guard(lock_);
  problem_ = std::move(problem);
  while (true) {
    changed_.wait(guard, [this] { return stopping_ || !pieces_.empty(); });
    if (pieces_.empty()) break;
    const auto [name, samples] = std::move(pieces_.front());
    pieces_.pop_front();
    waiting_ -= samples.size();
    guard.unlock();
    if (parts_.embedder) listen(name, samples);
    guard.lock();
  }
  guard.unlock();
  for (auto& [name, person] : people_) write(name, person);
}

void VoiceLearner::listen(const std::string& name, std::span<const float> samples) {
  if (!people_.contains(name) && people_.size() >= kMostPeople) return;
  Person& person = people_[name];
  if (person.seconds >= kEnoughSeconds) return;
  if (!person.voice_activity) {
    person.voice_activity = std::make_unique<speech::SileroVad>(parts_.voice_activity);
  }
  while (!samples.empty()) {
    const size_t count = std::min(samples.size(), speech::kWindowSamples - person.window.size());
    person.window.insert(person.window.end(), samples.begin(), samples.begin() + ptrdiff_t(count));
    samples = samples.subspan(count);
    if (person.window.size() < speech::kWindowSamples) return;
    if (person.voice_activity->probability(person.window) >= kSpeechProbability) {
      person.speech.insert(person.speech.end(), person.window.begin(), person.window.end());
    }
    person.window.clear();
    if (person.speech.size() < kStretch) continue;
    const Embedding embedding = parts_.embedder->embed(person.speech);
    person.speech.clear();
    if (embedding.empty()) continue;
    person.sum.resize(embedding.size());
    for (size_t i = 0; i < embedding.size(); i++) person.sum[i] += embedding[i];
    person.seconds += double(kStretch) / speech::kSampleRateHz;
    if (person.seconds >= person.written_s + kWriteEverySeconds) write(name, person);
  }
}

void VoiceLearner::write(const std::string& name, Person& person) {
  if (person.seconds < kLeastSeconds || person.seconds <= person.written_s) return;
  person.written_s = person.seconds;
  const KnownVoice voice = {name, normalized(person.sum), person.seconds};
  std::string error;
  if (write_voice(voice_file(folder_, name), voice, error)) return;
  const std::lock_guard guard(lock_);
  problem_ = "Voices are not kept: " + error + ". Does the folder exist, and may it be written?";
}

}  // namespace speakerdetect
