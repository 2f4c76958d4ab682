// SPDX-License-Identifier: LGPL-2.1-or-later
// The voices heard so far, with embeddings of three numbers.
#include "speakerdetect/voices.h"

#include <gtest/gtest.h>

#include <random>

namespace speakerdetect {
namespace {

Embedding towards(float x, float y, float z = 0) {
  return normalized({x, y, z});
}

TEST(Voices, AreNumberedAsTheyComeAndKnownOnesKeepTheirNames) {
  Voices voices;
  const VoiceId alice = voices.add_known("alice", towards(1, 0));
  const VoiceId first = voices.add_found(towards(0, 1), 2);
  const VoiceId second = voices.add_found(towards(0, 0, 1), 2);
  EXPECT_EQ(voices.find(alice)->identity, "alice");
  EXPECT_EQ(voices.find(first)->identity, "speaker-1");
  EXPECT_EQ(voices.find(second)->identity, "speaker-2");
  EXPECT_EQ(voices.n_heard(), 2U);  // alice has not talked
  voices.hear(alice);
  EXPECT_EQ(voices.n_heard(), 3U);
}

TEST(Voices, LearningMovesAVoiceByTheSpeechItHeard) {
  Voices voices;
  const VoiceId id = voices.add_found(towards(1, 0), 2);
  voices.learn(id, towards(0, 1), 2);
  EXPECT_NEAR(likeness(voices.find(id)->likeness, towards(1, 1)), 1, 1e-6);
  EXPECT_DOUBLE_EQ(voices.find(id)->learnt_s, 4);
  // What was learnt long ago counts no more than a minute of speech.
  for (int i = 0; i < 100; i++) voices.learn(id, towards(0, 1), 2);
  EXPECT_DOUBLE_EQ(voices.find(id)->learnt_s, 60);
  EXPECT_GT(likeness(voices.find(id)->likeness, towards(0, 1)), 0.99);
}

TEST(Voices, EmbeddingsOfAnotherLengthAreNotMixed) {
  Voices voices;
  const VoiceId id = voices.add_found(towards(1, 0), 2);
  voices.learn(id, normalized({1, 1}), 2);
  EXPECT_EQ(voices.find(id)->likeness, towards(1, 0));
  EXPECT_EQ(likeness(towards(1, 0), normalized({1, 1})), 0);
}

TEST(Voices, MaturityGrowsWithTheSpeechHeard) {
  Voices voices;
  const VoiceId id = voices.add_found(towards(1, 0), 1);
  EXPECT_EQ(voices.maturity(*voices.find(id)), 0);
  voices.learn(id, towards(1, 0), 2);
  EXPECT_GT(voices.maturity(*voices.find(id)), 0.2);
  EXPECT_LT(voices.maturity(*voices.find(id)), 0.8);
  voices.learn(id, towards(1, 0), 10);
  EXPECT_EQ(voices.maturity(*voices.find(id)), 1);
}

TEST(Voices, AGivenOneIsKnownWellOnlyWhenItWasHeardHere) {
  Voices voices;
  const VoiceId id = voices.add_known("alice", towards(1, 0));
  EXPECT_NEAR(voices.maturity(*voices.find(id)), 0.33, 1e-9);
  voices.learn(id, towards(1, 0), 15);
  EXPECT_NEAR(voices.maturity(*voices.find(id)), 0.665, 1e-9);
  voices.learn(id, towards(1, 0), 100);
  EXPECT_NEAR(voices.maturity(*voices.find(id)), 1, 1e-9);
}

/* Examples around a direction, spread by chance in all of 64 dimensions as real ones are. */
constexpr size_t kDimensions = 64;

Embedding direction(size_t main, size_t more) {
  Embedding embedding(kDimensions, 0.0F);
  embedding[main] = 1;
  embedding[more] = 0.5F;
  return normalized(std::move(embedding));
}

void learn_cloud(Voices& voices, VoiceId id, const Embedding& middle, float spread, int count) {
  std::mt19937 random(1);
  std::normal_distribution<float> noise(0, spread / 8);
  for (int i = 0; i < count; i++) {
    Embedding example = middle;
    for (float& value : example) value += noise(random);
    voices.learn(id, normalized(std::move(example)), 0.3);
  }
}

TEST(Voices, OneThatTurnsOutToBeTwoIsSplit) {
  Voices voices;
  const Embedding alice = direction(0, 1);
  const Embedding bob = direction(1, 0);  // rather alike: 0.8
  const VoiceId id = voices.add_found(alice, 2);
  learn_cloud(voices, id, alice, 0.3F, 20);
  EXPECT_FALSE(voices.split_unlike());
  learn_cloud(voices, id, bob, 0.3F, 12);
  ASSERT_TRUE(voices.split_unlike());
  ASSERT_EQ(voices.n_heard(), 2U);
  EXPECT_GT(likeness(voices.find(id)->likeness, alice), 0.98);  // the larger part
  const Voice& fresh = voices.all().back();
  EXPECT_EQ(fresh.identity, "speaker-2");
  EXPECT_GT(likeness(fresh.likeness, bob), 0.98);
  EXPECT_FALSE(voices.split_unlike());
  EXPECT_FALSE(voices.merge_alike());
}

TEST(Voices, WhoTalksUnevenlyIsStillOne) {
  Voices voices;
  const VoiceId id = voices.add_found(direction(0, 1), 2);
  learn_cloud(voices, id, direction(0, 1), 0.8F, 60);
  EXPECT_FALSE(voices.split_unlike());
  EXPECT_EQ(voices.n_heard(), 1U);
}

TEST(Voices, NothingIsSplitWhereThereMayBeNoMore) {
  VoicesConfig config;
  config.max_voices = 1;
  Voices voices(config);
  const VoiceId id = voices.add_found(direction(0, 1), 2);
  learn_cloud(voices, id, direction(0, 1), 0.3F, 20);
  learn_cloud(voices, id, direction(1, 0), 0.3F, 20);
  EXPECT_FALSE(voices.split_unlike());
}

TEST(Voices, TwoThatTurnOutAlikeAreTheEarlierOne) {
  Voices voices;
  const VoiceId first = voices.add_found(towards(1, 0), 5);
  const VoiceId other = voices.add_found(towards(0, 1), 5);
  const VoiceId again = voices.add_found(towards(1, 0.3F), 2);
  EXPECT_FALSE(voices.merge_alike());  // too little of it was heard
  voices.learn(again, towards(1, 0.3F), 3);
  const auto merged = voices.merge_alike();
  ASSERT_TRUE(merged);
  EXPECT_EQ(merged->gone, again);
  EXPECT_EQ(merged->kept, first);
  EXPECT_EQ(voices.find(again), nullptr);
  EXPECT_EQ(voices.n_heard(), 2U);
  EXPECT_DOUBLE_EQ(voices.find(first)->learnt_s, 10);
  EXPECT_NE(voices.find(other), nullptr);
  EXPECT_FALSE(voices.merge_alike());
}

TEST(Voices, KnownOnesAreNotMergedWithEachOther) {
  Voices voices;
  voices.add_known("alice", towards(1, 0));
  const VoiceId twin = voices.add_known("alice's twin", towards(1, 0.01F));
  voices.hear(twin);
  EXPECT_FALSE(voices.merge_alike());
}

TEST(Voices, WhatWasFoundBecomesTheKnownOneItIs) {
  Voices voices;
  const VoiceId alice = voices.add_known("alice", towards(1, 0));
  const VoiceId found = voices.add_found(towards(1, 0.2F), 6);
  const auto merged = voices.merge_alike();
  ASSERT_TRUE(merged);
  EXPECT_EQ(merged->kept, alice);
  EXPECT_EQ(merged->gone, found);
  EXPECT_TRUE(voices.find(alice)->heard);
  EXPECT_EQ(voices.find(alice)->likeness, towards(1, 0));  // what was given stays
}

TEST(Voices, ThereAreNeverMoreThanWereAskedFor) {
  VoicesConfig config;
  config.max_voices = 2;
  Voices voices(config);
  for (int i = 0; i < 10; i++) voices.add_known("k" + std::to_string(i), towards(1, float(i)));
  EXPECT_NE(voices.add_found(towards(1, 0), 2), kNoVoice);
  EXPECT_TRUE(voices.may_add());
  EXPECT_NE(voices.add_found(towards(0, 1), 2), kNoVoice);
  EXPECT_FALSE(voices.may_add());
  EXPECT_EQ(voices.add_found(towards(0, 0, 1), 2), kNoVoice);
}

TEST(Voices, NothingIsNoVoice) {
  Voices voices;
  EXPECT_EQ(voices.add_found({}, 2), kNoVoice);
  EXPECT_TRUE(normalized({0, 0}).empty());
  EXPECT_TRUE(normalized({}).empty());
}

}  // namespace
}  // namespace speakerdetect
