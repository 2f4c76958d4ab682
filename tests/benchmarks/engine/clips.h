// The clips of real speech that the benchmark transcribes.
#pragma once

#include <string>
#include <utility>
#include <vector>

struct Clip {
  std::string name;
  std::vector<float> samples;  // 16 kHz
  std::string text;
};

// The 8 clips: 5 from Debian's pocketsphinx-testdata, 2 that come with the models, 1 of ours.
std::vector<Clip> load_clips(const std::string& data_dir_name);

// Where the sound begins and ends, by level: 35 dB below the loudest 10 ms. Seconds.
std::pair<double, double> sound_range(const std::vector<float>& samples);
