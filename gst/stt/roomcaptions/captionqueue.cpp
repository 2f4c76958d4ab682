// SPDX-License-Identifier: LGPL-2.1-or-later
#include "captionqueue.h"

#include <algorithm>
#include <utility>

namespace stt {

void CaptionQueue::add(CaptionPacket packet, int64_t now_ms) {
  const auto older = std::find_if(partials_.begin(), partials_.end(), [&](const Waiting& one) {
    return one.sending == 0 && one.packet.segment == packet.segment;
  });
  if (older != partials_.end()) ++stats_.partials_replaced;
  if (!packet.is_final) {
    if (older != partials_.end()) {
      // Its place in the line stays, or a fast talker would never have a turn.
      older->packet = std::move(packet);
      older->added_ms = now_ms;
      return;
    }
    partials_.push_back({std::move(packet), now_ms});
  } else {
    if (older != partials_.end()) partials_.erase(older);
    const bool shown = shown_.erase(packet.segment) > 0;
    // Nothing was shown, nothing is to be taken back.
    if (packet.empty && !shown) return;
    finals_.push_back({std::move(packet), now_ms});
  }
  if (finals_.size() + partials_.size() <= kMaxWaiting) return;
  const auto idle = [](const Waiting& one) { return one.sending == 0; };
  const auto partial = std::find_if(partials_.begin(), partials_.end(), idle);
  if (partial != partials_.end()) {
    ++stats_.partials_dropped;
    partials_.erase(partial);
    return;
  }
  const auto oldest = std::find_if(finals_.begin(), finals_.end(), idle);
  if (oldest == finals_.end()) return;
  ++stats_.finals_dropped;
  finals_.erase(oldest);
}

void CaptionQueue::expire(int64_t now_ms) {
  const auto drop = [now_ms](std::deque<Waiting>& all, int64_t patience_ms, uint64_t& dropped) {
    dropped += std::erase_if(all, [&](const Waiting& one) {
      return one.sending == 0 && now_ms - one.added_ms >= patience_ms;
    });
  };
  drop(partials_, kPartialPatienceMs, stats_.partials_dropped);
  drop(finals_, kFinalPatienceMs, stats_.finals_dropped);
}

CaptionQueue::Waiting* CaptionQueue::next_partial() {
  for (Waiting& one : partials_) {
    if (one.sending != 0) continue;
    // One at a time of a segment: a newer one must not come first.
    const bool busy = std::any_of(partials_.begin(), partials_.end(), [&](const Waiting& other) {
      return other.sending != 0 && other.packet.segment == one.packet.segment;
    });
    if (!busy) return &one;
  }
  return nullptr;
}

std::optional<CaptionQueue::Sending> CaptionQueue::next(int64_t now_ms) {
  expire(now_ms);
  if (now_ms < retry_at_ms_ || (trouble_ && is_under_way())) return std::nullopt;
  Waiting* chosen = nullptr;
  if (!finals_.empty() && !final_under_way_) {
    // One at a time, so that they arrive in order.
    chosen = &finals_.front();
    final_under_way_ = true;
  } else if (partials_under_way_ < kMaxPartialsUnderWay) {
    chosen = next_partial();
    if (!chosen) return std::nullopt;
    shown_.insert(chosen->packet.segment);
    ++partials_under_way_;
  } else {
    return std::nullopt;
  }
  chosen->sending = ++last_id_;
  return Sending{chosen->sending, chosen->packet};
}

void CaptionQueue::done(uint64_t id, SendResult result, int64_t now_ms) {
  if (result == SendResult::kSent) {
    ++stats_.sent;
    trouble_ = false;
    retry_ms_ = 0;
    retry_at_ms_ = 0;
  } else if (result != SendResult::kRefused) {
    wait_before_retry(result, now_ms);
  }
  const auto is_it = [id](const Waiting& one) { return one.sending == id; };
  const auto partial = std::find_if(partials_.begin(), partials_.end(), is_it);
  if (partial != partials_.end()) {
    --partials_under_way_;
    if (result != SendResult::kSent) ++stats_.partials_dropped;
    partials_.erase(partial);
  }
  const auto last = std::find_if(finals_.begin(), finals_.end(), is_it);
  if (last != finals_.end()) {
    final_under_way_ = false;
    last->sending = 0;
    if (result == SendResult::kRefused) ++stats_.finals_dropped;
    if (result == SendResult::kSent || result == SendResult::kRefused) finals_.erase(last);
  }
  if (result == SendResult::kDenied) clear();
}

void CaptionQueue::wait_before_retry(SendResult result, int64_t now_ms) {
  trouble_ = true;
  if (result == SendResult::kDenied) {
    retry_at_ms_ = now_ms + kDeniedRetryMs;
    return;
  }
  // Answers to what was sent together are one failure.
  if (now_ms < retry_at_ms_) return;
  retry_ms_ = retry_ms_ == 0 ? kFirstRetryMs : std::min(retry_ms_ * 2, kLongestRetryMs);
  // A hundred rooms must not come back at the same moment: up to a fifth earlier.
  const int64_t jitter_ms = int64_t(random_() % uint64_t(retry_ms_ / 5 + 1));
  retry_at_ms_ = now_ms + retry_ms_ - jitter_ms;
}

int64_t CaptionQueue::wake_at_ms() const {
  const auto idle = [](const Waiting& one) { return one.sending == 0; };
  const bool waiting = std::any_of(finals_.begin(), finals_.end(), idle) ||
                       std::any_of(partials_.begin(), partials_.end(), idle);
  return waiting && !is_under_way() ? retry_at_ms_ : -1;
}

void CaptionQueue::hurry(int64_t now_ms) {
  stats_.partials_dropped +=
      std::erase_if(partials_, [](const Waiting& one) { return one.sending == 0; });
  retry_at_ms_ = std::min(retry_at_ms_, now_ms);
  retry_ms_ = 0;
}

void CaptionQueue::clear() {
  const auto idle = [](const Waiting& one) { return one.sending == 0; };
  stats_.partials_dropped += std::erase_if(partials_, idle);
  stats_.finals_dropped += std::erase_if(finals_, idle);
}

CaptionStats CaptionQueue::stats() const {
  CaptionStats stats = stats_;
  stats.waiting = finals_.size() + partials_.size();
  return stats;
}

}  // namespace stt
