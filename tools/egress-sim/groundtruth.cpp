// SPDX-License-Identifier: LGPL-2.1-or-later
#include "groundtruth.h"

#include <glib.h>

#include <algorithm>
#include <cctype>

namespace egresssim {
namespace {

std::string token(const std::string& text) {
  std::string result = text.empty() ? "-" : text;
  for (char& c : result)
    if (std::isspace(static_cast<unsigned char>(c)) != 0) c = '_';
  return result;
}

std::string seconds(double value) {
  char text[G_ASCII_DTOSTR_BUF_SIZE];
  g_ascii_formatd(text, sizeof text, "%.3f", value);
  return text;
}

void sort_by_start(std::vector<Utterance>& utterances) {
  std::stable_sort(utterances.begin(), utterances.end(),
                   [](const Utterance& a, const Utterance& b) { return a.from_s < b.from_s; });
}

}  // namespace

std::string normalise_reference(const std::string& text) {
  g_autofree gchar* lower = g_utf8_strdown(text.c_str(), -1);
  const std::string from = lower;
  const auto alnum = [&](size_t i) {
    // Bytes of a longer UTF-8 sequence count as letters.
    return i < from.size() && (std::isalnum(static_cast<unsigned char>(from[i])) != 0 ||
                               (static_cast<unsigned char>(from[i]) & 0x80) != 0);
  };
  std::string result;
  for (size_t i = 0; i < from.size(); ++i) {
    const char c = from[i];
    // 9:30, 4.5, it's and forty-seven keep their mark; a mark at a word's edge goes.
    const bool joins =
        std::string(".,:'-/").find(c) != std::string::npos && i > 0 && alnum(i - 1) && alnum(i + 1);
    const bool symbol = c == '$' || c == '%' || c == '&' || c == '+';
    if (alnum(i) || joins || symbol) {
      result += c;
    } else if (!result.empty() && result.back() != ' ') {
      result += ' ';
    }
  }
  while (!result.empty() && result.back() == ' ') result.pop_back();
  return result;
}

bool is_unheard(const Participant& who, double from_s, double to_s, bool& partly) {
  double end_s = who.leave_s.value_or(to_s);
  for (const Fault& fault : who.faults)
    if (fault.kind != Fault::Kind::kStall) end_s = std::min(end_s, fault.at_s);
  const double first_s = std::max(from_s, who.join_s);
  const double last_s = std::min(to_s, end_s);
  double heard_s = std::max(0.0, last_s - first_s);
  for (const Mute& mute : who.mutes)
    heard_s -= std::max(0.0, std::min(last_s, mute.to_s) - std::max(first_s, mute.from_s));
  partly = heard_s > 1e-6 && heard_s < to_s - from_s - 1e-6;
  return heard_s <= 1e-6;
}

std::string to_stm(std::vector<Utterance> utterances, double offset_s) {
  sort_by_start(utterances);
  std::string result;
  for (const Utterance& u : utterances) {
    if (u.text.empty()) continue;
    result += token(u.room) + " 1 " + token(u.identity) + " " + seconds(u.from_s + offset_s) + " " +
              seconds(u.to_s + offset_s) + " " + normalise_reference(u.text) + "\n";
  }
  return result;
}

std::string to_rttm(std::vector<Utterance> utterances, double offset_s) {
  sort_by_start(utterances);
  std::string result;
  for (const Utterance& u : utterances)
    result += "SPEAKER " + token(u.room) + " 1 " + seconds(u.from_s + offset_s) + " " +
              seconds(u.to_s - u.from_s) + " <NA> <NA> " + token(u.identity) + " <NA> <NA>\n";
  return result;
}

}  // namespace egresssim
