// SPDX-License-Identifier: LGPL-2.1-or-later
/**
 * SECTION:element-reconnectsrc
 *
 * Keeps listening to a stream whose server, publisher or network comes and goes, and makes one live
 * stream of raw audio of it: LiveKit's Room Composite by RTMP, above all. A server that is not
 * there yet, or gone, or restarted, is waited for with a back-off; nothing ends and nothing has to
 * be restarted downstream.
 *
 * Inside are stock elements, made anew for each connection: `rtmp2src ! flvdemux ! decodebin` for
 * rtmp:// and rtmps:// (#GstReconnectSrc:rtmp-element chooses rtmpsrc), `uridecodebin` for other
 * addresses, or what #GstReconnectSrc:source says.
 *
 * Each connection's time begins when its first piece arrives; from then on it keeps its own, so
 * that a mix that stops, runs late and comes back in a burst (a muted participant) keeps its times.
 * The time without a connection is a GAP event, and the first buffer after it has the flag DISCONT.
 *
 * ## Messages
 * `reconnect` (element message):
 * * `event` (string): connecting, connected (audio has come), quiet (connected for 5 s without
 * any), failed (an attempt), lost (a stream that had come)
 * * `location` (string, without key and password), `reason` (string)
 * * `failures` (uint, in a row), `wait` (uint64, ns until the next attempt)
 * * `gap` (uint64, ns without audio; with connected), `running-time` (uint64, ns), `utc` (string)
 *
 * The first failure of an outage is a warning as well.
 *
 * ## Example
 * |[
 * gst-launch-1.0 -e reconnectsrc location=rtmp://127.0.0.1/live/standup ! speakerdetect ! sttsink
 * location=standup.vtt
 * ]| Transcribes a room composite, whenever it is published.
 *
 * Since: 0.2
 */
#include "gstreconnectsrc.h"

#include <algorithm>
#include <atomic>
#include <memory>
#include <mutex>

#include "connector.h"

GST_DEBUG_CATEGORY(gst_reconnect_src_debug);
#define GST_CAT_DEFAULT gst_reconnect_src_debug

namespace {

using reconnect::Connector;

constexpr const gchar* DEFAULT_RTMP_ELEMENT = "rtmp2src";
constexpr guint DEFAULT_RETRY_MIN_MS = 250;
constexpr guint DEFAULT_RETRY_MAX_MS = 1500;
constexpr gdouble DEFAULT_RETRY_JITTER = 0.2;
constexpr guint DEFAULT_RETRY_LIMIT = 0;
constexpr guint DEFAULT_STALL_TIMEOUT_MS = 30000;
constexpr guint DEFAULT_LATENCY_MS = 200;
constexpr gboolean DEFAULT_CATCH_UP = TRUE;

enum AtEndChoice { kAtEndAuto, kAtEndReconnect, kAtEndEnd };
constexpr AtEndChoice DEFAULT_AT_END = kAtEndAuto;

enum {
  PROP_0,
  PROP_LOCATION,
  PROP_SOURCE,
  PROP_RTMP_ELEMENT,
  PROP_RETRY_MIN,
  PROP_RETRY_MAX,
  PROP_RETRY_JITTER,
  PROP_RETRY_LIMIT,
  PROP_STALL_TIMEOUT,
  PROP_AT_END,
  PROP_LATENCY,
  PROP_CATCH_UP,
  PROP_STATS,
};

struct ReconnectSrcPrivate {
  std::mutex mutex;
  reconnect::ConnectorSettings settings;  // mutex
  AtEndChoice at_end = DEFAULT_AT_END;    // mutex
  std::unique_ptr<Connector> connector;   // never changes
};

GstStaticPadTemplate src_template =
    GST_STATIC_PAD_TEMPLATE("src", GST_PAD_SRC, GST_PAD_ALWAYS,
                            GST_STATIC_CAPS("audio/x-raw,format=S16LE,layout=interleaved"));

GType at_end_type() {
  static const GEnumValue values[] = {
      {kAtEndAuto, "RTMP: connect again; other addresses: end", "auto"},
      {kAtEndReconnect, "Connect again: the publisher will be back", "reconnect"},
      {kAtEndEnd, "End", "end"},
      {0, nullptr, nullptr}};
  static const GType type = g_enum_register_static("GstReconnectSrcAtEnd", values);
  return type;
}

}  // namespace

struct _GstReconnectSrc {
  GstBin parent;
  // Read by whatever thread posts a message; set when it is whole.
  std::atomic<ReconnectSrcPrivate*> priv;
};

