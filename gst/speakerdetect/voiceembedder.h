// SPDX-License-Identifier: LGPL-2.1-or-later
// From some speech to the numbers that tell its voice from others.
#pragma once

#include <cstddef>
#include <filesystem>
#include <memory>
#include <span>
#include <string>

#include "embedding.h"
#include "speech/speechfiles.h"

namespace speakerdetect {

class VoiceEmbedder {
 public:
  virtual ~VoiceEmbedder() = default;
  // `speech` is mono at 16 kHz, 0.4 to some seconds, with little silence in it. Takes some 10 ms;
  // any thread. Empty when there is nothing to hear.
  virtual Embedding embed(std::span<const float> speech) = 0;
};

// The weights of Resemblyzer, as tools/setup converted them; shared by all who load the same file.
// nullptr with `error` for the user.
std::shared_ptr<VoiceEmbedder> load_resemblyzer(const std::filesystem::path& file,
                                                std::string& error);

// A speaker embedding model in ONNX format, as sherpa-onnx takes them, run by the speech runtime.
// nullptr with `error` for the user.
std::shared_ptr<VoiceEmbedder> load_onnx_voices(const speech::SpeechFiles& files,
                                                const std::filesystem::path& model,
                                                std::string& error);

}  // namespace speakerdetect
