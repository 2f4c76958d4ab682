// SPDX-License-Identifier: LGPL-2.1-or-later
#include "voicetracker.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace speakerdetect {
namespace {

using speech::kWindowNs;

constexpr VoiceId kNewVoice = -2; /* somebody not met yet */
constexpr double kWindowSeconds = double(kWindowNs) / 1e9;
constexpr int64_t kLoudnessHistoryNs = 5'000'000'000;
/* A change inside speech is searched this far from where it seems to be. */
constexpr int64_t kChangeReachNs = 400'000'000;
constexpr double kLeastWeight = 0.25;
/* Less than this, added to what was listened to already, is not worth listening to. */
constexpr size_t kLeastFreshWindows = 5;
constexpr double kLearnSeconds = 1.2;
constexpr double kLearnScore = 0.02;

double short_share(double seconds, double whole_s) {
  return std::clamp((whole_s - seconds) / (whole_s * 0.5625), 0.0, 1.2);
}

}  // namespace

VoiceTracker::VoiceTracker(Embed embed, Voices& voices, const VoiceTrackerConfig& config)
    : embed_(std::move(embed)), voices_(voices), config_(config) {}

std::vector<VoiceTurn> VoiceTracker::feed(std::span<const float> window, int64_t time_ns,
                                          float probability) {
  std::vector<VoiceTurn> turns;
  now_ns_ = time_ns + kWindowNs;
  loudness_.emplace_back(time_ns,
                         float(std::max(speech::level_dbov(window), -80.0)) + 30 * probability);
  while (loudness_.front().first < time_ns - kLoudnessHistoryNs) loudness_.pop_front();

  const double needed = in_speech_ ? config_.stay_probability : config_.start_probability;
  const bool is_speech = double(probability) >= needed;
  if (is_speech && !in_speech_) {
    in_speech_ = true;
    passage_.clear();
    passage_windows_ = listened_windows_ = 0;
  }
  if (in_speech_) {
    Window& added = passage_.emplace_back();
    std::copy_n(window.begin(), std::min(window.size(), added.samples.size()),
                added.samples.begin());
    added.time_ns = time_ns;
    passage_windows_++;
    quiet_windows_ = is_speech ? 0 : quiet_windows_ + 1;
    while (passage_.size() > config_.stretch_windows + quiet_windows_) passage_.pop_front();
    if (is_speech) {
      last_speech_ns_ = now_ns_;
      if (passage_windows_ >= config_.first_windows &&
          passage_windows_ - listened_windows_ >= config_.step_windows) {
        listen();
        judge(turns, false);
      }
    } else if (quiet_windows_ >= config_.pause_windows) {
      end_passage(turns);
    }
  }
  if (!in_speech_ && told_ != kNoVoice && silence_timeout_ns_ > 0 &&
      now_ns_ - last_speech_ns_ >= silence_timeout_ns_) {
    tell(turns, kNoVoice, last_speech_ns_);
    for (Stretch& stretch : stretches_) stretch.settled = true;
  }
  return turns;
}

std::vector<VoiceTurn> VoiceTracker::end() {
  std::vector<VoiceTurn> turns;
  if (in_speech_) end_passage(turns);
  if (told_ != kNoVoice) tell(turns, kNoVoice, last_speech_ns_);
  for (Stretch& stretch : stretches_) stretch.settled = true;
  loudness_.clear();
  return turns;
}

void VoiceTracker::end_passage(std::vector<VoiceTurn>& turns) {
  in_speech_ = false;
  passage_windows_ -= quiet_windows_;
  passage_.resize(passage_.size() - std::min(quiet_windows_, passage_.size()));
  quiet_windows_ = 0;
  const size_t fresh = passage_windows_ - std::min(listened_windows_, passage_windows_);
  const size_t least = listened_windows_ > 0 ? kLeastFreshWindows : config_.least_windows;
  if (fresh >= least) listen();
  judge(turns, true);
  passage_.clear();
}

