// SPDX-License-Identifier: LGPL-2.1-or-later
// One result as it leaves sttsink: what the engine understood plus who, where and when.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "transcriber.h"

namespace stt {

// What LiveKit's API says of the participant; "" where it says nothing.
struct ParticipantInfo {
  std::string metadata;
  std::string attributes;  // a JSON object of strings
};

// Every string is valid UTF-8.
struct Transcript {
  bool is_final = false;
  std::string utterance;  // "u1", "u2" … unique in the sink
  uint32_t revision = 0;
  std::string room;
  Speaker speaker;
  ParticipantInfo participant;
  std::string text;
  std::string language;
  int64_t start_ns = 0;  // running time
  int64_t end_ns = 0;
  std::string utc_start;  // ISO 8601; "" when the input is not live
  std::string utc_end;
  int64_t latency_ms = -1;  // end of the speech to emission; -1 when the input is not live
  std::string engine;
  std::string model;
  std::vector<Word> words;
  double confidence = -1;
};

// What to call the speaker in captions; "" when nobody knows.
inline const std::string& display_name(const Speaker& speaker) {
  return speaker.name.empty() ? speaker.identity : speaker.name;
}

}  // namespace stt
