// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <gst/base/gstpushsrc.h>
#include <gst/gst.h>

G_BEGIN_DECLS

#define GST_TYPE_LIVEKIT_RTMP_SRC (gst_livekit_rtmp_src_get_type())
G_DECLARE_FINAL_TYPE(GstLivekitRtmpSrc, gst_livekit_rtmp_src, GST, LIVEKIT_RTMP_SRC, GstPushSrc)

GST_ELEMENT_REGISTER_DECLARE(livekitrtmpsrc);

G_END_DECLS
