// SPDX-License-Identifier: LGPL-2.1-or-later
// One track's time line: bytes go in as they arrive, equal slices come out at the room's pace.
//
// Time is counted in frames taken out. What lies between the two is the queue's depth, and all
// decisions follow from it:
//  - jitter margin: a track starts when one slice and `margin_ms` are there. An underrun widens
//    the margin by the silence it had to invent; it is narrowed in silence only.
//  - drift: the mean depth is held where it settled, by single frames, cross-faded over a slice.
//    While it is where it should be, samples pass untouched.
//  - catch-up: when even the smallest depth of the last second is far above the margin, there is
//    a backlog: long pauses are shortened at once, speech is played up to 1.25 times as fast by
//    cutting out whole periods of the voice. Nothing is thrown away but above `max_backlog_ms`.
// Not thread-safe; no clock, no I/O.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "samplekernels.h"
#include "samplequeue.h"
#include "slidingminimum.h"

namespace livekit {

struct PlayoutConfig {
  SampleLayout layout;
  uint32_t margin_ms = 10;
  uint32_t max_margin_ms = 200;
  uint32_t max_backlog_ms = 30000;
};

// All in frames unless said otherwise.
struct PlayoutCounters {
  uint64_t received = 0;
  uint64_t played = 0;              // taken out of the queue and heard, also when cross-faded
  uint64_t invented = 0;            // silence put in because nothing was there (underruns)
  uint64_t inserted = 0;            // by drift correction
  uint64_t removed_drift = 0;       // by drift correction
  uint64_t removed_silence = 0;     // digital silence, to catch up or to narrow the margin
  uint64_t removed_speech = 0;      // cut out to catch up
  uint64_t dropped_backlog = 0;     // oldest audio beyond max_backlog_ms
  uint64_t underruns = 0;           // times
  uint64_t loose_bytes = 0;         // bytes: the last message ended within a sample
  uint64_t impossible_samples = 0;  // samples that were not numbers, or absurd: silenced
};

struct Slice {
  enum class Kind {
    kSamples,
    kSilence,   // what was received is exactly zero
    kNothing,   // nothing to play: not started, or underrun
    kFinished,  // finish() was called and everything has been played
  };
  Kind kind = Kind::kNothing;
  const uint8_t* data = nullptr;  // with kSamples only; valid until the next push or next_slice
  double level_dbov = -127.0;
};

class Playout {
 public:
  explicit Playout(const PlayoutConfig& config);

  void push(std::span<const uint8_t> bytes);
  // No more will come: play what is there to its end.
  void finish();
  // The next `frames` frames of the time line.
  Slice next_slice(size_t frames);

  size_t depth_frames() const { return queue_.frames(); }
  double depth_ms() const { return to_ms(double(queue_.frames())); }
  // How much audio lies behind a slice when the network is calm.
  double margin_ms() const { return to_ms(double(margin_)); }
  // How much faster the sender's clock runs than the room's, as far as has been corrected.
  double drift_ppm() const { return drift_ppm_; }
  bool catching_up() const { return catching_up_; }
  const PlayoutCounters& counters() const { return counters_; }
  // Received frames that are behind us, whether heard or removed.
  uint64_t position() const { return position_; }

 private:
  enum class State { kWaiting, kPlaying, kDraining };

  double to_ms(double frames) const { return frames * 1000.0 / config_.layout.rate_hz; }
  void consume(size_t frames);
  Slice wait(size_t frames);
  Slice play_rest(size_t frames);
  Slice play(size_t frames);
  Slice emit(const uint8_t* data, size_t frames);
  Slice emit_scratch(size_t frames);
  void resume();
  void resettle();
  void observe(size_t frames);
  void keep_reserve();
  int64_t excess(const SlidingMinimum& window) const;
  void update_catch_up(size_t frames);
  size_t silence_to_skip(size_t frames) const;
  bool splice(size_t frames, Slice* slice);
  bool correct_drift(size_t frames, Slice* slice);
  void note_drift_correction(int frames_removed);

  const PlayoutConfig config_;
  const size_t bytes_per_frame_;
  SampleQueue queue_;
  std::vector<uint8_t> scratch_;
  PlayoutCounters counters_;
  State state_ = State::kWaiting;
  uint64_t position_ = 0;

  bool started_ = false;           // has ever played
  bool fade_in_next_ = false;      // what comes does not join on to what was last heard
  size_t waited_ = 0;              // since there was something to wait with
  uint64_t invented_in_wait_ = 0;  // silence put in by the underrun that is going on
  int64_t margin_ = 0;             // wanted smallest depth behind a slice, in a calm second

  // Depth as if nothing had ever been removed or inserted on purpose, so that the windows need not
  // be rewritten when we do: depth = entry - removed_.
  int64_t removed_ = 0;
  SlidingMinimum second_;
  SlidingMinimum below_mean_;  // smallest depth behind a slice in half a minute, against the mean

  // Drift.
  double mean_depth_ = 0.0;
  double wanted_depth_ = 0.0;
  uint64_t settling_frames_ = 0;  // since the mean was started afresh
  bool settled_ = false;
  int correcting_ = 0;           // +1 removes frames, -1 inserts
  size_t since_correction_ = 0;  // frames played
  int64_t drift_window_removed_ = 0;
  uint64_t drift_window_frames_ = 0;
  double drift_ppm_ = 0.0;

  // Catching up.
  bool catching_up_ = false;
  double speed_credit_ = 0.0;   // frames that may be cut out by now
  size_t splice_patience_ = 0;  // slices since a cut was due
  size_t silent_run_ = 0;       // frames of pause heard so far
  size_t sound_run_ = 0;        // frames of sound heard since
};

}  // namespace livekit
