// SPDX-License-Identifier: LGPL-2.1-or-later
// Measures the dominant speaker on made meetings, and what a slice costs. `run` beside this file
// makes the voices and starts it: speakerdetect_bench [--minutes N] [--seed N] voice=file.wav...
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <stdexcept>

#include "meeting.h"
#include "speakerdetect/dominantspeaker.h"

using meeting::Clip;
using meeting::kRate;
using meeting::Meeting;
using meeting::Scene;
using meeting::Span;
using speakerdetect::DominantSpeaker;
using speakerdetect::TrackLevel;

namespace {

const Scene kScenes[] = {
    {.name = "clean"},
    {.name = "overlap", .overlap_share = 0.6},
    {.name = "dtx", .dtx = true},
    {.name = "keyboard", .keyboard_share = 0.5},
    {.name = "breath", .breaths_per_minute = 12},
    {.name = "click", .clicks_per_minute = 12},
    {.name = "mm-hm", .back_channels_per_minute = 20},
    {.name = "fan -45", .fan_dbov = -45},
    {.name = "quiet -42", .level_dbov = -42, .level_spread_db = 0, .dtx = true},
    {.name = "all",
     .overlap_share = 0.3,
     .keyboard_share = 0.2,
     .breaths_per_minute = 4,
     .clicks_per_minute = 4,
     .back_channels_per_minute = 5,
     .fan_dbov = -60,
     .level_spread_db = 8},
};

struct Change {
  int64_t at; /* sample at which it was known: the end of the slice */
  int speaker;
  int64_t since;
};

struct Delays {
  std::vector<double> ms;
  double at(double share) {
    if (ms.empty()) return 0;
    std::sort(ms.begin(), ms.end());
    return ms[std::min(ms.size() - 1, size_t(share * double(ms.size())))];
  }
};

struct Result {
  Delays onset;
  Delays take_over;
  Delays since_error;
  int missed = 0;
  int late = 0; /* onsets after 200 ms, take-overs after 400 ms */
  int turns = 0;
  int false_switches = 0; /* to somebody who does not talk */
  int stolen = 0;         /* by "mm-hm" while another talks */
  double hours = 0;
  double wrong_share = 0; /* of the time in which exactly one talks */
  double wrong_seconds = 0;
  double alone_seconds = 0;
};

std::vector<Change> detect(const Meeting& made, int64_t slice) {
  DominantSpeaker detector;
  std::vector<std::string> names;
  for (size_t i = 0; i < made.tracks.size(); ++i) names.push_back("p" + std::to_string(i));
  std::vector<TrackLevel> levels(names.size());
  std::vector<Change> changes;
  const uint64_t slice_ns = uint64_t(slice) * 1'000'000'000 / kRate;
  const int64_t length = int64_t(made.tracks[0].size());
  for (int64_t at = 0; at + slice <= length; at += slice) {
    for (size_t i = 0; i < names.size(); ++i) {
      levels[i] = {names[i], names[i], names[i],
                   meeting::level_dbov(made.tracks[i].data() + at, slice)};
    }
    if (!detector.process(uint64_t(at / slice) * slice_ns, slice_ns, levels)) continue;
    const auto* dominant = detector.dominant();
    changes.push_back({at + slice, dominant ? std::atoi(dominant->identity.c_str() + 1) : -1,
                       int64_t(detector.dominant_since_ns() * kRate / 1'000'000'000)});
  }
  return changes;
}

bool talks(const Meeting& made, int speaker, int64_t at, int64_t after, bool back_channels_too) {
  return std::any_of(made.spans.begin(), made.spans.end(), [&](const Span& span) {
    return span.speaker == speaker && at >= span.audible && at <= span.end + after &&
           (back_channels_too || !span.back_channel);
  });
}

void score(const Meeting& made, const std::vector<Change>& changes, Result& result, bool verbose) {
  const auto dominant_at = [&](int64_t at) {
    int speaker = -1;
    for (const Change& change : changes) {
      if (change.at > at) break;
      speaker = change.speaker;
    }
    return speaker;
  };
  for (size_t i = 0; i < made.spans.size(); ++i) {
    const Span& span = made.spans[i];
    if (span.back_channel || span.end - span.start < kRate / 2) continue;
    ++result.turns;
    if (dominant_at(span.start) == span.speaker) continue;
    const auto found = std::find_if(changes.begin(), changes.end(), [&](const Change& change) {
      return change.speaker == span.speaker && change.at >= span.start;
    });
    if (found == changes.end() || found->at > span.end + kRate / 4) {
      ++result.missed;
      continue;
    }
    const double ms = double(found->at - span.start) * 1000 / kRate;
    // A pause of 1 s: the pause before the others' last word is over.
    bool silence_before = true;
    for (const Span& other : made.spans) {
      silence_before =
          silence_before && (other.speaker == span.speaker || other.end < span.start - kRate ||
                             other.start > found->at);
    }
    (silence_before ? result.onset : result.take_over).ms.push_back(ms);
    result.late += ms > (silence_before ? 200 : 400);
    result.since_error.ms.push_back(std::abs(double(found->since - span.start)) * 1000 / kRate);
    if (verbose && ms > (silence_before ? 200 : 400)) {
      std::printf("  late %.0f ms at %.2f s, speaker %d, clip %d\n    levels:", ms,
                  double(span.start) / kRate, span.speaker, span.clip);
      const auto& track = made.tracks[size_t(span.speaker)];
      for (int64_t at = span.start; at < found->at; at += kRate / 100) {
        std::printf(" %.0f", meeting::level_dbov(track.data() + at, kRate / 100));
      }
      std::printf("\n");
    }
  }
  for (const Change& change : changes) {
    if (change.speaker < 0) continue;
    if (!talks(made, change.speaker, change.at, kRate / 4, true)) {
      ++result.false_switches;
      if (verbose) {
        std::printf("  false switch to %d at %.2f s\n    levels:", change.speaker,
                    double(change.at) / kRate);
        const auto& track = made.tracks[size_t(change.speaker)];
        for (int64_t at = std::max<int64_t>(0, change.at - kRate / 2); at < change.at;
             at += kRate / 100) {
          std::printf(" %.0f", meeting::level_dbov(track.data() + at, kRate / 100));
        }
        std::printf("\n");
      }
    } else if (!talks(made, change.speaker, change.at, kRate / 4, false)) {
      bool another = false;
      for (int other = 0; other < int(made.tracks.size()); ++other) {
        another = another || (other != change.speaker &&
                              talks(made, other, change.at - kRate * 3 / 10, 0, false));
      }
      result.stolen += another;
      if (another && verbose) {
        std::printf("  stolen by %d at %.2f s, since %.2f s\n", change.speaker,
                    double(change.at) / kRate, double(change.since) / kRate);
        for (const Span& span : made.spans) {
          if (span.end + kRate < change.at || span.start > change.at + kRate) continue;
          std::printf("    %d talks %.2f..%.2f%s\n", span.speaker, double(span.start) / kRate,
                      double(span.end) / kRate, span.back_channel ? " (mm-hm)" : "");
        }
      }
    }
  }
  for (int64_t at = 0; at < int64_t(made.tracks[0].size()); at += kRate / 100) {
    int talking = 0;
    int who = -1;
    for (int speaker = 0; speaker < int(made.tracks.size()); ++speaker) {
      if (!talks(made, speaker, at, 0, true)) continue;
      ++talking;
      who = speaker;
    }
    if (talking != 1) continue;
    result.alone_seconds += 0.01;
    if (dominant_at(at) != who) result.wrong_seconds += 0.01;
  }
  result.hours += double(made.tracks[0].size()) / kRate / 3600;
}

void print_cost() {
  std::printf("\n| tracks | ns of CPU a slice | ns a slice and track |\n| --- | --- | --- |\n");
  for (size_t n : {size_t(1), size_t(5), size_t(50), size_t(500)}) {
    DominantSpeaker detector;
    std::vector<std::string> names;
    for (size_t i = 0; i < n; ++i) names.push_back("participant-" + std::to_string(i));
    std::vector<TrackLevel> levels;
    for (const std::string& name : names) levels.push_back({name, name, name, -127});
    const int slices = int(2'000'000 / n);
    uint32_t noise = 1;
    const std::clock_t start = std::clock();
    for (int slice = 0; slice < slices; ++slice) {
      for (TrackLevel& level : levels) {
        noise = noise * 1664525 + 1013904223;
        level.level_dbov = -20.0 - double(noise >> 27);
      }
      detector.process(uint64_t(slice) * 10'000'000, 10'000'000, levels);
    }
    const double ns = double(std::clock() - start) * 1e9 / CLOCKS_PER_SEC / slices;
    std::printf("| %zu | %.0f | %.0f |\n", n, ns, ns / double(n));
  }
}

int run(int argc, char** argv) {
  double minutes = 30;
  uint32_t seed = 1;
  bool verbose = false;
  std::vector<Clip> clips;
  for (int i = 1; i < argc; ++i) {
    const std::string argument = argv[i];
    const size_t equals = argument.find('=');
    if (argument == "--minutes" && i + 1 < argc) {
      minutes = std::atof(argv[++i]);
    } else if (argument == "--seed" && i + 1 < argc) {
      seed = uint32_t(std::atoi(argv[++i]));
    } else if (argument == "--verbose") {
      verbose = true;
    } else if (equals != std::string::npos) {
      clips.push_back(meeting::read_clip(argument.substr(0, equals), argument.substr(equals + 1)));
    } else {
      throw std::runtime_error("unknown argument " + argument);
    }
  }
  if (clips.size() < 2) throw std::runtime_error("needs clips: voice=file.wav ...");

  std::printf(
      "| scene | slice | turns | onset p50/p95/max ms | take-over p50/p95/max ms | late | missed | "
      "false/h | stolen/h | wrong %% | since error p50/p95 ms |\n"
      "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |\n");
  for (const Scene& scene : kScenes) {
    const Meeting made = meeting::make(scene, clips, minutes, seed);
    for (int slice_ms : {10, 20}) {
      Result result;
      score(made, detect(made, int64_t(slice_ms) * kRate / 1000), result, verbose);
      std::printf(
          "| %s | %d | %d | %.0f / %.0f / %.0f (%zu) | %.0f / %.0f / %.0f (%zu) | %d | %d "
          "| %.1f | %.1f | %.1f | %.0f / %.0f |\n",
          scene.name.c_str(), slice_ms, result.turns, result.onset.at(0.5), result.onset.at(0.95),
          result.onset.at(1), result.onset.ms.size(), result.take_over.at(0.5),
          result.take_over.at(0.95), result.take_over.at(1), result.take_over.ms.size(),
          result.late, result.missed, result.false_switches / result.hours,
          result.stolen / result.hours,
          100 * result.wrong_seconds / std::max(0.01, result.alone_seconds),
          result.since_error.at(0.5), result.since_error.at(0.95));
      std::fflush(stdout);
    }
  }
  print_cost();
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return run(argc, argv);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "speakerdetect_bench: %s\n", error.what());
    return 2;
  }
}
