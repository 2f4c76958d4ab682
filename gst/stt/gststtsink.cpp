/* gst-plugins-egress: live transcripts with names
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
/**
 * SECTION:element-sttsink
 * @title: sttsink
 * @short_description: writes down who says what, while it is said
 *
 * Takes one mix (speakers from the RoomAudioMeta that egressmux and speakerdetect write) or many
 * tracks (one request pad each), any raw audio, and turns the speech in it into text: on the bus,
 * as a signal, in files and on standard output. It never holds up a live pipeline, has no
 * preroll, and posts EOS when every final result is out. Models load while the pipeline starts;
 * what is said meanwhile is queued.
 *
 * ## Messages
 * * "transcript" (#GST_MESSAGE_ELEMENT), a partial or final result: type (string: "partial",
 *   "final"), utterance (string), revision (uint), room, track, identity, name, text, language
 *   (string), start, end (double, seconds of running time), start-time, end-time (uint64, the same
 *   in ns), utc, utc-end (string, ISO 8601, "" when not live), latency-ms (int64, end of the speech
 *   to emission, -1 when not live), engine, model (string), and when known words (array of
 *   structures with text, start, end), confidence (double, 0..1), and metadata and attributes
 *   (string, what LiveKit's API says of the participant). A partial is replaced by the next result
 *   with the same utterance; a final comes once; a final with empty text takes its partials back.
 * * #GST_MESSAGE_PROGRESS with the code "load-model" while models load.
 * * #GST_MESSAGE_WARNING when a file cannot be written or captions do not reach their room (once an
 *   incident); results are kept for it and go on to the bus.
 *
 * ## Signals
 * * "transcript": the same structure, on a thread of the engine.
 *
 * ## Example launch lines
 * |[
 * gst-launch-1.0 -e livekitwssrc port=9000 : egressmux ! speakerdetect ! sttsink
 * location=standup.vtt
 * ]| One mix, captions with names as WebVTT.
 * |[
 * gst-launch-1.0 -q filesrc location=talk.ogg ! decodebin ! sttsink location=-
 * ]| A recording as text on standard output.
 * |[
 * gst-launch-1.0 -e livekitwssrc port=9000 : sttsink locations="<standup.vtt, standup.jsonl>"
 * ]| Each participant transcribed apart, two files.
 */
#include "gststtsink.h"

#include <gst/audio/audio.h>

#include <algorithm>
#include <cerrno>

#include "enginefactory.h"
#include "gststtsinkpad.h"
#include "gststtsinkproperties.h"
#include "livekit/livekitapi.h"
#include "resultmessage.h"
#include "roomaudio/roomaudio.h"

GST_DEBUG_CATEGORY_STATIC(gst_stt_sink_debug);
#define GST_CAT_DEFAULT gst_stt_sink_debug

namespace {

enum { SIGNAL_TRANSCRIPT, N_SIGNALS };
guint signals[N_SIGNALS] = {};

class Host : public stt::SessionHost {
 public:
  explicit Host(GstElement* element) : element_(element) {}
  void on_transcript(const stt::Transcript& transcript) override;
  void on_load(stt::LoadPhase phase, int percent, const std::string& error) override;
  void on_output_failed(const std::string& location, const std::string& error) override;
  void on_captions_failed(const std::string& room, const std::string& reason,
                          stt::SendResult result) override;
  void on_finished(uint32_t seqnum) override;
  int64_t running_time_ns() override;
  std::string utc_at(int64_t running_time_ns) override;

 private:
  GstElement* const element_;
};

struct SttSinkPrivate {
  explicit SttSinkPrivate(GstElement* element) : host(element) {}

  Host host;
  // The object lock guards all of these.
  stt::SinkProperties properties;
  std::shared_ptr<stt::Session> session;
  guint next_pad = 0;
  guint group_id = GST_GROUP_ID_INVALID;
  bool stream_started = false;
};

}  // namespace

struct _GstSttSink {
  GstElement parent;
  SttSinkPrivate* priv;
};

static void gst_stt_sink_child_proxy_init(gpointer iface, gpointer data);

