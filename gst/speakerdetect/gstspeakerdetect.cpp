// SPDX-License-Identifier: LGPL-2.1-or-later
/**
 * SECTION:element-speakerdetect
 * @title: speakerdetect
 * @short_description: tells who speaks, from the levels of the tracks in a mix or from the voices
 *
 * Reads the RoomAudioMeta that livekitwssrc and egressmux attach, finds the dominant speaker and
 * all who talk, and tells so in three ways: in the RoomAudioMeta of each buffer, by messages, and
 * by properties. The samples are never touched and no latency is added: a buffer says what is
 * known when its last sample has been heard.
 *
 * The dominant speaker is found on three time scales after Volfin and Cohen (2012). Somebody is
 * announced within about 150 ms over silence and 350 ms when taking over from a person who talks.
 * Key strokes, clicks of 100 ms, breaths and a short "mm-hm" do not switch. Tracks of the same
 * identity are one person.
 *
 * In a mix without RoomAudioMeta (RTMP, files) voices are told apart: speaker-1, speaker-2 and so
 * on, or by name where they are known (#GstSpeakerDetect:voices). What is said about a moment comes
 * about a second after it, with `since` telling since when. With
 * #GstSpeakerDetect:channels=speakers each channel is a person.
 *
 * ## Messages
 *
 * An element message named `active-speaker` when the dominant speaker changes (and every
 * #GstSpeakerDetect:speakers-interval while somebody talks, if that is set):
 *
 * * gboolean `active`: %FALSE when nobody speaks; then the strings are empty
 * * gchararray `identity`, `name`, `track`: of the dominant speaker
 * * gdouble `level`: smoothed, in dBov
 * * guint64 `running-time`: when this became known
 * * guint64 `since`: running time at which the speech began (or ended, when nobody speaks)
 * * gchararray `utc`: wall clock of `running-time`
 * * gboolean `changed`: %TRUE when the dominant speaker is another one than before
 * * GstValueArray of GstStructure `speakers`: all who talk now, loudest first, with the fields
 *   `identity`, `name`, `track`, `level`
 *
 * ## Example launch line
 * |[
 * gst-launch-1.0 -m livekitwssrc port=9000 : egressmux ! speakerdetect ! fakesink
 * ]| Prints an active-speaker message each time another participant begins to speak.
 */
#include "gstspeakerdetect.h"

#include <gst/audio/audio.h>

#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "channellevels.h"
#include "gstspeakerdetectprivate.h"
#include "roomaudio/roomaudio.h"

GST_DEBUG_CATEGORY_STATIC(gst_speaker_detect_debug);
#define GST_CAT_DEFAULT gst_speaker_detect_debug

using speakerdetect::DominantSpeaker;
using speakerdetect::MixInput;
using speakerdetect::MixSettings;
using speakerdetect::Speaker;
using speakerdetect::TrackLevel;

namespace {

RoomAudioTrack as_track(const Speaker& speaker) {
  return {speaker.track.c_str(), speaker.identity.c_str(), speaker.name.c_str(), speaker.level_dbov,
          FALSE};
}

std::string shown_identity(const Speaker* speaker) {
  if (!speaker) return {};
  return speaker->identity.empty() ? speaker->track : speaker->identity;
}

}  // namespace

namespace {

/** Who speaks, by whichever way it was found. */
struct View {
  const Speaker* dominant;
  std::span<const Speaker* const> speakers;
  uint64_t since_ns;
};

View view_of(const SpeakerDetectPrivate& priv) {
  if (priv.mix) return {priv.mix->dominant(), priv.mix->speakers(), priv.mix->since_ns()};
  return {priv.detector.dominant(), priv.detector.speakers(), priv.detector.dominant_since_ns()};
}

}  // namespace

static GstStaticPadTemplate sink_template =
    GST_STATIC_PAD_TEMPLATE("sink", GST_PAD_SINK, GST_PAD_ALWAYS, GST_STATIC_CAPS("audio/x-raw"));
static GstStaticPadTemplate src_template =
    GST_STATIC_PAD_TEMPLATE("src", GST_PAD_SRC, GST_PAD_ALWAYS, GST_STATIC_CAPS("audio/x-raw"));

