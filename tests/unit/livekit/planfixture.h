// SPDX-License-Identifier: LGPL-2.1-or-later
// Short words for stories about an EgressPlan.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "egressplan.h"

namespace livekit {

using Kind = PlanAction::Kind;
using Failure = CallFailure::Kind;

inline constexpr const char* kBase = "wss://here.example:9000";

inline Participant person(const std::string& identity,
                          const std::vector<std::string>& tracks = {}) {
  Participant participant;
  participant.sid = "PA_" + identity;
  participant.identity = identity;
  participant.name = identity + " Smith";
  for (const std::string& sid : tracks) {
    participant.tracks.push_back({sid, true, TrackSource::kMicrophone});
  }
  return participant;
}

inline Egress egress(const std::string& id, const std::string& track,
                     EgressStatus status = EgressStatus::kStarting, const std::string& error = "") {
  Egress info;
  info.id = id;
  info.room = "standup";
  info.track = track;
  info.url = std::string(kBase) + "/" + track;
  info.status = status;
  info.error = error;
  return info;
}

// Of people or of a room, as StartEgress makes them.
inline Egress people_egress(const std::string& id, const std::string& key,
                            EgressStatus status = EgressStatus::kStarting,
                            const std::string& error = "") {
  Egress info = egress(id, "", status, error);
  info.url = std::string(kBase) + "/" + key;
  return info;
}

class PlanTest : public ::testing::Test {
 protected:
  void begin() {
    config.dial_base = kBase;
    plan = std::make_unique<EgressPlan>(config);
    plan->begin(now);
  }
  void make(EgressFilter filter = {}) {
    config.filter = std::move(filter);
    begin();
    take();
    plan->on_egress_list({}, now);
    take();
  }

  // From now on; everybody else may be heard.
  void exclude(const std::string& identity) {
    EgressFilter filter;
    filter.exclude = {identity};
    plan->set_filter(filter, now);
  }

  // Takes over what is to be done.
  void take() {
    for (PlanAction& action : plan->take_actions()) {
      if (action.kind == Kind::kTell) {
        told.push_back(action.step);
        reasons.push_back(action.reason);
        last_wait_ms = action.wait_ms;
      } else {
        todo.push_back(std::move(action));
      }
    }
  }
  // The oldest action of that kind; fails when there is none.
  PlanAction next(Kind kind) {
    take();
    const auto found = std::find_if(
        todo.begin(), todo.end(), [kind](const PlanAction& action) { return action.kind == kind; });
    if (found == todo.end()) {
      ADD_FAILURE() << "no such action at " << now;
      return {};
    }
    PlanAction action = std::move(*found);
    todo.erase(found);
    return action;
  }
  size_t count(Kind kind) {
    take();
    return static_cast<size_t>(
        std::count_if(todo.begin(), todo.end(),
                      [kind](const PlanAction& action) { return action.kind == kind; }));
  }
  bool was_told(const std::string& step) {
    take();
    return std::find(told.begin(), told.end(), step) != told.end();
  }
  bool has_reason(const std::string& reason) {
    take();
    return std::find(reasons.begin(), reasons.end(), reason) != reasons.end();
  }

  // Time passes; polls and lists are answered with what is in `room` and `listed`.
  void pass(int64_t ms) {
    const int64_t end = now + ms;
    for (;;) {
      serve();
      if (plan->next_wake_ms() > end) break;
      now = std::max(now, plan->next_wake_ms());
      plan->on_time(now);
    }
    now = end;
    plan->on_time(now);
    serve();
  }
  void serve() {
    for (bool busy = true; busy;) {
      take();
      busy = false;
      for (size_t i = 0; i < todo.size(); ++i) {
        const Kind kind = todo[i].kind;
        if (kind != Kind::kListParticipants && kind != Kind::kListEgress) continue;
        todo.erase(todo.begin() + static_cast<std::ptrdiff_t>(i));
        busy = true;
        if (!reachable) {
          const CallFailure failure{Failure::kUnreachable, "Connection refused"};
          if (kind == Kind::kListParticipants) plan->on_participants_failed(failure, now);
          if (kind == Kind::kListEgress) plan->on_egress_list_failed(failure, now);
        } else if (kind == Kind::kListEgress && !egress_api_works) {
          plan->on_egress_list_failed({Failure::kUnavailable, "egress not connected"}, now);
        } else if (kind == Kind::kListParticipants) {
          ++polls;
          plan->on_participants(room, now);
        } else {
          plan->on_egress_list(listed, now);
        }
        break;
      }
    }
  }

  // Time passes, and each stop fails; how many there were.
  int answer_stops(const CallFailure& failure, int64_t ms) {
    int stops = 0;
    for (const int64_t end = now + ms; now < end; pass(50)) {
      for (; count(Kind::kStop) > 0; ++stops) {
        plan->on_stop_failed(next(Kind::kStop).egress, failure, now);
      }
    }
    return stops;
  }

  void hook(const std::string& name, const Participant& who, const std::string& track = "") {
    WebhookEvent event;
    event.event = name;
    event.participant = who;
    if (!track.empty()) {
      event.track = PublishedTrack{track, true, TrackSource::kMicrophone};
      event.participant->name.clear();  // as LiveKit abbreviates
      event.participant->tracks.clear();
    }
    plan->on_webhook(event, now);
  }
  void hook(const std::string& name, const Egress& info) {
    WebhookEvent event;
    event.event = name;
    event.egress = info;
    plan->on_webhook(event, now);
  }
  // From a person in the room to an egress that has dialled in; its session.
  uint64_t run(const std::string& track, const std::string& id) {
    const PlanAction start = next(Kind::kStart);
    EXPECT_EQ(start.track, track);
    plan->on_start_answer(start.session, egress(id, track), now);
    plan->on_dialled(start.session, now);
    return start.session;
  }

  PlanConfig config;
  int64_t now = 1'000'000;
  std::unique_ptr<EgressPlan> plan;
  std::vector<PlanAction> todo;
  std::vector<std::string> told;
  std::vector<std::string> reasons;
  int64_t last_wait_ms = 0;
  std::vector<Participant> room;
  std::vector<Egress> listed;
  bool reachable = true;
  bool egress_api_works = true;
  int polls = 0;
};

class PersonPlanTest : public PlanTest {
 protected:
  PersonPlanTest() { config.mode = EgressMode::kPerson; }

  static std::vector<std::string> identities(const PlanAction& start) {
    std::vector<std::string> list;
    for (const auto& who : start.people) list.push_back(who.identity);
    return list;
  }
  // From an action to an egress that has dialled in.
  PlanAction dial_next(const std::string& id) {
    PlanAction start = next(Kind::kStart);
    plan->on_start_answer(start.session, people_egress(id, start.key), now);
    plan->on_dialled(start.session, now);
    return start;
  }
  // StopEgress is answered, and what it held back comes to its end.
  void stop_next(const PlanAction& start) {
    plan->on_stop_answer(next(Kind::kStop).egress, now);
    plan->on_connection_ended(start.session, now);
    EXPECT_EQ(next(Kind::kRevoke).session, start.session);
  }
};

class PairPlanTest : public PersonPlanTest {
 protected:
  PairPlanTest() { config.pair = true; }
};

class MixPlanTest : public PersonPlanTest {
 protected:
  MixPlanTest() { config.mode = EgressMode::kRoom; }
};

using People = std::vector<std::string>;

}  // namespace livekit
