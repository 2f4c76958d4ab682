// SPDX-License-Identifier: LGPL-2.1-or-later
#include "egressplan.h"

#include <algorithm>
#include <utility>

#include "egressplanstate.h"

namespace livekit {

namespace {

constexpr size_t kMaxBuried = 4096;
constexpr size_t kMaxOverEarly = 256;
constexpr int64_t kFirstWaitMs = 250;
// A failed session has cost a process of the egress service.
constexpr int64_t kLongestWaitMs = 30000;
// Asking a server that has nobody for it costs next to nothing, and audio has to flow again soon.
constexpr int64_t kLongestProbeWaitMs = 1000;
// A session that lived for so long was a good one: its end says nothing about the next.
constexpr int64_t kGoodSessionMs = 10000;
// A server may tell of a track first and list it a little later.
constexpr int64_t kListLagMs = 1000;
constexpr unsigned kPollsToBelieve = 2;
// What egress holds back is sent after it was stopped: 3 s with its default settings.
constexpr int64_t kLastWordsMs = 6000;

}  // namespace

bool EgressFilter::permits(const std::string& identity, TrackSource source) const {
  if (exclude.contains(identity)) return false;
  if (!include.empty() && !include.contains(identity)) return false;
  return (sources & static_cast<unsigned>(source)) != 0;
}

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
  pump(now_ms);
}

std::vector<PlanAction> EgressPlan::take_actions() {
  return std::exchange(actions_, {});
}

void EgressPlan::on_time(int64_t now_ms) {
  pump(now_ms);
}

// ---- who is there ------------------------------------------------------------------------------

EgressPlan::Slot* EgressPlan::find_session(uint64_t session) {
  for (auto& [track, slot] : slots_) {
    if (slot.session == session && session != 0) return &slot;
  }
  return nullptr;
}

EgressPlan::Slot* EgressPlan::find_egress(const std::string& id) {
  for (auto& [track, slot] : slots_) {
    if (slot.egress == id && !id.empty()) return &slot;
  }
  return nullptr;
}

bool EgressPlan::ours(const Egress& egress) const {
  return !egress.track.empty() && egress.url == config_.dial_base + "/" + egress.track;
}

bool EgressPlan::wanted(const Slot& slot) const {
  if (shutting_down_ || !slot.published) return false;
  if (!config_.filter.permits(slot.identity, slot.source)) return false;
  // Until it is known who that is, it may be somebody whose audio must not be asked for.
  const auto person = people_.find(slot.identity);
  return person != people_.end() && person->second.sid == slot.participant_sid &&
         !person->second.machine;
}

void EgressPlan::learn(const Participant& participant, bool complete, int64_t now_ms) {
  if (participant.identity.empty()) return;
  const auto known = people_.find(participant.identity);
  if (!complete) {
    // A track's event tells who, but neither the name nor the kind.
    if (known == people_.end() || known->second.sid != participant.sid) ask_participants(now_ms);
    return;
  }
  if (known != people_.end() && known->second.sid == participant.sid &&
      known->second.name == participant.name && known->second.metadata == participant.metadata &&
      known->second.machine == participant.machine) {
    return;
  }
  people_[participant.identity] = {participant.sid, participant.name, participant.metadata,
                                   participant.machine};
  PlanAction action;
  action.kind = PlanAction::Kind::kRename;
  action.identity = participant.identity;
  action.name = participant.name;
  action.metadata = participant.metadata;
  actions_.push_back(std::move(action));
}

void EgressPlan::publish(const Participant& participant, const PublishedTrack& track,
                         int64_t seen_ms) {
  if (track.sid.empty() || !track.audio || participant.identity.empty()) return;
  if (buried_.contains(track.sid)) return;
  Slot& slot = slots_[track.sid];
  slot.track = track.sid;
  slot.identity = participant.identity;
  slot.participant_sid = participant.sid;
  slot.source = track.source;
  slot.published = true;
  slot.missing = 0;
  slot.seen_ms = std::max(slot.seen_ms, seen_ms);
  if (seen_ms >= slot.confirm_after_ms) slot.confirmed = true;
}