G_DEFINE_TYPE_WITH_CODE(GstSttSink, gst_stt_sink, GST_TYPE_ELEMENT,
                        G_IMPLEMENT_INTERFACE(GST_TYPE_CHILD_PROXY, gst_stt_sink_child_proxy_init)
                            GST_DEBUG_CATEGORY_INIT(gst_stt_sink_debug, "sttsink", 0,
                                                    "live transcripts with names"))
GST_ELEMENT_REGISTER_DEFINE(sttsink, "sttsink", GST_RANK_NONE, GST_TYPE_STT_SINK)

static GstStaticPadTemplate sink_template = GST_STATIC_PAD_TEMPLATE(
    "sink_%u", GST_PAD_SINK, GST_PAD_REQUEST,
    GST_STATIC_CAPS("audio/x-raw, format = (string) " GST_AUDIO_FORMATS_ALL
                    ", rate = " GST_AUDIO_RATE_RANGE ", channels = " GST_AUDIO_CHANNELS_RANGE
                    ", layout = (string) { interleaved, non-interleaved }"));

namespace {

// ---- What the session tells ----

void Host::on_transcript(const stt::Transcript& transcript) {
  GstStructure* structure = stt::to_structure(transcript);
  gst_element_post_message(
      element_, gst_message_new_element(GST_OBJECT(element_), gst_structure_copy(structure)));
  g_signal_emit(element_, signals[SIGNAL_TRANSCRIPT], 0, structure);
  gst_structure_free(structure);
}

void Host::on_load(stt::LoadPhase phase, int percent, const std::string& error) {
  static const std::pair<GstProgressType, const char*> steps[] = {
      {GST_PROGRESS_TYPE_START, "Loading the speech model"},
      {GST_PROGRESS_TYPE_CONTINUE, "Loading the speech model"},
      {GST_PROGRESS_TYPE_COMPLETE, "The speech model is loaded"},
      {GST_PROGRESS_TYPE_ERROR, "The speech model could not be loaded"}};
  const auto& [type, what] = steps[size_t(phase)];
  const bool counts = phase == stt::LoadPhase::kProgress;
  gchar* text = counts ? g_strdup_printf("%s (%d %%)", what, percent) : g_strdup(what);
  gst_element_post_message(
      element_, gst_message_new_progress(GST_OBJECT(element_), type, "load-model", text));
  g_free(text);
  if (phase != stt::LoadPhase::kFailed) return;
  GST_ELEMENT_ERROR(element_, RESOURCE, FAILED,
                    ("The speech model could not be loaded: %s", error.c_str()),
                    ("load_engine() failed"));
}

void Host::on_output_failed(const std::string& location, const std::string& error) {
  const bool full = error == g_strerror(ENOSPC);
  if (full) {
    GST_ELEMENT_WARNING(element_, RESOURCE, NO_SPACE_LEFT,
                        ("\"%s\" cannot be written: the disk is full. Make room: results are kept "
                         "for it and go on to the bus.",
                         location.c_str()),
                        ("write: %s", error.c_str()));
  } else {
    GST_ELEMENT_WARNING(element_, RESOURCE, WRITE,
                        ("\"%s\" cannot be written (%s). Results are kept for it and go on to the "
                         "bus.",
                         location.c_str(), error.c_str()),
                        ("write: %s", error.c_str()));
  }
}

void Host::on_captions_failed(const std::string& room, const std::string& reason,
                              stt::SendResult result) {
  const std::string name = livekit::printable_name(room);
  if (result == stt::SendResult::kDenied) {
    GST_ELEMENT_WARNING(
        element_, RESOURCE, NOT_AUTHORIZED,
        ("The room \"%s\" gets no captions: %s. Set livekit-url, api-key and "
         "api-secret of one LiveKit project. Results go on to the bus and to files.",
         name.c_str(), reason.c_str()),
        ("the server refused, and will be asked again in a minute"));
  } else if (result == stt::SendResult::kRefused) {
    GST_ELEMENT_WARNING(element_, RESOURCE, WRITE,
                        ("The room \"%s\" does not take a caption: %s. It is dropped there, later "
                         "ones are sent; results go on to the bus and to files.",
                         name.c_str(), reason.c_str()),
                        ("SendData was refused"));
  } else {
    GST_ELEMENT_WARNING(element_, RESOURCE, WRITE,
                        ("The room \"%s\" gets no captions now: %s. They are tried again for a "
                         "minute; results go on to the bus and to files.",
                         name.c_str(), reason.c_str()),
                        ("SendData failed"));
  }
}

void Host::on_finished(uint32_t seqnum) {
  GST_DEBUG_OBJECT(element_, "every final is out, posting EOS");
  GstMessage* message = gst_message_new_eos(GST_OBJECT(element_));
  if (seqnum != GST_SEQNUM_INVALID) gst_message_set_seqnum(message, seqnum);
  gst_element_post_message(element_, message);
}

int64_t Host::running_time_ns() {
  const GstClockTime now = gst_element_get_current_running_time(element_);
  return GST_CLOCK_TIME_IS_VALID(now) ? int64_t(now) : -1;
}

std::string Host::utc_at(int64_t running_time_ns) {
  gchar* utc = room_audio_utc_at_running_time(element_, GstClockTime(running_time_ns));
  std::string text(utc);
  g_free(utc);
  return text;
}

// ---- States ----

std::vector<GstSttSinkPad*> pads_of(GstSttSink* self) {
  std::vector<GstSttSinkPad*> pads;
  GST_OBJECT_LOCK(self);
  for (GList* item = GST_ELEMENT(self)->sinkpads; item; item = item->next) {
    pads.push_back(GST_STT_SINK_PAD(gst_object_ref(item->data)));
  }
  GST_OBJECT_UNLOCK(self);
  return pads;
}

void give_session_to_pads(GstSttSink* self, const std::shared_ptr<stt::Session>& session) {
  GST_OBJECT_LOCK(self);
  self->priv->session = session;
  GST_OBJECT_UNLOCK(self);
  for (GstSttSinkPad* pad : pads_of(self)) {
    gst_stt_sink_pad_use_session(pad, session);
    gst_object_unref(pad);
  }
}

stt::SessionSettings settings_of(GstSttSink* self) {
  GST_OBJECT_LOCK(self);
  const stt::SessionSettings settings = stt::session_settings(self->priv->properties);
  GST_OBJECT_UNLOCK(self);
  return settings;
}

bool engine_is_there(GstSttSink* self) {
  const std::string missing = stt::engine_factory().check(settings_of(self).engine);
  if (missing.empty()) return true;
  GST_ELEMENT_ERROR(self, RESOURCE, NOT_FOUND, ("%s", missing.c_str()),
                    ("check_engine() found something missing"));
  return false;
}

bool begin_session(GstSttSink* self) {
  auto session = std::make_shared<stt::Session>(settings_of(self), self->priv->host);
  std::string location;
  std::string error;
  if (!session->open_outputs(location, error)) {
    GST_ELEMENT_ERROR(
        self, RESOURCE, OPEN_WRITE,
        ("\"%s\" cannot be written: %s. Choose another location.", location.c_str(), error.c_str()),
        ("opening an output failed"));
    return false;
  }
  if (!session->open_captions(error)) {
    GST_ELEMENT_ERROR(self, RESOURCE, SETTINGS, ("%s", error.c_str()),
                      ("livekit-captions=true cannot work so"));
    return false;
  }
  session->start();
  give_session_to_pads(self, session);
  return true;
}

void end_session(GstSttSink* self) {
  const std::shared_ptr<stt::Session> session = gst_stt_sink_session(self);
  if (!session) return;
  give_session_to_pads(self, nullptr);
  session->stop();
  GST_OBJECT_LOCK(self);
  self->priv->group_id = GST_GROUP_ID_INVALID;
  self->priv->stream_started = false;
  GST_OBJECT_UNLOCK(self);
}

}  // namespace

