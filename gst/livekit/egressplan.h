// SPDX-License-Identifier: LGPL-2.1-or-later
// Which egresses of one room have to be started and stopped, and when: takes what is heard (answers
// of the API, webhooks, dial-ins, time) and answers with actions. Pure: no network, no clock, so
// every order of events can be tried. One egress at a time for each published track, person, pair
// of people, or for the room, none for those who are excluded, and none is left behind.
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
  std::set<std::string> include;   // empty = everybody
  std::set<std::string> exclude;   // wins over include
  unsigned sources = kAllSources;  // TrackSource, or'ed

  bool permits(const std::string& identity, TrackSource source) const;
  bool permits(const std::string& identity) const;  // with some source
  // Nobody is left out, so that a mix of all may be asked for.
  bool is_for_everybody() const { return include.empty() && exclude.empty(); }
};

// What one egress is for.
enum class EgressMode {
  kTrack,   // a published track
  kPerson,  // somebody, whatever he publishes, unpublishes, and however often he comes back
  kRoom,    // the mix of all
};

struct PlanConfig {
  std::string dial_base;  // egresses that dial this, "/" and their key are ours
  EgressFilter filter;
  EgressMode mode = EgressMode::kTrack;
  bool pair = false;        // with kPerson: two people an egress, left and right
  int64_t away_ms = 60000;  // with kPerson and kRoom: kept for so long while nobody of it is there
  int64_t poll_ms = 1000;   // 0 = rely on webhooks
  uint64_t seed = 1;        // of the jitter
};

struct CallFailure {
  enum class Kind {
    kUnreachable,  // no answer: what was asked for may have happened or not
    kTimedOut,     // the same, as the server says (408): nobody behind it has answered
    kUnavailable,  // the server has nobody to do it now (503), or too much to do (429)
    kNotFound,
    kDenied,   // key, secret or grant
    kOver,     // what should be stopped has ended (412)
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
    kStart,        // an egress of `track`, `people` or the room, that dials `key` as `session`
    kStop,         // `egress`
    kRevoke,       // `session` may not dial in any more
    kHangUp,       // `session`'s connection: its egress fails, when it cannot be stopped
    kRename,       // `identity` has `name`, `metadata` and `attributes` now
    kTell,         // a message for the application; of a pair, one about each
  };
  struct Who {
    std::string identity;
    std::string name;
  };
  Kind kind = Kind::kTell;
  uint64_t session = 0;
  std::string egress;
  std::string key;          // of kStart: what follows dial_base and "/"
  std::vector<Who> people;  // of kStart: none = the room; two are left and right
  std::string track;        // "" = not of a track
  std::string identity;
  std::string name;
  std::string metadata;
  std::string attributes;
  // Of kTell: requested, started, connected, ended, failed, stopping, leftover, excluded,
  // unreachable, reachable.
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
  // Those of them of which it is known that nobody answers for them.
  std::vector<std::string> lost() const;
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
  struct Source;
  struct Member;
  struct Slot;
  struct Stray;

  Slot* find_session(uint64_t session);
  Slot* find_egress(const std::string& id);
  Slot* find_key(const std::string& key);
  std::string key_of(const Egress& egress) const;  // "" = not ours
  bool is_machine(const std::string& identity) const;
  bool audible(const Source& source) const;
  int64_t confirm_after(const Source& source) const;
  bool confirmed(const Source& source) const;
  bool wanted(const Slot& slot) const;
  bool belongs_to(const std::string& sid, const Source& source, const Slot& slot) const;
  bool slot_confirmed(const Slot& slot) const;
  std::string no_reason_to_run(const Slot& slot, int64_t now_ms) const;

  // egressplansources.cpp: who and what is there.
  void learn(const Participant& participant, bool complete);
  void publish(const Participant& participant, const PublishedTrack& track, int64_t seen_ms);
  void bury(const std::string& track);
  PlanAction& add_action(PlanAction::Kind kind);
  void ask_participants();
  void forget_people(const std::set<std::string>& identities);
  void survey(int64_t now_ms);

  // egressplanseats.cpp: who is heard by which egress, where it is people that are asked for.
  void seat_people(int64_t now_ms);
  void survey_members(int64_t now_ms);
  void leave_seats(int64_t now_ms);
  void give_seats(int64_t now_ms);
  void pair_up(std::vector<std::string> newcomers, int64_t now_ms);
  void return_to_seats();
  void unseat(Slot& slot);
  void after_end(Slot& slot, bool failed, int64_t now_ms);
  bool is_half(const std::string& identity, const Member& member, int64_t settled_ms);
  Slot& slot_for(std::vector<std::string> people);
  bool seated_in(const std::string& identity, const Slot& slot) const;
  bool in_the_way(const Slot& other, const Slot& slot) const;

  void heard_of(const Egress& egress, const std::string& key, bool from_list, int64_t now_ms);
  void settle_uncertain(Slot& slot, int64_t now_ms);
  void running_as(Slot& slot, const std::string& id, int64_t now_ms);
  void ended(Slot& slot, const char* step, const std::string& reason, int64_t now_ms,
             int64_t longest_wait_ms);
  void stop(Slot& slot, const std::string& reason, int64_t now_ms);
  void stop_stray(const Egress& egress, const std::string& key, const char* why, int64_t now_ms);
  void give_up(Slot& slot, const char* step, const char* reason, int64_t now_ms);
  bool forbidden(const Slot& slot) const;
  void revoke(Slot& slot);
  void hang_up(uint64_t session);
  enum class Api { kRooms, kEgress };
  void set_reachable(Api api, bool reachable, int64_t now_ms, const std::string& reason = "");
  bool reachable() const { return rooms_reachable_ && egress_reachable_; }
  std::string name_of(const std::string& identity) const;
  int64_t back_off(unsigned failures, int64_t longest_ms);
  void tell(const char* step, const Slot* slot, const std::string& reason, int64_t wait_ms = 0);

  // Acts on what has become due or possible.
  void pump(int64_t now_ms);
  void pump_polls(int64_t now_ms);
  void pump_slot(Slot& slot, int64_t now_ms);
  void pump_strays(int64_t now_ms);
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

  std::map<std::string, Person> people_;   // by identity
  std::map<std::string, Source> sources_;  // by track
  std::map<std::string, Member> members_;  // by identity, with kPerson
  std::map<std::string, Slot> slots_;      // by key
  std::map<std::string, Stray> strays_;    // by egress: ours, but not wanted
  std::set<std::string> buried_;           // tracks whose end was told: they never come back
  std::deque<std::string> buried_order_;
  std::map<std::string, Egress> over_early_;       // ended before the answer to their start
  int64_t room_confirm_after_ms_ = INT64_MIN / 2;  // with kRoom, as Source::confirm_after_ms
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

  bool rooms_reachable_ = true;
  bool egress_reachable_ = true;
  // Nobody there to do it: one egress at a time tries, for all of them.
  bool service_down_ = false;
  unsigned probe_failures_ = 0;
  int64_t probe_due_ms_ = 0;
  std::deque<int64_t> first_tries_;  // of the last minute
  std::deque<int64_t> retries_;
};

}  // namespace livekit
