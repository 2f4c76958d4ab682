// SPDX-License-Identifier: LGPL-2.1-or-later
#include <gst/gst.h>

#include "gstlivekitrtmpsrc.h"

static gboolean plugin_init(GstPlugin* plugin) {
  return GST_ELEMENT_REGISTER(livekitrtmpsrc, plugin);
}

#define PACKAGE "gst-plugins-egress"
GST_PLUGIN_DEFINE(GST_VERSION_MAJOR, GST_VERSION_MINOR, livekitrtmp,
                  "Mixed audio of LiveKit rooms over RTMP", plugin_init, PACKAGE_VERSION, "LGPL",
                  "gst-plugins-egress", "https://livekit.io")
