// SPDX-License-Identifier: LGPL-2.1-or-later
#include "attribution.h"

#include <algorithm>
#include <cmath>
#include <map>

namespace stt {

namespace {
// Speakers come and go for days; beyond this many the time line starts over.
constexpr size_t kMaxKnown = 4096;
constexpr double kMaxLeadDb = 20;
// Of the audible time of a span; less is a conversation that levels alone cannot assign.
constexpr double kClearShare = 0.6;
}  // namespace

Attribution::SpeakerId Attribution::intern(const SpeakerView& speaker) {
  for (size_t i = 0; i < known_.size(); ++i) {
    Speaker& known = known_[i];
    const bool same_track = known.track == speaker.track || speaker.track.empty();
    if (known.identity != speaker.identity || !same_track) continue;
    if (!speaker.name.empty() && known.name != speaker.name) known.name = speaker.name;
    return SpeakerId(i);
  }
  known_.push_back(
      {std::string(speaker.track), std::string(speaker.identity), std::string(speaker.name)});
  return SpeakerId(known_.size() - 1);
}

void Attribution::record(const MixSlice& slice) {
  const int64_t index = slice.start_ns / kBinNs;
  if (bins_.empty() || bins_.back().index != index) {
    if (!bins_.empty() && bins_.back().energy.empty()) bins_.pop_back();
    bins_.push_back({index, {}});
  }
  const double seconds = double(slice.end_ns - slice.start_ns) / 1e9;
  std::vector<std::pair<SpeakerId, float>>& energy = bins_.back().energy;
  for (const TrackLevel& track : slice.tracks) {
    if (track.level_dbov < config_.silence_dbov) continue;
    const SpeakerId speaker = intern(track.speaker);
    const float added = float(std::pow(10.0, track.level_dbov / 10) * seconds);
    auto known = std::find_if(energy.begin(), energy.end(),
                              [&](const auto& entry) { return entry.first == speaker; });
    if (known == energy.end()) {
      energy.emplace_back(speaker, added);
    } else {
      known->second += added;
    }
  }
  const int64_t oldest = (slice.end_ns - config_.history_ns) / kBinNs;
  while (!bins_.empty() && bins_.front().index < oldest) bins_.pop_front();
}

std::deque<Attribution::Bin>::const_iterator Attribution::first_bin(int64_t index) const {
  return std::lower_bound(bins_.begin(), bins_.end(), index,
                          [](const Bin& bin, int64_t wanted) { return bin.index < wanted; });
}

double Attribution::level_db(const Bin& bin, SpeakerId speaker) const {
  for (const auto& [id, energy] : bin.energy) {
    if (id != speaker) continue;
    const double power = energy / (double(kBinNs) / 1e9);
    return std::max(config_.silence_dbov, 10 * std::log10(std::max(power, 1e-13)));
  }
  return config_.silence_dbov;
}

// A detector that goes by the voice knows somebody a second or two late, and may take back what it
// told before.
void Attribution::record_turn(SpeakerId speaker, int64_t since_ns) {
  if (!turns_.empty() && turns_.back().speaker == speaker && turns_.back().start_ns == since_ns) {
    return;
  }
  while (!turns_.empty() && turns_.back().start_ns >= since_ns) turns_.pop_back();
  if (turns_.empty() || turns_.back().speaker != speaker) turns_.push_back({since_ns, speaker});
  while (turns_.size() > 1 && turns_[1].start_ns < since_ns - config_.history_ns) {
    turns_.pop_front();
  }
}

Attribution::SpeakerId Attribution::whose_turn(int64_t start_ns, int64_t end_ns) const {
  std::map<SpeakerId, int64_t> lengths;
  int64_t total_ns = 0;
  for (size_t i = 0; i < turns_.size(); ++i) {
    const int64_t turn_end_ns = i + 1 < turns_.size() ? turns_[i + 1].start_ns : INT64_MAX;
    const int64_t length_ns =
        std::min(turn_end_ns, end_ns) - std::max(turns_[i].start_ns, start_ns);
    if (length_ns <= 0 || turns_[i].speaker == kNobody) continue;
    lengths[turns_[i].speaker] += length_ns;
    total_ns += length_ns;
  }
  for (const auto& [speaker, length_ns] : lengths) {
    if (double(length_ns) >= kClearShare * double(total_ns)) return speaker;
  }
  return kNobody;
}

Attribution::SpeakerId Attribution::loudest_now(int64_t now_ns) const {
  std::map<SpeakerId, double> energy;
  for (auto bin = first_bin((now_ns - config_.level_window_ns) / kBinNs); bin != bins_.end();
       ++bin) {
    for (const auto& [speaker, amount] : bin->energy) energy[speaker] += amount;
  }
  SpeakerId loudest = kNobody;
  for (const auto& [speaker, amount] : energy) {
    if (loudest == kNobody || amount > energy[loudest]) loudest = speaker;
  }
  if (loudest == kNobody || loudest == current_ || !energy.contains(current_)) return loudest;
  const double lead_db = 10 * std::log10(energy[loudest] / energy[current_]);
  return lead_db >= config_.level_lead_db ? loudest : current_;
}

Attribution::SpeakerId Attribution::verdict(const MixSlice& slice) {
  if (slice.judged && !slice.active.empty()) return intern(slice.active);
  const bool alone = slice.tracks.size() == 1;
  if (slice.judged) {
    // Nobody is heard, but who else should it be when speech is found all the same.
    return alone && current_ == kNobody ? intern(slice.tracks[0].speaker) : kNobody;
  }
  return alone ? intern(slice.tracks[0].speaker) : loudest_now(slice.end_ns);
}

// The time that best separates `from` (louder before) and `to` (louder after).
int64_t Attribution::change_point(SpeakerId from, SpeakerId to, int64_t since_ns,
                                  int64_t now_ns) const {
  const int64_t earliest = std::max(since_ns - config_.look_back_ns, last_change_ns_);
  if (from == kNobody) return std::max(since_ns - config_.onset_margin_ns, earliest);
  const int64_t first = earliest / kBinNs + 1;
  const int64_t end = now_ns / kBinNs + 1;
  auto bin = first_bin(first);
  // lead = sum of (to - from) before the boundary; the best boundary has the smallest.
  double lead = 0;
  double best = 0;
  int64_t best_first = first;
  int64_t best_last = first;
  bool heard = false;
  for (int64_t index = first; index < end; ++index) {
    if (bin != bins_.end() && bin->index == index) {
      const double difference = level_db(*bin, to) - level_db(*bin, from);
      lead += std::clamp(difference, -kMaxLeadDb, kMaxLeadDb);
      heard = heard || difference != 0;
      ++bin;
    }
    constexpr double kTie = 1e-6;
    if (lead < best - kTie) {
      best = lead;
      best_first = best_last = index + 1;
    } else if (lead <= best + kTie) {
      best_last = index + 1;
    }
  }
  if (!heard) return std::max(since_ns, earliest);
  const int64_t middle = (best_first + best_last) / 2 * kBinNs;
  return std::max({middle, best_last * kBinNs - config_.onset_margin_ns, earliest});
}

std::optional<SpeakerChange> Attribution::observe(const MixSlice& slice) {
  if (slice.start_ns < last_start_ns_ || known_.size() > kMaxKnown) *this = Attribution(config_);
  last_start_ns_ = slice.start_ns;
  record(slice);
  if (slice.judged && slice.active_since_ns >= 0) {
    record_turn(slice.active.empty() ? kNobody : intern(slice.active), slice.active_since_ns);
  }
  const SpeakerId heard = verdict(slice);
  if (heard == kNobody) {
    candidate_ = kNobody;
    if (current_ == kNobody || slice.end_ns - last_active_ns_ < config_.hold_ns) return {};
    current_ = kNobody;
    last_change_ns_ = slice.start_ns;
    return SpeakerChange{{}, slice.start_ns};
  }
  last_active_ns_ = slice.end_ns;
  if (heard == current_) {
    candidate_ = kNobody;
    return {};
  }
  const bool told_since = slice.judged && slice.active_since_ns >= 0;
  const int64_t since_ns =
      told_since ? std::min(slice.active_since_ns, slice.start_ns) : slice.start_ns;
  if (candidate_ != heard) {
    candidate_ = heard;
    candidate_since_ns_ = since_ns;
  }
  candidate_since_ns_ = std::min(candidate_since_ns_, since_ns);
  const bool contested = current_ != kNobody;
  if (contested && slice.end_ns - candidate_since_ns_ < config_.shortest_turn_ns) return {};
  const int64_t time_ns = change_point(current_, heard, candidate_since_ns_, slice.end_ns);
  current_ = heard;
  candidate_ = kNobody;
  last_change_ns_ = std::max<int64_t>(time_ns, 0);
  return SpeakerChange{known_[size_t(heard)], last_change_ns_};
}

Speaker Attribution::attribute(int64_t start_ns, int64_t end_ns, const Speaker& otherwise) const {
  // Loud moments count for more: in the pauses of one the noise of another is the loudest.
  std::map<SpeakerId, double> weights;
  double total = 0;
  for (auto bin = first_bin(start_ns / kBinNs);
       bin != bins_.end() && bin->index * kBinNs < std::max(end_ns, start_ns + 1); ++bin) {
    if (bin->energy.empty()) continue;
    const SpeakerId loudest =
        std::max_element(bin->energy.begin(), bin->energy.end(), [](const auto& a, const auto& b) {
          return a.second < b.second;
        })->first;
    const double weight = level_db(*bin, loudest) - config_.silence_dbov;
    weights[loudest] += weight;
    total += weight;
  }
  for (const auto& [speaker, weight] : weights) {
    if (weight > 0 && weight >= kClearShare * total) return known_[size_t(speaker)];
  }
  const SpeakerId turn = total > 0 ? kNobody : whose_turn(start_ns, end_ns);
  return turn != kNobody ? known_[size_t(turn)] : otherwise;
}

}  // namespace stt
