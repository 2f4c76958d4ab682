// SPDX-License-Identifier: LGPL-2.1-or-later
// The half of EgressPlan that acts: what is due or possible now, and when to look again.
#include <algorithm>

#include "egressplan.h"
#include "egressplanstate.h"

namespace livekit {

namespace {

constexpr int64_t kMinuteMs = 60000;
constexpr size_t kRetriesAMinute = 90;
constexpr size_t kFirstTriesAMinute = 1200;
constexpr size_t kStartsAtOnce = 16;
// With webhooks, polling is for what they missed only.
constexpr int64_t kRarerPolls = 10;
constexpr int64_t kShortestPollMs = 50;
constexpr int64_t kListEveryMs = 30000;
// The first egress of a room dials within a second; a busy service may take longer.
constexpr int64_t kCheckAfterMs = 3000;
constexpr int64_t kDialWithinMs = 20000;
// Audio goes on for some seconds after a track's end; 24 s if the publisher has vanished.
constexpr int64_t kTailMs = 40000;

void forget_old(std::deque<int64_t>& tries, int64_t now_ms) {
  while (!tries.empty() && tries.front() + kMinuteMs <= now_ms) tries.pop_front();
}

}  // namespace

void EgressPlan::wake_at(int64_t ms) {
  next_wake_ms_ = std::min(next_wake_ms_, ms);
}

void EgressPlan::pump(int64_t now_ms) {
  next_wake_ms_ = kNever;
  if (!begun_) return;
  survey(now_ms);
  for (auto& [key, slot] : slots_) {
    // Whatever its state: it may not be heard until it can be stopped.
    if (forbidden(slot)) revoke(slot);
    pump_slot(slot, now_ms);
  }
  pump_strays(now_ms);
  if (!shutting_down_) pump_starts(now_ms);
  std::erase_if(slots_, [&](const auto& entry) {
    const Slot& slot = entry.second;
    if (slot.state != Slot::State::kIdle) return false;
    if (config_.mode != EgressMode::kPerson) return !slot.present;
    return std::none_of(slot.people.begin(), slot.people.end(),
                        [&](const auto& identity) { return seated_in(identity, slot); });
  });
  pump_polls(now_ms);
}

void EgressPlan::pump_strays(int64_t now_ms) {
  for (auto& [id, stray] : strays_) {
    if (stray.stop_under_way) continue;
    if (stray.due_ms > now_ms) {
      wake_at(stray.due_ms);
      continue;
    }
    stray.stop_under_way = true;
    PlanAction& action = add_action(PlanAction::Kind::kStop);
    action.egress = id;
    action.track = stray.track;
  }
}

void EgressPlan::pump_polls(int64_t now_ms) {
  const bool uncertain = std::any_of(slots_.begin(), slots_.end(), [](const auto& slot) {
    return slot.second.state == Slot::State::kUncertain;
  });
  if (!list_under_way_ && (!shutting_down_ || uncertain)) {
    if (list_due_ms_ == kNever && !(slots_.empty() && strays_.empty()))
      list_due_ms_ = now_ms + kListEveryMs;
    if (list_due_ms_ <= now_ms) {
      list_under_way_ = true;
      list_sent_ms_ = now_ms;
      add_action(PlanAction::Kind::kListEgress);
    } else {
      wake_at(list_due_ms_);
    }
  }
  if (poll_under_way_ || shutting_down_) return;
  int64_t due_ms = kNever;
  if (poll_failures_ > 0 || poll_sent_ms_ == kLongAgo) {
    due_ms = poll_due_ms_;
  } else if (poll_wanted_) {
    due_ms = poll_sent_ms_ + kShortestPollMs;
  } else if (config_.poll_ms > 0) {
    const bool told = webhook_ms_ + kMinuteMs > now_ms;
    due_ms = poll_sent_ms_ + config_.poll_ms * (told ? kRarerPolls : 1);
    // A server that takes long for an answer is not asked all the time.
    due_ms = std::max(due_ms, poll_due_ms_ + (poll_due_ms_ - poll_sent_ms_));
  }
  if (due_ms > now_ms) {
    wake_at(due_ms);
    return;
  }
  poll_wanted_ = false;
  poll_under_way_ = true;
  poll_sent_ms_ = now_ms;
  add_action(PlanAction::Kind::kListParticipants);
}

// "" = it may go on.
std::string EgressPlan::no_reason_to_run(const Slot& slot, int64_t now_ms) const {
  if (shutting_down_) return "shutting down";
  const bool gone = slot.gone_ms != kNever;
  switch (config_.mode) {
    case EgressMode::kTrack:
      if (forbidden(slot)) return "not wanted any more";
      return gone && slot.gone_ms + kTailMs <= now_ms ? "the track ended" : "";
    case EgressMode::kPerson: {
      bool moved = false;
      for (const std::string& identity : slot.people) {
        const Member& member = members_.at(identity);
        if (member.denied) return "not wanted any more";
        if (seated_in(identity, slot)) return "";
        moved = moved || !member.slot.empty();
      }
      return moved ? "heard by another egress now" : "not there any more";
    }
    case EgressMode::kRoom:
      break;
  }
  if (forbidden(slot)) return "a mix of all would have in it who is excluded";
  return gone && slot.gone_ms + config_.away_ms <= now_ms ? "nobody is there any more" : "";
}

void EgressPlan::pump_slot(Slot& slot, int64_t now_ms) {
  if (slot.state == Slot::State::kRunning) {
    std::string reason = no_reason_to_run(slot, now_ms);
    if (reason.empty() && slot.revoked) reason = "it was not wanted for a while";
    if (!reason.empty()) {
      stop(slot, reason, now_ms);
      slot.stop_wished = true;
    } else if (!slot.dialled && slot.since_ms + kDialWithinMs <= now_ms) {
      stop(slot, "it did not connect to public-url within 20 s", now_ms);
    } else if (slot.gone_ms != kNever && config_.mode != EgressMode::kPerson) {
      wake_at(slot.gone_ms + (config_.mode == EgressMode::kTrack ? kTailMs : config_.away_ms));
    }
  }
  if (slot.state == Slot::State::kRunning && !slot.dialled) {
    wake_at(slot.since_ms + kDialWithinMs);
    // Without webhooks this is how a failure is heard of.
    const int64_t check_ms = slot.due_ms + kCheckAfterMs;
    if (!slot.check_under_way && check_ms <= now_ms) {
      slot.check_under_way = true;
      slot.due_ms = now_ms;
      add_action(PlanAction::Kind::kCheckEgress).egress = slot.egress;
    } else if (!slot.check_under_way) {
      wake_at(check_ms);
    }
  }
  // Nobody stops it. What it sent until now was still wanted; what comes may be what another one
  // brings as well, or of somebody who is excluded.
  if (slot.state == Slot::State::kStopping && slot.dialled && !slot.stop_done && !slot.hung_up) {
    const int64_t hang_up_ms = slot.stop_since_ms + kLastWordsMs;
    if (hang_up_ms <= now_ms) {
      slot.hung_up = true;
      revoke(slot);
      hang_up(slot.session);
    } else {
      wake_at(hang_up_ms);
    }
  }
  if (slot.state == Slot::State::kStopping && (!slot.stop_under_way || slot.stop_done)) {
    if (slot.due_ms > now_ms) {
      wake_at(slot.due_ms);
      return;
    }
    if (slot.stop_done) {
      if (slot.dialled) hang_up(slot.session);  // it should have ended long ago
      ended(slot, "ended", slot.stop_reason, now_ms, 0);
      return;
    }
    slot.stop_under_way = true;
    PlanAction& action = add_action(PlanAction::Kind::kStop);
    action.egress = slot.egress;
    action.track = slot.track;
  }
}

bool EgressPlan::may_start(const Slot& slot, int64_t now_ms) {
  if (slot.state != Slot::State::kIdle || !wanted(slot) || !slot_confirmed(slot)) return false;
  // What a former run left of people may have any two of them in it.
  const bool any_stray = config_.mode != EgressMode::kTrack;
  if (std::any_of(strays_.begin(), strays_.end(), [&](const auto& stray) {
        return !stray.second.lost() && (any_stray || stray.second.key == slot.key);
      })) {
    return false;
  }
  if (config_.mode == EgressMode::kPerson &&
      std::any_of(slots_.begin(), slots_.end(),
                  [&](const auto& other) { return in_the_way(other.second, slot); })) {
    return false;
  }
  const int64_t due_ms = service_down_ ? std::max(slot.due_ms, probe_due_ms_) : slot.due_ms;
  if (due_ms > now_ms) {
    wake_at(due_ms);
    return false;
  }
  const bool retry = slot.failures > 0;
  const std::deque<int64_t>& tries = retry ? retries_ : first_tries_;
  if (tries.size() >= (retry ? kRetriesAMinute : kFirstTriesAMinute)) {
    wake_at(tries.front() + kMinuteMs);
    return false;
  }
  return true;
}

void EgressPlan::pump_starts(int64_t now_ms) {
  if (!list_known_) return;
  forget_old(first_tries_, now_ms);
  forget_old(retries_, now_ms);
  auto under_way = static_cast<size_t>(std::count_if(
      slots_.begin(), slots_.end(), [](const auto& slot) { return slot.second.under_way(); }));
  if (service_down_) {
    if (under_way > 0) return;
    // One tries for all. Whoever has tried least: what fails may be that one's own fault.
    Slot* next = nullptr;
    for (auto& [key, slot] : slots_) {
      if (may_start(slot, now_ms) && (!next || slot.attempts < next->attempts)) next = &slot;
    }
    if (next) start(*next, now_ms);
    return;
  }
  for (auto& [key, slot] : slots_) {
    if (under_way >= kStartsAtOnce) return;
    if (!may_start(slot, now_ms)) continue;
    start(slot, now_ms);
    ++under_way;
  }
}

void EgressPlan::start(Slot& slot, int64_t now_ms) {
  (slot.failures > 0 ? retries_ : first_tries_).push_back(now_ms);
  slot.state = Slot::State::kStarting;
  slot.session = ++last_session_;
  slot.since_ms = now_ms;
  slot.dialled = false;
  slot.revoked = false;
  slot.connection_over = false;
  ++slot.attempts;
  PlanAction& action = add_action(PlanAction::Kind::kStart);
  action.session = slot.session;
  action.key = slot.key;
  action.track = slot.track;
  for (const std::string& identity : slot.people) {
    action.people.push_back({identity, name_of(identity)});
  }
  tell("requested", &slot, "");
}

}  // namespace livekit
