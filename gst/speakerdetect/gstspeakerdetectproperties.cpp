// SPDX-License-Identifier: LGPL-2.1-or-later
// What an application sets and reads.
#include "gstspeakerdetectprivate.h"

using speakerdetect::Speaker;

namespace {

constexpr guint MAX_TIMEOUT_MS = 3600 * 1000;
constexpr guint MAX_MAX_VOICES = 200;

enum {
  PROP_0,
  PROP_SILENCE_TIMEOUT,
  PROP_SPEAKERS_INTERVAL,
  PROP_FIND_VOICES,
  PROP_MAX_VOICES,
  PROP_VOICES,
  PROP_VOICES_MODEL,
  PROP_LEARN_VOICES,
  PROP_SPEECH_DIR,
  PROP_CHANNELS,
  PROP_CHANNEL_NAMES,
  PROP_ACTIVE_SPEAKER,
  PROP_ACTIVE_SPEAKER_NAME,
  PROP_SPEAKERS,
  PROP_STATS,
  N_PROPERTIES
};
GParamSpec* properties[N_PROPERTIES];

GType channels_type() {
  static const GEnumValue values[] = {
      {SPEAKER_DETECT_CHANNELS_MIX, "All channels are one mix", "mix"},
      {SPEAKER_DETECT_CHANNELS_SPEAKERS, "Each channel is a person of its own", "speakers"},
      {0, nullptr, nullptr},
  };
  static const GType type = g_enum_register_static("GstSpeakerDetectChannels", values);
  return type;
}

std::string string_of(const GValue* value) {
  const gchar* text = g_value_get_string(value);
  return text ? text : "";
}

std::vector<std::string> strings_of(const GValue* value) {
  std::vector<std::string> strings;
  for (guint i = 0; i < gst_value_array_get_size(value); ++i) {
    strings.push_back(string_of(gst_value_array_get_value(value, i)));
  }
  return strings;
}

void put_strings(GValue* value, const std::vector<std::string>& strings) {
  for (const std::string& string : strings) {
    GValue entry = G_VALUE_INIT;
    g_value_init(&entry, G_TYPE_STRING);
    g_value_set_string(&entry, string.c_str());
    gst_value_array_append_and_take_value(value, &entry);
  }
}

}  // namespace

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
    case PROP_FIND_VOICES:
      priv->find_voices = g_value_get_boolean(value);
      break;
    case PROP_MAX_VOICES:
      priv->mix_settings.max_voices = g_value_get_uint(value);
      break;
    case PROP_VOICES:
      priv->mix_settings.voices = string_of(value);
      break;
    case PROP_VOICES_MODEL:
      priv->mix_settings.voices_model = string_of(value);
      break;
    case PROP_LEARN_VOICES:
      priv->learn_voices = string_of(value);
      break;
    case PROP_SPEECH_DIR:
      priv->mix_settings.speech_dir = string_of(value);
      break;
    case PROP_CHANNELS:
      priv->channels = SpeakerDetectChannels(g_value_get_enum(value));
      break;
    case PROP_CHANNEL_NAMES:
      priv->channel_names = strings_of(value);
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
    case PROP_FIND_VOICES:
      g_value_set_boolean(value, priv->find_voices);
      break;
    case PROP_MAX_VOICES:
      g_value_set_uint(value, guint(priv->mix_settings.max_voices));
      break;
    case PROP_VOICES:
      g_value_set_string(value, priv->mix_settings.voices.c_str());
      break;
    case PROP_VOICES_MODEL:
      g_value_set_string(value, priv->mix_settings.voices_model.c_str());
      break;
    case PROP_LEARN_VOICES:
      g_value_set_string(value, priv->learn_voices.c_str());
      break;
    case PROP_SPEECH_DIR:
      g_value_set_string(value, priv->mix_settings.speech_dir.c_str());
      break;
    case PROP_CHANNELS:
      g_value_set_enum(value, priv->channels);
      break;
    case PROP_CHANNEL_NAMES:
      put_strings(value, priv->channel_names);
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
                                   G_TYPE_UINT64, priv->known_participants, "stretches",
                                   G_TYPE_UINT64, guint64(priv->mix_state.stretches), "lost",
                                   G_TYPE_UINT64, guint64(priv->lost_ns), nullptr));
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID(object, id, pspec);
  }
}

