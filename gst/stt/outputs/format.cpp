// SPDX-License-Identifier: LGPL-2.1-or-later
#include "format.h"

#include <glib.h>

#include <algorithm>
#include <cmath>

#include "livekit/utf8.h"

namespace stt {

namespace {

constexpr int64_t kMillisecondNs = 1'000'000;

template <typename... Args>
std::string printed(const char* format, Args... args) {
  gchar* text = g_strdup_printf(format, args...);
  std::string result(text);
  g_free(text);
  return result;
}

std::string time_with(int64_t time_ns, char separator) {
  const int64_t ms = std::max<int64_t>(time_ns, 0) / kMillisecondNs;
  return clock_time(time_ns) + printed("%c%03d", separator, int(ms % 1000));
}

// Rounded to a millisecond and written the same in every locale.
std::string seconds(int64_t time_ns) {
  const int64_t ms = (std::max<int64_t>(time_ns, 0) + kMillisecondNs / 2) / kMillisecondNs;
  return printed("%" G_GINT64_FORMAT ".%03d", gint64(ms / 1000), int(ms % 1000));
}

std::string json_string(std::string_view text) {
  std::string out = "\"";
  for (const char c : valid_utf8(text)) {
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (c == '\n') {
      out += "\\n";
    } else if (guchar(c) < 0x20 || c == 0x7f) {
      out += printed("\\u%04x", guint(guchar(c)));
    } else {
      out += c;
    }
  }
  return out + '"';
}

// A cue needs a length, or players never show it.
int64_t cue_end(const Transcript& transcript) {
  return std::max(transcript.end_ns, std::max<int64_t>(transcript.start_ns, 0) + kMillisecondNs);
}

std::string vtt_escape(std::string_view text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      default:
        out += c;
    }
  }
  return out;
}

std::string named(const Transcript& transcript) {
  const std::string name = single_line(display_name(transcript.speaker));
  const std::string text = single_line(transcript.text);
  return name.empty() ? text : name + ": " + text;
}

std::string words_json(const std::vector<Word>& words) {
  std::string out;
  for (const Word& word : words) {
    out += out.empty() ? "" : ",";
    out += "{\"text\":" + json_string(word.text) + ",\"start\":" + seconds(word.start_ns) +
           ",\"end\":" + seconds(word.end_ns) + "}";
  }
  return "[" + out + "]";
}

}  // namespace

std::string clock_time(int64_t time_ns) {
  const int64_t s = std::max<int64_t>(time_ns, 0) / (1000 * kMillisecondNs);
  return printed("%02" G_GINT64_FORMAT ":%02d:%02d", gint64(s / 3600), int(s / 60 % 60),
                 int(s % 60));
}

std::string vtt_time(int64_t time_ns) {
  return time_with(time_ns, '.');
}

std::string srt_time(int64_t time_ns) {
  return time_with(time_ns, ',');
}

std::string valid_utf8(std::string_view text) {
  if (g_utf8_validate(text.data(), gssize(text.size()), nullptr)) return std::string(text);
  gchar* valid = g_utf8_make_valid(text.data(), gssize(text.size()));
  std::string result(valid);
  g_free(valid);
  return result;
}

std::string single_line(std::string_view text) {
  const std::string valid = valid_utf8(text);
  std::string out;
  bool space = false;
  for (const gchar* at = valid.c_str(); *at; at = g_utf8_next_char(at)) {
    const gunichar character = g_utf8_get_char(at);
    // U+2028 and U+2029 break lines too.
    if (g_unichar_iscntrl(character) || g_unichar_isspace(character) || character == 0x2028 ||
        character == 0x2029) {
      space = true;
      continue;
    }
    const std::string_view letter(at, size_t(g_utf8_next_char(at) - at));
    // A name must not turn the direction of the text behind it.
    if (livekit::is_bidi_control(letter)) continue;
    if (space && !out.empty()) out += ' ';
    space = false;
    out.append(letter);
  }
  return out;
}

