// SPDX-License-Identifier: LGPL-2.1-or-later
#include "mixinput.h"

#include <cstdlib>

namespace speakerdetect {
namespace {

// Timestamps may be off by rounding or a little jitter; beyond it the audio is not continuous.
constexpr int64_t kMaxJitterNs = 20'000'000;
constexpr int64_t kSecondNs = 1'000'000'000;
constexpr std::chrono::milliseconds kEndTimeout(2000);

}  // namespace

bool MixInput::set_format(const GstAudioInfo& info) {
  if (converter_.has_format() && gst_audio_info_is_equal(&converter_.format(), &info)) return true;
  flush_converter();
  return converter_.set_format(info);
}

void MixInput::flush_converter() {
  const std::span<const float> rest = converter_.flush();
  if (anchored_) {
    listener_.push(rest, anchor_ns_ + frames_out_ * kSecondNs / speech::kSampleRateHz);
  }
  anchored_ = false;
}

void MixInput::push(GstBuffer* buffer, uint64_t running_time_ns) {
  const int64_t time_ns = int64_t(running_time_ns);
  const int64_t rate_hz = converter_.format().rate;
  if (!converter_.has_format() || rate_hz <= 0) return;
  if (anchored_ &&
      std::abs(anchor_ns_ + frames_in_ * kSecondNs / rate_hz - time_ns) > kMaxJitterNs) {
    flush_converter();
  }
  if (!anchored_) {
    anchored_ = true;
    anchor_ns_ = time_ns;
    frames_in_ = frames_out_ = 0;
  }
  int64_t frames_in = 0;
  const std::span<const float> samples = converter_.convert(buffer, frames_in);
  listener_.push(samples, anchor_ns_ + frames_out_ * kSecondNs / speech::kSampleRateHz);
  frames_in_ += frames_in;
  frames_out_ += int64_t(samples.size());
}

void MixInput::push_gap(uint64_t running_time_ns, uint64_t duration_ns) {
  flush_converter();
  listener_.push_silence(int64_t(running_time_ns), int64_t(duration_ns));
}

bool MixInput::update() {
  report_ = listener_.report();
  bool changed = false;
  if (report_.turn) {
    changed = report_.turn->identity != speaker_.identity;
    speaker_.identity = report_.turn->identity;
    speaker_.name = speaker_.identity;
    speaker_.since_ns = uint64_t(report_.turn->since_ns);
  }
  speaker_.level_dbov = report_.state.level_dbov;
  talking_ = report_.state.is_speech ? dominant() : nullptr;
  return changed;
}

void MixInput::end() {
  flush_converter();
  listener_.end();
  listener_.wait(kEndTimeout);
}

void MixInput::flush() {
  converter_.flush();
  anchored_ = false;
  listener_.flush();
  speaker_.identity.clear(); /* since_ns stays: nobody knows of a later time */
  speaker_.name.clear();
  talking_ = nullptr;
}

}  // namespace speakerdetect
