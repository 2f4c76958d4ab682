// SPDX-License-Identifier: LGPL-2.1-or-later
// When to connect, when to give a connection up, and how long to wait before the next: time is an
// argument, in nanoseconds of any clock that does not jump.
#pragma once

#include <cstdint>
#include <random>

namespace reconnect {

struct WatchSettings {
  int64_t retry_min_ns = 250'000'000;
  int64_t retry_max_ns = 1'500'000'000;
  double retry_jitter = 0.2;                 /* part of the wait that is drawn by chance, 0 to 1 */
  int64_t stall_timeout_ns = 30'000'000'000; /* 0 = never */
  int64_t quiet_after_ns = 5'000'000'000;    /* connected, and nothing has come: worth a word */
  unsigned retry_limit = 0;                  /* failures in a row; 0 = no limit */
};

class ConnectionWatch {
 public:
  enum class State { kIdle, kWaiting, kConnecting, kStreaming, kGivenUp };
  enum class Action {
    kNone,
    kConnect,  /* begin an attempt */
    kAbandon,  /* nothing has come for too long: take the connection down and say lost() */
    kSayQuiet, /* nothing has come since it was begun; once an attempt */
    kGiveUp,   /* as many failures as allowed */
  };

  explicit ConnectionWatch(unsigned seed) : random_(seed) {}

  void start(const WatchSettings& settings, int64_t now_ns);
  void stop() { state_ = State::kIdle; }
  /** What is to be done now; each is said once. */
  Action poll(int64_t now_ns);
  /** When to poll next, at the latest. */
  int64_t next_poll_ns(int64_t now_ns) const;

  /** Data has come; TRUE for the first of a connection. */
  bool data(int64_t now_ns);
  /** The connection has failed or ended. */
  void lost(int64_t now_ns);

  State state() const { return state_; }
  unsigned failures_in_a_row() const { return failures_; }
  uint64_t attempts() const { return attempts_; }
  uint64_t connections() const { return connections_; }
  /** Of connections that had carried data. */
  uint64_t outages() const { return outages_; }
  /** The wait before the next attempt, as drawn. */
  int64_t wait_ns() const { return wait_ns_; }

 private:
  WatchSettings settings_;
  std::minstd_rand random_;
  State state_ = State::kIdle;
  int64_t due_ns_ = 0;      /* kWaiting: of the next attempt */
  int64_t activity_ns_ = 0; /* data, or the beginning of the attempt */
  int64_t wait_ns_ = 0;
  unsigned failures_ = 0;
  bool said_quiet_ = false;
  uint64_t attempts_ = 0;
  uint64_t connections_ = 0;
  uint64_t outages_ = 0;
};

const char* state_name(ConnectionWatch::State state);

}  // namespace reconnect
