// SPDX-License-Identifier: LGPL-2.1-or-later
// A made-up server and room for an EgressPlan, on which everything goes wrong that can: answers and
// webhooks that are late, out of order or lost, services that come and go, egresses that fail, a
// process that is killed and started anew. Says what is wrong in the end.
#pragma once

#include <algorithm>
#include <functional>
#include <map>
#include <memory>
#include <queue>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "egressplan.h"

namespace livekit {

using Kind = PlanAction::Kind;
using Failure = CallFailure::Kind;

inline constexpr const char* kBase = "ws://here:9000";
inline constexpr int64_t kSettleMs = 150'000;
inline constexpr int64_t kAwayMs = 20'000;
inline constexpr int64_t kWaitsForPeopleMs = 30'000;

// What the plan under test is to do, of four ways.
struct Way {
  EgressMode mode;
  bool pair;
};

struct FakeEgress {
  std::string key;
  std::string track;                // "" = of people or of the room
  std::vector<std::string> people;  // with neither: the room
  bool stop_asked = false;
  bool lost = false;  // with its machine; the server does not know, and has nobody to stop it
  uint64_t session = 0;
  int run = 0;  // of the process that asked for it
  EgressStatus status = EgressStatus::kStarting;
  bool connected = false;
};

class World {
 public:
  World(uint64_t seed, Way way) : random_(seed), way_(way) {
    restart();
    join("alice", false);
  }

