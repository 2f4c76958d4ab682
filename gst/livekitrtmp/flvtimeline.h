// SPDX-License-Identifier: LGPL-2.1-or-later
// The times of one endless stream out of those of any number of publishers: running time. A
// publisher's first frame lies where it arrives; from there on its own timestamps count, however
// late it sends them, so that a stall and the burst after it shift nothing. Time never goes back.
#pragma once

#include <array>
#include <cstdint>

#include "session.h"

namespace rtmp {

class FlvTimeline {
 public:
  struct Place {
    int64_t time_ms = 0;
    bool discont = false;      // real time or data is missing before this
    bool first_frame = false;  // of all: here the stream begins
  };

  // Another publisher, or the same one again.
  void begin_publisher();
  // `now_ms`: running time at which it arrived.
  Place place(MediaKind kind, bool configuration, uint32_t timestamp_ms, int64_t now_ms);
  // Nothing will come for the time before `time_ms`. False when it was passed already.
  bool skip_to(int64_t time_ms);

  bool started() const { return started_; }
  int64_t end_ms() const { return end_ms_; }

 private:
  // Two media may be this much out of order without anything being wrong.
  static constexpr int64_t kReorderMs = 1000;
  static constexpr int64_t kJumpMs = 2000;

  void anchor(int64_t media_ms, int64_t now_ms);

  bool started_ = false;
  bool anchored_ = false;
  bool discont_ = false;
  bool known_ = false;           // a timestamp of this publisher has been seen
  uint32_t last_timestamp_ = 0;  // as on the wire
  int64_t media_ms_ = 0;         // the same without wrapping around
  int64_t shift_ms_ = 0;         // from media_ms_ to running time
  int64_t end_ms_ = 0;           // the latest time given out
  int64_t configured_ms_ = 0;    // the latest time of what came before a publisher's first frame
  std::array<int64_t, 3> last_ms_{};  // of each kind
};

}  // namespace rtmp
