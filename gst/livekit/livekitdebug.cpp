// SPDX-License-Identifier: LGPL-2.1-or-later
#include "livekitdebug.h"

namespace livekit {

GstDebugCategory* debug_category() {
  static GstDebugCategory* const category =
      _gst_debug_category_new("livekitwssrc", 0, "LiveKit egress over WebSocket");
  return category;
}

}  // namespace livekit
