// SPDX-License-Identifier: LGPL-2.1-or-later
#include "gstspeakerdetect.h"

#define PACKAGE "gst-plugins-egress"

static gboolean plugin_init(GstPlugin* plugin) {
  return GST_ELEMENT_REGISTER(speakerdetect, plugin);
}

GST_PLUGIN_DEFINE(GST_VERSION_MAJOR, GST_VERSION_MINOR, speakerdetect,
                  "Tells who speaks in a LiveKit room", plugin_init, PACKAGE_VERSION, "LGPL",
                  "gst-plugins-egress", "gst-plugins-egress")
