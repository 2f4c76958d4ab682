// SPDX-License-Identifier: LGPL-2.1-or-later
// The debug category "livekitwssrc", for the element and its cores. Include it last.
#pragma once

#include <gst/gst.h>

namespace livekit {
GstDebugCategory* debug_category();
}  // namespace livekit

#define GST_CAT_DEFAULT livekit::debug_category()