  void one_event() {
    switch (pick(17)) {
      case 0:
        join(name(), false);
        break;
      case 1:
        join("agent", true);
        break;
      case 2:
        leave(name());
        break;
      case 3:
      case 4:
      case 5:
        publish(name());
        break;
      case 6:
        unpublish();
        break;
      case 7:
        kill_egress();
        break;
      case 8:
        service_up_ = !service_up_;
        break;
      case 9:
        reachable_ = !reachable_;
        break;
      case 10:
        restart();
        break;
      case 11:
        faults_ = pick(40);
        break;
      case 12:
        cut_connections();
        break;
      case 13:
        toggle_exclusion();
        break;
      case 14:
        lose_machine();
        break;
      case 15:
        toggle_refusal();
        break;
      default:
        break;
    }
    constexpr int64_t kWaits[] = {0, 5, 60, 400, 2500, 25'000};
    advance(kWaits[pick(6)]);
  }

  // Nothing goes wrong any more.
  std::string settle() {
    faults_ = 0;
    refusals_.clear();
    service_up_ = true;
    reachable_ = true;
    // Right, and still so when what was under way has arrived.
    std::string wrong = "?";
    for (const int64_t end = now_ + kSettleMs; now_ < end && !wrong.empty();) {
      advance(1000);
      wrong = state_is_wrong();
      if (!wrong.empty()) continue;
      advance(5000);
      wrong = state_is_wrong();
    }
    return wrong;
  }

  std::string shut_down() {
    // At last the server has understood.
    for (auto& [id, egress] : egresses_) {
      if (egress.lost && egress.status < EgressStatus::kComplete) finish(id, EgressStatus::kFailed);
    }
    advance(35'000);
    plan_->shut_down(now_);
    serve();
    advance(2000);
    if (!plan_->finished()) return "not finished after two seconds";
    advance(10'000);
    for (const auto& [id, egress] : egresses_) {
      if (egress.status < EgressStatus::kEnding) return id + " still runs after the shutdown";
    }
    return "";
  }

  std::string violation;

 private:
  struct Person {
    std::string sid;
    bool machine = false;
    std::set<std::string> tracks;
  };
  struct Event {
    int64_t at_ms;
    uint64_t order;
    std::function<void()> what;
    bool operator<(const Event& other) const {
      return std::pair(at_ms, order) > std::pair(other.at_ms, other.order);
    }
  };

  int pick(int n) { return static_cast<int>(random_() % static_cast<uint64_t>(n)); }
  bool fault() { return pick(100) < faults_; }
  std::string name() {
    constexpr const char* kNames[] = {"alice", "bob", "mallory", "carol", "dave"};
    return kNames[pick(way_.mode == EgressMode::kTrack ? 3 : 5)];
  }
  void later(int64_t ms, std::function<void()> what) {
    events_.push({now_ + ms, ++orders_, std::move(what)});
  }
  bool excluded(const std::string& identity) const { return excluded_.contains(identity); }
  bool of_tracks() const { return way_.mode == EgressMode::kTrack; }
  static bool shares(const std::vector<std::string>& some, const std::vector<std::string>& others) {
    return std::any_of(some.begin(), some.end(), [&](const std::string& one) {
      return std::find(others.begin(), others.end(), one) != others.end();
    });
  }
  // Both would bring the same audio.
  bool same_audio(const FakeEgress& one, const FakeEgress& other) const {
    if (of_tracks()) return one.track == other.track;
    return way_.mode == EgressMode::kRoom || shares(one.people, other.people);
  }

  Participant describe(const std::string& identity, bool whole) {
    const Person& person = people_.at(identity);
    Participant result;
    result.identity = identity;
    result.sid = person.sid;
    if (!whole) return result;
    result.name = identity;
    result.machine = person.machine;
    for (const std::string& track : person.tracks) {
      result.tracks.push_back({track, true, TrackSource::kMicrophone});
    }
    return result;
  }
  Egress describe_egress(const std::string& id) {
    const FakeEgress& fake = egresses_.at(id);
    Egress info;
    info.id = id;
    info.track = fake.track;
    info.url = std::string(kBase) + "/" + fake.key;
    info.status = fake.status;
    return info;
  }

  void hook(const std::string& event, const Participant* who, const std::string& track,
            const Egress* egress) {
    if (fault()) return;
    WebhookEvent hook;
    hook.event = event;
    if (who) hook.participant = *who;
    if (!track.empty()) hook.track = PublishedTrack{track, true, TrackSource::kMicrophone};
    if (egress) hook.egress = *egress;
    later(pick(20), [this, hook, run = run_] {
      if (run == run_) plan_->on_webhook(hook, now_);
    });
  }
  void tell_egress(const std::string& event, const std::string& id) {
    const Egress info = describe_egress(id);
    hook(event, nullptr, "", &info);
  }

  void join(const std::string& identity, bool machine) {
    if (people_.contains(identity)) return;
    people_[identity] = {"PA_" + std::to_string(++ids_), machine, {}};
    const Participant who = describe(identity, true);
    hook("participant_joined", &who, "", nullptr);
    if (pick(2)) publish(identity);
  }
  void leave(const std::string& identity) {
    if (!people_.contains(identity)) return;
    const Participant who = describe(identity, true);
    for (const std::string& track : std::set<std::string>(people_[identity].tracks)) {
      remove_track(identity, track);
    }
    hook("participant_left", &who, "", nullptr);
    people_.erase(identity);
    if (!of_tracks() && people_.empty()) {
      later(2000 + pick(20'000), [this] { end_room(); });
    }
  }
  // What is not of a track ends with the room.
  void end_room() {
    if (!people_.empty()) return;
    for (auto& [id, egress] : egresses_) {
      if (egress.status < EgressStatus::kEnding) end_slowly(id);
    }
  }
  void toggle_exclusion() {
    if (way_.mode == EgressMode::kRoom) return;
    if (!excluded_.erase("bob")) excluded_.insert("bob");
    EgressFilter filter;
    filter.exclude = excluded_;
    plan_->set_filter(filter, now_);
    serve();
  }
  void publish(const std::string& identity) {
    if (!people_.contains(identity) || people_[identity].tracks.size() > 1) return;
    const std::string track = "TR_" + std::to_string(++ids_);
    people_[identity].tracks.insert(track);
    owners_[track] = identity;
    const Participant who = describe(identity, false);
    hook("track_published", &who, track, nullptr);
  }
  void unpublish() {
    const std::string identity = name();
    if (!people_.contains(identity) || people_[identity].tracks.empty()) return;
    remove_track(identity, *people_[identity].tracks.begin());
  }
  void remove_track(std::string identity, std::string track) {
    people_[identity].tracks.erase(track);
    const Participant who = describe(identity, false);
    hook("track_unpublished", &who, track, nullptr);
    for (auto& [id, egress] : egresses_) {
      if (!track.empty() && egress.track == track && egress.status < EgressStatus::kEnding)
        end_slowly(id);
    }
  }

  // Audio goes on for a while, then the connection ends, then the session.
  void end_slowly(const std::string& id) {
    egresses_[id].status = EgressStatus::kEnding;
    tell_egress("egress_updated", id);
    later(100 + pick(3000), [this, id] { finish(id, EgressStatus::kComplete); });
  }
  void finish(const std::string& id, EgressStatus status) {
    FakeEgress& egress = egresses_[id];
    if (egress.status >= EgressStatus::kComplete) return;
    egress.status = status;
    hang_up(egress);
    tell_egress("egress_ended", id);
  }
  void hang_up(FakeEgress& egress) {
    if (!egress.connected) return;
    egress.connected = false;
    later(pick(15), [this, session = egress.session, run = egress.run] {
      if (run == run_) plan_->on_connection_ended(session, now_);
    });
  }
  void kill_egress() {
    for (auto& [id, egress] : egresses_) {
      if (egress.status < EgressStatus::kComplete && pick(2)) finish(id, EgressStatus::kFailed);
    }
  }

  // Its egresses are gone, and stay in the list.
  void lose_machine() {
    if (pick(3)) return;  // not as often as all else
    for (auto& [id, egress] : egresses_) {
      if (egress.status >= EgressStatus::kEnding || pick(3) == 0) continue;
      egress.lost = true;
      hang_up(egress);
    }
  }

  // Something between the two breaks connections, and egress does not notice.
  void cut_connections() {
    for (auto& [id, egress] : egresses_) {
      if (egress.status == EgressStatus::kActive && pick(2)) hang_up(egress);
    }
  }

  // One method alone is refused, for a while: half a server, a key that was changed, a proxy with
  // a will of its own.
  void toggle_refusal() {
    constexpr Kind kMethods[] = {Kind::kListParticipants, Kind::kListEgress, Kind::kCheckEgress,
                                 Kind::kStart, Kind::kStop};
    constexpr Failure kFailures[] = {Failure::kDenied, Failure::kRefused, Failure::kTimedOut,
                                     Failure::kUnavailable};
    const Kind method = kMethods[pick(5)];
    // The last two say that nobody has the egress that should be stopped: lose_machine().
    const Failure failure = kFailures[pick(method == Kind::kStop ? 2 : 4)];
    if (!refusals_.erase(method)) refusals_[method] = {failure, "refused"};
  }
  // The answer to a call that failed.
  void fail(const PlanAction& action, const CallFailure& failure) {
    switch (action.kind) {
      case Kind::kListParticipants:
        plan_->on_participants_failed(failure, now_);
        break;
      case Kind::kListEgress:
        plan_->on_egress_list_failed(failure, now_);
        break;
      case Kind::kCheckEgress:
        plan_->on_egress_checked(action.egress, nullptr, now_);
        break;
      case Kind::kStart:
        plan_->on_start_failed(action.session, failure, now_);
        break;
      case Kind::kStop:
        plan_->on_stop_failed(action.egress, failure, now_);
        break;
      default:
        break;
    }
  }

  // The process is killed and started anew: connections break, what was under way is lost.
  void restart() {
    ++run_;
    revoked_.clear();
    for (auto& [id, egress] : egresses_) {
      if (egress.connected) {
        egress.connected = false;
        later(pick(3000), [this, egress_id = id] { finish(egress_id, EgressStatus::kFailed); });
      }
    }
    PlanConfig config;
    config.dial_base = kBase;
    config.filter.exclude = excluded_;
    config.mode = way_.mode;
    config.pair = way_.pair;
    config.away_ms = kAwayMs;
    config.seed = random_();
    plan_ = std::make_unique<EgressPlan>(config);
    plan_->begin(now_);
    serve();
  }

  void advance(int64_t ms) {
    const int64_t end = now_ + ms;
    serve();
    for (;;) {
      const int64_t event_ms = events_.empty() ? INT64_MAX : events_.top().at_ms;
      const int64_t next_ms = std::min(event_ms, plan_->next_wake_ms());
      if (next_ms > end) break;
      now_ = std::max(now_, next_ms);
      if (event_ms <= now_) {
        const auto what = events_.top().what;
        events_.pop();
        what();
      } else {
        plan_->on_time(now_);
      }
      serve();
    }
    now_ = end;
  }

  void serve() {
    for (const PlanAction& action : plan_->take_actions()) act(action);
  }

  // Runs `answer` later, in this run of the process; or `lost`, when the answer does not arrive.
  void answer(const std::function<void()>& good, const std::function<void()>& lost) {
    const bool is_lost = !reachable_ || fault();
    later(is_lost ? pick(3000) : 1 + pick(30), [this, run = run_, what = is_lost ? lost : good] {
      if (run == run_) what();
    });
  }

  void act(const PlanAction& action) {
    const std::function<void()> lost = [=, this] {
      fail(action, {Failure::kUnreachable, "no answer"});
    };
    if (action.kind == Kind::kStop) egresses_[action.egress].stop_asked = true;
    if (const auto found = refusals_.find(action.kind); found != refusals_.end() && reachable_) {
      answer([=, this, failure = found->second] { fail(action, failure); }, lost);
      return;
    }
    switch (action.kind) {
      case Kind::kListParticipants: {
        std::vector<Participant> list;
        for (const auto& person : people_) list.push_back(describe(person.first, true));
        answer([this, list] { plan_->on_participants(list, now_); }, lost);
        break;
      }
      case Kind::kListEgress: {
        std::vector<Egress> list;
        for (const auto& [id, egress] : egresses_) {
          if (egress.status < EgressStatus::kComplete) list.push_back(describe_egress(id));
        }
        answer([this, list] { plan_->on_egress_list(list, now_); }, lost);
        break;
      }
      case Kind::kCheckEgress: {
        const std::string id = action.egress;
        const Egress info = describe_egress(id);
        answer([=, this] { plan_->on_egress_checked(id, &info, now_); }, lost);
        break;
      }
      case Kind::kStart:
        start(action, lost);
        break;
      case Kind::kStop: {
        const std::string id = action.egress;
        const bool runs = reachable_ && egresses_[id].status < EgressStatus::kEnding;
        if (runs && egresses_[id].lost) {
          answer([=, this] { fail(action, {Failure::kUnavailable, "no response"}); }, lost);
        } else if (runs) {
          end_slowly(id);
          answer([=, this] { plan_->on_stop_answer(id, now_); }, lost);
        } else {
          answer([=, this] { fail(action, {Failure::kOver, "ended"}); }, lost);
        }
        break;
      }
      case Kind::kRevoke:
        revoked_.insert(action.session);
        break;
      case Kind::kHangUp:
        for (auto& [id, egress] : egresses_) {
          if (egress.session != action.session || egress.run != run_ || !egress.connected) continue;
          hang_up(egress);
          if (egress.lost) continue;
          later(pick(500), [this, egress_id = id] { finish(egress_id, EgressStatus::kFailed); });
        }
        break;
      case Kind::kRename:
      case Kind::kTell:
        break;
    }
  }

  void start(const PlanAction& action, const std::function<void()>& lost) {
    FakeEgress wish;
    wish.key = action.key;
    wish.track = action.track;
    for (const PlanAction::Who& who : action.people) {
      if (excluded(who.identity) || who.identity == "agent") {
        violation = "asked for " + who.identity;
      }
      if (of_tracks() && who.identity != owners_[action.track]) {
        violation = "asked for a track under another name";
      }
      if (!of_tracks()) wish.people.push_back(who.identity);
    }
    for (const auto& [id, egress] : egresses_) {
      if (egress.status >= EgressStatus::kEnding || egress.lost) continue;
      if (!same_audio(egress, wish)) continue;
      if (egress.run != run_) violation = "asked for " + wish.key + ", which a former run left";
      // One that has not connected may be unknown, because an answer was lost: settled later.
      // Somebody who moves in with somebody else is heard by the first until the second is there.
      const bool moves = way_.pair && wish.people.size() > 1 && egress.key != wish.key;
      if (egress.run == run_ && egress.connected && !revoked_.contains(egress.session) && !moves &&
          !egress.stop_asked) {
        violation = "asked for " + wish.key + ", which runs";
      }
    }
    const uint64_t session = action.session;
    if (!reachable_) {
      answer(lost, lost);
      return;
    }
    if (!service_up_) {
      answer([=, this] { fail(action, {Failure::kUnavailable, "503"}); }, lost);
      return;
    }
    const std::string id = "EG_" + std::to_string(++ids_);
    FakeEgress& egress = egresses_[id];
    egress = wish;
    egress.session = session;
    egress.run = run_;
    tell_egress("egress_started", id);
    const Egress info = describe_egress(id);
    answer([=, this] { plan_->on_start_answer(session, info, now_); }, lost);
    const std::string owner = owners_[action.track];
    const bool missing =
        of_tracks() && (!people_.contains(owner) || !people_[owner].tracks.contains(action.track));
    if (missing) {
      later(pick(500), [this, id] { finish(id, EgressStatus::kFailed); });
    } else if (fault()) {
      // Fails after the 200, or never dials at all.
      if (pick(2)) later(pick(500), [this, id] { finish(id, EgressStatus::kFailed); });
    } else {
      later(pick(700), [this, id, until_ms = now_ + kWaitsForPeopleMs] { dial(id, until_ms); });
    }
  }

  void dial(const std::string& id, int64_t until_ms) {
    FakeEgress& egress = egresses_[id];
    if (egress.status != EgressStatus::kStarting || egress.lost) return;
    if (egress.run != run_ || revoked_.contains(egress.session)) {
      finish(id, EgressStatus::kFailed);  // 401
      return;
    }
    // Not before all of them are in the room.
    if (!std::all_of(egress.people.begin(), egress.people.end(),
                     [this](const auto& one) { return people_.contains(one); })) {
      if (now_ >= until_ms) {
        finish(id, EgressStatus::kFailed);
      } else {
        later(500, [this, id, until_ms] { dial(id, until_ms); });
      }
      return;
    }
    egress.connected = true;
    egress.status = EgressStatus::kActive;
    const std::vector<std::string> heard =
        of_tracks() ? std::vector<std::string>{owners_[egress.track]} : egress.people;
    for (const std::string& identity : heard) {
      if (excluded(identity)) violation = id + " brings " + identity + ", who is excluded";
    }
    plan_->on_dialled(egress.session, now_);
    serve();
    for (const auto& [other_id, other] : egresses_) {
      if (other_id != id && other.connected && other.run == run_ && same_audio(other, egress) &&
          other.status == EgressStatus::kActive && !other.stop_asked && !egress.stop_asked) {
        violation = "two connections of " + egress.key;
      }
    }
    tell_egress("egress_updated", id);
  }

  std::string state_is_wrong() {
    std::map<std::string, int> active;  // by track or identity
    int sessions = 0;
    for (const auto& [id, egress] : egresses_) {
      if (egress.status >= EgressStatus::kEnding || egress.lost) continue;
      ++sessions;
      if (of_tracks()) ++active[egress.track];
      for (const std::string& identity : egress.people) {
        ++active[identity];
        if (excluded(identity)) return id + " is of " + identity + ", who is excluded";
      }
      if (!egress.connected) return id + " runs for nobody";
    }
    int tracks = 0;
    int speakers = 0;
    for (const auto& [identity, person] : people_) {
      if (person.machine || person.tracks.empty()) continue;
      if (way_.mode != EgressMode::kRoom && excluded(identity)) continue;
      ++speakers;
      for (const std::string& track : person.tracks) {
        ++tracks;
        if (of_tracks() && active[track] != 1) {
          return track + " of " + identity + " has " + std::to_string(active[track]) + " sessions";
        }
      }
      if (way_.mode == EgressMode::kPerson && active[identity] != 1) {
        return identity + " has " + std::to_string(active[identity]) + " sessions";
      }
    }
    int expected = of_tracks() ? tracks : speakers;
    if (way_.pair) expected = (speakers + 1) / 2;
    if (way_.mode == EgressMode::kRoom) expected = speakers > 0 ? 1 : 0;
    return sessions == expected
               ? ""
               : std::to_string(sessions) + " sessions and not " + std::to_string(expected);
  }

  std::mt19937_64 random_;
  int64_t now_ = 1'000'000;
  std::priority_queue<Event> events_;
  uint64_t orders_ = 0;
  int ids_ = 0;
  int run_ = 0;
  int faults_ = 0;  // of 100
  bool service_up_ = true;
  bool reachable_ = true;
  std::map<Kind, CallFailure> refusals_;  // by method
  Way way_;
  std::set<std::string> excluded_ =
      way_.mode == EgressMode::kRoom ? std::set<std::string>() : std::set<std::string>{"mallory"};
  std::map<std::string, Person> people_;
  std::map<std::string, std::string> owners_;
  std::map<std::string, FakeEgress> egresses_;
  std::set<uint64_t> revoked_;
  std::unique_ptr<EgressPlan> plan_;
};

}  // namespace livekit
