// SPDX-License-Identifier: LGPL-2.1-or-later
// From what the user set to what listens to a mix: models and known voices.
#pragma once

#include <memory>
#include <stop_token>
#include <string>

#include "mixvoices.h"
#include "voicelearner.h"

namespace speakerdetect {

struct MixSettings {
  size_t max_voices = 20;
  std::string voices;       /* folder of known voices, "" = none */
  std::string voices_model; /* ONNX file instead of the network that tools/setup installs */
  std::string speech_dir;   /* "" = where tools/setup put things */
};

/** The voice network of the settings. nullptr with a text for the user. */
std::shared_ptr<VoiceEmbedder> load_voice_embedder(const MixSettings& settings,
                                                   std::string& problem);

/** Takes some 10 ms, and a twentieth of the recordings' length where voices are given. nullptr with
 * a text for the user; a text with a result tells what is left out. Told to stop, it returns soon
 * and has nothing to say. */
std::unique_ptr<MixVoices> make_mix_voices(const MixSettings& settings, std::string& problem,
                                           const std::stop_token& stop = {});

/** The same for learning; nothing in it, and a text for the user, where there are no models. */
LearnerParts make_learner_parts(const MixSettings& settings, std::string& problem);

}  // namespace speakerdetect
