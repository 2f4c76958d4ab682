// SPDX-License-Identifier: LGPL-2.1-or-later
// What stays while connections come and go: takes the audio of one after the other, and hands on
// one live stream.
#pragma once

#include <gst/gst.h>

#include <cstdint>

G_BEGIN_DECLS
#define GST_TYPE_RECONNECT_RELAY (gst_reconnect_relay_get_type())
G_DECLARE_FINAL_TYPE(GstReconnectRelay, gst_reconnect_relay, GST, RECONNECT_RELAY, GstElement)
G_END_DECLS

namespace reconnect {

/** Who is told; from a connection's streaming thread, must not block. */
class RelayOwner {
 public:
  virtual ~RelayOwner() = default;
  /** A piece of audio goes out; @gap_ns: nothing was there for so long before it. */
  virtual void data(int64_t gap_ns) = 0;
  virtual void stream_ended() = 0;
  /** Downstream wants no more, and says why. */
  virtual void refused(GstFlowReturn flow) = 0;
};

struct RelayStats {
  uint64_t buffers = 0;
  uint64_t gaps = 0;
  int64_t gap_ns = 0;
  int64_t cut_ns = 0;
  int64_t lateness_ns = 0;
  uint64_t resyncs = 0;
};

GstReconnectRelay* relay_new(RelayOwner* owner);
/** Before the first data. */
void relay_configure(GstReconnectRelay* relay, GstClockTime latency, bool catch_up);
void relay_begin_connection(GstReconnectRelay* relay);
/** Between connections: tells downstream that nothing is there so far. */
void relay_push_gap(GstReconnectRelay* relay);
/** Between connections: ends the stream. */
void relay_push_eos(GstReconnectRelay* relay);
RelayStats relay_stats(GstReconnectRelay* relay);
/** 0 when there is none yet; stands still in PAUSED. */
GstClockTime relay_running_time(GstReconnectRelay* relay);

}  // namespace reconnect
