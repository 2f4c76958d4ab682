// SPDX-License-Identifier: LGPL-2.1-or-later
#include "gstreconnectrelay.h"

#include <gst/audio/audio.h>

#include <cmath>
#include <memory>
#include <mutex>
#include <utility>

#include "streamtimes.h"

GST_DEBUG_CATEGORY_EXTERN(gst_reconnect_src_debug);
#define GST_CAT_DEFAULT gst_reconnect_src_debug

namespace {

struct RelayPrivate {
  reconnect::RelayOwner* owner = nullptr;

  std::mutex mutex;
  // mutex, which is never held while calling out:
  reconnect::StreamTimes times;
  reconnect::RelayStats stats;
  bool announced = false; /* stream-start, caps and segment are out */
  GstClockTime latency = 0;
  int64_t audio_end_ns = -1; /* of the last piece; -1 = none yet */
  int64_t paused_ns = -1;    /* running time at which the pipeline was paused; -1 = it is not */

  // The stream lock of the sink pad; between connections the owner's thread:
  GstSegment segment;
  GstAudioInfo info;
  GstCaps* caps = nullptr;     /* of the connection */
  GstCaps* caps_out = nullptr; /* downstream has them */
  int64_t next_stream_ns = 0;
};

}  // namespace

struct _GstReconnectRelay {
  GstElement parent;
  GstPad* sink;
  GstPad* src;
  RelayPrivate* priv;
};

G_DEFINE_TYPE(GstReconnectRelay, gst_reconnect_relay, GST_TYPE_ELEMENT)

