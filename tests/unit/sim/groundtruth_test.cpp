// SPDX-License-Identifier: LGPL-2.1-or-later
#include "groundtruth.h"

#include <gtest/gtest.h>

#include "cliploader.h"

using namespace egresssim;

namespace {

TEST(GroundTruth, ReferenceTextIsPlain) {
  EXPECT_EQ(normalise_reference("Good morning, Bob!  It's 9:30."), "good morning bob it's 9:30");
  EXPECT_EQ(normalise_reference("Forty-seven boxes - $4.50, (50%)."),
            "forty-seven boxes $4.50 50%");
  EXPECT_EQ(normalise_reference("\xc3\x96l 'quoted'"), "\xc3\xb6l quoted");
  EXPECT_EQ(normalise_reference(" ... "), "");
}

TEST(GroundTruth, StmIsOrderedAndShifted) {
  const std::vector<Utterance> said{{"room one", "bob", 5, 6.25, "Yes."},
                                    {"room one", "alice", 1, 2, "Hello, Bob!"},
                                    {"room one", "noise", 3, 4, ""}};
  EXPECT_EQ(to_stm(said, 2.82),
            "room_one 1 alice 3.820 4.820 hello bob\nroom_one 1 bob 7.820 9.070 yes\n");
  EXPECT_EQ(to_rttm({said[0]}, 0), "SPEAKER room_one 1 5.000 1.250 <NA> <NA> bob <NA> <NA>\n");
  EXPECT_EQ(to_stm({}, 0), "");
}

TEST(GroundTruth, WhatNobodyHears) {
  Participant who;
  who.identity = "alice";
  who.join_s = 2;
  who.leave_s = 20;
  who.mutes = {{5, 8}};
  bool partly = false;
  EXPECT_TRUE(is_unheard(who, 0, 1.5, partly));
  EXPECT_TRUE(is_unheard(who, 5.5, 7, partly));
  EXPECT_TRUE(is_unheard(who, 20, 21, partly));
  EXPECT_FALSE(is_unheard(who, 9, 10, partly));
  EXPECT_FALSE(partly);
  EXPECT_FALSE(is_unheard(who, 4, 6, partly));
  EXPECT_TRUE(partly);
  who.faults = {{Fault::Kind::kDeath, 15, 0}, {Fault::Kind::kStall, 3, 1}};
  EXPECT_TRUE(is_unheard(who, 16, 17, partly));
  EXPECT_FALSE(is_unheard(who, 3, 4, partly));
}

TEST(GroundTruth, SpeechBoundsLeaveOutTheSilence) {
  Audio audio;
  audio.samples.assign(kRateHz, 0);
  for (int i = 12000; i < 36000; ++i) audio.samples[i] = (i & 1) != 0 ? 8000 : -8000;
  find_speech(audio);
  EXPECT_DOUBLE_EQ(audio.speech_from_s, 0.25);
  EXPECT_DOUBLE_EQ(audio.speech_to_s, 0.75);
  Audio silent;
  silent.samples.assign(4800, 0);
  find_speech(silent);
  EXPECT_DOUBLE_EQ(silent.speech_from_s, 0);
  EXPECT_DOUBLE_EQ(silent.speech_to_s, 0.1);
}

TEST(GroundTruth, MissingFilesAndVoicesAreErrors) {
  ClipLoader loader("/nonexistent/cache");
  Clip clip;
  clip.file = "/nonexistent/hello.wav";
  std::string error;
  EXPECT_FALSE(loader.load(clip, error));
  EXPECT_EQ(error, "there is no audio file /nonexistent/hello.wav");
}

TEST(GroundTruth, LoadSignalHasPausesAndFits) {
  const auto audio = make_load_signal(1);
  EXPECT_EQ(audio->frames(), 10 * kRateHz);
  EXPECT_GT(audio->speech_to_s, 6);
  EXPECT_LT(audio->speech_to_s, 7.1);
  EXPECT_EQ(make_load_signal(1)->samples, audio->samples);
}

}  // namespace
