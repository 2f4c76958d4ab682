// SPDX-License-Identifier: LGPL-2.1-or-later
#include "options.h"

#include <glib.h>

#include <map>

namespace egresssim {
namespace {

const char kSummary[] =
    "Plays LiveKit's egress in real time: track egress, one WebSocket connection a participant, "
    "byte "
    "for byte; or room composite, one mix a room, by RTMP or into files.";

const char kDescription[] = R"(What is played, one of:
  --scenario FILE   rooms, people, clips, mutes and faults; docs/egress-sim.md describes the format
  --speak ...       a room put together on the command line:
                      alice=hello.wav@1.0               a file, from second 1.0
                      alice=hello.wav@1.0:Hello Bob.    with what is said, for --stm
                      bob=voice:rms@2.5:Hello Alice.    a sentence said by flite's voice rms
  --capture DIR     recorded traffic (manifest.json, NAME.frames.jsonl, NAME.payload.bin)
  none of them      --rooms times --participants talkers of a speech-like load signal

Room composite (one of these instead of the WebSockets):
  --composite       by RTMP to rtmp://127.0.0.1:1935/live/{room}
  --rtmp URL, --mp4 FILE, --ogg FILE, --hls FOLDER, --wav FILE
                    RTMP in real time; files at once, or in real time with --live

LiveKit's side of the API (instead of dialling by itself):
  --control [ADDRESS:]PORT   answers LiveKit's egress API and dials where it is told to; without
                    --upstream it also knows who is in the rooms: those of the scenario, which
                    starts with the first call
  --fault KIND@FROM[:SECONDS][=WHO]   unavailable, fail, no-dial, kill, lose, kill-after, delay, hang, down

In URL, FILE and FOLDER {room} stands for the room's name; in the WebSocket's URL also {identity},
{track}, {name} and {token} for the connection's own.

Examples:
  egress-sim --url ws://127.0.0.1:9000/{room}/{identity}/{track} --speak alice=hello.wav@1.0
  egress-sim --scenario meeting.json --stm truth.stm --rttm truth.rttm --wait 10
  egress-sim --rooms 100 --participants 5 --duration 30 --profile low-latency
  egress-sim --capture two-participants --url ws://127.0.0.1:9000 --only alice
  egress-sim --scenario meeting.json --rtmp rtmp://127.0.0.1/live/{room} --stm truth.stm
  egress-sim --scenario meeting.json --hls /var/www/standup --live --playlist-length 5
  egress-sim --scenario meeting.json --control 7880 --webhook http://127.0.0.1:9000/livekit/webhook

Exit status: 0 all was sent, 1 a connection was refused or ended early, 2 wrong usage or scenario.
)";

struct Raw {
  gchar* url = nullptr;
  gchar* token = nullptr;
  gchar* scenario = nullptr;
  gchar* room = nullptr;
  gchar** speak = nullptr;
  gchar* profile = nullptr;
  gchar* format = nullptr;
  gchar* ca = nullptr;
  gchar* cache = nullptr;
  gchar* stm = nullptr;
  gchar* rttm = nullptr;
  gchar* times = nullptr;
  gchar* summary = nullptr;
  gchar* capture = nullptr;
  gchar** only = nullptr;
  gchar* rtmp = nullptr;
  gchar* mp4 = nullptr;
  gchar* ogg = nullptr;
  gchar* hls = nullptr;
  gchar* wav = nullptr;
  gchar** stalls = nullptr;
  gchar* control = nullptr;
  gchar* api_key = nullptr;
  gchar* api_secret = nullptr;
  gchar* upstream = nullptr;
  gchar** webhooks = nullptr;
  gchar* data_log = nullptr;
  gchar** faults = nullptr;
  gint playlist_length = 0;
  gdouble segment_s = 4;
  gboolean composite = FALSE;
  gboolean fragmented = FALSE;
  gboolean live = FALSE;
  gboolean no_mute_stall = FALSE;
  gboolean no_dtx_gaps = FALSE;
  gboolean version = FALSE;
  gboolean insecure = FALSE;
  gboolean check = FALSE;
  gboolean verbose = FALSE;