namespace {

// Whatever a decoder makes is converted to this before it comes here: silence can be told in it.
constexpr const char* kCaps = "audio/x-raw,format=S16LE,layout=interleaved";
GstStaticPadTemplate sink_template =
    GST_STATIC_PAD_TEMPLATE("sink", GST_PAD_SINK, GST_PAD_ALWAYS, GST_STATIC_CAPS(kCaps));
GstStaticPadTemplate src_template =
    GST_STATIC_PAD_TEMPLATE("src", GST_PAD_SRC, GST_PAD_ALWAYS, GST_STATIC_CAPS(kCaps));

// In PAUSED it stands still, while the clock does not and the base time is not known yet.
bool running_time(GstReconnectRelay* self, int64_t* now_ns) {
  {
    const std::lock_guard lock(self->priv->mutex);
    *now_ns = self->priv->paused_ns;
    if (*now_ns >= 0) return true;
  }
  GstClock* clock = gst_element_get_clock(GST_ELEMENT(self));
  if (!clock) return false;
  const GstClockTime now = gst_clock_get_time(clock);
  const GstClockTime base_time = gst_element_get_base_time(GST_ELEMENT(self));
  gst_object_unref(clock);
  if (!GST_CLOCK_TIME_IS_VALID(now) || !GST_CLOCK_TIME_IS_VALID(base_time)) return false;
  *now_ns = now > base_time ? int64_t(now - base_time) : 0;
  return true;
}

double level_dbov(GstBuffer* buffer) {
  if (GST_BUFFER_FLAG_IS_SET(buffer, GST_BUFFER_FLAG_GAP)) return -127.0;
  GstMapInfo map;
  if (!gst_buffer_map(buffer, &map, GST_MAP_READ)) return 0.0;
  const auto* samples = reinterpret_cast<const int16_t*>(map.data);
  const size_t count = map.size / sizeof(int16_t);
  int64_t sum = 0;
  for (size_t i = 0; i < count; ++i) sum += int32_t(samples[i]) * int32_t(samples[i]);
  gst_buffer_unmap(buffer, &map);
  if (sum == 0) return -127.0;
  return 10.0 * std::log10(double(sum) / double(count) / (32768.0 * 32768.0));
}

// What opens the stream; new caps also in between.
void announce(GstReconnectRelay* self) {
  RelayPrivate* priv = self->priv;
  bool announced = false;
  {
    const std::lock_guard lock(priv->mutex);
    announced = std::exchange(priv->announced, true);
  }
  if (!announced) {
    gchar* id = gst_pad_create_stream_id(self->src, GST_ELEMENT(self), "audio");
    GstEvent* start = gst_event_new_stream_start(id);
    gst_event_set_group_id(start, gst_util_group_id_next());
    gst_pad_push_event(self->src, start);
    g_free(id);
  }
  if (priv->caps && (!priv->caps_out || !gst_caps_is_equal(priv->caps, priv->caps_out))) {
    gst_caps_replace(&priv->caps_out, priv->caps);
    gst_pad_push_event(self->src, gst_event_new_caps(priv->caps));
  }
  if (!announced) {
    GstSegment segment;
    gst_segment_init(&segment, GST_FORMAT_TIME);
    gst_pad_push_event(self->src, gst_event_new_segment(&segment));
  }
}

GstFlowReturn chain(GstPad* /*pad*/, GstObject* parent, GstBuffer* buffer) {
  GstReconnectRelay* self = GST_RECONNECT_RELAY(parent);
  RelayPrivate* priv = self->priv;
  if (!priv->info.finfo || priv->info.bpf == 0) {
    gst_buffer_unref(buffer);
    return GST_FLOW_NOT_NEGOTIATED;
  }
  const int64_t frames = int64_t(gst_buffer_get_size(buffer)) / priv->info.bpf;
  const int64_t duration_ns = frames * GST_SECOND / priv->info.rate;
  int64_t stream_ns = priv->next_stream_ns;
  if (GST_BUFFER_PTS_IS_VALID(buffer)) {
    const guint64 time =
        gst_segment_to_running_time(&priv->segment, GST_FORMAT_TIME, GST_BUFFER_PTS(buffer));
    if (GST_CLOCK_TIME_IS_VALID(time)) stream_ns = int64_t(time);
  }
  priv->next_stream_ns = stream_ns + duration_ns;
  int64_t now_ns = 0;
  if (frames == 0 || !running_time(self, &now_ns)) {
    gst_buffer_unref(buffer);
    return GST_FLOW_OK;
  }
  const double level = level_dbov(buffer);
  reconnect::StreamTimes::Placed placed;
  int64_t gap_ns = 0;
  {
    const std::lock_guard lock(priv->mutex);
    placed = priv->times.place(stream_ns, duration_ns, now_ns, level);
    ++priv->stats.buffers;
    if (!placed.drop) {
      if (placed.discont && priv->audio_end_ns >= 0) gap_ns = placed.time_ns - priv->audio_end_ns;
      priv->audio_end_ns = placed.time_ns + duration_ns;
      priv->stats.gaps += gap_ns > 0;
      priv->stats.gap_ns += gap_ns;
    }
  }
  priv->owner->data(gap_ns);
  if (placed.drop) {
    gst_buffer_unref(buffer);
    return GST_FLOW_OK;
  }
  announce(self);
  if (placed.gap_from_ns >= 0)
    gst_pad_push_event(self->src,
                       gst_event_new_gap(GstClockTime(placed.gap_from_ns),
                                         GstClockTime(placed.time_ns - placed.gap_from_ns)));
  buffer = gst_buffer_make_writable(buffer);
  GST_BUFFER_PTS(buffer) = GstClockTime(placed.time_ns);
  GST_BUFFER_DTS(buffer) = GST_CLOCK_TIME_NONE;
  GST_BUFFER_DURATION(buffer) = GstClockTime(duration_ns);
  GST_BUFFER_FLAG_UNSET(buffer, GST_BUFFER_FLAG_DISCONT);
  if (placed.discont) GST_BUFFER_FLAG_SET(buffer, GST_BUFFER_FLAG_DISCONT);
  const GstFlowReturn flow = gst_pad_push(self->src, buffer);
  // Whatever comes from below but a flush: another connection would get the same answer.
  if (flow < GST_FLOW_OK && flow != GST_FLOW_FLUSHING) priv->owner->refused(flow);
  return flow;
}

gboolean sink_event(GstPad* pad, GstObject* parent, GstEvent* event) {
  GstReconnectRelay* self = GST_RECONNECT_RELAY(parent);
  RelayPrivate* priv = self->priv;
  gboolean accepted = TRUE;
  switch (GST_EVENT_TYPE(event)) {
    case GST_EVENT_CAPS: {
      GstCaps* caps = nullptr;
      gst_event_parse_caps(event, &caps);
      accepted = gst_audio_info_from_caps(&priv->info, caps);
      if (accepted) gst_caps_replace(&priv->caps, caps);
      break;
    }
    case GST_EVENT_SEGMENT:
      gst_event_copy_segment(event, &priv->segment);
      break;
    case GST_EVENT_TAG: {
      bool announced = false;
      {
        const std::lock_guard lock(priv->mutex);
        announced = priv->announced;
      }
      if (announced) return gst_pad_push_event(self->src, event);
      break;
    }
    case GST_EVENT_EOS:
      priv->owner->stream_ended();
      break;
    default: /* of one connection only */
      break;
  }
  gst_event_unref(event);
  return accepted;
}

gboolean src_event(GstPad* /*pad*/, GstObject* /*parent*/, GstEvent* event) {
  // Live: there is nowhere to seek to. Nothing upstream could slow down.
  const bool taken = GST_EVENT_TYPE(event) != GST_EVENT_SEEK;
  gst_event_unref(event);
  return taken;
}

gboolean src_query(GstPad* pad, GstObject* parent, GstQuery* query) {
  GstReconnectRelay* self = GST_RECONNECT_RELAY(parent);
  switch (GST_QUERY_TYPE(query)) {
    case GST_QUERY_LATENCY: {
      const std::lock_guard lock(self->priv->mutex);
      gst_query_set_latency(query, TRUE, self->priv->latency, GST_CLOCK_TIME_NONE);
      return TRUE;
    }
    case GST_QUERY_POSITION: {
      GstFormat format;
      gst_query_parse_position(query, &format, nullptr);
      if (format != GST_FORMAT_TIME) return FALSE;
      const std::lock_guard lock(self->priv->mutex);
      gst_query_set_position(query, format, self->priv->times.end_ns());
      return TRUE;
    }
    case GST_QUERY_SEEKING: {
      GstFormat format;
      gst_query_parse_seeking(query, &format, nullptr, nullptr, nullptr);
      gst_query_set_seeking(query, format, FALSE, 0, -1);
      return TRUE;
    }
    case GST_QUERY_DURATION:
      return FALSE;
    default:
      return gst_pad_query_default(pad, parent, query);
  }
}

void set_paused_at(RelayPrivate* priv, int64_t paused_ns) {
  const std::lock_guard lock(priv->mutex);
  priv->paused_ns = paused_ns;
}

GstStateChangeReturn change_state(GstElement* element, GstStateChange transition) {
  RelayPrivate* priv = GST_RECONNECT_RELAY(element)->priv;
  int64_t now_ns = 0;
  if (transition == GST_STATE_CHANGE_PLAYING_TO_PAUSED &&
      running_time(GST_RECONNECT_RELAY(element), &now_ns))
    set_paused_at(priv, now_ns);
  // The base time has been moved by the length of the pause.
  if (transition == GST_STATE_CHANGE_PAUSED_TO_PLAYING) set_paused_at(priv, -1);
  const GstStateChangeReturn result =
      GST_ELEMENT_CLASS(gst_reconnect_relay_parent_class)->change_state(element, transition);
  if (result == GST_STATE_CHANGE_FAILURE) return result;
  if (transition == GST_STATE_CHANGE_PAUSED_TO_READY) {
    const std::lock_guard lock(priv->mutex);
    priv->times.reset();
    priv->announced = false;
    priv->paused_ns = -1;
    priv->audio_end_ns = -1;
    priv->stats = {};
    gst_clear_caps(&priv->caps_out);
  }
  if (transition == GST_STATE_CHANGE_READY_TO_PAUSED ||
      transition == GST_STATE_CHANGE_PLAYING_TO_PAUSED)
    return GST_STATE_CHANGE_NO_PREROLL;
  return result;
}

void finalize(GObject* object) {
  RelayPrivate* priv = GST_RECONNECT_RELAY(object)->priv;
  gst_clear_caps(&priv->caps);
  gst_clear_caps(&priv->caps_out);
  delete priv;
  G_OBJECT_CLASS(gst_reconnect_relay_parent_class)->finalize(object);
}

}  // namespace

