// SPDX-License-Identifier: LGPL-2.1-or-later
// Where tools/setup put the speech runtime and the models.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace speech {

struct MoonshineFiles {
  std::string name;  // "moonshine-tiny"
  std::filesystem::path encoder;
  std::filesystem::path decoder;
  std::filesystem::path tokens;
};

struct SpeechFiles {
  std::filesystem::path directory;
  std::filesystem::path runtime;         // the sherpa-onnx C library
  std::filesystem::path voice_activity;  // Silero's weights
  std::filesystem::path voices;          // Resemblyzer's weights

  // `size` is tiny or base.
  MoonshineFiles moonshine(const std::string& size) const;
};

// `speech_dir` "" = $ROOMAUDIO_SPEECH_DIR, else the folder the build was told, else
// $XDG_DATA_HOME/gst-plugins-egress/speech.
SpeechFiles find_speech_files(const std::string& speech_dir);

// Those that cannot be read.
std::vector<std::filesystem::path> missing_files(const std::vector<std::filesystem::path>& files);

// What the user reads when files are missing.
std::string explain_missing(const SpeechFiles& files,
                            const std::vector<std::filesystem::path>& missing);

}  // namespace speech