  ~Raw() {
    for (gchar* text : {url, token, scenario, room,    profile,    format,   ca,      cache,
                        stm, rttm,  times,    summary, capture,    rtmp,     mp4,     ogg,
                        hls, wav,   control,  api_key, api_secret, upstream, data_log})
      g_free(text);
    for (gchar** list : {speak, only, stalls, webhooks, faults}) g_strfreev(list);
  }
};

void take(std::string& target, const gchar* value) {
  if (value != nullptr) target = value;
}

std::vector<std::string> take_list(gchar** list) {
  std::vector<std::string> result;
  for (gchar** text = list; text != nullptr && *text != nullptr; ++text) result.push_back(*text);
  return result;
}

std::string check_options(const Options& o, const Raw& raw) {
  if (!o.profile.empty() && o.profile != "default" && o.profile != "low-latency")
    return "--profile is default or low-latency, not " + o.profile;
  if (!o.format.empty() && o.format != "pcm" && o.format != "opus")
    return "--format is pcm or opus, not " + o.format;
  if (raw.times != nullptr && std::string(raw.times) != "sent" &&
      std::string(raw.times) != "spoken")
    return "--times is sent or spoken, not " + std::string(raw.times);
  if (!o.ca_file.empty() && !g_file_test(o.ca_file.c_str(), G_FILE_TEST_IS_REGULAR))
    return "--ca: there is no file " + o.ca_file;
  if (o.speed <= 0 || o.copies < 1) return "--speed and --copies must be above 0";
  if (o.rooms < 0 || o.participants < 0 || o.duration_s <= 0)
    return "--rooms, --participants and --duration must be above 0";
  if (o.jitter_ms < 0 || o.dial_interval_ms < 0 || o.wait_s < 0)
    return "--jitter-ms, --dial-interval-ms and --wait must not be negative";
  const int sources = (o.scenario_file.empty() ? 0 : 1) + (o.speak.empty() ? 0 : 1) +
                      (raw.capture != nullptr ? 1 : 0);
  if (sources > 1) return "give only one of --scenario, --speak and --capture";
  if (!o.only.empty() && o.capture_folder.empty()) return "--only goes with --capture";
  if (o.composite && raw.capture != nullptr) return "--capture is track egress: no --composite";
  if (o.composite && raw.url != nullptr) return "--url is track egress; a composite has --rtmp";
  if (!o.composite && (raw.live || raw.fragmented || raw.stalls != nullptr || raw.no_mute_stall ||
                       raw.no_dtx_gaps || raw.playlist_length > 0))
    return "--live, --fragmented, --stall, --playlist-length and --no-... go with a composite";
  if (!o.control && (raw.upstream != nullptr || raw.webhooks != nullptr ||
                     raw.data_log != nullptr || raw.faults != nullptr))
    return "--upstream, --webhook, --data-log and --fault go with --control";
  if (o.control && (o.composite || raw.capture != nullptr || raw.url != nullptr))
    return "--control is told where to dial: no --url, --capture or composite";
  if (o.control && (o.format == "opus" || o.receiver_start_s > 0))
    return "--format opus and --receiver-start do not go with --control";
  if (raw.playlist_length < 0 || raw.segment_s < 1)
    return "--segment is at least 1 and --playlist-length not negative";
  return {};
}

// Which composite is asked for, if any.
std::string take_composite(const Raw& raw, Options& o) {
  const std::pair<CompositeKind, const gchar*> targets[] = {{CompositeKind::kRtmp, raw.rtmp},
                                                            {CompositeKind::kMp4, raw.mp4},
                                                            {CompositeKind::kOgg, raw.ogg},
                                                            {CompositeKind::kHls, raw.hls},
                                                            {CompositeKind::kWav, raw.wav}};
  for (const auto& [kind, where] : targets) {
    if (where == nullptr) continue;
    if (o.composite) return "give only one of --rtmp, --mp4, --ogg, --hls and --wav";
    o.composite.emplace();
    o.composite->kind = kind;
    o.composite->where = where;
  }
  if (!o.composite && raw.composite) {
    o.composite.emplace();
    o.composite->where = "rtmp://127.0.0.1:1935/live/{room}";
  }
  if (!o.composite) return {};
  o.composite->live = raw.live || o.composite->kind == CompositeKind::kRtmp;
  o.composite->fragmented = raw.fragmented != FALSE;
  o.composite->segment_s = raw.segment_s;
  o.composite->playlist_length = raw.playlist_length;
  o.composite_timing.stall_on_mute = raw.no_mute_stall == FALSE;
  o.composite_timing.dtx_gaps = raw.no_dtx_gaps == FALSE;
  for (const std::string& text : take_list(raw.stalls)) {
    std::string error;
    if (!parse_stall(text, o.stalls.emplace_back(), error)) return error;
  }
  return {};
}

std::string take_control(const Raw& raw, Options& o) {
  if (raw.control == nullptr) return {};
  ControlOptions& control = o.control.emplace();
  std::string where = raw.control;
  if (const size_t colon = where.rfind(':'); colon != where.npos) {
    control.address = where.substr(0, colon);
    where = where.substr(colon + 1);
  }
  guint64 port = 0;
  if (!g_ascii_string_to_unsigned(where.c_str(), 10, 1, 65535, &port, nullptr))
    return "--control is PORT or ADDRESS:PORT, not " + std::string(raw.control);
  control.port = static_cast<uint16_t>(port);
  const auto given_or_environment = [](const gchar* given, const char* variable) {
    const gchar* text = given != nullptr ? given : g_getenv(variable);
    return std::string(text != nullptr ? text : "");
  };
  control.api_key = given_or_environment(raw.api_key, "LIVEKIT_API_KEY");
  control.api_secret = given_or_environment(raw.api_secret, "LIVEKIT_API_SECRET");
  if (control.api_key.empty() || control.api_secret.empty())
    return "--control needs --api-key and --api-secret (or LIVEKIT_API_KEY, LIVEKIT_API_SECRET)";
  take(control.upstream, raw.upstream);
  take(control.data_log, raw.data_log);
  control.webhooks = take_list(raw.webhooks);
  for (const std::string& text : take_list(raw.faults)) {
    std::string error;
    auto fault = parse_fault(text, 0, error);
    if (!fault) return error;
    control.faults.push_back(std::move(*fault));
  }
  return {};
}

}  // namespace

