// SPDX-License-Identifier: LGPL-2.1-or-later
// Live captions as text for a terminal: what is being said is rewritten in place until it is
// final. Pure: returns what to print.
#pragma once

#include <string>
#include <vector>

#include "../transcript.h"

namespace stt {

class Captions {
 public:
  explicit Captions(bool terminal) : terminal_(terminal) {}

  // `columns` is the terminal's width now.
  std::string update(const Transcript& transcript, int columns);
  // Takes back what is not final, for the end.
  std::string finish();

 private:
  struct Open {
    std::string utterance;
    Speaker speaker;
    std::string text;
  };

  std::string live_line(int columns) const;

  const bool terminal_;
  std::vector<Open> open_;  // the last one is on screen
  bool line_shown_ = false;
};

}  // namespace stt