static void gst_reconnect_relay_init(GstReconnectRelay* self) {
  self->priv = new RelayPrivate;
  gst_segment_init(&self->priv->segment, GST_FORMAT_TIME);
  gst_audio_info_init(&self->priv->info);
  self->sink = gst_pad_new_from_static_template(&sink_template, "sink");
  gst_pad_set_chain_function(self->sink, chain);
  gst_pad_set_event_function(self->sink, sink_event);
  GST_PAD_SET_PROXY_CAPS(self->sink);
  gst_element_add_pad(GST_ELEMENT(self), self->sink);
  self->src = gst_pad_new_from_static_template(&src_template, "src");
  gst_pad_set_event_function(self->src, src_event);
  gst_pad_set_query_function(self->src, src_query);
  gst_pad_use_fixed_caps(self->src);
  gst_element_add_pad(GST_ELEMENT(self), self->src);
}

static void gst_reconnect_relay_class_init(GstReconnectRelayClass* klass) {
  GstElementClass* element_class = GST_ELEMENT_CLASS(klass);
  G_OBJECT_CLASS(klass)->finalize = finalize;
  element_class->change_state = change_state;
  gst_element_class_add_static_pad_template(element_class, &sink_template);
  gst_element_class_add_static_pad_template(element_class, &src_template);
  gst_element_class_set_static_metadata(
      element_class, "Reconnect relay", "Generic/Audio",
      "One stream from many connections (private to reconnectsrc)", "gst-plugins-egress");
}

