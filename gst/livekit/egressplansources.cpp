// SPDX-License-Identifier: LGPL-2.1-or-later
// The part of EgressPlan that knows who and what is in the room.
#include <algorithm>

#include "egressplan.h"
#include "egressplanstate.h"

namespace livekit {

namespace {

constexpr size_t kMaxBuried = 4096;
constexpr unsigned kPollsToBelieve = 2;
constexpr const char* kRoomKey = "room/mix";

}  // namespace

bool EgressFilter::permits(const std::string& identity) const {
  return !exclude.contains(identity) && (include.empty() || include.contains(identity));
}

bool EgressFilter::permits(const std::string& identity, TrackSource source) const {
  return permits(identity) && (sources & static_cast<unsigned>(source)) != 0;
}

bool EgressPlan::is_machine(const std::string& identity) const {
  const auto person = people_.find(identity);
  return person != people_.end() && person->second.machine;
}

bool EgressPlan::audible(const Source& source) const {
  if (!source.published || !config_.filter.permits(source.identity, source.source)) return false;
  // Until it is known who that is, it may be somebody whose audio must not be asked for.
  const auto person = people_.find(source.identity);
  return person != people_.end() && person->second.sid == source.participant_sid &&
         !person->second.machine;
}

int64_t EgressPlan::confirm_after(const Source& source) const {
  if (config_.mode == EgressMode::kTrack) return source.confirm_after_ms;
  if (config_.mode == EgressMode::kRoom) return room_confirm_after_ms_;
  const auto member = members_.find(source.identity);
  return member == members_.end() ? kLongAgo : member->second.confirm_after_ms;
}

bool EgressPlan::confirmed(const Source& source) const {
  return source.seen_ms >= confirm_after(source);
}

void EgressPlan::learn(const Participant& participant, bool complete) {
  if (participant.identity.empty()) return;
  const auto known = people_.find(participant.identity);
  if (!complete) {
    // A track's event tells who, but neither the name nor the kind.
    if (known == people_.end() || known->second.sid != participant.sid) ask_participants();
    return;
  }
  if (known != people_.end() && known->second.sid == participant.sid &&
      known->second.name == participant.name && known->second.metadata == participant.metadata &&
      known->second.attributes == participant.attributes &&
      known->second.machine == participant.machine) {
    return;
  }
  people_[participant.identity] = {participant.sid, participant.name, participant.metadata,
                                   participant.attributes, participant.machine};
  PlanAction& action = add_action(PlanAction::Kind::kRename);
  action.identity = participant.identity;
  action.name = participant.name;
  action.metadata = participant.metadata;
  action.attributes = participant.attributes;
}

void EgressPlan::publish(const Participant& participant, const PublishedTrack& track,
                         int64_t seen_ms) {
  if (track.sid.empty() || !track.audio || participant.identity.empty()) return;
  if (buried_.contains(track.sid)) return;
  const bool is_new = !sources_.contains(track.sid);
  Source& source = sources_[track.sid];
  source.identity = participant.identity;
  source.participant_sid = participant.sid;
  source.source = track.source;
  source.published = true;
  source.missing = 0;
  source.seen_ms = std::max(source.seen_ms, seen_ms);
  if (is_new && !is_machine(participant.identity) &&
      !config_.filter.permits(participant.identity, track.source)) {
    PlanAction& action = add_action(PlanAction::Kind::kTell);
    action.step = "excluded";
    action.identity = participant.identity;
    action.name = name_of(participant.identity);
    action.track = track.sid;
  }
}

void EgressPlan::bury(const std::string& track) {
  if (const auto source = sources_.find(track); source != sources_.end()) {
    source->second.published = false;
  }
  if (track.empty() || !buried_.insert(track).second) return;
  buried_order_.push_back(track);
  if (buried_order_.size() <= kMaxBuried) return;
  buried_.erase(buried_order_.front());
  buried_order_.pop_front();
}

void EgressPlan::ask_participants() {
  poll_wanted_ = true;
}

void EgressPlan::on_participants(const std::vector<Participant>& participants, int64_t now_ms) {
  poll_under_way_ = false;
  poll_failures_ = 0;
  poll_due_ms_ = now_ms;
  set_reachable(Api::kRooms, true, now_ms);
  std::set<std::string> present;
  std::set<std::string> identities;
  for (const Participant& participant : participants) {
    learn(participant, true);
    identities.insert(participant.identity);
    for (const PublishedTrack& track : participant.tracks) {
      publish(participant, track, poll_sent_ms_);
      present.insert(track.sid);
    }
  }
  for (auto& [sid, source] : sources_) {
    if (present.contains(sid) || !source.published) continue;
    if (!confirmed(source)) {
      // Its egress has ended, and a list that was asked for since does not show it.
      if (poll_sent_ms_ >= confirm_after(source)) source.published = false;
    } else if (source.seen_ms + kListLagMs < poll_sent_ms_) {
      const Slot* const slot = find_key(sid);
      const bool idle = slot && slot->state == Slot::State::kIdle;
      if (++source.missing >= kPollsToBelieve || idle) source.published = false;
    }
  }
  forget_people(identities);
  pump(now_ms);
}

// Who has gone is forgotten: 10,000 people may pass through a room in a day.
void EgressPlan::forget_people(const std::set<std::string>& identities) {
  std::set<std::string> needed = identities;
  for (const auto& [sid, source] : sources_) needed.insert(source.identity);
  for (const auto& [key, slot] : slots_) needed.insert(slot.people.begin(), slot.people.end());
  std::erase_if(people_, [&](const auto& person) { return !needed.contains(person.first); });
}

void EgressPlan::on_participants_failed(const CallFailure& failure, int64_t now_ms) {
  if (failure.kind == CallFailure::Kind::kNotFound) {
    on_participants({}, now_ms);  // no room, nobody in it
    return;
  }
  poll_under_way_ = false;
  const int64_t wait_ms = back_off(++poll_failures_, kLongestProbeWaitMs);
  poll_due_ms_ = now_ms + wait_ms;
  set_reachable(Api::kRooms, false, now_ms, failure.text);
  pump(now_ms);
}

void EgressPlan::on_webhook(const WebhookEvent& event, int64_t now_ms) {
  webhook_ms_ = now_ms;
  const Participant* who = event.participant ? &*event.participant : nullptr;
  if (event.event == "participant_joined" && who) {
    learn(*who, true);
    for (const PublishedTrack& track : who->tracks) publish(*who, track, now_ms);
  } else if (event.event == "participant_left" && who) {
    for (auto& [sid, source] : sources_) {
      if (source.identity == who->identity && source.participant_sid == who->sid) bury(sid);
    }
  } else if (event.event == "track_published" && who && event.track) {
    if (event.track->audio) learn(*who, false);
    publish(*who, *event.track, now_ms);
  } else if (event.event == "track_unpublished" && event.track) {
    bury(event.track->sid);
  } else if (event.event == "room_started" || event.event == "room_finished") {
    // Which of two rooms of one name this tells of is not certain: the list is.
    ask_participants();
  } else if (event.egress) {
    const std::string key = key_of(*event.egress);
    if (!key.empty()) heard_of(*event.egress, key, false, now_ms);
  }
  pump(now_ms);
}

// Which slots there should be, and whether what they are for is there.
void EgressPlan::survey(int64_t now_ms) {
  switch (config_.mode) {
    case EgressMode::kTrack:
      for (const auto& [sid, source] : sources_) {
        if (!source.published && !slots_.contains(sid)) continue;
        const auto [slot, added] = slots_.try_emplace(sid);
        if (added) {
          slot->second.key = sid;
          slot->second.track = sid;
          slot->second.people = {source.identity};
        }
        slot->second.present = source.published;
      }
      break;
    case EgressMode::kPerson:
      seat_people(now_ms);
      break;
    case EgressMode::kRoom: {
      Slot& slot = slots_[kRoomKey];
      slot.key = kRoomKey;
      slot.present = std::any_of(sources_.begin(), sources_.end(),
                                 [this](const auto& source) { return audible(source.second); });
      break;
    }
  }
  for (auto& [key, slot] : slots_) {
    if (slot.present) {
      slot.gone_ms = kNever;
    } else if (slot.gone_ms == kNever) {
      slot.gone_ms = now_ms;
    }
  }
  std::erase_if(sources_, [this](const auto& source) {
    return !source.second.published && !slots_.contains(source.first);
  });
}

}  // namespace livekit
