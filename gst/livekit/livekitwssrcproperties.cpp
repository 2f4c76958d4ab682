// SPDX-License-Identifier: LGPL-2.1-or-later
#include "livekitwssrcproperties.h"

#include <algorithm>
#include <string>

#include "gstlivekitwssrc.h"

namespace {

constexpr guint DEFAULT_PORT = 9000;
constexpr const gchar* DEFAULT_PATH = "/";
constexpr guint DEFAULT_MAX_CONNECTIONS = 0;
constexpr guint DEFAULT_MAX_MESSAGE_SIZE = 1 << 20;
constexpr guint DEFAULT_IDLE_TIMEOUT_MS = 60000;
constexpr guint DEFAULT_SLICE_DURATION_MS = 0;
constexpr guint ALONE_SLICE_DURATION_MS = 10;
// Rooms that share a thread are many: a third less CPU is worth more to them than 10 ms.
constexpr guint SHARED_SLICE_DURATION_MS = 20;
constexpr guint SHORTEST_SLICE_DURATION_MS = 2;
constexpr guint DEFAULT_JITTER_MARGIN_MS = 10;
constexpr guint DEFAULT_MAX_JITTER_MARGIN_MS = 200;
constexpr guint DEFAULT_MAX_BACKLOG_MS = 30000;

enum Playout { kPlayoutAligned, kPlayoutArrival };
constexpr Playout DEFAULT_PLAYOUT = kPlayoutAligned;

enum Egress { kEgressNone, kEgressTrack, kEgressPerson, kEgressMix };
constexpr Egress DEFAULT_EGRESS = kEgressNone;
constexpr guint DEFAULT_AWAY_TIMEOUT_MS = 60000;

void set_egress(livekit::EgressSettings& settings, gint egress) {
  settings.enabled = egress != kEgressNone;
  settings.mode = livekit::EgressMode::kTrack;
  if (egress == kEgressPerson) settings.mode = livekit::EgressMode::kPerson;
  if (egress == kEgressMix) settings.mode = livekit::EgressMode::kRoom;
}

gint get_egress(const livekit::EgressSettings& settings) {
  if (!settings.enabled) return kEgressNone;
  switch (settings.mode) {
    case livekit::EgressMode::kTrack:
      return kEgressTrack;
    case livekit::EgressMode::kPerson:
      return kEgressPerson;
    case livekit::EgressMode::kRoom:
      return kEgressMix;
  }
  return kEgressNone;
}

constexpr const gchar* DEFAULT_WEBHOOK_PATH = "/livekit/webhook";
constexpr guint DEFAULT_POLL_INTERVAL_MS = 1000;

}  // namespace

GType gst_livekit_ws_src_playout_get_type(void) {
  static const GType type = [] {
    static const GEnumValue values[] = {
        {kPlayoutAligned, "Equal slices on all pads, paced by the room's clock (for mixing)",
         "aligned"},
        {kPlayoutArrival, "As it arrives, nothing paced or dropped (for transcripts)", "arrival"},
        {0, nullptr, nullptr},
    };
    return g_enum_register_static("GstLivekitWsSrcPlayout", values);
  }();
  return type;
}

GType gst_livekit_ws_src_egress_get_type(void) {
  static const GType type = [] {
    static const GEnumValue values[] = {
        {kEgressNone, "Somebody else starts the egresses", "none"},
        {kEgressTrack, "One track egress for each published audio track of the room", "track"},
        {kEgressPerson, "One egress a person, over all tracks and however often he comes back",
         "person"},
        {kEgressMix, "One egress, the mix of all", "mix"},
        {0, nullptr, nullptr},
    };
    return g_enum_register_static("GstLivekitWsSrcEgress", values);
  }();
  return type;
}

GType gst_livekit_ws_src_sources_get_type(void) {
  static const GType type = [] {
    static const GFlagsValue values[] = {
        {guint(livekit::TrackSource::kMicrophone), "Microphones", "microphone"},
        {guint(livekit::TrackSource::kScreenShareAudio), "Sound of a shared screen",
         "screen-share"},
        {guint(livekit::TrackSource::kOther), "Tracks of which the publisher does not tell",
         "other"},
        {0, nullptr, nullptr},
    };
    return g_flags_register_static("GstLivekitWsSrcSources", values);
  }();
  return type;
}

