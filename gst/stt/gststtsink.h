/* gst-plugins-egress: live transcripts with names
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include <gst/gst.h>

#include <memory>

#include "session.h"

G_BEGIN_DECLS

#define GST_TYPE_STT_SINK (gst_stt_sink_get_type())
G_DECLARE_FINAL_TYPE(GstSttSink, gst_stt_sink, GST, STT_SINK, GstElement)

GST_ELEMENT_REGISTER_DECLARE(sttsink)

G_END_DECLS

// For the sink's pads: what runs between READY and READY, or nothing.
std::shared_ptr<stt::Session> gst_stt_sink_session(GstSttSink* sink);
// Basis of a STREAM_START message, once for each group of streams.
void gst_stt_sink_stream_started(GstSttSink* sink, GstEvent* stream_start);
// For tests, before READY -> PAUSED.
void gst_stt_sink_set_room_grace(GstSttSink* sink, std::chrono::milliseconds grace);
