// SPDX-License-Identifier: LGPL-2.1-or-later
#include <gst/gst.h>

#include "gstegressmux.h"

#define PACKAGE "gst-plugins-egress"

static gboolean plugin_init(GstPlugin* plugin) {
  return GST_ELEMENT_REGISTER(egressmux, plugin);
}

GST_PLUGIN_DEFINE(GST_VERSION_MAJOR, GST_VERSION_MINOR, egressmux,
                  "Mixes the tracks of a LiveKit room", plugin_init, PACKAGE_VERSION, "LGPL",
                  PACKAGE, "https://livekit.io")
