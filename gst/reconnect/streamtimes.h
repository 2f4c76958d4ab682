// SPDX-License-Identifier: LGPL-2.1-or-later
// Where the audio of one connection after the other belongs on one time line that never goes back:
// each connection begins at the moment at which its first piece arrives, and keeps its own time
// from then on, however late or in whatever bursts the rest of it comes.
#pragma once

#include <cstdint>

#include "timing/lagcontrol.h"

namespace reconnect {

class StreamTimes {
 public:
  /** @catch_up: leave out pieces of pauses when the stream runs ahead of its time: its first piece
   * came late (somebody was muted just then), and the rest does not. */
  explicit StreamTimes(bool catch_up = true);

  void reset();
  void begin_connection() { anchored_ = false; }

  struct Placed {
    int64_t time_ns = 0;
    int64_t gap_from_ns = -1; /* nothing is there from then to time_ns; -1 = no gap */
    bool discont = false;
    bool drop = false;
  };
  /** A piece of the connection's time @stream_ns that is complete at @now_ns (running time). */
  Placed place(int64_t stream_ns, int64_t duration_ns, int64_t now_ns, double level_dbov);

  /** While there is no connection: nothing is there up to @now_ns. FALSE = there is no gap yet. */
  bool skip_to(int64_t now_ns, int64_t* gap_from_ns);

  bool begun() const { return begun_; }
  /** Where the next piece would follow. */
  int64_t end_ns() const { return end_ns_; }
  /** How late the last piece came: arrival against its time. */
  int64_t lateness_ns() const { return lateness_ns_; }
  int64_t cut_ns() const { return lag_.cut_ns(); }
  uint64_t resyncs() const { return resyncs_; }

 private:
  void anchor(int64_t stream_ns, int64_t duration_ns, int64_t now_ns);

  bool catch_up_;
  timing::LagControl lag_;
  livekit::SlidingMinimum least_lateness_;
  bool begun_ = false;    /* something has been placed, ever */
  bool anchored_ = false; /* this connection's time is known */
  int64_t offset_ns_ = 0;
  int64_t end_ns_ = 0;
  int64_t arrival_ns_ = 0; /* of the last piece */
  int64_t lateness_ns_ = 0;
  uint64_t resyncs_ = 0;
};

}  // namespace reconnect