namespace livekit {

Settings::Settings() {
  set_egress(egress, DEFAULT_EGRESS);
  egress.away_timeout_ms = DEFAULT_AWAY_TIMEOUT_MS;
  egress.webhook_path = DEFAULT_WEBHOOK_PATH;
  egress.poll_interval_ms = DEFAULT_POLL_INTERVAL_MS;
  listener = default_listener(DEFAULT_PORT);
  route.path = DEFAULT_PATH;
  route.max_connections = DEFAULT_MAX_CONNECTIONS;
  route.max_message_size = DEFAULT_MAX_MESSAGE_SIZE;
  route.idle_timeout_ms = DEFAULT_IDLE_TIMEOUT_MS;
  room.slice = DEFAULT_SLICE_DURATION_MS * GST_MSECOND;
  room.playout.arrival = DEFAULT_PLAYOUT == kPlayoutArrival;
  room.playout.margin_ms = DEFAULT_JITTER_MARGIN_MS;
  room.playout.max_margin_ms = DEFAULT_MAX_JITTER_MARGIN_MS;
  room.playout.max_backlog_ms = DEFAULT_MAX_BACKLOG_MS;
}

EgressFilter Settings::egress_filter() const {
  return {parse_identities(egress.include), parse_identities(egress.exclude), egress.sources};
}

RoomConfig Settings::room_config() const {
  RoomConfig config = room;
  const guint automatic_ms =
      room.context.empty() ? ALONE_SLICE_DURATION_MS : SHARED_SLICE_DURATION_MS;
  if (config.slice == 0) config.slice = automatic_ms * GST_MSECOND;
  config.slice = std::max<GstClockTime>(config.slice, SHORTEST_SLICE_DURATION_MS * GST_MSECOND);
  return config;
}

bool set_property(Settings& settings, guint id, const GValue* value) {
  if (set_listener_property(settings.listener, id, value)) return true;
  switch (id) {
    case PROP_PATH:
      settings.route.path = text_of(value, DEFAULT_PATH);
      break;
    case PROP_TOKEN:
      settings.route.token = text_of(value);
      break;
    case PROP_MAX_CONNECTIONS:
      settings.route.max_connections = g_value_get_uint(value);
      break;
    case PROP_MAX_MESSAGE_SIZE:
      settings.route.max_message_size = g_value_get_uint(value);
      break;
    case PROP_IDLE_TIMEOUT:
      settings.route.idle_timeout_ms = g_value_get_uint(value);
      break;
    case PROP_SLICE_DURATION:
      settings.room.slice = g_value_get_uint(value) * GST_MSECOND;
      break;
    case PROP_PLAYOUT:
      settings.room.playout.arrival = g_value_get_enum(value) == kPlayoutArrival;
      break;
    case PROP_CONTEXT:
      settings.room.context = text_of(value);
      break;
    case PROP_JITTER_MARGIN:
      settings.room.playout.margin_ms = g_value_get_uint(value);
      break;
    case PROP_MAX_JITTER_MARGIN:
      settings.room.playout.max_margin_ms = g_value_get_uint(value);
      break;
    case PROP_MAX_BACKLOG:
      settings.room.playout.max_backlog_ms = g_value_get_uint(value);
      break;
    case PROP_ROOM:
      settings.room.label = text_of(value);
      break;
    case PROP_EGRESS:
      set_egress(settings.egress, g_value_get_enum(value));
      break;
    case PROP_PAIR:
      settings.egress.pair = g_value_get_boolean(value) != FALSE;
      break;
    case PROP_AWAY_TIMEOUT:
      settings.egress.away_timeout_ms = g_value_get_uint(value);
      break;
    case PROP_LIVEKIT_URL:
      settings.egress.livekit_url = text_of(value);
      break;
    case PROP_API_KEY:
      settings.egress.credentials.key = text_of(value);
      break;
    case PROP_API_SECRET:
      settings.egress.credentials.secret = text_of(value);
      break;
    case PROP_PUBLIC_URL:
      settings.egress.public_url = text_of(value);
      break;
    case PROP_INCLUDE:
      settings.egress.include = text_of(value);
      break;
    case PROP_EXCLUDE:
      settings.egress.exclude = text_of(value);
      break;
    case PROP_SOURCES:
      settings.egress.sources = g_value_get_flags(value);
      break;
    case PROP_WEBHOOK_PATH:
      settings.egress.webhook_path = text_of(value, DEFAULT_WEBHOOK_PATH);
      if (!settings.egress.webhook_path.starts_with('/'))
        settings.egress.webhook_path.insert(0, "/");
      break;
    case PROP_POLL_INTERVAL:
      settings.egress.poll_interval_ms = g_value_get_uint(value);
      break;
    default:
      return false;
  }
  return true;
}

bool get_property(const Settings& settings, guint id, GValue* value) {
  if (get_listener_property(settings.listener, id, value)) return true;
  switch (id) {
    case PROP_PATH:
      set_text(value, settings.route.path);
      break;
    case PROP_MAX_CONNECTIONS:
      g_value_set_uint(value, settings.route.max_connections);
      break;
    case PROP_MAX_MESSAGE_SIZE:
      g_value_set_uint(value, guint(settings.route.max_message_size));
      break;
    case PROP_IDLE_TIMEOUT:
      g_value_set_uint(value, settings.route.idle_timeout_ms);
      break;
    case PROP_SLICE_DURATION:
      g_value_set_uint(value, guint(settings.room.slice / GST_MSECOND));
      break;
    case PROP_PLAYOUT:
      g_value_set_enum(value, settings.room.playout.arrival ? kPlayoutArrival : kPlayoutAligned);
      break;
    case PROP_CONTEXT:
      g_value_set_string(value, settings.room.context.c_str());
      break;
    case PROP_JITTER_MARGIN:
      g_value_set_uint(value, settings.room.playout.margin_ms);
      break;
    case PROP_MAX_JITTER_MARGIN:
      g_value_set_uint(value, settings.room.playout.max_margin_ms);
      break;
    case PROP_MAX_BACKLOG:
      g_value_set_uint(value, settings.room.playout.max_backlog_ms);
      break;
    case PROP_ROOM:
      set_text(value, settings.room.label);
      break;
    case PROP_EGRESS:
      g_value_set_enum(value, get_egress(settings.egress));
      break;
    case PROP_PAIR:
      g_value_set_boolean(value, settings.egress.pair);
      break;
    case PROP_AWAY_TIMEOUT:
      g_value_set_uint(value, settings.egress.away_timeout_ms);
      break;
    case PROP_LIVEKIT_URL:
      set_text(value, settings.egress.livekit_url);
      break;
    case PROP_API_KEY:
      set_text(value, settings.egress.credentials.key);
      break;
    case PROP_PUBLIC_URL:
      set_text(value, settings.egress.public_url);
      break;
    case PROP_INCLUDE:
      set_text(value, settings.egress.include);
      break;
    case PROP_EXCLUDE:
      set_text(value, settings.egress.exclude);
      break;
    case PROP_SOURCES:
      g_value_set_flags(value, settings.egress.sources);
      break;
    case PROP_WEBHOOK_PATH:
      set_text(value, settings.egress.webhook_path);
      break;
    case PROP_POLL_INTERVAL:
      g_value_set_uint(value, settings.egress.poll_interval_ms);
      break;
    default:
      return false;
  }
  return true;
}

namespace {

void install_egress_properties(GObjectClass* object_class) {
  constexpr auto kReady =
      GParamFlags(G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | GST_PARAM_MUTABLE_READY);
  constexpr auto kPlaying =
      GParamFlags(G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | GST_PARAM_MUTABLE_PLAYING);
  constexpr auto kSecret =
      GParamFlags(G_PARAM_WRITABLE | G_PARAM_STATIC_STRINGS | GST_PARAM_MUTABLE_READY);
  const auto text = [object_class](guint id, const gchar* name, const gchar* nick,
                                   const gchar* blurb, const gchar* initial, GParamFlags flags) {
    g_object_class_install_property(object_class, id,
                                    g_param_spec_string(name, nick, blurb, initial, flags));
  };
  g_object_class_install_property(
      object_class, PROP_EGRESS,
      g_param_spec_enum("egress", "Egress", "Which egresses of the room the element starts itself",
                        GST_TYPE_LIVEKIT_WS_SRC_EGRESS, DEFAULT_EGRESS, kReady));
  g_object_class_install_property(
      object_class, PROP_PAIR,
      g_param_spec_boolean("pair", "Pair",
                           "Two people share an egress with egress=person, and are taken apart "
                           "again: half the sessions",
                           FALSE, kReady));
  g_object_class_install_property(
      object_class, PROP_AWAY_TIMEOUT,
      g_param_spec_uint("away-timeout", "Away time-out",
                        "With egress=person and mix, how long an egress is kept while those it is "
                        "for are away or publish no audio, in milliseconds (0 = not at all)",
                        0, G_MAXUINT, DEFAULT_AWAY_TIMEOUT_MS, kReady));
  text(PROP_LIVEKIT_URL, "livekit-url", "LiveKit URL",
       "LiveKit's server, as in wss://HOST (empty = LIVEKIT_URL of the environment)", nullptr,
       kReady);
  text(PROP_API_KEY, "api-key", "API key",
       "Key of LiveKit's API (empty = LIVEKIT_API_KEY of the environment)", nullptr, kReady);
  text(PROP_API_SECRET, "api-secret", "API secret",
       "Secret of that key (empty = LIVEKIT_API_SECRET of the environment)", nullptr, kSecret);
  text(PROP_PUBLIC_URL, "public-url", "Public URL",
       "How LiveKit's egress service reaches this element, as in wss://HOST:PORT; path and track "
       "follow it (empty = this machine, where livekit-url is that)",
       nullptr, kReady);
  text(PROP_INCLUDE, "include", "Include",
       "Identities whose audio is asked for, separated by commas, \\, for a comma (empty = all)",
       nullptr, kPlaying);
  text(PROP_EXCLUDE, "exclude", "Exclude",
       "Identities whose audio is never asked for, separated by commas; wins over include", nullptr,
       kPlaying);
  g_object_class_install_property(
      object_class, PROP_SOURCES,
      g_param_spec_flags("sources", "Sources", "Which audio tracks are asked for",
                         GST_TYPE_LIVEKIT_WS_SRC_SOURCES, livekit::kAllSources, kPlaying));
  text(PROP_WEBHOOK_PATH, "webhook-path", "Webhook path",
       "Where LiveKit's webhooks are taken, on the same port; all elements of a port may have the "
       "same",
       DEFAULT_WEBHOOK_PATH, kReady);
  g_object_class_install_property(
      object_class, PROP_POLL_INTERVAL,
      g_param_spec_uint("poll-interval", "Poll interval",
                        "LiveKit is asked so often who is there, in milliseconds; ten times less "
                        "often while webhooks come (0 = rely on webhooks)",
                        0, G_MAXUINT, DEFAULT_POLL_INTERVAL_MS, kReady));
}

}  // namespace

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
  install_listener_properties(
      object_class, DEFAULT_PORT,
      "A caller whose request is not complete by then is cut off, in milliseconds");
  text(PROP_PATH, "path", "Path",
       "Requests below this path belong to this element; identity and track follow it",
       DEFAULT_PATH, kFlags);
  text(PROP_TOKEN, "token", "Token",
       "Secret that a caller must have in path or query (empty = everybody may call)", nullptr,
       GParamFlags(G_PARAM_WRITABLE | G_PARAM_STATIC_STRINGS | GST_PARAM_MUTABLE_READY));
  number(PROP_MAX_CONNECTIONS, "max-connections", "Maximum connections",
         "Connections at a time; more are refused with 503 (0 = no limit)", 0, G_MAXUINT,
         DEFAULT_MAX_CONNECTIONS);
  number(PROP_MAX_MESSAGE_SIZE, "max-message-size", "Maximum message size",
         "Longest message in bytes; a longer one closes its connection with 1009", 125, G_MAXINT32,
         DEFAULT_MAX_MESSAGE_SIZE);
  number(PROP_IDLE_TIMEOUT, "idle-timeout", "Idle time-out",
         "A connection on which nothing at all arrives for so long is lost, in milliseconds "
         "(0 = never)",
         0, G_MAXUINT, DEFAULT_IDLE_TIMEOUT_MS);
  number(PROP_SLICE_DURATION, "slice-duration", "Slice duration",
         "Length of the slices that all pads carry, in milliseconds, 2 at least; also the latency "
         "reported with playout=aligned (0 = 10, or 20 for elements with a context)",
         0, 200, DEFAULT_SLICE_DURATION_MS);
  g_object_class_install_property(
      object_class, PROP_PLAYOUT,
      g_param_spec_enum("playout", "Playout", "How audio is laid on the time line",
                        GST_TYPE_LIVEKIT_WS_SRC_PLAYOUT, DEFAULT_PLAYOUT, kFlags));
  text(PROP_CONTEXT, "context", "Context",
       "Elements with the same context, clock and slice duration share one thread; put a leaky "
       "queue behind each (empty = a thread of its own)",
       "", kFlags);
  number(PROP_JITTER_MARGIN, "jitter-margin", "Jitter margin",
         "Audio kept in reserve for late messages to begin with, in milliseconds; it widens when "
         "that is not enough",
         0, 1000, DEFAULT_JITTER_MARGIN_MS);
  number(PROP_MAX_JITTER_MARGIN, "max-jitter-margin", "Maximum jitter margin",
         "The reserve never grows beyond, in milliseconds", 0, 5000, DEFAULT_MAX_JITTER_MARGIN_MS);
  number(PROP_MAX_BACKLOG, "max-backlog", "Maximum backlog",
         "Audio of one track that may wait after a stall, in milliseconds; the oldest beyond it is "
         "dropped. With playout=arrival nothing is dropped: so long a track's time waits for late "
         "audio",
         100, 600000, DEFAULT_MAX_BACKLOG_MS);
  text(PROP_ROOM, "room", "Room",
       "Name of the room in messages and stats, when the caller's address does not tell; the room "
       "whose egresses are started",
       nullptr, kFlags);
  install_egress_properties(object_class);
  g_object_class_install_property(
      object_class, PROP_STATS,
      g_param_spec_boxed("stats", "Statistics", "Counters, and one entry a connection",
                         GST_TYPE_STRUCTURE,
                         GParamFlags(G_PARAM_READABLE | G_PARAM_STATIC_STRINGS)));
}

}  // namespace livekit
