// SPDX-License-Identifier: LGPL-2.1-or-later
// What EgressPlan remembers of each participant and track; private to it.
#pragma once

#include "egressplan.h"

namespace livekit {

inline constexpr int64_t kNever = INT64_MAX;
inline constexpr int64_t kLongAgo = INT64_MIN / 2;

struct EgressPlan::Person {
  std::string sid;
  std::string name;
  std::string metadata;
  bool machine = false;
};

struct EgressPlan::Slot {
  enum class State {
    kIdle,       // no egress
    kStarting,   // asked for; the answer is under way
    kUncertain,  // asked for; the answer was lost
    kRunning,    // the server has accepted; it may not have dialled yet
    kStopping,   // StopEgress is under way, or will be tried again
  };

  std::string track;
  std::string identity;
  std::string participant_sid;
  TrackSource source = TrackSource::kOther;

  bool published = true;
  int64_t seen_ms = 0;  // when it was last known to be published
  int64_t unpublished_ms = 0;
  unsigned missing = 0;  // polls in a row that did not show it
  // Only a poll that was sent since shows whether it is still there.
  int64_t confirm_after_ms = kLongAgo;
  bool confirmed = true;

  State state = State::kIdle;
  uint64_t session = 0;
  std::string egress;
  bool dialled = false;
  bool connection_over = false;
  int64_t since_ms = 0;  // start of the state; of the connection, once dialled
  int64_t due_ms = 0;    // next try, next check or next stop
  unsigned failures = 0;
  unsigned attempts = 0;
  bool check_under_way = false;
  bool stop_under_way = false;
  bool stop_done = false;  // but the connection still brings what was on its way
  unsigned stop_tries = 0;
  std::string stop_reason;
};

struct EgressPlan::Stray {
  std::string track;
  bool stop_under_way = false;
  unsigned tries = 0;
  int64_t due_ms = 0;
};

}  // namespace livekit
