// SPDX-License-Identifier: LGPL-2.1-or-later
// InputConverter with times: what comes out is counted from where the audio last began, so that
// jitter of the buffers' timestamps does not tear it apart. Not thread-safe.
#pragma once

#include <cstdint>
#include <span>

#include "inputconverter.h"

namespace speech {

class TimedConverter {
 public:
  struct Piece {
    std::span<const float> samples;  // may be empty; valid until the next call
    int64_t time_ns = 0;             // of the first
  };

  bool has_format() const { return converter_.has_format(); }
  bool is_format(const GstAudioInfo& info) const {
    return has_format() && gst_audio_info_is_equal(&converter_.format(), &info);
  }
  // false: this format cannot be converted. flush() first.
  bool set_format(const GstAudioInfo& info) { return converter_.set_format(info); }

  // Whether audio at `time_ns` belongs to what came before; if not, flush() first.
  bool continues(int64_t time_ns) const;
  Piece convert(GstBuffer* buffer, int64_t time_ns);
  // The rest of what went in; the next convert() begins anew.
  Piece flush();

 private:
  int64_t time_out_ns() const;

  InputConverter converter_;
  bool anchored_ = false;
  int64_t anchor_ns_ = 0;   // time of the converter's first sample
  int64_t frames_in_ = 0;   // since the anchor
  int64_t frames_out_ = 0;  // since the anchor
};

}  // namespace speech
