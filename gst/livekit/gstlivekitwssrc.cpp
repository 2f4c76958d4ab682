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
 * `livekit-egress` (element message), where the element starts egresses itself
 * (#GstLivekitWsSrc:egress): see docs/messages.md.
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
 * |[
 * gst-launch-1.0 -e livekitwssrc room=standup egress=track public-url=wss://host:9000 : egressmux !
 * speakerdetect ! sttsink location=standup.vtt
 * ]| The same, and the element starts and stops the egresses; server, key and secret are those of
 * LIVEKIT_URL, LIVEKIT_API_KEY and LIVEKIT_API_SECRET.
 */
#include "gstlivekitwssrc.h"

#include <memory>
#include <mutex>
#include <string>
#include <utility>

#include "callersignals.h"
#include "egresscontroller.h"
#include "gst/roomaudio/roomaudio.h"
#include "listener.h"
#include "livekitdebug.h"
#include "livekitwssrcproperties.h"
#include "room.h"

namespace {

livekit::CallerSignals caller_signals;

GstStaticPadTemplate src_template = GST_STATIC_PAD_TEMPLATE(
    "src_%u", GST_PAD_SRC, GST_PAD_SOMETIMES,
    GST_STATIC_CAPS("audio/x-raw, format = (string) { S16LE, F32LE }, layout = (string) "
                    "interleaved, rate = (int) [ 1, MAX ], channels = (int) [ 1, MAX ]; "
                    "audio/x-opus, channel-mapping-family = (int) 0, channels = (int) [ 1, 2 ]"));

// Room events as signals of the element.
class SignalEmitter final : public livekit::RoomObserver {
 public:
  explicit SignalEmitter(GstElement* element) : element_(element) {}

  bool on_caller_connecting(const GstStructure* caller) override {
    return caller_signals.emit_connecting(element_, caller);
  }
  void on_caller_rejected(const GstStructure* caller) override {
    caller_signals.emit_rejected(element_, caller);
  }
  void on_caller_added(const GstStructure* caller) override {
    caller_signals.emit_added(element_, caller);
  }
  void on_caller_removed(const GstStructure* caller) override {
    caller_signals.emit_removed(element_, caller);
  }
  void on_session(uint64_t session, bool connected) override {
    if (const auto egresses = controller()) egresses->on_session(session, connected);
  }
  void introduce(livekit::TrackRequest& request) override {
    if (const auto egresses = controller()) egresses->introduce(request);
  }

  std::shared_ptr<livekit::EgressController> controller() {
    const std::lock_guard<std::mutex> lock(mutex_);
    return controller_;
  }
  void set_controller(std::shared_ptr<livekit::EgressController> controller) {
    // What it replaces is let go of after the lock.
    const std::lock_guard<std::mutex> lock(mutex_);
    controller_.swap(controller);
  }

 private:
  GstElement* const element_;
  std::mutex mutex_;  // guards what follows
  std::shared_ptr<livekit::EgressController> controller_;
};

// What the control plane does, as messages of the element.
class EgressReporter final : public livekit::EgressObserver {
 public:
  EgressReporter(GstElement* element, std::string room_name, std::string dial_base,
                 std::weak_ptr<livekit::Room> room)
      : element_(element),
        room_name_(std::move(room_name)),
        dial_base_(std::move(dial_base)),
        room_(std::move(room)) {}

  // For people: gst-launch-1.0 shows the second text of an info message.
  void tell(const std::string& text) {
    GST_ELEMENT_INFO(element_, RESOURCE, READ, ("%s", text.c_str()), ("%s", text.c_str()));
  }

  void on_egress_step(const livekit::PlanAction& step) override {
    const std::string identity = livekit::printable_name(step.identity);
    const std::string name = livekit::printable_name(step.name);
    GST_INFO_OBJECT(element_, "egress %s of track %s (%s): %s%s%s", step.egress.c_str(),
                    step.track.c_str(), identity.c_str(), step.step.c_str(),
                    step.reason.empty() ? "" : ", ", step.reason.c_str());
    gst_element_post_message(
        element_,
        gst_message_new_element(
            GST_OBJECT(element_),
            gst_structure_new("livekit-egress", "event", G_TYPE_STRING, step.step.c_str(), "room",
                              G_TYPE_STRING, room_name_.c_str(), "identity", G_TYPE_STRING,
                              identity.c_str(), "name", G_TYPE_STRING, name.c_str(), "track",
                              G_TYPE_STRING, step.track.c_str(), "egress", G_TYPE_STRING,
                              step.egress.c_str(), "reason", G_TYPE_STRING, step.reason.c_str(),
                              "attempt", G_TYPE_UINT, step.attempt, "retry-in-ms", G_TYPE_UINT64,
                              guint64(step.wait_ms), nullptr)));
    if (step.step == "excluded") {
      tell(identity + " is excluded: that audio is not asked for.");
    } else if (step.step == "reachable") {
      tell("LiveKit's API answers again.");
    } else if (step.step == "unreachable") {
      GST_ELEMENT_WARNING(
          element_, RESOURCE, READ,
          ("LiveKit's API cannot be used now: %s. It is tried again.", step.reason.c_str()),
          ("room %s", room_name_.c_str()));
    } else if (step.step == "failed" && step.attempt == 1) {
      GST_ELEMENT_WARNING(
          element_, RESOURCE, READ,
          ("The egress of %s failed: %s. It is tried again while there is something to hear.",
           identity.empty() ? "the room's mix" : identity.c_str(), step.reason.c_str()),
          ("track %s, egress %s; it was to dial %s (public-url, path)", step.track.c_str(),
           step.egress.c_str(), dial_base_.c_str()));
    }
  }
  void on_hang_up(uint64_t session) override {
    if (const auto room = room_.lock()) room->hang_up(session);
  }
  void on_participant(const std::string& identity, const livekit::ParticipantText& text) override {
    if (const auto room = room_.lock()) room->describe(identity, text);
  }
  void on_doubtful_exclude(const std::string& entry, const std::string& identity) override {
    const std::string shown = livekit::printable_name(entry);
    GST_ELEMENT_WARNING(element_, RESOURCE, SETTINGS,
                        ("exclude has '%s', which is nobody's identity but resembles '%s', who is "
                         "heard: exclude takes identities, compared exactly.",
                         shown.c_str(), identity.c_str()),
                        ("room %s", room_name_.c_str()));
  }
  void on_unfinished(const std::vector<std::string>& egresses) override {
    std::string names;
    for (const std::string& name : egresses) {
      names += (names.empty() ? "" : ", ") + livekit::printable_name(name);
    }
    GST_ELEMENT_WARNING(element_, RESOURCE, CLOSE,
                        ("These egresses could not be stopped and may still run: %s. "
                         "The next start with the same public-url and room stops them.",
                         names.c_str()),
                        ("room %s", room_name_.c_str()));
  }

 private:
  GstElement* const element_;
  const std::string room_name_;
  const std::string dial_base_;
  const std::weak_ptr<livekit::Room> room_;
};

struct LivekitWsSrcPrivate {
  explicit LivekitWsSrcPrivate(GstElement* element) : emitter(element) {}

  SignalEmitter emitter;
  // Application threads, one state change at a time.
  std::unique_ptr<EgressReporter> reporter;

  std::mutex mutex;  // guards all below
  livekit::Settings settings;
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

namespace {

std::shared_ptr<livekit::Room> room_of(GstLivekitWsSrc* self) {
  const std::lock_guard<std::mutex> lock(self->priv->mutex);
  return self->priv->room;
}

void apply_filter(GstLivekitWsSrc* self, const livekit::EgressFilter& filter) {
  const auto controller = self->priv->emitter.controller();
  if (!controller) return;
  if (const auto room = room_of(self)) room->set_filter(filter);
  controller->set_filter(filter);
}

void set_property(GObject* object, guint id, const GValue* value, GParamSpec* spec) {
  LivekitWsSrcPrivate* priv = GST_LIVEKIT_WS_SRC(object)->priv;
  const bool runs = priv->emitter.controller() != nullptr;
  livekit::EgressFilter filter;
  std::string wrong;
  {
    const std::lock_guard<std::mutex> lock(priv->mutex);
    const unsigned sources = priv->settings.egress.sources;
    if (!livekit::set_property(priv->settings, id, value)) {
      G_OBJECT_WARN_INVALID_PROPERTY_ID(object, id, spec);
    }
    if (runs && id == livekit::PROP_SOURCES) {
      wrong = livekit::wrong_combination(priv->settings.egress);
      if (!wrong.empty()) priv->settings.egress.sources = sources;
    }
    filter = priv->settings.egress_filter();
  }
  if (!wrong.empty()) {
    GST_ELEMENT_WARNING(object, RESOURCE, SETTINGS, ("%s It stays as it was.", wrong.c_str()),
                        (nullptr));
  } else if (id == livekit::PROP_INCLUDE || id == livekit::PROP_EXCLUDE ||
             id == livekit::PROP_SOURCES) {
    apply_filter(GST_LIVEKIT_WS_SRC(object), filter);
  }
}

void get_property(GObject* object, guint id, GValue* value, GParamSpec* spec) {
  LivekitWsSrcPrivate* priv = GST_LIVEKIT_WS_SRC(object)->priv;
  const std::lock_guard<std::mutex> lock(priv->mutex);
  if (id == livekit::PROP_STATS) {
    g_value_take_boxed(
        value, priv->room ? priv->room->stats() : gst_structure_new_empty("livekitwssrc-stats"));
  } else if (id == livekit::PROP_PORT && priv->bound_port) {
    g_value_set_uint(value, priv->bound_port);
  } else if (!livekit::get_property(priv->settings, id, value)) {
    G_OBJECT_WARN_INVALID_PROPERTY_ID(object, id, spec);
  }
}

// Stops the egresses before their connections are closed: who loses his connection has failed.
void stop_egresses(GstLivekitWsSrc* self) {
  LivekitWsSrcPrivate* priv = self->priv;
  const auto controller = priv->emitter.controller();
  if (!controller) return;
  std::shared_ptr<livekit::Listener> listener;
  {
    const std::lock_guard<std::mutex> lock(priv->mutex);
    listener = priv->listener;
  }
  if (listener) listener->remove_hook(controller.get());
  controller->shut_down();
}

// Who is in the room, and one egress a track. False after an error was posted.
bool start_egresses(GstLivekitWsSrc* self) {
  LivekitWsSrcPrivate* priv = self->priv;
  const auto controller = priv->emitter.controller();
  if (!controller) return true;
  std::string error;
  if (controller->open(error)) {
    priv->reporter->tell("Audio is asked for as soon as somebody publishes it in the room.");
    return true;
  }
  GST_ELEMENT_ERROR(
      self, RESOURCE, OPEN_READ, ("LiveKit's API says: %s.", error.c_str()),
      ("check livekit-url, api-key and api-secret; the key needs the grants roomRecord "
       "and roomAdmin"));
  return false;
}

// The control plane of this element, if it is wanted. False after an error was posted.
bool make_controller(GstLivekitWsSrc* self, const livekit::Settings& settings, guint16 port,
                     const std::shared_ptr<livekit::Room>& room,
                     std::shared_ptr<livekit::EgressController>* controller) {
  std::string error = livekit::wrong_combination(settings.egress);
  if (!error.empty()) {
    GST_ELEMENT_ERROR(self, RESOURCE, SETTINGS, ("%s", error.c_str()), (nullptr));
    return false;
  }
  if (!settings.egress.enabled) return true;
  const auto config = livekit::make_controller_config(
      settings.egress, settings.room.label, settings.route.path, settings.listener, port, error);
  if (!config) {
    GST_ELEMENT_ERROR(self, RESOURCE, SETTINGS, ("%s", error.c_str()), (nullptr));
    return false;
  }
  LivekitWsSrcPrivate* priv = self->priv;
  priv->reporter = std::make_unique<EgressReporter>(GST_ELEMENT(self), settings.room.label,
                                                    config->dial_base, room);
  *controller = std::make_shared<livekit::EgressController>(*config, priv->reporter.get());
  return true;
}

// Opens the door, so that a port in use or a bad certificate is an error before PLAYING.
bool start(GstLivekitWsSrc* self) {
  LivekitWsSrcPrivate* priv = self->priv;
  livekit::Settings settings;
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
  auto room =
      std::make_shared<livekit::Room>(GST_ELEMENT(self), &priv->emitter, settings.room_config());
  room->set_listener(listener);
  std::shared_ptr<livekit::EgressController> controller;
  if (!make_controller(self, settings, listener->port(), room, &controller)) return false;
  if (controller) settings.route.dial_ins = controller->dial_ins();
  priv->emitter.set_controller(controller);
  livekit::EgressFilter filter;
  {
    const std::lock_guard<std::mutex> lock(priv->mutex);
    priv->listener = listener;
    priv->room = room;
    priv->bound_port = listener->port();
    filter = priv->settings.egress_filter();
  }
  // It may have been set since the settings were read, when there was nobody yet to tell.
  apply_filter(self, filter);
  if (!listener->add_route(settings.route, room.get(), error)) {
    GST_ELEMENT_ERROR(
        self, RESOURCE, BUSY, ("%s", error.c_str()),
        ("path %s on port %u", settings.route.path.c_str(), unsigned(listener->port())));
    priv->emitter.set_controller(nullptr);
    const std::lock_guard<std::mutex> lock(priv->mutex);
    priv->room.reset();
    priv->listener.reset();
    priv->bound_port = 0;
    return false;
  }
  if (controller) {
    listener->add_hook(
        {settings.egress.webhook_path, controller->credentials(), settings.room.label},
        controller.get());
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
  self->priv->emitter.set_controller(nullptr);
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
      if (!start_egresses(self)) {
        stop_egresses(self);
        close_door(self);
        stop(self);
        return GST_STATE_CHANGE_FAILURE;
      }
      break;
    case GST_STATE_CHANGE_PLAYING_TO_PAUSED:
      if (const auto room = room_of(self)) room->pause();
      break;
    case GST_STATE_CHANGE_PAUSED_TO_READY:
      stop_egresses(self);
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
        stop_egresses(self);
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
      priv->room ? priv->room->latency() : livekit::latency_of(priv->settings.room_config(), false);
  gst_query_set_latency(query, TRUE, latency, GST_CLOCK_TIME_NONE);
  return TRUE;
}

gboolean send_event(GstElement* element, GstEvent* event) {
  if (GST_EVENT_TYPE(event) != GST_EVENT_EOS) {
    return GST_ELEMENT_CLASS(gst_livekit_ws_src_parent_class)->send_event(element, event);
  }
  const guint32 seqnum = gst_event_get_seqnum(event);
  gst_event_unref(event);
  const auto room = room_of(GST_LIVEKIT_WS_SRC(element));
  if (!room) return FALSE;
  if (const auto controller = GST_LIVEKIT_WS_SRC(element)->priv->emitter.controller()) {
    // What was said so far is still on its way.
    controller->drain([weak = std::weak_ptr<livekit::Room>(room), seqnum] {
      if (const auto live = weak.lock()) live->request_eos(seqnum);
    });
  } else {
    room->request_eos(seqnum);
  }
  return TRUE;
}

void finalize(GObject* object) {
  delete GST_LIVEKIT_WS_SRC(object)->priv;
  G_OBJECT_CLASS(gst_livekit_ws_src_parent_class)->finalize(object);
}

// One "no" is enough.
void install_signals(GObjectClass* object_class) {
  /**
   * GstLivekitWsSrc::caller-connecting:
   * @element: the element
   * @caller: room, identity, name, track, remote, format (strings), rate, channels (int)
   *
   * Somebody asks to come in. From the network thread; must not block, nor change the state of an
   * element of this port.
   *
   * Returns: %FALSE to refuse with 403. Without a handler everybody is accepted.
   */
  /**
   * GstLivekitWsSrc::caller-added:
   * @element: the element
   * @caller: as in caller-connecting, and pad (string)
   *
   * A track has its pad. From the room's thread; must not block.
   */
  /**
   * GstLivekitWsSrc::caller-removed:
   * @element: the element
   * @caller: as in caller-added, and reason (string): closed, lost, timed-out, protocol-error or
   *   shutdown
   *
   * A track is over and its pad gone.
   */
  /**
   * GstLivekitWsSrc::caller-rejected:
   * @element: the element
   * @caller: remote, reason (strings), status (uint, HTTP)
   *
   * Somebody was turned away. From the network thread; must not block.
   */
  caller_signals.install(object_class);
}

}  // namespace

static void gst_livekit_ws_src_class_init(GstLivekitWsSrcClass* klass) {
  GObjectClass* object_class = G_OBJECT_CLASS(klass);
  GstElementClass* element_class = GST_ELEMENT_CLASS(klass);
  object_class->set_property = set_property;
  object_class->get_property = get_property;
  object_class->finalize = finalize;
  livekit::install_properties(object_class);
  install_signals(object_class);
  gst_type_mark_as_plugin_api(GST_TYPE_LIVEKIT_WS_SRC_PLAYOUT, GstPluginAPIFlags(0));
  gst_type_mark_as_plugin_api(GST_TYPE_LIVEKIT_WS_SRC_EGRESS, GstPluginAPIFlags(0));
  gst_type_mark_as_plugin_api(GST_TYPE_LIVEKIT_WS_SRC_SOURCES, GstPluginAPIFlags(0));

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
