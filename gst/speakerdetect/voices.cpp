// SPDX-License-Identifier: LGPL-2.1-or-later
#include "voices.h"

#include <algorithm>
#include <cmath>

namespace speakerdetect {
namespace {

// What was given counts as so much speech: it is not lost in what is learnt later.
constexpr double kGivenSeconds = 30;

Embedding middle(const Embedding& a, double a_weight, const Embedding& b, double b_weight) {
  Embedding sum(a.size());
  for (size_t i = 0; i < sum.size() && i < b.size(); i++) {
    sum[i] = float(a[i] * a_weight + b[i] * b_weight);
  }
  return normalized(std::move(sum));
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
  return last_id_;
}

void Voices::learn(VoiceId id, const Embedding& embedding, double seconds) {
  Voice* voice = get(id);
  if (!voice || voice->likeness.size() != embedding.size()) return;
  Embedding learnt = middle(voice->likeness, voice->learnt_s, embedding, seconds);
  if (learnt.empty()) return;
  voice->likeness = std::move(learnt);
  voice->learnt_s = std::min(voice->learnt_s + seconds, config_.longest_s);
}

void Voices::hear(VoiceId id) {
  if (Voice* voice = get(id)) voice->heard = true;
}

double Voices::maturity(const Voice& voice) const {
  constexpr double kLeastSeconds = 1.6;
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
      if (likeness(first.likeness, second.likeness) < config_.alike) continue;
      const Merge merge = {second.id, first.id};
      if (!first.known) {
        first.likeness = middle(first.likeness, first.learnt_s, second.likeness, second.learnt_s);
        first.learnt_s = std::min(first.learnt_s + second.learnt_s, config_.longest_s);
      }
      first.heard = true;
      voices_.erase(voices_.begin() + ptrdiff_t(later));
      return merge;
    }
  }
  return {};
}

void Voices::reset() {
  std::erase_if(voices_, [](const Voice& voice) { return !voice.known; });
  for (Voice& voice : voices_) voice.heard = false;
  last_number_ = 0;
}

}  // namespace speakerdetect
