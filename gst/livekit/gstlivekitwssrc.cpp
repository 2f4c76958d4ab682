// SPDX-License-Identifier: LGPL-2.1-or-later
/**
 * SECTION:element-livekitwssrc
 *
 * A server for LiveKit's Track Egress: each participant's track comes in over a WebSocket
 * connection of its own and gets a pad, `src_%u`, for as long as the connection lasts. No track at
 * all is a normal state. Who it is, is in the address that egress was told to dial:
 * `ws://HOST:9000/alice/TR_x` or `ws://HOST:9000/?identity=alice&name=Alice&track=TR_x`.
 *
 * All tracks of an element are moved by one thread. Each #GstLivekitWsSrc:slice-duration it pushes
 * one slice with the same timestamp and duration on every pad: samples, or a buffer with the flag
 * GAP for silence. So mixing needs no waiting. With `playout=arrival` audio is handed on as it
 * comes, unpaced and undropped, for transcribing each participant.
 *
 * Buffers carry RoomAudioMeta (whose audio, its level, muted). Opus tracks have caps
 * `audio/x-opus`, one packet a buffer, and no level.
 *
 * ## Messages
 * `livekit-track` (element message):
 * * `event` (string): added, removed, muted, unmuted, stalled (nothing came for a second), lost
 *   (the connection broke without a close)
 * * `room`, `pad`, `track`, `identity`, `name` (string), `muted` (boolean)
 * * `running-time` (uint64, ns), `utc` (string, ISO 8601)
 *
 * One bad peer gives a warning that names it, never an error.
 *
 * ## Signals
 * `caller-connecting` (accept or refuse), `caller-added`, `caller-removed`, `caller-rejected`.
 *
 * ## Example
 * |[
 * gst-launch-1.0 -e livekitwssrc port=9000 : audiomixer ! audioconvert ! autoaudiosink
 * ]| Plays a room. The colon links every pad, those that come later too.
 * |[
 * gst-launch-1.0 -e livekitwssrc port=9000 : egressmux ! speakerdetect ! sttsink
 * location=standup.vtt
 * ]| Live captions with names.
 */
#include "gstlivekitwssrc.h"

#include <memory>
#include <mutex>
#include <string>

#include "gst/roomaudio/roomaudio.h"
#include "listener.h"
#include "livekitdebug.h"
#include "room.h"

namespace {

constexpr guint DEFAULT_PORT = 9000;
constexpr const gchar* DEFAULT_ADDRESS = "0.0.0.0";
constexpr const gchar* DEFAULT_PATH = "/";
constexpr guint DEFAULT_MAX_CONNECTIONS = 0;
constexpr guint DEFAULT_MAX_MESSAGE_SIZE = 1 << 20;
constexpr guint DEFAULT_IDLE_TIMEOUT_MS = 60000;
constexpr guint DEFAULT_HANDSHAKE_TIMEOUT_MS = 10000;
constexpr guint DEFAULT_SLICE_DURATION_MS = 10;
constexpr guint DEFAULT_JITTER_MARGIN_MS = 10;
constexpr guint DEFAULT_MAX_JITTER_MARGIN_MS = 200;
constexpr guint DEFAULT_MAX_BACKLOG_MS = 30000;

enum Playout { kPlayoutAligned, kPlayoutArrival };
constexpr Playout DEFAULT_PLAYOUT = kPlayoutAligned;

enum {
  PROP_0,
  PROP_ADDRESS,
  PROP_PORT,
  PROP_PATH,
  PROP_TOKEN,
  PROP_TLS_CERTIFICATE,
  PROP_TLS_KEY,
  PROP_MAX_CONNECTIONS,
  PROP_MAX_MESSAGE_SIZE,
  PROP_IDLE_TIMEOUT,
  PROP_HANDSHAKE_TIMEOUT,
  PROP_SLICE_DURATION,
  PROP_PLAYOUT,
  PROP_CONTEXT,
  PROP_JITTER_MARGIN,
  PROP_MAX_JITTER_MARGIN,
  PROP_MAX_BACKLOG,
  PROP_ROOM,
  PROP_STATS,
};

enum {
  SIGNAL_CALLER_CONNECTING,
  SIGNAL_CALLER_ADDED,
  SIGNAL_CALLER_REMOVED,
  SIGNAL_CALLER_REJECTED,
  LAST_SIGNAL
};
guint signals[LAST_SIGNAL];

GstStaticPadTemplate src_template = GST_STATIC_PAD_TEMPLATE(
    "src_%u", GST_PAD_SRC, GST_PAD_SOMETIMES,
    GST_STATIC_CAPS("audio/x-raw, format = (string) { S16LE, F32LE }, layout = (string) "
                    "interleaved, rate = (int) [ 1, MAX ], channels = (int) [ 1, MAX ]; "
                    "audio/x-opus, channel-mapping-family = (int) 0, channels = (int) [ 1, 2 ]"));

struct Settings {
  livekit::ListenerConfig listener;
  livekit::RouteConfig route;
  livekit::RoomConfig room;
};

Settings default_settings() {
  Settings settings;
  settings.listener.address = DEFAULT_ADDRESS;
  settings.listener.port = guint16(DEFAULT_PORT);
  settings.listener.handshake_timeout_ms = DEFAULT_HANDSHAKE_TIMEOUT_MS;
  settings.route.path = DEFAULT_PATH;
  settings.route.max_connections = DEFAULT_MAX_CONNECTIONS;
  settings.route.max_message_size = DEFAULT_MAX_MESSAGE_SIZE;
  settings.route.idle_timeout_ms = DEFAULT_IDLE_TIMEOUT_MS;
  settings.room.slice = DEFAULT_SLICE_DURATION_MS * GST_MSECOND;
  settings.room.playout.arrival = DEFAULT_PLAYOUT == kPlayoutArrival;
  settings.room.playout.margin_ms = DEFAULT_JITTER_MARGIN_MS;
  settings.room.playout.max_margin_ms = DEFAULT_MAX_JITTER_MARGIN_MS;
  settings.room.playout.max_backlog_ms = DEFAULT_MAX_BACKLOG_MS;
  return settings;
}

// Room events as signals of the element.
class SignalEmitter final : public livekit::RoomObserver {
 public:
  explicit SignalEmitter(GstElement* element) : element_(element) {}