std::optional<Options> parse_options(int argc, char** argv, int& exit_code, std::string& message) {
  Options o;
  Raw raw;
  const GOptionEntry entries[] = {
      {"url", 'u', 0, G_OPTION_ARG_STRING, &raw.url,
       "where to connect (default ws://127.0.0.1:9000/{room}/{identity}/{track}?name={name})",
       "TEMPLATE"},
      {"token", 0, 0, G_OPTION_ARG_STRING, &raw.token, "what {token} stands for", "TEXT"},
      {"scenario", 's', 0, G_OPTION_ARG_FILENAME, &raw.scenario, "play this scenario", "FILE"},
      {"room", 0, 0, G_OPTION_ARG_STRING, &raw.room, "room's name with --speak or talkers", "NAME"},
      {"speak", 0, 0, G_OPTION_ARG_STRING_ARRAY, &raw.speak,
       "who speaks what when; may be repeated", "ID=SOURCE@SECOND[:TEXT]"},
      {"rooms", 0, 0, G_OPTION_ARG_INT, &o.rooms, "play N copies of the room(s)", "N"},
      {"participants", 0, 0, G_OPTION_ARG_INT, &o.participants, "with exactly N people each", "N"},
      {"duration", 0, 0, G_OPTION_ARG_DOUBLE, &o.duration_s,
       "how long talkers stay, in seconds (default 10)", "S"},
      {"profile", 0, 0, G_OPTION_ARG_STRING, &raw.profile,
       "egress settings: default (2.8 s late) or low-latency (0.29 s)", "NAME"},
      {"latency-ms", 0, 0, G_OPTION_ARG_DOUBLE, &o.latency_ms,
       "from the upgrade to the first message, in ms, instead of the profile's 2800 or 250", "MS"},
      {"format", 0, 0, G_OPTION_ARG_STRING, &raw.format,
       "pcm (default: audio/x-raw, as LiveKit) or opus (audio/x-opus, 20 ms packets)", "NAME"},
      {"seed", 0, 0, G_OPTION_ARG_INT, &o.seed, "seed of all that is drawn by chance", "N"},
      {"clock-ppm", 0, 0, G_OPTION_ARG_DOUBLE, &o.clock_ppm,
       "every participant's clock runs that much faster, in parts per million", "PPM"},
      {"jitter-ms", 0, 0, G_OPTION_ARG_DOUBLE, &o.jitter_ms,
       "every message comes 0..MS late by chance", "MS"},
      {"dial-interval-ms", 0, 0, G_OPTION_ARG_DOUBLE, &o.dial_interval_ms,
       "pause between connections that are due at the same moment (default 1)", "MS"},
      {"wait", 0, 0, G_OPTION_ARG_DOUBLE, &o.wait_s,
       "wait up to S seconds for the receiver to listen", "S"},
      {"insecure", 0, 0, G_OPTION_ARG_NONE, &raw.insecure, "wss, https: accept any certificate",
       nullptr},
      {"ca", 0, 0, G_OPTION_ARG_FILENAME, &raw.ca,
       "wss, https: trust the authorities in this PEM file", "FILE"},
      {"cache", 0, 0, G_OPTION_ARG_FILENAME, &raw.cache,
       "folder for synthesised sentences (default: in the user's cache)", "DIR"},
      {"stm", 0, 0, G_OPTION_ARG_FILENAME, &raw.stm,
       "write who said what when, for word error rates (- = stdout)", "FILE"},
      {"rttm", 0, 0, G_OPTION_ARG_FILENAME, &raw.rttm, "write who spoke when (- = stdout)", "FILE"},
      {"times", 0, 0, G_OPTION_ARG_STRING, &raw.times,
       "in these files: sent (default: when the audio leaves here) or spoken (the scenario's)",
       "WHICH"},
      {"receiver-start", 0, 0, G_OPTION_ARG_DOUBLE, &o.receiver_start_s,
       "Unix time of the receiver's running time 0: the files then hold running times", "UNIX"},
      {"summary", 0, 0, G_OPTION_ARG_FILENAME, &raw.summary,
       "write the JSON summary here instead of to stdout", "FILE"},
      {"capture", 0, 0, G_OPTION_ARG_FILENAME, &raw.capture, "play recorded traffic", "DIR"},
      {"only", 0, 0, G_OPTION_ARG_STRING_ARRAY, &raw.only,
       "with --capture: only this connection; may be repeated", "NAME"},
      {"copies", 0, 0, G_OPTION_ARG_INT, &o.copies, "with --capture: play it N times at once", "N"},
      {"speed", 0, 0, G_OPTION_ARG_DOUBLE, &o.speed, "with --capture: X times as fast", "X"},
      {"check", 0, 0, G_OPTION_ARG_NONE, &raw.check,
       "read everything, write --stm and --rttm, connect nowhere", nullptr},
      {"control", 0, 0, G_OPTION_ARG_STRING, &raw.control,
       "answer LiveKit's API there, and dial where it is asked to", "[ADDRESS:]PORT"},
      {"api-key", 0, 0, G_OPTION_ARG_STRING, &raw.api_key,
       "with --control: key of the API (default LIVEKIT_API_KEY)", "TEXT"},
      {"api-secret", 0, 0, G_OPTION_ARG_STRING, &raw.api_secret,
       "with --control: its secret (default LIVEKIT_API_SECRET)", "TEXT"},
      {"upstream", 0, 0, G_OPTION_ARG_STRING, &raw.upstream,
       "with --control: all but the egress API goes on to this LiveKit server", "URL"},
      {"webhook", 0, 0, G_OPTION_ARG_STRING_ARRAY, &raw.webhooks,
       "with --control: where webhooks go; may be repeated", "URL"},
      {"data-log", 0, 0, G_OPTION_ARG_FILENAME, &raw.data_log,
       "with --control: write what SendData sends here instead of to stdout", "FILE"},
      {"fault", 0, 0, G_OPTION_ARG_STRING_ARRAY, &raw.faults,
       "with --control: something goes wrong; may be repeated", "KIND@FROM[:SECONDS][=WHO]"},
      {"composite", 0, 0, G_OPTION_ARG_NONE, &raw.composite,
       "room composite by RTMP to rtmp://127.0.0.1:1935/live/{room}", nullptr},
      {"rtmp", 0, 0, G_OPTION_ARG_STRING, &raw.rtmp, "room composite by RTMP to URL", "URL"},
      {"mp4", 0, 0, G_OPTION_ARG_FILENAME, &raw.mp4, "room composite as MP4 (AAC)", "FILE"},
      {"fragmented", 0, 0, G_OPTION_ARG_NONE, &raw.fragmented, "with --mp4: in fragments of 1 s",
       nullptr},
      {"ogg", 0, 0, G_OPTION_ARG_FILENAME, &raw.ogg, "room composite as Ogg (Opus)", "FILE"},
      {"hls", 0, 0, G_OPTION_ARG_FILENAME, &raw.hls,
       "room composite as HLS: playlist.m3u8 and segments in FOLDER", "FOLDER"},
      {"wav", 0, 0, G_OPTION_ARG_FILENAME, &raw.wav, "the mix itself, as WAV, to compare with",
       "FILE"},
      {"segment", 0, 0, G_OPTION_ARG_DOUBLE, &raw.segment_s,
       "with --hls: length of a segment (default 4)", "S"},
      {"playlist-length", 0, 0, G_OPTION_ARG_INT, &raw.playlist_length,
       "with --hls: list only the last N segments (default 0 = all)", "N"},
      {"live", 0, 0, G_OPTION_ARG_NONE, &raw.live, "write files in real time too", nullptr},
      {"stall", 0, 0, G_OPTION_ARG_STRING_ARRAY, &raw.stalls,
       "nothing leaves for S seconds from second AT, then the backlog; may be repeated", "AT:S"},
      {"no-mute-stall", 0, 0, G_OPTION_ARG_NONE, &raw.no_mute_stall,
       "a muted participant does not hold the mix up", nullptr},
      {"no-dtx-gaps", 0, 0, G_OPTION_ARG_NONE, &raw.no_dtx_gaps, "nor does a silent one", nullptr},
      {"verbose", 'v', 0, G_OPTION_ARG_NONE, &raw.verbose, "say what every connection does",
       nullptr},
      {"version", 0, 0, G_OPTION_ARG_NONE, &raw.version, "print the version", nullptr},
      {nullptr, 0, 0, G_OPTION_ARG_NONE, nullptr, nullptr, nullptr},
  };
  g_autoptr(GOptionContext) context = g_option_context_new(nullptr);
  g_option_context_set_summary(context, kSummary);
  g_option_context_set_description(context, kDescription);
  g_option_context_add_main_entries(context, entries, nullptr);
  g_autoptr(GError) error = nullptr;
  const bool parsed = g_option_context_parse(context, &argc, &argv, &error) != FALSE;
  exit_code = 2;
  const auto fail = [&](const std::string& text) {
    message = text + "; --help lists the options";
    return std::nullopt;
  };
  if (!parsed) return fail(error->message);
  if (argc > 1)
    return fail(std::string("what is \"") + argv[1] + "\"? every argument is an option");
  if (raw.version) {
    exit_code = 0;
    g_print("egress-sim %s\n", PACKAGE_VERSION);
    return std::nullopt;
  }
  take(o.url, raw.url);
  take(o.token, raw.token);
  take(o.scenario_file, raw.scenario);
  take(o.room, raw.room);
  take(o.profile, raw.profile);
  take(o.format, raw.format);
  take(o.ca_file, raw.ca);
  take(o.stm_file, raw.stm);
  take(o.rttm_file, raw.rttm);
  take(o.summary_file, raw.summary);
  take(o.capture_folder, raw.capture);
  g_autofree gchar* cache =
      g_build_filename(g_get_user_cache_dir(), "gst-plugins-egress", "speech-clips", nullptr);
  take(o.cache_folder, cache);
  take(o.cache_folder, raw.cache);
  o.speak = take_list(raw.speak);
  o.only = take_list(raw.only);
  o.times_sent = raw.times == nullptr || std::string(raw.times) != "spoken";
  o.insecure = raw.insecure != FALSE;
  o.check = raw.check != FALSE;
  o.verbose = raw.verbose != FALSE;
  std::string wrong = take_composite(raw, o);
  if (wrong.empty()) wrong = take_control(raw, o);
  if (wrong.empty()) wrong = check_options(o, raw);
  if (!wrong.empty()) return fail(wrong);
  return o;
}

