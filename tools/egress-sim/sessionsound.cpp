// SPDX-License-Identifier: LGPL-2.1-or-later
#include "sessionsound.h"

#include <algorithm>
#include <cmath>

namespace egresssim {
namespace {

void silence(Audio& audio, double at_s, double from_s, double to_s) {
  const auto frame = [&](double s) {
    return std::clamp<int64_t>(std::llround((s - at_s) * kRateHz), 0, audio.frames());
  };
  std::fill(audio.samples.begin() + frame(from_s) * audio.channels,
            audio.samples.begin() + std::max(frame(from_s), frame(to_s)) * audio.channels,
            int16_t{0});
}

std::shared_ptr<Audio> on_one_side(const Audio& audio, EgressRoute::Side side) {
  auto result = std::make_shared<Audio>(audio);
  result->channels = 2;
  result->samples.assign(static_cast<size_t>(audio.frames()) * 2, 0);
  const size_t offset = side == EgressRoute::Side::kRight ? 1 : 0;
  for (size_t i = 0; i < static_cast<size_t>(audio.frames()); ++i)
    result->samples[2 * i + offset] = audio.samples[i * static_cast<size_t>(audio.channels)];
  return result;
}

SessionSound empty_sound(const std::string& identity, double end_s, const LatencyProfile& latency,
                         unsigned seed) {
  SessionSound sound;
  sound.who = std::make_unique<Participant>();
  sound.who->identity = identity;
  sound.who->leave_s = end_s;
  sound.input.who = sound.who.get();
  sound.input.latency = latency;
  sound.input.seed = seed;
  return sound;
}

void add_person(SessionSound& sound, const Participant& who,
                const std::vector<Placement>& placements, EgressRoute::Side side) {
  for (const Placement& placement : placements)
    sound.input.placements.push_back(heard_part(placement, who, side));
}

}  // namespace

Placement heard_part(const Placement& placement, const Participant& who, EgressRoute::Side side) {
  const double end_s = placement.at_s + placement.audio->duration_s();
  const double leave_s = who.leave_s.value_or(INFINITY);
  const bool muted = std::any_of(who.mutes.begin(), who.mutes.end(), [&](const Mute& mute) {
    return mute.from_s < end_s && mute.to_s > placement.at_s;
  });
  const bool whole = !muted && who.join_s <= placement.at_s && end_s <= leave_s;
  if (whole && side == EgressRoute::Side::kBoth) return placement;
  auto audio = side == EgressRoute::Side::kBoth ? std::make_shared<Audio>(*placement.audio)
                                                : on_one_side(*placement.audio, side);
  if (!whole) {
    for (const Mute& mute : who.mutes) silence(*audio, placement.at_s, mute.from_s, mute.to_s);
    silence(*audio, placement.at_s, placement.at_s, who.join_s);
    silence(*audio, placement.at_s, leave_s, end_s);
  }
  return {std::move(audio), placement.at_s};
}

SessionSound track_sound(const Participant& who, const std::vector<Placement>& placements,
                         const LatencyProfile& latency, unsigned seed) {
  SessionSound sound = empty_sound(who.identity, 0, latency, seed);
  *sound.who = who;
  sound.input.placements = placements;
  return sound;
}

SessionSound people_sound(const Room& room, const RoomPlacements& placements,
                          const std::vector<EgressRoute>& routes, double end_s,
                          const LatencyProfile& latency, unsigned seed) {
  std::string names;
  for (const EgressRoute& route : routes) names += (names.empty() ? "" : "+") + route.identity;
  SessionSound sound = empty_sound(names, end_s, latency, seed);
  for (const EgressRoute& route : routes) {
    for (size_t p = 0; p < room.participants.size(); ++p) {
      if (room.participants[p].identity == route.identity)
        add_person(sound, room.participants[p], placements[p], route.side);
    }
    if (route.side != EgressRoute::Side::kBoth) sound.input.comfort_noise = false;
  }
  return sound;
}

SessionSound mix_sound(const Room& room, const RoomPlacements& placements, double end_s,
                       const LatencyProfile& latency, unsigned seed) {
  SessionSound sound = empty_sound("(everybody)", end_s, latency, seed);
  for (size_t p = 0; p < room.participants.size(); ++p) {
    const Participant& who = room.participants[p];
    add_person(sound, who, placements[p], EgressRoute::Side::kBoth);
    for (const Mute& mute : who.mutes)
      if (mute.to_s > who.join_s && mute.from_s < who.leave_s.value_or(INFINITY))
        sound.input.told_mutes.push_back(mute);
  }
  return sound;
}

}  // namespace egresssim