#define gst_speaker_detect_parent_class parent_class
G_DEFINE_TYPE_WITH_CODE(GstSpeakerDetect, gst_speaker_detect, GST_TYPE_BASE_TRANSFORM,
                        GST_DEBUG_CATEGORY_INIT(gst_speaker_detect_debug, "speakerdetect", 0,
                                                "who speaks"))
GST_ELEMENT_REGISTER_DEFINE(speakerdetect, "speakerdetect", GST_RANK_NONE, GST_TYPE_SPEAKER_DETECT)

static void post_speakers(GstSpeakerDetect* self, GstClockTime running_time, bool changed) {
  SpeakerDetectPrivate* priv = self->priv;
  const View view = view_of(*priv);
  priv->speakers.clear();
  for (const Speaker* speaker : view.speakers) priv->speakers.push_back(as_track(*speaker));
  const Speaker* dominant = view.dominant;
  RoomAudioTrack active = {};
  if (dominant) active = as_track(*dominant);
  GstMessage* message = room_audio_message_new_active_speaker(
      GST_ELEMENT(self), dominant ? &active : nullptr, priv->speakers.data(),
      guint(priv->speakers.size()), running_time);
  gst_structure_set(gst_message_writable_structure(message), "since", G_TYPE_UINT64,
                    guint64(view.since_ns), "changed", G_TYPE_BOOLEAN, gboolean(changed), nullptr);
  gst_element_post_message(GST_ELEMENT(self), message);
  priv->last_message_time = running_time;
  priv->told_talking = !priv->speakers.empty();
}

/** Shows what the detector knows by properties and messages. */
static void publish(GstSpeakerDetect* self, GstClockTime running_time, bool changed) {
  SpeakerDetectPrivate* priv = self->priv;
  const auto [dominant, speakers, since_ns] = view_of(*priv);
  guint interval_ms = 0;
  bool identity_changed = false;
  bool name_changed = false;
  {
    std::lock_guard guard(priv->lock);
    interval_ms = priv->speakers_interval_ms;
    // Assigned one by one: strings that keep their length keep their memory.
    priv->shown_speakers.resize(speakers.size());
    for (size_t i = 0; i < speakers.size(); ++i) priv->shown_speakers[i] = *speakers[i];
    if (priv->mix) {
      const speakerdetect::MixListener::Report& report = priv->mix->report();
      priv->mix_state = report.state;
      priv->lost_ns = report.lost_ns;
      priv->known_participants = report.state.voices;
      priv->counters.changes += changed;
    } else {
      priv->counters = priv->detector.counters();
      priv->known_participants = priv->detector.n_known();
    }
    if (changed) {
      std::string identity = shown_identity(dominant);
      identity_changed = identity != priv->active_identity;
      priv->active_identity = std::move(identity);
    }
    const std::string_view name = dominant ? std::string_view(dominant->name) : "";
    name_changed = name != priv->active_name;
    if (name_changed) priv->active_name = name;
  }
  if (changed) {
    GST_INFO_OBJECT(self, "%s speaks since %" GST_TIME_FORMAT ", known at %" GST_TIME_FORMAT,
                    dominant ? dominant->name.c_str() : "nobody", GST_TIME_ARGS(since_ns),
                    GST_TIME_ARGS(running_time));
  }
  if (identity_changed) g_object_notify(G_OBJECT(self), "active-speaker");
  if (name_changed) g_object_notify(G_OBJECT(self), "active-speaker-name");

  const GstClockTime interval = interval_ms * GST_MSECOND;
  const bool due = interval > 0 && (!speakers.empty() || priv->told_talking) &&
                   (!GST_CLOCK_TIME_IS_VALID(priv->last_message_time) ||
                    running_time < priv->last_message_time ||
                    running_time >= priv->last_message_time + interval);
  if (changed || due) post_speakers(self, running_time, changed);
}

/** Judges one slice; the tracks' strings need to live only during the call. */
static void judge(GstSpeakerDetect* self, GstClockTime running_time, GstClockTime duration) {
  SpeakerDetectPrivate* priv = self->priv;
  guint timeout_ms = 0;
  {
    std::lock_guard guard(priv->lock);
    timeout_ms = priv->silence_timeout_ms;
  }
  priv->detector.set_silence_timeout(timeout_ms * GST_MSECOND);
  const bool changed = priv->detector.process(running_time, duration, priv->levels);
  priv->next_running_time = running_time + duration;
  publish(self, priv->next_running_time, changed);
}

