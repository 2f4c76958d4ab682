// SPDX-License-Identifier: LGPL-2.1-or-later
// RoomAudioMeta: whose audio a buffer holds.
#include "roomaudio.h"

namespace {

// Field names are looked up on every buffer: interned once.
struct Fields {
  GQuark track = g_quark_from_static_string("track");
  GQuark identity = g_quark_from_static_string("identity");
  GQuark name = g_quark_from_static_string("name");
  GQuark level = g_quark_from_static_string("level");
  GQuark muted = g_quark_from_static_string("muted");
  GQuark metadata = g_quark_from_static_string("metadata");
  GQuark attributes = g_quark_from_static_string("attributes");
  GQuark tracks = g_quark_from_static_string("tracks");
  GQuark active_track = g_quark_from_static_string("active-track");
  GQuark active_identity = g_quark_from_static_string("active-identity");
  GQuark active_name = g_quark_from_static_string("active-name");
  GQuark active_level = g_quark_from_static_string("active-level");
  GQuark active_since = g_quark_from_static_string("active-since");
};

const Fields& fields() {
  static const Fields instance;
  return instance;
}

const gchar* or_empty(const gchar* text) {
  return text ? text : "";
}

const gchar* string_field(const GstStructure* structure, GQuark field) {
  const GValue* value = gst_structure_id_get_value(structure, field);
  return value && G_VALUE_HOLDS_STRING(value) ? or_empty(g_value_get_string(value)) : "";
}

gdouble level_field(const GstStructure* structure, GQuark field) {
  const GValue* value = gst_structure_id_get_value(structure, field);
  return value && G_VALUE_HOLDS_DOUBLE(value) ? g_value_get_double(value) : ROOM_AUDIO_SILENCE_DBOV;
}

// A field's value, to be written in place; made when there is none of this type. Buffers come back
// from a pool with what they said last (room_audio_buffer_pool_new()): what is still true stays, so
// that a slice of the same track costs no allocation. The structure is the caller's to change;
// GStreamer only hands out const values.
GValue* value_of(GstStructure* structure, GQuark field, GType type) {
  const GValue* known = gst_structure_id_get_value(structure, field);
  if (!known || G_VALUE_TYPE(known) != type) {
    GValue fresh = G_VALUE_INIT;
    g_value_init(&fresh, type);
    gst_structure_id_take_value(structure, field, &fresh);
    known = gst_structure_id_get_value(structure, field);
  }
  return const_cast<GValue*>(known);
}

void set_string(GstStructure* structure, GQuark field, const gchar* text) {
  GValue* value = value_of(structure, field, G_TYPE_STRING);
  if (g_strcmp0(g_value_get_string(value), or_empty(text)) != 0) {
    g_value_set_string(value, or_empty(text));
  }
}

constexpr gint kTrackFields = 5;

void write_track(GstStructure* structure, const RoomAudioTrack* track) {
  const Fields& f = fields();
  set_string(structure, f.track, track->track);
  set_string(structure, f.identity, track->identity);
  set_string(structure, f.name, track->name);
  g_value_set_double(value_of(structure, f.level, G_TYPE_DOUBLE), track->level_dbov);
  g_value_set_boolean(value_of(structure, f.muted, G_TYPE_BOOLEAN), track->muted);
}

gboolean is_track_field(GQuark field, GValue*, gpointer) {
  const Fields& f = fields();
  return field == f.track || field == f.identity || field == f.name || field == f.level ||
         field == f.muted;
}

gboolean is_track_or_participant_field(GQuark field, GValue* value, gpointer) {
  return field == fields().metadata || field == fields().attributes ||
         is_track_field(field, value, nullptr);
}

gboolean is_tracks_field(GQuark field, GValue*, gpointer) {
  return field == fields().tracks;
}

// Entry @index of a mix, to be written in place; null when there is none yet.
GstStructure* track_entry(const GValue* tracks, guint index) {
  if (index >= gst_value_array_get_size(tracks)) return nullptr;
  const GValue* entry = gst_value_array_get_value(tracks, index);
  return GST_VALUE_HOLDS_STRUCTURE(entry) ? static_cast<GstStructure*>(g_value_get_boxed(entry))
                                          : nullptr;
}

void read_track(const GstStructure* structure, RoomAudioTrack* track) {
  const Fields& f = fields();
  track->track = string_field(structure, f.track);
  track->identity = string_field(structure, f.identity);
  track->name = string_field(structure, f.name);
  track->level_dbov = level_field(structure, f.level);
  const GValue* muted = gst_structure_id_get_value(structure, f.muted);
  track->muted = muted && G_VALUE_HOLDS_BOOLEAN(muted) && g_value_get_boolean(muted);
}

GstStructure* meta_structure(GstBuffer* buffer) {
  // By type, not by name: that saves a look-up under a lock for each buffer.
  GstMeta* meta = gst_buffer_get_meta(buffer, room_audio_meta_register()->api);
  return meta ? gst_custom_meta_get_structure(reinterpret_cast<GstCustomMeta*>(meta)) : nullptr;
}

GstStructure* ensure_meta_structure(GstBuffer* buffer) {
  if (GstStructure* known = meta_structure(buffer)) return known;
  return gst_custom_meta_get_structure(reinterpret_cast<GstCustomMeta*>(
      gst_buffer_add_meta(buffer, room_audio_meta_register(), nullptr)));
}

const GValue* tracks_array(const GstStructure* structure) {
  const GValue* tracks = gst_structure_id_get_value(structure, fields().tracks);
  return tracks && GST_VALUE_HOLDS_ARRAY(tracks) ? tracks : nullptr;
}

}  // namespace