static GstStateChangeReturn gst_stt_sink_change_state(GstElement* element,
                                                      GstStateChange transition) {
  GstSttSink* self = GST_STT_SINK(element);
  switch (transition) {
    case GST_STATE_CHANGE_NULL_TO_READY:
      if (!engine_is_there(self)) return GST_STATE_CHANGE_FAILURE;
      break;
    case GST_STATE_CHANGE_READY_TO_PAUSED:
      if (!begin_session(self)) return GST_STATE_CHANGE_FAILURE;
      break;
    case GST_STATE_CHANGE_PLAYING_TO_PAUSED:
      if (const auto session = gst_stt_sink_session(self)) session->set_playing(false);
      break;
    case GST_STATE_CHANGE_PAUSED_TO_READY:
      // Pads are deactivated next, which needs their threads back.
      if (const auto session = gst_stt_sink_session(self)) session->begin_stop();
      break;
    default:
      break;
  }
  const GstStateChangeReturn result =
      GST_ELEMENT_CLASS(gst_stt_sink_parent_class)->change_state(element, transition);
  if (transition == GST_STATE_CHANGE_PAUSED_TO_READY ||
      (transition == GST_STATE_CHANGE_READY_TO_PAUSED && result == GST_STATE_CHANGE_FAILURE)) {
    end_session(self);
  }
  if (transition == GST_STATE_CHANGE_PAUSED_TO_PLAYING && result != GST_STATE_CHANGE_FAILURE) {
    if (const auto session = gst_stt_sink_session(self)) session->set_playing(true);
  }
  return result;
}

