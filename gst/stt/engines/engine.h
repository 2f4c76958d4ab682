// SPDX-License-Identifier: LGPL-2.1-or-later
// What a speech engine is: a Model, loaded once in the process and shared, and a Session for each
// stream. Everything around it (where speech is, when to decode, on which thread) is not its
// business.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "stt/transcriber.h"

namespace stt {

struct Hypothesis {
  std::string text;
  std::string language;     // BCP 47, "" = not known
  std::vector<Word> words;  // times count from the first sample of the span; empty = not known
  double confidence = -1;   // 0..1, negative = not known
};

struct Capabilities {
  // false: every decode reads the whole span, so partials cost as much as a final.
  // true: a Session keeps its state within a part and reads only what is new.
  bool streaming = false;
  bool word_times = false;
  bool confidence = false;
  int32_t longest_span_ms = 15000;     // longer ones lose accuracy; the segmenter cuts before
  std::vector<std::string> languages;  // BCP 47
};

// What is to be understood: the audio of a part of an utterance up to now. Between decodes of the
// same part it grows at its end; it may also come back shorter, when the utterance was cut.
struct SpeechSpan {
  uint64_t utterance = 0;
  uint32_t part = 0;  // long utterances are understood in parts, cut at pauses
  std::span<const float> samples;
  bool is_final = false;  // probably nothing of this part follows
};

// One stream's use of a model. Called by one thread at a time, not always the same one.
class Session {
 public:
  virtual ~Session() = default;
  virtual Hypothesis decode(const SpeechSpan& span) = 0;
};

// Immutable after loading; any number of threads may use it.
class Model {
 public:
  virtual ~Model() = default;
  virtual const std::string& name() const = 0;  // as in Result::model
  virtual const Capabilities& capabilities() const = 0;
  virtual std::unique_ptr<Session> new_session() const = 0;
};

// Shares what is loaded: the same key gives the same object for as long as somebody holds it.
// `load` runs at most once at a time in the process; nullptr from it is not remembered.
std::shared_ptr<const Model> share_model(const std::string& key,
                                         const std::function<std::shared_ptr<const Model>()>& load);

}  // namespace stt