const GstMetaInfo* room_audio_meta_register(void) {
  static const GstMetaInfo* const info = [] {
    const GstMetaInfo* known = gst_meta_get_info(ROOM_AUDIO_META_NAME);
    if (known) return known;
    static const gchar* tags[] = {"audio", nullptr};
    return gst_meta_register_custom(ROOM_AUDIO_META_NAME, tags, nullptr, nullptr, nullptr);
  }();
  return info;
}

void room_audio_buffer_set_track(GstBuffer* buffer, const RoomAudioTrack* track) {
  g_return_if_fail(gst_buffer_is_writable(buffer));
  GstStructure* structure = ensure_meta_structure(buffer);
  write_track(structure, track);
  if (gst_structure_n_fields(structure) != kTrackFields) {
    gst_structure_filter_and_map_in_place(structure, is_track_field, nullptr);
  }
}

void room_audio_buffer_set_track_of(GstBuffer* buffer, const RoomAudioTrack* track,
                                    const RoomAudioParticipant* participant) {
  const bool has_metadata = *or_empty(participant->metadata) != 0;
  const bool has_attributes = *or_empty(participant->attributes) != 0;
  // Most people have neither, and then nothing more is to be compared for each slice.
  if (!has_metadata && !has_attributes) return room_audio_buffer_set_track(buffer, track);
  g_return_if_fail(gst_buffer_is_writable(buffer));
  const Fields& f = fields();
  GstStructure* structure = ensure_meta_structure(buffer);
  write_track(structure, track);
  set_string(structure, f.metadata, participant->metadata);
  set_string(structure, f.attributes, participant->attributes);
  if (gst_structure_n_fields(structure) != kTrackFields + 2) {
    gst_structure_filter_and_map_in_place(structure, is_track_or_participant_field, nullptr);
  }
}

gboolean room_audio_buffer_get_participant(GstBuffer* buffer, RoomAudioParticipant* participant) {
  const GstStructure* structure = meta_structure(buffer);
  if (!structure) return FALSE;
  participant->metadata = string_field(structure, fields().metadata);
  participant->attributes = string_field(structure, fields().attributes);
  return *participant->metadata != 0 || *participant->attributes != 0;
}

