// SPDX-License-Identifier: LGPL-2.1-or-later
// The properties of livekitrtmpsrc. The element locks.
#pragma once

#include <gst/gst.h>

#include "listener.h"
#include "livekit/listenerproperties.h"

namespace rtmp {

enum SourceProperty : guint {
  PROP_PATH = livekit::kFirstOwnProperty,
  PROP_TOKEN,
  PROP_IDLE_TIMEOUT,
  PROP_MAX_MESSAGE_SIZE,
  PROP_MAX_QUEUE_SIZE,
  PROP_LATENCY,
  PROP_AUDIO_ONLY,
  PROP_STATS,  // the element answers this one itself
};

struct Settings {
  Settings();  // the defaults

  livekit::ListenerConfig listener;
  RouteConfig route;
  guint max_queue_bytes;
  guint latency_ms;
  bool audio_only;
};

void install_properties(GObjectClass* object_class);
// false: no such property.
bool set_property(Settings& settings, guint id, const GValue* value);
bool get_property(const Settings& settings, guint id, GValue* value);

}  // namespace rtmp
