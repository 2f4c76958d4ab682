// SPDX-License-Identifier: LGPL-2.1-or-later
#include "gstroomsum.h"

#include "roomsum.h"

GST_DEBUG_CATEGORY_EXTERN(gst_egress_mux_debug);
#define GST_CAT_DEFAULT gst_egress_mux_debug

struct _GstRoomSum {
  GstElement parent;
  GstPad* source_pad;
  GstPad* mixer_pad;
  GstSegment mixer_segment; /* the mixer pad's stream lock */
  egressmux::RoomSum* sum;
  egressmux::RoomSumOwner* owner;
};

G_DEFINE_TYPE(GstRoomSum, gst_room_sum, GST_TYPE_ELEMENT)

namespace {

using egressmux::RoomSum;

constexpr const char* kMixerCaps =
    "audio/x-raw,format=F32LE,rate=48000,channels=2,layout=interleaved,channel-mask=(bitmask)0x3";

GstStaticPadTemplate source_template = GST_STATIC_PAD_TEMPLATE(
    "src", GST_PAD_SRC, GST_PAD_ALWAYS,
    GST_STATIC_CAPS("audio/x-raw,format={S16LE,F32LE},rate=48000,channels=2,layout=interleaved,"
                    "channel-mask=(bitmask)0x3;"
                    "audio/x-raw,format={S16LE,F32LE},rate=48000,channels=1,layout=interleaved"));
GstStaticPadTemplate mixer_template = GST_STATIC_PAD_TEMPLATE(
    "mixer", GST_PAD_SINK, GST_PAD_ALWAYS,
    GST_STATIC_CAPS("audio/x-raw,format=F32LE,rate=48000,channels=2,layout=interleaved,"
                    "channel-mask=(bitmask)0x3"));

GstFlowReturn mixer_chain(GstPad* /*pad*/, GstObject* parent, GstBuffer* buffer) {
  GstRoomSum* self = GST_ROOM_SUM(parent);
  const GstClockTime running_time =
      gst_segment_to_running_time(&self->mixer_segment, GST_FORMAT_TIME, GST_BUFFER_PTS(buffer));
  const GstFlowReturn flow = GST_CLOCK_TIME_IS_VALID(running_time)
                                 ? self->sum->push_mixer(running_time, buffer)
                                 : GST_FLOW_OK;
  gst_buffer_unref(buffer);
  return flow;
}

// The mixer's stream ends here; the mix is a stream of its own.
gboolean mixer_event(GstPad* /*pad*/, GstObject* parent, GstEvent* event) {
  GstRoomSum* self = GST_ROOM_SUM(parent);
  if (GST_EVENT_TYPE(event) == GST_EVENT_SEGMENT)
    gst_event_copy_segment(event, &self->mixer_segment);
  gst_event_unref(event);
  return TRUE;
}

gboolean source_event(GstPad* /*pad*/, GstObject* parent, GstEvent* event) {
  GstRoomSum* self = GST_ROOM_SUM(parent);
  switch (GST_EVENT_TYPE(event)) {
    case GST_EVENT_SEEK: /* live: there is nowhere to go */
      gst_event_unref(event);
      return FALSE;
    case GST_EVENT_QOS:
    case GST_EVENT_RECONFIGURE: /* the pad's flag says it; the inputs keep their formats */
      gst_event_unref(event);
      return TRUE;
    default:
      return self->owner->send_upstream(event);
  }
}

gboolean source_query(GstPad* pad, GstObject* parent, GstQuery* query) {
  GstRoomSum* self = GST_ROOM_SUM(parent);
  switch (GST_QUERY_TYPE(query)) {
    case GST_QUERY_LATENCY: {
      GstClockTime min = 0;
      GstClockTime max = GST_CLOCK_TIME_NONE;
      self->owner->find_latency(&min, &max);
      gst_query_set_latency(query, TRUE, min, max);
      return TRUE;
    }
    case GST_QUERY_POSITION: {
      GstFormat format;
      gst_query_parse_position(query, &format, nullptr);
      if (format != GST_FORMAT_TIME) return FALSE;
      gst_query_set_position(query, format, gint64(self->sum->position()));
      return TRUE;
    }
    case GST_QUERY_DURATION:
    case GST_QUERY_SEEKING:
      return FALSE;
    default:
      return gst_pad_query_default(pad, parent, query);
  }
}

GstIterator* no_internal_links(GstPad* /*pad*/, GstObject* /*parent*/) {
  return nullptr;
}

void source_task(gpointer user_data) {
  static_cast<RoomSum*>(user_data)->run_clock();
}

gboolean source_activate_mode(GstPad* pad, GstObject* parent, GstPadMode mode, gboolean active) {
  GstRoomSum* self = GST_ROOM_SUM(parent);
  if (mode != GST_PAD_MODE_PUSH) return FALSE;
  if (active) {
    self->sum->start();
    return gst_pad_start_task(pad, source_task, self->sum, nullptr);
  }
  self->sum->stop();
  return gst_pad_stop_task(pad);
}

gboolean mixer_activate_mode(GstPad* /*pad*/, GstObject* parent, GstPadMode mode,
                             gboolean /*active*/) {
  gst_segment_init(&GST_ROOM_SUM(parent)->mixer_segment, GST_FORMAT_TIME);
  return mode == GST_PAD_MODE_PUSH;
}

GstStateChangeReturn change_state(GstElement* element, GstStateChange transition) {
  GstRoomSum* self = GST_ROOM_SUM(element);
  if (transition == GST_STATE_CHANGE_PLAYING_TO_PAUSED) self->sum->set_playing(false);
  const GstStateChangeReturn result =
      GST_ELEMENT_CLASS(gst_room_sum_parent_class)->change_state(element, transition);
  if (result == GST_STATE_CHANGE_FAILURE) return result;
  if (transition == GST_STATE_CHANGE_PAUSED_TO_PLAYING) self->sum->set_playing(true);
  // Live: nothing comes out in PAUSED, and sinks must not wait for it.
  if (transition == GST_STATE_CHANGE_READY_TO_PAUSED ||
      transition == GST_STATE_CHANGE_PLAYING_TO_PAUSED)
    return GST_STATE_CHANGE_NO_PREROLL;
  return result;
}

gboolean set_clock(GstElement* element, GstClock* clock) {
  const gboolean done = GST_ELEMENT_CLASS(gst_room_sum_parent_class)->set_clock(element, clock);
  GST_ROOM_SUM(element)->sum->kick();
  return done;
}

}  // namespace

