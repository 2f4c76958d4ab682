// SPDX-License-Identifier: LGPL-2.1-or-later
// From what publishers sent, one after another, to one FLV stream in running time. Streaming
// thread only; no element, time is an argument.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "flvtimeline.h"
#include "mediaqueue.h"

namespace rtmp {

struct FlvPiece {
  std::vector<uint8_t> bytes;
  int64_t time_ms = 0;
  int64_t lateness_ms = 0;  // arrived so much after its time
  bool configuration = false;
  bool discont = false;
  bool first_frame = false;  // the stream's time begins here
};

class FlvStream {
 public:
  explicit FlvStream(bool audio_only) : audio_only_(audio_only) {}

  // nullopt: nothing of it goes into the stream. `arrival_ms` is running time.
  std::optional<FlvPiece> take(QueuedMedia item, int64_t arrival_ms);

  struct Gap {
    int64_t start_ms = 0;
    int64_t duration_ms = 0;
  };
  // Nobody publishes, and so nothing will come for the time up to `now_ms`.
  std::optional<Gap> idle(int64_t now_ms);

  // Called when the stream ends. nullopt: enough has been given out. Else what makes a stream of
  // nothing: demuxers take the end of one without any pad for an error.
  std::optional<FlvPiece> finish(int64_t now_ms);

  bool has_publisher() const { return has_publisher_; }

 private:
  FlvPiece place(QueuedMedia item, int64_t arrival_ms);

  // The last frame ends about here after its start.
  static constexpr int64_t kFrameMs = 50;

  const bool audio_only_;
  FlvTimeline timeline_;
  bool header_done_ = false;
  bool has_publisher_ = false;
  bool in_gap_ = false;  // the end of the stream is the end of a gap, not the start of a frame
};

}  // namespace rtmp
