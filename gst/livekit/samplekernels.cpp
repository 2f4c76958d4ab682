// SPDX-License-Identifier: LGPL-2.1-or-later
#include "samplekernels.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <type_traits>
#include <vector>

#include "gst/roomaudio/roomaudio.h"

namespace livekit {
namespace {

static_assert(std::endian::native == std::endian::little, "samples are little-endian on the wire");

constexpr double kS16FullScale = 32768.0;
constexpr float kImpossibleSample = 1000.0F;  // +60 dB

const int16_t* as_s16(const uint8_t* data) {
  return reinterpret_cast<const int16_t*>(data);
}
const float* as_f32(const uint8_t* data) {
  return reinterpret_cast<const float*>(data);
}

template <typename Sample>
Sample from_float(float value) {
  if constexpr (std::is_same_v<Sample, int16_t>) {
    return int16_t(std::clamp(std::lrintf(value), -32768L, 32767L));
  } else {
    return value;
  }
}

template <typename Sample>
void cross_fade_typed(Sample* out, const Sample* from, const Sample* to, size_t frames,
                      size_t channels) {
  const float step = 1.0F / float(frames + 1);
  for (size_t frame = 0; frame < frames; ++frame) {
    const float weight = step * float(frame + 1);
    for (size_t channel = 0; channel < channels; ++channel) {
      const size_t i = frame * channels + channel;
      const float a = float(from[i]);
      out[i] = from_float<Sample>(a + (float(to[i]) - a) * weight);
    }
  }
}

template <typename Sample>
void scale_ramp(Sample* data, size_t frames, size_t channels, float first, float step) {
  for (size_t frame = 0; frame < frames; ++frame) {
    const float gain = first + step * float(frame);
    for (size_t channel = 0; channel < channels; ++channel) {
      Sample& sample = data[frame * channels + channel];
      sample = from_float<Sample>(float(sample) * gain);
    }
  }
}

void ramp(const SampleLayout& layout, uint8_t* data, size_t frames, float first, float step) {
  if (layout.type == SampleType::kS16) {
    scale_ramp(reinterpret_cast<int16_t*>(data), frames, size_t(layout.channels), first, step);
  } else {
    scale_ramp(reinterpret_cast<float*>(data), frames, size_t(layout.channels), first, step);
  }
}

// The sum of all channels, averaged over `stride` frames: enough to find a voice's period.
template <typename Sample>
std::vector<float> coarse_mono(const Sample* data, size_t frames, size_t channels, size_t stride) {
  std::vector<float> mono(frames / stride);
  for (size_t i = 0; i < mono.size(); ++i) {
    float sum = 0.0F;
    for (size_t j = 0; j < stride * channels; ++j) sum += float(data[i * stride * channels + j]);
    mono[i] = sum;
  }
  return mono;
}

}  // namespace

double mean_square(const SampleLayout& layout, const uint8_t* data, size_t frames) {
  const size_t samples = frames * size_t(layout.channels);
  if (samples == 0) return 0.0;
  if (layout.type == SampleType::kS16) {
    const int16_t* in = as_s16(data);
    uint64_t total = 0;
    for (size_t i = 0; i < samples; ++i) total += uint32_t(int32_t(in[i]) * in[i]);
    return double(total) / double(samples) / (kS16FullScale * kS16FullScale);
  }
  const float* in = as_f32(data);
  double total = 0.0;
  for (size_t i = 0; i < samples; ++i) total += double(in[i]) * double(in[i]);
  return total / double(samples);
}

double level_dbov(double mean_square) {
  if (!(mean_square > 0.0)) return ROOM_AUDIO_SILENCE_DBOV;
  return std::clamp(10.0 * std::log10(mean_square), ROOM_AUDIO_SILENCE_DBOV, 0.0);
}

bool is_digital_silence(const uint8_t* data, size_t bytes) {
  // Zero at the beginning, and every byte equal to the one before.
  return bytes == 0 || (data[0] == 0 && std::memcmp(data, data + 1, bytes - 1) == 0);
}

size_t leading_silent_frames(const SampleLayout& layout, const uint8_t* data, size_t frames) {
  const size_t bytes_per_frame = layout.bytes_per_frame();
  constexpr size_t kBlock = 64;
  size_t silent = 0;
  while (silent + kBlock <= frames &&
         is_digital_silence(data + silent * bytes_per_frame, kBlock * bytes_per_frame)) {
    silent += kBlock;
  }
  while (silent < frames && is_digital_silence(data + silent * bytes_per_frame, bytes_per_frame)) {
    ++silent;
  }
  return silent;
}

void cross_fade(const SampleLayout& layout, uint8_t* out, const uint8_t* from, const uint8_t* to,
                size_t frames) {
  if (layout.type == SampleType::kS16) {
    cross_fade_typed(reinterpret_cast<int16_t*>(out), as_s16(from), as_s16(to), frames,
                     size_t(layout.channels));
  } else {
    cross_fade_typed(reinterpret_cast<float*>(out), as_f32(from), as_f32(to), frames,
                     size_t(layout.channels));
  }
}

void fade_in(const SampleLayout& layout, uint8_t* data, size_t frames) {
  const float step = 1.0F / float(frames + 1);
  ramp(layout, data, frames, step, step);
}

void fade_out(const SampleLayout& layout, uint8_t* data, size_t frames) {
  const float step = 1.0F / float(frames + 1);
  ramp(layout, data, frames, step * float(frames), -step);
}

size_t replace_impossible_samples(const SampleLayout& layout, uint8_t* data, size_t frames) {
  if (layout.type != SampleType::kF32) return 0;
  float* samples = reinterpret_cast<float*>(data);
  size_t replaced = 0;
  for (size_t i = 0; i < frames * size_t(layout.channels); ++i) {
    if (std::isfinite(samples[i]) && std::fabs(samples[i]) <= kImpossibleSample) continue;
    samples[i] = 0.0F;
    ++replaced;
  }
  return replaced;
}

Cut best_cut(const SampleLayout& layout, const uint8_t* data, size_t overlap, size_t min_cut,
             size_t max_cut) {
  // 12 kHz keeps the pitch of any voice and makes the search 16 times cheaper than 48 kHz.
  const size_t stride = std::max<size_t>(1, size_t(layout.rate_hz) / 12000);
  const size_t frames = overlap + max_cut;
  const std::vector<float> mono =
      layout.type == SampleType::kS16
          ? coarse_mono(as_s16(data), frames, size_t(layout.channels), stride)
          : coarse_mono(as_f32(data), frames, size_t(layout.channels), stride);
  const size_t window = std::max<size_t>(1, overlap / stride);
  Cut best{max_cut, -1.0};
  double head_energy = 0.0;
  for (size_t i = 0; i < window && i < mono.size(); ++i) head_energy += double(mono[i]) * mono[i];
  for (size_t lag = (min_cut + stride - 1) / stride; lag * stride <= max_cut; ++lag) {
    if (lag + window > mono.size()) break;
    float product = 0.0F;
    float energy = 0.0F;
    for (size_t i = 0; i < window; ++i) {
      product += mono[i] * mono[lag + i];
      energy += mono[lag + i] * mono[lag + i];
    }
    const double scale = std::sqrt(head_energy * double(energy));
    // Silence is like silence; silence is not like sound.
    double similarity = scale > 0.0 ? double(product) / scale : 0.0;
    if (head_energy <= 0.0 && energy <= 0.0F) similarity = 1.0;
    // Of equally good ones, the longest: fewer cuts.
    if (similarity >= best.similarity) best = {lag * stride, similarity};
  }
  return best;
}

}  // namespace livekit
