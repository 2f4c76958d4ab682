// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <gst/gst.h>

G_BEGIN_DECLS

#define GST_TYPE_EGRESS_MUX (gst_egress_mux_get_type())
G_DECLARE_FINAL_TYPE(GstEgressMux, gst_egress_mux, GST, EGRESS_MUX, GstBin)

GST_ELEMENT_REGISTER_DECLARE(egressmux)

G_END_DECLS
