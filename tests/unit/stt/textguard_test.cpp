#include "stt/textguard.h"

#include <gtest/gtest.h>

namespace stt {
namespace {

constexpr int64_t kSecondNs = 1'000'000'000;

TEST(TextGuard, WhatIsSaidStays) {
  const char* const texts[] = {
      "Ever tried. Ever failed. No matter. Try again.",
      "No, no, no, no.",
      "It was the best of times, it was the worst of times, it was the age of wisdom.",
      "Very very very good, very very very good, very very very good!",
      "Ça va?",
  };
  for (const char* text : texts) EXPECT_EQ(plausible_text(text, 5 * kSecondNs), text);
  EXPECT_EQ(plausible_text("OK, thank you.", kSecondNs / 4), "OK, thank you.");
}

TEST(TextGuard, LoopsAreCutToOneRound) {
  EXPECT_EQ(plausible_text("So you you you you you you", 10 * kSecondNs), "So you");
  EXPECT_EQ(
      plausible_text("And then. Thank you. Thank you, thank you thank you. Good.", 10 * kSecondNs),
      "And then. Thank you. Good.");
  std::string loop = "We start";
  for (int i = 0; i < 40; i++) loop += " it was the worst of times,";
  EXPECT_EQ(plausible_text(loop, 10 * kSecondNs), "We start it was the worst of times,");
}

TEST(TextGuard, MoreThanCanBeSaidIsInvented) {
  const std::string text = "In the beginning the universe was created and this made people angry";
  EXPECT_EQ(plausible_text(text, 4 * kSecondNs), text);
  EXPECT_EQ(plausible_text(text, kSecondNs / 2), "");
}

TEST(TextGuard, AHurriedSecondTimeIsNotSaid) {
  const std::string once = "The new office has room for 35 people.";
  const std::string twice = once + " " + once;
  EXPECT_EQ(plausible_text(twice, 2'900'000'000), once);
  EXPECT_EQ(plausible_text(twice, 5'500'000'000), twice);
  EXPECT_EQ(plausible_text("Thank you. Thank you.", 1'000'000'000), "Thank you. Thank you.");
  EXPECT_EQ(plausible_text(once + " The old office has room for 35 people.", 2'900'000'000),
            once + " The old office has room for 35 people.");
}

TEST(TextGuard, PunctuationIsNoText) {
  EXPECT_EQ(plausible_text("", kSecondNs), "");
  EXPECT_EQ(plausible_text("  \n", kSecondNs), "");
  EXPECT_EQ(plausible_text(" ... , -", kSecondNs), "");
  EXPECT_EQ(plausible_text("\u266a\u266a", kSecondNs), "") << "the engine's sign for music";
  EXPECT_EQ(plausible_text("\u2026 \u2014", kSecondNs), "");
  EXPECT_EQ(plausible_text("  Yes. ", kSecondNs), "Yes.");
  EXPECT_EQ(plausible_text("\u0414\u0430.", kSecondNs), "\u0414\u0430.");
  EXPECT_EQ(plausible_text("\xff", kSecondNs), "\xff") << "not for this to judge";
}

}  // namespace
TEST(LeavesWordsOut, FewWordsInSecondsOfSpeech) {
  const std::string ten = "one two three four five six seven eight nine ten";
  EXPECT_TRUE(seems_to_leave_words_out(ten, 7'000'000'000));
  EXPECT_FALSE(seems_to_leave_words_out(ten, 5'000'000'000));
  EXPECT_TRUE(seems_to_leave_words_out("", 4'000'000'000));
  // A slow "Well, yes." is no sign of anything.
  EXPECT_FALSE(seems_to_leave_words_out("Well, yes.", 2'000'000'000));
}

}  // namespace stt
