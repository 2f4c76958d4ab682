// SPDX-License-Identifier: LGPL-2.1-or-later
// Turns pushed audio (any lengths, time stamps that jitter, jumps) into windows in a row.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <span>

#include "speech/voiceactivity.h"

namespace speech {

constexpr int64_t kJumpNs = 40'000'000;  // less is jitter of time stamps

class AudioWindows {
 public:
  using OnWindow = std::function<void(std::span<const float> window, int64_t time_ns)>;
  // What follows does not continue what was: silence too long to be worth windows, or time
  // that starts over.
  using OnBreak = std::function<void()>;

  AudioWindows(OnWindow on_window, OnBreak on_break)
      : on_window_(std::move(on_window)), on_break_(std::move(on_break)) {}

  void push(std::span<const float> samples, int64_t time_ns);
  void push_silence(int64_t time_ns, int64_t duration_ns);
  // Fills a window that has begun with silence.
  void flush();
  size_t filled() const { return filled_; }  // samples of a window that has begun

 private:
  void add(std::span<const float> samples, int64_t time_ns);
  void add_silence(int64_t time_ns, int64_t duration_ns);

  const OnWindow on_window_;
  const OnBreak on_break_;
  std::array<float, kWindowSamples> window_{};
  size_t filled_ = 0;
  int64_t window_time_ns_ = 0;
  int64_t next_ns_ = -1;  // where the next push continues; -1 = anywhere
};

}  // namespace speech
