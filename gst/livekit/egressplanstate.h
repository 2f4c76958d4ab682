// SPDX-License-Identifier: LGPL-2.1-or-later
// What EgressPlan remembers of participants, tracks and egresses; private to it.
#pragma once

#include "egressplan.h"

namespace livekit {

inline constexpr int64_t kNever = INT64_MAX;
inline constexpr int64_t kLongAgo = INT64_MIN / 2;
// A session that lived for so long was a good one: its end says nothing about the next.
inline constexpr int64_t kGoodSessionMs = 10000;
// A failed session has cost a process of the egress service.
inline constexpr int64_t kLongestWaitMs = 30000;
// A server may tell of something first and list it a little later.
inline constexpr int64_t kListLagMs = 1000;
// Asking a server that has nobody for it costs next to nothing, and audio has to flow again soon.
inline constexpr int64_t kLongestProbeWaitMs = 1000;
// Its machine is taken for lost after two answers to stops that it did not answer (each takes the
// server 3 s), four that nobody has it, or so many stops without an answer, though the server
// answers else.
inline constexpr unsigned kLostAfter = 16;
inline constexpr unsigned kNobodyAnswers = 8;
inline constexpr unsigned kNobodyHasIt = 4;

// What egress holds back is sent after it was stopped: 3 s with its default settings.
inline constexpr int64_t kLastWordsMs = 6000;

struct EgressPlan::Person {
  std::string sid;
  std::string name;
  std::string metadata;
  std::string attributes;
  bool machine = false;
};

// An audio track that somebody publishes.
struct EgressPlan::Source {
  std::string identity;
  std::string participant_sid;
  TrackSource source = TrackSource::kOther;
  bool published = true;
  int64_t seen_ms = kLongAgo;  // when it was last known to be published
  unsigned missing = 0;        // polls in a row that did not show it
  // Only what was seen since shows that it is still there: an egress of it has ended then.
  int64_t confirm_after_ms = kLongAgo;
};

// Somebody for whom there is an egress, or should be.
struct EgressPlan::Member {
  std::string slot;  // key of the one he is heard by, "" = none yet
  std::string next;  // key of the one he moves to; until it has dialled in he is heard by `slot`
  bool present = false;  // publishes what may be asked for
  bool confirmed = false;
  bool denied = false;  // publishes, but nothing that may be asked for
  int64_t away_since_ms = kNever;
  int64_t confirm_after_ms = kLongAgo;  // as a Source's
  int64_t pair_after_ms = kLongAgo;     // a pair has failed: alone until then
};

struct EgressPlan::Slot {
  enum class State {
    kIdle,       // no egress
    kStarting,   // asked for; the answer is under way
    kUncertain,  // asked for; the answer was lost
    kRunning,    // the server has accepted; it may not have dialled yet
    kStopping,   // StopEgress is under way, or will be tried again
  };

  std::string key;
  std::string track;                // with kTrack
  std::vector<std::string> people;  // identities; none with kRoom

  bool present = false;  // what it is for is there
  int64_t gone_ms = kNever;

  State state = State::kIdle;
  uint64_t session = 0;
  std::string egress;
  bool dialled = false;
  bool connection_over = false;
  int64_t since_ms = 0;             // start of the state; of the connection, once dialled
  int64_t due_ms = 0;               // next try, next check or next stop
  int64_t uncertain_ms = kLongAgo;  // only a list that was asked for since tells what became of it
  unsigned failures = 0;
  unsigned attempts = 0;
  bool revoked = false;  // `session` may not dial in any more
  bool check_under_way = false;
  bool stop_under_way = false;
  bool stop_done = false;    // but the connection still brings what was on its way
  bool stop_wished = false;  // by us, and not because it went wrong
  int64_t stop_since_ms = 0;
  bool hung_up = false;
  unsigned stop_tries = 0;
  unsigned doubts = 0;  // that its machine still lives: up to kLostAfter
  std::string stop_reason;

  bool under_way() const { return state == State::kStarting || state == State::kUncertain; }
};

struct EgressPlan::Stray {
  std::string key;
  std::string track;
  bool stop_under_way = false;
  unsigned tries = 0;
  unsigned doubts = 0;  // as a Slot's
  int64_t due_ms = 0;
  int64_t added_ms = 0;

  // Its machine is lost. Nothing waits for it any more; should it live, it is stopped one day.
  bool lost() const { return doubts >= kLostAfter; }
  std::string name(const std::string& id) const {
    return track.empty() ? id : track + " (" + id + ")";
  }
};

}  // namespace livekit