// An application ends a pipeline by sending EOS to it. A sink without a pad would never see it:
// therefore sttsink is flagged as a source too, and takes part itself.
static gboolean gst_stt_sink_send_event(GstElement* element, GstEvent* event) {
  GstSttSink* self = GST_STT_SINK(element);
  if (GST_EVENT_TYPE(event) == GST_EVENT_EOS) {
    if (const auto session = gst_stt_sink_session(self)) {
      session->request_end(gst_event_get_seqnum(event));
    }
  } else if ((guint(GST_EVENT_TYPE(event)) & guint(GST_EVENT_TYPE_UPSTREAM)) != 0) {
    gboolean taken = FALSE;
    const std::vector<GstSttSinkPad*> pads = pads_of(self);
    for (GstSttSinkPad* pad : pads) {
      taken = gst_pad_push_event(GST_PAD(pad), gst_event_ref(event)) || taken;
      gst_object_unref(pad);
    }
    gst_event_unref(event);
    return taken || pads.empty();
  }
  gst_event_unref(event);
  return TRUE;
}

// Not being synchronised, the sink adds nothing to what its inputs tell.
static gboolean gst_stt_sink_query(GstElement* element, GstQuery* query) {
  if (GST_QUERY_TYPE(query) == GST_QUERY_POSITION) {
    // gst-launch writes a position it gets over the captions, ten times a second.
    const auto session = gst_stt_sink_session(GST_STT_SINK(element));
    if (session && session->owns_terminal()) return FALSE;
  }
  if (GST_QUERY_TYPE(query) != GST_QUERY_LATENCY) {
    return GST_ELEMENT_CLASS(gst_stt_sink_parent_class)->query(element, query);
  }
  gboolean live = FALSE;
  GstClockTime min = 0;
  GstClockTime max = GST_CLOCK_TIME_NONE;
  for (GstSttSinkPad* pad : pads_of(GST_STT_SINK(element))) {
    gboolean pad_live = FALSE;
    GstClockTime pad_min = 0;
    GstClockTime pad_max = GST_CLOCK_TIME_NONE;
    GstQuery* one = gst_query_new_latency();
    if (gst_pad_peer_query(GST_PAD(pad), one)) {
      gst_query_parse_latency(one, &pad_live, &pad_min, &pad_max);
    }
    gst_query_unref(one);
    gst_object_unref(pad);
    if (!pad_live) continue;
    live = TRUE;
    min = std::max(min, pad_min);
    max = std::min(max, pad_max);  // CLOCK_TIME_NONE is the largest
  }
  gst_query_set_latency(query, live, min, max);
  return TRUE;
}

// ---- Pads ----

