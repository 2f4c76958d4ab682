// SPDX-License-Identifier: LGPL-2.1-or-later
// Audio that came from another thread, kept by time until the mix reaches it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <vector>

namespace egressmux {

/** Interleaved stereo float samples at positions on the mix's time line. Pieces are written in
 * order; where they overlap the later one loses its overlapping head. */
class SampleQueue {
 public:
  /** @samples may be null: silence, which takes time but no memory. Returns the frames kept. */
  int64_t write(int64_t start, int64_t frames, const float* samples);

  /** Adds what lies in [start, start + frames) to the stereo @mix, scaled by @scale, and forgets
   * everything before its end. False when there was only silence. */
  bool add_to(float* mix, int64_t start, int64_t frames, float scale);

  /** End of what has been written; 0 when nothing ever was. */
  int64_t end() const { return end_; }
  bool empty() const { return pieces_.empty(); }
  /** Frames between the oldest piece's start and the end. */
  int64_t span() const { return pieces_.empty() ? 0 : end_ - pieces_.front().start; }
  void clear();

 private:
  struct Piece {
    int64_t start;
    int64_t frames;
    std::vector<float> samples;
  };
  std::deque<Piece> pieces_;
  int64_t end_ = 0;
};

}  // namespace egressmux
