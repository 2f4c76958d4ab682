// Live captions: what a terminal gets, and what a pipe gets.
#include <gtest/gtest.h>

#include "outputs/captions.h"

namespace stt {
namespace {

Transcript said(const std::string& utterance, const std::string& name, const std::string& text,
                bool is_final) {
  Transcript t;
  t.utterance = utterance;
  t.speaker.name = name;
  t.text = text;
  t.is_final = is_final;
  return t;
}

constexpr const char* kAlice = "\033[1mAlice:\033[0m ";
constexpr const char* kBob = "\033[1mBob:\033[0m ";
const std::string kErase = "\r\033[K";

TEST(SttCaptions, PipeGetsFinalsOnly) {
  Captions captions(false);
  EXPECT_EQ(captions.update(said("u1", "Alice", "Hel", false), 80), "");
  EXPECT_EQ(captions.update(said("u1", "Alice", "Hello.", true), 80), "Alice: Hello.\n");
  EXPECT_EQ(captions.update(said("u2", "", "Who?", true), 80), "Who?\n");
  EXPECT_EQ(captions.update(said("u3", "Bob", "", true), 80), "");
  EXPECT_EQ(captions.finish(), "");
}

TEST(SttCaptions, TerminalRewritesInPlace) {
  Captions captions(true);
  EXPECT_EQ(captions.update(said("u1", "Alice", "Hel", false), 80), std::string(kAlice) + "Hel");
  EXPECT_EQ(captions.update(said("u1", "Alice", "Hello", false), 80), kErase + kAlice + "Hello");
  EXPECT_EQ(captions.update(said("u1", "Alice", "Hello.", true), 80), kErase + kAlice + "Hello.\n");
  // Nothing is shown now, so nothing is erased.
  EXPECT_EQ(captions.update(said("u2", "Bob", "Hi.", true), 80), std::string(kBob) + "Hi.\n");
}

TEST(SttCaptions, FinalOfOneKeepsThePartialOfAnother) {
  Captions captions(true);
  captions.update(said("u1", "Alice", "One", false), 80);
  EXPECT_EQ(captions.update(said("u2", "Bob", "Two", false), 80), kErase + kBob + "Two");
  EXPECT_EQ(captions.update(said("u1", "Alice", "One.", true), 80),
            kErase + kAlice + "One.\n" + kBob + "Two");
  // Taken back: the line goes.
  EXPECT_EQ(captions.update(said("u2", "Bob", "", true), 80), kErase);
}

TEST(SttCaptions, LongPartialShowsItsEndAndFitsTheLine) {
  Captions captions(true);
  const std::string name = "\033[1mAl:\033[0m ";
  EXPECT_EQ(captions.update(said("u1", "Al", "abcdefghijklmnopqrstuvwxyz", false), 21),
            name + "…lmnopqrstuvwxyz");
  EXPECT_EQ(captions.update(said("u1", "Al", "éééééééééééééééééééé", false), 21),
            kErase + name + "…ééééééééééééééé");
}

TEST(SttCaptions, WideCharactersCountTwice) {
  Captions captions(true);
  EXPECT_EQ(captions.update(said("u1", "", "日本日本語日本", false), 12), "…日本語日本");
}

TEST(SttCaptions, NamesCannotCommandTheTerminal) {
  Captions captions(true);
  const std::string out = captions.update(said("u1", "\x1b[2Jx", "\x1b]0;t\x07y\u009bz", true), 80);
  EXPECT_EQ(out, "\033[1m[2Jx:\033[0m ]0;t y z\n");
}

TEST(SttCaptions, FinishTakesTheLiveLineBack) {
  Captions captions(true);
  captions.update(said("u1", "Alice", "Hel", false), 80);
  EXPECT_EQ(captions.finish(), kErase);
  EXPECT_EQ(captions.finish(), "");
}

}  // namespace
}  // namespace stt
