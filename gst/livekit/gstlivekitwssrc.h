// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <gst/gst.h>

G_BEGIN_DECLS

#define GST_TYPE_LIVEKIT_WS_SRC (gst_livekit_ws_src_get_type())
G_DECLARE_FINAL_TYPE(GstLivekitWsSrc, gst_livekit_ws_src, GST, LIVEKIT_WS_SRC, GstElement)

#define GST_TYPE_LIVEKIT_WS_SRC_PLAYOUT (gst_livekit_ws_src_playout_get_type())
GType gst_livekit_ws_src_playout_get_type(void);

#define GST_TYPE_LIVEKIT_WS_SRC_EGRESS (gst_livekit_ws_src_egress_get_type())
GType gst_livekit_ws_src_egress_get_type(void);

#define GST_TYPE_LIVEKIT_WS_SRC_SOURCES (gst_livekit_ws_src_sources_get_type())
GType gst_livekit_ws_src_sources_get_type(void);

GST_ELEMENT_REGISTER_DECLARE(livekitwssrc);

G_END_DECLS
