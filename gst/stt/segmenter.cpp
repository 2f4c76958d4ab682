// SPDX-License-Identifier: LGPL-2.1-or-later
#include "stt/segmenter.h"

#include <algorithm>

namespace stt {
namespace {

constexpr int64_t kWindowMs = kWindowNs / 1'000'000;

// As many windows as cover the time.
int32_t to_windows(int32_t milliseconds) {
  return std::max<int32_t>(0, static_cast<int32_t>((milliseconds + kWindowMs - 1) / kWindowMs));
}

// The nearest number of windows.
int32_t to_nearest_windows(int32_t milliseconds) {
  return static_cast<int32_t>((milliseconds + kWindowMs / 2) / kWindowMs);
}

bool is_known(const Speaker& speaker) {
  return !speaker.identity.empty() || !speaker.track.empty() || !speaker.name.empty();
}

}  // namespace

Segmenter::Segmenter(const SegmenterConfig& config)
    : config_(config),
      pre_roll_windows_(to_windows(config.pre_roll_ms)),
      post_roll_windows_(to_nearest_windows(config.post_roll_ms)),
      end_windows_(std::max(1, to_nearest_windows(config.end_silence_ms))),
      max_windows_(std::max(4, to_nearest_windows(config.max_utterance_ms))),
      min_part_windows_(to_nearest_windows(config.min_part_ms)),
      partial_windows_(std::max(1, to_nearest_windows(config.partial_interval_ms))),
      min_speech_windows_(std::max(1, to_nearest_windows(config.min_speech_ms))) {}

Segmenter::Events Segmenter::feed(std::span<const float> window, int64_t time_ns,
                                  float probability) {
  Events events;
  Window& added = windows_.emplace_back();
  std::copy_n(window.begin(), kWindowSamples, added.samples.begin());
  added.time_ns = time_ns;
  added.probability = probability;
  added.level_dbov = level_dbov(window);

  const bool was_speculated = open_ && open_->speculated;
  const size_t last_speech = open_ ? open_->last_speech : 0;
  listen(windows_.size() - 1);
  if (was_speculated && open_->last_speech != last_speech) go_on(events, last_speech + 1);
  apply_speaker_changes(events, false);
  if (open_) {
    end_if_silent(events);
    cut_if_too_long(events);
  }
  if (!open_) trim();
  return events;
}

Segmenter::Events Segmenter::set_speaker(const Speaker& speaker, int64_t time_ns) {
  Events events;
  const Speaker& latest = pending_speakers_.empty() ? speaker_ : pending_speakers_.back().speaker;
  if (speaker == latest) return events;
  pending_speakers_.push_back({speaker, time_ns});
  apply_speaker_changes(events, false);
  return events;
}

Segmenter::Events Segmenter::end() {
  Events events;
  apply_speaker_changes(events, true);
  if (is_confirmed()) finish(events, windows_.size(), true);
  open_.reset();
  windows_.clear();
  return events;
}

void Segmenter::end_if_silent(Events& events) {
  const size_t silence = silence_windows();
  if (silence == 0) {
    if (config_.partials && is_confirmed() && open_->windows_since_partial >= partial_windows_) {
      open_->windows_since_partial = 0;
      events.push_back(event(SegmentEvent::Kind::partial, windows_.size()));
    }
  } else if (!is_confirmed() && silence >= std::min(post_roll_windows_, end_windows_)) {
    open_.reset();
  } else if (silence >= end_windows_) {
    finish(events, windows_.size(), true);
  } else if (silence == post_roll_windows_) {
    open_->speculated = true;
    events.push_back(event(SegmentEvent::Kind::speculative, windows_.size()));
  }
}

// A window's part in the open utterance, or in opening one.
void Segmenter::listen(size_t index) {
  const Window& window = windows_[index];
  if (open_) open_->windows++;
  if (!open_) {
    if (window.probability < config_.start_probability) return;
    open_.emplace();
    open_->first_speech = index;
    open_->start_ns = window.time_ns;
    open_->windows = 1;
  } else if (window.probability < config_.stay_probability) {
    return;
  }
  open_->last_speech = index;
  open_->windows_since_partial++;
  if (window.probability >= config_.start_probability) open_->speech_windows++;
}

// Speech in the newest window, after a pause that began at `silent_from` and was long enough to
// speculate on.
void Segmenter::go_on(Events& events, size_t silent_from) {
  const size_t newest = windows_.size() - 1;
  open_->last_speech = silent_from - 1;
  if (open_->windows >= max_windows_ * 2 / 3) {
    // A better place to end than where the limit would.
    finish(events, newest, true);
    windows_.erase(windows_.begin(),
                   windows_.end() - 1 - std::min(windows_.size() - 1, pre_roll_windows_));
    listen(windows_.size() - 1);
    return;
  }
  const bool is_part = silent_from - open_->first_speech >= min_part_windows_;
  SegmentEvent resumed;
  if (is_part) {
    resumed = event(SegmentEvent::Kind::part, newest);
    open_->parts_end_ns = resumed.end_ns;
    const size_t kept = std::min(newest - silent_from, pre_roll_windows_);
    windows_.erase(windows_.begin(), windows_.begin() + (newest - kept));
    open_->part++;
    open_->first_speech = kept;
  } else {
    resumed.kind = SegmentEvent::Kind::resumed;
    resumed.utterance = open_->id;
    resumed.part = open_->part;
  }
  open_->last_speech = windows_.size() - 1;
  open_->speculated = false;
  events.push_back(std::move(resumed));
}

// Low = a good place to cut: a doubtful window is worth 30 dB against a certain one.
double Segmenter::quietness(size_t window) const {
  double sum = 0;
  int count = 0;
  const size_t begin = window > 0 ? window - 1 : 0;
  for (size_t i = begin; i < std::min(window + 2, windows_.size()); i++, count++) {
    sum += std::max(windows_[i].level_dbov, -80.0) + 30 * double{windows_[i].probability};
  }
  return sum / count;
}

size_t Segmenter::quietest(size_t begin, size_t end) const {
  size_t best = begin;
  for (size_t i = begin + 1; i < end; i++) {
    if (quietness(i) < quietness(best)) best = i;
  }
  return best;
}

std::vector<float> Segmenter::samples(size_t begin, size_t end) const {
  std::vector<float> result;
  result.reserve((end - begin) * kWindowSamples);
  for (size_t i = begin; i < end; i++) {
    result.insert(result.end(), windows_[i].samples.begin(), windows_[i].samples.end());
  }
  return result;
}

SegmentEvent Segmenter::event(SegmentEvent::Kind kind, size_t end_window) {
  if (open_->id == 0) open_->id = ++last_id_;
  SegmentEvent result;
  result.kind = kind;
  result.utterance = open_->id;
  result.part = open_->part;
  result.speaker = speaker_;
  result.start_ns = open_->start_ns;
  result.end_ns = open_->parts_end_ns;
  if (end_window > open_->first_speech) {
    result.samples_ns = windows_.front().time_ns;
    result.part_start_ns = windows_[open_->first_speech].time_ns;
    result.end_ns = end_of(open_->last_speech);
    result.samples = samples(0, std::min(end_window, open_->last_speech + 1 + post_roll_windows_));
  }
  result.as_speculated = open_->speculated;
  return result;
}

// Closes the utterance at window `cut`; what is behind goes on as the next one if it has speech.
void Segmenter::finish(Events& events, size_t cut, bool after_silence) {
  if (cut <= open_->last_speech) {
    size_t last = std::max(cut, size_t{1}) - 1;
    while (last > open_->first_speech && windows_[last].probability < config_.stay_probability) {
      last--;
    }
    open_->last_speech = last;
    open_->speculated = false;
  }
  events.push_back(event(SegmentEvent::Kind::final, cut));
  // Silence behind the speech is pre-roll of what comes next, speech is not.
  const size_t used = after_silence ? std::min(open_->last_speech + 1, cut) : cut;
  windows_.erase(windows_.begin(), windows_.begin() + used);
  open_.reset();
  if (!after_silence) reopen();
}

// Looks for speech in what a cut left over.
void Segmenter::reopen() {
  for (size_t i = 0; i < windows_.size(); i++) listen(i);
  if (open_) open_->after_silence = false;
}

void Segmenter::cut_if_too_long(Events& events) {
  if (!open_ || open_->windows < max_windows_) return;
  // In the last third: the cut keeps most of the text together, and there is a pause in most.
  const size_t third = std::min(windows_.size(), max_windows_ / 3);
  const size_t begin = std::max(open_->first_speech + 1, windows_.size() - third);
  const size_t end = windows_.size() - std::min<size_t>(windows_.size(), 3);
  const size_t cut = begin < end ? quietest(begin, end) : windows_.size();
  if (is_confirmed()) {
    finish(events, cut, false);
  } else {
    windows_.erase(windows_.begin(), windows_.begin() + cut);
    open_.reset();
    reopen();
  }
}

void Segmenter::apply_speaker_changes(Events& events, bool all) {
  while (!pending_speakers_.empty()) {
    const SpeakerChange& next = pending_speakers_.front();
    const int64_t needed_ns = next.time_ns + int64_t{config_.speaker_search_ms} * 1'000'000;
    const bool heard = windows_.empty() || end_of(windows_.size() - 1) >= needed_ns;
    if (!all && !heard) return;
    const SpeakerChange change = next;
    pending_speakers_.pop_front();
    apply_speaker_change(events, change);
  }
}

void Segmenter::apply_speaker_change(Events& events, const SpeakerChange& change) {
  const bool was_known = is_known(speaker_);
  // Nobody was named yet: the one who is named now has spoken since the beginning.
  const int64_t settle_ms = was_known ? config_.speaker_settle_ms : 1000;
  const int64_t settle_ns = open_ && open_->after_silence ? settle_ms * 1'000'000 : 0;
  if (open_ && change.time_ns > open_->start_ns + settle_ns) {
    const int64_t search_ns = int64_t{config_.speaker_search_ms} * 1'000'000;
    // Within the open part: what is closed stays as it is.
    size_t begin = windows_.size();
    size_t end = begin;
    for (size_t i = windows_.size(); i-- > open_->first_speech;) {
      if (windows_[i].time_ns > change.time_ns + search_ns) end = i;
      if (windows_[i].time_ns >= change.time_ns - search_ns) begin = i;
    }
    const size_t cut = begin < end ? quietest(begin, end) : begin;
    const auto is_speech = [this](const Window& window) {
      return window.probability >= config_.start_probability;
    };
    const auto speech =
        std::count_if(windows_.begin() + open_->first_speech, windows_.begin() + cut, is_speech);
    // Too little to be heard as an utterance goes with what follows.
    if (speech >= min_speech_windows_) {
      finish(events, cut, false);
    } else if (open_->part > 0) {
      finish(events, open_->first_speech, false);
    }
  }
  speaker_ = change.speaker;
}

void Segmenter::trim() {
  while (windows_.size() > pre_roll_windows_) windows_.pop_front();
}

}  // namespace stt
