// SPDX-License-Identifier: LGPL-2.1-or-later
#include "voices.h"

#include <algorithm>
#include <cmath>

namespace speakerdetect {
namespace {

// What was given counts as so much speech: it is not lost in what is learnt later.
constexpr double kGivenSeconds = 30;
constexpr double kGivenMaturity = 0.33;

Embedding middle(const Embedding& a, double a_weight, const Embedding& b, double b_weight) {
  Embedding sum(a.size());
  for (size_t i = 0; i < sum.size() && i < b.size(); i++) {
    sum[i] = float(a[i] * a_weight + b[i] * b_weight);
  }
  return normalized(std::move(sum));
}

/* One minus the likeness of examples to their middle, as it is of people on the whole. */
constexpr double kLooseness = 0.13;

Embedding middle_of(const std::deque<Embedding>& examples) {
  Embedding sum(examples.front().size());
  for (const Embedding& example : examples) {
    for (size_t i = 0; i < sum.size() && i < example.size(); i++) sum[i] += example[i];
  }
  return normalized(std::move(sum));
}

double looseness_of(const std::deque<Embedding>& examples, const Embedding& middle) {
  double sum = 0;
  for (const Embedding& example : examples) sum += 1 - double(likeness(example, middle));
  return sum / double(examples.size());
}

}  // namespace

Voice* Voices::get(VoiceId id) {
  const auto found = std::find_if(voices_.begin(), voices_.end(),
                                  [id](const Voice& voice) { return voice.id == id; });
  return found == voices_.end() ? nullptr : &*found;
}

const Voice* Voices::find(VoiceId id) const {
  return const_cast<Voices*>(this)->get(id);
}

VoiceId Voices::add_known(const std::string& name, const Embedding& embedding) {
  voices_.push_back({++last_id_, name, true, false, embedding, kGivenSeconds});
  return last_id_;
}

size_t Voices::n_heard() const {
  return size_t(std::count_if(voices_.begin(), voices_.end(),
                              [](const Voice& voice) { return voice.heard; }));
}

bool Voices::may_add() const {
  return n_heard() < config_.max_voices;
}

VoiceId Voices::add_found(const Embedding& embedding, double seconds) {
  if (!may_add() || embedding.empty()) return kNoVoice;
  const std::string identity = "speaker-" + std::to_string(++last_number_);
  voices_.push_back({++last_id_, identity, false, true, embedding, seconds});
  add_example(voices_.back(), embedding);
  return last_id_;
}

void Voices::learn(VoiceId id, const Embedding& embedding, double seconds) {
  Voice* voice = get(id);
  if (!voice || voice->likeness.size() != embedding.size()) return;
  Embedding learnt = middle(voice->likeness, voice->learnt_s, embedding, seconds);
  if (learnt.empty()) return;
  voice->likeness = std::move(learnt);
  voice->learnt_s = std::min(voice->learnt_s + seconds, config_.longest_s);
  add_example(*voice, embedding);
}

void Voices::add_example(Voice& voice, const Embedding& embedding) {
  voice.examples.push_back(embedding);
  voice.fresh_examples++;
  if (voice.examples.size() > config_.examples) voice.examples.pop_front();
}

void Voices::hear(VoiceId id) {
  if (Voice* voice = get(id)) voice->heard = true;
}

double Voices::maturity(const Voice& voice) const {
  constexpr double kLeastSeconds = 1.6;
  if (voice.known) {
    // It was given in another recording, and is less alike to that than to what is heard here.
    const double heard_s = voice.learnt_s - kGivenSeconds;
    return kGivenMaturity +
           (1 - kGivenMaturity) * heard_s / std::max(1.0, config_.longest_s - kGivenSeconds);
  }
  if (voice.learnt_s <= kLeastSeconds) return 0;
  return std::min(
      1.0, std::log(voice.learnt_s / kLeastSeconds) / std::log(config_.mature_s / kLeastSeconds));
}

std::optional<Voices::Merge> Voices::merge_alike() {
  for (size_t later = 1; later < voices_.size(); later++) {
    for (size_t earlier = 0; earlier < later; earlier++) {
      Voice& first = voices_[earlier];
      Voice& second = voices_[later];
      // Given voices are whose they are said to be. They are first, and are kept.
      if (second.known || !second.heard) continue;
      if (std::min(first.learnt_s, second.learnt_s) < config_.merge_after_s) continue;
      if (!are_one(first, second)) continue;
      const Merge merge = {second.id, first.id};
      if (!first.known) {
        first.likeness = middle(first.likeness, first.learnt_s, second.likeness, second.learnt_s);
        first.learnt_s = std::min(first.learnt_s + second.learnt_s, config_.longest_s);
      }
      first.heard = true;
      for (const Embedding& example : second.examples) add_example(first, example);
      voices_.erase(voices_.begin() + ptrdiff_t(later));
      return merge;
    }
  }
  return {};
}

bool Voices::are_one(const Voice& first, const Voice& second) const {
  const size_t count = std::min(first.examples.size(), second.examples.size());
  // Of a known voice there are no examples before it has talked.
  const double looseness = count < config_.least_examples
                               ? kLooseness
                               : (looseness_of(first.examples, first.likeness) +
                                  looseness_of(second.examples, second.likeness)) /
                                     2;
  return 1 - double(likeness(first.likeness, second.likeness)) < config_.one * looseness;
}

bool Voices::split_unlike() {
  for (size_t i = 0; i < voices_.size(); i++) {
    Voice& voice = voices_[i];
    if (voice.fresh_examples < config_.least_examples) continue;
    voice.fresh_examples = 0;
    if (!voice.known && may_add() && split(i)) return true;
  }
  return false;
}

/** Two parts by k-means, begun with the two examples that are least alike. */
bool Voices::split(size_t index) {
  const std::deque<Embedding>& examples = voices_[index].examples;
  if (examples.size() < 2 * config_.least_examples) return false;
  Embedding middles[2] = {examples.front(), examples.front()};
  float least = 2;
  for (size_t i = 0; i < examples.size(); i++) {
    for (size_t j = 0; j < i; j++) {
      const float alike = likeness(examples[i], examples[j]);
      if (alike >= least) continue;
      least = alike;
      middles[0] = examples[j];
      middles[1] = examples[i];
    }
  }
  constexpr int kRounds = 8;
  std::deque<Embedding> parts[2];
  for (int round = 0; round < kRounds; round++) {
    for (auto& part : parts) part.clear();
    for (const Embedding& example : examples) {
      const bool second = likeness(example, middles[1]) > likeness(example, middles[0]);
      parts[second].push_back(example);
    }
    for (int part = 0; part < 2; part++) {
      if (parts[part].size() < config_.least_examples) return false;
      middles[part] = middle_of(parts[part]);
    }
  }
  const double looseness =
      (looseness_of(parts[0], middles[0]) + looseness_of(parts[1], middles[1])) / 2;
  if (1 - double(likeness(middles[0], middles[1])) < config_.two * looseness) return false;
  const int kept = parts[0].size() >= parts[1].size() ? 0 : 1;
  const double share = double(parts[kept].size()) / double(examples.size());
  const double learnt_s = voices_[index].learnt_s;
  const VoiceId fresh = add_found(middles[1 - kept], learnt_s * (1 - share));
  Voice& voice = voices_[index];
  voice.likeness = middles[kept];
  voice.learnt_s = learnt_s * share;
  get(fresh)->examples = parts[1 - kept];
  get(fresh)->fresh_examples = 0;
  voice.examples = std::move(parts[kept]);
  return true;
}

void Voices::reset() {
  std::erase_if(voices_, [](const Voice& voice) { return !voice.known; });
  for (Voice& voice : voices_) voice.heard = false;
  last_number_ = 0;
}

}  // namespace speakerdetect
