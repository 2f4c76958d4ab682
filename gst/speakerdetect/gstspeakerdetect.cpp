// SPDX-License-Identifier: LGPL-2.1-or-later
/**
 * SECTION:element-speakerdetect
 * @title: speakerdetect
 * @short_description: tells who speaks, from the levels of the tracks in a mix
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
 * Audio without RoomAudioMeta passes as it is; nobody is announced.
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

#include <mutex>
#include <string>
#include <vector>

#include "dominantspeaker.h"
#include "roomaudio/roomaudio.h"

GST_DEBUG_CATEGORY_STATIC(gst_speaker_detect_debug);
#define GST_CAT_DEFAULT gst_speaker_detect_debug

using speakerdetect::DominantSpeaker;
using speakerdetect::Speaker;
using speakerdetect::TrackLevel;

namespace {

constexpr guint DEFAULT_SILENCE_TIMEOUT_MS = 1500;
constexpr guint DEFAULT_SPEAKERS_INTERVAL_MS = 0;
constexpr guint MAX_TIMEOUT_MS = 3600 * 1000;

enum {
  PROP_0,
  PROP_SILENCE_TIMEOUT,
  PROP_SPEAKERS_INTERVAL,
  PROP_ACTIVE_SPEAKER,
  PROP_ACTIVE_SPEAKER_NAME,
  PROP_SPEAKERS,
  PROP_STATS,
  N_PROPERTIES
};
GParamSpec* properties[N_PROPERTIES];

RoomAudioTrack as_track(const Speaker& speaker) {
  return {speaker.track.c_str(), speaker.identity.c_str(), speaker.name.c_str(), speaker.level_dbov,
          FALSE};
}

std::string shown_identity(const Speaker* speaker) {
  if (!speaker) return {};
  return speaker->identity.empty() ? speaker->track : speaker->identity;
}

}  // namespace

struct SpeakerDetectPrivate {
  // Streaming thread only, or while there is none (start, stop).
  DominantSpeaker detector;
  std::vector<TrackLevel> levels;
  std::vector<RoomAudioTrack> speakers;
  GstAudioInfo audio_info;
  GstClockTime next_running_time = GST_CLOCK_TIME_NONE;
  GstClockTime last_message_time = GST_CLOCK_TIME_NONE;
  bool told_talking = false;  // the last message listed somebody
  bool seen_meta = false;
  bool told_no_meta = false;

  // What properties show: guarded by `lock`, which is never held while calling out.
  std::mutex lock;
  guint silence_timeout_ms = DEFAULT_SILENCE_TIMEOUT_MS;
  guint speakers_interval_ms = DEFAULT_SPEAKERS_INTERVAL_MS;
  std::string active_identity;
  std::string active_name;
  std::vector<Speaker> shown_speakers;
  DominantSpeaker::Counters counters;
  guint64 buffers_without_meta = 0;
  guint64 known_participants = 0;
};

struct _GstSpeakerDetect {
  GstBaseTransform parent;
  SpeakerDetectPrivate* priv;
};

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
  priv->speakers.clear();
  for (const Speaker* speaker : priv->detector.speakers()) {
    priv->speakers.push_back(as_track(*speaker));
  }
  const Speaker* dominant = priv->detector.dominant();
  RoomAudioTrack active = {};
  if (dominant) active = as_track(*dominant);
  GstMessage* message = room_audio_message_new_active_speaker(
      GST_ELEMENT(self), dominant ? &active : nullptr, priv->speakers.data(),
      guint(priv->speakers.size()), running_time);
  gst_structure_set(gst_message_writable_structure(message), "since", G_TYPE_UINT64,
                    guint64(priv->detector.dominant_since_ns()), "changed", G_TYPE_BOOLEAN,
                    gboolean(changed), nullptr);
  gst_element_post_message(GST_ELEMENT(self), message);
  priv->last_message_time = running_time;
  priv->told_talking = !priv->speakers.empty();
}

/** Shows what the detector knows by properties and messages. */
static void publish(GstSpeakerDetect* self, GstClockTime running_time, bool changed) {
  SpeakerDetectPrivate* priv = self->priv;
  const Speaker* dominant = priv->detector.dominant();
  const auto speakers = priv->detector.speakers();
  guint interval_ms = 0;
  bool identity_changed = false;
  bool name_changed = false;
  {
    std::lock_guard guard(priv->lock);
    interval_ms = priv->speakers_interval_ms;
    // Assigned one by one: strings that keep their length keep their memory.
    priv->shown_speakers.resize(speakers.size());
    for (size_t i = 0; i < speakers.size(); ++i) priv->shown_speakers[i] = *speakers[i];
    priv->counters = priv->detector.counters();
    priv->known_participants = priv->detector.n_known();
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
                    dominant ? dominant->name.c_str() : "nobody",
                    GST_TIME_ARGS(priv->detector.dominant_since_ns()), GST_TIME_ARGS(running_time));
  }
  if (identity_changed) g_object_notify_by_pspec(G_OBJECT(self), properties[PROP_ACTIVE_SPEAKER]);
  if (name_changed) g_object_notify_by_pspec(G_OBJECT(self), properties[PROP_ACTIVE_SPEAKER_NAME]);

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
  const bool changed = priv->detector.reset();
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

