// SPDX-License-Identifier: LGPL-2.1-or-later
// Between what a connection delivers and what a pad hands on: one class a way of playing.
#pragma once

#include <gst/gst.h>

#include <memory>
#include <span>

#include "trackconnection.h"
#include "trackpad.h"

namespace livekit {

// When a slice lies. All tracks of a room get the same ones.
struct SliceTime {
  GstClockTime pts = 0;
  GstClockTime duration = 0;
  guint64 index = 0;     // of the room's clock
  bool discont = false;  // slices before it were skipped
};

// How the tracks of an element are played.
struct PlayoutOptions {
  bool arrival = false;
  guint margin_ms = 10;
  guint max_margin_ms = 200;
  guint max_backlog_ms = 30000;
};

// For stats; what does not apply stays 0. Frames are samples of all channels; for Opus, of 48 kHz.
struct MediaCounters {
  double depth_ms = 0.0;
  double margin_ms = 0.0;
  double drift_ppm = 0.0;
  guint64 underruns = 0;
  guint64 frames_received = 0;
  guint64 frames_invented = 0;
  guint64 frames_corrected = 0;        // inserted or removed for clock drift
  guint64 frames_skipped_silence = 0;  // not heard, but silent
  guint64 frames_skipped_speech = 0;   // cut out to catch up
  guint64 frames_dropped = 0;          // beyond the backlog
  guint64 bad_data = 0;                // packets or samples that made no sense
};

class TrackMedia {
 public:
  // The way that suits `format` and `options`.
  static std::unique_ptr<TrackMedia> create(const AudioFormat& format,
                                            const PlayoutOptions& options);
  virtual ~TrackMedia() = default;

  virtual void on_audio(std::span<const uint8_t> piece, bool last) = 0;
  // No more audio will come.
  virtual void finish() = 0;
  // Hands on what is due in `slice`. False when finished and everything has been played.
  virtual bool push_slice(const SliceTime& slice, bool muted, TrackPad& pad) = 0;
  // What is still to be played.
  virtual double depth_ms() const = 0;
  virtual MediaCounters counters() const = 0;
  // Frames thrown away because too much was waiting; also in counters().
  virtual guint64 dropped_frames() const { return 0; }
};

// True when pads of that format and playout carry the room's equal slices of somebody's track.
bool is_room_clocked(const TrackRequest& request, const PlayoutOptions& options);

}  // namespace livekit
