// SPDX-License-Identifier: LGPL-2.1-or-later
// Makes the samples of a planned track, message by message, as S16LE stereo.
#pragma once

#include <cstdint>

#include "trackplan.h"

namespace egresssim {

// Frames must be asked for in ascending order (gaps are fine): it keeps a cursor, so that a track
// with thousands of clips costs no more than one with a few.
class Renderer {
 public:
  explicit Renderer(const TrackPlan& plan) : plan_(&plan) {}

  // Writes `count` frames (2 samples each) that begin with the track's frame `first`.
  void render(int64_t first, int count, int16_t* out);

 private:
  void add_sound(const PlannedSound& sound, int64_t first, int count, bool alone, int16_t* out);

  const TrackPlan* plan_;
  size_t sound_cursor_ = 0;
  size_t noise_cursor_ = 0;
  size_t mute_cursor_ = 0;
};

// What R differs by from L for a mono source: mostly 0, now and then 1 up or down.
int dither_at(int64_t frame);

}  // namespace egresssim
