// SPDX-License-Identifier: LGPL-2.1-or-later
// Recognizers that write like language models also invent: they fall into loops, or write more
// than anybody can say in the time.
#pragma once

#include <cstdint>
#include <string>

namespace stt {

// `text` without what was invented, "" when all of it must be. `speech_ns` is the length of the
// speech it came from.
std::string plausible_text(const std::string& text, int64_t speech_ns);

size_t word_count(const std::string& text);

// True for some seconds of speech and fewer words than the slowest speakers need for them.
bool seems_to_leave_words_out(const std::string& text, int64_t speech_ns);

}  // namespace stt
