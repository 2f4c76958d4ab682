// SPDX-License-Identifier: LGPL-2.1-or-later
// What egressmux does with its pads: which way each one's stream takes, when all have ended, and
// what latency they make together.
#pragma once

#include <gst/gst.h>

#include <atomic>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "foreignway.h"
#include "gstegressmuxpad.h"
#include "gstroomsum.h"
#include "roomsum.h"

namespace egressmux {

class MuxShell final : public RoomSumOwner {
 public:
  /** Takes @src_template. */
  MuxShell(GstBin* bin, GstPadTemplate* src_template);
  ~MuxShell() override;
  MuxShell(const MuxShell&) = delete;
  MuxShell& operator=(const MuxShell&) = delete;

  RoomSum& sum() { return *sum_; }

  GstPad* request_pad(GstPadTemplate* pad_template, const gchar* name);
  void release_pad(GstEgressMuxPad* pad);
  /** After PAUSED to READY. */
  void forget_everything();

  void set_latency(GstClockTime latency);
  GstClockTime latency() const { return latency_; }
  GstStructure* make_stats();

  // ---- from the pads
  GstFlowReturn chain(GstEgressMuxPad* pad, GstBuffer* buffer);
  gboolean event(GstEgressMuxPad* pad, GstEvent* event);
  gboolean query(GstEgressMuxPad* pad, GstQuery* query);
  void linked(GstEgressMuxPad* pad);
  void unlinked(GstEgressMuxPad* pad);

  // ---- RoomSumOwner
  void find_latency(GstClockTime* min, GstClockTime* max) override;
  bool insert_converter() override;
  void delay_grew() override { update_latency(); }
  void mixer_inputs_passed() override;
  gboolean send_upstream(GstEvent* event) override;

 private:
  void take_tags(GstEgressMuxPad* pad, GstEvent* event);
  gboolean take_stream_start(GstEgressMuxPad* pad, GstEvent* event);
  gboolean take_caps(GstEgressMuxPad* pad, GstEvent* event);
  bool choose_way(GstEgressMuxPad* pad, const GstCaps* caps);
  gboolean take_gap(GstEgressMuxPad* pad, GstEvent* event);
  gboolean take_eos(GstEgressMuxPad* pad, GstEvent* event);
  bool choose_aligned(GstEgressMuxPad* pad, const GstCaps* caps);
  void leave_room(GstEgressMuxPad* pad);
  void set_way(GstEgressMuxPad* pad, Way way);
  GstFlowReturn push_aligned(GstEgressMuxPad* pad, GstBuffer* buffer);
  void announce(GstEgressMuxPad* pad);
  /** All request pads, a reference each. */
  std::vector<GstEgressMuxPad*> sink_pads();
  void check_end();
  void update_latency();

  GstBin* const bin_;
  GstRoomSum* sum_element_ = nullptr; /* a reference: pads that go last still call it */
  RoomSum* sum_ = nullptr;
  std::unique_ptr<ForeignWay> foreign_;
  GstPad* src_pad_ = nullptr; /* owned by the bin */
  std::atomic<GstClockTime> latency_{0};

  std::mutex mutex_;
  // All below: mutex_, which is never held while calling out.
  std::string room_clock_; /* the clock of the aligned pads */
  unsigned aligned_pads_ = 0;
  bool room_seen_ = false; /* a pad of a room has been here: tracks ending do not end it */
  unsigned next_pad_ = 0;
  GstElement* converter_ = nullptr; /* owned by the bin */
  GstClockTime reported_latency_ = GST_CLOCK_TIME_NONE;
};

}  // namespace egressmux
