/* gst-plugins-egress: a request pad of sttsink
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include <gst/gst.h>

#include <memory>

#include "session.h"

G_BEGIN_DECLS

#define GST_TYPE_STT_SINK_PAD (gst_stt_sink_pad_get_type())
G_DECLARE_FINAL_TYPE(GstSttSinkPad, gst_stt_sink_pad, GST, STT_SINK_PAD, GstPad)

G_END_DECLS

// A new session has begun (nullptr: the last one has ended).
void gst_stt_sink_pad_use_session(GstSttSinkPad* pad, const std::shared_ptr<stt::Session>& session);
// The pad is about to go: unblocks its streaming thread.
void gst_stt_sink_pad_leave(GstSttSinkPad* pad);
// "stats" of the pad, or nullptr when it has no input.
GstStructure* gst_stt_sink_pad_stats(GstSttSinkPad* pad);
