// SPDX-License-Identifier: LGPL-2.1-or-later
// The part of EgressPlan that says who is heard by which egress, where it is people that are asked
// for, and not tracks. What an egress carries cannot be changed once it runs, so whoever is to
// share one with somebody moves to a new one: the old one is stopped when the new one has dialled
// in, and still sends what was said until then. So nothing is lost on the way.
#include <algorithm>
#include <utility>

#include "egressplan.h"
#include "egressplanstate.h"
#include "jwt.h"

namespace livekit {

namespace {

// A pair that fails may do so because of one of the two.
constexpr int64_t kAloneMs = 60000;
// Two who are heard well, each alone, are put together; not while the room fills.
constexpr int64_t kSettledMs = 10000;

// An identity may hold any character and be long; and it is nobody's business on the way.
std::string digest_of(const std::vector<std::string>& people) {
  std::string text;
  for (const std::string& identity : people) {
    text += std::to_string(identity.size()) + ":" + identity;
  }
  return base64url(sha256(text)).substr(0, 22);
}

}  // namespace

bool EgressPlan::seated_in(const std::string& identity, const Slot& slot) const {
  const auto member = members_.find(identity);
  return member != members_.end() &&
         (member->second.slot == slot.key || member->second.next == slot.key);
}

EgressPlan::Slot& EgressPlan::slot_for(std::vector<std::string> people) {
  std::sort(people.begin(), people.end());
  const std::string key = (people.size() > 1 ? "pair/" : "person/") + digest_of(people);
  Slot& slot = slots_[key];
  slot.key = key;
  slot.people = std::move(people);
  return slot;
}

void EgressPlan::unseat(Slot& slot) {
  const bool anybody = std::any_of(slot.people.begin(), slot.people.end(),
                                   [&](const auto& identity) { return seated_in(identity, slot); });
  // It cannot be stopped before the answer is here, and must not come in beside another one.
  if (anybody && !slot.dialled) revoke(slot);
  for (const std::string& identity : slot.people) {
    Member& member = members_[identity];
    if (member.next == slot.key) member.next.clear();
    if (member.slot == slot.key) member.slot = std::exchange(member.next, "");
  }
}

// Somebody would be heard twice if `slot` were started beside `other`.
bool EgressPlan::in_the_way(const Slot& other, const Slot& slot) const {
  if (&other == &slot || other.state == Slot::State::kIdle) return false;
  // It only sends what was said until it was stopped.
  if (other.state == Slot::State::kStopping && other.stop_done) return false;
  return std::any_of(other.people.begin(), other.people.end(), [&](const auto& identity) {
    if (std::find(slot.people.begin(), slot.people.end(), identity) == slot.people.end()) {
      return false;
    }
    const Member& member = members_.at(identity);
    return !(member.slot == other.key && member.next == slot.key);
  });
}

void EgressPlan::after_end(Slot& slot, bool failed, int64_t now_ms) {
  if (config_.mode != EgressMode::kPerson) return;
  for (const std::string& identity : slot.people) {
    Member& member = members_[identity];
    member.confirm_after_ms = now_ms;
    if (member.present) ask_participants();
    // Who was about to move has nothing to move from any more.
    if (member.slot == slot.key && !member.next.empty()) {
      member.slot = std::exchange(member.next, "");
    }
    if (failed && slot.people.size() > 1) member.pair_after_ms = now_ms + kAloneMs;
  }
  if (failed && slot.people.size() > 1) unseat(slot);
  wake_at(now_ms);  // seats are given at the next look
}

void EgressPlan::seat_people(int64_t now_ms) {
  survey_members(now_ms);
  leave_seats(now_ms);
  if (!shutting_down_) give_seats(now_ms);
  for (auto& [key, slot] : slots_) {
    slot.present =
        std::any_of(slot.people.begin(), slot.people.end(),
                    [this](const auto& identity) { return members_.at(identity).present; });
  }
}

void EgressPlan::survey_members(int64_t now_ms) {
  for (auto& [identity, member] : members_) {
    member.present = false;
    member.confirmed = false;
    member.denied = false;
  }
  std::set<std::string> published;
  for (const auto& [sid, source] : sources_) {
    if (!source.published) continue;
    published.insert(source.identity);
    if (!audible(source)) continue;
    Member& member = members_[source.identity];
    member.present = true;
    member.confirmed = member.confirmed || confirmed(source);
  }
  std::set<std::string> needed = published;
  for (const auto& [key, slot] : slots_) needed.insert(slot.people.begin(), slot.people.end());
  std::erase_if(members_, [&](const auto& member) {
    return !needed.contains(member.first) && member.second.confirm_after_ms + kAloneMs <= now_ms;
  });
  for (auto& [identity, member] : members_) {
    if (member.present) {
      member.away_since_ms = kNever;
    } else if (member.away_since_ms == kNever) {
      member.away_since_ms = now_ms;
    }
    member.denied = is_machine(identity) || !config_.filter.permits(identity);
  }
  // Somebody whose microphone may be asked for, and who shares a screen that may not.
  for (const auto& [sid, source] : sources_) {
    const auto member = members_.find(source.identity);
    if (!source.published || member == members_.end() || member->second.present) continue;
    if (!config_.filter.permits(source.identity, source.source)) member->second.denied = true;
  }
}

// Those who have gone, who may not be heard, or who have moved.
void EgressPlan::leave_seats(int64_t now_ms) {
  for (auto& [identity, member] : members_) {
    if (member.slot.empty() && member.next.empty()) continue;
    const Slot* const next = find_key(member.next);
    if (next && next->dialled && next->state != Slot::State::kStopping) {
      member.slot = std::exchange(member.next, "");
    }
    if (member.denied) {
      member.slot.clear();
      member.next.clear();
    } else if (!member.present) {
      const int64_t until_ms = member.away_since_ms + config_.away_ms;
      if (until_ms <= now_ms) {
        member.slot.clear();
        member.next.clear();
      } else {
        wake_at(until_ms);
      }
    }
  }
  for (auto& [key, slot] : slots_) {
    if (slot.people.size() < 2) continue;
    const bool denied = std::any_of(slot.people.begin(), slot.people.end(),
                                    [this](const auto& one) { return members_.at(one).denied; });
    const bool all_here = std::all_of(slot.people.begin(), slot.people.end(), [&](const auto& one) {
      return members_.at(one).present && seated_in(one, slot);
    });
    // One who is not in the room would keep an egress from beginning, for both.
    if (denied || (!all_here && !slot.dialled)) unseat(slot);
  }
}

// Heard well, and the only one by his egress.
bool EgressPlan::is_half(const std::string& identity, const Member& member, int64_t settled_ms) {
  if (!member.present || !member.next.empty()) return false;
  const Slot* const slot = find_key(member.slot);
  if (!slot || slot->state != Slot::State::kRunning || !slot->dialled) return false;
  if (std::any_of(slot->people.begin(), slot->people.end(), [&](const auto& other) {
        return other != identity && seated_in(other, *slot);
      })) {
    return false;
  }
  if (slot->since_ms > settled_ms) {
    wake_at(slot->since_ms + kSettledMs);
    return false;
  }
  return true;
}

// Who comes back after his place was given up, and the one he had still runs, for the other: it
// carries both, and no egress else may begin for him beside it.
void EgressPlan::return_to_seats() {
  const auto waits = [this](const Member& member) {
    const Slot* const slot = find_key(member.slot);
    return !slot || slot->state == Slot::State::kIdle;
  };
  for (auto& [key, slot] : slots_) {
    if (slot.state != Slot::State::kRunning || !slot.dialled || slot.revoked) continue;
    const bool goes_on = std::all_of(slot.people.begin(), slot.people.end(), [&](const auto& one) {
      const Member& member = members_.at(one);
      return !member.denied && member.next.empty() && (member.slot == slot.key || waits(member));
    });
    if (!goes_on) continue;
    for (const std::string& identity : slot.people) {
      Member& member = members_.at(identity);
      if (!member.present || member.slot == slot.key) continue;
      if (Slot* const other = find_key(member.slot)) unseat(*other);
      member.slot = slot.key;
    }
  }
}

void EgressPlan::give_seats(int64_t now_ms) {
  return_to_seats();
  std::vector<std::string> newcomers;
  for (auto& [identity, member] : members_) {
    if (!member.present || !member.slot.empty() || !member.next.empty()) continue;
    if (config_.pair && member.pair_after_ms <= now_ms) {
      newcomers.push_back(identity);
    } else {
      member.slot = slot_for({identity}).key;
    }
  }
  if (config_.pair) pair_up(std::move(newcomers), now_ms);
}

void EgressPlan::pair_up(std::vector<std::string> newcomers, int64_t now_ms) {
  const auto together = [this](const std::string& one, const std::string& other) {
    const Slot& slot = slot_for({one, other});
    const bool ends = slot.state == Slot::State::kStopping;  // the two were one before
    for (const std::string& identity : {one, other}) {
      Member& member = members_[identity];
      if (!ends) {
        (member.slot.empty() ? member.slot : member.next) = slot.key;
      } else if (member.slot.empty()) {
        member.slot = slot_for({identity}).key;
      }
    }
  };
  const auto take = [](std::vector<std::string>& from) {
    std::string last = std::move(from.back());
    from.pop_back();
    return last;
  };
  while (newcomers.size() > 1) {
    const std::string one = take(newcomers);
    together(one, take(newcomers));
  }
  // Who has just come joins who is heard alone, at once; two of those only once they are settled.
  std::vector<std::string> halves;
  for (const auto& [identity, member] : members_) {
    if (member.slot.empty()) continue;
    if (member.pair_after_ms > now_ms) {
      if (member.present) wake_at(member.pair_after_ms);
      continue;
    }
    const int64_t settled_ms = newcomers.empty() ? now_ms - kSettledMs : kNever;
    if (is_half(identity, member, settled_ms)) halves.push_back(identity);
    if (!newcomers.empty() && !halves.empty()) {
      together(take(newcomers), take(halves));
    }
  }
  while (halves.size() > 1) {
    const std::string one = take(halves);
    together(one, take(halves));
  }
  for (const std::string& identity : newcomers) {
    members_[identity].slot = slot_for({identity}).key;
  }
}

}  // namespace livekit