static GstPad* gst_stt_sink_request_new_pad(GstElement* element, GstPadTemplate* pad_template,
                                            const gchar* wanted, const GstCaps* caps) {
  GstSttSink* self = GST_STT_SINK(element);
  GST_OBJECT_LOCK(self);
  guint index = self->priv->next_pad;
  guint given = 0;
  if (wanted && sscanf(wanted, "sink_%u", &given) == 1) index = given;
  self->priv->next_pad = std::max(self->priv->next_pad, index + 1);
  const std::shared_ptr<stt::Session> session = self->priv->session;
  GST_OBJECT_UNLOCK(self);
  gchar* name = g_strdup_printf("sink_%u", index);
  GstPad* pad = GST_PAD(g_object_new(GST_TYPE_STT_SINK_PAD, "name", name, "direction", GST_PAD_SINK,
                                     "template", pad_template, nullptr));
  g_free(name);
  gst_stt_sink_pad_use_session(GST_STT_SINK_PAD(pad), session);
  if (session) gst_pad_set_active(pad, TRUE);
  if (!gst_element_add_pad(element, pad)) return nullptr;
  gst_child_proxy_child_added(GST_CHILD_PROXY(self), G_OBJECT(pad), GST_OBJECT_NAME(pad));
  return pad;
}

static void gst_stt_sink_release_pad(GstElement* element, GstPad* pad) {
  gst_child_proxy_child_removed(GST_CHILD_PROXY(element), G_OBJECT(pad), GST_OBJECT_NAME(pad));
  gst_stt_sink_pad_leave(GST_STT_SINK_PAD(pad));
  gst_pad_set_active(pad, FALSE);
  gst_stt_sink_pad_leave(GST_STT_SINK_PAD(pad));  // if data came in between
  gst_element_remove_pad(element, pad);
}

static GObject* gst_stt_sink_child_by_index(GstChildProxy* proxy, guint index) {
  GST_OBJECT_LOCK(proxy);
  gpointer child = g_list_nth_data(GST_ELEMENT(proxy)->sinkpads, index);
  if (child) gst_object_ref(child);
  GST_OBJECT_UNLOCK(proxy);
  return G_OBJECT(child);
}

static guint gst_stt_sink_children_count(GstChildProxy* proxy) {
  GST_OBJECT_LOCK(proxy);
  const guint count = GST_ELEMENT(proxy)->numsinkpads;
  GST_OBJECT_UNLOCK(proxy);
  return count;
}

static void gst_stt_sink_child_proxy_init(gpointer iface, gpointer data) {
  auto* proxy = static_cast<GstChildProxyInterface*>(iface);
  proxy->get_child_by_index = gst_stt_sink_child_by_index;
  proxy->get_children_count = gst_stt_sink_children_count;
}

std::shared_ptr<stt::Session> gst_stt_sink_session(GstSttSink* self) {
  GST_OBJECT_LOCK(self);
  std::shared_ptr<stt::Session> session = self->priv->session;
  GST_OBJECT_UNLOCK(self);
  return session;
}

void gst_stt_sink_stream_started(GstSttSink* self, GstEvent* stream_start) {
  guint group_id = GST_GROUP_ID_INVALID;
  const gboolean has_group = gst_event_parse_group_id(stream_start, &group_id);
  GST_OBJECT_LOCK(self);
  const bool known = self->priv->stream_started && self->priv->group_id == group_id;
  self->priv->stream_started = true;
  self->priv->group_id = group_id;
  GST_OBJECT_UNLOCK(self);
  if (known) return;
  GstMessage* message = gst_message_new_stream_start(GST_OBJECT(self));
  gst_message_set_seqnum(message, gst_event_get_seqnum(stream_start));
  if (has_group) gst_message_set_group_id(message, group_id);
  gst_element_post_message(GST_ELEMENT(self), message);
}

void gst_stt_sink_set_room_grace(GstSttSink* self, std::chrono::milliseconds grace) {
  GST_OBJECT_LOCK(self);
  self->priv->properties.session.room_grace = grace;
  GST_OBJECT_UNLOCK(self);
}

// ---- Properties ----