G_DEFINE_TYPE(GstReconnectSrc, gst_reconnect_src, GST_TYPE_BIN)

GST_ELEMENT_REGISTER_DEFINE(reconnectsrc, "reconnectsrc", GST_RANK_NONE, GST_TYPE_RECONNECT_SRC)

namespace {

ReconnectSrcPrivate& priv_of(gpointer element) {
  return *GST_RECONNECT_SRC(element)->priv;
}

void set_property(GObject* object, guint id, const GValue* value, GParamSpec* spec) {
  ReconnectSrcPrivate& priv = priv_of(object);
  const std::lock_guard lock(priv.mutex);
  reconnect::ConnectorSettings& settings = priv.settings;
  const auto text = [value] {
    const gchar* given = g_value_get_string(value);
    return std::string(given ? given : "");
  };
  const auto ms_to_ns = [value] { return int64_t(g_value_get_uint(value)) * 1'000'000; };
  switch (id) {
    case PROP_LOCATION:
      settings.source.location = text();
      break;
    case PROP_SOURCE:
      settings.source.source = text();
      break;
    case PROP_RTMP_ELEMENT:
      settings.source.rtmp_element = text();
      break;
    case PROP_RETRY_MIN:
      settings.watch.retry_min_ns = ms_to_ns();
      break;
    case PROP_RETRY_MAX:
      settings.watch.retry_max_ns = ms_to_ns();
      break;
    case PROP_RETRY_JITTER:
      settings.watch.retry_jitter = g_value_get_double(value);
      break;
    case PROP_RETRY_LIMIT:
      settings.watch.retry_limit = g_value_get_uint(value);
      break;
    case PROP_STALL_TIMEOUT:
      settings.watch.stall_timeout_ns = ms_to_ns();
      break;
    case PROP_AT_END:
      priv.at_end = AtEndChoice(g_value_get_enum(value));
      break;
    case PROP_LATENCY:
      settings.latency = GstClockTime(ms_to_ns());
      break;
    case PROP_CATCH_UP:
      settings.catch_up = g_value_get_boolean(value);
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID(object, id, spec);
  }
}

void get_property(GObject* object, guint id, GValue* value, GParamSpec* spec) {
  ReconnectSrcPrivate& priv = priv_of(object);
  if (id == PROP_STATS) {
    g_value_take_boxed(value, priv.connector->make_stats());
    return;
  }
  const std::lock_guard lock(priv.mutex);
  const reconnect::ConnectorSettings& settings = priv.settings;
  const auto ns_to_ms = [](int64_t ns) { return guint(ns / 1'000'000); };
  switch (id) {
    case PROP_LOCATION:
      g_value_set_string(value, settings.source.location.c_str());
      break;
    case PROP_SOURCE:
      g_value_set_string(value, settings.source.source.c_str());
      break;
    case PROP_RTMP_ELEMENT:
      g_value_set_string(value, settings.source.rtmp_element.c_str());
      break;
    case PROP_RETRY_MIN:
      g_value_set_uint(value, ns_to_ms(settings.watch.retry_min_ns));
      break;
    case PROP_RETRY_MAX:
      g_value_set_uint(value, ns_to_ms(settings.watch.retry_max_ns));
      break;
    case PROP_RETRY_JITTER:
      g_value_set_double(value, settings.watch.retry_jitter);
      break;
    case PROP_RETRY_LIMIT:
      g_value_set_uint(value, settings.watch.retry_limit);
      break;
    case PROP_STALL_TIMEOUT:
      g_value_set_uint(value, ns_to_ms(settings.watch.stall_timeout_ns));
      break;
    case PROP_AT_END:
      g_value_set_enum(value, priv.at_end);
      break;
    case PROP_LATENCY:
      g_value_set_uint(value, ns_to_ms(int64_t(settings.latency)));
      break;
    case PROP_CATCH_UP:
      g_value_set_boolean(value, settings.catch_up);
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID(object, id, spec);
  }
}

reconnect::ConnectorSettings settings_of(GstElement* element) {
  ReconnectSrcPrivate& priv = priv_of(element);
  const std::lock_guard lock(priv.mutex);
  reconnect::ConnectorSettings settings = priv.settings;
  settings.watch.retry_max_ns = std::max(settings.watch.retry_max_ns, settings.watch.retry_min_ns);
  settings.at_end = priv.at_end == kAtEndAuto        ? reconnect::default_at_end(settings.source)
                    : priv.at_end == kAtEndReconnect ? reconnect::AtEnd::kReconnect
                                                     : reconnect::AtEnd::kEnd;
  // What is read faster than it is said is always ahead of its time.
  settings.catch_up = settings.catch_up && (reconnect::is_rtmp(settings.source.location) ||
                                            !settings.source.source.empty());
  return settings;
}

// What is wrong with the settings shows before the pipeline plays, not after.
bool check_settings(GstElement* element) {
  const reconnect::ConnectorSettings settings = settings_of(element);
  const std::string line = reconnect::connection_line(settings.source);
  if (line.empty()) {
    GST_ELEMENT_ERROR(element, RESOURCE, NOT_FOUND,
                      ("No address is given; set location, for example to "
                       "rtmp://127.0.0.1/live/standup."),
                      ("neither location nor source is set"));
    return false;
  }
  GError* error = nullptr;
  GstElement* trial = gst_parse_bin_from_description_full(line.c_str(), FALSE, nullptr,
                                                          GST_PARSE_FLAG_FATAL_ERRORS, &error);
  if (trial) {
    gst_object_ref_sink(trial);
    gst_object_unref(trial);
    g_clear_error(&error);
    return true;
  }
  GST_ELEMENT_ERROR(
      element, CORE, MISSING_PLUGIN,
      ("What reads %s cannot be made: %s (for RTMP install gstreamer1.0-plugins-bad)",
       reconnect::masked(settings.source).c_str(), error ? error->message : "no reason given"),
      ("%s", line.c_str()));
  g_clear_error(&error);
  return false;
}

GstStateChangeReturn change_state(GstElement* element, GstStateChange transition) {
  Connector& connector = *priv_of(element).connector;
  if (transition == GST_STATE_CHANGE_READY_TO_PAUSED && !check_settings(element))
    return GST_STATE_CHANGE_FAILURE;
  if (transition == GST_STATE_CHANGE_READY_TO_PAUSED) connector.forget_end();
  const GstStateChangeReturn result =
      GST_ELEMENT_CLASS(gst_reconnect_src_parent_class)->change_state(element, transition);
  if (transition == GST_STATE_CHANGE_PAUSED_TO_PLAYING && result != GST_STATE_CHANGE_FAILURE)
    connector.start(settings_of(element));
  // The relay's pads are inactive now: nobody is stuck in a push.
  if (transition == GST_STATE_CHANGE_PAUSED_TO_READY) connector.stop();
  return result;
}

gboolean send_event(GstElement* element, GstEvent* event) {
  if (GST_EVENT_TYPE(event) != GST_EVENT_EOS)
    return GST_ELEMENT_CLASS(gst_reconnect_src_parent_class)->send_event(element, event);
  gst_event_unref(event);
  priv_of(element).connector->request_eos();
  return TRUE;
}

void handle_message(GstBin* bin, GstMessage* message) {
  ReconnectSrcPrivate* priv = GST_RECONNECT_SRC(bin)->priv;
  if (priv && priv->connector->take_message(message)) {
    gst_message_unref(message);
    return;
  }
  GST_BIN_CLASS(gst_reconnect_src_parent_class)->handle_message(bin, message);
}

void finalize(GObject* object) {
  // The bin's own children go after this.
  delete GST_RECONNECT_SRC(object)->priv.exchange(nullptr);
  G_OBJECT_CLASS(gst_reconnect_src_parent_class)->finalize(object);
}

void install_properties(GObjectClass* object_class) {
  constexpr auto kFlags =
      GParamFlags(G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | GST_PARAM_MUTABLE_READY);
  const auto install = [object_class](guint id, GParamSpec* spec) {
    g_object_class_install_property(object_class, id, spec);
  };
  install(PROP_LOCATION,
          g_param_spec_string("location", "Location",
                              "Address of the stream: rtmp://, rtmps://, or anything uridecodebin "
                              "reads",
                              "", kFlags));
  install(PROP_SOURCE,
          g_param_spec_string("source", "Source",
                              "Launch line to use instead of the location; what comes out of its "
                              "last element is decoded (empty = by location)",
                              "", kFlags));
  install(PROP_RTMP_ELEMENT, g_param_spec_string("rtmp-element", "RTMP element",
                                                 "Element that reads RTMP: rtmp2src, or rtmpsrc",
                                                 DEFAULT_RTMP_ELEMENT, kFlags));
  install(PROP_RETRY_MIN, g_param_spec_uint("retry-min", "Shortest wait",
                                            "Wait before the first new attempt, doubled with each "
                                            "failure, in milliseconds",
                                            1, 3600000, DEFAULT_RETRY_MIN_MS, kFlags));
  install(PROP_RETRY_MAX, g_param_spec_uint("retry-max", "Longest wait",
                                            "Longest wait between two attempts, in milliseconds", 1,
                                            3600000, DEFAULT_RETRY_MAX_MS, kFlags));
  install(PROP_RETRY_JITTER,
          g_param_spec_double("retry-jitter", "Jitter of waits",
                              "Part of each wait that is taken off by chance, so that many do not "
                              "come back at once (0 = none)",
                              0.0, 1.0, DEFAULT_RETRY_JITTER, kFlags));
  install(PROP_RETRY_LIMIT,
          g_param_spec_uint("retry-limit", "Limit of attempts",
                            "Failures in a row after which it is an error (0 = never)", 0,
                            G_MAXUINT, DEFAULT_RETRY_LIMIT, kFlags));
  install(PROP_STALL_TIMEOUT,
          g_param_spec_uint("stall-timeout", "Stall time-out",
                            "A connection on which no audio comes for so long is made anew, in "
                            "milliseconds (0 = never)",
                            0, 86400000, DEFAULT_STALL_TIMEOUT_MS, kFlags));
  install(PROP_AT_END, g_param_spec_enum("at-end", "At the end",
                                         "What to do when the stream ends without an error",
                                         at_end_type(), DEFAULT_AT_END, kFlags));
  install(PROP_LATENCY,
          g_param_spec_uint("latency", "Latency",
                            "Latency reported to live mixers and sinks: how much later than its "
                            "fastest pieces audio may come, in milliseconds",
                            0, 60000, DEFAULT_LATENCY_MS, kFlags));
  install(PROP_CATCH_UP,
          g_param_spec_boolean("catch-up", "Catch up",
                               "Leave out pieces of pauses when a connection began late and then "
                               "runs ahead of its time (RTMP and source only)",
                               DEFAULT_CATCH_UP, kFlags));
  install(PROP_STATS, g_param_spec_boxed("stats", "Statistics",
                                         "State, counters, and the last reason", GST_TYPE_STRUCTURE,
                                         GParamFlags(G_PARAM_READABLE | G_PARAM_STATIC_STRINGS)));
}

}  // namespace