static GstBuffer* judge_buffer(GstSpeakerDetect* self, GstBuffer* buffer) {
  SpeakerDetectPrivate* priv = self->priv;
  const gint n_tracks = room_audio_buffer_get_n_tracks(buffer);
  if (n_tracks < 0) {
    bool first = false;
    {
      std::lock_guard guard(priv->lock);
      first = priv->buffers_without_meta++ == 0;
    }
    // Once there were metas, a buffer without is one in which no track is known to be heard.
    if (!priv->seen_meta) {
      if (first) {
        GST_INFO_OBJECT(self,
                        "the stream has no RoomAudioMeta: who speaks is not known, audio passes");
      }
      return buffer;
    }
  }
  priv->seen_meta = true;
  priv->levels.clear();
  for (gint i = 0; i < n_tracks; ++i) {
    RoomAudioTrack track;
    if (!room_audio_buffer_get_track(buffer, guint(i), &track)) continue;
    priv->levels.push_back({track.track, track.identity, track.name, track.level_dbov});
  }
  judge(self, running_time_of(self, GST_BUFFER_PTS(buffer)), duration_of(self, buffer));
  if (n_tracks < 0) return buffer;

  // A copy of the buffer shares the samples: the other branch of a tee keeps its own metas.
  buffer = gst_buffer_make_writable(buffer);
  const Speaker* dominant = priv->detector.dominant();
  RoomAudioTrack active = {};
  if (dominant) active = as_track(*dominant);
  room_audio_buffer_set_active(buffer, dominant ? &active : nullptr);
  room_audio_buffer_set_active_since(buffer, priv->detector.dominant_since_ns());
  return buffer;
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
  return gst_audio_info_from_caps(&self->priv->audio_info, in);
}

