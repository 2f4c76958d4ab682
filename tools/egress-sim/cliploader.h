// SPDX-License-Identifier: LGPL-2.1-or-later
// Turns clips into samples: files through GStreamer, texts through the flite synthesiser.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "trackplan.h"

namespace egresssim {

class ClipLoader {
 public:
  // Synthesised sentences are kept in `cache_folder` (made when missing).
  explicit ClipLoader(std::string cache_folder) : cache_folder_(std::move(cache_folder)) {}

  // The same clip is decoded once. nullptr with `error` when it cannot be had.
  std::shared_ptr<const Audio> load(const Clip& clip, std::string& error);

 private:
  std::string synthesise(const Clip& clip, std::string& error);

  std::string cache_folder_;
  std::map<std::string, std::shared_ptr<const Audio>> loaded_;
};

// Finds where the sound begins and ends: 40 dB below the loudest 10 ms.
void find_speech(Audio& audio);

// Ten seconds of a talker-like load signal: bursts of noise with pauses.
std::shared_ptr<const Audio> make_load_signal(unsigned seed);

}  // namespace egresssim
