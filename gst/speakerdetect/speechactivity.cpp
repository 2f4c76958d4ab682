// SPDX-License-Identifier: LGPL-2.1-or-later
// The numbers here were chosen by measurement: tests/benchmarks/speakerdetect prints what they
// give; docs/speakerdetect.md has the table.
#include "speechactivity.h"

#include <algorithm>
#include <bit>
#include <cmath>

namespace speakerdetect {

namespace {

// Immediate scale: how many steps of kSubLevelDb the tick stands above the floor.
constexpr int kSubLevels = 13;
constexpr double kSubLevelDb = 2.0;
// Medium scale: ticks of speech in the last 0.25 s.
constexpr int kMediumTicks = 25;
// Long scale: units of 50 ms of speech in the last second.
constexpr int kLongTicks = 100;
constexpr int kLongUnitTicks = 5;
constexpr int kLongUnits = kLongTicks / kLongUnitTicks;

// Quieter than this is neither speech nor background worth learning.
constexpr double kFaintestDbov = -70.0;
constexpr double kQuietestSpeechDbov = -55.0;
// Below this it may be a breath, or a fan that was just switched on: more evidence is needed.
constexpr double kClearSpeechDbov = -42.0;
// A breath is never as loud for as long as a vowel.
constexpr double kLoudSpeechDbov = -38.0;
// What dies away after a loud sound is not sound of its own.
constexpr double kTailDb = 25.0;
constexpr double kPeakDecayDbPerTick = 0.5;
constexpr double kFaintAboveFloorDb = 5.0;
constexpr double kFaintestOnsetDbov = -60.0;

constexpr double kLoudestFloorDbov = -35.0;

// Quiet speech: this much of the last 0.64 s, and not steady as a fan is.
constexpr int kQuietWindowTicks = 64;
constexpr int kQuietOnsetTicks = 45;
constexpr double kSpeechRangeDb = 9.0;

// How much louder a vowel gets after its first moment.
constexpr double kSwellDb = 5.0;

constexpr int kPauseTicks = 50;        // a longer pause ends the talk
constexpr int kSyllableGapTicks = 12;  // within the beginning of a talk
constexpr int kFaintOnsetTicks = 15;
constexpr int kSyllableTicks = 2;
constexpr double kSustainedDensity = 0.6;
constexpr double kSmoothingTicks = 20.0;

/** The score of Volfin and Cohen: log of binomial(v; n, p) over lambda * exp(-lambda * v).
 * p and lambda are chosen so that it rises with v and is 0 where speech is as likely as noise. */
template <int n>
std::array<double, n + 1> score_table(double p, double lambda) {
  std::array<double, n + 1> table;
  for (int v = 0; v <= n; ++v) {
    const double log_choose = std::lgamma(n + 1) - std::lgamma(v + 1) - std::lgamma(n - v + 1);
    table[size_t(v)] =
        log_choose + v * std::log(p) + (n - v) * std::log(1 - p) - std::log(lambda) + lambda * v;
  }
  return table;
}

const auto& immediate_scores() {
  static const auto table = score_table<kSubLevels>(0.7, 1.8);  // 0 at 8 dB
  return table;
}

const auto& medium_scores() {
  static const auto table = score_table<kMediumTicks>(0.9, 1.05);  // 0 at 130 ms
  return table;
}

const auto& long_scores() {
  static const auto table = score_table<kLongUnits>(0.9, 0.9);  // 0 at 0.5 s
  return table;
}

/** Adds a tick to the runs that are long enough; a run counts from its beginning then. */
void add_run(TickBits& runs, int& run_ticks, bool sound, int enough) {
  run_ticks = sound ? run_ticks + 1 : 0;
  runs.push(run_ticks > enough);
  if (run_ticks == enough) runs.set_newest(run_ticks);
}

/** Most ticks that a sound of @sound_ms can seem to last. */
int longest_look(double sound_ms, double slice_ms) {
  const double slices = std::ceil(sound_ms / slice_ms) + 1;
  return int(std::ceil(slices * slice_ms / 10.0));
}

}  // namespace

Durations Durations::for_slices_of(uint64_t slice_ns) {
  const double slice_ms = std::clamp(double(slice_ns) / 1e6, 1.0, 100.0);
  // The first slice of a sound may hold only a part of it; the second is as loud as it gets.
  const int attack = int(std::ceil(2 * slice_ms / 10.0));
  return {longest_look(50, slice_ms) + 1, attack, longest_look(75, slice_ms),
          longest_look(100, slice_ms) + 1, longest_look(300, slice_ms) + 1};
}

void TickBits::set_newest(int count) {
  low_ |= count >= 64 ? ~uint64_t(0) : (uint64_t(1) << count) - 1;
  if (count > 64) high_ |= count >= kSize ? ~uint64_t(0) : (uint64_t(1) << (count - 64)) - 1;
}

int TickBits::count_newest(int count) const {
  auto newest_of = [](uint64_t bits, int n) {
    return n <= 0 ? 0 : std::popcount(n >= 64 ? bits : bits & ((uint64_t(1) << n) - 1));
  };
  return newest_of(low_, count) + newest_of(high_, count - 64);
}

int TickBits::length_of_sound(int bridge) const {
  int length = 0;
  for (int age = 0; age < kSize && age < length + bridge; ++age) {
    if (at(age)) length = age + 1;
  }
  return length;
}

NoiseFloor::NoiseFloor() : floor_dbov_(kFaintestDbov) {
  recent_blocks_.fill(float(kFaintestDbov));
  floor_blocks_.fill(float(kFaintestDbov));
}

void NoiseFloor::tick(double level_dbov) {
  block_sum_db_ += std::max(level_dbov, kFaintestDbov);
  if (level_dbov < kFaintestDbov) ++block_silent_ticks_;
  if (++block_ticks_ < kBlockTicks) return;
  const float mean = float(block_sum_db_ / kBlockTicks);
  recent_blocks_[recent_next_] = mean;
  recent_next_ = (recent_next_ + 1) % kRecentBlocks;
  // A muted track says nothing about the room's noise, which is back when it is unmuted.
  if (block_silent_ticks_ == 0) {
    floor_blocks_[floor_next_] = mean;
    floor_next_ = (floor_next_ + 1) % kFloorBlocks;
    const double lowest = *std::min_element(floor_blocks_.begin(), floor_blocks_.end());
    floor_dbov_ = std::min(lowest, kLoudestFloorDbov);
  }
  block_ticks_ = block_silent_ticks_ = 0;
  block_sum_db_ = 0;
}

double NoiseFloor::recent_range_db() const {
  const auto [lowest, highest] = std::minmax_element(recent_blocks_.begin(), recent_blocks_.end());
  return double(*highest) - double(*lowest);
}

void SpeechActivity::tick(double level_dbov, const Durations& durations, uint64_t now_ns) {
  peak_dbov_ = std::max(level_dbov, peak_dbov_ - kPeakDecayDbPerTick);
  const double above_floor_db = level_dbov - floor_.dbov();
  sub_levels_ = std::clamp(int(above_floor_db / kSubLevelDb), 0, kSubLevels);
  const bool tail = level_dbov < peak_dbov_ - kTailDb;
  const bool sound = immediate_score() > 0 && level_dbov >= kQuietestSpeechDbov && !tail;
  const bool clear = sound && level_dbov >= kClearSpeechDbov;
  sounds_.push(sound);
  faint_sounds_.push(above_floor_db >= kFaintAboveFloorDb && level_dbov >= kFaintestOnsetDbov);

  add_run(speech_, run_ticks_, sound, durations.run);
  add_run(clear_speech_, clear_run_ticks_, clear, durations.run);
  add_run(loud_speech_, loud_run_ticks_, sound && level_dbov >= kLoudSpeechDbov, durations.run);
  follow_swell(level_dbov, durations);
  floor_.tick(level_dbov);

  if (run_ticks_ >= kSyllableTicks) last_syllable_ns_ = now_ns;
  if (speech_.newest()) last_heard_ns_ = now_ns;
  if (!talking_ && onset(durations)) {
    talking_ = true;
    int ticks = speech_.length_of_sound(kSyllableGapTicks);
    clear_start_ns_ = now_ns - uint64_t(ticks) * kTickNs;
    // Speech begins with what leads up to it without a break: a soft consonant, a fading-in.
    const int with_faint = faint_sounds_.length_of_sound(2);
    ticks = std::clamp(with_faint, ticks, ticks + kFaintOnsetTicks);
    const uint64_t age_ns = uint64_t(ticks) * kTickNs;
    talk_start_ns_ = now_ns > age_ns ? now_ns - age_ns : 0;
  } else if (talking_ && speech_.count_newest(kPauseTicks) == 0) {
    talking_ = false;
  }
  smooth_level(level_dbov);
}

void SpeechActivity::follow_swell(double level_dbov, const Durations& durations) {
  if (run_ticks_ <= durations.attack) attack_dbov_ = run_peak_dbov_ = level_dbov;
  run_peak_dbov_ = std::max(run_peak_dbov_, level_dbov);
}

bool SpeechActivity::onset(const Durations& durations) const {
  // A voice swells, while a click is at its loudest at once.
  if (run_ticks_ >= durations.voice && loud_run_ticks_ >= durations.run &&
      run_peak_dbov_ >= attack_dbov_ + kSwellDb) {
    return true;
  }
  if (clear_speech_.count_newest(kMediumTicks) >= durations.onset) return true;
  // A vowel, and what is quieter or short beside it.
  if (loud_speech_.count_newest(kMediumTicks) >= durations.run &&
      sounds_.count_newest(kMediumTicks) >= durations.onset) {
    return true;
  }
  return speech_.count_newest(kQuietWindowTicks) >= std::max(kQuietOnsetTicks, durations.onset) &&
         floor_.recent_range_db() >= kSpeechRangeDb;
}

void SpeechActivity::smooth_level(double level_dbov) {
  const double power = level_dbov <= -100.0 ? 0.0 : std::pow(10.0, level_dbov / 10.0);
  smoothed_power_ += (power - smoothed_power_) / kSmoothingTicks;
}

double SpeechActivity::level_dbov() const {
  return smoothed_power_ < 1e-12 ? kSilenceDbov : 10.0 * std::log10(smoothed_power_);
}

bool SpeechActivity::sustained(const Durations& durations) const {
  if (!talking_ || last_syllable_ns_ < clear_start_ns_) return false;
  const uint64_t ticks = (last_syllable_ns_ - clear_start_ns_) / kTickNs;
  if (ticks < uint64_t(durations.sustain)) return false;
  const int window = int(std::min<uint64_t>(ticks, TickBits::kSize));
  return sounds_.count_newest(window) >= kSustainedDensity * window;
}

double SpeechActivity::immediate_score() const {
  return immediate_scores()[size_t(sub_levels_)];
}

double SpeechActivity::medium_score() const {
  return medium_scores()[size_t(speech_.count_newest(kMediumTicks))];
}

double SpeechActivity::long_score() const {
  return long_scores()[size_t(speech_.count_newest(kLongTicks) / kLongUnitTicks)];
}

void SpeechActivity::forget_speech() {
  const NoiseFloor floor = floor_;
  *this = SpeechActivity();
  floor_ = floor;
}

}  // namespace speakerdetect
