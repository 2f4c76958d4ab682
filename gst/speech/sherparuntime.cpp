// SPDX-License-Identifier: LGPL-2.1-or-later
#include "speech/sherparuntime.h"

#include <dlfcn.h>

#include <map>
#include <mutex>

namespace speech {

#ifdef HAVE_SPEECH_RUNTIME

namespace {

template <typename Function>
bool resolve(void* library, const char* name, Function& function, std::string& error) {
  function = reinterpret_cast<Function>(dlsym(library, name));
  if (function != nullptr) return true;
  error = std::string("The speech runtime has no function ") + name +
          ": it is not sherpa-onnx " SPEECH_RUNTIME_VERSION ". Run tools/setup.";
  return false;
}

bool load(const std::filesystem::path& path, SherpaRuntime& runtime, std::string& error) {
  // Local: another ONNX runtime in the process must not be mixed up with this one.
  void* library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
  if (library == nullptr) {
    const char* reason = dlerror();
    error = "The speech runtime cannot be loaded: " + std::string(reason != nullptr ? reason : "") +
            ". Run tools/setup.";
    return false;
  }
#define SPEECH_RESOLVE(name) resolve(library, "SherpaOnnx" #name, runtime.name, error)
  if (!SPEECH_RESOLVE(GetVersionStr)) return false;
  const std::string version = runtime.GetVersionStr();
  if (version != SPEECH_RUNTIME_VERSION) {
    error = "The speech runtime " + path.string() + " is sherpa-onnx " + version +
            ", this build needs " SPEECH_RUNTIME_VERSION ". Run tools/setup.";
    return false;
  }
  return SPEECH_RESOLVE(CreateOfflineRecognizer) && SPEECH_RESOLVE(DestroyOfflineRecognizer) &&
         SPEECH_RESOLVE(CreateOfflineStream) && SPEECH_RESOLVE(DestroyOfflineStream) &&
         SPEECH_RESOLVE(AcceptWaveformOffline) && SPEECH_RESOLVE(DecodeOfflineStream) &&
         SPEECH_RESOLVE(GetOfflineStreamResult) && SPEECH_RESOLVE(DestroyOfflineRecognizerResult) &&
         SPEECH_RESOLVE(CreateSpeakerEmbeddingExtractor) &&
         SPEECH_RESOLVE(DestroySpeakerEmbeddingExtractor) &&
         SPEECH_RESOLVE(SpeakerEmbeddingExtractorDim) &&
         SPEECH_RESOLVE(SpeakerEmbeddingExtractorCreateStream) &&
         SPEECH_RESOLVE(SpeakerEmbeddingExtractorIsReady) &&
         SPEECH_RESOLVE(SpeakerEmbeddingExtractorComputeEmbedding) &&
         SPEECH_RESOLVE(SpeakerEmbeddingExtractorDestroyEmbedding) &&
         SPEECH_RESOLVE(OnlineStreamAcceptWaveform) && SPEECH_RESOLVE(OnlineStreamInputFinished) &&
         SPEECH_RESOLVE(DestroyOnlineStream);
#undef SPEECH_RESOLVE
}

}  // namespace

const SherpaRuntime* open_sherpa_runtime(const std::filesystem::path& library, std::string& error) {
  static std::mutex mutex;
  static std::map<std::filesystem::path, SherpaRuntime> runtimes;  // guarded by mutex
  const std::lock_guard lock(mutex);
  const auto known = runtimes.find(library);
  if (known != runtimes.end()) return &known->second;
  SherpaRuntime runtime;
  if (!load(library, runtime, error)) return nullptr;
  return &runtimes.emplace(library, runtime).first->second;
}

std::string sherpa_build_problem() {
  return "";
}

#else

std::string sherpa_build_problem() {
  return "This build has no speech engine: the speech runtime was not there when it was configured."
         " Run tools/setup, then meson setup --reconfigure and build again.";
}

#endif

}  // namespace speech
