// SPDX-License-Identifier: LGPL-2.1-or-later
// The source pad of one track: sticky events, buffers with RoomAudioMeta, and what became of them.
#pragma once

#include <gst/gst.h>

#include <atomic>
#include <memory>
#include <string>

#include "gst/roomaudio/slicepool.h"
#include "trackconnection.h"

namespace livekit {

// What all pads of one element have in common.
struct PadContext {
  GstElement* element = nullptr;
  guint group_id = 0;
  GstClockTime slice = 0;
  std::string clock_id;
};

class TrackPad {
 public:
  TrackPad(const PadContext& context, guint index, std::shared_ptr<const TrackRequest> request,
           const std::string& stream_id, bool room_clocked);
  ~TrackPad();
  TrackPad(const TrackPad&) = delete;
  TrackPad& operator=(const TrackPad&) = delete;

  // Makes the pad known: applications link it from within.
  void add();
  // Deactivates and takes it away; harmless when it has not been added.
  void remove();

  void push_samples(const uint8_t* data, size_t bytes, GstClockTime pts, GstClockTime duration,
                    double level_dbov, bool muted);
  // A GAP buffer of `bytes` zeros.
  void push_silence(size_t bytes, GstClockTime pts, GstClockTime duration, bool muted);
  void push_gap_event(GstClockTime pts, GstClockTime duration);
  // With the seqnum of the event that asked for it; GST_SEQNUM_INVALID = one of its own.
  void push_eos(guint32 seqnum);
  // The same track with another name or other metadata or attributes.
  void describe(std::shared_ptr<const TrackRequest> request);
  void set_discont() { discont_ = true; }

  GstFlowReturn flow() const { return *flow_; }
  // Downstream cannot go on with this pad.
  bool failed() const { return *flow_ < GST_FLOW_EOS; }
  const std::string& name() const { return name_; }

 private:
  bool is_mix() const { return request_->scope == TrackRequest::Scope::kRoom; }
  GstBuffer* make_buffer(size_t bytes);
  void push_tags();
  void push_sticky_events(const PadContext& context, const std::string& stream_id,
                          bool room_clocked);
  void push(GstBuffer* buffer, GstClockTime pts, GstClockTime duration, double level_dbov,
            bool muted);

  GstElement* const element_;
  GstPad* pad_ = nullptr;  // a reference of our own
  std::shared_ptr<const TrackRequest> request_;
  std::string name_;
  bool added_ = false;
  bool discont_ = true;
  // Shared with the pad, which may live longer: a new link downstream (RECONFIGURE) makes up for
  // what an old one answered.
  std::shared_ptr<std::atomic<GstFlowReturn>> flow_;
  roomaudio::SlicePool slices_;
};

GstCaps* caps_of(const AudioFormat& format);

}  // namespace livekit
