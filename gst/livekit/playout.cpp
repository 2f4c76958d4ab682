// SPDX-License-Identifier: LGPL-2.1-or-later
#include "playout.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <cstring>

namespace livekit {
namespace {

constexpr uint32_t kRebufferMs = 5;         // more than what was missing, after an underrun
constexpr uint32_t kLongestJitterMs = 100;  // what is missing for longer is a stall, not jitter
constexpr uint32_t kBacklogMs = 60;         // so much too deep for a second: a backlog
constexpr uint32_t kDrainBacklogMs = 1000;  // the same for a track that has ended: nobody waits
constexpr uint32_t kNarrowAboveMs = 5;      // smaller margins are not worth narrowing
constexpr uint32_t kReserveMs = 5;          // smallest depth that is no near miss of an underrun
constexpr uint32_t kFadeMs = 2;
constexpr uint32_t kOverlapMs = 5;  // of a cut
constexpr uint32_t kShortestCutMs = 5;
constexpr uint32_t kLongestCutMs = 15;  // a period of 66 Hz
constexpr uint32_t kPauseMs = 200;      // left of a pause that is shortened
constexpr uint32_t kSoundMs = 100;      // shorter sounds (comfort noise) do not end a pause
constexpr double kSpeechSpeedUp = 0.25;
constexpr double kQuietSpeedUp = 1.0;
constexpr double kQuietDbov = -55.0;
constexpr double kGoodSimilarity = 0.7;
constexpr size_t kSplicePatience = 3;

constexpr double kMeanSeconds = 10.0;  // time constant of the mean depth
constexpr double kDriftStartMs = 0.5;
constexpr double kDriftStopMs = 0.1;
constexpr uint64_t kDriftWindowSeconds = 60;
constexpr size_t kFramesPerCorrection = 400;  // at most 0.25 % faster or slower

}  // namespace

Playout::Playout(const PlayoutConfig& config)
    : config_(config),
      bytes_per_frame_(config.layout.bytes_per_frame()),
      queue_(bytes_per_frame_),
      margin_(int64_t(config.layout.frames_of_ms(config.margin_ms))),
      second_(uint64_t(config.layout.rate_hz)),
      below_mean_(uint64_t(config.layout.rate_hz) * 30) {}

void Playout::push(std::span<const uint8_t> bytes) {
  const size_t before = queue_.frames();
  queue_.push(bytes);
  counters_.received += queue_.frames() - before;
  const size_t limit = config_.layout.frames_of_ms(config_.max_backlog_ms);
  if (queue_.frames() > limit) {
    const size_t surplus = queue_.frames() - limit;
    consume(surplus);
    counters_.dropped_backlog += surplus;
    fade_in_next_ = true;
  }
}

void Playout::finish() {
  if (state_ == State::kDraining) return;
  state_ = State::kDraining;
  counters_.loose_bytes += queue_.loose_bytes();
}

void Playout::consume(size_t frames) {
  queue_.drop(frames);
  position_ += frames;
}

Slice Playout::next_slice(size_t frames) {
  if (frames == 0) return Slice{};
  if (state_ == State::kWaiting) {
    if (queue_.frames() > 0) waited_ += frames;
    const size_t margin = invented_in_wait_ > 0 ? config_.layout.frames_of_ms(kRebufferMs)
                                                : size_t(std::max<int64_t>(0, margin_));
    const bool enough = queue_.frames() >= frames + margin;
    // A track that says less than its margin is heard too.
    const bool waited_long_enough = queue_.frames() > 0 && waited_ > frames + margin;
    if (!enough && !waited_long_enough) return wait(frames);
    resume();
  }
  return state_ == State::kDraining && queue_.frames() < frames ? play_rest(frames) : play(frames);
}

Slice Playout::wait(size_t frames) {
  if (started_) {
    counters_.invented += frames;
    invented_in_wait_ += frames;
  }
  return Slice{};
}

// Playing goes on after an underrun, or begins.
void Playout::resume() {
  if (started_) {
    const int64_t invented = int64_t(invented_in_wait_);
    const int64_t limit = int64_t(config_.layout.frames_of_ms(config_.max_margin_ms));
    const bool jitter = invented <= int64_t(config_.layout.frames_of_ms(kLongestJitterMs));
    const int64_t accepted =
        jitter ? std::clamp<int64_t>(invented, 0, std::max<int64_t>(0, limit - margin_)) : 0;
    margin_ += accepted;
    if (accepted == invented) {
      mean_depth_ += double(accepted);
      wanted_depth_ += double(accepted);
    } else {
      resettle();
    }
    fade_in_next_ = true;
  }
  second_.clear();
  below_mean_.clear();
  catching_up_ = false;
  state_ = State::kPlaying;
  started_ = true;
  waited_ = 0;
  invented_in_wait_ = 0;
}

void Playout::resettle() {
  settled_ = false;
  settling_frames_ = 0;
  correcting_ = 0;
}

// The last, shorter slice of a track.
Slice Playout::play_rest(size_t frames) {
  const size_t rest = queue_.frames();
  if (rest == 0) {
    Slice finished;
    finished.kind = Slice::Kind::kFinished;
    return finished;
  }
  scratch_.assign(frames * bytes_per_frame_, 0);
  std::memcpy(scratch_.data(), queue_.data(), rest * bytes_per_frame_);
  consume(rest);
  counters_.played += rest;
  counters_.invented += frames - rest;
  return emit_scratch(frames);
}

Slice Playout::play(size_t frames) {
  if (queue_.frames() < frames) {
    const size_t rest = queue_.frames();
    ++counters_.underruns;
    counters_.invented += frames - rest;
    state_ = State::kWaiting;
    waited_ = 0;
    invented_in_wait_ = frames - rest;
    if (rest == 0) return Slice{};
    scratch_.assign(frames * bytes_per_frame_, 0);
    std::memcpy(scratch_.data(), queue_.data(), rest * bytes_per_frame_);
    const size_t fade = std::min(rest, config_.layout.frames_of_ms(kFadeMs));
    fade_out(config_.layout, scratch_.data() + (rest - fade) * bytes_per_frame_, fade);
    consume(rest);
    counters_.played += rest;
    return emit_scratch(frames);
  }
  observe(frames);
  keep_reserve();
  update_catch_up(frames);
  Slice slice;
  if (splice(frames, &slice)) return slice;
  if (const size_t skip = silence_to_skip(frames); skip > 0) {
    consume(skip);
    counters_.removed_silence += skip;
    removed_ += int64_t(skip);
    mean_depth_ -= double(skip);
    if (!catching_up_) {
      // Narrowed on purpose: the smaller depth is the wanted one now.
      wanted_depth_ -= double(skip);
      const auto floor = int64_t(config_.layout.frames_of_ms(config_.margin_ms));
      margin_ = std::max(floor, margin_ - int64_t(skip));
    }
  } else if (correct_drift(frames, &slice)) {
    return slice;
  }
  slice = emit(queue_.data(), frames);
  consume(frames);
  counters_.played += frames;
  return slice;
}

// Judges what is to be heard and hands it out; `data` may lie in the queue.
Slice Playout::emit(const uint8_t* data, size_t frames) {
  Slice slice;
  double square = mean_square(config_.layout, data, frames);
  const bool absurd = !std::isfinite(square) || square > 1e3;
  if (absurd || fade_in_next_) {
    if (data != scratch_.data()) scratch_.assign(data, data + frames * bytes_per_frame_);
    if (absurd) {
      counters_.impossible_samples +=
          replace_impossible_samples(config_.layout, scratch_.data(), frames);
    }
    if (fade_in_next_) {
      const size_t fade = std::min(frames, config_.layout.frames_of_ms(kFadeMs));
      fade_in(config_.layout, scratch_.data(), fade);
      fade_in_next_ = false;
    }
    data = scratch_.data();
    square = mean_square(config_.layout, data, frames);
  }
  slice.level_dbov = level_dbov(square);
  if (square > 0.0) {
    slice.kind = Slice::Kind::kSamples;
    slice.data = data;
    sound_run_ += frames;
    if (sound_run_ >= config_.layout.frames_of_ms(kSoundMs)) silent_run_ = 0;
  } else {
    slice.kind = Slice::Kind::kSilence;
    silent_run_ += frames;
    sound_run_ = 0;
  }
  return slice;
}

Slice Playout::emit_scratch(size_t frames) {
  return emit(scratch_.data(), frames);
}

void Playout::observe(size_t frames) {
  const auto depth = int64_t(queue_.frames());
  const int64_t behind = depth - int64_t(frames) + removed_;
  second_.add(behind, frames);
  since_correction_ += frames;

  settling_frames_ += frames;
  const double weight =
      double(frames) / std::min(double(settling_frames_), kMeanSeconds * config_.layout.rate_hz);
  mean_depth_ += (double(depth) - mean_depth_) * weight;
  if (!settled_ && double(settling_frames_) >= kMeanSeconds * config_.layout.rate_hz) {
    settled_ = true;
    wanted_depth_ = mean_depth_;
    below_mean_.clear();
  }
  below_mean_.add(depth - int64_t(frames) - int64_t(mean_depth_), frames);

  drift_window_frames_ += frames;
  const uint64_t window = kDriftWindowSeconds * uint64_t(config_.layout.rate_hz);
  if (drift_window_frames_ >= window) {
    const double ppm = double(drift_window_removed_) * 1e6 / double(drift_window_frames_);
    drift_ppm_ += (ppm - drift_ppm_) * 0.5;
    drift_window_frames_ = 0;
    drift_window_removed_ = 0;
  }
}

// A near miss is a warning: the margin is widened by single frames before it becomes an underrun.
void Playout::keep_reserve() {
  if (!settled_ || catching_up_ || state_ != State::kPlaying) return;
  const auto reserve = double(config_.layout.frames_of_ms(std::min(kReserveMs, config_.margin_ms)));
  // Where the smallest depth is when the mean is where it should be.
  const double expected = double(below_mean_.minimum()) + wanted_depth_;
  const auto limit = int64_t(config_.layout.frames_of_ms(config_.max_margin_ms));
  const int64_t more = int64_t(reserve - expected);
  if (more <= 0 || margin_ + more > limit) return;
  wanted_depth_ += double(more);
  margin_ += more;
}

// By how much even the smallest depth in the window is above what the margin wants.
int64_t Playout::excess(const SlidingMinimum& window) const {
  return window.minimum() - removed_ - margin_;
}

void Playout::update_catch_up(size_t frames) {
  const auto backlog = int64_t(config_.layout.frames_of_ms(kBacklogMs));
  if (state_ == State::kDraining) {
    // Nothing will come any more, so all that is left is backlog.
    catching_up_ = queue_.frames() > config_.layout.frames_of_ms(kDrainBacklogMs);
    return;
  }
  if (!catching_up_) {
    if (!second_.full() || excess(second_) <= backlog) return;
    catching_up_ = true;
    speed_credit_ = 0.0;
    splice_patience_ = 0;
  } else if (excess(second_) < int64_t(config_.layout.frames_of_ms(kShortestCutMs))) {
    catching_up_ = false;
    resettle();
  }
}

// How many frames of digital silence at the head of the queue need not be heard.
size_t Playout::silence_to_skip(size_t frames) const {
  int64_t wish = 0;
  if (catching_up_) {
    if (silent_run_ < config_.layout.frames_of_ms(kPauseMs)) return 0;
    wish = state_ == State::kDraining ? int64_t(queue_.frames()) : excess(second_);
  } else if (state_ == State::kPlaying && settled_ && below_mean_.full()) {
    const auto floor = int64_t(config_.layout.frames_of_ms(config_.margin_ms));
    wish = below_mean_.minimum() + int64_t(mean_depth_) - floor;
    if (wish <= int64_t(config_.layout.frames_of_ms(kNarrowAboveMs))) return 0;
  }
  if (wish <= 0) return 0;
  const size_t available = queue_.frames() - frames;
  // What is heard now has to be silence as well when narrowing, so that the cut is inaudible.
  const size_t silent =
      leading_silent_frames(config_.layout, queue_.data(),
                            std::min(available, size_t(wish)) + (catching_up_ ? 0 : frames));
  if (!catching_up_) {
    return silent > frames ? std::min(silent - frames, size_t(wish)) : 0;
  }
  return std::min({silent, available, size_t(wish)});
}

// Speech is shortened by cutting out a piece and cross-fading over the seam.
bool Playout::splice(size_t frames, Slice* slice) {
  if (!catching_up_) return false;
  const double square = mean_square(config_.layout, queue_.data(), frames);
  if (square <= 0.0 || !std::isfinite(square)) return false;
  const bool quiet = level_dbov(square) < kQuietDbov;
  const size_t longest = config_.layout.frames_of_ms(kLongestCutMs);
  speed_credit_ = std::min(
      speed_credit_ + double(frames) * (quiet ? kQuietSpeedUp : kSpeechSpeedUp), double(longest));
  const size_t shortest = config_.layout.frames_of_ms(kShortestCutMs);
  size_t max_cut = std::min(size_t(speed_credit_), longest);
  if (state_ == State::kPlaying) {
    max_cut = std::min(max_cut, size_t(std::max<int64_t>(0, excess(second_))));
  }
  const size_t overlap = std::min(frames, config_.layout.frames_of_ms(kOverlapMs));
  if (max_cut < shortest || overlap == 0 || queue_.frames() < frames + max_cut) return false;
  const Cut cut = best_cut(config_.layout, queue_.data(), overlap, shortest, max_cut);
  ++splice_patience_;
  if (cut.similarity < kGoodSimilarity && !quiet && splice_patience_ < kSplicePatience)
    return false;
  splice_patience_ = 0;
  const uint8_t* before = queue_.data();
  const uint8_t* after = before + cut.frames * bytes_per_frame_;
  scratch_.resize(frames * bytes_per_frame_);
  cross_fade(config_.layout, scratch_.data(), before, after, overlap);
  std::memcpy(scratch_.data() + overlap * bytes_per_frame_, after + overlap * bytes_per_frame_,
              (frames - overlap) * bytes_per_frame_);
  consume(frames + cut.frames);
  counters_.played += frames;
  counters_.removed_speech += cut.frames;
  removed_ += int64_t(cut.frames);
  mean_depth_ -= double(cut.frames);
  speed_credit_ -= double(cut.frames);
  *slice = emit_scratch(frames);
  return true;
}

void Playout::note_drift_correction(int frames_removed) {
  removed_ += frames_removed;
  mean_depth_ -= frames_removed;
  drift_window_removed_ += frames_removed;
  if (frames_removed > 0) {
    counters_.removed_drift += uint64_t(frames_removed);
  } else {
    counters_.inserted += uint64_t(-frames_removed);
  }
  since_correction_ = 0;
}

// One frame more or less than the slice is long, spread over the whole slice.
bool Playout::correct_drift(size_t frames, Slice* slice) {
  if (!settled_ || catching_up_ || state_ != State::kPlaying) return false;
  const double error_ms = to_ms(mean_depth_ - wanted_depth_);
  if (correcting_ == 0) {
    if (std::fabs(error_ms) < kDriftStartMs) return false;
    correcting_ = error_ms > 0.0 ? 1 : -1;
  } else if (error_ms * correcting_ < kDriftStopMs) {
    correcting_ = 0;
    return false;
  }
  if (since_correction_ < kFramesPerCorrection || frames < 2) return false;
  const uint8_t* in = queue_.data();
  scratch_.resize(frames * bytes_per_frame_);
  if (correcting_ > 0) {
    if (queue_.frames() < frames + 1) return false;
    cross_fade(config_.layout, scratch_.data(), in, in + bytes_per_frame_, frames);
  } else {
    std::memcpy(scratch_.data(), in, bytes_per_frame_);
    cross_fade(config_.layout, scratch_.data() + bytes_per_frame_, in + bytes_per_frame_, in,
               frames - 1);
  }
  consume(correcting_ > 0 ? frames + 1 : frames - 1);
  counters_.played += correcting_ > 0 ? frames : frames - 1;
  note_drift_correction(correcting_);
  *slice = emit_scratch(frames);
  return true;
}

}  // namespace livekit
