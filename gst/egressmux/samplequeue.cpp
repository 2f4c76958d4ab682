// SPDX-License-Identifier: LGPL-2.1-or-later
#include "samplequeue.h"

#include <algorithm>

namespace egressmux {

int64_t SampleQueue::write(int64_t start, int64_t frames, const float* samples) {
  if (!pieces_.empty() && start < end_) {
    const int64_t overlap = std::min(end_ - start, frames);
    if (samples) samples += 2 * overlap;
    start += overlap;
    frames -= overlap;
  }
  if (frames <= 0) return 0;
  Piece piece{start, frames, {}};
  if (samples) piece.samples.assign(samples, samples + 2 * frames);
  pieces_.push_back(std::move(piece));
  end_ = start + frames;
  return frames;
}

bool SampleQueue::add_to(float* mix, int64_t start, int64_t frames, float scale) {
  bool audible = false;
  const int64_t end = start + frames;
  for (const Piece& piece : pieces_) {
    if (piece.start >= end) break;
    const int64_t from = std::max(start, piece.start);
    const int64_t to = std::min(end, piece.start + piece.frames);
    if (from >= to || piece.samples.empty()) continue;
    const float* source = piece.samples.data() + 2 * (from - piece.start);
    float* target = mix + 2 * (from - start);
    for (int64_t i = 0; i < 2 * (to - from); ++i) target[i] += source[i] * scale;
    audible = true;
  }
  while (!pieces_.empty() && pieces_.front().start + pieces_.front().frames <= end)
    pieces_.pop_front();
  return audible;
}

void SampleQueue::clear() {
  pieces_.clear();
  end_ = 0;
}

}  // namespace egressmux
