// SPDX-License-Identifier: LGPL-2.1-or-later
// Makes the output's buffers: sums what the inputs brought for the next stretch of time, limits it,
// and says whose audio is in it. No element, no clock, no thread; its owner locks.
#pragma once

#include <gst/gst.h>

#include <memory>
#include <vector>

#include "limiter.h"
#include "mixinput.h"
#include "mixtimeline.h"
#include "roomaudio/slicepool.h"
#include "samplequeue.h"
#include "slicecollector.h"
#include "sumkernel.h"

namespace egressmux {

inline constexpr int kMixRateHz = 48000;

enum class SampleFormat { kS16, kF32 };

struct OutputFormat {
  SampleFormat format = SampleFormat::kS16;
  int channels = 2;
  size_t frame_bytes() const {
    return size_t(channels) * (format == SampleFormat::kS16 ? sizeof(int16_t) : sizeof(float));
  }
};

/** What one aligned input brought for one slice. */
struct AlignedPart {
  std::shared_ptr<MixInput> input;
  std::shared_ptr<const TrackText> text;
  BufferRef buffer;
  SampleFormat format = SampleFormat::kS16;
  int channels = 2;
  int64_t frames = 0;
  bool gap = false;
  bool level_known = false;
  double level_dbov = ROOM_AUDIO_SILENCE_DBOV;
  bool muted = false;
};

struct MixCounters {
  uint64_t slices = 0;             /* buffers put out */
  uint64_t gap_slices = 0;         /* of these, silent ones */
  uint64_t incomplete_slices = 0;  /* went out although an input was still missing */
  uint64_t dropped_late = 0;       /* parts that came after their time had gone out */
  uint64_t duplicate_slices = 0;   /* second parts of one input for one slice */
  uint64_t filled_samples = 0;     /* frames of silence put in before a slice from the future */
  uint64_t trimmed_samples = 0;    /* frames cut off because they overlapped what had gone out */
  uint64_t skipped_samples = 0;    /* frames of time left out altogether */
  uint64_t mixer_late_samples = 0; /* frames of the mixer's that came too late */
};

class Mixdown {
 public:
  Mixdown();

  /** Forgets everything but the counters' names. */
  void reset();

  void set_output(OutputFormat output);
  const OutputFormat& output() const { return output_; }

  /** Length of the slices made when nobody else sets the pace. */
  void set_slice_frames(int64_t frames) { slice_frames_ = frames; }
  int64_t slice_frames() const { return slice_frames_; }

  MixTimeline& timeline() { return timeline_; }
  const MixTimeline& timeline() const { return timeline_; }
  int64_t position() const { return timeline_.position(); }
  /** Where the buffer that compose_next() would make ends. */
  int64_t next_end() const;
  /** Whether buffers carry the tracks they were made of. */
  void set_carry_tracks(bool carry) { carry_tracks_ = carry; }
  const MixCounters& counters() const { return counters_; }
  const Limiter& limiter() const { return limiter_; }

  // ---- aligned inputs
  void join(MixInput* input) { collector_.join(&input->member); }
  void leave(MixInput* input) { collector_.leave(&input->member); }
  /** FALSE when the mix has gone past it already. */
  bool deliver(int64_t start, AlignedPart part);
  /** Somebody of the room sets the pace. */
  bool room_delivers() const { return collector_.delivering_count() > 0; }
  bool head_complete() const { return collector_.head_complete(); }
  bool has_slices() const { return !collector_.empty(); }

  // ---- the mixer's output
  int64_t mixer_span() const { return mixer_samples_.span(); }
  void clear_mixer() { mixer_samples_.clear(); }
  /** @samples in 1.0 = full scale, stereo; null = silence. */
  void write_mixer(int64_t start, int64_t frames, const float* samples);
  void add_mixer_input(std::shared_ptr<MixInput> input);
  void remove_mixer_input(const MixInput* input);
  void end_mixer_input(MixInput* input);
  /** Some input's sound is still to come, or on its way. */
  bool mixer_active() const;
  /** Its sound has ended and has all been put out. */
  bool mixer_input_passed(const MixInput& input) const {
    return input.mixer_ended && input.last_end <= timeline_.position();
  }
  bool has_passed_mixer_inputs() const;
  /** The mixer has been given sound of the next buffer's time, and has not sent it on yet. */
  bool mixer_owes() const;
  /** Where the sound ends that was sent to the mixer so far. */
  int64_t mixer_end() const;

  // ---- output
  /** The next buffer: the oldest slice, or silence up to it; without slices, and when
   * @make_time, one without aligned parts (with the mixer's sound). Else null. */
  GstBuffer* compose_next(bool make_time);

  /** Goes to @position without making buffers; the next one is marked DISCONT. */
  void skip_to(int64_t position);

 private:
  using Collector = SliceCollector<AlignedPart>;

  GstBuffer* compose(int64_t frames, Collector::Slice* slice, int64_t skip);
  bool add_part(AlignedPart* part, int64_t frames, int64_t skip);
  void collect_mixer_tracks(int64_t start, int64_t frames);
  void carry_tracks(GstBuffer* mix, Collector::Slice* slice, int64_t end);

  OutputFormat output_;
  int64_t slice_frames_ = kMixRateHz / 100;
  MixTimeline timeline_{kMixRateHz};
  Limiter limiter_{kMixRateHz};
  MixCounters counters_;
  Collector collector_;
  SampleQueue mixer_samples_;
  std::vector<std::shared_ptr<MixInput>> mixer_inputs_;
  size_t ended_mixer_inputs_ = 0;
  std::vector<float> mix_;
  std::vector<RoomAudioTrack> tracks_;
  std::vector<std::shared_ptr<const TrackText>> track_texts_;  // keeps the strings of tracks_
  bool carry_tracks_ = true;
  roomaudio::SlicePool slices_;
  bool discont_ = true;
};

}  // namespace egressmux
