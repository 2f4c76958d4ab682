// SPDX-License-Identifier: LGPL-2.1-or-later
// Where the mix has got to, counted in samples since running time 0, so that nothing is ever lost
// to rounding.
#pragma once

#include <cstdint>

namespace egressmux {

class MixTimeline {
 public:
  explicit MixTimeline(int rate_hz) : rate_hz_(rate_hz) {}

  int rate_hz() const { return rate_hz_; }
  bool started() const { return started_; }
  int64_t position() const { return position_; }

  void reset() {
    started_ = false;
    position_ = 0;
  }

  /** Begins at the slice that holds @running_time_ns; does nothing when begun already. */
  void start(int64_t running_time_ns, int64_t slice_frames);

  void advance(int64_t frames) { position_ += frames; }

  /** Leaves out time nobody can want any more (a suspended machine). */
  void jump(int64_t position) { position_ = position; }

  /** What has to happen so that audio of [start, start + frames) comes next. */
  struct Placement {
    int64_t fill = 0;  /* frames of silence before it */
    int64_t skip = 0;  /* frames of it that lie in the past */
    bool late = false; /* all of it lies in the past */
  };
  Placement place(int64_t start, int64_t frames) const;

  int64_t samples_at(int64_t time_ns) const;
  int64_t time_at(int64_t samples) const;

 private:
  int rate_hz_;
  bool started_ = false;
  int64_t position_ = 0;
};

}  // namespace egressmux
