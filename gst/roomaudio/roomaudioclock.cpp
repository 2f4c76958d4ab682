// SPDX-License-Identifier: LGPL-2.1-or-later
// The mark by which a mixer knows pads that one room clock feeds, and wall-clock times.
#include "roomaudio.h"

namespace {
constexpr const gchar* kClockField = "room-clock";
constexpr const gchar* kSliceField = "room-slice-duration";

GQuark room_clocked_quark() {
  static const GQuark quark = g_quark_from_static_string("room-audio-clocked-pad");
  return quark;
}
}  // namespace

void room_audio_event_set_room_clock(GstEvent* stream_start, const gchar* clock_id,
                                     GstClockTime slice_duration) {
  g_return_if_fail(GST_EVENT_TYPE(stream_start) == GST_EVENT_STREAM_START);
  gst_structure_set(gst_event_writable_structure(stream_start), kClockField, G_TYPE_STRING,
                    clock_id, kSliceField, G_TYPE_UINT64, guint64(slice_duration), nullptr);
}

gboolean room_audio_event_get_room_clock(GstEvent* stream_start, const gchar** clock_id,
                                         GstClockTime* slice_duration) {
  const GstStructure* structure = gst_event_get_structure(stream_start);
  guint64 slice = 0;
  const gchar* id = structure ? gst_structure_get_string(structure, kClockField) : nullptr;
  if (!id || !gst_structure_get_uint64(structure, kSliceField, &slice) || slice == 0) return FALSE;
  *clock_id = id;
  *slice_duration = slice;
  return TRUE;
}

void room_audio_pad_set_room_clocked(GstPad* src_pad) {
  g_object_set_qdata(G_OBJECT(src_pad), room_clocked_quark(), GINT_TO_POINTER(1));
}

gboolean room_audio_pad_is_fed_by_room_clock(GstPad* sink_pad) {
  GstPad* pad = gst_pad_get_peer(sink_pad);
  // A ghost pad stands for its target; a proxy pad (the inner half of a ghost sink pad) hands on
  // what its ghost's peer sends.
  while (pad && !g_object_get_qdata(G_OBJECT(pad), room_clocked_quark())) {
    GstPad* next = nullptr;
    if (GST_IS_GHOST_PAD(pad)) {
      next = gst_ghost_pad_get_target(GST_GHOST_PAD(pad));
    } else if (GST_IS_PROXY_PAD(pad)) {
      if (GstProxyPad* outer = gst_proxy_pad_get_internal(GST_PROXY_PAD(pad))) {
        next = gst_pad_get_peer(GST_PAD(outer));
        gst_object_unref(outer);
      }
    }
    gst_object_unref(pad);
    pad = next;
  }
  if (!pad) return FALSE;
  gst_object_unref(pad);
  return TRUE;
}

gchar* room_audio_utc_at_running_time(GstElement* element, GstClockTime running_time) {
  GstClock* clock = gst_element_get_clock(element);
  const GstClockTime base_time = gst_element_get_base_time(element);
  if (!clock || !GST_CLOCK_TIME_IS_VALID(base_time) || !GST_CLOCK_TIME_IS_VALID(running_time)) {
    g_clear_pointer(&clock, gst_object_unref);
    return g_strdup("");
  }
  const gint64 age_us =
      gint64(GST_CLOCK_DIFF(base_time + running_time, gst_clock_get_time(clock)) / GST_USECOND);
  gst_object_unref(clock);
  const gint64 utc_us = g_get_real_time() - age_us;
  GDateTime* seconds = g_date_time_new_from_unix_utc(utc_us / G_USEC_PER_SEC);
  gchar* date = g_date_time_format(seconds, "%Y-%m-%dT%H:%M:%S");
  gchar* text = g_strdup_printf("%s.%03dZ", date, int(utc_us % G_USEC_PER_SEC / 1000));
  g_free(date);
  g_date_time_unref(seconds);
  return text;
}
