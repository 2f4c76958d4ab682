// SPDX-License-Identifier: LGPL-2.1-or-later
// Arithmetic on interleaved samples: level, silence, cross-fades, and where speech can be cut.
#pragma once

#include <cstddef>
#include <cstdint>

namespace livekit {

enum class SampleType { kS16, kF32 };

// How interleaved little-endian samples lie in memory. A frame is one sample of all channels.
struct SampleLayout {
  SampleType type = SampleType::kS16;
  int rate_hz = 48000;
  int channels = 2;

  size_t bytes_per_frame() const {
    return (type == SampleType::kS16 ? sizeof(int16_t) : sizeof(float)) * size_t(channels);
  }
  size_t frames_of_ms(uint32_t ms) const { return size_t(uint64_t(ms) * uint64_t(rate_hz) / 1000); }
};

// Mean of the squares of all samples of all channels, 1.0 = full-scale square wave. Exactly 0 for
// digital silence only. Not finite when float samples are not.
double mean_square(const SampleLayout& layout, const uint8_t* data, size_t frames);

// dBov of a mean square, ROOM_AUDIO_SILENCE_DBOV .. 0.
double level_dbov(double mean_square);

bool is_digital_silence(const uint8_t* data, size_t bytes);

// Digitally silent frames at the beginning of `data`.
size_t leading_silent_frames(const SampleLayout& layout, const uint8_t* data, size_t frames);

// out = from, turning linearly into `to`. The first frame is almost `from`, the last almost `to`.
void cross_fade(const SampleLayout& layout, uint8_t* out, const uint8_t* from, const uint8_t* to,
                size_t frames);

void fade_in(const SampleLayout& layout, uint8_t* data, size_t frames);
void fade_out(const SampleLayout& layout, uint8_t* data, size_t frames);

// Float samples that no microphone made (not a number, infinite, or 60 dB over full scale) would
// ruin every mix they get into: they become 0. Returns how many there were; 0 for S16.
size_t replace_impossible_samples(const SampleLayout& layout, uint8_t* data, size_t frames);

struct Cut {
  size_t frames = 0;
  double similarity = -1.0;  // -1 .. 1, of what is faded out to what is faded in
};

// How many frames to cut out at the beginning of `data` (min_cut .. max_cut), so that the
// `overlap` frames before and after the cut are as alike as can be: whole periods of a voice.
// Reads overlap + max_cut frames.
Cut best_cut(const SampleLayout& layout, const uint8_t* data, size_t overlap, size_t min_cut,
             size_t max_cut);

}  // namespace livekit
