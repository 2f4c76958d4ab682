// SPDX-License-Identifier: LGPL-2.1-or-later
#include "preparation.h"

#include <cstdio>

#include "cliploader.h"

namespace egresssim {
namespace {

void add_truth(Prepared& prepared, const Room& room, const Participant& who, const Clip& clip,
               const Audio& audio, double at_s) {
  if (clip.text.empty()) return;
  const double from_s = at_s + audio.speech_from_s;
  const double to_s = at_s + audio.speech_to_s;
  bool partly = false;
  if (is_unheard(who, from_s, to_s, partly)) return;
  if (partly)
    std::fprintf(stderr,
                 "egress-sim: only a part of what %s says at %.2f s is sent (mute, join or leave); "
                 "the ground truth holds all of it: %s\n",
                 who.identity.c_str(), from_s, clip.text.c_str());
  prepared.truth.push_back({room.name, who.identity, from_s, to_s, clip.text});
}

}  // namespace

RoomPlacements Prepared::of_room(size_t room) const {
  RoomPlacements result;
  for (size_t p = 0; p < scenario.rooms[room].participants.size(); ++p)
    result.push_back(placements.at({room, p}));
  return result;
}

bool prepare(const Options& options, Prepared& prepared, std::string& error) {
  auto scenario = scenario_from_options(options, error);
  if (!scenario) return false;
  prepared.scenario = std::move(*scenario);
  ClipLoader loader(options.cache_folder);
  for (const Room& room : prepared.scenario.rooms) {
    for (const Participant& who : room.participants) {
      for (const Clip& clip : who.clips) {
        if (loader.load(clip, error)) continue;
        if (clip.line > 0)
          error = options.scenario_file + ":" + std::to_string(clip.line) + ": " + error;
        return false;
      }
    }
  }
  complete_leave_times(prepared.scenario, [&](const Clip& clip) {
    std::string ignored;
    return loader.load(clip, ignored)->duration_s();
  });
  std::shared_ptr<const Audio> load_signal;
  for (size_t r = 0; r < prepared.scenario.rooms.size(); ++r) {
    const Room& room = prepared.scenario.rooms[r];
    for (size_t p = 0; p < room.participants.size(); ++p) {
      const Participant& who = room.participants[p];
      auto& placements = prepared.placements[{r, p}];
      if (who.load_signal) {
        if (!load_signal) load_signal = make_load_signal(prepared.scenario.seed);
        // Talkers of a room take turns, roughly.
        for (double at_s = -2.0 * static_cast<double>(p % 5); at_s < *who.leave_s; at_s += 10)
          placements.push_back({load_signal, at_s});
      }
      for (const Clip& clip : who.clips) {
        const auto audio = loader.load(clip, error);
        for (const double at_s : clip_starts(clip, who)) {
          placements.push_back({audio, at_s});
          add_truth(prepared, room, who, clip, *audio, at_s);
        }
      }
    }
  }
  return true;
}

}  // namespace egresssim
