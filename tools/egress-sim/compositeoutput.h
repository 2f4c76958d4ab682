// SPDX-License-Identifier: LGPL-2.1-or-later
// Plays the mix of a room: encodes it as LiveKit's egress does and publishes or writes it.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <string>

#include "compositeplan.h"

namespace egresssim {

enum class CompositeKind { kRtmp, kMp4, kOgg, kHls, kWav };

struct CompositeTarget {
  CompositeKind kind = CompositeKind::kRtmp;
  std::string where;        // URL, file, or folder
  bool fragmented = false;  // MP4 in fragments of a second, playable while it grows
  bool live = true;         // in real time; else as fast as it goes
  double segment_s = 4;     // HLS
  int playlist_length = 0;  // HLS: segments in the playlist; 0 = all, as LiveKit's event playlist
};

struct CompositeResult {
  std::string error;  // "" = all was sent
  int64_t frames = 0;
  double worst_lateness_s = 0;  // behind the plan, because this machine was busy
  double started_utc_s = 0;     // Unix time of the scenario's second 0
};

// The GStreamer pipeline for `target`, whose appsrc is called "mix".
std::string composite_pipeline(const CompositeTarget& target);

// Returns when the last packet is out, at an error, or when *stop is set.
CompositeResult play_composite(const CompositePlan& plan, const CompositeTarget& target,
                               const std::atomic<int>* stop);

// Waits until somebody listens where the URL points; false after `wait_s`.
bool wait_for_listener(const std::string& url, double wait_s, const std::atomic<int>* stop);

}  // namespace egresssim
