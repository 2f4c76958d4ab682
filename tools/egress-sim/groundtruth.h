// SPDX-License-Identifier: LGPL-2.1-or-later
// Who really said what when, for scoring transcripts (STM) and speaker detection (RTTM).
#pragma once

#include <string>
#include <vector>

#include "scenario.h"

namespace egresssim {

struct Utterance {
  std::string room;
  std::string identity;
  double from_s = 0;
  double to_s = 0;
  std::string text;
};

// Lower case, white space collapsed, sentence marks off; numbers, times and apostrophes stay.
std::string normalise_reference(const std::string& text);

// True when nothing of [from_s, to_s) reaches the receiver: before the egress connected, after the
// participant left or died, or muted. `partly` is set when only a part does.
bool is_unheard(const Participant& who, double from_s, double to_s, bool& partly);

// Ordered by start. White space in names becomes "_".
std::string to_stm(std::vector<Utterance> utterances, double offset_s);
std::string to_rttm(std::vector<Utterance> utterances, double offset_s);

}  // namespace egresssim
