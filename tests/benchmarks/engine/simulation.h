// The same stream on a machine with nothing else to do: each decode lasts as long as the CPU time
// it takes, and starts when StreamTranscriber would start it with a free worker for each lane.
#pragma once

#include <string>
#include <vector>

#include "clips.h"
#include "measured.h"

bool simulate(const std::string& model, const std::vector<Clip>& clips, Measured& measured);
