// SPDX-License-Identifier: LGPL-2.1-or-later
// The threads of the mix: who may put out the next slice, and when.
#pragma once

#include <gst/gst.h>

#include <atomic>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "gstroomsum.h"
#include "mixdown.h"

namespace egressmux {

/** Puts out one slice after the other, in one of two modes:
 *
 * synchronous: aligned pads and nothing else. The thread that pushes the last part of a slice
 *   pushes the mix, at once.
 * clocked: no aligned pad, or the mixer has inputs, or the room's thread has stalled. A thread of
 *   its own pushes the slice that ends at time t at t + delay on the pipeline's clock, with what
 *   has come by then.
 *
 * Locks, in this order: output_mutex_ (held while pushing, so that buffers keep their order), then
 * mutex_ (never held while calling out). */
class RoomSum {
 public:
  RoomSum(GstElement* element, GstPad* source_pad, RoomSumOwner* owner)
      : element_(element), source_pad_(source_pad), owner_(owner) {}
  ~RoomSum() { gst_clear_caps(&caps_); }
  RoomSum(const RoomSum&) = delete;
  RoomSum& operator=(const RoomSum&) = delete;

  // ---- life cycle
  void start();
  void stop();
  void set_playing(bool playing);
  void kick();
  /** One turn of the clocked thread. */
  void run_clock();

  // ---- aligned inputs
  void join(MixInput* input);
  void leave(MixInput* input);
  /** As leave(), from the room's own thread: what is complete now goes out at once. */
  void leave_and_drain(MixInput* input);
  GstFlowReturn push(GstClockTime running_time, AlignedPart part);
  void set_slice_duration(GstClockTime duration);

  // ---- the mixer
  void add_mixer_input(std::shared_ptr<MixInput> input);
  void remove_mixer_input(MixInput* input);
  /** Makes the mixer's thread come back, so that the mixer can be stopped; FALSE again when the
   * next mixer may send. Forgets what it sent. */
  void set_mixer_flushing(bool flushing);
  /** Nothing more comes from @input; after all it sent. */
  void end_mixer_input(MixInput* input);
  bool mixer_input_passed(const MixInput& input);
  GstFlowReturn push_mixer(GstClockTime running_time, GstBuffer* buffer);
  /** How long from now until sound of @running_time has to be in the mixer; nothing while there is
   * no time. */
  std::optional<int64_t> time_left_ns(GstClockTime running_time);
  /** FALSE when [start, end) has gone out already: whoever sends it comes too late. */
  bool note_level(MixInput* input, LevelSpan span);

  // ---- output
  void set_delay(GstClockTime delay);
  /** Whether the mix carries the tracks it was made of; any thread. */
  void set_carry_tracks(bool carry) { carry_tracks_ = carry; }
  bool carries_tracks() const { return carry_tracks_; }
  GstClockTime slice_duration();
  /** FALSE when there is nothing running that could end. */
  bool request_eos();
  /** End when all that went to the mixer is out. */
  void end_when_drained(bool wanted);
  void queue_event(GstEvent* event);
  GstClockTime position();
  GstClockTime learned_delay();
  void fill_stats(GstStructure* stats);

  /** Reads what of an input the sum's lock guards. */
  template <typename Read>
  void read_locked(Read read) {
    const std::lock_guard lock(mutex_);
    read();
  }

 private:
  using Lock = std::unique_lock<std::mutex>;

  bool clocked() const;
  bool work_pending() const;
  std::optional<GstClockTime> slice_deadline() const;
  std::optional<GstClockTime> next_deadline() const;
  GstClockTime end_deadline() const;
  bool may_end() const;
  bool waits_for_mixer() const;
  bool now_running(GstClockTime* running_time) const;
  void start_timeline();
  void service(bool due);
  bool note_late(GstClockTime slice_end);
  GstFlowReturn drain(Lock& lock);
  GstFlowReturn put_out_next(Lock& lock, bool make_time);
  GstFlowReturn negotiate(Lock& lock);
  void push_eos(Lock& lock);
  void push_queued_events(Lock& lock);
  void fail(GstFlowReturn flow);
  void kick_locked();

  GstElement* const element_;
  GstPad* const source_pad_;
  RoomSumOwner* const owner_;

  std::mutex output_mutex_;
  bool negotiated_ = false;      // output_mutex_
  bool events_sent_ = false;     // output_mutex_: stream-start and segment
  bool failure_posted_ = false;  // output_mutex_
  GstCaps* caps_ = nullptr;      // output_mutex_

  std::atomic<bool> carry_tracks_ = true;

  std::mutex mutex_;
  // All below: mutex_.
  std::condition_variable wake_;        // the clocked thread
  std::condition_variable mixer_wake_;  // the mixer's thread
  Mixdown mixdown_;
  bool flushing_ = true;
  bool playing_ = false;
  bool room_stalled_ = false;
  bool mixer_flushing_ = false;
  bool mixer_waits_ = false;
  bool eos_wanted_ = false;
  GstClockTime eos_deadline_ = 0; /* running time at which the end waits no longer */
  GstClockTime eos_latest_ = 0;   /* however many slices still come */
  bool end_when_drained_ = false;
  bool eos_sent_ = false;
  GstFlowReturn last_flow_ = GST_FLOW_OK;
  int64_t awaited_position_ = -1; /* position held back because the mixer is late */
  GstClockTime delay_ = 0;
  GstClockTime learned_delay_ = 0;
  unsigned late_in_a_row_ = 0;
  uint64_t stalls_ = 0;
  GstClockID clock_id_ = nullptr;
  std::vector<GstEvent*> queued_events_;
};

}  // namespace egressmux