void room_audio_buffer_set_mix(GstBuffer* buffer, const RoomAudioTrack* tracks, guint n_tracks) {
  g_return_if_fail(gst_buffer_is_writable(buffer));
  GstStructure* structure = ensure_meta_structure(buffer);
  if (gst_structure_n_fields(structure) > 0) {
    gst_structure_filter_and_map_in_place(structure, is_tracks_field, nullptr);
  }
  const GValue* known = tracks_array(structure);
  if (known && gst_value_array_get_size(known) == n_tracks) {
    guint i = 0;
    for (; i < n_tracks; ++i) {
      GstStructure* entry = track_entry(known, i);
      if (!entry) break;
      write_track(entry, &tracks[i]);
    }
    if (i == n_tracks) return;
  }
  GValue array = G_VALUE_INIT;
  gst_value_array_init(&array, n_tracks);
  for (guint i = 0; i < n_tracks; ++i) {
    GstStructure* entry = gst_structure_new_id_empty(fields().track);
    write_track(entry, &tracks[i]);
    GValue value = G_VALUE_INIT;
    g_value_init(&value, GST_TYPE_STRUCTURE);
    g_value_take_boxed(&value, entry);
    gst_value_array_append_and_take_value(&array, &value);
  }
  gst_structure_id_take_value(structure, fields().tracks, &array);
}

gint room_audio_buffer_get_n_tracks(GstBuffer* buffer) {
  const GstStructure* structure = meta_structure(buffer);
  if (!structure) return -1;
  if (const GValue* tracks = tracks_array(structure)) return gint(gst_value_array_get_size(tracks));
  return gst_structure_id_has_field(structure, fields().identity) ? 1 : 0;
}

gboolean room_audio_buffer_get_track(GstBuffer* buffer, guint index, RoomAudioTrack* track) {
  const GstStructure* structure = meta_structure(buffer);
  if (!structure) return FALSE;
  if (const GValue* tracks = tracks_array(structure)) {
    if (index >= gst_value_array_get_size(tracks)) return FALSE;
    const GValue* entry = gst_value_array_get_value(tracks, index);
    if (!GST_VALUE_HOLDS_STRUCTURE(entry)) return FALSE;
    read_track(gst_value_get_structure(entry), track);
    return TRUE;
  }
  if (index != 0 || !gst_structure_id_has_field(structure, fields().identity)) return FALSE;
  read_track(structure, track);
  return TRUE;
}

void room_audio_buffer_set_active(GstBuffer* buffer, const RoomAudioTrack* active) {
  g_return_if_fail(gst_buffer_is_writable(buffer));
  GstStructure* structure = meta_structure(buffer);
  if (!structure) {
    room_audio_buffer_set_mix(buffer, nullptr, 0);
    structure = meta_structure(buffer);
  }
  static const RoomAudioTrack nobody = {"", "", "", ROOM_AUDIO_SILENCE_DBOV, FALSE};
  if (!active) active = &nobody;
  const Fields& f = fields();
  gst_structure_id_set(structure, f.active_track, G_TYPE_STRING, or_empty(active->track),
                       f.active_identity, G_TYPE_STRING, or_empty(active->identity), f.active_name,
                       G_TYPE_STRING, or_empty(active->name), f.active_level, G_TYPE_DOUBLE,
                       active->level_dbov, nullptr);
  gst_structure_remove_field(structure, g_quark_to_string(f.active_since));
}

gboolean room_audio_buffer_get_active(GstBuffer* buffer, RoomAudioTrack* active) {
  const GstStructure* structure = meta_structure(buffer);
  const Fields& f = fields();
  if (!structure || !gst_structure_id_has_field(structure, f.active_identity)) return FALSE;
  active->track = string_field(structure, f.active_track);
  active->identity = string_field(structure, f.active_identity);
  active->name = string_field(structure, f.active_name);
  active->level_dbov = level_field(structure, f.active_level);
  active->muted = FALSE;
  return TRUE;
}

void room_audio_buffer_set_active_since(GstBuffer* buffer, GstClockTime running_time) {
  g_return_if_fail(gst_buffer_is_writable(buffer));
  GstStructure* structure = meta_structure(buffer);
  g_return_if_fail(structure && gst_structure_id_has_field(structure, fields().active_identity));
  gst_structure_id_set(structure, fields().active_since, G_TYPE_UINT64, guint64(running_time),
                       nullptr);
}

GstClockTime room_audio_buffer_get_active_since(GstBuffer* buffer) {
  const GstStructure* structure = meta_structure(buffer);
  const GValue* value =
      structure ? gst_structure_id_get_value(structure, fields().active_since) : nullptr;
  return value && G_VALUE_HOLDS_UINT64(value) ? g_value_get_uint64(value) : GST_CLOCK_TIME_NONE;
}