static void forget(GstSpeakerDetect* self, bool tell) {
  SpeakerDetectPrivate* priv = self->priv;
  const GstClockTime end = priv->next_running_time;
  bool changed = priv->detector.reset();
  if (priv->mix) {
    changed = priv->mix->dominant() != nullptr;
    priv->mix->flush();
  }
  priv->next_running_time = GST_CLOCK_TIME_NONE;
  if (changed && tell) {
    publish(self, GST_CLOCK_TIME_IS_VALID(end) ? end : 0, true);
  } else {
    std::lock_guard guard(priv->lock);
    priv->active_identity.clear();
    priv->active_name.clear();
    priv->shown_speakers.clear();
    priv->known_participants = 0;
  }
  priv->last_message_time = GST_CLOCK_TIME_NONE;
  priv->told_talking = false;
}

static GstClockTime duration_of(GstSpeakerDetect* self, GstBuffer* buffer) {
  if (GST_BUFFER_DURATION_IS_VALID(buffer)) return GST_BUFFER_DURATION(buffer);
  const GstAudioInfo& info = self->priv->audio_info;
  if (GST_AUDIO_INFO_BPF(&info) <= 0 || GST_AUDIO_INFO_RATE(&info) <= 0) return 0;
  const gsize frames = gst_buffer_get_size(buffer) / gsize(GST_AUDIO_INFO_BPF(&info));
  return gst_util_uint64_scale(frames, GST_SECOND, guint64(GST_AUDIO_INFO_RATE(&info)));
}

/** Running time of a timestamp; where there is none, the stream goes on where it was. */
static GstClockTime running_time_of(GstSpeakerDetect* self, GstClockTime timestamp) {
  GstBaseTransform* transform = GST_BASE_TRANSFORM(self);
  GstClockTime running_time = GST_CLOCK_TIME_NONE;
  if (GST_CLOCK_TIME_IS_VALID(timestamp) && transform->segment.format == GST_FORMAT_TIME) {
    running_time = gst_segment_to_running_time(&transform->segment, GST_FORMAT_TIME, timestamp);
  }
  if (GST_CLOCK_TIME_IS_VALID(running_time)) return running_time;
  return GST_CLOCK_TIME_IS_VALID(self->priv->next_running_time) ? self->priv->next_running_time : 0;
}

/** Writes into the buffer's meta what is known now. */
static GstBuffer* mark(GstSpeakerDetect* self, GstBuffer* buffer) {
  const View view = view_of(*self->priv);
  // A copy of the buffer shares the samples: the other branch of a tee keeps its own metas.
  buffer = gst_buffer_make_writable(buffer);
  RoomAudioTrack active = {};
  if (view.dominant) active = as_track(*view.dominant);
  room_audio_buffer_set_active(buffer, view.dominant ? &active : nullptr);
  room_audio_buffer_set_active_since(buffer, view.since_ns);
  return buffer;
}

static bool upstream_is_live(GstSpeakerDetect* self) {
  GstQuery* query = gst_query_new_latency();
  gboolean live = FALSE;
  if (gst_pad_peer_query(GST_BASE_TRANSFORM_SINK_PAD(self), query)) {
    gst_query_parse_latency(query, &live, nullptr, nullptr);
  }
  gst_query_unref(query);
  return live;
}

static void make_mix(GstSpeakerDetect* self) {
  SpeakerDetectPrivate* priv = self->priv;
  MixSettings settings;
  std::stop_token stop;
  {
    std::lock_guard guard(priv->lock);
    settings = priv->mix_settings;
    stop = priv->loading.get_token();
  }
  const bool live = upstream_is_live(self);
  GST_INFO_OBJECT(self, "the stream has no RoomAudioMeta and is %slive: listening to the voices",
                  live ? "" : "not ");
  priv->mix = std::make_unique<MixInput>(
      [settings, stop](std::string& problem) {
        return speakerdetect::make_mix_voices(settings, problem, stop);
      },
      live);
  priv->mix->set_format(priv->audio_info);
}

