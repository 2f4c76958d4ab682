// SPDX-License-Identifier: LGPL-2.1-or-later
#include "stt/engines/moonshinemodel.h"

#include <exception>

#include "speech/sherparuntime.h"

namespace stt {

#ifdef HAVE_SPEECH_RUNTIME

namespace {

using Recognizer = std::shared_ptr<const SherpaOnnxOfflineRecognizer>;

class MoonshineSession : public Session {
 public:
  MoonshineSession(const SherpaRuntime& runtime, Recognizer recognizer)
      : runtime_(runtime), recognizer_(std::move(recognizer)) {}

  Hypothesis decode(const SpeechSpan& span) override {
    Hypothesis hypothesis;
    hypothesis.language = "en";
    // A recognizer is shared by threads; what a call changes is in its stream object.
    const std::unique_ptr<const SherpaOnnxOfflineStream, decltype(runtime_.DestroyOfflineStream)>
        stream(runtime_.CreateOfflineStream(recognizer_.get()), runtime_.DestroyOfflineStream);
    if (!stream) return hypothesis;
    runtime_.AcceptWaveformOffline(stream.get(), kSampleRateHz, span.samples.data(),
                                   static_cast<int32_t>(span.samples.size()));
    runtime_.DecodeOfflineStream(recognizer_.get(), stream.get());
    const std::unique_ptr<const SherpaOnnxOfflineRecognizerResult,
                          decltype(runtime_.DestroyOfflineRecognizerResult)>
        result(runtime_.GetOfflineStreamResult(stream.get()),
               runtime_.DestroyOfflineRecognizerResult);
    if (result && result->text != nullptr) hypothesis.text = result->text;
    return hypothesis;
  }

 private:
  const SherpaRuntime& runtime_;
  const Recognizer recognizer_;
};

class MoonshineModel : public Model {
 public:
  MoonshineModel(std::string name, const SherpaRuntime& runtime, Recognizer recognizer)
      : name_(std::move(name)), runtime_(runtime), recognizer_(std::move(recognizer)) {
    capabilities_.languages = {"en"};
  }

  const std::string& name() const override { return name_; }
  const Capabilities& capabilities() const override { return capabilities_; }
  std::unique_ptr<Session> new_session() const override {
    return std::make_unique<MoonshineSession>(runtime_, recognizer_);
  }

 private:
  const std::string name_;
  const SherpaRuntime& runtime_;
  const Recognizer recognizer_;
  Capabilities capabilities_;
};

Recognizer create_recognizer(const SherpaRuntime& runtime, const MoonshineFiles& files) {
  SherpaOnnxOfflineRecognizerConfig config = {};
  config.feat_config.sample_rate = kSampleRateHz;
  config.feat_config.feature_dim = 80;
  config.model_config.moonshine.encoder = files.encoder.c_str();
  config.model_config.moonshine.merged_decoder = files.decoder.c_str();
  config.model_config.tokens = files.tokens.c_str();
  config.model_config.provider = "cpu";
  // A second thread inside a decode doubles its CPU and makes it slower; the worker pool is where
  // the cores are used.
  config.model_config.num_threads = 1;
  config.decoding_method = "greedy_search";
  return Recognizer(runtime.CreateOfflineRecognizer(&config),
                    [destroy = runtime.DestroyOfflineRecognizer](auto* recognizer) {
                      if (recognizer != nullptr) destroy(recognizer);
                    });
}

}  // namespace

std::shared_ptr<const Model> load_moonshine(const SpeechFiles& files, const std::string& size,
                                            std::string& error) {
  const MoonshineFiles model_files = files.moonshine(size);
  const SherpaRuntime* runtime = open_sherpa_runtime(files.runtime, error);
  if (runtime == nullptr) return nullptr;
  return share_model(
      model_files.encoder.parent_path().string(), [&]() -> std::shared_ptr<const Model> {
        Recognizer recognizer;
        std::string reason = "it is not a model this runtime reads";
        // The C functions let the runtime's exceptions through.
        try {
          recognizer = create_recognizer(*runtime, model_files);
        } catch (const std::exception& exception) {
          reason = exception.what();
        }
        if (!recognizer) {
          error = "The model in " + model_files.encoder.parent_path().string() +
                  " cannot be loaded: " + reason + ". Run tools/setup to install it again.";
          return nullptr;
        }
        return std::make_shared<MoonshineModel>(model_files.name, *runtime, std::move(recognizer));
      });
}

#else

std::shared_ptr<const Model> load_moonshine(const SpeechFiles&, const std::string&,
                                            std::string& error) {
  error = sherpa_build_problem();
  return nullptr;
}

#endif

}  // namespace stt
