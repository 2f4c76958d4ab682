// SPDX-License-Identifier: LGPL-2.1-or-later
// check_engine and load_engine: from names to loaded models.
#include "speech/sherparuntime.h"
#include "speech/silerovad.h"
#include "speech/speechfiles.h"
#include "stt/engines/moonshinemodel.h"
#include "stt/streamtranscriber.h"
#include "stt/transcriber.h"

namespace stt {
namespace {

struct Plan {
  SpeechFiles files;
  std::string final_size;
  std::string partial_size;
};

std::string make_plan(const EngineConfig& config, Plan& plan) {
  if (config.engine != "sherpa") {
    return "There is no speech engine \"" + config.engine + "\". Known: sherpa.";
  }
  if (config.model == "tiered") {
    plan.final_size = "base";
    plan.partial_size = "tiny";
  } else if (config.model == "tiny" || config.model == "base") {
    plan.final_size = config.model;
    plan.partial_size = config.model;
  } else {
    return "There is no speech model \"" + config.model + "\". Known: tiny, base, tiered.";
  }
  if (std::string problem = sherpa_build_problem(); !problem.empty()) return problem;
  plan.files = find_speech_files(config.speech_dir);
  std::vector<std::filesystem::path> needed = {plan.files.runtime, plan.files.voice_activity};
  for (const std::string& size : {plan.final_size, plan.partial_size}) {
    const MoonshineFiles model = plan.files.moonshine(size);
    needed.insert(needed.end(), {model.encoder, model.decoder, model.tokens});
    if (plan.final_size == plan.partial_size) break;
  }
  const auto missing = missing_files(needed);
  return missing.empty() ? "" : explain_missing(plan.files, missing);
}

class MoonshineEngine : public SpeechEngine {
 public:
  explicit MoonshineEngine(SpeechParts parts) : parts_(std::move(parts)) {}
  std::unique_ptr<Transcriber> new_transcriber(const TranscriberConfig& config,
                                               Transcriber::OnResult on_result) override {
    return std::make_unique<StreamTranscriber>(parts_, config, std::move(on_result));
  }

 private:
  const SpeechParts parts_;
};

}  // namespace

std::string check_engine(const EngineConfig& config) {
  Plan plan;
  return make_plan(config, plan);
}

std::shared_ptr<SpeechEngine> load_engine(const EngineConfig& config, std::string& error,
                                          const std::function<void(int)>& progress) {
  const auto report = [&progress](int percent) {
    if (progress) progress(percent);
  };
  Plan plan;
  error = make_plan(config, plan);
  if (!error.empty()) return nullptr;
  report(0);
  const std::shared_ptr<const SileroWeights> voice_activity =
      load_silero(plan.files.voice_activity, error);
  if (!voice_activity) return nullptr;
  report(5);
  SpeechParts parts;
  parts.partial_model = load_moonshine(plan.files, plan.partial_size, error);
  if (!parts.partial_model) return nullptr;
  if (plan.final_size != plan.partial_size) {
    report(40);
    parts.final_model = load_moonshine(plan.files, plan.final_size, error);
    if (!parts.final_model) return nullptr;
  } else {
    parts.final_model = parts.partial_model;
  }
  parts.new_voice_activity = [voice_activity] {
    return std::make_unique<SileroVad>(voice_activity);
  };
  parts.pool = WorkerPool::shared();
  report(100);
  return std::make_shared<MoonshineEngine>(std::move(parts));
}

}  // namespace stt
