// SPDX-License-Identifier: LGPL-2.1-or-later
// Which egresses of one room have to be started and stopped, and when: takes what is heard (answers
// of the API, webhooks, dial-ins, time) and answers with actions. Pure: no network, no clock, so
// every order of events can be tried. One egress a published track at a time, none for those who
// are excluded, and none is left behind.
//
// Times are milliseconds of any monotonic clock. Not thread-safe.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "livekitapi.h"

namespace livekit {

// Whose audio may be asked for. Identities are compared exactly.
struct EgressFilter {
  std::set<std::string> include;  // empty = everybody
  std::set<std::string> exclude;  // wins over include
  unsigned sources = 7;           // TrackSource, or'ed

  bool permits(const std::string& identity, TrackSource source) const;
};

struct PlanConfig {
  std::string dial_base;  // egresses that dial this, "/" and their track's id are ours
  EgressFilter filter;
  int64_t poll_ms = 1000;  // 0 = rely on webhooks
  uint64_t seed = 1;       // of the jitter
};

struct CallFailure {
  enum class Kind {
    kUnreachable,  // no answer: what was asked for may have happened or not
    kUnavailable,  // the server has nobody to do it now (503), or too much to do (429)
    kNotFound,
    kDenied,   // key, secret or grant
    kRefused,  // anything else: asking again will hardly help
  };
  Kind kind = Kind::kUnreachable;
  std::string text;  // the server's own words
};

struct PlanAction {
  enum class Kind {
    kListParticipants,
    kListEgress,   // the room's active ones
    kCheckEgress,  // `egress`, whatever its state
    kStart,        // a track egress of `track` that dials in as `session`
    kStop,         // `egress`
    kRevoke,       // `session` may not dial in any more
    kRename,       // `identity` has `name` and `metadata` now
    kTell,         // a message for the application
  };
  Kind kind = Kind::kTell;
  uint64_t session = 0;
  std::string egress;
  std::string track;
  std::string identity;
  std::string name;
  std::string metadata;
  // Of kTell: requested, started, connected, ended, failed, stopping, leftover, unreachable,
  // reachable.
  std::string step;
  std::string reason;
  int64_t wait_ms = 0;  // of failed: until the next try at least
  unsigned attempt = 0;
};

class EgressPlan {
 public:
  explicit EgressPlan(PlanConfig config);
  ~EgressPlan();

  void begin(int64_t now_ms);
  void set_filter(EgressFilter filter, int64_t now_ms);

  // Answers of the calls that actions asked for; each call has exactly one.
  void on_participants(const std::vector<Participant>& participants, int64_t now_ms);
  void on_participants_failed(const CallFailure& failure, int64_t now_ms);
  void on_egress_list(const std::vector<Egress>& list, int64_t now_ms);
  void on_egress_list_failed(const CallFailure& failure, int64_t now_ms);
  // nullptr: nothing is known of it.
  void on_egress_checked(const std::string& id, const Egress* egress, int64_t now_ms);
  void on_start_answer(uint64_t session, const Egress& egress, int64_t now_ms);
  void on_start_failed(uint64_t session, const CallFailure& failure, int64_t now_ms);
  void on_stop_answer(const std::string& id, int64_t now_ms);
  void on_stop_failed(const std::string& id, const CallFailure& failure, int64_t now_ms);

  // A genuine webhook of this room.
  void on_webhook(const WebhookEvent& event, int64_t now_ms);

  // The listener's side.
  void on_dialled(uint64_t session, int64_t now_ms);
  void on_connection_ended(uint64_t session, int64_t now_ms);

  void on_time(int64_t now_ms);

  // Starts nothing any more and stops all.
  void shut_down(int64_t now_ms);
  // After shut_down(): nothing is left running, as far as can be known.
  bool finished() const;
  // Egresses that may still run: "identity (track, egress)".
  std::vector<std::string> unfinished() const;
  // No connection is open.
  bool quiet() const;

  // What there is to do, in order; each is given once.
  std::vector<PlanAction> take_actions();
  // When on_time() is due; may lie in the past. INT64_MAX = never.
  int64_t next_wake_ms() const { return next_wake_ms_; }

  // For tests and stats.
  size_t running() const;  // with an open connection

 private:
  struct Person;
  struct Slot;
  struct Stray;

  Slot* find_session(uint64_t session);
  Slot* find_egress(const std::string& id);
  bool ours(const Egress& egress) const;
  bool wanted(const Slot& slot) const;
  void learn(const Participant& participant, bool complete, int64_t now_ms);
  void publish(const Participant& participant, const PublishedTrack& track, int64_t seen_ms);
  void unpublish(Slot& slot, int64_t now_ms);
  void bury(const std::string& track);
  void ask_participants(int64_t now_ms);
  void heard_of(const Egress& egress, bool from_list, int64_t now_ms);
  void settle_uncertain(Slot& slot, int64_t now_ms);
  void running_as(Slot& slot, const std::string& id, int64_t now_ms);
  void ended(Slot& slot, const char* step, const std::string& reason, int64_t now_ms,
             int64_t longest_wait_ms);
  void stop(Slot& slot, const std::string& reason, int64_t now_ms);
  void stop_stray(const Egress& egress, const char* why, int64_t now_ms);
  void set_reachable(bool reachable, const std::string& reason);
  int64_t back_off(unsigned failures, int64_t longest_ms);
  void tell(const char* step, const Slot* slot, const std::string& reason, int64_t wait_ms = 0);

  // Acts on what has become due or possible.
  void pump(int64_t now_ms);
  void pump_polls(int64_t now_ms);
  void pump_slot(Slot& slot, int64_t now_ms);
  void pump_starts(int64_t now_ms);
  bool may_start(const Slot& slot, int64_t now_ms);
  void start(Slot& slot, int64_t now_ms);
  void wake_at(int64_t ms);

  PlanConfig config_;
  std::mt19937_64 random_;
  std::vector<PlanAction> actions_;
  int64_t next_wake_ms_ = INT64_MAX;
  bool begun_ = false;
  bool shutting_down_ = false;

  std::map<std::string, Person> people_;  // by identity
  std::map<std::string, Slot> slots_;     // by track
  std::map<std::string, Stray> strays_;   // by egress: ours, but not wanted
  std::set<std::string> buried_;          // tracks whose end was told: they never come back
  std::deque<std::string> buried_order_;
  std::map<std::string, Egress> over_early_;  // ended before the answer to their start
  uint64_t last_session_ = 0;

  bool poll_under_way_ = false;
  bool poll_wanted_ = false;  // sooner than regularly
  int64_t poll_sent_ms_ = INT64_MIN / 2;
  int64_t poll_due_ms_ = 0;
  unsigned poll_failures_ = 0;
  int64_t webhook_ms_ = INT64_MIN / 2;  // the last one

  bool list_under_way_ = false;
  bool list_known_ = false;  // what a former run left is known
  int64_t list_sent_ms_ = INT64_MIN / 2;
  int64_t list_due_ms_ = 0;
  unsigned list_failures_ = 0;

  bool reachable_ = true;
  // Nobody there to do it: one track at a time tries, for all of them.
  bool service_down_ = false;
  unsigned probe_failures_ = 0;
  int64_t probe_due_ms_ = 0;
  std::deque<int64_t> first_tries_;  // of the last minute
  std::deque<int64_t> retries_;
};

}  // namespace livekit
