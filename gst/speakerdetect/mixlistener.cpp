// SPDX-License-Identifier: LGPL-2.1-or-later
#include "mixlistener.h"

#include <pthread.h>

#include <algorithm>
#include <cstdlib>
#include <utility>

namespace speakerdetect {
namespace {

constexpr int64_t kMostWaitingNs = 10'000'000'000;
constexpr int64_t kDefaultSilenceTimeoutNs = 1'500'000'000;
// Pieces are put together up to this, to be woken less often.
constexpr size_t kTogetherSamples = speech::kWindowSamples;
constexpr int64_t kSeamlessNs = 1'000'000;

int64_t length_ns(size_t samples) {
  return int64_t(samples) * speech::kSampleNs;
}

}  // namespace

MixListener::MixListener(Make make, bool beside)
    : make_(std::move(make)), beside_(beside), silence_timeout_ns_(kDefaultSilenceTimeoutNs) {
  if (!beside_) return;
  thread_ = std::thread([this] {
    pthread_setname_np(pthread_self(), "speakerdetect");
    run();
  });
}

MixListener::~MixListener() {
  {
    const std::lock_guard guard(lock_);
    stopping_ = true;
    pieces_.clear();
  }
  changed_.notify_all();
  if (thread_.joinable()) thread_.join();
}

void MixListener::push(std::span<const float> samples, int64_t time_ns) {
  if (samples.empty()) return;
  add({Piece::Kind::samples, {samples.begin(), samples.end()}, time_ns, length_ns(samples.size())});
}

void MixListener::push_silence(int64_t time_ns, int64_t duration_ns) {
  if (duration_ns > 0) add({Piece::Kind::silence, {}, time_ns, duration_ns});
}

void MixListener::end() {
  add({Piece::Kind::end, {}, 0, 0});
}

void MixListener::set_silence_timeout(int64_t timeout_ns) {
  const std::lock_guard guard(lock_);
  silence_timeout_ns_ = timeout_ns;
}

void MixListener::add(Piece piece) {
  if (!beside_) {
    load();
    take(piece);
    return;
  }
  bool wake = false;
  {
    const std::lock_guard guard(lock_);
    Piece* last = pieces_.empty() ? nullptr : &pieces_.back();
    const bool is_audio = piece.kind == Piece::Kind::samples;
    const auto follows = [&] {
      return std::abs(piece.time_ns - last->time_ns - last->duration_ns) <= kSeamlessNs;
    };
    if (is_audio) {
      waiting_ns_ += piece.duration_ns;
      // The newest is what counts: who talks now.
      while (waiting_ns_ > kMostWaitingNs) {
        const auto oldest = std::find_if(pieces_.begin(), pieces_.end(), [](const Piece& p) {
          return p.kind == Piece::Kind::samples;
        });
        if (oldest == pieces_.end()) break;
        waiting_ns_ -= oldest->duration_ns;
        lost_ns_ += oldest->duration_ns;
        pieces_.erase(oldest);
        last = pieces_.empty() ? nullptr : &pieces_.back();
      }
    }
    if (last && last->kind == piece.kind && piece.kind == Piece::Kind::silence && follows()) {
      last->duration_ns += piece.duration_ns;
    } else if (last && last->kind == piece.kind && is_audio && follows() &&
               last->samples.size() < kTogetherSamples) {
      last->samples.insert(last->samples.end(), piece.samples.begin(), piece.samples.end());
      last->duration_ns = length_ns(last->samples.size());
    } else {
      pieces_.push_back(std::move(piece));
    }
    wake = is_due();
  }
  if (wake) changed_.notify_all();
}

bool MixListener::is_due() const {
  if (pieces_.empty()) return false;
  return pieces_.front().kind != Piece::Kind::samples || pieces_.size() > 1 ||
         pieces_.front().samples.size() >= kTogetherSamples;
}

void MixListener::flush() {
  {
    const std::lock_guard guard(lock_);
    pieces_.clear();
    waiting_ns_ = 0;
    turns_.clear();
    epoch_++;
  }
  add({Piece::Kind::end, {}, 0, 0, true});
}

void MixListener::run() {
  load();
  std::unique_lock guard(lock_);
  while (!stopping_) {
    if (!is_due()) {
      changed_.wait(guard);
      continue;
    }
    const Piece piece = std::move(pieces_.front());
    pieces_.pop_front();
    if (piece.kind == Piece::Kind::samples) waiting_ns_ -= piece.duration_ns;
    busy_ = true;
    guard.unlock();
    take(piece);
    guard.lock();
    busy_ = false;
    changed_.notify_all();
  }
}

void MixListener::load() {
  if (loaded_) return;
  loaded_ = true;
  std::string problem;
  voices_ = make_(problem);
  const std::lock_guard guard(lock_);
  works_ = voices_ != nullptr;
  problem_ = std::move(problem);
}

void MixListener::take(const Piece& piece) {
  if (!voices_) return;
  int64_t timeout_ns = 0;
  uint64_t epoch = 0;
  {
    const std::lock_guard guard(lock_);
    timeout_ns = silence_timeout_ns_;
    epoch = epoch_;
  }
  voices_->set_silence_timeout(timeout_ns);
  switch (piece.kind) {
    case Piece::Kind::samples:
      voices_->push(piece.samples, piece.time_ns);
      break;
    case Piece::Kind::silence:
      voices_->push_silence(piece.time_ns, piece.duration_ns);
      break;
    case Piece::Kind::end:
      voices_->end();
      break;
  }
  const std::lock_guard guard(lock_);
  while (auto turn = voices_->next_turn()) {
    if (epoch == epoch_ && !piece.is_flush) turns_.push_back(std::move(*turn));
  }
  state_ = voices_->state();
}

MixListener::Report MixListener::report() {
  const std::lock_guard guard(lock_);
  Report report;
  if (!turns_.empty()) {
    report.turn = std::move(turns_.front());
    turns_.pop_front();
  }
  report.state = state_;
  report.problem = std::exchange(problem_, {});
  report.lost_ns = lost_ns_;
  report.works = works_;
  return report;
}

void MixListener::wait(std::chrono::milliseconds timeout) {
  if (!beside_) return;
  std::unique_lock guard(lock_);
  changed_.wait_for(guard, timeout, [this] { return pieces_.empty() && !busy_; });
}

}  // namespace speakerdetect
