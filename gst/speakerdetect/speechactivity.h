// SPDX-License-Identifier: LGPL-2.1-or-later
// Does one person talk? Judged from the level of their audio on three time scales, after
// I. Volfin and I. Cohen, "Dominant speaker identification for multipoint videoconferencing"
// (2012): on each scale the number of active sub-units is held against two models, a binomial
// one for speech and an exponential one for noise, and the log of their ratio is the score.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace speakerdetect {

/** Everything is counted in ticks of 10 ms, whatever the length of the slices that come in. */
inline constexpr uint64_t kTickNs = 10'000'000;
/** Level of digital silence; levels below the quietest microphone are treated alike. */
inline constexpr double kSilenceDbov = -127.0;

/** How long something must last to count, in ticks. Depends on the slices: a sound that ends
 * inside a slice looks as long as the whole slice. */
struct Durations {
  int run;     /* uninterrupted sound that is longer than a key stroke */
  int attack;  /* a click is at its loudest by then */
  int voice;   /* uninterrupted sound that swelled as a voice does */
  int onset;   /* sound that is longer than a click */
  int sustain; /* sound that is longer than "mm-hm" */

  static Durations for_slices_of(uint64_t slice_ns);
};

/** The last 128 ticks, one bit each; the newest is bit 0. */
class TickBits {
 public:
  static constexpr int kSize = 128;

  void push(bool bit) {
    high_ = (high_ << 1) | (low_ >> 63);
    low_ = (low_ << 1) | uint64_t(bit);
  }
  void set_newest(int count);
  int count_newest(int count) const;
  bool newest() const { return low_ & 1; }
  /** Ticks since the first of the sound that goes on now, pauses shorter than @bridge ticks
   * included; 0 without sound in the last @bridge ticks. */
  int length_of_sound(int bridge) const;
  void clear() { low_ = high_ = 0; }

 private:
  bool at(int age) const { return ((age < 64 ? low_ >> age : high_ >> (age - 64)) & 1) != 0; }

  uint64_t low_ = 0;
  uint64_t high_ = 0;
};

/** The level of the background noise: the lowest of the last seconds, as far as that is moderate.
 * What is louder than a bound is never taken for background, however steady it is. */
class NoiseFloor {
 public:
  NoiseFloor();
  void tick(double level_dbov);
  double dbov() const { return floor_dbov_; }
  /** How much the level went up and down lately. Speech does, by syllables; a fan does not. */
  double recent_range_db() const;

 private:
  static constexpr int kBlockTicks = 5;
  static constexpr std::size_t kRecentBlocks = 8; /* 0.4 s */
  static constexpr std::size_t kFloorBlocks = 60; /* 3 s, silence left out */

  std::array<float, kRecentBlocks> recent_blocks_;
  std::array<float, kFloorBlocks> floor_blocks_;
  std::size_t recent_next_ = 0;
  std::size_t floor_next_ = 0;
  int block_ticks_ = 0;
  int block_silent_ticks_ = 0;
  double block_sum_db_ = 0;
  double floor_dbov_;
};

/** One person. Not thread-safe; time is an argument. */
class SpeechActivity {
 public:
  /** Takes the tick that ends at @now_ns. */
  void tick(double level_dbov, const Durations& durations, uint64_t now_ns);

  /** Speech has begun and not been away for longer than a pause between words. */
  bool talking() const { return talking_; }
  /** There is sound, or was just before: talking() outlasts pauses. */
  bool sounded_lately() const { return sounds_.count_newest(kLatelyTicks) > 0; }
  /** When the speech that goes on now (or the last one) began, and was last heard. */
  uint64_t talk_start_ns() const { return talk_start_ns_; }
  uint64_t last_heard_ns() const { return last_heard_ns_; }
  /** Has talked for longer than "mm-hm", and for most of the time since the beginning. */
  bool sustained(const Durations& durations) const;

  /** Log-likelihood ratios, speech against noise: this tick, the last 0.25 s, the last second. */
  double immediate_score() const;
  double medium_score() const;
  double long_score() const;

  /** Level while talking, smoothed over some syllables; kSilenceDbov when long silent. */
  double level_dbov() const;
  double noise_floor_dbov() const { return floor_.dbov(); }

  /** Forgets what was heard, but not the background noise: time has jumped. */
  void forget_speech();

 private:
  static constexpr int kLatelyTicks = 5;

  bool onset(const Durations& durations) const;
  void smooth_level(double level_dbov);
  void follow_swell(double level_dbov, const Durations& durations);

  NoiseFloor floor_;
  TickBits sounds_;       /* above the floor */
  TickBits faint_sounds_; /* a little above the floor: how speech often begins */
  TickBits speech_;       /* in an uninterrupted run longer than a key stroke */
  TickBits clear_speech_; /* likewise, and not as quiet as a breath */
  TickBits loud_speech_;  /* likewise, and well above a breath */
  int run_ticks_ = 0;
  int clear_run_ticks_ = 0;
  int loud_run_ticks_ = 0;
  double attack_dbov_ = kSilenceDbov; /* of the run: at the end of its attack, if it were a click */
  double run_peak_dbov_ = kSilenceDbov; /* from then on */
  int sub_levels_ = 0;                  /* of this tick, for the immediate score */
  double peak_dbov_ = kSilenceDbov;
  double smoothed_power_ = 0;
  bool talking_ = false;
  uint64_t talk_start_ns_ = 0;  /* what fades in included */
  uint64_t clear_start_ns_ = 0; /* without it */
  uint64_t last_heard_ns_ = 0;
  uint64_t last_syllable_ns_ = 0;
};

}  // namespace speakerdetect