void EgressPlan::unpublish(Slot& slot, int64_t now_ms) {
  if (!slot.published) return;
  slot.published = false;
  slot.unpublished_ms = now_ms;
}

void EgressPlan::bury(const std::string& track) {
  if (track.empty() || !buried_.insert(track).second) return;
  buried_order_.push_back(track);
  if (buried_order_.size() <= kMaxBuried) return;
  buried_.erase(buried_order_.front());
  buried_order_.pop_front();
}

void EgressPlan::ask_participants(int64_t now_ms) {
  poll_wanted_ = true;
}

void EgressPlan::on_participants(const std::vector<Participant>& participants, int64_t now_ms) {
  poll_under_way_ = false;
  poll_failures_ = 0;
  poll_due_ms_ = now_ms;
  set_reachable(true, "");
  std::set<std::string> present;
  std::set<std::string> identities;
  for (const Participant& participant : participants) {
    learn(participant, true, now_ms);
    identities.insert(participant.identity);
    for (const PublishedTrack& track : participant.tracks) {
      publish(participant, track, poll_sent_ms_);
      present.insert(track.sid);
    }
  }
  for (auto& [sid, slot] : slots_) {
    if (present.contains(sid)) continue;
    if (!slot.confirmed && poll_sent_ms_ >= slot.confirm_after_ms) {
      unpublish(slot, now_ms);
    } else if (slot.seen_ms + kListLagMs < poll_sent_ms_) {
      const bool idle = slot.state == Slot::State::kIdle;
      if (++slot.missing >= kPollsToBelieve || idle) unpublish(slot, now_ms);
    }
  }
  // Who has gone is forgotten: 10,000 people may pass through a room in a day.
  std::erase_if(people_, [&](const auto& person) {
    return !identities.contains(person.first) &&
           std::none_of(slots_.begin(), slots_.end(),
                        [&](const auto& slot) { return slot.second.identity == person.first; });
  });
  pump(now_ms);
}

void EgressPlan::on_participants_failed(const CallFailure& failure, int64_t now_ms) {
  if (failure.kind == CallFailure::Kind::kNotFound) {
    on_participants({}, now_ms);  // no room, nobody in it
    return;
  }
  poll_under_way_ = false;
  const int64_t wait_ms = back_off(++poll_failures_, kLongestProbeWaitMs);
  poll_due_ms_ = now_ms + wait_ms;
  set_reachable(false, failure.text);
  pump(now_ms);
}

void EgressPlan::on_webhook(const WebhookEvent& event, int64_t now_ms) {
  webhook_ms_ = now_ms;
  const Participant* who = event.participant ? &*event.participant : nullptr;
  if (event.event == "participant_joined" && who) {
    learn(*who, true, now_ms);
    for (const PublishedTrack& track : who->tracks) publish(*who, track, now_ms);
  } else if (event.event == "participant_left" && who) {
    for (auto& [sid, slot] : slots_) {
      if (slot.identity != who->identity || slot.participant_sid != who->sid) continue;
      bury(sid);
      unpublish(slot, now_ms);
    }
  } else if (event.event == "track_published" && who && event.track) {
    if (event.track->audio) learn(*who, false, now_ms);
    publish(*who, *event.track, now_ms);
  } else if (event.event == "track_unpublished" && event.track) {
    bury(event.track->sid);
    const auto found = slots_.find(event.track->sid);
    if (found != slots_.end()) unpublish(found->second, now_ms);
  } else if (event.event == "room_started" || event.event == "room_finished") {
    // Which of two rooms of one name this tells of is not certain: the list is.
    ask_participants(now_ms);
  } else if (event.egress && ours(*event.egress)) {
    heard_of(*event.egress, false, now_ms);
  }
  pump(now_ms);
}

// ---- sessions ----------------------------------------------------------------------------------

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
    action.identity = slot->identity;
    action.attempt = slot->attempts;
    const auto person = people_.find(slot->identity);
    if (person != people_.end()) action.name = person->second.name;
  }
  actions_.push_back(std::move(action));
}