namespace reconnect {

GstReconnectRelay* relay_new(RelayOwner* owner) {
  auto* self =
      GST_RECONNECT_RELAY(g_object_new(GST_TYPE_RECONNECT_RELAY, "name", "relay", nullptr));
  self->priv->owner = owner;
  return self;
}

void relay_configure(GstReconnectRelay* self, GstClockTime latency, bool catch_up) {
  const std::lock_guard lock(self->priv->mutex);
  self->priv->latency = latency;
  self->priv->times = StreamTimes(catch_up);
}

void relay_begin_connection(GstReconnectRelay* self) {
  RelayPrivate* priv = self->priv;
  gst_segment_init(&priv->segment, GST_FORMAT_TIME);
  priv->next_stream_ns = 0;
  const std::lock_guard lock(priv->mutex);
  priv->times.begin_connection();
}

void relay_push_gap(GstReconnectRelay* self) {
  RelayPrivate* priv = self->priv;
  int64_t now_ns = 0;
  int64_t from_ns = 0;
  if (!running_time(self, &now_ns)) return;
  // A connection that is being made may bring its first piece just now.
  GST_PAD_STREAM_LOCK(self->sink);
  bool is_gap = false;
  {
    const std::lock_guard lock(priv->mutex);
    is_gap = priv->times.skip_to(now_ns, &from_ns);
  }
  if (is_gap)
    gst_pad_push_event(self->src,
                       gst_event_new_gap(GstClockTime(from_ns), GstClockTime(now_ns - from_ns)));
  GST_PAD_STREAM_UNLOCK(self->sink);
}

void relay_push_eos(GstReconnectRelay* self) {
  announce(self);
  gst_pad_push_event(self->src, gst_event_new_eos());
}

GstClockTime relay_running_time(GstReconnectRelay* self) {
  int64_t now_ns = 0;
  return running_time(self, &now_ns) ? GstClockTime(now_ns) : 0;
}

RelayStats relay_stats(GstReconnectRelay* self) {
  const std::lock_guard lock(self->priv->mutex);
  RelayStats stats = self->priv->stats;
  stats.cut_ns = self->priv->times.cut_ns();
  stats.lateness_ns = self->priv->times.lateness_ns();
  stats.resyncs = self->priv->times.resyncs();
  return stats;
}

}  // namespace reconnect
