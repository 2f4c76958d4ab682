// SPDX-License-Identifier: LGPL-2.1-or-later
#include "meeting.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <fstream>
#include <iterator>
#include <map>
#include <stdexcept>

namespace meeting {

namespace {

constexpr int kFrame = kRate / 100;
using Random = std::mt19937;

double uniform(Random& random, double from, double to) {
  return std::uniform_real_distribution<double>(from, to)(random);
}

float gain_of(double db) {
  return float(std::pow(10.0, db / 20.0));
}

uint32_t little_endian(const std::string& data, size_t at, int bytes) {
  uint32_t value = 0;
  for (int i = 0; i < bytes; ++i) value |= uint32_t(uint8_t(data.at(at + size_t(i)))) << (8 * i);
  return value;
}

void add(std::vector<float>& track, int64_t at, const std::vector<float>& samples, float gain) {
  for (size_t i = 0; i < samples.size() && at + int64_t(i) < int64_t(track.size()); ++i) {
    track[size_t(at) + i] += gain * samples[i];
  }
}

/** Noise with a shape in time, scaled to an RMS over its length. */
template <typename Shape>
std::vector<float> noise(Random& random, int64_t length, double dbov, double lowpass, Shape shape) {
  std::normal_distribution<float> normal;
  std::vector<float> samples(static_cast<size_t>(length));
  float state = 0;
  for (int64_t i = 0; i < length; ++i) {
    state += float(lowpass) * (normal(random) - state);
    samples[size_t(i)] = state * float(shape(double(i) / double(length)));
  }
  const float gain = gain_of(dbov - level_dbov(samples.data(), length));
  for (float& sample : samples) sample = std::clamp(sample * gain, -1.0f, 1.0f);
  return samples;
}

/** Typing: strokes of 20..50 ms, 3..8 a second, irregular as fingers are. */
void add_keyboard(std::vector<float>& track, Random& random, double share) {
  for (int64_t at = 0; at < int64_t(track.size());) {
    const int64_t length = int64_t(uniform(random, 2, 12) * kRate);
    if (uniform(random, 0, 1) < share) {
      const double rate = uniform(random, 3, 8);
      for (int64_t stroke = at; stroke < at + length;) {
        const double ms = uniform(random, 20, 50);
        add(track, stroke,
            noise(random, int64_t(ms * kRate / 1000), uniform(random, -45, -25), 0.8,
                  [](double x) { return std::exp(-2.0 * x); }),
            1.0f);
        stroke += int64_t(std::max(0.06, uniform(random, 0.6, 1.4) / rate) * kRate);
      }
    }
    at += length;
  }
}

template <typename MakeNoise>
void sprinkle(std::vector<float>& track, Random& random, double per_minute, MakeNoise make_noise) {
  if (per_minute <= 0) return;
  std::exponential_distribution<double> wait(per_minute / 60.0);
  for (double at = wait(random); at * kRate < double(track.size()); at += wait(random) + 0.5) {
    add(track, int64_t(at * kRate), make_noise(), 1.0f);
  }
}

/** Exact zeros, with 20..40 ms of faint noise every 420 ms. */
void add_dtx(std::vector<float>& track, Random& random) {
  for (int64_t at = 0; at + kRate < int64_t(track.size()); at += int64_t(0.42 * kRate)) {
    bool silent = true;
    for (int i = 0; i < kFrame * 4; ++i) silent = silent && track[size_t(at + i)] == 0.0f;
    if (!silent) continue;
    const int64_t length = int64_t(uniform(random, 0.02, 0.04) * kRate);
    add(track, at, noise(random, length, uniform(random, -75, -60), 0.3, [](double) { return 1; }),
        1.0f);
  }
}

}  // namespace

double level_dbov(const float* samples, int64_t count) {
  double sum = 0;
  for (int64_t i = 0; i < count; ++i) sum += double(samples[i]) * samples[i];
  return sum <= 0 ? -127.0 : std::max(-127.0, 10.0 * std::log10(sum / double(count)));
}

Clip read_clip(const std::string& voice, const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  const std::string data((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  if (data.size() < 44 || data.compare(0, 4, "RIFF") != 0) {
    throw std::runtime_error(path + ": not a WAV file");
  }
  int channels = 1;
  uint32_t rate = kRate;
  std::vector<float> samples;
  for (size_t at = 12; at + 8 <= data.size();) {
    const size_t size = little_endian(data, at + 4, 4);
    if (data.compare(at, 4, "fmt ") == 0) {
      channels = int(little_endian(data, at + 10, 2));
      rate = little_endian(data, at + 12, 4);
    } else if (data.compare(at, 4, "data") == 0) {
      const size_t end = std::min(at + 8 + size, data.size());
      for (size_t s = at + 8; s + 2 <= end; s += 2 * size_t(channels)) {
        samples.push_back(float(int16_t(little_endian(data, s, 2))) / 32768.0f);
      }
    }
    at += 8 + size + (size & 1);
  }
  if (rate != uint32_t(kRate)) throw std::runtime_error(path + ": must have 16000 Hz");

  // The level while speaking: mean power of the frames within 20 dB of the loudest.
  const int64_t frames = int64_t(samples.size()) / kFrame;
  std::vector<double> levels;
  for (int64_t f = 0; f < frames; ++f) {
    levels.push_back(level_dbov(samples.data() + f * kFrame, kFrame));
  }
  const double loudest = levels.empty() ? -127 : *std::max_element(levels.begin(), levels.end());
  if (loudest < -60) throw std::runtime_error(path + ": no speech in it");
  double power = 0;
  int speaking = 0;
  for (double level : levels) {
    if (level < loudest - 20) continue;
    power += std::pow(10.0, level / 10.0);
    ++speaking;
  }
  const double active_dbov = 10.0 * std::log10(power / speaking);
  const auto heard = [&](double level) { return level > active_dbov - 22; };
  const auto first = std::find_if(levels.begin(), levels.end(), heard);
  const auto last = std::find_if(levels.rbegin(), levels.rend(), heard);
  const int64_t from = (first - levels.begin()) * kFrame;
  const int64_t to = (levels.rend() - last) * kFrame;
  // Speech begins where it stays within 18 dB of that level: a breath before it is none.
  int64_t start = 0;
  for (int64_t f = frames - 5; f * kFrame >= from; --f) {
    const auto near = [&](double level) { return level > active_dbov - 18; };
    if (near(levels[size_t(f)]) &&
        std::count_if(levels.begin() + f, levels.begin() + f + 5, near) >= 4) {
      start = f * kFrame - from;
    }
  }
  Clip clip{voice, std::vector<float>(samples.begin() + from, samples.begin() + to), start};
  for (float& sample : clip.samples) sample *= gain_of(-26 - active_dbov);
  return clip;
}

Meeting make(const Scene& scene, const std::vector<Clip>& clips, double minutes, uint32_t seed) {
  Random random(seed);
  std::map<std::string, int> speaker_of;
  for (const Clip& clip : clips) speaker_of.emplace(clip.voice, int(speaker_of.size()));
  const int64_t length = int64_t(minutes * 60 * kRate);
  Meeting made;
  made.tracks.assign(speaker_of.size(), std::vector<float>(size_t(length)));
  std::vector<double> level(speaker_of.size());
  for (double& l : level) {
    l = scene.level_dbov + uniform(random, -scene.level_spread_db, scene.level_spread_db);
  }

  int last_speaker = -1;
  for (int64_t end = kRate;;) {
    const Clip& clip = clips[random() % clips.size()];
    const int speaker = speaker_of[clip.voice];
    if (speaker == last_speaker && uniform(random, 0, 1) < 0.8) continue;
    int64_t start = end + int64_t(uniform(random, 0.1, 1.0) * kRate);
    if (speaker != last_speaker && uniform(random, 0, 1) < scene.overlap_share) {
      start = end - int64_t(uniform(random, 0.1, 0.8) * kRate);
    } else if (uniform(random, 0, 1) < 0.25) {
      start = end + int64_t(uniform(random, 2.0, 4.0) * kRate);
    }
    if (start + int64_t(clip.samples.size()) + kRate > length) break;
    add(made.tracks[size_t(speaker)], start, clip.samples, gain_of(level[size_t(speaker)] + 26));
    made.spans.push_back({speaker, start, start + clip.start, start + int64_t(clip.samples.size()),
                          false, int(&clip - clips.data())});
    end = std::max(end, made.spans.back().end);
    last_speaker = speaker;
  }

  // "mm-hm": a third of a second of voice without a consonant, while another one talks.
  const size_t n_turns = made.spans.size();
  double debt = 0;
  for (size_t turn = 0; turn < n_turns && speaker_of.size() > 1; ++turn) {
    const Span span = made.spans[turn];
    debt += double(span.end - span.start) / kRate / 60.0 * scene.back_channels_per_minute;
    if (debt < 1 || span.end - span.start < 2 * kRate) continue;
    debt -= 1;
    const int64_t at =
        span.start + int64_t(uniform(random, 0.6, 0.8) * double(span.end - span.start)) - kRate / 2;
    const int who = (span.speaker + 1) % int(speaker_of.size());
    std::vector<float> hum(size_t(0.3 * kRate));
    for (size_t i = 0; i < hum.size(); ++i) {
      const double x = double(i) / double(hum.size());
      double tone = 0;
      for (int h = 1; h <= 6; ++h) tone += std::sin(2 * M_PI * 130 * h * double(i) / kRate) / h;
      const double dip = 1 - 0.7 * std::exp(-std::pow((x - 0.5) / 0.08, 2));
      hum[i] = float(tone * dip * std::min({1.0, x * 12, (1 - x) * 12}));
    }
    const float gain =
        gain_of(level[size_t(who)] - 3 - level_dbov(hum.data(), int64_t(hum.size())));
    add(made.tracks[size_t(who)], at, hum, gain);
    made.spans.push_back({who, at, at, at + int64_t(hum.size()), true, -1});
  }
  std::stable_sort(made.spans.begin(), made.spans.end(),
                   [](const Span& a, const Span& b) { return a.start < b.start; });

  for (auto& track : made.tracks) {
    if (scene.keyboard_share > 0) add_keyboard(track, random, scene.keyboard_share);
    sprinkle(track, random, scene.breaths_per_minute, [&] {
      return noise(random, int64_t(0.3 * kRate), -45, 0.5,
                   [](double x) { return std::sin(M_PI * x); });
    });
    sprinkle(track, random, scene.clicks_per_minute,
             [&] { return noise(random, kRate / 10, -10, 0.9, [](double) { return 1.0; }); });
    if (scene.fan_dbov > -127) {
      add(track, 0, noise(random, length, scene.fan_dbov, 0.1, [](double) { return 1.0; }), 1.0f);
    }
    if (scene.dtx) add_dtx(track, random);
  }
  return made;
}

}  // namespace meeting
