// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <gst/gst.h>

G_BEGIN_DECLS

#define GST_TYPE_RECONNECT_SRC (gst_reconnect_src_get_type())
G_DECLARE_FINAL_TYPE(GstReconnectSrc, gst_reconnect_src, GST, RECONNECT_SRC, GstBin)

GST_ELEMENT_REGISTER_DECLARE(reconnectsrc)

G_END_DECLS
