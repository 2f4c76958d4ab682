// SPDX-License-Identifier: LGPL-2.1-or-later
// What one track egress sends and when, worked out before the first byte: pure arithmetic on the
// scenario and the moment of the upgrade. Times are seconds since the start of the scenario.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "scenario.h"

namespace egresssim {

inline constexpr int kRateHz = 48000;
inline constexpr int kFramesPerMessage = 480;  // 10 ms
inline constexpr int kChannels = 2;
inline constexpr int kBytesPerFrame = kChannels * 2;

// A decoded recording at 48 kHz. Speech bounds leave out the silence around it.
struct Audio {
  int channels = 1;  // 1 or 2, interleaved
  std::vector<int16_t> samples;
  double speech_from_s = 0;
  double speech_to_s = 0;

  int64_t frames() const { return static_cast<int64_t>(samples.size()) / channels; }
  double duration_s() const { return static_cast<double>(frames()) / kRateHz; }
};

// A recording put on the scenario's time line; repetitions are placements of their own.
struct Placement {
  std::shared_ptr<const Audio> audio;
  double at_s = 0;
};

// Frames of the track's own sample count, from inclusive, to exclusive.
struct FrameRange {
  int64_t from = 0;
  int64_t to = 0;
};

struct PlannedSound {
  std::shared_ptr<const Audio> audio;
  FrameRange range;
};

// Everything that is not audio. Pings are not listed: they come every 30 s from the upgrade.
struct ControlEvent {
  enum class Kind { kText, kClose, kFinish, kReset };
  double at_s = 0;
  Kind kind = Kind::kText;
  std::string text;
};

struct Stall {
  double from_s = 0;
  double to_s = 0;
};

struct TrackPlan {
  double upgrade_s = 0;
  double origin_s = 0;  // when the sound of the first frame was made
  double first_message_s = 0;
  double frames_per_s = kRateHz;  // of the scenario's clock; differs with the publisher's clock
  int64_t total_frames = 0;
  std::vector<PlannedSound> sounds;    // ordered by start
  std::vector<FrameRange> muted;       // exact zeros
  std::vector<FrameRange> noise;       // comfort noise in the pauses (DTX)
  std::vector<ControlEvent> controls;  // ordered; the last one ends the connection
  std::vector<Stall> stalls;

  int64_t frame_at(double spoken_s) const;
  // When message `index` of `frames` frames each is due.
  double message_due_s(int64_t index, int frames = kFramesPerMessage) const;
};

inline constexpr double kPingInterval_s = 30.0;

struct TrackInput {
  const Participant* who = nullptr;  // leave_s must be set
  std::vector<Placement> placements;
  LatencyProfile latency;
  unsigned seed = 1;
  double upgrade_s = 0;
  std::vector<Mute> told_mutes;  // told of in texts only: mutes of one in a mix
  bool comfort_noise = true;
};

TrackPlan plan_track(const TrackInput& input);

// Fills in every leave_s that the scenario leaves open: the end of the room's last sound + 1 s.
// `duration_s(clip)` gives the length of a clip.
template <typename DurationOf>
void complete_leave_times(Scenario& scenario, DurationOf duration_s);

// All placements of one participant's clip, repetitions included, up to its leave time.
std::vector<double> clip_starts(const Clip& clip, const Participant& who);

// ---- implementation of the template ----
template <typename DurationOf>
void complete_leave_times(Scenario& scenario, DurationOf duration_s) {
  for (Room& room : scenario.rooms) {
    double end_s = 0;
    for (const Participant& who : room.participants) {
      end_s = std::max(end_s, who.leave_s.value_or(who.join_s));
      for (const Mute& mute : who.mutes) end_s = std::max(end_s, mute.to_s);
      for (const Fault& fault : who.faults) end_s = std::max(end_s, fault.at_s + fault.duration_s);
      for (const Clip& clip : who.clips) end_s = std::max(end_s, clip.at_s + duration_s(clip));
    }
    for (Participant& who : room.participants)
      if (!who.leave_s) who.leave_s = end_s + 1.0;
  }
}

}  // namespace egresssim
