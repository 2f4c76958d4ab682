// SPDX-License-Identifier: LGPL-2.1-or-later
// The properties of sttsink and its counters as a structure. The element locks.
#pragma once

#include <gst/gst.h>

#include <string>
#include <vector>

#include "session.h"

namespace stt {

enum SinkProperty : guint {
  PROP_0,
  PROP_ENGINE,
  PROP_MODEL,
  PROP_SPEECH_DIR,
  PROP_PARTIALS,
  PROP_PARTIAL_INTERVAL,
  PROP_PRE_ROLL,
  PROP_END_SILENCE,
  PROP_MAX_UTTERANCE,
  PROP_MAX_QUEUE,
  PROP_LOCATION,
  PROP_LOCATIONS,
  PROP_APPEND,
  PROP_FILE_PARTIALS,
  PROP_STDOUT_FORMAT,
  PROP_ROOM,
  PROP_USE_TRACKS,
  PROP_LANGUAGE,
  PROP_LIVEKIT_CAPTIONS,
  PROP_LIVEKIT_URL,
  PROP_API_KEY,
  PROP_API_SECRET,
  PROP_LIVEKIT_ROOM,
  PROP_STATS,  // the element answers this one itself
};

struct SinkProperties {
  SessionSettings session;
  std::string location;
  std::vector<std::string> locations;
};

GType stdout_format_type();
void install_properties(GObjectClass* object_class);
// false: no such property.
bool set_property(SinkProperties& properties, guint id, const GValue* value);
bool get_property(const SinkProperties& properties, guint id, GValue* value);

// With every location once.
SessionSettings session_settings(const SinkProperties& properties);

// Counters of the whole sink; the caller frees it.
GstStructure* to_structure(const SessionStats& stats);

}  // namespace stt
