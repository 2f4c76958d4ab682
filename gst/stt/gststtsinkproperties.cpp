// SPDX-License-Identifier: LGPL-2.1-or-later
#include "gststtsinkproperties.h"

#include <algorithm>

namespace stt {

namespace {

constexpr const char* DEFAULT_ENGINE = "sherpa";
constexpr const char* DEFAULT_MODEL = "tiered";
constexpr gboolean DEFAULT_PARTIALS = TRUE;
constexpr guint DEFAULT_PARTIAL_INTERVAL_MS = 500;
constexpr guint DEFAULT_PRE_ROLL_MS = 300;
constexpr guint DEFAULT_END_SILENCE_MS = 400;
constexpr guint DEFAULT_MAX_UTTERANCE_MS = 15000;
constexpr guint DEFAULT_MAX_QUEUE_MS = 600000;
constexpr gboolean DEFAULT_USE_TRACKS = TRUE;
constexpr gboolean DEFAULT_APPEND = FALSE;
constexpr gboolean DEFAULT_FILE_PARTIALS = FALSE;
constexpr gboolean DEFAULT_LIVEKIT_CAPTIONS = FALSE;

enum StdoutFormat { STDOUT_TEXT, STDOUT_JSONL };

std::string text_of(const GValue* value) {
  const gchar* text = g_value_get_string(value);
  return text ? text : "";
}

}  // namespace

GType stdout_format_type() {
  static const GType type = [] {
    static const GEnumValue values[] = {
        {STDOUT_TEXT, "Live captions; on a terminal rewritten in place while they change", "text"},
        {STDOUT_JSONL, "JSON, one object a line", "jsonl"},
        {0, nullptr, nullptr}};
    return g_enum_register_static("GstSttSinkStdoutFormat", values);
  }();
  return type;
}

namespace {

void install_caption_properties(GObjectClass* object_class) {
  constexpr auto flags =
      GParamFlags(G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | GST_PARAM_MUTABLE_READY);
  constexpr auto secret =
      GParamFlags(G_PARAM_WRITABLE | G_PARAM_STATIC_STRINGS | GST_PARAM_MUTABLE_READY);
  g_object_class_install_property(
      object_class, PROP_LIVEKIT_CAPTIONS,
      g_param_spec_boolean("livekit-captions", "LiveKit captions",
                           "Send results into a LiveKit room, where front ends can show them",
                           DEFAULT_LIVEKIT_CAPTIONS, flags));
  const auto text = [object_class](guint id, const gchar* name, const gchar* nick,
                                   const gchar* blurb, GParamFlags access) {
    g_object_class_install_property(object_class, id,
                                    g_param_spec_string(name, nick, blurb, "", access));
  };
  text(PROP_LIVEKIT_URL, "livekit-url", "LiveKit URL",
       "LiveKit's server, as in wss://HOST (empty = LIVEKIT_URL of the environment)", flags);
  text(PROP_API_KEY, "api-key", "API key",
       "Key of LiveKit's API (empty = LIVEKIT_API_KEY of the environment)", flags);
  text(PROP_API_SECRET, "api-secret", "API secret",
       "Secret of that key (empty = LIVEKIT_API_SECRET of the environment)", secret);
  text(PROP_LIVEKIT_ROOM, "livekit-room", "LiveKit room",
       "Room that captions go to (empty = what room says)", flags);
}

}  // namespace

void install_properties(GObjectClass* object_class) {
  constexpr auto flags =
      GParamFlags(G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | GST_PARAM_MUTABLE_READY);
  auto install = [&](guint id, GParamSpec* spec) {
    g_object_class_install_property(object_class, id, spec);
  };
  install(PROP_ENGINE,
          g_param_spec_string("engine", "Engine", "Speech engine (sherpa)", DEFAULT_ENGINE, flags));
  install(PROP_MODEL,
          g_param_spec_string("model", "Model",
                              "Model of the engine (tiny = quick, base = fewer errors, tiered = "
                              "tiny for partials and base for finals)",
                              DEFAULT_MODEL, flags));
  install(PROP_SPEECH_DIR,
          g_param_spec_string("speech-dir", "Speech folder",
                              "Folder with runtime and models (empty = $ROOMAUDIO_SPEECH_DIR, else "
                              "where tools/setup put them)",
                              "", flags));
  install(PROP_PARTIALS, g_param_spec_boolean("partials", "Partials",
                                              "Tell what is understood while it is still said",
                                              DEFAULT_PARTIALS, flags));
  install(PROP_PARTIAL_INTERVAL,
          g_param_spec_uint("partial-interval", "Partial interval",
                            "Speech between two partials of an utterance, in milliseconds", 100,
                            60000, DEFAULT_PARTIAL_INTERVAL_MS, flags));
  install(PROP_PRE_ROLL,
          g_param_spec_uint("pre-roll", "Pre-roll",
                            "Audio before the detected start of speech that the engine gets too, "
                            "in milliseconds (0 = none)",
                            0, 2000, DEFAULT_PRE_ROLL_MS, flags));
  install(PROP_END_SILENCE, g_param_spec_uint("end-silence", "End silence",
                                              "Silence that ends an utterance, in milliseconds",
                                              100, 10000, DEFAULT_END_SILENCE_MS, flags));
  install(PROP_MAX_UTTERANCE,
          g_param_spec_uint("max-utterance", "Longest utterance",
                            "Longer speech is cut at a quiet place, in milliseconds", 2000, 30000,
                            DEFAULT_MAX_UTTERANCE_MS, flags));
  install(PROP_MAX_QUEUE,
          g_param_spec_uint("max-queue", "Longest queue",
                            "Audio of a pad that may wait for the engine, in milliseconds; beyond "
                            "it the oldest is lost, and counted in stats",
                            10000, 3600000, DEFAULT_MAX_QUEUE_MS, flags));
  install(PROP_USE_TRACKS,
          g_param_spec_boolean("use-tracks", "Use tracks",
                               "Transcribe the tracks that a mix carries (see egressmux) one by "
                               "one; off: the mix, cut where the speaker changes",
                               DEFAULT_USE_TRACKS, flags));
  install(PROP_LOCATION,
          g_param_spec_string("location", "Location",
                              "File to write, its format by extension: .jsonl .txt .vtt .srt "
                              "(- = standard output, empty = none)",
                              "", flags));
  install(PROP_LOCATIONS,
          gst_param_spec_array("locations", "Locations",
                               "More files to write, as location; gst-launch: \"<a.vtt, b.jsonl>\"",
                               g_param_spec_string("location", "Location", "One file", "", flags),
                               flags));
  install(PROP_APPEND, g_param_spec_boolean("append", "Append",
                                            "Add to files that exist instead of replacing them",
                                            DEFAULT_APPEND, flags));
  install(PROP_FILE_PARTIALS,
          g_param_spec_boolean("file-partials", "Partials in files",
                               "Write partials too where the format is JSON lines",
                               DEFAULT_FILE_PARTIALS, flags));
  install(PROP_STDOUT_FORMAT,
          g_param_spec_enum("stdout-format", "Format of standard output", "What location=- writes",
                            stdout_format_type(), STDOUT_TEXT, flags));
  install(PROP_ROOM, g_param_spec_string("room", "Room",
                                         "Name of the room in results (empty = none)", "", flags));
  install(PROP_LANGUAGE,
          g_param_spec_string("language", "Language",
                              "BCP 47 tag for results whose engine does not tell (empty = none)",
                              "", flags));
  install_caption_properties(object_class);
  install(PROP_STATS,
          g_param_spec_boxed("stats", "Statistics",
                             "Counters of all pads and an entry a pad; durations in nanoseconds",
                             GST_TYPE_STRUCTURE,
                             GParamFlags(G_PARAM_READABLE | G_PARAM_STATIC_STRINGS)));
}

bool set_property(SinkProperties& properties, guint id, const GValue* value) {
  SessionSettings& settings = properties.session;
  TranscriberConfig& speech = settings.transcriber;
  switch (id) {
    case PROP_ENGINE:
      settings.engine.engine = text_of(value);
      break;
    case PROP_MODEL:
      settings.engine.model = text_of(value);
      break;
    case PROP_SPEECH_DIR:
      settings.engine.speech_dir = text_of(value);
      break;
    case PROP_PARTIALS:
      speech.partials = g_value_get_boolean(value);
      break;
    case PROP_PARTIAL_INTERVAL:
      speech.partial_interval_ms = int(g_value_get_uint(value));
      break;
    case PROP_PRE_ROLL:
      speech.pre_roll_ms = int(g_value_get_uint(value));
      break;
    case PROP_END_SILENCE:
      speech.end_silence_ms = int(g_value_get_uint(value));
      break;
    case PROP_MAX_UTTERANCE:
      speech.max_utterance_ms = int(g_value_get_uint(value));
      break;
    case PROP_MAX_QUEUE:
      speech.max_queue_ms = int(g_value_get_uint(value));
      break;
    case PROP_LOCATION:
      properties.location = text_of(value);
      break;
    case PROP_LOCATIONS:
      properties.locations.clear();
      for (guint i = 0; i < gst_value_array_get_size(value); ++i) {
        const GValue* one = gst_value_array_get_value(value, i);
        if (G_VALUE_HOLDS_STRING(one)) properties.locations.push_back(text_of(one));
      }
      break;
    case PROP_APPEND:
      settings.output_options.append = g_value_get_boolean(value);
      break;
    case PROP_FILE_PARTIALS:
      settings.output_options.partials = g_value_get_boolean(value);
      break;
    case PROP_STDOUT_FORMAT:
      settings.stdout_json = g_value_get_enum(value) == STDOUT_JSONL;
      break;
    case PROP_ROOM:
      settings.room = valid_utf8(text_of(value));
      break;
    case PROP_LIVEKIT_CAPTIONS:
      settings.captions.enabled = g_value_get_boolean(value);
      break;
    case PROP_LIVEKIT_URL:
      settings.captions.access.url = text_of(value);
      break;
    case PROP_API_KEY:
      settings.captions.access.credentials.key = text_of(value);
      break;
    case PROP_API_SECRET:
      settings.captions.access.credentials.secret = text_of(value);
      break;
    case PROP_LIVEKIT_ROOM:
      settings.captions.room = valid_utf8(text_of(value));
      break;
    case PROP_USE_TRACKS:
      settings.use_tracks = g_value_get_boolean(value);
      break;
    case PROP_LANGUAGE:
      settings.language = valid_utf8(text_of(value));
      break;
    default:
      return false;
  }
  return true;
}

bool get_property(const SinkProperties& properties, guint id, GValue* value) {
  const SessionSettings& settings = properties.session;
  const TranscriberConfig& speech = settings.transcriber;
  switch (id) {
    case PROP_ENGINE:
      g_value_set_string(value, settings.engine.engine.c_str());
      break;
    case PROP_MODEL:
      g_value_set_string(value, settings.engine.model.c_str());
      break;
    case PROP_SPEECH_DIR:
      g_value_set_string(value, settings.engine.speech_dir.c_str());
      break;
    case PROP_PARTIALS:
      g_value_set_boolean(value, speech.partials);
      break;
    case PROP_PARTIAL_INTERVAL:
      g_value_set_uint(value, guint(speech.partial_interval_ms));
      break;
    case PROP_PRE_ROLL:
      g_value_set_uint(value, guint(speech.pre_roll_ms));
      break;
    case PROP_END_SILENCE:
      g_value_set_uint(value, guint(speech.end_silence_ms));
      break;
    case PROP_MAX_UTTERANCE:
      g_value_set_uint(value, guint(speech.max_utterance_ms));
      break;
    case PROP_MAX_QUEUE:
      g_value_set_uint(value, guint(speech.max_queue_ms));
      break;
    case PROP_LOCATION:
      g_value_set_string(value, properties.location.c_str());
      break;
    case PROP_LOCATIONS:
      for (const std::string& location : properties.locations) {
        GValue one = G_VALUE_INIT;
        g_value_init(&one, G_TYPE_STRING);
        g_value_set_string(&one, location.c_str());
        gst_value_array_append_and_take_value(value, &one);
      }
      break;
    case PROP_APPEND:
      g_value_set_boolean(value, settings.output_options.append);
      break;
    case PROP_FILE_PARTIALS:
      g_value_set_boolean(value, settings.output_options.partials);
      break;
    case PROP_STDOUT_FORMAT:
      g_value_set_enum(value, settings.stdout_json ? STDOUT_JSONL : STDOUT_TEXT);
      break;
    case PROP_ROOM:
      g_value_set_string(value, settings.room.c_str());
      break;
    case PROP_LIVEKIT_CAPTIONS:
      g_value_set_boolean(value, settings.captions.enabled);
      break;
    case PROP_LIVEKIT_URL:
      g_value_set_string(value, settings.captions.access.url.c_str());
      break;
    case PROP_API_KEY:
      g_value_set_string(value, settings.captions.access.credentials.key.c_str());
      break;
    case PROP_LIVEKIT_ROOM:
      g_value_set_string(value, settings.captions.room.c_str());
      break;
    case PROP_USE_TRACKS:
      g_value_set_boolean(value, settings.use_tracks);
      break;
    case PROP_LANGUAGE:
      g_value_set_string(value, settings.language.c_str());
      break;
    default:
      return false;
  }
  return true;
}

SessionSettings session_settings(const SinkProperties& properties) {
  SessionSettings settings = properties.session;
  if (settings.captions.room.empty()) settings.captions.room = settings.room;
  std::vector<std::string>& all = settings.locations;
  if (!properties.location.empty()) all.push_back(properties.location);
  for (const std::string& location : properties.locations) {
    if (std::find(all.begin(), all.end(), location) == all.end()) all.push_back(location);
  }
  return settings;
}

GstStructure* to_structure(const SessionStats& stats) {
  return gst_structure_new(
      "application/x-sttsink-stats", "inputs", G_TYPE_UINT64, guint64(stats.inputs), "inputs-seen",
      G_TYPE_UINT64, guint64(stats.inputs_seen), "engine-ready", G_TYPE_BOOLEAN,
      gboolean(stats.engine_ready), "transcripts", G_TYPE_UINT64, guint64(stats.transcripts),
      "partials", G_TYPE_UINT64, guint64(stats.speech.partials), "partials-dropped", G_TYPE_UINT64,
      guint64(stats.speech.partials_dropped), "finals", G_TYPE_UINT64, guint64(stats.speech.finals),
      "finals-dropped", G_TYPE_UINT64, guint64(stats.speech.finals_dropped), "lost", G_TYPE_UINT64,
      guint64(stats.speech.lost_ns), "queued", G_TYPE_UINT64, guint64(stats.speech.queued_ns),
      "finals-by-fallback", G_TYPE_UINT64, guint64(stats.speech.finals_by_fallback), "speculations",
      G_TYPE_UINT64, guint64(stats.speech.speculations), "speculations-used", G_TYPE_UINT64,
      guint64(stats.speech.speculations_used), "write-failures", G_TYPE_UINT64,
      guint64(stats.write_failures), "writes-lost", G_TYPE_UINT64, guint64(stats.writes_lost),
      "captions-sent", G_TYPE_UINT64, guint64(stats.captions.sent), "captions-waiting",
      G_TYPE_UINT64, guint64(stats.captions.waiting), "caption-partials-replaced", G_TYPE_UINT64,
      guint64(stats.captions.partials_replaced), "caption-partials-dropped", G_TYPE_UINT64,
      guint64(stats.captions.partials_dropped), "caption-finals-dropped", G_TYPE_UINT64,
      guint64(stats.captions.finals_dropped), nullptr);
}

}  // namespace stt
