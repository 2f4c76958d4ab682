// SPDX-License-Identifier: LGPL-2.1-or-later
// What a room composite egress makes of a room, and when: one mix of everybody, that stops and runs
// late while somebody sends nothing. Pure arithmetic; times are seconds since the scenario's start.
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "renderer.h"
#include "trackplan.h"

namespace egresssim {

// Measured on egress 1.14.1 with RTMP. Its mixer sends as soon as every track has data, and waits
// for one that has none until its own latency is used up.
struct CompositeTiming {
  double latency_s = 0.11;       // from a sound to the packet that carries it
  double late_s = 2.77;          // the same while a participant is muted
  double dtx_interval_s = 0.42;  // a silent publisher sends one packet that often
  double longest_gap_s = 0.28;   // the mix waits for that packet at most so long
  bool stall_on_mute = true;
  bool dtx_gaps = true;
};

struct CompositeInput {
  const Room* room = nullptr;                      // every leave_s must be set
  std::vector<std::vector<Placement>> placements;  // a list a participant
  CompositeTiming timing;
  std::vector<Stall> stalls;  // of the network: nothing leaves, then the backlog in one burst
  unsigned seed = 1;
};

struct CompositePlan {
  double start_s = 0;  // when the mix begins: somebody is there
  double end_s = 0;    // nobody is left
  CompositeTiming timing;
  std::vector<TrackPlan> tracks;
  std::vector<Stall> unheard;  // somebody sends nothing: muted, or dead
  std::vector<Stall> quiet;    // somebody is silent: DTX
  std::vector<Stall> stalls;

  int64_t total_frames() const;
  // When the mix up to `media_s` leaves the egress. Never falls while `media_s` rises.
  double due_s(double media_s) const;
};

CompositePlan plan_composite(const CompositeInput& input);

// The stretches in which at least one of `stretches` is; ordered, not overlapping.
std::vector<Stall> unite(std::vector<Stall> stretches);

// Makes the mix, frame by frame in ascending order, S16LE stereo at 48 kHz.
class CompositeRenderer {
 public:
  explicit CompositeRenderer(const CompositePlan& plan);
  void render(int64_t first, int count, int16_t* out);

 private:
  struct Voice {
    Renderer renderer;
    int64_t offset = 0;  // the mix' frame at which the track's frame 0 is
  };
  std::vector<Voice> voices_;
  std::vector<int32_t> sum_;
  std::vector<int16_t> one_;
};

}  // namespace egresssim
