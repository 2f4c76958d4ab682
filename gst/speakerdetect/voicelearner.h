// SPDX-License-Identifier: LGPL-2.1-or-later
// Learns what people sound like from tracks that have their names, and writes it into a folder, so
// that they are known in a mix later. Beside the streaming thread, which never waits.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "knownvoices.h"

namespace speakerdetect {

struct LearnerParts {
  std::shared_ptr<const speech::SileroWeights> voice_activity;
  std::shared_ptr<VoiceEmbedder> embedder;
};

/** NAME.voice of a folder; names that could leave it are made harmless. */
std::filesystem::path voice_file(const std::filesystem::path& folder, const std::string& name);

class VoiceLearner {
 public:
  /** Loads what is needed, on the learner's thread. Without an embedder nothing is learnt, and the
   * text is for the user. */
  using Make = std::function<LearnerParts(std::string& problem)>;

  VoiceLearner(Make make, std::filesystem::path folder);
  ~VoiceLearner(); /* what is waiting is learnt and everything written */
  VoiceLearner(const VoiceLearner&) = delete;
  VoiceLearner& operator=(const VoiceLearner&) = delete;

  /** Mono at 16 kHz. What comes faster than can be listened to is left out: there is enough. */
  void push(const std::string& name, std::span<const float> samples);
  /** For the user, once; "" = all is well. */
  std::string problem();

 private:
  struct Person {
    std::unique_ptr<speech::SileroVad> voice_activity;
    std::vector<float> window;
    std::vector<float> speech;
    Embedding sum;
    double seconds = 0;
    double written_s = 0;
  };

  void run();
  void listen(const std::string& name, std::span<const float> samples);
  void write(const std::string& name, Person& person);

  const Make make_;
  const std::filesystem::path folder_;
  LearnerParts parts_;                   /* the learner's thread */
  std::map<std::string, Person> people_; /* the learner's thread */

  std::mutex lock_;
  std::condition_variable changed_;
  std::deque<std::pair<std::string, std::vector<float>>> pieces_; /* lock_ */
  size_t waiting_ = 0;                                            /* lock_; samples in pieces_ */
  bool stopping_ = false;                                         /* lock_ */
  std::string problem_;                                           /* lock_ */
  std::thread thread_;
};

}  // namespace speakerdetect