  bool on_caller_connecting(const GstStructure* caller) override {
    gboolean welcome = TRUE;
    g_signal_emit(element_, signals[SIGNAL_CALLER_CONNECTING], 0, caller, &welcome);
    return welcome != FALSE;
  }
  void on_caller_rejected(const GstStructure* caller) override {
    g_signal_emit(element_, signals[SIGNAL_CALLER_REJECTED], 0, caller);
  }
  void on_caller_added(const GstStructure* caller) override {
    g_signal_emit(element_, signals[SIGNAL_CALLER_ADDED], 0, caller);
  }
  void on_caller_removed(const GstStructure* caller) override {
    g_signal_emit(element_, signals[SIGNAL_CALLER_REMOVED], 0, caller);
  }

 private:
  GstElement* const element_;
};

struct LivekitWsSrcPrivate {
  explicit LivekitWsSrcPrivate(GstElement* element) : emitter(element) {}

  SignalEmitter emitter;

  std::mutex mutex;  // guards all below
  Settings settings = default_settings();
  guint16 bound_port = 0;  // 0 = not listening
  std::shared_ptr<livekit::Listener> listener;
  std::shared_ptr<livekit::Room> room;
};

}  // namespace

struct _GstLivekitWsSrc {
  GstElement parent;
  LivekitWsSrcPrivate* priv;
};

G_DEFINE_TYPE(GstLivekitWsSrc, gst_livekit_ws_src, GST_TYPE_ELEMENT)
GST_ELEMENT_REGISTER_DEFINE_WITH_CODE(livekitwssrc, "livekitwssrc", GST_RANK_NONE,
                                      GST_TYPE_LIVEKIT_WS_SRC, room_audio_meta_register())

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

