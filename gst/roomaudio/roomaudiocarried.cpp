// SPDX-License-Identifier: LGPL-2.1-or-later
// The tracks that a mix carries along: a meta that holds references to their buffers.
#include <utility>
#include <vector>

#include "roomaudio.h"

namespace {

struct CarriedTrack {
  GstBuffer* audio = nullptr;
  GstCaps* caps = nullptr;
};

using CarriedTracks = std::vector<CarriedTrack>;

struct CarriedTracksMeta {
  GstMeta meta;
  CarriedTracks* tracks;
};

GType carried_tracks_api() {
  // No tag: an element that makes new samples from a mix does not know what becomes of its tracks.
  static const gchar* tags[] = {nullptr};
  static const GType api = gst_meta_api_type_register("RoomAudioCarriedTracksMetaAPI", tags);
  return api;
}

void append(CarriedTracksMeta* meta, GstBuffer* audio, GstCaps* caps) {
  meta->tracks->push_back({gst_buffer_ref(audio), gst_caps_ref(caps)});
}

gboolean init_meta(GstMeta* meta, gpointer params, GstBuffer* buffer) {
  reinterpret_cast<CarriedTracksMeta*>(meta)->tracks = new CarriedTracks();
  return TRUE;
}

void free_meta(GstMeta* meta, GstBuffer* buffer) {
  CarriedTracks* tracks =
      std::exchange(reinterpret_cast<CarriedTracksMeta*>(meta)->tracks, nullptr);
  for (const CarriedTrack& track : *tracks) {
    gst_buffer_unref(track.audio);
    gst_caps_unref(track.caps);
  }
  delete tracks;
}

CarriedTracksMeta* carried_tracks_of(GstBuffer* buffer) {
  return reinterpret_cast<CarriedTracksMeta*>(gst_buffer_get_meta(buffer, carried_tracks_api()));
}

CarriedTracksMeta* ensure_carried_tracks(GstBuffer* buffer);

gboolean transform_meta(GstBuffer* target, GstMeta* meta, GstBuffer* source, GQuark type,
                        gpointer data) {
  // A part of a mix must not carry the whole of its tracks: two parts would carry them twice.
  if (!GST_META_TRANSFORM_IS_COPY(type) || static_cast<GstMetaTransformCopy*>(data)->region) {
    return TRUE;
  }
  CarriedTracksMeta* copy = ensure_carried_tracks(target);
  for (const CarriedTrack& track : *reinterpret_cast<CarriedTracksMeta*>(meta)->tracks) {
    append(copy, track.audio, track.caps);
  }
  return TRUE;
}

const GstMetaInfo* carried_tracks_info() {
  static const GstMetaInfo* const info =
      gst_meta_register(carried_tracks_api(), "RoomAudioCarriedTracksMeta",
                        sizeof(CarriedTracksMeta), init_meta, free_meta, transform_meta);
  return info;
}

CarriedTracksMeta* ensure_carried_tracks(GstBuffer* buffer) {
  CarriedTracksMeta* meta = carried_tracks_of(buffer);
  if (meta) return meta;
  return reinterpret_cast<CarriedTracksMeta*>(
      gst_buffer_add_meta(buffer, carried_tracks_info(), nullptr));
}

}  // namespace

void room_audio_buffer_carry_track(GstBuffer* mix, GstBuffer* audio, GstCaps* caps) {
  g_return_if_fail(gst_buffer_is_writable(mix));
  append(ensure_carried_tracks(mix), audio, caps);
}

void room_audio_buffer_set_carries_tracks(GstBuffer* mix) {
  g_return_if_fail(gst_buffer_is_writable(mix));
  ensure_carried_tracks(mix);
}

gboolean room_audio_buffer_carries_tracks(GstBuffer* mix) {
  return carried_tracks_of(mix) != nullptr;
}

void room_audio_buffer_foreach_track(GstBuffer* mix, RoomAudioTrackFunc func, gpointer user_data) {
  const CarriedTracksMeta* meta = carried_tracks_of(mix);
  if (!meta) return;
  for (const CarriedTrack& track : *meta->tracks) func(track.audio, track.caps, user_data);
}
