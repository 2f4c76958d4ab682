// SPDX-License-Identifier: LGPL-2.1-or-later
#include "speech/speechfiles.h"

#include <unistd.h>

#include <cstdlib>

namespace speech {
namespace {

std::string environment(const char* name) {
  const char* value = std::getenv(name);
  return value != nullptr ? value : "";
}

std::filesystem::path default_directory() {
  if (const std::string told = environment("ROOMAUDIO_SPEECH_DIR"); !told.empty()) return told;
#ifdef SPEECH_DIR
  if (*SPEECH_DIR != '\0') return SPEECH_DIR;
#endif
  std::filesystem::path data_home = environment("XDG_DATA_HOME");
  if (data_home.empty()) data_home = std::filesystem::path(environment("HOME")) / ".local/share";
  return data_home / "gst-plugins-egress" / "speech";
}

}  // namespace

MoonshineFiles SpeechFiles::moonshine(const std::string& size) const {
  const std::string name = "moonshine-" + size;
  const std::filesystem::path folder = directory / "models" / name;
  return {name, folder / "encoder.ort", folder / "decoder.ort", folder / "tokens.txt"};
}

SpeechFiles find_speech_files(const std::string& speech_dir) {
  SpeechFiles files;
  files.directory = speech_dir.empty() ? default_directory() : std::filesystem::path(speech_dir);
  files.runtime = files.directory / "sherpa_onnx" / "lib" / "libsherpa-onnx-c-api.so";
  files.voice_activity = files.directory / "models" / "silero_vad_16k.safetensors";
  files.voices = files.directory / "models" / "resemblyzer.safetensors";
  return files;
}

std::vector<std::filesystem::path> missing_files(const std::vector<std::filesystem::path>& files) {
  std::vector<std::filesystem::path> missing;
  for (const auto& file : files) {
    std::error_code error;
    if (!std::filesystem::is_regular_file(file, error) || access(file.c_str(), R_OK) != 0) {
      missing.push_back(file);
    }
  }
  return missing;
}

std::string explain_missing(const SpeechFiles& files,
                            const std::vector<std::filesystem::path>& missing) {
  std::string text = "The speech engine is not installed in " + files.directory.string() + " (no ";
  for (size_t i = 0; i < missing.size(); i++) {
    if (i > 0) text += ", ";
    text += missing[i].lexically_relative(files.directory).string();
  }
  return text +
         "). Run tools/setup, or point ROOMAUDIO_SPEECH_DIR or the speech-dir property to where "
         "it is.";
}

}  // namespace speech
