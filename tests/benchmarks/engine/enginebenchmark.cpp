// What the speech side achieves on real speech: word error rate, latency, CPU, memory.
// Clips are pushed in 10 ms pieces at the speed of real time, as a live pad does.
#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "clips.h"
#include "measured.h"
#include "simulation.h"
#include "stt/transcriber.h"
#include "worderrors.h"

namespace {

using Clock = std::chrono::steady_clock;

struct Timed {
  stt::Result result;
  Clock::time_point at;
};

struct Options {
  std::string model = "tiered";
  std::string data_dir;
  double speed = 1;
  int streams = 1;
  bool partials = true;
  bool verbose = false;
  bool simulate = false;
};

double seconds(Clock::duration duration) {
  return std::chrono::duration<double>(duration).count();
}

double cpu_seconds() {
  timespec time = {};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) / 1e9;
}

void run_clip(stt::SpeechEngine& engine, const Clip& clip, const Options& options,
              Measured& measured, std::mutex& measured_mutex) {
  std::mutex mutex;
  std::condition_variable drained;
  bool is_drained = false;
  std::vector<Timed> results;
  stt::TranscriberConfig config;
  config.partials = options.partials;
  auto transcriber = engine.new_transcriber(config, [&](const stt::Result& result) {
    const std::lock_guard lock(mutex);
    results.push_back({result, Clock::now()});
  });
  transcriber->set_live(options.speed <= 1);
  std::vector<float> samples = clip.samples;
  samples.resize(samples.size() + 2 * stt::kSampleRateHz);
  const Clock::time_point begin = Clock::now();
  const auto wall = [&](double audio_s) {
    return begin + std::chrono::duration_cast<Clock::duration>(
                       std::chrono::duration<double>(audio_s / options.speed));
  };
  constexpr size_t kPiece = 160;
  for (size_t i = 0; i < samples.size(); i += kPiece) {
    const size_t count = std::min(kPiece, samples.size() - i);
    std::this_thread::sleep_until(wall(static_cast<double>(i + count) / stt::kSampleRateHz));
    transcriber->push(std::span(samples).subspan(i, count), static_cast<int64_t>(i) * 62500);
  }
  std::unique_lock lock(mutex);
  transcriber->drain([&] {
    const std::lock_guard done_lock(mutex);
    is_drained = true;
    drained.notify_all();
  });
  drained.wait(lock, [&] { return is_drained; });

  std::string heard;
  std::map<uint64_t, bool> has_partial;
  const std::lock_guard measured_lock(measured_mutex);
  const auto [first_sound, last_sound] = sound_range(clip.samples);
  double last_final_s = 0;
  for (const Timed& timed : results) {
    const stt::Result& result = timed.result;
    if (options.verbose) {
      printf("  %6.2f %s #%lu.%u %-14s %6.2f-%6.2f %s\n", seconds(timed.at - begin),
             result.is_final ? "FINAL" : "     ", static_cast<unsigned long>(result.utterance),
             result.revision, result.model.c_str(), static_cast<double>(result.start_ns) / 1e9,
             static_cast<double>(result.end_ns) / 1e9, result.text.c_str());
    }
    if (result.is_final) {
      heard += result.text + ' ';
      last_final_s = seconds(timed.at - wall(static_cast<double>(result.end_ns) / 1e9));
      measured.final_s.push_back(last_final_s);
      last_final_s = seconds(timed.at - wall(last_sound));
    } else if (!std::exchange(has_partial[result.utterance], true)) {
      const double start_s =
          has_partial.size() == 1 ? first_sound : static_cast<double>(result.start_ns) / 1e9;
      measured.first_partial_s.push_back(seconds(timed.at - wall(start_s)));
    }
  }
  measured.clip_final_s.push_back(last_final_s);
  const auto said = normalized_words(clip.text);
  const size_t errors = word_errors(said, normalized_words(heard));
  measured.said += said.size();
  measured.errors += errors;
  measured.audio_s += static_cast<double>(samples.size()) / stt::kSampleRateHz;
  const stt::TranscriberStats stats = transcriber->stats();
  measured.stats.partials += stats.partials;
  measured.stats.partials_dropped += stats.partials_dropped;
  measured.stats.finals += stats.finals;
  measured.stats.finals_by_fallback += stats.finals_by_fallback;
  measured.stats.speculations += stats.speculations;
  measured.stats.speculations_used += stats.speculations_used;
  printf("%-12s %3zu words %2zu errors  %s\n", clip.name.c_str(), said.size(), errors,
         heard.c_str());
  fflush(stdout);
}

int run(const Options& options) {
  std::string error;
  const auto engine = stt::load_engine({"sherpa", options.model, ""}, error, nullptr);
  if (!engine) {
    fprintf(stderr, "%s\n", error.c_str());
    return 1;
  }
  const std::vector<Clip> clips = load_clips(options.data_dir);
  Measured measured;
  if (options.simulate) {
    if (!simulate(options.model, clips, measured)) return 1;
    print_measured(measured);
    return 0;
  }
  std::mutex mutex;
  const double cpu_before = cpu_seconds();
  const Clock::time_point begin = Clock::now();
  std::vector<std::thread> streams;
  for (int stream = 0; stream < options.streams; stream++) {
    streams.emplace_back([&, stream] {
      for (size_t i = 0; i < clips.size(); i++) {
        run_clip(*engine, clips[(i + stream) % clips.size()], options, measured, mutex);
      }
    });
  }
  for (std::thread& stream : streams) stream.join();
  measured.cpu_s = cpu_seconds() - cpu_before;
  printf("model %s, %d stream(s), %.0f s of audio in %.0f s\n", options.model.c_str(),
         options.streams, measured.audio_s, seconds(Clock::now() - begin));
  print_measured(measured);
  return 0;
}

void print_help() {
  puts(
      "engine-benchmark [--model tiny|base|tiered] [--speed FACTOR] [--streams N]\n"
      "                 [--no-partials] [--verbose] [--simulate] --data DIR\n"
      "Transcribes 8 clips of real speech (131 s) as live streams and prints the word error rate,\n"
      "latencies, CPU and memory. DIR is tests/data/speech. --streams N transcribes them N times\n"
      "at once, each stream beginning with another clip. --simulate takes the CPU time of each\n"
      "decode for its duration, as on a machine with nothing else to do: for busy machines.");
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  for (int i = 1; i < argc; i++) {
    const std::string argument = argv[i];
    const auto value = [&] { return i + 1 < argc ? std::string(argv[++i]) : std::string(); };
    if (argument == "--model") {
      options.model = value();
    } else if (argument == "--speed") {
      options.speed = std::atof(value().c_str());
    } else if (argument == "--streams") {
      options.streams = std::atoi(value().c_str());
    } else if (argument == "--data") {
      options.data_dir = value();
    } else if (argument == "--no-partials") {
      options.partials = false;
    } else if (argument == "--simulate") {
      options.simulate = true;
    } else if (argument == "--verbose") {
      options.verbose = true;
    } else {
      print_help();
      return argument == "--help" ? 0 : 2;
    }
  }
  if (options.data_dir.empty()) {
    print_help();
    return 2;
  }
  return run(options);
}
