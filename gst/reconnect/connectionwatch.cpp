// SPDX-License-Identifier: LGPL-2.1-or-later
#include "connectionwatch.h"

#include <algorithm>

namespace reconnect {

void ConnectionWatch::start(const WatchSettings& settings, int64_t now_ns) {
  settings_ = settings;
  state_ = State::kWaiting;
  due_ns_ = now_ns;
  wait_ns_ = 0;
  failures_ = 0;
  attempts_ = connections_ = outages_ = 0;
}

ConnectionWatch::Action ConnectionWatch::poll(int64_t now_ns) {
  switch (state_) {
    case State::kWaiting:
      if (settings_.retry_limit > 0 && failures_ >= settings_.retry_limit) {
        state_ = State::kGivenUp;
        return Action::kGiveUp;
      }
      if (now_ns < due_ns_) return Action::kNone;
      state_ = State::kConnecting;
      activity_ns_ = now_ns;
      said_quiet_ = false;
      ++attempts_;
      return Action::kConnect;
    case State::kConnecting:
    case State::kStreaming:
      if (settings_.stall_timeout_ns > 0 && now_ns - activity_ns_ >= settings_.stall_timeout_ns)
        return Action::kAbandon;
      if (state_ == State::kConnecting && !said_quiet_ &&
          now_ns - activity_ns_ >= settings_.quiet_after_ns) {
        said_quiet_ = true;
        return Action::kSayQuiet;
      }
      return Action::kNone;
    case State::kIdle:
    case State::kGivenUp:
      break;
  }
  return Action::kNone;
}

int64_t ConnectionWatch::next_poll_ns(int64_t now_ns) const {
  constexpr int64_t kLongest = 3'600'000'000'000;
  int64_t next = now_ns + kLongest;
  if (state_ == State::kWaiting) next = due_ns_;
  if (state_ == State::kConnecting || state_ == State::kStreaming) {
    if (settings_.stall_timeout_ns > 0)
      next = std::min(next, activity_ns_ + settings_.stall_timeout_ns);
    if (state_ == State::kConnecting && !said_quiet_)
      next = std::min(next, activity_ns_ + settings_.quiet_after_ns);
  }
  return std::max(next, now_ns);
}

bool ConnectionWatch::data(int64_t now_ns) {
  if (state_ != State::kConnecting && state_ != State::kStreaming) return false;
  activity_ns_ = now_ns;
  if (state_ == State::kStreaming) return false;
  state_ = State::kStreaming;
  failures_ = 0;
  ++connections_;
  return true;
}

void ConnectionWatch::lost(int64_t now_ns) {
  if (state_ != State::kConnecting && state_ != State::kStreaming) return;
  if (state_ == State::kStreaming) ++outages_;
  // Twice as long each time; never in step with others who lost the same server.
  int64_t wait_ns = settings_.retry_min_ns;
  for (unsigned i = 0; i < failures_ && wait_ns < settings_.retry_max_ns; ++i) wait_ns *= 2;
  wait_ns = std::min(wait_ns, settings_.retry_max_ns);
  const double part = std::uniform_real_distribution<double>(0.0, 1.0)(random_);
  wait_ns_ = int64_t(double(wait_ns) * (1.0 - settings_.retry_jitter * part));
  ++failures_;
  due_ns_ = now_ns + wait_ns_;
  state_ = State::kWaiting;
}

const char* state_name(ConnectionWatch::State state) {
  switch (state) {
    case ConnectionWatch::State::kWaiting:
      return "waiting";
    case ConnectionWatch::State::kConnecting:
      return "connecting";
    case ConnectionWatch::State::kStreaming:
      return "streaming";
    case ConnectionWatch::State::kGivenUp:
      return "given-up";
    case ConnectionWatch::State::kIdle:
      break;
  }
  return "idle";
}

}  // namespace reconnect
