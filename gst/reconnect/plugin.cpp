// SPDX-License-Identifier: LGPL-2.1-or-later
#include "gstreconnectsrc.h"

#define PACKAGE "gst-plugins-egress"

static gboolean plugin_init(GstPlugin* plugin) {
  return GST_ELEMENT_REGISTER(reconnectsrc, plugin);
}

GST_PLUGIN_DEFINE(GST_VERSION_MAJOR, GST_VERSION_MINOR, reconnect,
                  "Keeps listening to a stream whose server comes and goes", plugin_init,
                  PACKAGE_VERSION, "LGPL", "gst-plugins-egress", "gst-plugins-egress")
