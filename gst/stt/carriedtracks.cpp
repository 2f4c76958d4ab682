// SPDX-License-Identifier: LGPL-2.1-or-later
#include "carriedtracks.h"

#include <gst/audio/audio.h>

#include "roomaudio/roomaudio.h"

namespace stt {

namespace {

// Who has been silent for so long gives his place in the engine back; on his next word he gets
// another. Longer than any pause inside an utterance.
constexpr int64_t kForgetAfterNs = 30 * int64_t(GST_SECOND);
// Parts that a mixer cut its slices into carry the same audio again.
constexpr int64_t kOverlapNs = GST_MSECOND;

}  // namespace

void CarriedTracks::push(Session& session, GstBuffer* audio, GstCaps* caps, int64_t now_ns,
                         bool live) {
  RoomAudioTrack who = {};
  if (!room_audio_buffer_get_track(audio, 0, &who) || !GST_BUFFER_PTS_IS_VALID(audio)) return;
  Track& track = tracks_[*who.track ? who.track : who.identity];
  if (!track.input) {
    track.input = session.add_input();
    track.input->set_live(live);
  }
  if (track.caps != caps) {
    if (!gst_audio_info_from_caps(&track.info, caps) || !track.input->set_format(track.info)) {
      return;
    }
    track.caps = caps;
  }
  const int64_t start_ns = int64_t(GST_BUFFER_PTS(audio));
  const int64_t duration_ns = int64_t(gst_util_uint64_scale_int(
      gst_buffer_get_size(audio) / guint(track.info.bpf), GST_SECOND, track.info.rate));
  track.heard_ns = now_ns;
  if (start_ns < track.end_ns - kOverlapNs) return;
  track.input->push(audio, start_ns, duration_ns);
  track.end_ns = start_ns + duration_ns;
}

bool CarriedTracks::take(Session& session, GstBuffer* mix, int64_t time_ns, int64_t end_ns,
                         bool live) {
  const std::lock_guard guard(lock_);
  if (!room_audio_buffer_carries_tracks(mix)) {
    remove_all(session);
    return false;
  }
  struct Call {
    CarriedTracks* self;
    Session* session;
    int64_t time_ns;
    bool live;
  } call = {this, &session, time_ns, live};
  room_audio_buffer_foreach_track(
      mix,
      [](GstBuffer* audio, GstCaps* caps, gpointer data) {
        const auto* to = static_cast<Call*>(data);
        to->self->push(*to->session, audio, caps, to->time_ns, to->live);
      },
      &call);
  for (auto track = tracks_.begin(); track != tracks_.end();) {
    Track& one = track->second;
    if (one.heard_ns < time_ns && end_ns > one.end_ns) {
      one.input->push_gap(one.end_ns, end_ns - one.end_ns);
      one.end_ns = end_ns;
    }
    if (time_ns - one.heard_ns > kForgetAfterNs) {
      session.remove_input(one.input);
      track = tracks_.erase(track);
    } else {
      ++track;
    }
  }
  return true;
}

void CarriedTracks::remove_all(Session& session) {
  for (auto& [id, track] : tracks_) session.remove_input(track.input);
  tracks_.clear();
}

void CarriedTracks::end(Session& session) {
  const std::lock_guard guard(lock_);
  remove_all(session);
}

void CarriedTracks::flush(Session& session) {
  const std::lock_guard guard(lock_);
  for (auto& [id, track] : tracks_) track.input->discard();
  remove_all(session);
}

void CarriedTracks::forget() {
  const std::lock_guard guard(lock_);
  tracks_.clear();
}

}  // namespace stt