void VoiceTracker::listen() {
  std::vector<float> samples;
  samples.reserve(passage_.size() * speech::kWindowSamples);
  for (const Window& window : passage_) {
    samples.insert(samples.end(), window.samples.begin(), window.samples.end());
  }
  Stretch stretch;
  stretch.embedding = embed_(samples);
  stretch.after_pause = listened_windows_ == 0;
  stretch.fresh_s = double(passage_windows_ - listened_windows_) * kWindowSeconds;
  listened_windows_ = passage_windows_;
  if (stretch.embedding.empty()) return;
  stretch.begin_ns = passage_.front().time_ns;
  stretch.end_ns = passage_.back().time_ns + kWindowNs;
  stretch.seconds = double(passage_.size()) * kWindowSeconds;
  stretch.told = told_;
  stretches_.push_back(std::move(stretch));
  n_stretches_++;
}

void VoiceTracker::judge(std::vector<VoiceTurn>& turns, bool ended) {
  if (stretches_.empty()) return;
  find_path();
  if (add_new_voice(ended)) find_path();
  tell_path(turns);
  learn();
  merge(turns);
  if (voices_.split_unlike()) {
    find_path();
    tell_path(turns);
  }
  forget_old();
}

double VoiceTracker::score(const Stretch& stretch, const Voice& voice) const {
  const double whole_s = double(config_.stretch_windows) * kWindowSeconds;
  const double maturity = voices_.maturity(voice);
  // Of short stretches all voices are a little alike, and none very much.
  const double wanted =
      config_.alike_young + config_.alike_mature * maturity +
      config_.alike_short * short_share(stretch.seconds, whole_s) * (1 - 2 * maturity);
  const double weight = std::clamp(stretch.seconds / whole_s, kLeastWeight, 1.0);
  return weight * (double(likeness(stretch.embedding, voice.likeness)) - wanted);
}

/** Viterbi: the sequence of voices that fits all stretches best, where each change has a price. */
void VoiceTracker::find_path() {
  const std::vector<Voice>& voices = voices_.all();
  const bool may_be_new = voices_.may_add();
  const size_t n_states = voices.size() + (may_be_new ? 1 : 0);
  if (n_states == 0) return;
  const auto id_of = [&](size_t state) {
    return state < voices.size() ? voices[state].id : kNewVoice;
  };
  std::vector<double> best(n_states, 0);
  std::vector<double> next(n_states);
  std::vector<std::vector<size_t>> from(stretches_.size(), std::vector<size_t>(n_states));
  for (size_t i = 0; i < stretches_.size(); i++) {
    const Stretch& stretch = stretches_[i];
    const double change =
        stretch.after_pause ? config_.change_after_pause : config_.change_in_speech;
    const size_t favourite = size_t(std::max_element(best.begin(), best.end()) - best.begin());
    for (size_t state = 0; state < n_states; state++) {
      const bool is_new = state == voices.size();
      const double price = change + (is_new ? config_.change_to_new : 0);
      if (i == 0) {
        next[state] = before_ == kNoVoice || before_ == id_of(state) ? 0 : -price;
        from[i][state] = state;
      } else {
        const bool stays = best[state] >= best[favourite] - price;
        next[state] = stays ? best[state] : best[favourite] - price;
        from[i][state] = stays ? state : favourite;
      }
      if (!is_new) next[state] += score(stretch, voices[state]);
    }
    best.swap(next);
  }
  size_t state = size_t(std::max_element(best.begin(), best.end()) - best.begin());
  for (size_t i = stretches_.size(); i-- > 0;) {
    stretches_[i].voice = id_of(state);
    state = from[i][state];
  }
}

bool VoiceTracker::add_new_voice(bool ended) {
  size_t first = stretches_.size();
  double seconds = 0;
  while (first > 0 && stretches_[first - 1].voice == kNewVoice) {
    seconds += stretches_[--first].fresh_s;
  }
  if (seconds < (ended ? config_.new_ended_s : config_.new_s)) return false;
  // What is said before the change is somebody else's.
  const int64_t since_ns = change_time(first) - kChangeReachNs / 2;
  Embedding sum;
  for (size_t i = first; i < stretches_.size(); i++) {
    const Stretch& stretch = stretches_[i];
    const bool last = i + 1 == stretches_.size();
    if (stretch.begin_ns < since_ns && !(last && sum.empty())) continue;
    sum.resize(stretch.embedding.size());
    for (size_t j = 0; j < sum.size(); j++) {
      sum[j] += stretch.embedding[j] * float(stretch.seconds);
    }
  }
  sum = normalized(std::move(sum));
  double coherence = 0;
  size_t n_new = 0;
  for (size_t i = first; i < stretches_.size(); i++, n_new++) {
    coherence += double(likeness(stretches_[i].embedding, sum));
  }
  if (coherence < config_.new_coherence * double(n_new)) return false;
  const VoiceId id = voices_.add_found(sum, seconds);
  if (id == kNoVoice) return false;
  for (size_t i = first; i < stretches_.size(); i++) stretches_[i].learnt = true;
  return true;
}

