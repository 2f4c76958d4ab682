// What the speech side achieves on real speech: word error rate, latency, CPU, memory.
// Clips are pushed in 10 ms pieces at the speed of real time, as a live pad does.
#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <mutex>
#include <sstream>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "stt/transcriber.h"
#include "worderrors.h"

namespace {

using Clock = std::chrono::steady_clock;
namespace fs = std::filesystem;

struct Clip {
  std::string name;
  std::vector<float> samples;
  std::string text;
};

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
};

std::string read_text(const fs::path& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

// Any file that GStreamer reads, as 16 kHz mono.
std::vector<float> decode_file(const fs::path& path) {
  const std::string command = "gst-launch-1.0 -q filesrc location='" + path.string() +
                              "' ! decodebin ! audioconvert ! audioresample quality=10 ! "
                              "audio/x-raw,format=F32LE,rate=16000,channels=1 ! fdsink";
  std::vector<float> samples;
  FILE* pipe = popen(command.c_str(), "r");
  if (pipe == nullptr) return samples;
  float block[4096];
  for (size_t count = 0; (count = fread(block, sizeof *block, std::size(block), pipe)) > 0;) {
    samples.insert(samples.end(), block, block + count);
  }
  pclose(pipe);
  return samples;
}

fs::path speech_dir() {
  if (const char* told = std::getenv("ROOMAUDIO_SPEECH_DIR")) return told;
  if (const char* data = std::getenv("XDG_DATA_HOME")) {
    return fs::path(data) / "gst-plugins-egress/speech";
  }
  return fs::path(std::getenv("HOME")) / ".local/share/gst-plugins-egress/speech";
}

// The 8 clips: 5 from Debian's pocketsphinx-testdata, 2 that come with the models, 1 of ours.
std::vector<Clip> load_clips(const fs::path& data_dir) {
  std::vector<Clip> clips;
  const auto add = [&clips](const std::string& name, const fs::path& path, std::string text) {
    if (!fs::exists(path)) {
      fprintf(stderr, "left out, not there: %s\n", path.c_str());
      return;
    }
    clips.push_back({name, decode_file(path), std::move(text)});
  };
  const fs::path librivox = "/usr/share/pocketsphinx/test/data/librivox";
  std::istringstream transcription(read_text(librivox / "transcription"));
  for (std::string line; std::getline(transcription, line);) {
    const size_t begin = line.find("<s>");
    const size_t end = line.find("</s>");
    const size_t name = line.rfind('(');
    if (begin == std::string::npos || end == std::string::npos) continue;
    const std::string file = line.substr(name + 1, line.rfind(')') - name - 1);
    add(file.substr(file.size() - 4), librivox / (file + ".wav"),
        line.substr(begin + 3, end - begin - 3));
  }
  const fs::path assets = speech_dir() / "moonshine_voice/assets";
  add("beckett", assets / "beckett.wav", read_text(data_dir / "beckett.txt"));
  add("two_cities", assets / "two_cities.wav", read_text(data_dir / "two_cities.txt"));
  add("sonnet1", data_dir / "sonnet1.mp3", read_text(data_dir / "sonnet1.txt"));
  return clips;
}

// Where the sound ends and begins, by level: 35 dB below the loudest 10 ms. Seconds.
std::pair<double, double> sound_range(const std::vector<float>& samples) {
  constexpr size_t kBlock = 160;
  std::vector<double> energy;
  for (size_t i = 0; i + kBlock <= samples.size(); i += kBlock) {
    double sum = 0;
    for (size_t j = i; j < i + kBlock; j++) sum += samples[j] * samples[j];
    energy.push_back(sum);
  }
  const double floor = *std::max_element(energy.begin(), energy.end()) * std::pow(10, -3.5);
  const auto is_loud = [floor](double e) { return e > floor; };
  const auto first = std::find_if(energy.begin(), energy.end(), is_loud);
  const auto last = std::find_if(energy.rbegin(), energy.rend(), is_loud);
  return {(first - energy.begin()) * 0.01, (energy.rend() - last) * 0.01};
}

double seconds(Clock::duration duration) {
  return std::chrono::duration<double>(duration).count();
}

double cpu_seconds() {
  timespec time = {};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) / 1e9;
}

struct Measured {
  std::vector<double> final_s;          // end of speech by the voice activity to the final
  std::vector<double> clip_final_s;     // last sound of a clip to its last final
  std::vector<double> first_partial_s;  // first sample of an utterance to its first partial
  size_t said = 0;
  size_t errors = 0;
  double audio_s = 0;
  stt::TranscriberStats stats;
};

std::string quantiles(std::vector<double> values) {
  if (values.empty()) return "-";
  std::sort(values.begin(), values.end());
  const auto at = [&values](double q) {
    return values[static_cast<size_t>(std::ceil(q * static_cast<double>(values.size())) - 1)];
  };
  char text[100];
  snprintf(text, sizeof text, "%.2f / %.2f / %.2f s (n=%zu)", at(0.5), at(0.95), values.back(),
           values.size());
  return text;
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
  const double cpu_s = cpu_seconds() - cpu_before;
  rusage usage = {};
  getrusage(RUSAGE_SELF, &usage);
  const stt::TranscriberStats& stats = measured.stats;
  printf("model %s, %d stream(s), %.0f s of audio in %.0f s\n", options.model.c_str(),
         options.streams, measured.audio_s, seconds(Clock::now() - begin));
  printf("word error rate             %.1f %% (%zu of %zu)\n",
         100.0 * static_cast<double>(measured.errors) / static_cast<double>(measured.said),
         measured.errors, measured.said);
  printf("end of speech to final      %s median / p95 / worst\n",
         quantiles(measured.final_s).c_str());
  printf("last sound to last final    %s\n", quantiles(measured.clip_final_s).c_str());
  printf("first word to first partial %s\n", quantiles(measured.first_partial_s).c_str());
  printf("CPU                         %.3f s for a second of audio\n", cpu_s / measured.audio_s);
  printf("peak memory                 %ld MB\n", usage.ru_maxrss / 1024);
  printf(
      "partials %lu, dropped %lu; finals %lu, by the small model %lu; decoded ahead %lu, right "
      "%lu\n",
      static_cast<unsigned long>(stats.partials),
      static_cast<unsigned long>(stats.partials_dropped), static_cast<unsigned long>(stats.finals),
      static_cast<unsigned long>(stats.finals_by_fallback),
      static_cast<unsigned long>(stats.speculations),
      static_cast<unsigned long>(stats.speculations_used));
  return 0;
}

void print_help() {
  puts(
      "engine-benchmark [--model tiny|base|tiered] [--speed FACTOR] [--streams N]\n"
      "                 [--no-partials] [--verbose] --data DIR\n"
      "Transcribes 8 clips of real speech (131 s) as live streams and prints the word error rate,\n"
      "latencies, CPU and memory. DIR is tests/data/speech. --streams N transcribes them N times\n"
      "at once, each stream beginning with another clip.");
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