void EgressPlan::set_reachable(bool reachable, const std::string& reason) {
  if (reachable == reachable_) return;
  reachable_ = reachable;
  if (reachable) service_down_ = false;  // it is worth trying again
  tell(reachable ? "reachable" : "unreachable", nullptr, reason);
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
  PlanAction revoke;
  revoke.kind = PlanAction::Kind::kRevoke;
  revoke.session = slot.session;
  actions_.push_back(std::move(revoke));
  slot.state = Slot::State::kIdle;
  slot.session = 0;
  slot.egress.clear();
  slot.dialled = false;
  slot.connection_over = false;
  slot.check_under_way = false;
  slot.stop_under_way = false;
  slot.since_ms = now_ms;
  // It may have ended because the track did: asked for again only when it is seen since.
  slot.confirmed = false;
  slot.confirm_after_ms = now_ms;
  if (again) ask_participants(now_ms);
}

void EgressPlan::stop(Slot& slot, const std::string& reason, int64_t now_ms) {
  slot.state = Slot::State::kStopping;
  slot.stop_done = false;
  slot.stop_reason = reason;
  slot.stop_tries = 0;
  slot.stop_under_way = false;
  slot.due_ms = now_ms;
  tell("stopping", &slot, reason);
}

void EgressPlan::stop_stray(const Egress& egress, const char* why, int64_t now_ms) {
  const auto [stray, added] = strays_.try_emplace(egress.id);
  if (!added) return;
  stray->second.track = egress.track;
  stray->second.due_ms = now_ms;
  PlanAction action;
  action.step = "leftover";
  action.egress = egress.id;
  action.track = egress.track;
  action.reason = why;
  actions_.push_back(std::move(action));
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
  set_reachable(true, "");
  Slot* const slot = find_session(session);
  if (!slot || slot->state != Slot::State::kStarting) {
    if (!egress.over()) stop_stray(egress, "it is not needed any more", now_ms);
    pump(now_ms);
    return;
  }
  running_as(*slot, egress.id, now_ms);
  const auto early = over_early_.find(egress.id);
  const Egress& latest = early == over_early_.end() ? egress : early->second;
  if (latest.over()) heard_of(Egress(latest), false, now_ms);
  over_early_.erase(egress.id);
  pump(now_ms);
}

void EgressPlan::on_start_failed(uint64_t session, const CallFailure& failure, int64_t now_ms) {
  Slot* const slot = find_session(session);
  if (!slot || slot->state != Slot::State::kStarting) return;
  // Who has dialled in, runs, whatever the answer.
  switch (slot->dialled ? CallFailure::Kind::kUnreachable : failure.kind) {
    case CallFailure::Kind::kUnreachable:
      // It may have been started all the same: the list will tell.
      service_down_ = true;
      slot->state = Slot::State::kUncertain;
      slot->since_ms = slot->dialled ? slot->since_ms : now_ms;
      slot->confirm_after_ms = now_ms;
      list_due_ms_ = std::min(list_due_ms_, now_ms);
      if (failure.kind == CallFailure::Kind::kUnreachable) set_reachable(false, failure.text);
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
    case CallFailure::Kind::kRefused:
      slot->failures = std::max(slot->failures, 6U);
      ended(*slot, "failed", failure.text, now_ms, kLongestWaitMs);
      break;
  }
  pump(now_ms);
}

