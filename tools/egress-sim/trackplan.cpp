// SPDX-License-Identifier: LGPL-2.1-or-later
#include "trackplan.h"

#include <algorithm>
#include <cmath>
#include <random>

namespace egresssim {
namespace {

// Measured on egress 1.14.1.
constexpr double kMutedTextDelay_s = 1.485;    // `{"muted":true}` after the mute
constexpr double kUnmutedTextDelay_s = 0.010;  // `{"muted":false}` after the unmute
constexpr double kMutedAtStartText_s = 5.7;    // after the upgrade, when it starts on a muted track
constexpr double kZerosAtEnd_s = 0.2;
constexpr double kDeathTextDelay_s = 2.0;  // "no packets" looks like a mute
constexpr double kDeathNoticed_s = 21.0;   // the server's time-out
constexpr double kDeathClosed_s = 24.0;
// Comfort noise of Opus DTX: the first burst after the hang-over, then every 420 ms.
constexpr double kFirstNoise_s = 0.38;
constexpr double kNoiseInterval_s = 0.42;

void add_text(TrackPlan& plan, double at_s, bool muted) {
  plan.controls.push_back(
      {at_s, ControlEvent::Kind::kText, muted ? "{\"muted\":true}" : "{\"muted\":false}"});
}

// The texts of one mute; true when the receiver was told that the track is muted at `end_s`.
bool add_mute_texts(TrackPlan& plan, const Mute& mute, double end_s) {
  double told_s = mute.from_s + kMutedTextDelay_s;
  if (mute.from_s <= plan.upgrade_s) told_s = plan.upgrade_s + kMutedAtStartText_s;
  if (told_s >= mute.to_s || told_s >= end_s || mute.to_s <= plan.upgrade_s) return false;
  add_text(plan, told_s, true);
  if (mute.to_s >= end_s) return true;
  add_text(plan, mute.to_s + kUnmutedTextDelay_s, false);
  return false;
}

void add_noise(TrackPlan& plan, int64_t sound_end, std::mt19937& random) {
  const auto frames = [](double s) { return static_cast<int64_t>(std::lround(s * kRateHz)); };
  std::uniform_int_distribution<int> coin(0, 3);
  int64_t pause_from = 0;
  const auto fill = [&](int64_t pause_to) {
    for (int64_t at = pause_from + frames(kFirstNoise_s); at + frames(0.04) <= pause_to;
         at += frames(kNoiseInterval_s))
      plan.noise.push_back({at, at + frames(coin(random) == 0 ? 0.02 : 0.04)});
  };
  for (const PlannedSound& sound : plan.sounds) {
    fill(std::min(sound.range.from, sound_end));
    pause_from = std::max(pause_from, sound.range.to);
  }
  fill(sound_end);
}

}  // namespace

int64_t TrackPlan::frame_at(double spoken_s) const {
  return std::llround((spoken_s - origin_s) * frames_per_s);
}

double TrackPlan::message_due_s(int64_t index, int frames) const {
  return first_message_s + static_cast<double>(index * frames) / frames_per_s;
}

TrackPlan plan_track(const TrackInput& input) {
  const Participant& who = *input.who;
  std::mt19937 random(input.seed);
  TrackPlan plan;
  plan.upgrade_s = input.upgrade_s;
  plan.first_message_s = input.upgrade_s + input.latency.first_message_ms / 1e3;
  // The pre-roll is audio: what was said when the egress connected is in the first message.
  plan.origin_s = plan.first_message_s - input.latency.audio_ms / 1e3;
  plan.frames_per_s = kRateHz * (1 + who.clock_ppm * 1e-6);

  double leave_s = who.leave_s.value_or(who.join_s);
  const Fault* death = nullptr;
  for (const Fault& fault : who.faults) {
    if (fault.kind == Fault::Kind::kStall)
      plan.stalls.push_back({fault.at_s, fault.at_s + fault.duration_s});
    if (fault.kind == Fault::Kind::kDeath && fault.at_s < leave_s) death = &fault;
  }
  if (death != nullptr) leave_s = death->at_s;

  for (const Placement& placement : input.placements) {
    const int64_t from = plan.frame_at(placement.at_s);
    const int64_t to = from + placement.audio->frames();
    if (to > 0) plan.sounds.push_back({placement.audio, {from, to}});
  }
  std::stable_sort(plan.sounds.begin(), plan.sounds.end(),
                   [](const auto& a, const auto& b) { return a.range.from < b.range.from; });

  bool told_muted = false;
  for (const Mute& mute : who.mutes) {
    if (mute.from_s >= leave_s) continue;
    const FrameRange range{std::max<int64_t>(plan.frame_at(mute.from_s), 0),
                           plan.frame_at(mute.to_s)};
    if (range.to > range.from) plan.muted.push_back(range);
    told_muted = add_mute_texts(plan, mute, leave_s) || told_muted;
  }

  for (const Mute& mute : input.told_mutes)
    if (mute.from_s < leave_s) told_muted = add_mute_texts(plan, mute, leave_s) || told_muted;

  const int64_t sound_end = std::max<int64_t>(plan.frame_at(leave_s), 0);
  if (input.comfort_noise) add_noise(plan, sound_end, random);
  double end_s = leave_s + kZerosAtEnd_s;
  if (death != nullptr) {
    if (!told_muted) add_text(plan, leave_s + kDeathTextDelay_s, true);
    add_text(plan, leave_s + kDeathNoticed_s, false);
    end_s = leave_s + kDeathClosed_s - input.latency.audio_ms / 1e3;
  } else if (told_muted) {
    add_text(plan, leave_s + kUnmutedTextDelay_s, false);
  }
  plan.muted.push_back({sound_end, INT64_MAX});

  // Only the last message is short, by any number of whole frames.
  const int64_t whole = std::max<int64_t>(plan.frame_at(end_s), 0) / kFramesPerMessage;
  if (whole > 0)
    plan.total_frames =
        whole * kFramesPerMessage + std::uniform_int_distribution<int>(13, 456)(random);
  const double last_s = whole > 0 ? plan.message_due_s(whole)
                                  : std::max(plan.upgrade_s, end_s + input.latency.audio_ms / 1e3);
  plan.controls.push_back({last_s + 0.0005, ControlEvent::Kind::kClose, {}});

  for (const Fault& fault : who.faults) {
    if (fault.kind == Fault::Kind::kFinish)
      plan.controls.push_back({fault.at_s, ControlEvent::Kind::kFinish, {}});
    if (fault.kind == Fault::Kind::kReset)
      plan.controls.push_back({fault.at_s, ControlEvent::Kind::kReset, {}});
  }
  std::stable_sort(plan.controls.begin(), plan.controls.end(),
                   [](const auto& a, const auto& b) { return a.at_s < b.at_s; });
  const auto ends = std::find_if(plan.controls.begin(), plan.controls.end(),
                                 [](const auto& c) { return c.kind != ControlEvent::Kind::kText; });
  plan.controls.erase(ends + 1, plan.controls.end());
  std::sort(plan.stalls.begin(), plan.stalls.end(),
            [](const Stall& a, const Stall& b) { return a.from_s < b.from_s; });
  return plan;
}

std::vector<double> clip_starts(const Clip& clip, const Participant& who) {
  std::vector<double> starts{clip.at_s};
  if (clip.repeat_s <= 0 || !who.leave_s) return starts;
  for (int64_t i = 1; clip.at_s + i * clip.repeat_s < *who.leave_s; ++i)
    starts.push_back(clip.at_s + i * clip.repeat_s);
  return starts;
}

}  // namespace egresssim