int64_t VoiceTracker::change_time(size_t index) const {
  const Stretch& stretch = stretches_[index];
  if (stretch.after_pause || index == 0) return stretch.begin_ns;
  // The change was noticed when more than half of the stretch was the other's.
  const int64_t middle_ns = (stretch.begin_ns + stretch.end_ns) / 2;
  const int64_t about_ns = middle_ns - int64_t(config_.step_windows) * kWindowNs / 2;
  const int64_t earliest_ns = std::max(about_ns - kChangeReachNs, stretches_[index - 1].begin_ns);
  float best = std::numeric_limits<float>::max();
  int64_t best_ns = about_ns;
  for (size_t i = 1; i + 1 < loudness_.size(); i++) {
    if (loudness_[i].first < earliest_ns || loudness_[i].first > about_ns + kChangeReachNs) {
      continue;
    }
    const float loudness = loudness_[i - 1].second + loudness_[i].second + loudness_[i + 1].second;
    if (loudness >= best) continue;
    best = loudness;
    best_ns = loudness_[i].first + kWindowNs / 2;
  }
  return best_ns;
}

void VoiceTracker::tell_path(std::vector<VoiceTurn>& turns) {
  VoiceId before = before_;
  bool telling = false;
  for (size_t i = 0; i < stretches_.size(); i++) {
    Stretch& stretch = stretches_[i];
    stretch.settled = stretch.settled || stretch.end_ns < now_ns_ - config_.revise_ns;
    // Until it is sure that somebody new talks, it is still the last one, or not known.
    const VoiceId unsure = stretch.settled || i == 0 ? stretch.told : before;
    const VoiceId voice =
        stretch.voice != kNewVoice ? stretch.voice : (told_ == kNoVoice ? kNoVoice : unsure);
    if (stretch.settled) {
      before = stretch.told;
      continue;
    }
    telling = telling || voice != stretch.told;
    if (telling && voice != kNoVoice && (voice != before || voice != told_)) {
      voices_.hear(voice);
      tell(turns, voice, change_time(i));
    }
    before = stretch.told = voice;
  }
}

void VoiceTracker::tell(std::vector<VoiceTurn>& turns, VoiceId voice, int64_t since_ns) {
  told_ = voice;
  told_since_ns_ = since_ns;
  turns.push_back({voice, since_ns});
}

void VoiceTracker::learn() {
  if (stretches_.size() <= config_.learn_depth) return;
  const size_t end = stretches_.size() - config_.learn_depth;
  for (size_t i = 0; i < end; i++) {
    Stretch& stretch = stretches_[i];
    if (stretch.learnt) continue;
    stretch.learnt = true;
    // Next to a change there is something of both in it.
    const bool begins = i > 0 && !stretch.after_pause && stretches_[i - 1].voice != stretch.voice;
    const Stretch& after = stretches_[i + 1];
    const bool ends = !after.after_pause && after.voice != stretch.voice;
    const Voice* voice = voices_.find(stretch.voice);
    if (!voice || begins || ends || stretch.seconds < kLearnSeconds) continue;
    if (score(stretch, *voice) < kLearnScore) continue;
    voices_.learn(stretch.voice, stretch.embedding, stretch.fresh_s);
  }
}

void VoiceTracker::merge(std::vector<VoiceTurn>& turns) {
  while (const auto merged = voices_.merge_alike()) {
    for (Stretch& stretch : stretches_) {
      if (stretch.voice == merged->gone) stretch.voice = merged->kept;
      if (stretch.told == merged->gone) stretch.told = merged->kept;
    }
    if (before_ == merged->gone) before_ = merged->kept;
    if (told_ == merged->gone) tell(turns, merged->kept, told_since_ns_);
  }
}

void VoiceTracker::forget_old() {
  while (stretches_.size() > config_.memory) {
    before_ =
        stretches_.front().voice == kNewVoice ? stretches_.front().told : stretches_.front().voice;
    stretches_.pop_front();
  }
}

}  // namespace speakerdetect