static void gst_reconnect_src_class_init(GstReconnectSrcClass* klass) {
  GObjectClass* object_class = G_OBJECT_CLASS(klass);
  GstElementClass* element_class = GST_ELEMENT_CLASS(klass);
  GST_DEBUG_CATEGORY_INIT(gst_reconnect_src_debug, "reconnectsrc", 0, "stream that reconnects");
  object_class->set_property = set_property;
  object_class->get_property = get_property;
  object_class->finalize = finalize;
  install_properties(object_class);
  gst_type_mark_as_plugin_api(at_end_type(), GstPluginAPIFlags(0));
  element_class->change_state = GST_DEBUG_FUNCPTR(change_state);
  element_class->send_event = GST_DEBUG_FUNCPTR(send_event);
  GST_BIN_CLASS(klass)->handle_message = GST_DEBUG_FUNCPTR(handle_message);
  gst_element_class_add_static_pad_template(element_class, &src_template);
  gst_element_class_set_static_metadata(
      element_class, "Reconnecting source", "Source/Network/Audio",
      "Keeps listening to a stream whose server comes and goes", "gst-plugins-egress");
}

static void gst_reconnect_src_init(GstReconnectSrc* self) {
  auto* priv = new ReconnectSrcPrivate;
  priv->settings.latency = DEFAULT_LATENCY_MS * GST_MSECOND;
  priv->connector = std::make_unique<Connector>(GST_BIN(self));
  self->priv = priv;
  GstPad* target = gst_element_get_static_pad(GST_ELEMENT(priv->connector->relay()), "src");
  GstPadTemplate* pad_template = gst_static_pad_template_get(&src_template);
  gst_element_add_pad(GST_ELEMENT(self),
                      gst_ghost_pad_new_from_template("src", target, pad_template));
  gst_object_unref(pad_template);
  gst_object_unref(target);
  // EOS sent to a pipeline reaches its sources, whether connected or not.
  gst_bin_set_suppressed_flags(GST_BIN(self),
                               GstElementFlags(GST_ELEMENT_FLAG_SOURCE | GST_ELEMENT_FLAG_SINK));
  GST_OBJECT_FLAG_SET(self, GST_ELEMENT_FLAG_SOURCE);
}