void gst_speaker_detect_install_properties(GObjectClass* object_class) {
  object_class->set_property = gst_speaker_detect_set_property;
  object_class->get_property = gst_speaker_detect_get_property;
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
      0, MAX_TIMEOUT_MS, SPEAKER_DETECT_DEFAULT_SILENCE_TIMEOUT_MS, kSettable);
  /**
   * GstSpeakerDetect:speakers-interval:
   *
   * Posts active-speaker messages also between changes, with the levels of all who talk.
   */
  properties[PROP_SPEAKERS_INTERVAL] = g_param_spec_uint(
      "speakers-interval", "Speakers interval",
      "How often to post who talks how loud while somebody talks, in milliseconds (0 = only when "
      "the active speaker changes)",
      0, MAX_TIMEOUT_MS, SPEAKER_DETECT_DEFAULT_SPEAKERS_INTERVAL_MS, kSettable);
  constexpr auto kBefore =
      GParamFlags(G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | GST_PARAM_MUTABLE_READY);
  /**
   * GstSpeakerDetect:find-voices:
   *
   * Where no RoomAudioMeta tells who is in a mix, find out who speaks by the voices.
   */
  properties[PROP_FIND_VOICES] = g_param_spec_boolean(
      "find-voices", "Find voices",
      "Tell voices apart where the stream has no RoomAudioMeta: speaker-1, speaker-2 and so on, or "
      "as in voices; off: such a stream just passes",
      SPEAKER_DETECT_DEFAULT_FIND_VOICES, kBefore);
  /**
   * GstSpeakerDetect:max-voices:
   *
   * Whoever knows how many people take part helps by saying so.
   */
  properties[PROP_MAX_VOICES] = g_param_spec_uint(
      "max-voices", "Most voices",
      "How many voices to tell apart at most; more people are taken for those they are most like",
      1, MAX_MAX_VOICES, SPEAKER_DETECT_DEFAULT_MAX_VOICES, kBefore);
  /**
   * GstSpeakerDetect:voices:
   *
   * A folder with a recording of each known person, 10 s or more of speech: alice.wav is alice.
   */
  properties[PROP_VOICES] = g_param_spec_string(
      "voices", "Voices",
      "Folder of recordings of single people, named after them: alice.wav, bob.ogg (empty = none)",
      "", kBefore);
  /**
   * GstSpeakerDetect:voices-model:
   *
   * Any speaker embedding model that sherpa-onnx takes (WeSpeaker, 3D-Speaker, NeMo).
   */
  properties[PROP_VOICES_MODEL] = g_param_spec_string(
      "voices-model", "Voices model",
      "Speaker embedding model in ONNX format, as sherpa-onnx takes them (empty = the one that "
      "tools/setup installs)",
      "", kBefore);
  /**
   * GstSpeakerDetect:learn-voices:
   *
   * Where tracks have names, what their people sound like is kept for #GstSpeakerDetect:voices.
   */
  properties[PROP_LEARN_VOICES] = g_param_spec_string(
      "learn-voices", "Learn voices",
      "Folder to keep the voices of named tracks in, to be known in a mix by voices (empty = "
      "nothing is kept)",
      "", kBefore);
  properties[PROP_SPEECH_DIR] = g_param_spec_string(
      "speech-dir", "Speech folder",
      "Folder with runtime and models (empty = $ROOMAUDIO_SPEECH_DIR, else where tools/setup put "
      "them)",
      "", kBefore);
  /**
   * GstSpeakerDetect:channels:
   *
   * LiveKit can route participants to the left and the right channel of one stream.
   */
  properties[PROP_CHANNELS] =
      g_param_spec_enum("channels", "Channels", "What the channels of the stream are",
                        channels_type(), SPEAKER_DETECT_DEFAULT_CHANNELS, kBefore);
  properties[PROP_CHANNEL_NAMES] = gst_param_spec_array(
      "channel-names", "Channel names",
      "Who is on each channel with channels=speakers, in order; gst-launch: \"<alice, bob>\" "
      "(empty = left, right)",
      g_param_spec_string("channel-name", "Channel name", "Who is on a channel", "", kBefore),
      kBefore);
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
      "participants known now; of a mix also stretches of speech listened to, and audio lost to "
      "them as the machine was too slow, in nanoseconds",
      GST_TYPE_STRUCTURE, kReadable);
  g_object_class_install_properties(object_class, N_PROPERTIES, properties);
}