std::string to_json(const Transcript& transcript) {
  std::string out = "{\"type\":";
  auto add = [&out](const char* name, const std::string& value) {
    out += std::string(",\"") + name + "\":" + value;
  };
  out += transcript.is_final ? "\"final\"" : "\"partial\"";
  add("utterance", json_string(transcript.utterance));
  add("revision", printed("%u", transcript.revision));
  add("room", json_string(transcript.room));
  add("track", json_string(transcript.speaker.track));
  add("identity", json_string(transcript.speaker.identity));
  add("name", json_string(display_name(transcript.speaker)));
  const ParticipantInfo& participant = transcript.participant;
  if (!participant.metadata.empty()) add("metadata", json_string(participant.metadata));
  // As text too: nobody has checked that it is JSON.
  if (!participant.attributes.empty()) add("attributes", json_string(participant.attributes));
  add("text", json_string(transcript.text));
  add("language", json_string(transcript.language));
  add("start", seconds(transcript.start_ns));
  add("end", seconds(transcript.end_ns));
  if (!transcript.utc_start.empty()) add("utc", json_string(transcript.utc_start));
  if (!transcript.utc_end.empty()) add("utc_end", json_string(transcript.utc_end));
  if (transcript.latency_ms >= 0) {
    add("latency_ms", printed("%" G_GINT64_FORMAT, gint64(transcript.latency_ms)));
  }
  add("engine", json_string(transcript.engine));
  add("model", json_string(transcript.model));
  if (!transcript.words.empty()) add("words", words_json(transcript.words));
  if (transcript.confidence >= 0) {
    const int thousandths = int(std::lround(std::min(transcript.confidence, 1.0) * 1000));
    add("confidence", printed("%d.%03d", thousandths / 1000, thousandths % 1000));
  }
  return out + "}";
}

std::string to_text_line(const Transcript& transcript) {
  return "[" + clock_time(transcript.start_ns) + "] " + named(transcript);
}

std::string to_vtt_cue(const Transcript& transcript) {
  const std::string name = vtt_escape(single_line(display_name(transcript.speaker)));
  const std::string text = vtt_escape(single_line(transcript.text));
  return transcript.utterance + "\n" + vtt_time(transcript.start_ns) + " --> " +
         vtt_time(cue_end(transcript)) + "\n" +
         (name.empty() ? text : "<v " + name + ">" + text + "</v>") + "\n\n";
}

std::string to_srt_cue(const Transcript& transcript, uint64_t number) {
  std::string body = named(transcript);
  // SubRip knows no escapes, and this is the mark of a cue's times.
  for (size_t at = body.find("-->"); at != std::string::npos; at = body.find("-->")) {
    body.replace(at, 3, "->");
  }
  return printed("%" G_GUINT64_FORMAT, guint64(number)) + "\n" + srt_time(transcript.start_ns) +
         " --> " + srt_time(cue_end(transcript)) + "\n" + body + "\n\n";
}

std::string_view header_of(Format format) {
  return format == Format::kWebVtt ? "WEBVTT\n\n" : "";
}

std::string to_entry(Format format, const Transcript& transcript, uint64_t number) {
  switch (format) {
    case Format::kJsonLines:
      return to_json(transcript) + "\n";
    case Format::kText:
      return to_text_line(transcript) + "\n";
    case Format::kWebVtt:
      return to_vtt_cue(transcript);
    case Format::kSubRip:
      return to_srt_cue(transcript, number);
  }
  return {};
}

bool format_of_path(std::string_view path, Format& format) {
  gchar* lower = g_ascii_strdown(path.data(), gssize(path.size()));
  const std::string name(lower);
  g_free(lower);
  if (name.ends_with(".jsonl")) {
    format = Format::kJsonLines;
  } else if (name.ends_with(".txt")) {
    format = Format::kText;
  } else if (name.ends_with(".vtt")) {
    format = Format::kWebVtt;
  } else if (name.ends_with(".srt")) {
    format = Format::kSubRip;
  } else {
    return false;
  }
  return true;
}

}  // namespace stt
