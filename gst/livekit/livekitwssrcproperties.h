// SPDX-License-Identifier: LGPL-2.1-or-later
// The properties of livekitwssrc. The element locks.
#pragma once

#include <gst/gst.h>

#include "egresscontroller.h"
#include "listener.h"
#include "listenerproperties.h"
#include "room.h"

namespace livekit {

enum SourceProperty : guint {
  PROP_PATH = kFirstOwnProperty,
  PROP_TOKEN,
  PROP_MAX_CONNECTIONS,
  PROP_MAX_MESSAGE_SIZE,
  PROP_IDLE_TIMEOUT,
  PROP_SLICE_DURATION,
  PROP_PLAYOUT,
  PROP_CONTEXT,
  PROP_JITTER_MARGIN,
  PROP_MAX_JITTER_MARGIN,
  PROP_MAX_BACKLOG,
  PROP_ROOM,
  PROP_EGRESS,
  PROP_PAIR,
  PROP_AWAY_TIMEOUT,
  PROP_LIVEKIT_URL,
  PROP_API_KEY,
  PROP_API_SECRET,
  PROP_PUBLIC_URL,
  PROP_INCLUDE,
  PROP_EXCLUDE,
  PROP_SOURCES,
  PROP_WEBHOOK_PATH,
  PROP_POLL_INTERVAL,
  PROP_STATS,  // the element answers this one itself
};

struct Settings {
  Settings();  // the defaults

  ListenerConfig listener;
  RouteConfig route;
  EgressSettings egress;
  RoomConfig room;  // its slice as it was set, 0 = automatic

  EgressFilter egress_filter() const;
  // With the slice that 0 stands for.
  RoomConfig room_config() const;
};

void install_properties(GObjectClass* object_class);
// false: no such property.
bool set_property(Settings& settings, guint id, const GValue* value);
bool get_property(const Settings& settings, guint id, GValue* value);

}  // namespace livekit