// From a webhook, from a list of active ones, or from a check.
void EgressPlan::heard_of(const Egress& egress, bool from_list, int64_t now_ms) {
  if (egress.id.empty()) return;
  if (const auto stray = strays_.find(egress.id); stray != strays_.end()) {
    if (egress.over() && !stray->second.stop_under_way) strays_.erase(stray);
    return;
  }
  if (Slot* slot = find_egress(egress.id)) {
    if (!egress.over()) return;
    const bool failed = egress.status != EgressStatus::kComplete;
    if (egress.status == EgressStatus::kLimitReached) {
      slot->failures = std::max(slot->failures, 6U);
    }
    ended(*slot, failed ? "failed" : "ended", failed ? egress.error : "", now_ms, kLongestWaitMs);
    return;
  }
  const auto found = slots_.find(egress.track);
  if (found != slots_.end() && found->second.state == Slot::State::kStarting) {
    // Told before the answer to the start is here. Its end would otherwise never be heard of.
    if (!egress.over()) return;
    if (over_early_.size() >= kMaxOverEarly) over_early_.clear();
    over_early_[egress.id] = egress;
    return;
  }
  if (found != slots_.end() && found->second.state == Slot::State::kUncertain) {
    Slot& slot = found->second;
    if (egress.over()) return;
    running_as(slot, egress.id, now_ms);
    return;
  }
  if (egress.over() || egress.status == EgressStatus::kEnding) return;
  stop_stray(egress, list_known_ || !from_list ? "nobody waits for it" : "left from a former run",
             now_ms);
}

// The list does not show an egress of which the answer was lost.
void EgressPlan::settle_uncertain(Slot& slot, int64_t now_ms) {
  if (slot.confirm_after_ms > list_sent_ms_) {
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
  set_reachable(true, "");
  for (const Egress& egress : list) {
    if (ours(egress)) heard_of(egress, true, now_ms);
  }
  list_known_ = true;
  for (auto& [track, slot] : slots_) {
    if (slot.state == Slot::State::kUncertain) settle_uncertain(slot, now_ms);
  }
  pump(now_ms);
}

void EgressPlan::on_egress_list_failed(const CallFailure& failure, int64_t now_ms) {
  list_under_way_ = false;
  list_due_ms_ = now_ms + back_off(++list_failures_, kLongestProbeWaitMs);
  set_reachable(false, failure.text);
  pump(now_ms);
}

void EgressPlan::on_egress_checked(const std::string& id, const Egress* egress, int64_t now_ms) {
  Slot* const slot = find_egress(id);
  if (!slot || !slot->check_under_way) return;
  slot->check_under_way = false;
  if (egress && egress->id == id) heard_of(*egress, false, now_ms);
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
  const bool over =
      failure.kind == CallFailure::Kind::kNotFound || failure.kind == CallFailure::Kind::kRefused;
  if (over) {  // "egress has ended already", in one of several wordings
    on_stop_answer(id, now_ms);
    return;
  }
  if (const auto stray = strays_.find(id); stray != strays_.end()) {
    stray->second.stop_under_way = false;
    stray->second.due_ms = now_ms + back_off(++stray->second.tries, kLongestProbeWaitMs);
  }
  Slot* const slot = find_egress(id);
  if (slot && slot->state == Slot::State::kStopping) {
    slot->stop_under_way = false;
    slot->due_ms = now_ms + back_off(++slot->stop_tries, kLongestProbeWaitMs);
  }
  pump(now_ms);
}

void EgressPlan::on_dialled(uint64_t session, int64_t now_ms) {
  Slot* const slot = find_session(session);
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
  } else if (slot->state == Slot::State::kRunning) {
    if (slot->published) {
      // Egress never dials again. It should have noticed; but it must not run on for nobody.
      stop(*slot, "the connection ended", now_ms);
    } else {
      ended(*slot, "ended", "the track ended", now_ms, kLongestWaitMs);
    }
  }
  pump(now_ms);
}

void EgressPlan::shut_down(int64_t now_ms) {
  shutting_down_ = true;
  pump(now_ms);
}

bool EgressPlan::finished() const {
  return unfinished().empty();
}

std::vector<std::string> EgressPlan::unfinished() const {
  std::vector<std::string> names;
  for (const auto& [track, slot] : slots_) {
    if (slot.state == Slot::State::kIdle) continue;
    if (slot.state == Slot::State::kStopping && slot.stop_done) continue;
    names.push_back(slot.identity + " (" + track + (slot.egress.empty() ? "" : ", " + slot.egress) +
                    ")");
  }
  for (const auto& [id, stray] : strays_) names.push_back(stray.track + " (" + id + ")");
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
