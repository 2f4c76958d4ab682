// SPDX-License-Identifier: LGPL-2.1-or-later
#include "stt/textguard.h"

#include <glib.h>

#include <algorithm>
#include <cctype>
#include <string_view>
#include <vector>

namespace stt {
namespace {

constexpr size_t kLongestLoop = 12;  // words
// "No, no, no, no" is said; a phrase is hardly said four times on end.
constexpr size_t kWordRepeats = 5;
constexpr size_t kPhraseRepeats = 4;
// The fastest speakers reach some 25 characters a second; a short "OK" has a start-up of its own.
constexpr double kCharactersPerSecond = 40;
constexpr double kCharactersAtLeast = 16;
// Who says the same sentence twice does not hurry so.
constexpr double kCharactersPerSecondTwice = 20;
constexpr size_t kTwiceWords = 4;

struct Piece {
  std::string key;  // lower case, letters and digits only
  size_t begin = 0;
  size_t end = 0;
};

// The first character of `text` goes to `key` if it is no punctuation and no sign, as a note is
// that stands for music. Returns its length.
size_t append_if_letter(std::string& key, std::string_view text) {
  const auto byte = static_cast<unsigned char>(text[0]);
  if (byte < 128) {
    if (std::isalnum(byte)) key += static_cast<char>(std::tolower(byte));
    return 1;
  }
  const gunichar letter = g_utf8_get_char_validated(text.data(), static_cast<gssize>(text.size()));
  const bool is_valid = letter < 0x110000;
  const size_t bytes = is_valid ? static_cast<size_t>(g_unichar_to_utf8(letter, nullptr)) : 1;
  if (!is_valid || g_unichar_isalnum(letter) || g_unichar_ismark(letter)) {
    key += text.substr(0, bytes);
  }
  return bytes;
}

std::vector<Piece> split(const std::string& text) {
  std::vector<Piece> pieces;
  size_t at = 0;
  while (at < text.size()) {
    while (at < text.size() && std::isspace(static_cast<unsigned char>(text[at]))) at++;
    Piece piece;
    piece.begin = at;
    while (at < text.size() && !std::isspace(static_cast<unsigned char>(text[at]))) {
      at += append_if_letter(piece.key, std::string_view(text).substr(at));
    }
    piece.end = at;
    if (piece.end > piece.begin) pieces.push_back(std::move(piece));
  }
  return pieces;
}

// How often the `length` words from `at` on are there, one after the other.
size_t repeats(const std::vector<Piece>& pieces, size_t at, size_t length) {
  size_t count = 1;
  while (at + (count + 1) * length <= pieces.size()) {
    for (size_t i = 0; i < length; i++) {
      if (pieces[at + i].key != pieces[at + count * length + i].key) return count;
    }
    count++;
  }
  return count;
}

std::string without_loops(const std::string& text) {
  const std::vector<Piece> pieces = split(text);
  std::string result;
  size_t kept_from = 0;  // in text
  for (size_t at = 0; at < pieces.size(); at++) {
    for (size_t length = 1; length <= kLongestLoop && at + length <= pieces.size(); length++) {
      const size_t count = repeats(pieces, at, length);
      if (count < (length == 1 ? kWordRepeats : kPhraseRepeats)) continue;
      result += text.substr(kept_from, pieces[at + length - 1].end - kept_from);
      const size_t after = at + count * length;
      kept_from = pieces[after - 1].end;
      at = after - 1;
      break;
    }
  }
  return result + text.substr(kept_from);
}

// The engine now and then writes all of a span down once more, where that ends in a click or in
// another's voice.
std::string said_once(const std::string& text, double speech_s) {
  const std::vector<Piece> pieces = split(text);
  const size_t half = pieces.size() / 2;
  const bool is_twice =
      half >= kTwiceWords && pieces.size() == 2 * half && repeats(pieces, 0, half) == 2;
  const bool is_hurried = static_cast<double>(text.size()) > kCharactersPerSecondTwice * speech_s;
  return is_twice && is_hurried ? text.substr(0, pieces[half - 1].end) : text;
}

std::string trimmed(const std::string& text) {
  const auto is_space = [](unsigned char c) { return std::isspace(c) != 0; };
  const auto begin = std::find_if_not(text.begin(), text.end(), is_space);
  const auto end = std::find_if_not(text.rbegin(), text.rend(), is_space).base();
  return begin < end ? std::string(begin, end) : "";
}

}  // namespace

std::string plausible_text(const std::string& text, int64_t speech_ns) {
  std::string result = trimmed(without_loops(text));
  // Nothing but punctuation.
  const std::vector<Piece> pieces = split(result);
  if (std::all_of(pieces.begin(), pieces.end(), [](const Piece& p) { return p.key.empty(); })) {
    return "";
  }
  const double speech_s = static_cast<double>(speech_ns) / 1e9;
  result = said_once(result, speech_s);
  if (static_cast<double>(result.size()) > kCharactersAtLeast + kCharactersPerSecond * speech_s) {
    return "";
  }
  return result;
}

size_t word_count(const std::string& text) {
  return split(text).size();
}

bool seems_to_leave_words_out(const std::string& text, int64_t speech_ns) {
  constexpr double kShortestDoubtfulS = 4;
  constexpr double kWordsPerSecond = 1.6;  // most people: 2 to 3, pauses included
  const double speech_s = static_cast<double>(speech_ns) / 1e9;
  return speech_s >= kShortestDoubtfulS &&
         static_cast<double>(word_count(text)) < kWordsPerSecond * speech_s;
}

}  // namespace stt
