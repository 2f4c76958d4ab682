// SPDX-License-Identifier: LGPL-2.1-or-later
#include "tracklearner.h"

#include "roomaudio/roomaudio.h"

namespace speakerdetect {
namespace {

constexpr size_t kMostTracks = 200;

}  // namespace

void TrackLearner::push(GstBuffer* audio, const GstAudioInfo& info) {
  RoomAudioTrack who = {};
  if (!room_audio_buffer_get_track(audio, 0, &who) || !*who.identity) return;
  if (GST_BUFFER_FLAG_IS_SET(audio, GST_BUFFER_FLAG_GAP)) return;
  if (!converters_.contains(who.identity) && converters_.size() >= kMostTracks) return;
  auto& converter = converters_[who.identity];
  if (!converter) converter = std::make_unique<speech::InputConverter>();
  const bool is_same =
      converter->has_format() && gst_audio_info_is_equal(&converter->format(), &info);
  if (!is_same && !converter->set_format(info)) return;
  int64_t frames_in = 0;
  learner_.push(who.identity, converter->convert(audio, frames_in));
}

void TrackLearner::take(GstBuffer* buffer, const GstAudioInfo& info) {
  if (!room_audio_buffer_carries_tracks(buffer)) {
    // Of a mix alone nobody knows whose voice it is.
    GstCustomMeta* meta = gst_buffer_get_custom_meta(buffer, ROOM_AUDIO_META_NAME);
    const GstStructure* fields = meta ? gst_custom_meta_get_structure(meta) : nullptr;
    if (fields && !gst_structure_has_field(fields, "tracks")) push(buffer, info);
    return;
  }
  room_audio_buffer_foreach_track(
      buffer,
      [](GstBuffer* audio, GstCaps* caps, gpointer data) {
        GstAudioInfo one;
        if (gst_audio_info_from_caps(&one, caps))
          static_cast<TrackLearner*>(data)->push(audio, one);
      },
      this);
}

}  // namespace speakerdetect
