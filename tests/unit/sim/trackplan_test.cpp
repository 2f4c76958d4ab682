// SPDX-License-Identifier: LGPL-2.1-or-later
#include "trackplan.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "playback.h"
#include "renderer.h"

using namespace egresssim;

namespace {

constexpr auto kText = ControlEvent::Kind::kText;

Participant participant(double leave_s) {
  Participant who;
  who.identity = "alice";
  who.leave_s = leave_s;
  return who;
}

TrackPlan plan_of(const Participant& who, double upgrade_s = 0,
                  LatencyProfile latency = kDefaultLatency,
                  std::vector<Placement> placements = {}) {
  TrackInput input;
  input.who = &who;
  input.upgrade_s = upgrade_s;
  input.latency = latency;
  input.placements = std::move(placements);
  return plan_track(input);
}

std::vector<std::pair<double, std::string>> texts(const TrackPlan& plan) {
  std::vector<std::pair<double, std::string>> result;
  for (const ControlEvent& control : plan.controls)
    if (control.kind == kText) result.emplace_back(control.at_s, control.text);
  return result;
}

std::shared_ptr<const Audio> constant(int16_t value, int64_t frames, int channels = 1) {
  auto audio = std::make_shared<Audio>();
  audio->channels = channels;
  audio->samples.assign(static_cast<size_t>(frames * channels), value);
  return audio;
}

const std::string kMuted = "{\"muted\":true}";
const std::string kUnmuted = "{\"muted\":false}";

TEST(TrackPlan, FirstMessageComesAfterTheLatencyAndHoldsWhatWasSaidAtTheUpgrade) {
  const Participant who = participant(10);
  const TrackPlan plan = plan_of(who, 2.0);
  EXPECT_DOUBLE_EQ(plan.message_due_s(0), 4.8);
  EXPECT_DOUBLE_EQ(plan.message_due_s(100), 5.8);
  EXPECT_NEAR(plan.origin_s, 1.98, 1e-9);
  // A sound of second 3 leaves 2.82 s later.
  const int64_t frame = plan.frame_at(3.0);
  EXPECT_NEAR(plan.message_due_s(frame / kFramesPerMessage), 5.82, 1e-9);
}

TEST(TrackPlan, EndsWithZerosAShortMessageAndACloseAtOnce) {
  const Participant who = participant(10);
  for (unsigned seed = 1; seed < 30; ++seed) {
    TrackInput input;
    input.who = &who;
    input.seed = seed;
    const TrackPlan plan = plan_track(input);
    const int64_t rest = plan.total_frames % kFramesPerMessage;
    EXPECT_GE(rest, 13);   // 52 bytes
    EXPECT_LE(rest, 456);  // 1824 bytes
    ASSERT_EQ(plan.controls.size(), 1u);
    EXPECT_EQ(plan.controls[0].kind, ControlEvent::Kind::kClose);
    EXPECT_NEAR(plan.controls[0].at_s, 13.02, 0.02);  // 3.0 s after the leave
    const FrameRange silence = plan.muted.back();
    EXPECT_EQ(silence.from, plan.frame_at(10));
    EXPECT_NEAR(static_cast<double>(plan.total_frames - silence.from) / kRateHz, 0.2, 0.011);
  }
}

TEST(TrackPlan, LowLatencyEndsHalfASecondAfterTheLeave) {
  const Participant who = participant(10);
  const TrackPlan plan = plan_of(who, 0, kLowLatency);
  EXPECT_DOUBLE_EQ(plan.message_due_s(0), 0.25);
  EXPECT_NEAR(plan.controls.back().at_s, 10.49, 0.02);
}

TEST(TrackPlan, MuteTextsRunAheadOfTheirAudio) {
  Participant who = participant(20);
  who.mutes = {{3, 8}, {10, 10.9}, {12, 14}};
  const TrackPlan plan = plan_of(who);
  const auto told = texts(plan);
  ASSERT_EQ(told.size(), 4u);  // 0.9 s is too short for a text
  EXPECT_EQ(told[0], (std::pair{4.485, kMuted}));
  EXPECT_EQ(told[1], (std::pair{8.01, kUnmuted}));
  EXPECT_EQ(told[2], (std::pair{13.485, kMuted}));
  EXPECT_EQ(told[3], (std::pair{14.01, kUnmuted}));
  // The zeros of the first mute: 3 s + 2.82 s, so 1.335 s after the text.
  const double zeros_s = plan.message_due_s(plan.muted[0].from / kFramesPerMessage);
  EXPECT_NEAR(zeros_s, 5.82, 0.011);
  EXPECT_EQ(plan.muted[1].to - plan.muted[1].from, 43200);
}

TEST(TrackPlan, AnEgressThatStartsOnAMutedTrackSaysSoLate) {
  Participant who = participant(20);
  who.mutes = {{0, 12}};
  const TrackPlan plan = plan_of(who, 1.0);
  const auto told = texts(plan);
  ASSERT_EQ(told.size(), 2u);
  EXPECT_EQ(told[0], (std::pair{6.7, kMuted}));
  EXPECT_EQ(told[1], (std::pair{12.01, kUnmuted}));
  EXPECT_EQ(plan.muted[0].from, 0);
  // Unmuted before that text is due: no text at all.
  who.mutes = {{0, 5}};
  EXPECT_TRUE(texts(plan_of(who, 1.0)).empty());
}

TEST(TrackPlan, ATrackThatEndsMutedGivesAStrayUnmutedText) {
  Participant who = participant(10);
  who.mutes = {{4, 30}};
  const auto told = texts(plan_of(who));
  ASSERT_EQ(told.size(), 2u);
  EXPECT_EQ(told[0], (std::pair{5.485, kMuted}));
  EXPECT_EQ(told[1], (std::pair{10.01, kUnmuted}));
  // Muted just before the leave: nobody was told, nothing stray.
  who.mutes = {{9, 30}};
  EXPECT_TRUE(texts(plan_of(who)).empty());
}

TEST(TrackPlan, APublisherThatDiesIsMutedThenSilentThenClosed) {
  Participant who = participant(100);
  who.faults = {{Fault::Kind::kDeath, 5, 0}};
  const TrackPlan plan = plan_of(who);
  const auto told = texts(plan);
  ASSERT_EQ(told.size(), 2u);
  EXPECT_EQ(told[0], (std::pair{7.0, kMuted}));
  EXPECT_EQ(told[1], (std::pair{26.0, kUnmuted}));
  EXPECT_EQ(plan.controls.back().kind, ControlEvent::Kind::kClose);
  EXPECT_NEAR(plan.controls.back().at_s, 29.0, 0.02);
  EXPECT_NEAR(static_cast<double>(plan.total_frames - plan.muted.back().from) / kRateHz, 21.18,
              0.02);
}

TEST(TrackPlan, AKilledHandlerHasNoCloseFrame) {
  Participant who = participant(100);
  who.faults = {{Fault::Kind::kFinish, 5, 0}};
  TrackPlan plan = plan_of(who);
  ASSERT_EQ(plan.controls.size(), 1u);
  EXPECT_EQ(plan.controls[0].kind, ControlEvent::Kind::kFinish);
  EXPECT_EQ(plan.controls[0].at_s, 5);
  who.faults = {{Fault::Kind::kReset, 6, 0}};
  EXPECT_EQ(plan_of(who).controls.back().kind, ControlEvent::Kind::kReset);
}

TEST(TrackPlan, ConnectingAfterTheLeaveSendsNoAudio) {
  const Participant who = participant(1);
  const TrackPlan plan = plan_of(who, 5.0);
  EXPECT_EQ(plan.total_frames, 0);
  ASSERT_EQ(plan.controls.size(), 1u);
  EXPECT_EQ(plan.controls[0].kind, ControlEvent::Kind::kClose);
}

TEST(TrackPlan, AFastClockSendsMoreAndSooner) {
  Participant who = participant(3600);
  who.clock_ppm = 100;
  const TrackPlan plan = plan_of(who);
  // After one hour 100 ppm are 0.36 s, or 36 messages.
  EXPECT_NEAR(plan.message_due_s(360036) - plan.first_message_s, 3600, 0.001);
  EXPECT_NEAR(plan.frame_at(3600) - plan.frame_at(0), 48000.0 * 3600 + 17280, 2);
}

TEST(TrackPlan, ComfortNoiseOnlyInPauses) {
  const Participant who = participant(4);
  const auto second = constant(1000, kRateHz);
  const TrackPlan plan = plan_of(who, 0, {0, 0}, {{second, 1.0}, {second, 1.5}});
  ASSERT_FALSE(plan.noise.empty());
  EXPECT_EQ(plan.noise[0].from, 18240);          // 0.38 s into the first pause
  EXPECT_EQ(plan.noise[1].from, 18240 + 20160);  // and 0.42 s later
  for (const FrameRange& burst : plan.noise) {
    const int64_t length = burst.to - burst.from;
    EXPECT_TRUE(length == 960 || length == 1920) << length;
    EXPECT_TRUE(burst.to <= kRateHz || burst.from >= kRateHz * 5 / 2);
    EXPECT_LE(burst.to, 4 * kRateHz);
  }
}

TEST(TrackPlan, RepeatedClipsStopAtTheLeave) {
  Participant who = participant(10);
  Clip clip;
  clip.at_s = 1;
  clip.repeat_s = 4;
  EXPECT_EQ(clip_starts(clip, who), (std::vector<double>{1, 5, 9}));
  clip.repeat_s = 0;
  EXPECT_EQ(clip_starts(clip, who), (std::vector<double>{1}));
}

TEST(Renderer, PutsSamplesWhereTheyBelong) {
  const Participant who = participant(1);
  TrackPlan plan = plan_of(who, 0, {0, 0}, {{constant(1000, 700), 0.005}});
  plan.noise.clear();
  Renderer renderer(plan);
  int16_t out[960];
  renderer.render(0, 480, out);
  EXPECT_EQ(out[2 * 239], 0);
  EXPECT_EQ(out[2 * 240], 1000);
  EXPECT_EQ(out[2 * 479], 1000);
  renderer.render(480, 480, out);
  EXPECT_EQ(out[2 * 459], 1000);
  EXPECT_EQ(out[2 * 460], 0);
  EXPECT_EQ(out[2 * 460 + 1], 0);
}

TEST(Renderer, SidesOfAMonoSourceAreNearlyTheSame) {
  const Participant who = participant(2);
  const TrackPlan plan = plan_of(who, 0, {0, 0}, {{constant(1000, 2 * kRateHz), 0}});
  Renderer renderer(plan);
  std::set<int> differences;
  int16_t out[960];
  for (int message = 0; message < 100; ++message) {
    renderer.render(message * 480, 480, out);
    for (int i = 0; i < 480; ++i) differences.insert(out[2 * i + 1] - out[2 * i]);
  }
  EXPECT_EQ(differences, (std::set<int>{-1, 0, 1}));
}

TEST(Renderer, StereoStaysExactAndFullScaleDoesNotWrap) {
  const Participant who = participant(1);
  const auto stereo = constant(32767, 4800, 2);
  const auto mono = constant(32767, 4800);
  const TrackPlan plan = plan_of(who, 0, {0, 0}, {{stereo, 0}, {mono, 0.05}, {mono, 0.3}});
  Renderer renderer(plan);
  int16_t out[960];
  for (int message = 0; message < 40; ++message) {
    renderer.render(message * 480, 480, out);
    const int16_t low = *std::min_element(out, out + 960);
    // Alone, both together, alone with dither, silence, alone.
    if (message < 5) {
      EXPECT_EQ(low, 32767) << message;
    }
    if (message < 15) {
      EXPECT_GE(low, 32766) << message;
    }
    if (message >= 16 && message < 29) {
      EXPECT_LE(*std::max_element(out, out + 960), 1) << message;
    }
  }
}

TEST(Renderer, MutedAndDigitalSilenceAreExactZeros) {
  Participant who = participant(1);
  who.mutes = {{0.105, 0.3}};
  auto audio = std::make_shared<Audio>();
  audio->samples.assign(kRateHz, 500);
  std::fill_n(audio->samples.begin() + 24000, 4800, int16_t{0});
  const TrackPlan plan = plan_of(who, 0, {0, 0}, {{audio, 0}});
  Renderer renderer(plan);
  int16_t out[960];
  const auto zeros = [&](int message) {
    renderer.render(message * 480, 480, out);
    return std::count(out, out + 960, 0);
  };
  EXPECT_EQ(zeros(9), 0);
  EXPECT_EQ(zeros(10), 480);  // the mute begins in the middle
  EXPECT_EQ(zeros(11), 960);
  EXPECT_EQ(zeros(29), 960);
  EXPECT_EQ(zeros(30), 0);
  EXPECT_EQ(zeros(55), 960);
}

// Takes everything from a playback; the sum of all kinds.
std::vector<std::pair<int64_t, Outgoing>> drain(Playback& playback) {
  std::vector<std::pair<int64_t, Outgoing>> all;
  std::vector<uint8_t> payload(kMaxPayload);
  while (playback.next_due_ns() != kNever_ns && all.size() < 100000) {
    const int64_t due_ns = playback.next_due_ns();
    all.emplace_back(due_ns, playback.take(payload.data()));
  }
  return all;
}

TEST(TrackPlayback, PingsEveryThirtySecondsFromTheUpgradeAndClosesLast) {
  const Participant who = participant(70);
  TrackInput input;
  input.who = &who;
  TrackPlayback playback(input, nullptr);
  EXPECT_EQ(playback.next_due_ns(), kNever_ns);  // not connected yet
  playback.begin(1'500'000'000);
  const auto all = drain(playback);
  std::vector<int64_t> pings;
  for (const auto& [due_ns, out] : all)
    if (out.kind == Outgoing::Kind::kPing) pings.push_back(due_ns);
  EXPECT_EQ(pings, (std::vector<int64_t>{31'500'000'000, 61'500'000'000}));
  EXPECT_EQ(all.back().second.kind, Outgoing::Kind::kClose);
  EXPECT_TRUE(std::is_sorted(all.begin(), all.end(),
                             [](const auto& a, const auto& b) { return a.first < b.first; }));
  EXPECT_EQ(all[0].first, 4'300'000'000);
  EXPECT_EQ(all[1].first - all[0].first, 10'000'000);
  EXPECT_EQ(all[0].second.length, 1920u);
  // The message before the close is the short one.
  EXPECT_LT(all[all.size() - 2].second.length, 1920u);
}

// What is stopped plays what was said up to then, and nothing that has been played changes.
TEST(TrackPlayback, EndsEarlierThanPlanned) {
  Participant who = participant(1000);
  who.mutes = {{1, 4}, {500, 600}};
  TrackInput input;
  input.who = &who;
  input.latency = kLowLatency;
  input.placements = {{constant(300, 20 * kRateHz), 0}};
  TrackPlayback whole(input, nullptr);
  TrackPlayback ended(input, nullptr);
  whole.begin(0);
  ended.begin(0);
  std::vector<uint8_t> a(kMaxPayload), b(kMaxPayload);
  int64_t last_ns = 0;
  bool closed = false;
  size_t same = 0;
  while (!closed) {
    if (last_ns < 9'000'000'000 && ended.next_due_ns() >= 9'000'000'000) ended.end_at(9);
    last_ns = ended.next_due_ns();
    ASSERT_LT(last_ns, 20'000'000'000);
    const Outgoing out = ended.take(b.data());
    closed = out.kind == Outgoing::Kind::kClose;
    if (last_ns > 9'200'000'000) continue;
    EXPECT_EQ(whole.next_due_ns(), last_ns);
    const Outgoing other = whole.take(a.data());
    ASSERT_EQ(other.kind, out.kind);
    ASSERT_EQ(other.length, out.length);
    ASSERT_TRUE(std::equal(a.begin(), a.begin() + static_cast<long>(out.length), b.begin()));
    ++same;
  }
  EXPECT_GT(same, 890u);
  // 0.29 s of latency, 0.2 s of zeros.
  EXPECT_NEAR(static_cast<double>(last_ns) * 1e-9, 9.5, 0.03);
  EXPECT_EQ(ended.next_due_ns(), kNever_ns);
}

TEST(TrackPlayback, JitterDelaysButNeverReorders) {
  Participant who = participant(5);
  who.jitter_ms = 30;
  TrackInput input;
  input.who = &who;
  input.latency = {0, 0};
  TrackPlayback playback(input, nullptr);
  playback.begin(0);
  int64_t before = 0;
  int64_t index = 0;
  int64_t most = 0;
  for (const auto& [due_ns, out] : drain(playback)) {
    if (out.kind != Outgoing::Kind::kAudio) continue;
    EXPECT_GE(due_ns, before);
    const int64_t late = due_ns - index * 10'000'000;
    EXPECT_GE(late, 0);
    EXPECT_LE(late, 30'000'000);
    most = std::max(most, late);
    before = due_ns;
    ++index;
  }
  EXPECT_GT(most, 20'000'000);
}

TEST(TrackPlayback, CountsAndDropsOverdueAudio) {
  const Participant who = participant(60);
  TrackInput input;
  input.who = &who;
  input.latency = {0, 0};
  TrackPlayback playback(input, nullptr);
  playback.begin(0);
  EXPECT_EQ(playback.overdue_audio(-1), 0);
  EXPECT_EQ(playback.overdue_audio(0), 1);
  EXPECT_EQ(playback.overdue_audio(9'990'000'000), 1000);
  playback.drop_audio(700);
  EXPECT_EQ(playback.overdue_audio(9'990'000'000), 300);
  EXPECT_EQ(playback.next_due_ns(), 7'000'000'000);
}

TEST(TrackPlayback, OpusPacketsAreTwentyMillisecondsAndShared) {
  const Participant who = participant(1);
  TrackInput input;
  input.who = &who;
  input.latency = {0, 20};
  input.placements = {{constant(3000, kRateHz), 0}};
  std::string error;
  const auto stream = OpusStream::create(input, error);
  ASSERT_TRUE(stream) << error;
  TrackPlayback first(input, stream);
  TrackPlayback second(input, stream);
  first.begin(0);
  second.begin(1'000'000);
  std::vector<uint8_t> a(kMaxPayload), b(kMaxPayload);
  int64_t due_ns = first.next_due_ns();
  for (int i = 0; i < 50; ++i) {
    EXPECT_EQ(first.next_due_ns(), due_ns);
    const Outgoing out = first.take(a.data());
    ASSERT_EQ(out.kind, Outgoing::Kind::kAudio);
    EXPECT_GT(out.length, 0u);
    EXPECT_LT(out.length, 400u);
    EXPECT_EQ(second.take(b.data()).length, out.length);
    EXPECT_TRUE(std::equal(a.begin(), a.begin() + static_cast<long>(out.length), b.begin()));
    due_ns += 20'000'000;
  }
}

}  // namespace