static gboolean gst_speaker_detect_sink_event(GstBaseTransform* transform, GstEvent* event) {
  GstSpeakerDetect* self = GST_SPEAKER_DETECT(transform);
  SpeakerDetectPrivate* priv = self->priv;
  switch (GST_EVENT_TYPE(event)) {
    case GST_EVENT_GAP: {
      if (!priv->seen_meta) break;
      GstClockTime timestamp = GST_CLOCK_TIME_NONE;
      GstClockTime duration = GST_CLOCK_TIME_NONE;
      gst_event_parse_gap(event, &timestamp, &duration);
      const GstClockTime running_time = running_time_of(self, timestamp);
      priv->levels.clear();
      judge(self, running_time, GST_CLOCK_TIME_IS_VALID(duration) ? duration : 0);
      break;
    }
    case GST_EVENT_EOS:
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
  priv->detector = DominantSpeaker();
  forget(GST_SPEAKER_DETECT(transform), false);
  std::lock_guard guard(priv->lock);
  priv->counters = {};
  priv->buffers_without_meta = 0;
  return TRUE;
}

static gboolean gst_speaker_detect_stop(GstBaseTransform* transform) {
  forget(GST_SPEAKER_DETECT(transform), false);
  return TRUE;
}

static void gst_speaker_detect_set_property(GObject* object, guint id, const GValue* value,
                                            GParamSpec* pspec) {
  SpeakerDetectPrivate* priv = GST_SPEAKER_DETECT(object)->priv;
  std::lock_guard guard(priv->lock);
  switch (id) {
    case PROP_SILENCE_TIMEOUT:
      priv->silence_timeout_ms = g_value_get_uint(value);
      break;
    case PROP_SPEAKERS_INTERVAL:
      priv->speakers_interval_ms = g_value_get_uint(value);
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID(object, id, pspec);
  }
}

static void put_speakers(GValue* value, const std::vector<Speaker>& speakers) {
  for (const Speaker& speaker : speakers) {
    GValue entry = G_VALUE_INIT;
    g_value_init(&entry, GST_TYPE_STRUCTURE);
    g_value_take_boxed(
        &entry,
        gst_structure_new("speaker", "track", G_TYPE_STRING, speaker.track.c_str(), "identity",
                          G_TYPE_STRING, speaker.identity.c_str(), "name", G_TYPE_STRING,
                          speaker.name.c_str(), "level", G_TYPE_DOUBLE, speaker.level_dbov, "since",
                          G_TYPE_UINT64, guint64(speaker.since_ns), nullptr));
    gst_value_array_append_and_take_value(value, &entry);
  }
}

static void gst_speaker_detect_get_property(GObject* object, guint id, GValue* value,
                                            GParamSpec* pspec) {
  SpeakerDetectPrivate* priv = GST_SPEAKER_DETECT(object)->priv;
  std::lock_guard guard(priv->lock);
  switch (id) {
    case PROP_SILENCE_TIMEOUT:
      g_value_set_uint(value, priv->silence_timeout_ms);
      break;
    case PROP_SPEAKERS_INTERVAL:
      g_value_set_uint(value, priv->speakers_interval_ms);
      break;
    case PROP_ACTIVE_SPEAKER:
      g_value_set_string(value, priv->active_identity.c_str());
      break;
    case PROP_ACTIVE_SPEAKER_NAME:
      g_value_set_string(value, priv->active_name.c_str());
      break;
    case PROP_SPEAKERS:
      put_speakers(value, priv->shown_speakers);
      break;
    case PROP_STATS:
      g_value_take_boxed(
          value, gst_structure_new("application/x-speakerdetect-stats", "slices", G_TYPE_UINT64,
                                   guint64(priv->counters.slices), "changes", G_TYPE_UINT64,
                                   guint64(priv->counters.changes), "time-jumps", G_TYPE_UINT64,
                                   guint64(priv->counters.time_jumps), "buffers-without-meta",
                                   G_TYPE_UINT64, priv->buffers_without_meta, "participants",
                                   G_TYPE_UINT64, priv->known_participants, nullptr));
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID(object, id, pspec);
  }
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

  object_class->set_property = gst_speaker_detect_set_property;
  object_class->get_property = gst_speaker_detect_get_property;
  object_class->finalize = gst_speaker_detect_finalize;
  transform_class->start = gst_speaker_detect_start;
  transform_class->stop = gst_speaker_detect_stop;
  transform_class->set_caps = gst_speaker_detect_set_caps;
  transform_class->sink_event = gst_speaker_detect_sink_event;
  transform_class->generate_output = gst_speaker_detect_generate_output;

  constexpr auto kSettable =
      GParamFlags(G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | GST_PARAM_MUTABLE_PLAYING);
  constexpr auto kReadable = GParamFlags(G_PARAM_READABLE | G_PARAM_STATIC_STRINGS);
  /**
   * GstSpeakerDetect:silence-timeout:
   *
   * How long the dominant speaker must be silent to be no longer the dominant speaker.
   */
  properties[PROP_SILENCE_TIMEOUT] = g_param_spec_uint(
      "silence-timeout", "Silence timeout",
      "Silence after which nobody is the active speaker, in milliseconds (0 = never: the last "
      "speaker stays)",
      0, MAX_TIMEOUT_MS, DEFAULT_SILENCE_TIMEOUT_MS, kSettable);
  /**
   * GstSpeakerDetect:speakers-interval:
   *
   * Posts active-speaker messages also between changes, with the levels of all who talk.
   */
  properties[PROP_SPEAKERS_INTERVAL] = g_param_spec_uint(
      "speakers-interval", "Speakers interval",
      "How often to post who talks how loud while somebody talks, in milliseconds (0 = only when "
      "the active speaker changes)",
      0, MAX_TIMEOUT_MS, DEFAULT_SPEAKERS_INTERVAL_MS, kSettable);
  /**
   * GstSpeakerDetect:active-speaker:
   *
   * Identity of the dominant speaker. Notified from the streaming thread.
   */
  properties[PROP_ACTIVE_SPEAKER] =
      g_param_spec_string("active-speaker", "Active speaker",
                          "Identity of the participant who speaks (empty = nobody)", "", kReadable);
  properties[PROP_ACTIVE_SPEAKER_NAME] = g_param_spec_string(
      "active-speaker-name", "Active speaker's name",
      "Display name of the participant who speaks (empty = nobody)", "", kReadable);
  properties[PROP_SPEAKERS] = gst_param_spec_array(
      "speakers", "Speakers",
      "All who talk now, loudest first: structures with track, identity, name (string), level "
      "(double, dBov, smoothed), since (guint64, running time in nanoseconds)",
      g_param_spec_boxed("speaker", "Speaker", "One who talks", GST_TYPE_STRUCTURE, kReadable),
      kReadable);
  properties[PROP_STATS] = g_param_spec_boxed(
      "stats", "Statistics",
      "Counters since the start: slices, changes, time-jumps, buffers-without-meta; and "
      "participants known now",
      GST_TYPE_STRUCTURE, kReadable);
  g_object_class_install_properties(object_class, N_PROPERTIES, properties);

  gst_element_class_add_static_pad_template(element_class, &sink_template);
  gst_element_class_add_static_pad_template(element_class, &src_template);
  gst_element_class_set_static_metadata(
      element_class, "Active speaker detector", "Filter/Analyzer/Audio",
      "Tells who speaks in a room, from the RoomAudioMeta of its mix; never alters audio",
      "gst-plugins-egress");
}
