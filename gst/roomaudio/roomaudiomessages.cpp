// SPDX-License-Identifier: LGPL-2.1-or-later
// Bus messages with the fields that docs/messages.md lists.
#include "roomaudio.h"

namespace {

void put_track(GstStructure* structure, const RoomAudioTrack* track) {
  auto or_empty = [](const gchar* text) { return text ? text : ""; };
  gst_structure_set(structure, "track", G_TYPE_STRING, or_empty(track->track), "identity",
                    G_TYPE_STRING, or_empty(track->identity), "name", G_TYPE_STRING,
                    or_empty(track->name), nullptr);
}

void put_times(GstStructure* structure, GstElement* source, GstClockTime running_time) {
  gchar* utc = room_audio_utc_at_running_time(source, running_time);
  gst_structure_set(structure, "running-time", G_TYPE_UINT64, guint64(running_time), "utc",
                    G_TYPE_STRING, utc, nullptr);
  g_free(utc);
}

}  // namespace

GstMessage* room_audio_message_new_track(GstElement* source, const gchar* event, const gchar* room,
                                         const gchar* pad_name, const RoomAudioTrack* track,
                                         GstClockTime running_time) {
  GstStructure* structure =
      gst_structure_new("livekit-track", "event", G_TYPE_STRING, event, "room", G_TYPE_STRING,
                        room ? room : "", "pad", G_TYPE_STRING, pad_name ? pad_name : "", "muted",
                        G_TYPE_BOOLEAN, track->muted, nullptr);
  put_track(structure, track);
  put_times(structure, source, running_time);
  return gst_message_new_element(GST_OBJECT(source), structure);
}

GstMessage* room_audio_message_new_active_speaker(GstElement* source, const RoomAudioTrack* active,
                                                  const RoomAudioTrack* speakers, guint n_speakers,
                                                  GstClockTime running_time) {
  static const RoomAudioTrack nobody = {"", "", "", ROOM_AUDIO_SILENCE_DBOV, FALSE};
  GstStructure* structure =
      gst_structure_new("active-speaker", "active", G_TYPE_BOOLEAN, active != nullptr, "level",
                        G_TYPE_DOUBLE, (active ? active : &nobody)->level_dbov, nullptr);
  put_track(structure, active ? active : &nobody);
  put_times(structure, source, running_time);
  GValue list = G_VALUE_INIT;
  gst_value_array_init(&list, n_speakers);
  for (guint i = 0; i < n_speakers; ++i) {
    GstStructure* entry =
        gst_structure_new("speaker", "level", G_TYPE_DOUBLE, speakers[i].level_dbov, nullptr);
    put_track(entry, &speakers[i]);
    GValue value = G_VALUE_INIT;
    g_value_init(&value, GST_TYPE_STRUCTURE);
    g_value_take_boxed(&value, entry);
    gst_value_array_append_and_take_value(&list, &value);
  }
  gst_structure_take_value(structure, "speakers", &list);
  return gst_message_new_element(GST_OBJECT(source), structure);
}
