// SPDX-License-Identifier: LGPL-2.1-or-later
// What an egress session plays: one track, people by their identity, or everybody. Pure.
#pragma once

#include <memory>
#include <vector>

#include "egressrecords.h"
#include "trackplan.h"

namespace egresssim {

struct SessionSound {
  std::unique_ptr<Participant> who;  // `input.who`; its leave_s is when the session ends
  TrackInput input;
};

// What somebody in the room plays: a list of placements for each of its participants.
using RoomPlacements = std::vector<std::vector<Placement>>;

// The track that `who` has published.
SessionSound track_sound(const Participant& who, const std::vector<Placement>& placements,
                         const LatencyProfile& latency, unsigned seed);

// People, whichever tracks they publish when; zeros in between, and on the other side exact ones.
SessionSound people_sound(const Room& room, const RoomPlacements& placements,
                          const std::vector<EgressRoute>& routes, double end_s,
                          const LatencyProfile& latency, unsigned seed);

// The mix of everybody. Texts tell of anybody's mutes.
SessionSound mix_sound(const Room& room, const RoomPlacements& placements, double end_s,
                       const LatencyProfile& latency, unsigned seed);

// `placement` as the room hears it from `who`: nothing while muted or without a published track,
// and on one side only if so routed.
Placement heard_part(const Placement& placement, const Participant& who, EgressRoute::Side side);

}  // namespace egresssim
