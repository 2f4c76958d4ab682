// SPDX-License-Identifier: LGPL-2.1-or-later
#include "dominantspeaker.h"

#include <algorithm>
#include <cmath>

namespace speakerdetect {

namespace {

// Timestamps of real streams are rounded and jitter; more than this is a hole or a jump.
constexpr uint64_t kTimeToleranceNs = 5'000'000;
// After so long a hole nothing that was heard before it matters.
constexpr uint64_t kLongestHoleNs = 2'000'000'000;
constexpr uint64_t kForgetAwayNs = 10'000'000'000;
// A meeting is smaller; this bounds the memory when identities are made up on each slice.
constexpr size_t kMaxPersons = 4096;

// To take over from someone who talks, as Volfin and Cohen have it: the rival's score must be
// better on all three scales.
constexpr double kImmediateLead = 3.0;
constexpr double kMediumLead = 45.0;
constexpr double kLongLead = 0.0;
// Who has the floor keeps it in a pause of this length against a short "mm-hm".
constexpr uint64_t kFloorHeldNs = 700'000'000;
// Who is so much quieter than someone who talks at the same time is an echo, or far away.
constexpr double kMostQuieterDb = 18.0;

std::string_view key_of(const TrackLevel& track) {
  return track.identity.empty() ? track.track : track.identity;
}

void assign_if_different(std::string& to, std::string_view from) {
  if (to != from) to = from;
}

double power_of(double level_dbov) {
  return level_dbov <= -100.0 ? 0.0 : std::pow(10.0, level_dbov / 10.0);
}

double level_of(double power) {
  return power < 1e-12 ? kSilenceDbov : 10.0 * std::log10(power);
}

}  // namespace

bool DominantSpeaker::process(uint64_t time_ns, uint64_t duration_ns,
                              std::span<const TrackLevel> tracks) {
  const uint64_t changes_before = counters_.changes;
  ++counters_.slices;
  follow_time(time_ns);
  if (duration_ns != slice_ns_ && duration_ns > 0) {
    slice_ns_ = duration_ns;
    durations_ = Durations::for_slices_of(duration_ns);
  }
  for (auto& person : persons_) person->slice_level_dbov = kSilenceDbov;
  for (size_t i = 0; i < tracks.size(); ++i) {
    const TrackLevel& track = tracks[i];
    Person& person = person_of(track, i);
    const bool first_track = person.last_seen_slice != counters_.slices;
    person.last_seen_slice = counters_.slices;
    const double level = std::isnan(track.level_dbov)
                             ? kSilenceDbov
                             : std::clamp(track.level_dbov, kSilenceDbov, 0.0);
    if (first_track || level > person.slice_level_dbov) {
      person.slice_level_dbov = level;
      // Keep naming the track that was heard last while all of them are silent.
      if (level > kSilenceDbov || person.shown.track.empty()) {
        assign_if_different(person.shown.track, track.track);
      }
    }
    assign_if_different(person.shown.name, track.name.empty() ? key_of(track) : track.name);
  }
  run_ticks(duration_ns);
  forget_the_away(duration_ns);
  list_speakers();
  return counters_.changes != changes_before;
}

DominantSpeaker::Person& DominantSpeaker::person_of(const TrackLevel& track, size_t position) {
  const std::string_view key = key_of(track);
  if (position < last_order_.size() && last_order_[position]->key == key) {
    return *last_order_[position];
  }
  Person* person = nullptr;
  if (auto found = by_key_.find(key); found != by_key_.end()) {
    person = found->second;
  } else {
    if (persons_.size() >= kMaxPersons) forget_the_away(kForgetAwayNs);
    auto& added = persons_.emplace_back(std::make_unique<Person>());
    person = added.get();
    person->key = key;
    person->shown.identity = track.identity;
    by_key_.emplace(person->key, person);
  }
  if (position >= last_order_.size()) last_order_.resize(position + 1, person);
  last_order_[position] = person;
  return *person;
}

void DominantSpeaker::forget_the_away(uint64_t duration_ns) {
  bool any = false;
  for (auto& person : persons_) {
    person->away_ns =
        person->last_seen_slice == counters_.slices ? 0 : person->away_ns + duration_ns;
    any = any || person->away_ns >= kForgetAwayNs;
  }
  if (!any) return;
  last_order_.clear();
  std::erase_if(persons_, [this](const std::unique_ptr<Person>& person) {
    if (person->away_ns < kForgetAwayNs) return false;
    if (person.get() == dominant_) set_dominant(nullptr);
    by_key_.erase(person->key);
    return true;
  });
}

void DominantSpeaker::follow_time(uint64_t time_ns) {
  const bool jumped_back = has_time_ && time_ns + kTimeToleranceNs < now_ns_;
  const bool hole = has_time_ && time_ns > now_ns_ + kTimeToleranceNs;
  if (jumped_back) {
    ++counters_.time_jumps;
    forget_speech();
    dominant_since_ns_ = time_ns;
  } else if (hole) {
    ++counters_.time_jumps;
    for (auto& person : persons_) person->slice_level_dbov = kSilenceDbov;
    const uint64_t missing_ns = time_ns - now_ns_;
    if (missing_ns > kLongestHoleNs) {
      run_ticks(kLongestHoleNs);
      if (silence_timeout_ns_ != 0 && missing_ns >= silence_timeout_ns_) set_dominant(nullptr);
    } else {
      run_ticks(missing_ns);
    }
  }
  if (!has_time_) dominant_since_ns_ = time_ns;
  has_time_ = true;
  now_ns_ = time_ns;
}

void DominantSpeaker::forget_speech() {
  for (auto& person : persons_) {
    person->activity.forget_speech();
    person->tick_energy = 0;
  }
  tick_part_ns_ = 0;
  set_dominant(nullptr);
}

/** Cuts the slice into ticks; a tick over two slices has the mean power of both parts. */
void DominantSpeaker::run_ticks(uint64_t duration_ns) {
  const uint64_t end_ns = now_ns_ + duration_ns;
  // What rounding leaves over is no part of a tick of its own.
  constexpr uint64_t kRoundingNs = 1000;
  while (now_ns_ < end_ns) {
    const uint64_t wanted_ns = kTickNs - tick_part_ns_;
    const uint64_t left_ns = end_ns - now_ns_;
    if (left_ns + kRoundingNs < wanted_ns) {
      for (auto& person : persons_) {
        person->tick_energy += power_of(person->slice_level_dbov) * double(left_ns);
      }
      tick_part_ns_ += left_ns;
      now_ns_ = end_ns;
      break;
    }
    now_ns_ += std::min(wanted_ns, left_ns);
    if (end_ns - now_ns_ <= kRoundingNs) now_ns_ = end_ns;
    tick();
  }
}

void DominantSpeaker::tick() {
  const double rest_ns = double(kTickNs - tick_part_ns_);
  for (auto& person : persons_) {
    double level = person->slice_level_dbov;
    if (tick_part_ns_ > 0) {
      level = level_of((person->tick_energy + power_of(level) * rest_ns) / double(kTickNs));
      person->tick_energy = 0;
    }
    person->activity.tick(level, durations_, now_ns_);
  }
  tick_part_ns_ = 0;
  choose();
}

void DominantSpeaker::choose() {
  Person* best = nullptr;
  for (auto& person : persons_) {
    if (person.get() == dominant_ || !person->activity.talking() || !may_take_over(*person)) {
      continue;
    }
    // Of several who qualify the one with more speech behind them; the louder one in a draw.
    const auto rank = [](const Person& p) {
      return std::pair(p.activity.medium_score(), p.activity.level_dbov());
    };
    if (!best || rank(*person) > rank(*best)) best = person.get();
  }
  if (best) {
    set_dominant(best);
  } else if (dominant_ && silence_timeout_ns_ != 0 && !dominant_->activity.talking() &&
             now_ns_ >= dominant_->activity.last_heard_ns() + silence_timeout_ns_) {
    set_dominant(nullptr);
  }
}

bool DominantSpeaker::may_take_over(const Person& rival) const {
  const SpeechActivity& now = rival.activity;
  if (!now.sounded_lately()) return false;
  if (!dominant_ || now_ns_ >= dominant_->activity.last_heard_ns() + kFloorHeldNs) return true;
  const SpeechActivity& incumbent = dominant_->activity;
  if (now.level_dbov() < incumbent.level_dbov() - kMostQuieterDb) return false;
  // Who began later and goes on for longer than "mm-hm" claims the floor, even if the other
  // has not finished: waiting for that would be too late.
  if (now.talk_start_ns() > incumbent.talk_start_ns() && now.talk_start_ns() > dominant_since_ns_ &&
      now.sustained(durations_)) {
    return true;
  }
  return now.immediate_score() > incumbent.immediate_score() + kImmediateLead &&
         now.medium_score() > incumbent.medium_score() + kMediumLead &&
         now.long_score() > incumbent.long_score() + kLongLead;
}

void DominantSpeaker::set_dominant(Person* person) {
  if (person == dominant_) return;
  const uint64_t last_end_ns =
      dominant_ ? std::max(dominant_->activity.last_heard_ns(), dominant_since_ns_)
                : dominant_since_ns_;
  if (!person) {
    dominant_since_ns_ = last_end_ns;
  } else {
    const uint64_t start_ns = person->activity.talk_start_ns();
    // Who talked all along has had the floor only since the other one stopped.
    dominant_since_ns_ = start_ns < dominant_since_ns_ ? last_end_ns : start_ns;
  }
  dominant_ = person;
  ++counters_.changes;
}

const Speaker* DominantSpeaker::dominant() const {
  return dominant_ ? &dominant_->shown : nullptr;
}

void DominantSpeaker::list_speakers() {
  speakers_.clear();
  for (auto& person : persons_) {
    const bool talking = person->activity.talking();
    if (!talking && person.get() != dominant_) continue;
    person->shown.level_dbov = person->activity.level_dbov();
    person->shown.since_ns = person->activity.talk_start_ns();
    if (talking) speakers_.push_back(&person->shown);
  }
  std::stable_sort(speakers_.begin(), speakers_.end(), [](const Speaker* a, const Speaker* b) {
    return a->level_dbov > b->level_dbov;
  });
}

bool DominantSpeaker::reset() {
  const bool had_dominant = dominant_ != nullptr;
  set_dominant(nullptr);
  speakers_.clear();
  last_order_.clear();
  by_key_.clear();
  persons_.clear();
  has_time_ = false;
  now_ns_ = tick_part_ns_ = 0;
  return had_dominant;
}

}  // namespace speakerdetect