static GstStructure* gst_stt_sink_stats(GstSttSink* self) {
  const std::shared_ptr<stt::Session> session = gst_stt_sink_session(self);
  const stt::SessionStats stats = session ? session->stats() : stt::SessionStats{};
  GstStructure* structure = stt::to_structure(stats);
  GValue pads = G_VALUE_INIT;
  g_value_init(&pads, GST_TYPE_ARRAY);
  for (GstSttSinkPad* pad : pads_of(self)) {
    if (GstStructure* one = gst_stt_sink_pad_stats(pad)) {
      GValue value = G_VALUE_INIT;
      g_value_init(&value, GST_TYPE_STRUCTURE);
      g_value_take_boxed(&value, one);
      gst_value_array_append_and_take_value(&pads, &value);
    }
    gst_object_unref(pad);
  }
  gst_structure_take_value(structure, "pads", &pads);
  return structure;
}

static void gst_stt_sink_set_property(GObject* object, guint id, const GValue* value,
                                      GParamSpec* spec) {
  GstSttSink* self = GST_STT_SINK(object);
  GST_OBJECT_LOCK(self);
  const bool known = stt::set_property(self->priv->properties, id, value);
  GST_OBJECT_UNLOCK(self);
  if (!known) G_OBJECT_WARN_INVALID_PROPERTY_ID(object, id, spec);
}

static void gst_stt_sink_get_property(GObject* object, guint id, GValue* value, GParamSpec* spec) {
  GstSttSink* self = GST_STT_SINK(object);
  if (id == stt::PROP_STATS) return g_value_take_boxed(value, gst_stt_sink_stats(self));
  GST_OBJECT_LOCK(self);
  const bool known = stt::get_property(self->priv->properties, id, value);
  GST_OBJECT_UNLOCK(self);
  if (!known) G_OBJECT_WARN_INVALID_PROPERTY_ID(object, id, spec);
}

static void gst_stt_sink_finalize(GObject* object) {
  delete GST_STT_SINK(object)->priv;
  G_OBJECT_CLASS(gst_stt_sink_parent_class)->finalize(object);
}

static void gst_stt_sink_init(GstSttSink* self) {
  self->priv = new SttSinkPrivate(GST_ELEMENT(self));
  GST_OBJECT_FLAG_SET(self, GST_ELEMENT_FLAG_SINK | GST_ELEMENT_FLAG_SOURCE);
}

static void gst_stt_sink_class_init(GstSttSinkClass* klass) {
  GObjectClass* object_class = G_OBJECT_CLASS(klass);
  object_class->set_property = gst_stt_sink_set_property;
  object_class->get_property = gst_stt_sink_get_property;
  object_class->finalize = gst_stt_sink_finalize;
  stt::install_properties(object_class);
  /**
   * GstSttSink::transcript:
   * @transcript: the fields of the "transcript" message
   *
   * A result, on a thread of the engine: return soon, and do not change states from here.
   */
  signals[SIGNAL_TRANSCRIPT] =
      g_signal_new("transcript", GST_TYPE_STT_SINK, G_SIGNAL_RUN_LAST, 0, nullptr, nullptr, nullptr,
                   G_TYPE_NONE, 1, GST_TYPE_STRUCTURE | G_SIGNAL_TYPE_STATIC_SCOPE);

  GstElementClass* element_class = GST_ELEMENT_CLASS(klass);
  element_class->change_state = gst_stt_sink_change_state;
  element_class->send_event = gst_stt_sink_send_event;
  element_class->query = gst_stt_sink_query;
  element_class->request_new_pad = gst_stt_sink_request_new_pad;
  element_class->release_pad = gst_stt_sink_release_pad;
  gst_element_class_add_static_pad_template_with_gtype(element_class, &sink_template,
                                                       GST_TYPE_STT_SINK_PAD);
  gst_element_class_set_static_metadata(
      element_class, "Speech to text sink", "Sink/Audio",
      "Writes down who says what in one mix or many tracks, while it is said",
      "gst-plugins-egress");
  gst_type_mark_as_plugin_api(GST_TYPE_STT_SINK_PAD, GstPluginAPIFlags(0));
  gst_type_mark_as_plugin_api(stt::stdout_format_type(), GstPluginAPIFlags(0));
  room_audio_meta_register();
}
