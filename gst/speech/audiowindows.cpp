// SPDX-License-Identifier: LGPL-2.1-or-later
#include "speech/audiowindows.h"

#include <algorithm>

namespace speech {
namespace {

// Enough for any utterance to end in; the rest of a longer silence is jumped over.
constexpr int64_t kLongestSilenceNs = 2'000'000'000;

}  // namespace

void AudioWindows::push(std::span<const float> samples, int64_t time_ns) {
  if (next_ns_ >= 0 && time_ns > next_ns_ + kJumpNs) add_silence(next_ns_, time_ns - next_ns_);
  if (next_ns_ >= 0 && time_ns < next_ns_ - kJumpNs) {
    flush();
    on_break_();
  }
  add(samples, time_ns);
  next_ns_ = time_ns + static_cast<int64_t>(samples.size()) * kSampleNs;
}

void AudioWindows::push_silence(int64_t time_ns, int64_t duration_ns) {
  if (duration_ns <= 0) return;
  if (next_ns_ >= 0 && time_ns < next_ns_ - kJumpNs) {
    flush();
    on_break_();
    next_ns_ = -1;
  }
  const int64_t begin_ns = next_ns_ >= 0 && time_ns > next_ns_ + kJumpNs ? next_ns_ : time_ns;
  add_silence(begin_ns, time_ns + duration_ns - begin_ns);
  next_ns_ = time_ns + duration_ns;
}

void AudioWindows::flush() {
  if (filled_ == 0) return;
  static constexpr std::array<float, kWindowSamples> kZeros{};
  add(std::span(kZeros).subspan(filled_), window_time_ns_ + filled_ * kSampleNs);
}

void AudioWindows::add(std::span<const float> samples, int64_t time_ns) {
  while (!samples.empty()) {
    if (filled_ == 0) window_time_ns_ = time_ns;
    const size_t count = std::min(samples.size(), kWindowSamples - filled_);
    std::copy_n(samples.begin(), count, window_.begin() + filled_);
    filled_ += count;
    time_ns += static_cast<int64_t>(count) * kSampleNs;
    samples = samples.subspan(count);
    if (filled_ == kWindowSamples) {
      filled_ = 0;
      on_window_(window_, window_time_ns_);
    }
  }
}

void AudioWindows::add_silence(int64_t time_ns, int64_t duration_ns) {
  static constexpr std::array<float, kWindowSamples> kZeros{};
  const bool is_long = duration_ns > kLongestSilenceNs;
  int64_t samples = (is_long ? kLongestSilenceNs : duration_ns) / kSampleNs;
  while (samples > 0) {
    const int64_t count = std::min<int64_t>(samples, kWindowSamples);
    add(std::span(kZeros).first(count), time_ns);
    time_ns += count * kSampleNs;
    samples -= count;
  }
  if (is_long) {
    flush();
    on_break_();
  }
}

}  // namespace speech
