// SPDX-License-Identifier: LGPL-2.1-or-later
// Results as text, format by format. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "../transcript.h"

namespace stt {

enum class Format { kJsonLines, kText, kWebVtt, kSubRip };

// "07" -> hh:mm:ss; longer than 99 hours just gets wider. Negative times count as 0.
std::string clock_time(int64_t time_ns);
std::string vtt_time(int64_t time_ns);  // hh:mm:ss.mmm
std::string srt_time(int64_t time_ns);  // hh:mm:ss,mmm

// Line breaks, other control characters (also those a terminal obeys) and runs of spaces become
// one space; what turns the direction of writing is left out; what is not UTF-8 is replaced.
std::string single_line(std::string_view text);
std::string valid_utf8(std::string_view text);

std::string to_json(const Transcript& transcript);       // one object, no line break
std::string to_text_line(const Transcript& transcript);  // "[hh:mm:ss] Name: text"
std::string to_vtt_cue(const Transcript& transcript);    // with its empty line
std::string to_srt_cue(const Transcript& transcript, uint64_t number);
std::string_view header_of(Format format);

// One entry with its line break; cues of SubRip are numbered by `number`.
std::string to_entry(Format format, const Transcript& transcript, uint64_t number);

// By extension; false when there is no such format.
bool format_of_path(std::string_view path, Format& format);

}  // namespace stt
