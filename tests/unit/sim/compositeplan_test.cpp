// SPDX-License-Identifier: LGPL-2.1-or-later
#include "compositeplan.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

#include "compositeoutput.h"
#include "options.h"

using namespace egresssim;

namespace {

std::shared_ptr<const Audio> constant(int16_t value, double duration_s) {
  auto audio = std::make_shared<Audio>();
  audio->samples.assign(static_cast<size_t>(duration_s * kRateHz), value);
  return audio;
}

Participant participant(const char* identity, double join_s, double leave_s) {
  Participant who;
  who.identity = identity;
  who.join_s = join_s;
  who.leave_s = leave_s;
  return who;
}

class Composite : public ::testing::Test {
 protected:
  // Everybody talks all the time unless said otherwise, so that nothing is quiet.
  void add(Participant who, int16_t value = 100) {
    input_.placements.push_back({{constant(value, *who.leave_s - who.join_s), who.join_s}});
    room_.participants.push_back(std::move(who));
  }
  CompositePlan plan() {
    input_.room = &room_;
    return plan_composite(input_);
  }

  Room room_;
  CompositeInput input_;
};

TEST_F(Composite, BeginsWithTheFirstAndEndsWithTheLast) {
  add(participant("alice", 2, 10));
  add(participant("bob", 4, 12));
  const CompositePlan p = plan();
  EXPECT_DOUBLE_EQ(p.start_s, 2);
  EXPECT_DOUBLE_EQ(p.end_s, 12);
  EXPECT_EQ(p.total_frames(), 10 * kRateHz);
}

TEST_F(Composite, LeavesAFixedTimeAfterItWasSaid) {
  add(participant("alice", 0, 10));
  const CompositePlan p = plan();
  EXPECT_DOUBLE_EQ(p.due_s(0), 0.11);
  EXPECT_DOUBLE_EQ(p.due_s(5), 5.11);
}

TEST_F(Composite, AMuteStopsTheMixThenItRunsLateThenItCatchesUpInOneBurst) {
  add(participant("alice", 0, 60));
  Participant bob = participant("bob", 0, 60);
  bob.mutes = {{10, 20}};
  add(bob);
  const CompositePlan p = plan();
  EXPECT_NEAR(p.due_s(9.88), 9.99, 1e-9) << "the last before the mute";
  EXPECT_NEAR(p.due_s(9.90), 12.67, 1e-9) << "2.66 s of nothing";
  EXPECT_NEAR(p.due_s(15.0), 17.77, 1e-9) << "then in real time, late";
  EXPECT_NEAR(p.due_s(17.5), 20.0, 1e-9) << "on the unmute all that is left";
  EXPECT_NEAR(p.due_s(19.88), 20.0, 1e-9);
  EXPECT_NEAR(p.due_s(19.90), 20.01, 1e-9) << "and on time again";
}

TEST_F(Composite, AShortMuteOnlyStopsIt) {
  add(participant("alice", 0, 60));
  Participant bob = participant("bob", 0, 60);
  bob.mutes = {{10, 11}};
  add(bob);
  const CompositePlan p = plan();
  EXPECT_NEAR(p.due_s(9.95), 11.0, 1e-9);
  EXPECT_NEAR(p.due_s(10.89), 11.01, 0.02);
}

TEST_F(Composite, TwoWhoAreMutedOneAfterTheOtherAreOneStall) {
  Participant alice = participant("alice", 0, 60);
  alice.mutes = {{10, 20}};
  add(alice);
  Participant bob = participant("bob", 0, 60);
  bob.mutes = {{18, 30}};
  add(bob);
  const CompositePlan p = plan();
  ASSERT_EQ(p.unheard.size(), 1u);
  EXPECT_NEAR(p.due_s(22), 24.77, 1e-9);
}

TEST_F(Composite, NobodyCountsAsMutedWhoIsNotThere) {
  add(participant("alice", 0, 60));
  Participant bob = participant("bob", 20, 30);
  bob.mutes = {{0, 25}, {28, 50}};
  add(bob);
  const CompositePlan p = plan();
  EXPECT_NEAR(p.due_s(10), 10.11, 1e-9);
  EXPECT_NEAR(p.due_s(21), 23.77, 1e-9);
  EXPECT_NEAR(p.due_s(40), 40.11, 1e-9);
}

TEST_F(Composite, ADeadPublisherHoldsTheMixUpUntilItIsNoticed) {
  add(participant("alice", 0, 60));
  Participant bob = participant("bob", 0, 60);
  bob.faults = {{Fault::Kind::kDeath, 10, 0}};
  add(bob);
  const CompositePlan p = plan();
  EXPECT_NEAR(p.due_s(15), 17.77, 1e-9);
  EXPECT_NEAR(p.due_s(40), 40.11, 1e-9);
}

TEST_F(Composite, WhoIsSilentLeavesGaps) {
  add(participant("alice", 0, 30));
  room_.participants.push_back(participant("bob", 0, 30));  // says nothing at all
  input_.placements.emplace_back();
  const CompositePlan p = plan();
  double longest_gap_s = 0;
  double before_s = p.due_s(1);
  for (double media_s = 1.01; media_s < 25; media_s += 0.01) {
    const double due_s = p.due_s(media_s);
    ASSERT_GE(due_s, before_s - 1e-9);
    ASSERT_LE(due_s, media_s + 0.11 + 0.28 + 1e-9);
    longest_gap_s = std::max(longest_gap_s, due_s - before_s);
    before_s = due_s;
  }
  EXPECT_NEAR(longest_gap_s, 0.28, 0.02);
}

TEST_F(Composite, WithoutGapsAndStallsItIsSmooth) {
  Participant alice = participant("alice", 0, 30);
  alice.mutes = {{10, 20}};
  add(alice);
  room_.participants.push_back(participant("bob", 0, 30));
  input_.placements.emplace_back();
  input_.timing.dtx_gaps = input_.timing.stall_on_mute = false;
  const CompositePlan p = plan();
  for (double media_s = 0; media_s < 30; media_s += 0.1)
    ASSERT_NEAR(p.due_s(media_s), media_s + 0.11, 1e-9);
}

TEST_F(Composite, AStallOfTheNetworkEndsInABurst) {
  add(participant("alice", 0, 30));
  input_.stalls = {{10, 14}};
  const CompositePlan p = plan();
  EXPECT_NEAR(p.due_s(9.8), 9.91, 1e-9);
  EXPECT_NEAR(p.due_s(9.9), 14, 1e-9);
  EXPECT_NEAR(p.due_s(13), 14, 1e-9);
  EXPECT_NEAR(p.due_s(13.9), 14.01, 1e-9);
}

TEST_F(Composite, NeverFallsBackInTime) {
  Participant alice = participant("alice", 0, 40);
  alice.mutes = {{3, 3.5}, {5, 12}, {20, 31}};
  add(alice);
  Participant bob = participant("bob", 1, 35);
  bob.mutes = {{11, 14}};
  room_.participants.push_back(bob);
  input_.placements.emplace_back();
  input_.stalls = {{13, 15}};
  const CompositePlan p = plan();
  double before_s = 0;
  for (double media_s = 0; media_s < 40; media_s += 0.01) {
    ASSERT_GE(p.due_s(media_s), before_s - 1e-9) << media_s;
    before_s = p.due_s(media_s);
  }
}

TEST_F(Composite, MixesWhoIsThereAndLeavesOutWhoIsMuted) {
  add(participant("alice", 0, 10), 100);
  Participant bob = participant("bob", 2, 6);
  bob.mutes = {{4, 5}};
  add(bob, 30);
  CompositePlan p = plan();
  CompositeRenderer renderer(p);
  std::vector<int16_t> out(960);
  const auto left_at = [&](double at_s) {
    renderer.render(static_cast<int64_t>(at_s * kRateHz), 480, out.data());
    return out[0];
  };
  EXPECT_EQ(left_at(1), 100);
  EXPECT_EQ(left_at(3), 130);
  EXPECT_EQ(left_at(4.5), 100);
  EXPECT_EQ(left_at(5.5), 130);
  EXPECT_NEAR(left_at(7), 100, 1);
  // A slice in which somebody joins.
  CompositeRenderer anew(p);
  anew.render(2 * kRateHz - 240, 480, out.data());
  EXPECT_EQ(out[478], 100);
  EXPECT_EQ(out[480], 130);
}

TEST_F(Composite, TooLoudIsClippedNotWrapped) {
  add(participant("alice", 0, 5), 30000);
  add(participant("bob", 0, 5), 30000);
  CompositePlan p = plan();
  CompositeRenderer renderer(p);
  std::vector<int16_t> out(960);
  renderer.render(kRateHz, 480, out.data());
  EXPECT_EQ(out[0], 32767);
}

// ---- the command line

std::optional<Options> parse(std::vector<const char*> words, std::string& message) {
  words.insert(words.begin(), "egress-sim");
  int exit_code = 0;
  return parse_options(static_cast<int>(words.size()), const_cast<char**>(words.data()), exit_code,
                       message);
}

TEST(CompositeOptions, ChooseWhereTheMixGoes) {
  std::string message;
  const auto plain = parse({}, message);
  ASSERT_TRUE(plain);
  EXPECT_FALSE(plain->composite);
  const auto rtmp = parse({"--composite"}, message);
  ASSERT_TRUE(rtmp && rtmp->composite);
  EXPECT_EQ(rtmp->composite->kind, CompositeKind::kRtmp);
  EXPECT_TRUE(rtmp->composite->live);
  const auto hls = parse({"--hls", "folder", "--playlist-length", "5", "--stall", "3:4"}, message);
  ASSERT_TRUE(hls && hls->composite) << message;
  EXPECT_FALSE(hls->composite->live);
  EXPECT_EQ(hls->composite->playlist_length, 5);
  ASSERT_EQ(hls->stalls.size(), 1u);
  EXPECT_DOUBLE_EQ(hls->stalls[0].to_s, 7);
  EXPECT_TRUE(hls->composite_timing.stall_on_mute);
}

TEST(CompositeOptions, WhatDoesNotFitIsTold) {
  std::string message;
  EXPECT_FALSE(parse({"--mp4", "a", "--ogg", "b"}, message));
  EXPECT_NE(message.find("only one"), std::string::npos);
  EXPECT_FALSE(parse({"--live"}, message));
  EXPECT_NE(message.find("go with a composite"), std::string::npos);
  EXPECT_FALSE(parse({"--composite", "--url", "ws://x"}, message));
  EXPECT_NE(message.find("--rtmp"), std::string::npos);
  EXPECT_FALSE(parse({"--composite", "--stall", "soon"}, message));
  EXPECT_NE(message.find("12.5:4"), std::string::npos);
}

TEST(CompositeOptions, NothingGetsOutOfAFilesName) {
  CompositeTarget target;
  target.kind = CompositeKind::kMp4;
  target.where = "a\" ! fakesink \\";
  EXPECT_NE(composite_pipeline(target).find("location=\"a\\\" ! fakesink \\\\\""),
            std::string::npos)
      << composite_pipeline(target);
}

}  // namespace