static void gst_room_sum_init(GstRoomSum* self) {
  self->source_pad = gst_pad_new_from_static_template(&source_template, "src");
  gst_pad_set_event_function(self->source_pad, source_event);
  gst_pad_set_query_function(self->source_pad, source_query);
  gst_pad_set_activatemode_function(self->source_pad, source_activate_mode);
  gst_pad_set_iterate_internal_links_function(self->source_pad, no_internal_links);
  gst_pad_use_fixed_caps(self->source_pad);

  gst_segment_init(&self->mixer_segment, GST_FORMAT_TIME);
  self->mixer_pad = gst_pad_new_from_static_template(&mixer_template, "mixer");
  gst_pad_set_chain_function(self->mixer_pad, mixer_chain);
  gst_pad_set_event_function(self->mixer_pad, mixer_event);
  gst_pad_set_activatemode_function(self->mixer_pad, mixer_activate_mode);
  gst_pad_set_iterate_internal_links_function(self->mixer_pad, no_internal_links);

  gst_element_add_pad(GST_ELEMENT(self), self->source_pad);
  gst_element_add_pad(GST_ELEMENT(self), self->mixer_pad);
}

static void gst_room_sum_finalize(GObject* object) {
  delete GST_ROOM_SUM(object)->sum;
  G_OBJECT_CLASS(gst_room_sum_parent_class)->finalize(object);
}

static void gst_room_sum_class_init(GstRoomSumClass* klass) {
  GstElementClass* element_class = GST_ELEMENT_CLASS(klass);
  G_OBJECT_CLASS(klass)->finalize = gst_room_sum_finalize;
  element_class->change_state = change_state;
  element_class->set_clock = set_clock;
  gst_element_class_add_static_pad_template(element_class, &source_template);
  gst_element_class_add_static_pad_template(element_class, &mixer_template);
  gst_element_class_set_static_metadata(element_class, "Room sum", "Generic/Audio",
                                        "Sums the slices of a room (private to egressmux)",
                                        "gst-plugins-egress");
}

namespace egressmux {

GstRoomSum* room_sum_new(RoomSumOwner* owner) {
  auto* self = GST_ROOM_SUM(g_object_new(GST_TYPE_ROOM_SUM, "name", "roomsum", nullptr));
  self->owner = owner;
  self->sum = new RoomSum(GST_ELEMENT(self), self->source_pad, owner);
  return self;
}

RoomSum& room_sum_of(GstRoomSum* element) {
  return *element->sum;
}

GstCaps* room_sum_mixer_caps() {
  return gst_caps_from_string(kMixerCaps);
}

}  // namespace egressmux