namespace {

std::shared_ptr<livekit::Room> room_of(GstLivekitWsSrc* self) {
  const std::lock_guard<std::mutex> lock(self->priv->mutex);
  return self->priv->room;
}

void set_property(GObject* object, guint id, const GValue* value, GParamSpec* spec) {
  LivekitWsSrcPrivate* priv = GST_LIVEKIT_WS_SRC(object)->priv;
  const auto text = [value](const gchar* fallback = "") -> std::string {
    const gchar* given = g_value_get_string(value);
    return given ? given : fallback;
  };
  const std::lock_guard<std::mutex> lock(priv->mutex);
  Settings& settings = priv->settings;
  switch (id) {
    case PROP_ADDRESS:
      settings.listener.address = text(DEFAULT_ADDRESS);
      break;
    case PROP_PORT:
      settings.listener.port = guint16(g_value_get_uint(value));
      break;
    case PROP_PATH:
      settings.route.path = text(DEFAULT_PATH);
      break;
    case PROP_TOKEN:
      settings.route.token = text();
      break;
    case PROP_TLS_CERTIFICATE:
      settings.listener.tls_certificate = text();
      break;
    case PROP_TLS_KEY:
      settings.listener.tls_key = text();
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
    case PROP_HANDSHAKE_TIMEOUT:
      settings.listener.handshake_timeout_ms = g_value_get_uint(value);
      break;
    case PROP_SLICE_DURATION:
      settings.room.slice = g_value_get_uint(value) * GST_MSECOND;
      break;
    case PROP_PLAYOUT:
      settings.room.playout.arrival = g_value_get_enum(value) == kPlayoutArrival;
      break;
    case PROP_CONTEXT:
      settings.room.context = text();
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
      settings.room.label = text();
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID(object, id, spec);
      break;
  }
}

void get_property(GObject* object, guint id, GValue* value, GParamSpec* spec) {
  LivekitWsSrcPrivate* priv = GST_LIVEKIT_WS_SRC(object)->priv;
  const std::lock_guard<std::mutex> lock(priv->mutex);
  const Settings& settings = priv->settings;
  const auto set_text = [value](const std::string& text) {
    g_value_set_string(value, text.empty() ? nullptr : text.c_str());
  };
  switch (id) {
    case PROP_ADDRESS:
      set_text(settings.listener.address);
      break;
    case PROP_PORT:
      g_value_set_uint(value, priv->bound_port ? priv->bound_port : settings.listener.port);
      break;
    case PROP_PATH:
      set_text(settings.route.path);
      break;
    case PROP_TLS_CERTIFICATE:
      set_text(settings.listener.tls_certificate);
      break;
    case PROP_TLS_KEY:
      set_text(settings.listener.tls_key);
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
    case PROP_HANDSHAKE_TIMEOUT:
      g_value_set_uint(value, settings.listener.handshake_timeout_ms);
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
      set_text(settings.room.label);
      break;
    case PROP_STATS:
      g_value_take_boxed(
          value, priv->room ? priv->room->stats() : gst_structure_new_empty("livekitwssrc-stats"));
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID(object, id, spec);
      break;
  }
}

// Opens the door, so that a port in use or a bad certificate is an error before PLAYING.
bool start(GstLivekitWsSrc* self) {
  LivekitWsSrcPrivate* priv = self->priv;
  Settings settings;
  {
    const std::lock_guard<std::mutex> lock(priv->mutex);
    settings = priv->settings;
  }
  std::string error;
  std::shared_ptr<livekit::Listener> listener =
      livekit::Listener::acquire(settings.listener, error);
  if (!listener) {
    GST_ELEMENT_ERROR(self, RESOURCE, OPEN_READ, ("%s", error.c_str()),
                      ("listening on %s:%u", settings.listener.address.c_str(),
                       unsigned(settings.listener.port)));
    return false;
  }
  auto room = std::make_shared<livekit::Room>(GST_ELEMENT(self), &priv->emitter, settings.room);
  room->set_listener(listener);
  {
    const std::lock_guard<std::mutex> lock(priv->mutex);
    priv->listener = listener;
    priv->room = room;
    priv->bound_port = listener->port();
  }
  if (!listener->add_route(settings.route, room.get(), error)) {
    GST_ELEMENT_ERROR(
        self, RESOURCE, BUSY, ("%s", error.c_str()),
        ("path %s on port %u", settings.route.path.c_str(), unsigned(listener->port())));
    const std::lock_guard<std::mutex> lock(priv->mutex);
    priv->room.reset();
    priv->listener.reset();
    priv->bound_port = 0;
    return false;
  }
  GST_INFO_OBJECT(self, "listening on %s:%u", settings.listener.address.c_str(),
                  unsigned(listener->port()));
  return true;
}

void close_door(GstLivekitWsSrc* self) {
  std::shared_ptr<livekit::Listener> listener;
  {
    const std::lock_guard<std::mutex> lock(self->priv->mutex);
    listener = self->priv->listener;
  }
  if (listener) listener->remove_route(room_of(self).get());
}

void stop(GstLivekitWsSrc* self) {
  if (const auto room = room_of(self)) room->stop();
  std::shared_ptr<livekit::Listener> listener;
  std::shared_ptr<livekit::Room> room;
  const std::lock_guard<std::mutex> lock(self->priv->mutex);
  // Destroyed after the lock is released.
  listener.swap(self->priv->listener);
  room.swap(self->priv->room);
  self->priv->bound_port = 0;
}

void play(GstLivekitWsSrc* self) {
  GstClock* clock = gst_element_get_clock(GST_ELEMENT(self));
  if (!clock) clock = gst_system_clock_obtain();
  if (const auto room = room_of(self)) {
    room->play(clock, gst_element_get_base_time(GST_ELEMENT(self)));
  }
  gst_object_unref(clock);
}

GstStateChangeReturn change_state(GstElement* element, GstStateChange transition) {
  GstLivekitWsSrc* self = GST_LIVEKIT_WS_SRC(element);
  switch (transition) {
    case GST_STATE_CHANGE_READY_TO_PAUSED:
      if (!start(self)) return GST_STATE_CHANGE_FAILURE;
      break;
    case GST_STATE_CHANGE_PLAYING_TO_PAUSED:
      if (const auto room = room_of(self)) room->pause();
      break;
    case GST_STATE_CHANGE_PAUSED_TO_READY:
      close_door(self);
      break;
    default:
      break;
  }
  GstStateChangeReturn result =
      GST_ELEMENT_CLASS(gst_livekit_ws_src_parent_class)->change_state(element, transition);
  switch (transition) {
    case GST_STATE_CHANGE_READY_TO_PAUSED:
      if (result == GST_STATE_CHANGE_FAILURE) {
        close_door(self);
        stop(self);
      } else {
        result = GST_STATE_CHANGE_NO_PREROLL;
      }
      break;
    case GST_STATE_CHANGE_PLAYING_TO_PAUSED:
      if (result != GST_STATE_CHANGE_FAILURE) result = GST_STATE_CHANGE_NO_PREROLL;
      break;
    case GST_STATE_CHANGE_PAUSED_TO_PLAYING:
      if (result != GST_STATE_CHANGE_FAILURE) play(self);
      break;
    case GST_STATE_CHANGE_PAUSED_TO_READY:
      stop(self);
      break;
    default:
      break;
  }
  return result;
}

gboolean query(GstElement* element, GstQuery* query) {
  if (GST_QUERY_TYPE(query) != GST_QUERY_LATENCY) {
    return GST_ELEMENT_CLASS(gst_livekit_ws_src_parent_class)->query(element, query);
  }
  LivekitWsSrcPrivate* priv = GST_LIVEKIT_WS_SRC(element)->priv;
  const std::lock_guard<std::mutex> lock(priv->mutex);
  const GstClockTime latency =
      priv->room ? priv->room->latency() : livekit::latency_of(priv->settings.room, false);
  gst_query_set_latency(query, TRUE, latency, GST_CLOCK_TIME_NONE);
  return TRUE;
}

gboolean send_event(GstElement* element, GstEvent* event) {
  if (GST_EVENT_TYPE(event) != GST_EVENT_EOS) {
    return GST_ELEMENT_CLASS(gst_livekit_ws_src_parent_class)->send_event(element, event);
  }
  gst_event_unref(event);
  const auto room = room_of(GST_LIVEKIT_WS_SRC(element));
  if (!room) return FALSE;
  room->request_eos();
  return TRUE;
}

void finalize(GObject* object) {
  delete GST_LIVEKIT_WS_SRC(object)->priv;
  G_OBJECT_CLASS(gst_livekit_ws_src_parent_class)->finalize(object);
}

// One "no" is enough.
gboolean all_accept(GSignalInvocationHint*, GValue* total, const GValue* answer, gpointer) {
  const gboolean accepted = g_value_get_boolean(answer);
  g_value_set_boolean(total, accepted);
  return accepted;
}

gboolean accept_caller(GstElement*, const GstStructure*) {
  return TRUE;
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
  text(PROP_ADDRESS, "address", "Address", "IP address to listen on", DEFAULT_ADDRESS, kFlags);
  number(PROP_PORT, "port", "Port",
         "TCP port to listen on; elements with the same address and port share it. While running, "
         "the real one (0 = any free port)",
         0, 65535, DEFAULT_PORT);
  text(PROP_PATH, "path", "Path",
       "Requests below this path belong to this element; identity and track follow it",
       DEFAULT_PATH, kFlags);
  text(PROP_TOKEN, "token", "Token",
       "Secret that a caller must have in path or query (empty = everybody may call)", nullptr,
       GParamFlags(G_PARAM_WRITABLE | G_PARAM_STATIC_STRINGS | GST_PARAM_MUTABLE_READY));
  text(PROP_TLS_CERTIFICATE, "tls-certificate", "TLS certificate",
       "PEM file with the certificate chain; makes it wss:// (empty = no TLS)", nullptr, kFlags);
  text(PROP_TLS_KEY, "tls-key", "TLS key",
       "PEM file with the private key (empty = in the certificate's file)", nullptr, kFlags);
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
  number(PROP_HANDSHAKE_TIMEOUT, "handshake-timeout", "Handshake time-out",
         "A caller whose request is not complete by then is cut off, in milliseconds", 1, G_MAXUINT,
         DEFAULT_HANDSHAKE_TIMEOUT_MS);
  number(PROP_SLICE_DURATION, "slice-duration", "Slice duration",
         "Length of the slices that all pads carry, in milliseconds; also the latency reported "
         "with playout=aligned",
         2, 200, DEFAULT_SLICE_DURATION_MS);
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
       "Name of the room in messages and stats, when the caller's address does not tell", nullptr,
       kFlags);
  g_object_class_install_property(
      object_class, PROP_STATS,
      g_param_spec_boxed("stats", "Statistics", "Counters, and one entry a connection",
                         GST_TYPE_STRUCTURE,
                         GParamFlags(G_PARAM_READABLE | G_PARAM_STATIC_STRINGS)));
}

