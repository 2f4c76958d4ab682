// SPDX-License-Identifier: LGPL-2.1-or-later
// The stt plugin: registers sttsink and gives it the real speech engine.
#ifndef PACKAGE
#define PACKAGE "gst-plugins-egress"
#endif

#include "enginefactory.h"
#include "gststtsink.h"

static gboolean plugin_init(GstPlugin* plugin) {
  stt::set_engine_factory({stt::check_engine, stt::load_engine});
  return GST_ELEMENT_REGISTER(sttsink, plugin);
}

GST_PLUGIN_DEFINE(GST_VERSION_MAJOR, GST_VERSION_MINOR, stt,
                  "Live transcripts with names from a room's audio", plugin_init, PACKAGE_VERSION,
                  "LGPL", "gst-plugins-egress", "https://livekit.io")
