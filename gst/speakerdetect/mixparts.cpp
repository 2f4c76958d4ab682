// SPDX-License-Identifier: LGPL-2.1-or-later
#include "mixparts.h"

#include "speech/silerovad.h"
#include "speech/speechfiles.h"

namespace speakerdetect {
namespace {

std::string explain(const std::vector<std::filesystem::path>& missing) {
  std::string text = "Who speaks in a mix cannot be found: there is no ";
  for (size_t i = 0; i < missing.size(); i++) text += (i > 0 ? ", " : "") + missing[i].string();
  return text +
         ". Run tools/setup, or set ROOMAUDIO_SPEECH_DIR or the speech-dir property to where " +
         "it is; find-voices=false if you do not need it. The audio passes.";
}

}  // namespace

std::shared_ptr<VoiceEmbedder> load_voice_embedder(const MixSettings& settings,
                                                   std::string& problem) {
  const speech::SpeechFiles files = speech::find_speech_files(settings.speech_dir);
  if (!settings.voices_model.empty()) {
    return load_onnx_voices(files, settings.voices_model, problem);
  }
  return load_resemblyzer(files.voices, problem);
}

std::unique_ptr<MixVoices> make_mix_voices(const MixSettings& settings, std::string& problem,
                                           const std::stop_token& stop) {
  const speech::SpeechFiles files = speech::find_speech_files(settings.speech_dir);
  std::vector<std::filesystem::path> needed = {files.voice_activity};
  if (settings.voices_model.empty()) {
    needed.push_back(files.voices);
  } else {
    needed.emplace_back(settings.voices_model);
  }
  if (const auto missing = speech::missing_files(needed); !missing.empty()) {
    problem = explain(missing);
    return nullptr;
  }
  const auto weights = speech::load_silero(files.voice_activity, problem);
  if (!weights) return nullptr;
  MixParts parts;
  parts.embedder = load_voice_embedder(settings, problem);
  if (!parts.embedder) return nullptr;
  parts.voice_activity = std::make_unique<speech::SileroVad>(weights);
  if (!settings.voices.empty()) {
    std::string unusable;
    parts.known = read_known_voices(settings.voices, *parts.embedder, weights, unusable, stop);
    if (stop.stop_requested()) return nullptr;
    if (!unusable.empty()) {
      problem = "Not all voices of " + settings.voices + " can be used: " + unusable +
                ". Others are named speaker-1, speaker-2 and so on.";
    }
  }
  VoicesConfig voices;
  voices.max_voices = settings.max_voices;
  return std::make_unique<MixVoices>(std::move(parts), voices);
}

LearnerParts make_learner_parts(const MixSettings& settings, std::string& problem) {
  const speech::SpeechFiles files = speech::find_speech_files(settings.speech_dir);
  LearnerParts parts;
  parts.voice_activity = speech::load_silero(files.voice_activity, problem);
  if (parts.voice_activity) parts.embedder = load_voice_embedder(settings, problem);
  return parts;
}

}  // namespace speakerdetect