void install_signals(GObjectClass* object_class) {
  const GType type = G_TYPE_FROM_CLASS(object_class);
  const GType caller = GST_TYPE_STRUCTURE | G_SIGNAL_TYPE_STATIC_SCOPE;
  /**
   * GstLivekitWsSrc::caller-connecting:
   * @element: the element
   * @caller: room, identity, name, track, remote, format (strings), rate, channels (int)
   *
   * Somebody asks to come in. From the network thread; must not block.
   *
   * Returns: %FALSE to refuse with 403. Without a handler everybody is accepted.
   */
  signals[SIGNAL_CALLER_CONNECTING] = g_signal_new_class_handler(
      "caller-connecting", type, G_SIGNAL_RUN_LAST, G_CALLBACK(accept_caller), all_accept, nullptr,
      nullptr, G_TYPE_BOOLEAN, 1, caller);
  /**
   * GstLivekitWsSrc::caller-added:
   * @element: the element
   * @caller: as in caller-connecting, and pad (string)
   *
   * A track has its pad. From the room's thread; must not block.
   */
  signals[SIGNAL_CALLER_ADDED] = g_signal_new("caller-added", type, G_SIGNAL_RUN_LAST, 0, nullptr,
                                              nullptr, nullptr, G_TYPE_NONE, 1, caller);
  /**
   * GstLivekitWsSrc::caller-removed:
   * @element: the element
   * @caller: as in caller-added, and reason (string): closed, lost, timed-out, protocol-error or
   *   shutdown
   *
   * A track is over and its pad gone.
   */
  signals[SIGNAL_CALLER_REMOVED] = g_signal_new("caller-removed", type, G_SIGNAL_RUN_LAST, 0,
                                                nullptr, nullptr, nullptr, G_TYPE_NONE, 1, caller);
  /**
   * GstLivekitWsSrc::caller-rejected:
   * @element: the element
   * @caller: remote, reason (strings), status (uint, HTTP)
   *
   * Somebody was turned away. From the network thread; must not block.
   */
  signals[SIGNAL_CALLER_REJECTED] = g_signal_new("caller-rejected", type, G_SIGNAL_RUN_LAST, 0,
                                                 nullptr, nullptr, nullptr, G_TYPE_NONE, 1, caller);
}

}  // namespace

