// SPDX-License-Identifier: LGPL-2.1-or-later
// Any raw audio to mono float at the engines' rate. Not thread-safe.
#pragma once

#include <gst/audio/audio.h>

#include <memory>
#include <span>
#include <vector>

namespace speech {

class InputConverter {
 public:
  // false: this format cannot be converted. Forgets audio that is still inside.
  bool set_format(const GstAudioInfo& info);
  bool has_format() const { return converter_ != nullptr; }
  const GstAudioInfo& format() const { return info_; }

  // What comes out lags behind what goes in by the resampler's filter; the first sample out is
  // the first sample in. Returned samples are valid until the next call.
  std::span<const float> convert(GstBuffer* buffer, int64_t& frames_in);
  // The rest of what went in; the next convert() starts afresh.
  std::span<const float> flush();

 private:
  struct Free {
    void operator()(GstAudioConverter* converter) const { gst_audio_converter_free(converter); }
  };

  std::span<const float> run(gpointer* planes, size_t frames);

  GstAudioInfo info_ = {};
  std::unique_ptr<GstAudioConverter, Free> converter_;
  std::vector<float> out_;
  bool holds_audio_ = false;
};

}  // namespace speech