/** Whoever reads a folder of voices, which may take minutes, gives up soon. Any thread. */
static void stop_loading(GstSpeakerDetect* self) {
  std::lock_guard guard(self->priv->lock);
  self->priv->loading.request_stop();
}

/** Takes up what was found in the mix. */
static void update_mix(GstSpeakerDetect* self, GstClockTime running_time) {
  SpeakerDetectPrivate* priv = self->priv;
  const bool changed = priv->mix->update();
  const speakerdetect::MixListener::Report& report = priv->mix->report();
  if (!report.problem.empty()) {
    GST_ELEMENT_WARNING(self, RESOURCE, NOT_FOUND, ("%s", report.problem.c_str()), (nullptr));
  }
  publish(self, running_time, changed);
}

static GstBuffer* judge_mix(GstSpeakerDetect* self, GstBuffer* buffer) {
  SpeakerDetectPrivate* priv = self->priv;
  guint timeout_ms = 0;
  bool find_voices = false;
  bool first = false;
  {
    std::lock_guard guard(priv->lock);
    first = priv->buffers_without_meta++ == 0;
    find_voices = priv->find_voices;
    timeout_ms = priv->silence_timeout_ms;
    priv->counters.slices += find_voices;
  }
  if (!find_voices) {
    if (first) {
      GST_INFO_OBJECT(self,
                      "the stream has no RoomAudioMeta: who speaks is not known, audio passes");
    }
    return buffer;
  }
  if (!priv->mix) make_mix(self);
  const GstClockTime running_time = running_time_of(self, GST_BUFFER_PTS(buffer));
  const GstClockTime duration = duration_of(self, buffer);
  priv->mix->set_silence_timeout(timeout_ms * GST_MSECOND);
  if (GST_BUFFER_FLAG_IS_SET(buffer, GST_BUFFER_FLAG_GAP)) {
    priv->mix->push_gap(running_time, duration);
  } else {
    priv->mix->push(buffer, running_time);
  }
  priv->next_running_time = running_time + duration;
  update_mix(self, priv->next_running_time);
  return priv->mix->report().works ? mark(self, buffer) : buffer;
}

/** Each channel is a person: what egressmux does for tracks is done for channels here. */
static GstBuffer* judge_channels(GstSpeakerDetect* self, GstBuffer* buffer) {
  SpeakerDetectPrivate* priv = self->priv;
  const GstAudioInfo& info = priv->audio_info;
  const GstClockTime running_time = running_time_of(self, GST_BUFFER_PTS(buffer));
  const std::vector<double> levels = speakerdetect::channel_levels(buffer, info);
  priv->levels.clear();
  std::vector<RoomAudioTrack> tracks;
  for (size_t i = 0; i < levels.size() && i < priv->names_of_channels.size(); ++i) {
    const std::string& name = priv->names_of_channels[i];
    priv->levels.push_back({name, name, name, levels[i]});
    tracks.push_back({name.c_str(), name.c_str(), name.c_str(), levels[i], FALSE});
  }
  judge(self, running_time, duration_of(self, buffer));
  GstBuffer* samples = gst_buffer_ref(buffer);
  buffer = gst_buffer_make_writable(buffer);
  room_audio_buffer_set_mix(buffer, tracks.data(), guint(tracks.size()));
  room_audio_buffer_set_carries_tracks(buffer);
  for (size_t i = 0; i < tracks.size(); ++i) {
    if (levels[i] <= ROOM_AUDIO_SILENCE_DBOV) continue;
    GstBuffer* one = speakerdetect::copy_channel(samples, info, int(i));
    if (!one) continue;
    GST_BUFFER_PTS(one) = running_time;
    room_audio_buffer_set_track(one, &tracks[i]);
    room_audio_buffer_carry_track(buffer, one, priv->channel_caps.get());
    gst_buffer_unref(one);
  }
  gst_buffer_unref(samples);
  return mark(self, buffer);
}

