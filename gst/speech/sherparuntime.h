// SPDX-License-Identifier: LGPL-2.1-or-later
// The sherpa-onnx library, opened while running: a plugin then loads and explains itself on a
// machine without it, and does not depend on the folder it was built against.
#pragma once

#include <filesystem>
#include <string>

#ifdef HAVE_SPEECH_RUNTIME
#include <sherpa-onnx/c-api/c-api.h>
#endif

namespace speech {

#ifdef HAVE_SPEECH_RUNTIME

// The functions in use, typed by the header so that a wrong call does not compile.
struct SherpaRuntime {
#define SPEECH_SHERPA_FUNCTION(name) decltype(&::SherpaOnnx##name) name = nullptr
  SPEECH_SHERPA_FUNCTION(GetVersionStr);
  SPEECH_SHERPA_FUNCTION(CreateOfflineRecognizer);
  SPEECH_SHERPA_FUNCTION(DestroyOfflineRecognizer);
  SPEECH_SHERPA_FUNCTION(CreateOfflineStream);
  SPEECH_SHERPA_FUNCTION(DestroyOfflineStream);
  SPEECH_SHERPA_FUNCTION(AcceptWaveformOffline);
  SPEECH_SHERPA_FUNCTION(DecodeOfflineStream);
  SPEECH_SHERPA_FUNCTION(GetOfflineStreamResult);
  SPEECH_SHERPA_FUNCTION(DestroyOfflineRecognizerResult);
  SPEECH_SHERPA_FUNCTION(CreateSpeakerEmbeddingExtractor);
  SPEECH_SHERPA_FUNCTION(DestroySpeakerEmbeddingExtractor);
  SPEECH_SHERPA_FUNCTION(SpeakerEmbeddingExtractorDim);
  SPEECH_SHERPA_FUNCTION(SpeakerEmbeddingExtractorCreateStream);
  SPEECH_SHERPA_FUNCTION(SpeakerEmbeddingExtractorIsReady);
  SPEECH_SHERPA_FUNCTION(SpeakerEmbeddingExtractorComputeEmbedding);
  SPEECH_SHERPA_FUNCTION(SpeakerEmbeddingExtractorDestroyEmbedding);
  SPEECH_SHERPA_FUNCTION(OnlineStreamAcceptWaveform);
  SPEECH_SHERPA_FUNCTION(OnlineStreamInputFinished);
  SPEECH_SHERPA_FUNCTION(DestroyOnlineStream);
#undef SPEECH_SHERPA_FUNCTION
};

// Opens the library once in the process and checks its version: the layout of its structures
// changes between versions. nullptr with `error` for the user. Never unloaded, as it has threads
// and exit handlers of its own.
const SherpaRuntime* open_sherpa_runtime(const std::filesystem::path& library, std::string& error);

#endif

// "" when this build can use the engine at all, else what to do.
std::string sherpa_build_problem();

}  // namespace speech
