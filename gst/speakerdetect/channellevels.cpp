// SPDX-License-Identifier: LGPL-2.1-or-later
#include "channellevels.h"

#include <algorithm>
#include <cmath>
#include <cstring>

namespace speakerdetect {
namespace {

constexpr double kSilence = -127.0;

class Mapped {
 public:
  Mapped(GstBuffer* buffer, const GstAudioInfo& info)
      : is_mapped_(gst_audio_buffer_map(&audio, &info, buffer, GST_MAP_READ)) {}
  ~Mapped() {
    if (is_mapped_) gst_audio_buffer_unmap(&audio);
  }
  Mapped(const Mapped&) = delete;
  Mapped& operator=(const Mapped&) = delete;
  explicit operator bool() const { return is_mapped_; }

  GstAudioBuffer audio;

 private:
  const bool is_mapped_;
};

/** Adds up the squares, full scale = 1, of interleaved samples of any format. */
void add_squares(const GstAudioInfo& info, gconstpointer samples, size_t frames, int channels,
                 double* sums) {
  const GstAudioFormatInfo* format = info.finfo;
  const bool is_float = format->unpack_format == GST_AUDIO_FORMAT_F64;
  constexpr size_t kBlock = 256;
  std::vector<double> unpacked(kBlock * size_t(channels)); /* or as many int32 */
  const auto* from = static_cast<const guint8*>(samples);
  const size_t frame_bytes = size_t(format->width) / 8 * size_t(channels);
  for (size_t at = 0; at < frames; at += kBlock) {
    const size_t count = std::min(kBlock, frames - at) * size_t(channels);
    format->unpack_func(format, GST_AUDIO_PACK_FLAG_TRUNCATE_RANGE, unpacked.data(),
                        const_cast<guint8*>(from + at * frame_bytes), int(count));
    for (size_t i = 0; i < count; i++) {
      double value = 0;
      if (is_float) {
        value = unpacked[i];
      } else {
        gint32 whole = 0;
        std::memcpy(&whole, reinterpret_cast<const guint8*>(unpacked.data()) + i * sizeof whole,
                    sizeof whole);
        value = double(whole) / 2147483648.0;
      }
      sums[i % size_t(channels)] += value * value;
    }
  }
}

}  // namespace

std::string channel_name(int channel, int n_channels) {
  if (n_channels == 2) return channel == 0 ? "left" : "right";
  return "channel-" + std::to_string(channel + 1);
}

std::vector<double> channel_levels(GstBuffer* buffer, const GstAudioInfo& info) {
  const Mapped mapped(buffer, info);
  if (!mapped) return {};
  std::vector<double> sums(size_t(info.channels), 0.0);
  const size_t frames = mapped.audio.n_samples;
  if (info.layout == GST_AUDIO_LAYOUT_INTERLEAVED) {
    add_squares(info, mapped.audio.planes[0], frames, info.channels, sums.data());
  } else {
    for (int i = 0; i < info.channels; i++) {
      add_squares(info, mapped.audio.planes[i], frames, 1, &sums[size_t(i)]);
    }
  }
  for (double& sum : sums) {
    const bool is_heard = frames > 0 && sum > 0;
    sum = is_heard ? std::clamp(10 * std::log10(sum / double(frames)), kSilence, 0.0) : kSilence;
  }
  return sums;
}

GstCaps* channel_caps(const GstAudioInfo& info) {
  GstAudioInfo one;
  gst_audio_info_init(&one);
  gst_audio_info_set_format(&one, info.finfo->format, info.rate, 1, nullptr);
  return gst_audio_info_to_caps(&one);
}

GstBuffer* copy_channel(GstBuffer* buffer, const GstAudioInfo& info, int channel) {
  const Mapped mapped(buffer, info);
  if (!mapped) return nullptr;
  const size_t sample_bytes = size_t(info.finfo->width) / 8;
  const size_t frames = mapped.audio.n_samples;
  GstBuffer* copy = gst_buffer_new_allocate(nullptr, frames * sample_bytes, nullptr);
  GstMapInfo map;
  if (!copy || !gst_buffer_map(copy, &map, GST_MAP_WRITE)) {
    gst_clear_buffer(&copy);
    return nullptr;
  }
  if (info.layout == GST_AUDIO_LAYOUT_INTERLEAVED) {
    const auto* from =
        static_cast<const guint8*>(mapped.audio.planes[0]) + size_t(channel) * sample_bytes;
    const size_t step = sample_bytes * size_t(info.channels);
    for (size_t i = 0; i < frames; i++) {
      std::memcpy(map.data + i * sample_bytes, from + i * step, sample_bytes);
    }
  } else {
    std::memcpy(map.data, mapped.audio.planes[channel], frames * sample_bytes);
  }
  gst_buffer_unmap(copy, &map);
  return copy;
}

}  // namespace speakerdetect
