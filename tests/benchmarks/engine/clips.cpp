#include "clips.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>

#include "speech/speechfiles.h"

namespace {

namespace fs = std::filesystem;

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

}  // namespace

std::vector<Clip> load_clips(const std::string& data_dir_name) {
  const fs::path data_dir = data_dir_name;
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
  const fs::path assets = speech::find_speech_files("").directory / "moonshine_voice/assets";
  add("beckett", assets / "beckett.wav", read_text(data_dir / "beckett.txt"));
  add("two_cities", assets / "two_cities.wav", read_text(data_dir / "two_cities.txt"));
  add("sonnet1", data_dir / "sonnet1.mp3", read_text(data_dir / "sonnet1.txt"));
  return clips;
}

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
