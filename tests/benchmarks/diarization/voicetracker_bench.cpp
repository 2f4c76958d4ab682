// SPDX-License-Identifier: LGPL-2.1-or-later
// Tells who talks when in WAV files (16 kHz, 16 bit, mono), as speakerdetect would, as fast as the
// machine can: an RTTM beside each, and what it cost. With several sets of settings each is run;
// what the network said is computed once.
//   voicetracker_bench [--silence-ms N] [--known FOLDER]... [--set name=value,...]... WAV...
#include <gst/gst.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <fstream>
#include <iterator>
#include <map>
#include <string>

#include "speakerdetect/knownvoices.h"
#include "speakerdetect/voicetracker.h"
#include "speech/silerovad.h"
#include "speech/speechfiles.h"

namespace {

using namespace speakerdetect;

double cpu_seconds() {
  return double(std::clock()) / CLOCKS_PER_SEC;
}

bool apply(const std::string& settings, VoiceTrackerConfig& tracker, VoicesConfig& voices) {
  const std::map<std::string, double*> doubles = {
      {"alike_young", &tracker.alike_young},
      {"alike_mature", &tracker.alike_mature},
      {"alike_short", &tracker.alike_short},
      {"after_pause", &tracker.change_after_pause},
      {"in_speech", &tracker.change_in_speech},
      {"to_new", &tracker.change_to_new},
      {"new_s", &tracker.new_s},
      {"new_ended_s", &tracker.new_ended_s},
      {"coherence", &tracker.new_coherence},
      {"one", &voices.one},
      {"two", &voices.two},
      {"mature_s", &voices.mature_s},
      {"merge_after_s", &voices.merge_after_s},
  };
  const std::map<std::string, size_t*> counts = {
      {"pause", &tracker.pause_windows},
      {"stretch", &tracker.stretch_windows},
      {"first", &tracker.first_windows},
      {"least", &tracker.least_windows},
      {"step", &tracker.step_windows},
      {"memory", &tracker.memory},
      {"depth", &tracker.learn_depth},
      {"max", &voices.max_voices},
      {"least_examples", &voices.least_examples},
      {"examples", &voices.examples},
  };
  for (size_t at = 0; at < settings.size();) {
    const size_t end = std::min(settings.find(',', at), settings.size());
    const std::string one = settings.substr(at, end - at);
    const std::string name = one.substr(0, one.find('='));
    const double value = std::atof(one.c_str() + std::min(one.size(), name.size() + 1));
    if (doubles.contains(name)) {
      *doubles.at(name) = value;
    } else if (counts.contains(name)) {
      *counts.at(name) = size_t(value);
    } else {
      return false;
    }
    at = end + 1;
  }
  return true;
}

}  // namespace

