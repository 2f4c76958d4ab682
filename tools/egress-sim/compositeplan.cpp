// SPDX-License-Identifier: LGPL-2.1-or-later
#include "compositeplan.h"

#include <algorithm>
#include <cmath>

namespace egresssim {
namespace {

constexpr double kDtxHangOver_s = 0.38;  // silence before a publisher begins to leave packets out
constexpr double kDeathNoticed_s = 21.0;

const Stall* stretch_at(const std::vector<Stall>& stretches, double at_s) {
  const auto after =
      std::upper_bound(stretches.begin(), stretches.end(), at_s,
                       [](double time_s, const Stall& stretch) { return time_s < stretch.from_s; });
  if (after == stretches.begin() || std::prev(after)->to_s <= at_s) return nullptr;
  return &*std::prev(after);
}

// What lies between the sounds, long enough for DTX.
void add_pauses(std::vector<Stall> sounds, double from_s, double to_s, std::vector<Stall>& quiet) {
  const auto add = [&](double pause_from_s, double pause_to_s) {
    if (pause_to_s > pause_from_s + kDtxHangOver_s)
      quiet.push_back({pause_from_s + kDtxHangOver_s, pause_to_s});
  };
  double pause_s = from_s;
  for (const Stall& sound : unite(std::move(sounds))) {
    add(pause_s, std::min(sound.from_s, to_s));
    pause_s = std::max(pause_s, sound.to_s);
  }
  add(pause_s, to_s);
}

}  // namespace

std::vector<Stall> unite(std::vector<Stall> stretches) {
  std::sort(stretches.begin(), stretches.end(),
            [](const Stall& a, const Stall& b) { return a.from_s < b.from_s; });
  std::vector<Stall> united;
  for (const Stall& stretch : stretches) {
    if (stretch.to_s <= stretch.from_s) continue;
    if (!united.empty() && stretch.from_s <= united.back().to_s)
      united.back().to_s = std::max(united.back().to_s, stretch.to_s);
    else
      united.push_back(stretch);
  }
  return united;
}

int64_t CompositePlan::total_frames() const {
  return std::max<int64_t>(0, std::llround((end_s - start_s) * kRateHz));
}

double CompositePlan::due_s(double media_s) const {
  const double soon_s = media_s + timing.latency_s;
  double due_s = soon_s;
  if (const Stall* mute = stretch_at(unheard, soon_s); mute != nullptr && timing.stall_on_mute) {
    due_s = std::max(soon_s, std::min(media_s + timing.late_s, mute->to_s));
  } else if (const Stall* pause = stretch_at(quiet, soon_s); pause != nullptr && timing.dtx_gaps) {
    const double packets = std::ceil((soon_s - pause->from_s) / timing.dtx_interval_s);
    const double packet_s = pause->from_s + packets * timing.dtx_interval_s;
    due_s = std::max(soon_s, std::min({packet_s, soon_s + timing.longest_gap_s, pause->to_s}));
  }
  if (const Stall* stall = stretch_at(stalls, due_s)) due_s = stall->to_s;
  return due_s;
}

CompositePlan plan_composite(const CompositeInput& input) {
  CompositePlan plan;
  plan.timing = input.timing;
  plan.stalls = unite(input.stalls);
  plan.start_s = INFINITY;
  unsigned number = 0;
  for (const Participant& who : input.room->participants) {
    double leave_s = who.leave_s.value_or(who.join_s);
    for (const Fault& fault : who.faults) {
      if (fault.kind != Fault::Kind::kDeath || fault.at_s >= leave_s) continue;
      leave_s = fault.at_s;
      plan.unheard.push_back({leave_s, leave_s + kDeathNoticed_s});
    }
    for (const Mute& mute : who.mutes)
      plan.unheard.push_back({std::max(mute.from_s, who.join_s), std::min(mute.to_s, leave_s)});

    Participant here = who;
    here.clock_ppm = 0;  // the egress resamples to its own clock
    here.leave_s = leave_s;
    TrackInput track;
    track.who = &here;
    track.placements = input.placements[number];
    track.latency = {0, 0};  // the track's frame 0 is the moment of joining
    track.seed = input.seed + number;
    track.upgrade_s = who.join_s;
    plan.tracks.push_back(plan_track(track));

    std::vector<Stall> sounds;
    for (const Placement& placement : track.placements)
      sounds.push_back({placement.at_s, placement.at_s + placement.audio->duration_s()});
    add_pauses(std::move(sounds), who.join_s, leave_s, plan.quiet);
    plan.start_s = std::min(plan.start_s, who.join_s);
    plan.end_s = std::max(plan.end_s, leave_s);
    ++number;
  }
  plan.start_s = std::min(plan.start_s, plan.end_s);
  plan.unheard = unite(std::move(plan.unheard));
  // The room's end ends every wait.
  for (Stall& stretch : plan.unheard) stretch.to_s = std::min(stretch.to_s, plan.end_s);
  plan.quiet = unite(std::move(plan.quiet));
  return plan;
}

CompositeRenderer::CompositeRenderer(const CompositePlan& plan) {
  for (const TrackPlan& track : plan.tracks)
    voices_.push_back({Renderer(track), std::llround((track.origin_s - plan.start_s) * kRateHz)});
}

void CompositeRenderer::render(int64_t first, int count, int16_t* out) {
  const auto samples = static_cast<size_t>(count) * kChannels;
  sum_.assign(samples, 0);
  one_.resize(samples);
  for (Voice& voice : voices_) {
    const int64_t from = std::max(first, voice.offset);
    const int here = static_cast<int>(std::max<int64_t>(0, first + count - from));
    if (here == 0) continue;
    voice.renderer.render(from - voice.offset, here, one_.data());
    const auto skip = static_cast<size_t>(count - here) * kChannels;
    for (size_t i = skip; i < samples; ++i) sum_[i] += one_[i - skip];
  }
  std::transform(sum_.begin(), sum_.end(), out, [](int32_t sample) {
    return static_cast<int16_t>(std::clamp(sample, -32768, 32767));
  });
}

}  // namespace egresssim
