// SPDX-License-Identifier: LGPL-2.1-or-later
#include "livekitrtmpsrcproperties.h"

#include <string>

#include "chunkstream.h"

namespace rtmp {

namespace {

constexpr guint DEFAULT_PORT = 1935;
constexpr const gchar* DEFAULT_PATH = "/";
constexpr guint DEFAULT_IDLE_TIMEOUT_MS = 0;
constexpr guint DEFAULT_MAX_MESSAGE_SIZE = 4 << 20;
constexpr guint DEFAULT_MAX_QUEUE_SIZE = 4 << 20;
constexpr guint DEFAULT_LATENCY_MS = 300;
constexpr gboolean DEFAULT_AUDIO_ONLY = FALSE;

}  // namespace

Settings::Settings()
    : max_queue_bytes(DEFAULT_MAX_QUEUE_SIZE),
      latency_ms(DEFAULT_LATENCY_MS),
      audio_only(DEFAULT_AUDIO_ONLY) {
  listener = livekit::default_listener(DEFAULT_PORT);
  route.path = std::string(DEFAULT_PATH);
  route.idle_timeout_ms = DEFAULT_IDLE_TIMEOUT_MS;
  route.max_message_bytes = DEFAULT_MAX_MESSAGE_SIZE;
}

bool set_property(Settings& settings, guint id, const GValue* value) {
  if (livekit::set_listener_property(settings.listener, id, value)) return true;
  switch (id) {
    case PROP_PATH:
      settings.route.path = livekit::text_of(value, DEFAULT_PATH);
      break;
    case PROP_TOKEN:
      settings.route.token = livekit::text_of(value);
      break;
    case PROP_IDLE_TIMEOUT:
      settings.route.idle_timeout_ms = g_value_get_uint(value);
      break;
    case PROP_MAX_MESSAGE_SIZE:
      settings.route.max_message_bytes = g_value_get_uint(value);
      break;
    case PROP_MAX_QUEUE_SIZE:
      settings.max_queue_bytes = g_value_get_uint(value);
      break;
    case PROP_LATENCY:
      settings.latency_ms = g_value_get_uint(value);
      break;
    case PROP_AUDIO_ONLY:
      settings.audio_only = g_value_get_boolean(value);
      break;
    default:
      return false;
  }
  return true;
}

bool get_property(const Settings& settings, guint id, GValue* value) {
  if (livekit::get_listener_property(settings.listener, id, value)) return true;
  switch (id) {
    case PROP_PATH:
      livekit::set_text(value, settings.route.path);
      break;
    case PROP_IDLE_TIMEOUT:
      g_value_set_uint(value, settings.route.idle_timeout_ms);
      break;
    case PROP_MAX_MESSAGE_SIZE:
      g_value_set_uint(value, guint(settings.route.max_message_bytes));
      break;
    case PROP_MAX_QUEUE_SIZE:
      g_value_set_uint(value, settings.max_queue_bytes);
      break;
    case PROP_LATENCY:
      g_value_set_uint(value, settings.latency_ms);
      break;
    case PROP_AUDIO_ONLY:
      g_value_set_boolean(value, settings.audio_only);
      break;
    default:
      return false;
  }
  return true;
}

void install_properties(GObjectClass* object_class) {
  constexpr auto kFlags =
      GParamFlags(G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | GST_PARAM_MUTABLE_READY);
  const auto text = [object_class](guint id, const gchar* name, const gchar* nick,
                                   const gchar* blurb, const gchar* initial, GParamFlags flags) {
    g_object_class_install_property(object_class, id,
                                    g_param_spec_string(name, nick, blurb, initial, flags));
  };
  const auto number = [object_class](guint id, const gchar* name, const gchar* nick,
                                     const gchar* blurb, guint low, guint high, guint initial) {
    g_object_class_install_property(
        object_class, id, g_param_spec_uint(name, nick, blurb, low, high, initial, kFlags));
  };
  livekit::install_listener_properties(
      object_class, DEFAULT_PORT,
      "A caller who does not publish by then is cut off, in milliseconds");
  text(PROP_PATH, "path", "Path",
       "Application and stream name that belong to this element, and all below them; the longest "
       "match wins (/ = any)",
       DEFAULT_PATH, kFlags);
  text(PROP_TOKEN, "token", "Token",
       "Secret that a publisher must have at the end of the stream name or in ?token= (empty = "
       "everybody may publish)",
       nullptr, GParamFlags(G_PARAM_WRITABLE | G_PARAM_STATIC_STRINGS | GST_PARAM_MUTABLE_READY));
  number(PROP_IDLE_TIMEOUT, "idle-timeout", "Idle time-out",
         "A publisher from whom nothing at all arrives for so long is lost, in milliseconds "
         "(0 = never)",
         0, G_MAXUINT, DEFAULT_IDLE_TIMEOUT_MS);
  number(PROP_MAX_MESSAGE_SIZE, "max-message-size", "Maximum message size",
         "Longest message in bytes; a longer one ends its publisher's connection", 1024,
         kMaxMessageLength, DEFAULT_MAX_MESSAGE_SIZE);
  number(PROP_MAX_QUEUE_SIZE, "max-queue-size", "Maximum queue size",
         "When the pipeline is so far behind, in bytes, the publisher has to wait; nothing is "
         "dropped",
         4096, G_MAXINT32, DEFAULT_MAX_QUEUE_SIZE);
  number(PROP_LATENCY, "latency", "Latency",
         "How late media may come and still be played in time by a sink that keeps to the clock, "
         "in milliseconds; LiveKit is 2800 late while somebody is muted",
         0, 60000, DEFAULT_LATENCY_MS);
  g_object_class_install_property(
      object_class, PROP_AUDIO_ONLY,
      g_param_spec_boolean("audio-only", "Audio only", "Leave video out", DEFAULT_AUDIO_ONLY,
                           kFlags));
  g_object_class_install_property(
      object_class, PROP_STATS,
      g_param_spec_boxed("stats", "Statistics", "Counters, and who publishes", GST_TYPE_STRUCTURE,
                         GParamFlags(G_PARAM_READABLE | G_PARAM_STATIC_STRINGS)));
}

}  // namespace rtmp
