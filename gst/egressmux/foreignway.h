// SPDX-License-Identifier: LGPL-2.1-or-later
// The way of every pad that a room's clock does not feed with slices of the mix's own format:
// decoder and converters as its caps need them, then stock audiomixer, then the sum.
#pragma once

#include <gst/gst.h>

#include <map>
#include <mutex>

#include "gstegressmuxpad.h"
#include "roomsum.h"

namespace egressmux {

class ForeignWay {
 public:
  /** Both outlive this. */
  ForeignWay(GstBin* bin, RoomSum* sum, GstRoomSum* sum_element)
      : bin_(bin), sum_(sum), sum_element_(sum_element) {}

  /** Time the mixer grants its inputs beyond what they ask for; for the next mixer made. */
  /** Any thread; acts on a running mixer too. */
  void set_latency(GstClockTime latency);

  /** Leads @pad's stream of @caps to the mixer; from the pad's streaming thread. */
  bool attach(GstEgressMuxPad* pad, const GstCaps* caps);
  /** Any thread. Does nothing for a pad that is not here. */
  void detach(GstEgressMuxPad* pad);
  /** The stream of @pad has ended: its connection goes when its sound is out. */
  void note_ended(GstEgressMuxPad* pad);
  /** Lets the connections go whose sound is out; and the mixer, when none is left. */
  void drop_passed();
  /** Takes everything down. */
  void clear();

  /** Latency of the mixer with its inputs; FALSE without a mixer. */
  bool find_latency(GstClockTime* min, GstClockTime* max);

 private:
  struct Connection {
    GstElement* chain = nullptr; /* owned by the bin */
    GstPad* mixer_pad = nullptr; /* a reference */
    bool opus = false;
    bool converts = false;
    bool follows = false; /* an input that does not wait: late pieces are heard late */
    bool ended = false;
  };

  bool make_mixer();
  void drop_mixer();
  void drop_connection(GstEgressMuxPad* pad, const Connection& connection);
  GstElement* make_chain(GstEgressMuxPad* pad, const GstCaps* caps, Connection* connection);
  void add_probes(const Connection& connection, const std::shared_ptr<MixInput>& input,
                  GstPad* chain_src);

  GstBin* const bin_;
  RoomSum* const sum_;
  GstRoomSum* const sum_element_;
  std::atomic<GstClockTime> latency_{0};

  std::mutex mutex_;                                    // taken before source_mutex_
  GstElement* mixer_ = nullptr;                         // mutex_; owned by the bin
  std::map<GstEgressMuxPad*, Connection> connections_;  // mutex_
  // A lock of its own: a latency query may come while connecting makes the mixer ask for one.
  std::mutex source_mutex_;
  GstPad* mixer_source_ = nullptr;  // source_mutex_; a reference
};

}  // namespace egressmux