/** People whose names are known are listened to, if the user wants to know them again. */
static void learn_voices(GstSpeakerDetect* self, GstBuffer* buffer) {
  SpeakerDetectPrivate* priv = self->priv;
  if (!priv->learner) {
    MixSettings settings;
    std::string folder;
    {
      std::lock_guard guard(priv->lock);
      if (priv->learn_voices.empty()) return;
      folder = priv->learn_voices;
      settings = priv->mix_settings;
    }
    priv->learner = std::make_unique<speakerdetect::TrackLearner>(
        [settings](std::string& problem) {
          return speakerdetect::make_learner_parts(settings, problem);
        },
        folder);
  }
  priv->learner->take(buffer, priv->audio_info);
  if (const std::string problem = priv->learner->problem(); !problem.empty()) {
    GST_ELEMENT_WARNING(self, RESOURCE, NOT_FOUND, ("%s", problem.c_str()), (nullptr));
  }
}

static GstBuffer* judge_tracks(GstSpeakerDetect* self, GstBuffer* buffer, gint n_tracks) {
  SpeakerDetectPrivate* priv = self->priv;
  priv->seen_meta = true;
  if (priv->mix) stop_loading(self);
  priv->mix.reset();
  priv->levels.clear();
  for (gint i = 0; i < n_tracks; ++i) {
    RoomAudioTrack track;
    if (!room_audio_buffer_get_track(buffer, guint(i), &track)) continue;
    priv->levels.push_back({track.track, track.identity, track.name, track.level_dbov});
  }
  learn_voices(self, buffer);
  judge(self, running_time_of(self, GST_BUFFER_PTS(buffer)), duration_of(self, buffer));
  return n_tracks < 0 ? buffer : mark(self, buffer);
}

static GstBuffer* judge_buffer(GstSpeakerDetect* self, GstBuffer* buffer) {
  SpeakerDetectPrivate* priv = self->priv;
  if (!priv->names_of_channels.empty()) return judge_channels(self, buffer);
  const gint n_tracks = room_audio_buffer_get_n_tracks(buffer);
  // Once there were metas, a buffer without is one in which no track is known to be heard.
  if (n_tracks < 0 && !priv->seen_meta) return judge_mix(self, buffer);
  if (n_tracks < 0) {
    std::lock_guard guard(priv->lock);
    priv->buffers_without_meta++;
  }
  return judge_tracks(self, buffer, n_tracks);
}

/** Instead of transform_ip: the base class would copy the samples of a shared buffer. */
static GstFlowReturn gst_speaker_detect_generate_output(GstBaseTransform* transform,
                                                        GstBuffer** output) {
  GstBuffer* buffer = transform->queued_buf;
  transform->queued_buf = nullptr;
  *output = buffer ? judge_buffer(GST_SPEAKER_DETECT(transform), buffer) : nullptr;
  return GST_FLOW_OK;
}

static gboolean gst_speaker_detect_set_caps(GstBaseTransform* transform, GstCaps* in,
                                            GstCaps* out) {
  GstSpeakerDetect* self = GST_SPEAKER_DETECT(transform);
  SpeakerDetectPrivate* priv = self->priv;
  if (!gst_audio_info_from_caps(&priv->audio_info, in)) return FALSE;
  if (priv->mix) priv->mix->set_format(priv->audio_info);
  priv->names_of_channels.clear();
  std::lock_guard guard(priv->lock);
  const int n_channels = GST_AUDIO_INFO_CHANNELS(&priv->audio_info);
  if (priv->channels == SPEAKER_DETECT_CHANNELS_SPEAKERS && n_channels > 1) {
    for (int i = 0; i < n_channels; ++i) {
      const bool given = size_t(i) < priv->channel_names.size();
      priv->names_of_channels.push_back(given ? priv->channel_names[size_t(i)]
                                              : speakerdetect::channel_name(i, n_channels));
    }
    priv->channel_caps.reset(speakerdetect::channel_caps(priv->audio_info));
  }
  return TRUE;
}

