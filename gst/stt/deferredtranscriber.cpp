// SPDX-License-Identifier: LGPL-2.1-or-later
#include "deferredtranscriber.h"

#include <cstdlib>

namespace stt {

namespace {

constexpr int64_t kSecondNs = 1'000'000'000;
// One operation holds at most this much, so that dropping the oldest drops little.
constexpr size_t kMaxSamplesTogether = kSampleRateHz;

int64_t duration_ns(size_t samples) {
  return int64_t(samples) * kSecondNs / kSampleRateHz;
}

}  // namespace

void DeferredTranscriber::attach(std::unique_ptr<Transcriber> transcriber) {
  if (closed_ || transcriber_ || !transcriber) return;
  transcriber_ = std::move(transcriber);
  transcriber_->set_live(live_);
  for (Operation& operation : kept_) {
    if (const auto* audio = std::get_if<Audio>(&operation)) {
      transcriber_->push(audio->samples, audio->time_ns);
    } else if (const auto* gap = std::get_if<Gap>(&operation)) {
      transcriber_->push_gap(gap->time_ns, gap->duration_ns);
    } else if (const auto* change = std::get_if<Change>(&operation)) {
      transcriber_->set_speaker(change->speaker, change->time_ns);
    } else if (auto* drain = std::get_if<Drain>(&operation)) {
      transcriber_->drain(std::move(drain->done));
    }
  }
  kept_.clear();
  kept_ns_ = 0;
}

void DeferredTranscriber::give_up() {
  closed_ = true;
  for (Operation& operation : kept_) {
    if (auto* drain = std::get_if<Drain>(&operation)) drain->done();
  }
  kept_.clear();
  kept_ns_ = 0;
}

std::unique_ptr<Transcriber> DeferredTranscriber::detach() {
  closed_ = true;
  kept_.clear();
  kept_ns_ = 0;
  return std::move(transcriber_);
}

void DeferredTranscriber::drop_oldest_beyond_limit() {
  auto operation = kept_.begin();
  while (kept_ns_ > max_queue_ns_ && operation != kept_.end()) {
    const auto* audio = std::get_if<Audio>(&*operation);
    if (!audio) {
      ++operation;  // changes of speaker stay: the first audio left needs its owner
      continue;
    }
    const int64_t dropped_ns = duration_ns(audio->samples.size());
    kept_ns_ -= dropped_ns;
    lost_ns_ += dropped_ns;
    operation = kept_.erase(operation);
  }
}

void DeferredTranscriber::push(std::span<const float> samples, int64_t time_ns) {
  if (closed_ || samples.empty()) return;
  if (transcriber_) return transcriber_->push(samples, time_ns);
  Audio* last = kept_.empty() ? nullptr : std::get_if<Audio>(&kept_.back());
  constexpr int64_t kSameTimeNs = 1'000'000;
  const bool follows =
      last && last->samples.size() + samples.size() <= kMaxSamplesTogether &&
      std::llabs(last->time_ns + duration_ns(last->samples.size()) - time_ns) < kSameTimeNs;
  if (follows) {
    last->samples.insert(last->samples.end(), samples.begin(), samples.end());
  } else {
    kept_.push_back(Audio{{samples.begin(), samples.end()}, time_ns});
  }
  kept_ns_ += duration_ns(samples.size());
  drop_oldest_beyond_limit();
}

void DeferredTranscriber::push_gap(int64_t time_ns, int64_t duration) {
  if (closed_) return;
  if (transcriber_) return transcriber_->push_gap(time_ns, duration);
  Gap* last = kept_.empty() ? nullptr : std::get_if<Gap>(&kept_.back());
  if (last && last->time_ns + last->duration_ns == time_ns) {
    last->duration_ns += duration;
  } else {
    kept_.push_back(Gap{time_ns, duration});
  }
}

void DeferredTranscriber::set_speaker(const Speaker& speaker, int64_t time_ns) {
  if (closed_) return;
  if (transcriber_) return transcriber_->set_speaker(speaker, time_ns);
  kept_.push_back(Change{speaker, time_ns});
}

void DeferredTranscriber::set_live(bool live) {
  live_ = live;
  if (transcriber_) transcriber_->set_live(live);
}

void DeferredTranscriber::drain(std::function<void()> done) {
  if (closed_) return done();
  if (transcriber_) return transcriber_->drain(std::move(done));
  kept_.push_back(Drain{std::move(done)});
}

TranscriberStats DeferredTranscriber::stats() const {
  TranscriberStats stats = transcriber_ ? transcriber_->stats() : TranscriberStats{};
  stats.lost_ns += lost_ns_;
  stats.queued_ns += kept_ns_;
  return stats;
}

}  // namespace stt