bool parse_stall(const std::string& text, Stall& stall, std::string& error) {
  gchar* colon = nullptr;
  gchar* end = nullptr;
  stall.from_s = g_ascii_strtod(text.c_str(), &colon);
  if (colon != text.c_str() && *colon == ':') {
    const double duration_s = g_ascii_strtod(colon + 1, &end);
    stall.to_s = stall.from_s + duration_s;
    if (end != colon + 1 && *end == '\0' && stall.from_s >= 0 && duration_s > 0) return true;
  }
  error = "--stall " + text + ": not of the form SECOND:DURATION, as 12.5:4";
  return false;
}

bool parse_speak(const std::string& text, std::string& identity, Clip& clip, std::string& error) {
  g_autoptr(GRegex) form = g_regex_new(R"(^([^=]+)=(.+?)@([0-9]+(?:\.[0-9]+)?)(?::(.*))?$)",
                                       G_REGEX_DOTALL, GRegexMatchFlags(0), nullptr);
  g_autoptr(GMatchInfo) parts = nullptr;
  if (!g_regex_match(form, text.c_str(), GRegexMatchFlags(0), &parts)) {
    error = "--speak " + text +
            ": not of the form IDENTITY=FILE@SECOND or IDENTITY=voice:NAME@SECOND:TEXT";
    return false;
  }
  const auto part = [&](int number) {
    g_autofree gchar* value = g_match_info_fetch(parts, number);
    return std::string(value != nullptr ? value : "");
  };
  identity = part(1);
  const std::string source = part(2);
  clip = Clip{};
  if (source.rfind("voice:", 0) == 0) {
    clip.voice = source.substr(6);
  } else {
    clip.file = source;
  }
  clip.pitch = 1;
  clip.at_s = g_ascii_strtod(part(3).c_str(), nullptr);
  clip.text = part(4);
  return true;
}

