// SPDX-License-Identifier: LGPL-2.1-or-later
#include "knownvoices.h"

#include <gst/gst.h>

#include <algorithm>
#include <cmath>
#include <iterator>
#include <mutex>
#include <system_error>

namespace speakerdetect {
namespace {

namespace fs = std::filesystem;

constexpr size_t kLongestSamples = size_t(600) * speech::kSampleRateHz;
constexpr size_t kStretchSamples = 50 * speech::kWindowSamples; /* 1.6 s */
constexpr size_t kStepSamples = kStretchSamples / 2;
constexpr double kLeastSeconds = 1.0;
constexpr float kSpeechProbability = 0.5F;
constexpr GstClockTime kReadTimeout = 60 * GST_SECOND;
constexpr GstClockTime kStopInterval = 100 * GST_MSECOND;
constexpr const char* kVoiceExtension = ".voice";

struct Unref {
  void operator()(gpointer object) const { gst_object_unref(object); }
};
template <typename T>
using GstPtr = std::unique_ptr<T, Unref>;

struct Recording {
  std::vector<float>* samples;
  std::mutex lock;  // the pipeline's thread fills it until the pipeline has stopped
};

void take_buffer(GstElement*, GstBuffer* buffer, GstPad*, gpointer data) {
  auto* recording = static_cast<Recording*>(data);
  GstMapInfo map;
  if (!gst_buffer_map(buffer, &map, GST_MAP_READ)) return;
  const auto* from = reinterpret_cast<const float*>(map.data);
  const std::lock_guard guard(recording->lock);
  std::vector<float>& samples = *recording->samples;
  const size_t room = kLongestSamples - std::min(samples.size(), kLongestSamples);
  // A file of floats may hold what is no number, or too large to be squared.
  std::transform(from, from + std::min(map.size / sizeof(float), room), std::back_inserter(samples),
                 [](float s) { return std::isfinite(s) ? std::clamp(s, -1.0F, 1.0F) : 0.0F; });
  gst_buffer_unmap(buffer, &map);
}

// Video alone would neither end nor fail.
void check_audio(GstElement* decoder, gpointer audio) {
  const GstPtr<GstPad> pad(gst_element_get_static_pad(GST_ELEMENT(audio), "sink"));
  if (gst_pad_is_linked(pad.get())) return;
  gst_element_message_full(decoder, GST_MESSAGE_ERROR, GST_STREAM_ERROR,
                           GST_STREAM_ERROR_WRONG_TYPE, g_strdup("has no audio"), nullptr, __FILE__,
                           __func__, __LINE__);
}

}  // namespace

KnownVoice take_voice(const std::string& name, std::span<const float> samples,
                      VoiceEmbedder& embedder,
                      const std::shared_ptr<const speech::SileroWeights>& voice_activity,
                      const std::stop_token& stop) {
  std::vector<float> speech_only;
  speech::SileroVad activity(voice_activity);
  for (size_t at = 0; at + speech::kWindowSamples <= samples.size(); at += speech::kWindowSamples) {
    if (stop.stop_requested()) return {name, {}, 0};
    const auto window = samples.subspan(at, speech::kWindowSamples);
    if (activity.probability(window) < kSpeechProbability) continue;
    speech_only.insert(speech_only.end(), window.begin(), window.end());
  }
  KnownVoice voice;
  voice.name = name;
  voice.seconds = double(speech_only.size()) / speech::kSampleRateHz;
  if (voice.seconds < kLeastSeconds) return voice;
  Embedding sum;
  for (size_t at = 0; at == 0 || at + kStretchSamples <= speech_only.size(); at += kStepSamples) {
    if (stop.stop_requested()) return {name, {}, 0};
    const size_t count = std::min(kStretchSamples, speech_only.size() - at);
    const Embedding one = embedder.embed(std::span(speech_only).subspan(at, count));
    if (one.empty()) continue;
    sum.resize(one.size());
    for (size_t i = 0; i < sum.size(); i++) sum[i] += one[i];
  }
  voice.embedding = normalized(std::move(sum));
  return voice;
}

bool read_recording(const fs::path& file, std::vector<float>& samples, std::string& error,
                    const std::stop_token& stop) {
  samples.clear();
  GError* problem = nullptr;
  const GstPtr<GstElement> pipeline(gst_parse_launch(
      "filesrc name=file ! decodebin name=decoder ! audioconvert name=audio ! audioresample ! "
      "audio/x-raw,format=F32LE,rate=16000,channels=1 ! fakesink name=sink signal-handoffs=true",
      &problem));
  if (!pipeline || problem) {
    error = problem ? problem->message : "cannot decode";
    g_clear_error(&problem);
    return false;
  }
  const GstPtr<GstElement> source(gst_bin_get_by_name(GST_BIN(pipeline.get()), "file"));
  const GstPtr<GstElement> sink(gst_bin_get_by_name(GST_BIN(pipeline.get()), "sink"));
  const GstPtr<GstElement> decoder(gst_bin_get_by_name(GST_BIN(pipeline.get()), "decoder"));
  const GstPtr<GstElement> audio(gst_bin_get_by_name(GST_BIN(pipeline.get()), "audio"));
  const GstPtr<GstBus> bus(gst_element_get_bus(pipeline.get()));
  Recording recording{&samples, {}};
  g_object_set(source.get(), "location", file.c_str(), nullptr);
  g_signal_connect(sink.get(), "handoff", G_CALLBACK(take_buffer), &recording);
  g_signal_connect(decoder.get(), "no-more-pads", G_CALLBACK(check_audio), audio.get());
  gst_element_set_state(pipeline.get(), GST_STATE_PLAYING);
  GstMessage* message = nullptr;
  for (GstClockTime waited = 0; !message && waited < kReadTimeout && !stop.stop_requested();
       waited += kStopInterval) {
    message = gst_bus_timed_pop_filtered(bus.get(), kStopInterval,
                                         GstMessageType(GST_MESSAGE_EOS | GST_MESSAGE_ERROR));
  }
  gst_element_set_state(pipeline.get(), GST_STATE_NULL);
  const bool complete = message && GST_MESSAGE_TYPE(message) == GST_MESSAGE_EOS;
  if (!complete) {
    error = "takes too long";
    if (message) {
      gst_message_parse_error(message, &problem, nullptr);
      error = problem->message;
      g_clear_error(&problem);
    }
  }
  if (message) gst_message_unref(message);
  return complete;
}

std::vector<KnownVoice> read_known_voices(
    const fs::path& folder, VoiceEmbedder& embedder,
    const std::shared_ptr<const speech::SileroWeights>& voice_activity, std::string& error,
    const std::stop_token& stop) {
  std::vector<KnownVoice> voices;
  error.clear();
  const auto complain = [&error](const fs::path& file, const std::string& what) {
    error += (error.empty() ? "" : "; ") + file.filename().string() + ": " + what;
  };
  std::error_code problem;
  std::vector<fs::path> files;
  for (const auto& entry : fs::directory_iterator(folder, problem)) {
    const std::string name = entry.path().filename().string();
    if (entry.is_regular_file(problem) && !name.empty() && name.front() != '.') {
      files.push_back(entry.path());
    }
  }
  if (problem) {
    error = "cannot read the folder " + folder.string();
    return voices;
  }
  std::sort(files.begin(), files.end());
  for (const fs::path& file : files) {
    if (stop.stop_requested()) break;
    KnownVoice voice;
    std::string what;
    if (file.extension() == kVoiceExtension) {
      if (!read_voice(file, voice, what)) {
        complain(file, what);
        continue;
      }
      voice.name = file.stem().string();
    } else {
      std::vector<float> samples;
      if (!read_recording(file, samples, what, stop)) {
        complain(file, what);
        continue;
      }
      voice = take_voice(file.stem().string(), samples, embedder, voice_activity, stop);
      if (voice.embedding.empty()) {
        complain(file, "has less than a second of speech");
        continue;
      }
    }
    // A recording and a learnt voice of the same person are one voice.
    const auto same = std::find_if(voices.begin(), voices.end(),
                                   [&](const KnownVoice& v) { return v.name == voice.name; });
    if (same == voices.end()) {
      voices.push_back(std::move(voice));
    } else if (same->embedding.size() == voice.embedding.size()) {
      for (size_t i = 0; i < voice.embedding.size(); i++) {
        same->embedding[i] =
            float(same->embedding[i] * same->seconds + voice.embedding[i] * voice.seconds);
      }
      same->seconds += voice.seconds;
      same->embedding = normalized(std::move(same->embedding));
    }
  }
  return voices;
}

}  // namespace speakerdetect