static gboolean gst_speaker_detect_sink_event(GstBaseTransform* transform, GstEvent* event) {
  GstSpeakerDetect* self = GST_SPEAKER_DETECT(transform);
  SpeakerDetectPrivate* priv = self->priv;
  switch (GST_EVENT_TYPE(event)) {
    case GST_EVENT_GAP: {
      if (!priv->seen_meta && !priv->mix && priv->names_of_channels.empty()) break;
      GstClockTime timestamp = GST_CLOCK_TIME_NONE;
      GstClockTime duration = GST_CLOCK_TIME_NONE;
      gst_event_parse_gap(event, &timestamp, &duration);
      const GstClockTime running_time = running_time_of(self, timestamp);
      if (!GST_CLOCK_TIME_IS_VALID(duration)) duration = 0;
      if (priv->mix) {
        priv->mix->push_gap(running_time, duration);
        priv->next_running_time = running_time + duration;
        update_mix(self, priv->next_running_time);
      } else {
        priv->levels.clear();
        judge(self, running_time, duration);
      }
      break;
    }
    case GST_EVENT_EOS:
      if (priv->mix) {
        const bool has_time = GST_CLOCK_TIME_IS_VALID(priv->next_running_time);
        priv->mix->end();
        do {
          update_mix(self, has_time ? priv->next_running_time : 0);
        } while (priv->mix->report().turn);
      }
      forget(self, true);
      break;
    case GST_EVENT_FLUSH_STOP:
      forget(self, true);
      break;
    default:
      break;
  }
  return GST_BASE_TRANSFORM_CLASS(parent_class)->sink_event(transform, event);
}

static gboolean gst_speaker_detect_start(GstBaseTransform* transform) {
  SpeakerDetectPrivate* priv = GST_SPEAKER_DETECT(transform)->priv;
  gst_audio_info_init(&priv->audio_info);
  priv->seen_meta = false;
  priv->mix.reset();
  priv->detector = DominantSpeaker();
  forget(GST_SPEAKER_DETECT(transform), false);
  std::lock_guard guard(priv->lock);
  priv->loading = std::stop_source();
  priv->counters = {};
  priv->buffers_without_meta = 0;
  return TRUE;
}

static GstStateChangeReturn gst_speaker_detect_change_state(GstElement* element,
                                                            GstStateChange transition) {
  // Before the streaming thread is waited for, which may be the one that loads.
  if (transition == GST_STATE_CHANGE_PAUSED_TO_READY) stop_loading(GST_SPEAKER_DETECT(element));
  return GST_ELEMENT_CLASS(parent_class)->change_state(element, transition);
}

static gboolean gst_speaker_detect_stop(GstBaseTransform* transform) {
  forget(GST_SPEAKER_DETECT(transform), false);
  GST_SPEAKER_DETECT(transform)->priv->mix.reset();
  GST_SPEAKER_DETECT(transform)->priv->learner.reset();
  return TRUE;
}

static void gst_speaker_detect_finalize(GObject* object) {
  delete GST_SPEAKER_DETECT(object)->priv;
  G_OBJECT_CLASS(parent_class)->finalize(object);
}

static void gst_speaker_detect_init(GstSpeakerDetect* self) {
  self->priv = new SpeakerDetectPrivate();
  gst_audio_info_init(&self->priv->audio_info);
  // Passthrough: caps, allocation and latency are the neighbours' business alone.
  gst_base_transform_set_passthrough(GST_BASE_TRANSFORM(self), TRUE);
  gst_base_transform_set_gap_aware(GST_BASE_TRANSFORM(self), TRUE);
}

static void gst_speaker_detect_class_init(GstSpeakerDetectClass* klass) {
  GObjectClass* object_class = G_OBJECT_CLASS(klass);
  GstElementClass* element_class = GST_ELEMENT_CLASS(klass);
  GstBaseTransformClass* transform_class = GST_BASE_TRANSFORM_CLASS(klass);

  object_class->finalize = gst_speaker_detect_finalize;
  element_class->change_state = gst_speaker_detect_change_state;
  transform_class->start = gst_speaker_detect_start;
  transform_class->stop = gst_speaker_detect_stop;
  transform_class->set_caps = gst_speaker_detect_set_caps;
  transform_class->sink_event = gst_speaker_detect_sink_event;
  transform_class->generate_output = gst_speaker_detect_generate_output;

  gst_speaker_detect_install_properties(object_class);
  gst_element_class_add_static_pad_template(element_class, &sink_template);
  gst_element_class_add_static_pad_template(element_class, &src_template);
  gst_element_class_set_static_metadata(element_class, "Active speaker detector",
                                        "Filter/Analyzer/Audio",
                                        "Tells who speaks in a room, from the RoomAudioMeta of its "
                                        "mix or from the voices in it; never "
                                        "alters audio",
                                        "gst-plugins-egress");
}
