// SPDX-License-Identifier: LGPL-2.1-or-later
// Makes meetings of which is known who talks when: clips of speech on one track a person, with
// the noises that microphones pick up. For measuring and tuning speakerdetect.
#pragma once

#include <cstdint>
#include <random>
#include <string>
#include <vector>

namespace meeting {

inline constexpr int kRate = 16000;

struct Clip {
  std::string voice;
  std::vector<float> samples; /* speech only: trimmed to where it is heard */
  int64_t start;              /* where the speech begins, after a breath perhaps */
};

/** Reads a WAV file (16 bit, first channel), trims it to the speech, and scales it so that the
 * level while speaking is -26 dBov. Throws std::runtime_error. */
Clip read_clip(const std::string& voice, const std::string& path);

struct Scene {
  std::string name;
  double overlap_share = 0;            /* of the turns begin before the last one has ended */
  double keyboard_share = 0;           /* of the time, on each track */
  double breaths_per_minute = 0;       /* on each track */
  double clicks_per_minute = 0;        /* on each track */
  double back_channels_per_minute = 0; /* of the listeners together, while somebody talks */
  double fan_dbov = -127;              /* constant noise on each track */
  double level_dbov = -26;
  double level_spread_db = 4; /* between people */
  bool dtx = false;           /* silence is sent as LiveKit does with DTX */
};

struct Span {
  int speaker;
  int64_t audible; /* the first sound, a breath perhaps; in samples like the others */
  int64_t start;   /* of the speech */
  int64_t end;
  bool back_channel;
  int clip; /* index, -1 = none */
};

struct Meeting {
  std::vector<std::vector<float>> tracks;
  std::vector<Span> spans; /* by start */
};

Meeting make(const Scene& scene, const std::vector<Clip>& clips, double minutes, uint32_t seed);

/** RMS in dBov, 0 = a full-scale square wave. */
double level_dbov(const float* samples, int64_t count);

}  // namespace meeting
