// What a run of the benchmark found.
#pragma once

#include <cstddef>
#include <vector>

#include "stt/transcriber.h"

struct Measured {
  std::vector<double> final_s;          // end of speech by the voice activity to the final
  std::vector<double> clip_final_s;     // last sound of a clip to its last final
  std::vector<double> first_partial_s;  // first sample of an utterance to its first partial
  size_t said = 0;
  size_t errors = 0;
  double audio_s = 0;
  double cpu_s = 0;
  stt::TranscriberStats stats;
};

void print_measured(const Measured& measured);
