// SPDX-License-Identifier: LGPL-2.1-or-later
// What the options ask to be played, with all sound loaded and what is really said in it.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "groundtruth.h"
#include "options.h"
#include "sessionsound.h"

namespace egresssim {

struct Prepared {
  Scenario scenario;
  std::vector<Utterance> truth;
  std::map<std::pair<size_t, size_t>, std::vector<Placement>> placements;  // by room, participant

  RoomPlacements of_room(size_t room) const;
};

// Loads all sound, completes the leave times, and works out the ground truth.
bool prepare(const Options& options, Prepared& prepared, std::string& error);

}  // namespace egresssim