int main(int argc, char** argv) {
  gst_init(&argc, &argv);
  std::vector<std::string> wavs;
  std::vector<std::string> sets;
  std::string known_folder;
  int64_t silence_ms = 500;
  for (int i = 1; i < argc; i++) {
    if (!std::strcmp(argv[i], "--set") && i + 1 < argc) {
      sets.emplace_back(argv[++i]);
    } else if (!std::strcmp(argv[i], "--known") && i + 1 < argc) {
      known_folder = argv[++i];
    } else if (!std::strcmp(argv[i], "--silence-ms") && i + 1 < argc) {
      silence_ms = std::atoll(argv[++i]);
    } else {
      wavs.emplace_back(argv[i]);
    }
  }
  if (sets.empty()) sets.emplace_back("");
  const speech::SpeechFiles files = speech::find_speech_files("");
  std::string error;
  const auto silero = speech::load_silero(files.voice_activity, error);
  const auto network = load_resemblyzer(files.voices, error);
  if (!silero || !network) {
    std::fprintf(stderr, "%s\n", error.c_str());
    return 2;
  }
  std::vector<KnownVoice> known;
  if (!known_folder.empty()) {
    known = read_known_voices(known_folder, *network, silero, error);
    if (!error.empty()) std::fprintf(stderr, "%s\n", error.c_str());
  }
  for (const std::string& wav : wavs) {
    std::vector<float> samples;
    if (!read_recording(wav, samples, error)) {
      std::fprintf(stderr, "%s\n", error.c_str());
      return 2;
    }
    const double vad_before = cpu_seconds();
    std::vector<float> probabilities;
    speech::GatedVoiceActivity activity(std::make_unique<speech::SileroVad>(silero));
    const size_t n_windows = samples.size() / speech::kWindowSamples;
    const auto window_of = [&](size_t i) {
      return std::span(samples).subspan(i * speech::kWindowSamples, speech::kWindowSamples);
    };
    for (size_t i = 0; i < n_windows; i++)
      probabilities.push_back(activity.probability(window_of(i)));
    const double vad_s = cpu_seconds() - vad_before;
    std::map<std::pair<size_t, float>, Embedding> said;  // what the network said, by samples
    double embed_s = 0;
    double longest_s = 0;
    const auto embed = [&](std::span<const float> speech) {
      float sum = 0;
      for (const float sample : speech) sum += sample * sample;
      Embedding& embedding = said[{speech.size(), sum}];
      if (embedding.empty()) {
        const double before = cpu_seconds();
        embedding = network->embed(speech);
        const double took = cpu_seconds() - before;
        embed_s += took;
        longest_s = std::max(longest_s, took);
      }
      return embedding;
    };
    for (size_t set = 0; set < sets.size(); set++) {
      VoiceTrackerConfig config;
      VoicesConfig voices_config;
      if (!apply(sets[set], config, voices_config)) {
        std::fprintf(stderr, "unknown setting in %s\n", sets[set].c_str());
        return 2;
      }
      Voices voices(voices_config);
      for (const KnownVoice& voice : known) voices.add_known(voice.name, voice.embedding);
      VoiceTracker tracker(embed, voices, config);
      tracker.set_silence_timeout(silence_ms * 1'000'000);
      std::map<VoiceId, std::string> names;
      std::vector<VoiceTurn> line;
      double late_s = 0;
      size_t told = 0;
      const auto take = [&](const std::vector<VoiceTurn>& turns, int64_t now_ns) {
        for (const VoiceTurn& turn : turns) {
          while (!line.empty() && line.back().since_ns >= turn.since_ns) line.pop_back();
          line.push_back(turn);
          for (const Voice& voice : voices.all()) names[voice.id] = voice.identity;
          if (turn.voice != kNoVoice) {
            told++;
            late_s += double(now_ns - turn.since_ns) / 1e9;
          }
        }
      };
      for (size_t i = 0; i < n_windows; i++) {
        const int64_t time_ns = int64_t(i) * speech::kWindowNs;
        take(tracker.feed(window_of(i), time_ns, probabilities[i]), time_ns + speech::kWindowNs);
      }
      take(tracker.end(), int64_t(n_windows) * speech::kWindowNs);
      const std::string name = wav.substr(0, wav.size() - 4);
      const std::string base = name.substr(name.rfind('/') + 1);
      const std::string output =
          name + (sets.size() > 1 ? "." + std::to_string(set) : "") + ".found.rttm";
      std::ofstream out(output);
      for (size_t i = 0; i + 1 < line.size(); i++) {
        if (line[i].voice == kNoVoice) continue;
        char text[256];
        std::snprintf(text, sizeof text, "SPEAKER %s 1 %.3f %.3f <NA> <NA> %s <NA> <NA>\n",
                      base.c_str(), double(line[i].since_ns) / 1e9,
                      double(line[i + 1].since_ns - line[i].since_ns) / 1e9,
                      names[line[i].voice].c_str());
        out << text;
      }
      if (set == 0) {
        const double audio_s = double(samples.size()) / speech::kSampleRateHz;
        std::printf(
            "%s: %zu voices, %zu turns told %.2f s after they began (mean); CPU s/s: voice "
            "activity %.4f, voices %.4f, longest call %.0f ms\n",
            base.c_str(), voices.n_heard(), told, told ? late_s / double(told) : 0.0,
            vad_s / audio_s, embed_s / audio_s, longest_s * 1000);
      }
    }
  }
  return 0;
}
