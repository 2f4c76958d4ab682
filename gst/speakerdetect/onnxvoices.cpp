// SPDX-License-Identifier: LGPL-2.1-or-later
// A better voice network that the user has, run by the speech runtime.
#include <mutex>

#include "speech/sherparuntime.h"
#include "speech/voiceactivity.h"
#include "voiceembedder.h"

namespace speakerdetect {

#ifdef HAVE_SPEECH_RUNTIME

namespace {

using speech::SherpaRuntime;

class OnnxVoices : public VoiceEmbedder {
 public:
  OnnxVoices(const SherpaRuntime& runtime, const SherpaOnnxSpeakerEmbeddingExtractor* extractor)
      : runtime_(runtime), extractor_(extractor) {}
  ~OnnxVoices() override { runtime_.DestroySpeakerEmbeddingExtractor(extractor_); }
  OnnxVoices(const OnnxVoices&) = delete;
  OnnxVoices& operator=(const OnnxVoices&) = delete;

  Embedding embed(std::span<const float> speech) override {
    const std::lock_guard guard(lock_);
    const std::unique_ptr<const SherpaOnnxOnlineStream, decltype(runtime_.DestroyOnlineStream)>
        stream(runtime_.SpeakerEmbeddingExtractorCreateStream(extractor_),
               runtime_.DestroyOnlineStream);
    if (!stream) return {};
    runtime_.OnlineStreamAcceptWaveform(stream.get(), speech::kSampleRateHz, speech.data(),
                                        int32_t(speech.size()));
    runtime_.OnlineStreamInputFinished(stream.get());
    if (!runtime_.SpeakerEmbeddingExtractorIsReady(extractor_, stream.get())) return {};
    const float* values =
        runtime_.SpeakerEmbeddingExtractorComputeEmbedding(extractor_, stream.get());
    if (!values) return {};
    Embedding embedding(values, values + runtime_.SpeakerEmbeddingExtractorDim(extractor_));
    runtime_.SpeakerEmbeddingExtractorDestroyEmbedding(values);
    return normalized(std::move(embedding));
  }

 private:
  const SherpaRuntime& runtime_;
  std::mutex lock_;  // one call of the extractor at a time
  const SherpaOnnxSpeakerEmbeddingExtractor* const extractor_;
};

}  // namespace

std::shared_ptr<VoiceEmbedder> load_onnx_voices(const speech::SpeechFiles& files,
                                                const std::filesystem::path& model,
                                                std::string& error) {
  const SherpaRuntime* runtime = speech::open_sherpa_runtime(files.runtime, error);
  if (!runtime) return nullptr;
  SherpaOnnxSpeakerEmbeddingExtractorConfig config = {};
  config.model = model.c_str();
  config.num_threads = 1;
  config.provider = "cpu";
  const SherpaOnnxSpeakerEmbeddingExtractor* extractor =
      runtime->CreateSpeakerEmbeddingExtractor(&config);
  if (extractor) return std::make_shared<OnnxVoices>(*runtime, extractor);
  error = "The voice model " + model.string() +
          " cannot be used: it is no speaker embedding model that sherpa-onnx takes.";
  return nullptr;
}

#else

std::shared_ptr<VoiceEmbedder> load_onnx_voices(const speech::SpeechFiles&,
                                                const std::filesystem::path&, std::string& error) {
  error = speech::sherpa_build_problem();
  return nullptr;
}

#endif

}  // namespace speakerdetect
