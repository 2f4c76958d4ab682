// SPDX-License-Identifier: LGPL-2.1-or-later
// The inner loops of the mix. The accumulator is float, interleaved stereo, in units of a 16-bit
// step: sums of up to 512 full-scale 16-bit signals are exact in it, so that one talker leaves the
// mixer with the very samples it came in with.
#pragma once

#include <cstddef>
#include <cstdint>

namespace egressmux {

/** A float sample of 1.0 in accumulator units; a power of two, so that scaling loses nothing. */
inline constexpr float kFullScale = 32768.0f;
inline constexpr int kMixChannels = 2;

/** A gain that moves evenly from one slice's end to the next's, so that no step is heard. */
struct GainRamp {
  float from = 1.0f;
  float to = 1.0f;
  bool is_unity() const { return from == 1.0f && to == 1.0f; }
  bool is_silent() const { return from == 0.0f && to == 0.0f; }
};

/** Adds @frames of 1 or 2 interleaved channels to the stereo @mix; mono goes to both sides. */
void add_s16(float* mix, const int16_t* input, size_t frames, int channels, GainRamp gain);

/** As add_s16; samples that are not finite, or absurdly large, count as silence. */
void add_f32(float* mix, const float* input, size_t frames, int channels, GainRamp gain);

/** Adds samples that are in accumulator units already. */
void add_mix(float* mix, const float* input, size_t samples);

/** Scales float samples in place (1.0 = full scale stays the unit). */
void apply_gain_f32(float* samples, size_t frames, int channels, GainRamp gain);

struct Range {
  float lowest = 0.0f;
  float highest = 0.0f;
};
Range find_range(const float* samples, size_t count);

/** Stereo to mono in place: the mean of both sides. */
void fold_to_mono(float* mix, size_t frames);

/** Accumulator units to 16 bit, rounded; what does not fit is held at the limit. */
void store_s16(int16_t* output, const float* samples, size_t count);

/** Accumulator units to float, full scale = 1.0. */
void store_f32(float* output, const float* samples, size_t count);

/** RMS level in dBov, -127 for digital silence. */
double level_dbov_s16(const int16_t* samples, size_t count);
double level_dbov_f32(const float* samples, size_t count);

/** The level after a gain. */
double level_after_gain(double level_dbov, double gain);

}  // namespace egressmux
