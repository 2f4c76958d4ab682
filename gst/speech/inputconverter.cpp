// SPDX-License-Identifier: LGPL-2.1-or-later
#include "speech/inputconverter.h"

#include <algorithm>
#include <cmath>

#include "speech/voiceactivity.h"

namespace speech {

namespace {

constexpr float kLoudest = 4.0f;  // 12 dB above full scale

// The mean of all channels, whatever their positions are or whether they have any.
void put_mean_matrix(GstStructure* config, int channels) {
  GValue matrix = G_VALUE_INIT;
  GValue row = G_VALUE_INIT;
  GValue factor = G_VALUE_INIT;
  gst_value_array_init(&matrix, 1);
  gst_value_array_init(&row, guint(channels));
  g_value_init(&factor, G_TYPE_FLOAT);
  g_value_set_float(&factor, 1.0f / float(channels));
  for (int i = 0; i < channels; ++i) gst_value_array_append_value(&row, &factor);
  gst_value_array_append_and_take_value(&matrix, &row);
  gst_structure_take_value(config, GST_AUDIO_CONVERTER_OPT_MIX_MATRIX, &matrix);
  g_value_unset(&factor);
}

}  // namespace

bool InputConverter::set_format(const GstAudioInfo& info) {
  GstAudioInfo out;
  gst_audio_info_init(&out);
  gst_audio_info_set_format(&out, GST_AUDIO_FORMAT_F32, kSampleRateHz, 1, nullptr);
  GstStructure* config =
      gst_structure_new("config", GST_AUDIO_CONVERTER_OPT_DITHER_METHOD,
                        GST_TYPE_AUDIO_DITHER_METHOD, GST_AUDIO_DITHER_NONE, nullptr);
  if (info.channels > 1) put_mean_matrix(config, info.channels);
  info_ = info;
  holds_audio_ = false;
  converter_.reset(gst_audio_converter_new(GST_AUDIO_CONVERTER_FLAG_NONE, &info_, &out, config));
  return converter_ != nullptr;
}

std::span<const float> InputConverter::run(gpointer* planes, size_t frames) {
  const size_t frames_out = gst_audio_converter_get_out_frames(converter_.get(), frames);
  out_.resize(frames_out);
  gpointer out_planes[] = {out_.data()};
  if (frames > 0 && !gst_audio_converter_samples(converter_.get(), GST_AUDIO_CONVERTER_FLAG_NONE,
                                                 planes, frames, out_planes, frames_out)) {
    return {};
  }
  // What broken media decode to may be no number at all, and one of those is all that a recurrent
  // network ever gives from then on; squares of huge ones are none either.
  for (float& sample : out_) {
    sample = std::isfinite(sample) ? std::clamp(sample, -kLoudest, kLoudest) : 0.0f;
  }
  return out_;
}

std::span<const float> InputConverter::convert(GstBuffer* buffer, int64_t& frames_in) {
  frames_in = 0;
  GstAudioBuffer mapped;
  if (!converter_ || !gst_audio_buffer_map(&mapped, &info_, buffer, GST_MAP_READ)) return {};
  frames_in = int64_t(mapped.n_samples);
  const std::span<const float> samples = run(mapped.planes, mapped.n_samples);
  gst_audio_buffer_unmap(&mapped);
  holds_audio_ = holds_audio_ || frames_in > 0;
  return samples;
}

std::span<const float> InputConverter::flush() {
  if (!converter_ || !holds_audio_) return {};
  holds_audio_ = false;
  const size_t latency_frames = gst_audio_converter_get_max_latency(converter_.get());
  const std::span<const float> samples = run(nullptr, latency_frames);
  gst_audio_converter_reset(converter_.get());
  return samples;
}

}  // namespace speech