static void gst_livekit_ws_src_class_init(GstLivekitWsSrcClass* klass) {
  GObjectClass* object_class = G_OBJECT_CLASS(klass);
  GstElementClass* element_class = GST_ELEMENT_CLASS(klass);
  object_class->set_property = set_property;
  object_class->get_property = get_property;
  object_class->finalize = finalize;
  install_properties(object_class);
  install_signals(object_class);
  gst_type_mark_as_plugin_api(GST_TYPE_LIVEKIT_WS_SRC_PLAYOUT, GstPluginAPIFlags(0));

  element_class->change_state = GST_DEBUG_FUNCPTR(change_state);
  element_class->query = GST_DEBUG_FUNCPTR(query);
  element_class->send_event = GST_DEBUG_FUNCPTR(send_event);
  gst_element_class_add_static_pad_template(element_class, &src_template);
  gst_element_class_set_static_metadata(
      element_class, "LiveKit egress WebSocket source", "Source/Network/Audio",
      "Takes the tracks that LiveKit's Track Egress sends over WebSocket", "gst-plugins-egress");
}

static void gst_livekit_ws_src_init(GstLivekitWsSrc* self) {
  self->priv = new LivekitWsSrcPrivate(GST_ELEMENT(self));
  GST_OBJECT_FLAG_SET(self, GST_ELEMENT_FLAG_SOURCE);
}
