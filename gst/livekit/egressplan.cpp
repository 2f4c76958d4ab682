// SPDX-License-Identifier: LGPL-2.1-or-later
#include "egressplan.h"

#include <algorithm>
#include <utility>

#include "egressplanstate.h"

namespace livekit {

namespace {

constexpr size_t kMaxOverEarly = 256;
constexpr int64_t kFirstWaitMs = 250;

}  // namespace

EgressPlan::EgressPlan(PlanConfig config) : config_(std::move(config)), random_(config_.seed) {}
EgressPlan::~EgressPlan() = default;

void EgressPlan::begin(int64_t now_ms) {
  begun_ = true;
  poll_due_ms_ = now_ms;
  list_due_ms_ = now_ms;
  pump(now_ms);
}

void EgressPlan::set_filter(EgressFilter filter, int64_t now_ms) {
  config_.filter = std::move(filter);
  ask_participants();  // who may be heard again: still there?
  pump(now_ms);
}

PlanAction& EgressPlan::add_action(PlanAction::Kind kind) {
  PlanAction& action = actions_.emplace_back();
  action.kind = kind;
  return action;
}

std::vector<PlanAction> EgressPlan::take_actions() {
  return std::exchange(actions_, {});
}

void EgressPlan::on_time(int64_t now_ms) {
  pump(now_ms);
}

EgressPlan::Slot* EgressPlan::find_session(uint64_t session) {
  for (auto& [key, slot] : slots_) {
    if (slot.session == session && session != 0) return &slot;
  }
  return nullptr;
}

EgressPlan::Slot* EgressPlan::find_egress(const std::string& id) {
  for (auto& [key, slot] : slots_) {
    if (slot.egress == id && !id.empty()) return &slot;
  }
  return nullptr;
}

EgressPlan::Slot* EgressPlan::find_key(const std::string& key) {
  const auto found = slots_.find(key);
  return found == slots_.end() ? nullptr : &found->second;
}

// Also what a former run has asked for in another mode.
std::string EgressPlan::key_of(const Egress& egress) const {
  const std::string start = config_.dial_base + "/";
  if (!egress.url.starts_with(start)) return "";
  const std::string key = egress.url.substr(start.size());
  if (!egress.track.empty()) return key == egress.track ? key : "";
  for (const char* prefix : {"person/", "pair/", "room/"}) {
    const size_t length = std::string_view(prefix).size();
    if (key.starts_with(prefix) && key.find('/', length) == key.npos) return key;
  }
  return "";
}

bool EgressPlan::wanted(const Slot& slot) const {
  if (shutting_down_) return false;
  switch (config_.mode) {
    case EgressMode::kTrack: {
      const auto source = sources_.find(slot.track);
      return source != sources_.end() && audible(source->second);
    }
    case EgressMode::kPerson:
      return std::all_of(slot.people.begin(), slot.people.end(), [&](const auto& identity) {
        return seated_in(identity, slot) && members_.at(identity).present;
      });
    case EgressMode::kRoom:
      break;
  }
  return slot.present && config_.filter.is_for_everybody();
}

bool EgressPlan::belongs_to(const std::string& sid, const Source& source, const Slot& slot) const {
  switch (config_.mode) {
    case EgressMode::kTrack:
      return sid == slot.track;
    case EgressMode::kPerson:
      return std::find(slot.people.begin(), slot.people.end(), source.identity) !=
             slot.people.end();
    case EgressMode::kRoom:
      break;
  }
  return true;
}

// What it is for was seen since the last egress of it has ended.
bool EgressPlan::slot_confirmed(const Slot& slot) const {
  if (config_.mode == EgressMode::kPerson) {
    return std::all_of(slot.people.begin(), slot.people.end(),
                       [&](const auto& identity) { return members_.at(identity).confirmed; });
  }
  if (config_.mode == EgressMode::kTrack) return confirmed(sources_.at(slot.track));
  return std::any_of(sources_.begin(), sources_.end(), [this](const auto& source) {
    return audible(source.second) && confirmed(source.second);
  });
}

int64_t EgressPlan::back_off(unsigned failures, int64_t longest_ms) {
  if (failures == 0) return 0;
  const int64_t doubled = kFirstWaitMs << std::min(failures - 1, 10U);
  const int64_t wait_ms = std::min(doubled, longest_ms);
  return wait_ms / 2 + static_cast<int64_t>(random_() % static_cast<uint64_t>(wait_ms / 2 + 1));
}

void EgressPlan::tell(const char* step, const Slot* slot, const std::string& reason,
                      int64_t wait_ms) {
  PlanAction action;
  action.step = step;
  action.reason = reason;
  action.wait_ms = wait_ms;
  if (slot) {
    action.session = slot->session;
    action.egress = slot->egress;
    action.track = slot->track;
    action.attempt = slot->attempts;
    for (const std::string& identity : slot->people) {
      PlanAction one = action;
      one.identity = identity;
      one.name = name_of(identity);
      actions_.push_back(std::move(one));
    }
    if (!slot->people.empty()) return;
  }
  actions_.push_back(std::move(action));
}

std::string EgressPlan::name_of(const std::string& identity) const {
  const auto person = people_.find(identity);
  return person == people_.end() ? "" : person->second.name;
}

// One half of the API may work without the other: a server without Redis has no egress.
void EgressPlan::set_reachable(Api api, bool now_reachable, int64_t now_ms,
                               const std::string& reason) {
  const bool before = reachable();
  (api == Api::kRooms ? rooms_reachable_ : egress_reachable_) = now_reachable;
  if (reachable() == before) return;
  if (!before) probe_due_ms_ = now_ms;  // it is worth trying again
  tell(before ? "unreachable" : "reachable", nullptr, reason);
}

void EgressPlan::ended(Slot& slot, const char* step, const std::string& reason, int64_t now_ms,
                       int64_t longest_wait_ms) {
  const bool was_good =
      slot.since_ms + kGoodSessionMs <= now_ms && (slot.dialled || slot.connection_over);
  slot.failures = was_good ? 0 : slot.failures + 1;
  if (was_good) slot.attempts = 0;
  const bool again = wanted(slot);
  int64_t wait_ms = again && longest_wait_ms > 0 ? back_off(slot.failures, longest_wait_ms) : 0;
  slot.due_ms = now_ms + wait_ms;
  if (again && service_down_) wait_ms = std::max(wait_ms, probe_due_ms_ - now_ms);
  tell(step, &slot, reason, wait_ms);
  const bool wished =
      (slot.revoked && !slot.hung_up) || (slot.state == Slot::State::kStopping && slot.stop_wished);
  revoke(slot);
  slot.state = Slot::State::kIdle;
  slot.session = 0;
  slot.egress.clear();
  slot.dialled = false;
  slot.connection_over = false;
  slot.check_under_way = false;
  slot.stop_under_way = false;
  slot.since_ms = now_ms;
  // It may have ended because what it is for did: asked for again only when that is seen since.
  if (config_.mode == EgressMode::kRoom) room_confirm_after_ms_ = now_ms;
  for (auto& [sid, source] : sources_) {
    if (!belongs_to(sid, source, slot)) continue;
    source.confirm_after_ms = now_ms;
    source.seen_ms = std::min(source.seen_ms, now_ms - 1);  // seen just before is not since
  }
  after_end(slot, !was_good && !wished && longest_wait_ms == kLongestWaitMs, now_ms);
  if (again) ask_participants();
}

void EgressPlan::stop(Slot& slot, const std::string& reason, int64_t now_ms) {
  slot.state = Slot::State::kStopping;
  slot.stop_done = false;
  slot.stop_reason = reason;
  slot.stop_wished = false;
  slot.stop_tries = 0;
  slot.doubts = 0;
  slot.stop_under_way = false;
  slot.stop_since_ms = now_ms;
  slot.hung_up = false;
  slot.due_ms = now_ms;
  tell("stopping", &slot, reason);
}

// It could not be stopped; that is tried further, beside what comes next. Its session is revoked,
// so another one can double nothing.
void EgressPlan::give_up(Slot& slot, const char* step, const char* reason, int64_t now_ms) {
  Stray& stray = strays_[slot.egress];
  stray.stop_under_way = slot.stop_under_way;
  stray.key = slot.key;
  stray.track = slot.track;
  stray.tries = slot.stop_tries;
  stray.doubts = slot.doubts;
  stray.added_ms = now_ms;
  stray.due_ms = now_ms + back_off(stray.tries, kLongestWaitMs);
  ended(slot, step, reason, now_ms, kLongestWaitMs);
}

// Nobody of it may be heard, by what is permitted now.
bool EgressPlan::forbidden(const Slot& slot) const {
  switch (config_.mode) {
    case EgressMode::kTrack: {
      const auto source = sources_.find(slot.track);
      return source != sources_.end() &&
             !config_.filter.permits(source->second.identity, source->second.source);
    }
    case EgressMode::kPerson:
      return std::all_of(slot.people.begin(), slot.people.end(),
                         [this](const auto& one) { return members_.at(one).denied; });
    case EgressMode::kRoom:
      break;
  }
  return !config_.filter.is_for_everybody();
}

void EgressPlan::revoke(Slot& slot) {
  if (slot.session == 0 || slot.revoked) return;
  slot.revoked = true;
  add_action(PlanAction::Kind::kRevoke).session = slot.session;
}

void EgressPlan::hang_up(uint64_t session) {
  add_action(PlanAction::Kind::kHangUp).session = session;
}

void EgressPlan::stop_stray(const Egress& egress, const std::string& key, const char* why,
                            int64_t now_ms) {
  const auto [stray, added] = strays_.try_emplace(egress.id);
  if (!added) return;
  stray->second.key = key;
  stray->second.track = egress.track;
  stray->second.due_ms = now_ms;
  stray->second.added_ms = now_ms;
  PlanAction& action = add_action(PlanAction::Kind::kTell);
  action.step = "leftover";
  action.egress = egress.id;
  action.track = egress.track;
  action.reason = why;
}

void EgressPlan::running_as(Slot& slot, const std::string& id, int64_t now_ms) {
  slot.state = Slot::State::kRunning;
  slot.egress = id;
  if (!slot.dialled) slot.since_ms = now_ms;
  slot.due_ms = now_ms;
  service_down_ = false;
  probe_failures_ = 0;
  tell("started", &slot, "");
  // The connection may have come and gone before the answer.
  if (slot.connection_over) stop(slot, "the connection ended", now_ms);
}

void EgressPlan::on_start_answer(uint64_t session, const Egress& egress, int64_t now_ms) {
  set_reachable(Api::kEgress, true, now_ms);
  Slot* const slot = find_session(session);
  if (!slot || slot->state != Slot::State::kStarting) {
    if (!egress.over()) stop_stray(egress, key_of(egress), "it is not needed any more", now_ms);
    pump(now_ms);
    return;
  }
  running_as(*slot, egress.id, now_ms);
  const auto early = over_early_.find(egress.id);
  const Egress& latest = early == over_early_.end() ? egress : early->second;
  if (latest.over()) heard_of(Egress(latest), slot->key, false, now_ms);
  over_early_.erase(egress.id);
  pump(now_ms);
}

void EgressPlan::on_start_failed(uint64_t session, const CallFailure& failure, int64_t now_ms) {
  Slot* const slot = find_session(session);
  if (!slot || slot->state != Slot::State::kStarting) return;
  // Who has dialled in, runs, whatever the answer.
  switch (slot->dialled ? CallFailure::Kind::kUnreachable : failure.kind) {
    case CallFailure::Kind::kUnreachable:
    case CallFailure::Kind::kTimedOut:
      // It may have been started all the same: the list will tell.
      service_down_ = true;
      slot->state = Slot::State::kUncertain;
      slot->since_ms = slot->dialled ? slot->since_ms : now_ms;
      slot->uncertain_ms = now_ms;
      list_due_ms_ = std::min(list_due_ms_, now_ms);
      if (failure.kind == CallFailure::Kind::kUnreachable) {
        set_reachable(Api::kEgress, false, now_ms, failure.text);
      }
      break;
    case CallFailure::Kind::kUnavailable:
      // The room waits, not the track: whoever comes first when it is over is right.
      service_down_ = true;
      probe_due_ms_ = now_ms + back_off(++probe_failures_, kLongestProbeWaitMs);
      ended(*slot, "failed", failure.text, now_ms, 0);
      break;
    case CallFailure::Kind::kNotFound:
      ended(*slot, "failed", failure.text, now_ms, kLongestWaitMs);
      break;
    case CallFailure::Kind::kDenied:
    case CallFailure::Kind::kOver:
    case CallFailure::Kind::kRefused:
      slot->failures = std::max(slot->failures, 6U);
      ended(*slot, "failed", failure.text, now_ms, kLongestWaitMs);
      break;
  }
  pump(now_ms);
}

// From a webhook, from a list of active ones, or from a check.
void EgressPlan::heard_of(const Egress& egress, const std::string& key, bool from_list,
                          int64_t now_ms) {
  if (egress.id.empty()) return;
  if (const auto stray = strays_.find(egress.id); stray != strays_.end()) {
    if (egress.over() && !stray->second.stop_under_way) strays_.erase(stray);
    return;
  }
  if (Slot* known = find_egress(egress.id)) {
    if (!egress.over()) return;
    const bool failed = egress.status != EgressStatus::kComplete;
    if (egress.status == EgressStatus::kLimitReached) {
      known->failures = std::max(known->failures, 6U);
    }
    ended(*known, failed ? "failed" : "ended", failed ? egress.error : "", now_ms, kLongestWaitMs);
    return;
  }
  Slot* const slot = find_key(key);
  if (slot && slot->state == Slot::State::kStarting) {
    // Told before the answer to the start is here. Its end would otherwise never be heard of.
    if (!egress.over()) return;
    if (over_early_.size() >= kMaxOverEarly) over_early_.clear();
    over_early_[egress.id] = egress;
    return;
  }
  if (slot && slot->state == Slot::State::kUncertain) {
    if (!egress.over()) running_as(*slot, egress.id, now_ms);
    return;
  }
  if (egress.over() || egress.status == EgressStatus::kEnding) return;
  stop_stray(egress, key,
             list_known_ || !from_list ? "nobody waits for it" : "left from a former run", now_ms);
}

// The list does not show an egress of which the answer was lost.
void EgressPlan::settle_uncertain(Slot& slot, int64_t now_ms) {
  if (slot.uncertain_ms > list_sent_ms_) {
    list_due_ms_ = std::min(list_due_ms_, now_ms);
  } else if (slot.dialled) {
    list_due_ms_ = std::min(list_due_ms_, now_ms + kListLagMs);  // it runs: the list is late
  } else {
    ended(slot, "failed", "the server did not answer, and did not start it", now_ms,
          kLongestProbeWaitMs);
  }
}

void EgressPlan::on_egress_list(const std::vector<Egress>& list, int64_t now_ms) {
  list_under_way_ = false;
  list_failures_ = 0;
  list_due_ms_ = kNever;
  set_reachable(Api::kEgress, true, now_ms);
  std::set<std::string> shown;
  for (const Egress& egress : list) {
    shown.insert(egress.id);
    const std::string key = key_of(egress);
    if (!key.empty()) heard_of(egress, key, true, now_ms);
  }
  std::erase_if(strays_, [&](const auto& stray) {
    return stray.second.added_ms + kListLagMs <= list_sent_ms_ && !shown.contains(stray.first);
  });
  list_known_ = true;
  for (auto& [key, slot] : slots_) {
    if (slot.state == Slot::State::kUncertain) settle_uncertain(slot, now_ms);
  }
  pump(now_ms);
}

void EgressPlan::on_egress_list_failed(const CallFailure& failure, int64_t now_ms) {
  list_under_way_ = false;
  list_due_ms_ = now_ms + back_off(++list_failures_, kLongestProbeWaitMs);
  set_reachable(Api::kEgress, false, now_ms, failure.text);
  pump(now_ms);
}

void EgressPlan::on_egress_checked(const std::string& id, const Egress* egress, int64_t now_ms) {
  Slot* const slot = find_egress(id);
  if (!slot || !slot->check_under_way) return;
  slot->check_under_way = false;
  if (egress && egress->id == id) heard_of(*egress, slot->key, false, now_ms);
  pump(now_ms);
}

void EgressPlan::on_stop_answer(const std::string& id, int64_t now_ms) {
  strays_.erase(id);
  Slot* const slot = find_egress(id);
  if (slot && slot->state == Slot::State::kStopping) {
    if (slot->dialled) {
      // The last seconds are still on their way; another one beside it would double them.
      slot->stop_done = true;
      slot->due_ms = now_ms + kLastWordsMs;
    } else {
      ended(*slot, "ended", slot->stop_reason, now_ms, kLongestWaitMs);
    }
  }
  pump(now_ms);
}

void EgressPlan::on_stop_failed(const std::string& id, const CallFailure& failure, int64_t now_ms) {
  // Any other refusal may be a proxy's, and the egress runs on.
  if (failure.kind == CallFailure::Kind::kNotFound || failure.kind == CallFailure::Kind::kOver) {
    on_stop_answer(id, now_ms);
    return;
  }
  unsigned doubts = 0;
  if (failure.kind == CallFailure::Kind::kUnavailable) doubts = kNobodyHasIt;
  if (failure.kind == CallFailure::Kind::kTimedOut) doubts = kNobodyAnswers;
  if (failure.kind == CallFailure::Kind::kUnreachable && reachable()) doubts = 1;
  // Somebody refuses it: that no answer came before was chance. What was given up stays so.
  const bool refused =
      failure.kind == CallFailure::Kind::kDenied || failure.kind == CallFailure::Kind::kRefused;
  const auto grown = [&](unsigned before) {
    return refused && before < kLostAfter ? 0 : before + doubts;
  };
  if (const auto found = strays_.find(id); found != strays_.end()) {
    Stray& stray = found->second;
    stray.stop_under_way = false;
    stray.doubts = grown(stray.doubts);
    const bool hurry = shutting_down_ || !stray.lost();
    stray.due_ms = now_ms + back_off(++stray.tries, hurry ? kLongestProbeWaitMs : kLongestWaitMs);
  }
  Slot* const slot = find_egress(id);
  if (slot && slot->state == Slot::State::kStopping) {
    slot->stop_under_way = false;
    slot->doubts = grown(slot->doubts);
    slot->due_ms = now_ms + back_off(++slot->stop_tries, kLongestProbeWaitMs);
    // At the end there is no other one to make room for.
    if (slot->doubts >= kLostAfter && !slot->dialled && !shutting_down_) {
      // The list may show it for long.
      give_up(*slot, "failed", "no egress service answers for it", now_ms);
    }
  }
  pump(now_ms);
}

void EgressPlan::on_dialled(uint64_t session, int64_t now_ms) {
  Slot* const slot = find_session(session);
  // Let in just before it was revoked.
  if (!slot || slot->revoked) {
    add_action(PlanAction::Kind::kRevoke).session = session;
    hang_up(session);
  }
  if (!slot) return;
  slot->dialled = true;
  slot->connection_over = false;
  slot->since_ms = now_ms;
  tell("connected", slot, "");
  pump(now_ms);
}

void EgressPlan::on_connection_ended(uint64_t session, int64_t now_ms) {
  Slot* const slot = find_session(session);
  if (!slot || !slot->dialled) return;
  slot->dialled = false;
  slot->connection_over = true;
  if (slot->state == Slot::State::kStopping && slot->stop_done) {
    ended(*slot, "ended", slot->stop_reason, now_ms, kLongestWaitMs);
  } else if (slot->state == Slot::State::kStopping && slot->hung_up) {
    // Its egress has failed by that, as the next list will show.
    give_up(*slot, "ended", "it could not be stopped, and was hung up", now_ms);
    list_due_ms_ = std::min(list_due_ms_, now_ms + 2 * kListLagMs);
  } else if (slot->state == Slot::State::kRunning) {
    if (slot->present) {
      // Egress never dials again. It should have noticed; but it must not run on for nobody.
      stop(*slot, "the connection ended", now_ms);
    } else {
      const bool track = config_.mode == EgressMode::kTrack;
      ended(*slot, "ended", track ? "the track ended" : "the room ended", now_ms, kLongestWaitMs);
    }
  }
  pump(now_ms);
}

void EgressPlan::shut_down(int64_t now_ms) {
  shutting_down_ = true;
  for (auto& [id, stray] : strays_) stray.due_ms = std::min(stray.due_ms, now_ms);
  pump(now_ms);
}

bool EgressPlan::finished() const {
  return unfinished().empty();
}

std::vector<std::string> EgressPlan::unfinished() const {
  std::vector<std::string> names;
  for (const auto& [key, slot] : slots_) {
    if (slot.state == Slot::State::kIdle) continue;
    if (slot.state == Slot::State::kStopping && slot.stop_done) continue;
    std::string who;
    for (const std::string& identity : slot.people) {
      who += (who.empty() ? "" : " and ") + identity;
    }
    if (who.empty()) who = "the room's mix";
    const bool both = !slot.track.empty() && !slot.egress.empty();
    const std::string which = slot.track + (both ? ", " : "") + slot.egress;
    names.push_back(who + (which.empty() ? "" : " (" + which + ")"));
  }
  for (const auto& [id, stray] : strays_) names.push_back(stray.name(id));
  return names;
}

std::vector<std::string> EgressPlan::lost() const {
  std::vector<std::string> names;
  for (const auto& [id, stray] : strays_) {
    if (stray.lost()) names.push_back(stray.name(id));
  }
  return names;
}

size_t EgressPlan::running() const {
  return static_cast<size_t>(std::count_if(slots_.begin(), slots_.end(),
                                           [](const auto& slot) { return slot.second.dialled; }));
}

bool EgressPlan::quiet() const {
  return running() == 0;
}

}  // namespace livekit