std::optional<Scenario> scenario_from_options(const Options& options, std::string& error) {
  std::optional<Scenario> scenario;
  if (!options.scenario_file.empty()) {
    scenario = load_scenario(options.scenario_file, error);
    if (!scenario) return std::nullopt;
  } else {
    scenario.emplace();
    Room room;
    room.name = options.room;
    for (const std::string& text : options.speak) {
      std::string identity;
      Clip clip;
      if (!parse_speak(text, identity, clip, error)) return std::nullopt;
      auto who = room.participants.begin();
      while (who != room.participants.end() && who->identity != identity) ++who;
      if (who == room.participants.end()) {
        who = room.participants.insert(who, Participant{});
        who->identity = identity;
      }
      who->clips.push_back(std::move(clip));
    }
    if (options.speak.empty()) {
      Participant talker;
      talker.identity = "talker";
      talker.leave_s = options.duration_s;
      talker.load_signal = true;
      room.participants.push_back(std::move(talker));
    }
    scenario->rooms.push_back(std::move(room));
    if (!check_scenario(*scenario, "command line", error)) return std::nullopt;
  }
  if (options.profile == "low-latency") scenario->latency = kLowLatency;
  if (options.profile == "default") scenario->latency = kDefaultLatency;
  if (options.latency_ms >= 0) scenario->latency = {options.latency_ms, options.latency_ms + 20};
  if (!options.format.empty())
    scenario->audio = options.format == "opus" ? AudioKind::kOpus : AudioKind::kPcm;
  if (options.seed >= 0) scenario->seed = static_cast<unsigned>(options.seed);
  scenario = clone_scenario(*scenario, options.rooms, options.participants);
  for (Room& room : scenario->rooms) {
    split_publications(room);
    std::map<std::string, int> tracks;  // of an identity so far
    for (Participant& who : room.participants) {
      if (options.clock_ppm != 0) who.clock_ppm = options.clock_ppm;
      if (options.jitter_ms > 0) who.jitter_ms = options.jitter_ms;
      if (who.name.empty()) who.name = who.identity;
      // Who comes again, or publishes again, has another track.
      const int number = tracks[who.identity]++;
      if (who.track.empty()) {
        who.track = make_track_id(room.name,
                                  who.identity + (number > 0 ? "\n" + std::to_string(number) : ""),
                                  scenario->seed);
      }
    }
  }
  return scenario;
}

}  // namespace egresssim
