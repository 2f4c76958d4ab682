// SPDX-License-Identifier: LGPL-2.1-or-later
#include "captions.h"

#include <glib.h>

#include <algorithm>

#include "format.h"

namespace stt {

namespace {

constexpr const char* kEraseLine = "\r\033[K";
constexpr const char* kBold = "\033[1m";
constexpr const char* kPlain = "\033[0m";

int width_of(gunichar character) {
  if (g_unichar_iszerowidth(character)) return 0;
  return g_unichar_iswide(character) ? 2 : 1;
}

int width_of(const std::string& text) {
  int width = 0;
  for (const gchar* at = text.c_str(); *at; at = g_utf8_next_char(at)) {
    width += width_of(g_utf8_get_char(at));
  }
  return width;
}

// The end of `text` that fits: what was said last is what one wants to read.
std::string tail_that_fits(const std::string& text, int columns) {
  if (width_of(text) <= columns) return text;
  int width = 1;  // the ellipsis
  const gchar* at = text.c_str() + text.size();
  while (at > text.c_str()) {
    const gchar* before = g_utf8_prev_char(at);
    width += width_of(g_utf8_get_char(before));
    if (width > columns) break;
    at = before;
  }
  return "…" + std::string(at);
}

std::string styled(const std::string& name, const std::string& text, bool terminal) {
  if (name.empty()) return text;
  return (terminal ? kBold + name + ":" + kPlain : name + ":") + " " + text;
}

}  // namespace

std::string Captions::live_line(int columns) const {
  if (open_.empty()) return {};
  const Open& shown = open_.back();
  std::string name = single_line(display_name(shown.speaker));
  // A full last column would wrap the line on some terminals.
  const int usable = std::max(columns - 1, 10);
  if (width_of(name) > usable / 2) name = tail_that_fits(name, usable / 2);
  const int for_name = name.empty() ? 0 : width_of(name) + 2;
  return styled(name, tail_that_fits(single_line(shown.text), usable - for_name), true);
}

std::string Captions::update(const Transcript& transcript, int columns) {
  std::erase_if(open_, [&](const Open& open) { return open.utterance == transcript.utterance; });
  const std::string text = single_line(transcript.text);
  std::string out;
  if (!transcript.is_final) {
    if (!terminal_) return {};
    open_.push_back({transcript.utterance, transcript.speaker, transcript.text});
  } else if (!text.empty()) {
    out = styled(single_line(display_name(transcript.speaker)), text, terminal_) + "\n";
  }
  if (!terminal_) return out;
  const std::string live = live_line(columns);
  out = (line_shown_ ? kEraseLine : "") + out + live;
  line_shown_ = !live.empty();
  return out;
}

std::string Captions::finish() {
  open_.clear();
  const bool shown = line_shown_;
  line_shown_ = false;
  return shown ? kEraseLine : "";
}

}  // namespace stt
