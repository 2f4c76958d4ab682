// SPDX-License-Identifier: LGPL-2.1-or-later
#include "speechinput.h"

#include "outputs/format.h"
#include "roomaudio/roomaudio.h"

namespace stt {

namespace {

Speaker speaker_of(const RoomAudioTrack& track) {
  return {track.track, track.identity, track.name};
}

SpeakerView view_of(const RoomAudioTrack& track) {
  return {track.track, track.identity, track.name};
}

bool same_as(const Speaker& speaker, const RoomAudioTrack& track) {
  return speaker.track == track.track && speaker.identity == track.identity &&
         speaker.name == track.name;
}

const GstStructure* meta_of(GstBuffer* buffer) {
  GstCustomMeta* meta = gst_buffer_get_custom_meta(buffer, ROOM_AUDIO_META_NAME);
  return meta ? gst_custom_meta_get_structure(meta) : nullptr;
}

}  // namespace

SpeechInput::SpeechInput(const TranscriberConfig& config, NextUtterance next_utterance,
                         OnTranscript on_transcript)
    : config_(config),
      next_utterance_(std::move(next_utterance)),
      on_transcript_(std::move(on_transcript)),
      deferred_(int64_t(config.max_queue_ms) * 1'000'000) {}

bool SpeechInput::set_format(const GstAudioInfo& info) {
  const std::lock_guard guard(lock_);
  if (ended_) return true;
  if (converter_.is_format(info)) return true;
  flush_converter();
  return converter_.set_format(info);
}

bool SpeechInput::has_format() const {
  const std::lock_guard guard(lock_);
  return converter_.has_format();
}

void SpeechInput::set_default_speaker(const Speaker& speaker) {
  const std::lock_guard guard(lock_);
  default_speaker_ = speaker;
}

void SpeechInput::flush_converter() {
  const speech::TimedConverter::Piece rest = converter_.flush();
  deferred_.push(rest.samples, rest.time_ns);
}

void SpeechInput::track_speaker(const Speaker& speaker, int64_t time_ns) {
  if (speaker == speaker_) return;
  speaker_ = speaker;
  deferred_.set_speaker(speaker_, time_ns);
}

// Reads whose audio it is. A track's owner is told before its samples, a change of speaker in a
// mix after them, since it lies in what has been pushed.
void SpeechInput::describe(GstBuffer* buffer, int64_t start_ns, int64_t end_ns,
                           std::optional<SpeakerChange>& after_push) {
  const GstStructure* meta = meta_of(buffer);
  if (!meta) return track_speaker(default_speaker_, start_ns);
  RoomAudioTrack track = {};
  const bool has_active = gst_structure_has_field(meta, "active-identity");
  if (!gst_structure_has_field(meta, "tracks") && !has_active) {
    if (!room_audio_buffer_get_track(buffer, 0, &track)) return;
    if (!same_as(speaker_, track)) track_speaker(speaker_of(track), start_ns);
    note_participant(buffer, track.identity);
    return;
  }
  slice_.start_ns = start_ns;
  slice_.end_ns = end_ns;
  slice_.tracks.clear();
  const gint tracks = room_audio_buffer_get_n_tracks(buffer);
  for (gint i = 0; i < tracks; ++i) {
    if (!room_audio_buffer_get_track(buffer, guint(i), &track)) continue;
    slice_.tracks.push_back({view_of(track), track.level_dbov});
  }
  RoomAudioTrack active = {};
  slice_.judged = room_audio_buffer_get_active(buffer, &active);
  slice_.active = slice_.judged ? view_of(active) : SpeakerView{};
  guint64 since = 0;
  const bool told = gst_structure_get_uint64(meta, "active-since", &since);
  slice_.active_since_ns = told && GST_CLOCK_TIME_IS_VALID(since) ? int64_t(since) : -1;
  {
    const std::lock_guard guard(results_lock_);
    is_mix_ = true;
    after_push = attribution_.observe(slice_);
  }
}

void SpeechInput::note_participant(GstBuffer* buffer, const gchar* identity) {
  RoomAudioParticipant now = {"", ""};
  room_audio_buffer_get_participant(buffer, &now);
  if (participant_.metadata == now.metadata && participant_.attributes == now.attributes &&
      participant_identity_ == identity) {
    return;
  }
  const std::lock_guard guard(results_lock_);
  participant_ = {now.metadata, now.attributes};
  participant_identity_ = identity;
}

void SpeechInput::push(GstBuffer* buffer, int64_t time_ns, int64_t duration_ns) {
  const std::lock_guard guard(lock_);
  if (ended_) return;
  std::optional<SpeakerChange> change;
  describe(buffer, time_ns, time_ns + duration_ns, change);
  if (GST_BUFFER_FLAG_IS_SET(buffer, GST_BUFFER_FLAG_GAP)) {
    flush_converter();
    deferred_.push_gap(time_ns, duration_ns);
  } else {
    if (!converter_.continues(time_ns)) flush_converter();
    const speech::TimedConverter::Piece piece = converter_.convert(buffer, time_ns);
    deferred_.push(piece.samples, piece.time_ns);
  }
  if (change) track_speaker(change->speaker, change->time_ns);
}

void SpeechInput::push_gap(int64_t time_ns, int64_t duration_ns) {
  const std::lock_guard guard(lock_);
  if (ended_) return;
  flush_converter();
  deferred_.push_gap(time_ns, duration_ns);
}

void SpeechInput::finish(std::function<void()> done) {
  const std::lock_guard guard(lock_);
  if (!ended_) flush_converter();
  ended_ = true;
  deferred_.drain(std::move(done));
}

void SpeechInput::shut_down() {
  discard();
  std::unique_ptr<Transcriber> transcriber;
  {
    const std::lock_guard guard(lock_);
    ended_ = true;
    transcriber = deferred_.detach();
  }
}

void SpeechInput::set_live(bool live) {
  live_ = live;
  const std::lock_guard lock(lock_);
  deferred_.set_live(live);
}

void SpeechInput::attach(SpeechEngine& engine) {
  const std::lock_guard guard(lock_);
  if (deferred_.attached()) return;
  deferred_.attach(engine.new_transcriber(config_, [this](const Result& r) { result(r); }));
}

void SpeechInput::give_up() {
  const std::lock_guard guard(lock_);
  deferred_.give_up();
}

TranscriberStats SpeechInput::stats() const {
  const std::lock_guard guard(lock_);
  return deferred_.stats();
}

Speaker SpeechInput::speaker() const {
  const std::lock_guard guard(lock_);
  return speaker_;
}

void SpeechInput::result(const Result& result) {
  if (discarded_) return;
  Transcript transcript;
  {
    const std::lock_guard guard(results_lock_);
    auto known = open_.find(result.utterance);
    if (known == open_.end()) {
      // It was never shown: there is nothing to take back.
      if (result.is_final && result.text.empty()) return;
      known = open_.emplace(result.utterance, "u" + std::to_string(next_utterance_())).first;
    }
    transcript.utterance = known->second;
    if (result.is_final) open_.erase(known);
    transcript.speaker =
        is_mix_ ? attribution_.attribute(result.start_ns, result.end_ns, result.speaker)
                : result.speaker;
    // Words of somebody who was on this input before come late.
    if (transcript.speaker.identity == participant_identity_) {
      transcript.participant = participant_;
    }
  }
  // Names come from the network, text from an engine; GStreamer takes UTF-8 only.
  for (std::string* text :
       {&transcript.speaker.track, &transcript.speaker.identity, &transcript.speaker.name,
        &transcript.participant.metadata, &transcript.participant.attributes}) {
    *text = valid_utf8(*text);
  }
  transcript.is_final = result.is_final;
  transcript.revision = result.revision;
  transcript.text = valid_utf8(result.text);
  transcript.language = valid_utf8(result.language);
  transcript.start_ns = result.start_ns;
  transcript.end_ns = result.end_ns;
  transcript.model = result.model;
  transcript.words = result.words;
  for (Word& word : transcript.words) word.text = valid_utf8(word.text);
  transcript.confidence = result.confidence;
  on_transcript_(std::move(transcript), live_);
}

}  // namespace stt
