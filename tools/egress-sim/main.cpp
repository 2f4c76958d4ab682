// SPDX-License-Identifier: LGPL-2.1-or-later
// egress-sim: plays LiveKit's egress towards a receiver, from a scenario or from a capture.
#include <gst/gst.h>
#include <sys/resource.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cmath>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <map>
#include <thread>

#include "compositeoutput.h"
#include "controlserver.h"
#include "options.h"
#include "preparation.h"
#include "protojson.h"
#include "simulator.h"

namespace egresssim {
namespace {

std::atomic<int> g_stop = 0;  // lock-free: a signal handler writes it

void request_stop(int) {
  // A second Ctrl-C does not wait for anything.
  if (g_stop != 0) _exit(130);
  g_stop = 1;
}

// Written in place, never renamed over: the target may be a pipe or a device. "-" is stdout.
bool write_text(const std::string& path, const std::string& text, std::string& error) {
  if (path.empty()) return true;
  std::FILE* file = path == "-" ? stdout : std::fopen(path.c_str(), "w");
  bool written = file != nullptr && std::fputs(text.c_str(), file) >= 0 && std::fflush(file) == 0;
  if (file != nullptr && file != stdout) written = std::fclose(file) == 0 && written;
  if (!written) error = "cannot write " + path + ": " + std::strerror(errno);
  return written;
}

bool write_summary(const Options& options, const std::string& text, std::string& error) {
  return write_text(options.summary_file.empty() ? "-" : options.summary_file, text, error);
}

// When the first participant of all is there.
double mix_start_s(const Prepared& prepared) {
  double start_s = INFINITY;
  for (const Room& room : prepared.scenario.rooms)
    for (const Participant& who : room.participants) start_s = std::min(start_s, who.join_s);
  return start_s;
}

bool write_truth(const Options& options, const Prepared& prepared, double started_utc_s,
                 std::string& error) {
  double offset_s = options.times_sent ? prepared.scenario.latency.audio_ms / 1e3 : 0;
  if (options.composite) {
    offset_s = options.times_sent ? options.composite_timing.latency_s : 0;
    // In a file the mix begins at 0.
    if (options.composite->kind != CompositeKind::kRtmp) offset_s = -mix_start_s(prepared);
  }
  if (options.receiver_start_s > 0) offset_s += started_utc_s - options.receiver_start_s;
  return write_text(options.stm_file, to_stm(prepared.truth, offset_s), error) &&
         write_text(options.rttm_file, to_rttm(prepared.truth, offset_s), error);
}

// Two participants with the same key send the same packets.
std::string opus_key(const Participant& who) {
  std::string key = std::to_string(who.join_s) + "|" + std::to_string(*who.leave_s) + "|" +
                    std::to_string(who.clock_ppm);
  for (const Mute& mute : who.mutes)
    key += "|m" + std::to_string(mute.from_s) + "-" + std::to_string(mute.to_s);
  for (const Clip& clip : who.clips)
    key += "|c" + clip.file + ":" + clip.voice + ":" + clip.text + "@" + std::to_string(clip.at_s);
  for (const Fault& fault : who.faults)
    key += "|f" + std::to_string(static_cast<int>(fault.kind)) + std::to_string(fault.at_s);
  return who.load_signal ? "" : key;
}

bool add_scenario(const Options& options, const Prepared& prepared, Simulator& simulator,
                  std::string& error) {
  const Scenario& scenario = prepared.scenario;
  std::map<std::string, std::shared_ptr<OpusStream>> opus_streams;
  std::map<double, int> joining;  // how many join at that moment
  unsigned number = 0;
  for (size_t r = 0; r < scenario.rooms.size(); ++r) {
    const Room& room = scenario.rooms[r];
    for (size_t p = 0; p < room.participants.size(); ++p) {
      const Participant& who = room.participants[p];
      Connection::Setup setup;
      setup.label = who.identity + " (room " + room.name + ")";
      const std::string url = fill_template(options.url, {{"room", room.name},
                                                          {"identity", who.identity},
                                                          {"track", who.track},
                                                          {"name", who.name},
                                                          {"token", options.token}});
      if (!parse_url(url, setup.url, error)) return false;
      TrackInput input;
      input.who = &who;
      input.placements = prepared.placements.at({r, p});
      input.latency = scenario.latency;
      input.seed = scenario.seed + number;
      std::shared_ptr<OpusStream> opus;
      setup.content_type = "audio/x-raw";
      if (scenario.audio == AudioKind::kOpus) {
        auto& stream = opus_streams[opus_key(who)];
        if (!stream) stream = OpusStream::create(input, error);
        if (!stream) return false;
        opus = stream;
        setup.content_type = "audio/x-opus";
        setup.message_ms = 20;
      }
      const double dial_s = joining[who.join_s]++ * options.dial_interval_ms * 1e-3;
      setup.connect_ns = static_cast<int64_t>((who.join_s + dial_s) * 1e9);
      setup.seed = (uint64_t{scenario.seed} << 32) + number;
      setup.playback = std::make_unique<TrackPlayback>(std::move(input), std::move(opus));
      simulator.add(std::move(setup));
      ++number;
    }
  }
  return true;
}

// A captured path ends in /ROOM/IDENTITY/TRACK.
std::string capture_url(const Options& options, const CapturedConnection& captured, int copy) {
  const std::string suffix = copy > 0 ? "-" + std::to_string(copy + 1) : "";
  if (options.url.find('{') == std::string::npos) {
    std::string base = options.url;
    while (!base.empty() && base.back() == '/') base.pop_back();
    return base + captured.path + suffix;
  }
  g_auto(GStrv) parts = g_strsplit(captured.path.c_str(), "/", -1);
  const guint count = g_strv_length(parts);
  const auto part = [&](guint from_end) {
    return count >= from_end ? std::string(parts[count - from_end]) : std::string();
  };
  return fill_template(options.url, {{"room", part(3)},
                                     {"identity", part(2)},
                                     {"track", part(1) + suffix},
                                     {"name", part(2)},
                                     {"token", options.token}});
}

bool add_capture(const Options& options, Simulator& simulator, std::string& error) {
  std::vector<CapturedConnection> captured;
  if (!load_capture(options.capture_folder, captured, error)) return false;
  size_t chosen = 0;
  for (CapturedConnection& connection : captured) {
    bool wanted = options.only.empty();
    for (const std::string& name : options.only) wanted = wanted || name == connection.name;
    if (!wanted) continue;
    ++chosen;
    const auto shared = std::make_shared<const CapturedConnection>(std::move(connection));
    for (int copy = 0; copy < options.copies; ++copy) {
      Connection::Setup setup;
      setup.label = shared->name + (copy > 0 ? " (copy " + std::to_string(copy + 1) + ")" : "");
      if (!parse_url(capture_url(options, *shared, copy), setup.url, error)) return false;
      for (const auto& [name, value] : shared->headers)
        if (name == "Content-Type") setup.content_type = value;
      setup.connect_ns =
          static_cast<int64_t>(static_cast<double>(shared->connect_ns) / options.speed);
      setup.seed = static_cast<uint64_t>(copy) * 1000 + chosen;
      setup.playback = std::make_unique<CapturePlayback>(shared, options.speed);
      simulator.add(std::move(setup));
    }
  }
  if (chosen == 0) {
    error = "the capture " + options.capture_folder + " has no connection of that name (--only)";
    return false;
  }
  return true;
}

// By hand: json-glib writes a rounded 0.1 as 0.10000000000000001.
std::string summary_json(const Simulator& simulator) {
  ConnectionStats sum;
  uint64_t failed = 0;
  std::string errors;
  for (const auto& connection : simulator.connections()) {
    const ConnectionStats& stats = connection->stats();
    sum.messages += stats.messages;
    sum.audio_bytes += stats.audio_bytes;
    sum.texts += stats.texts;
    sum.pings += stats.pings;
    sum.pongs += stats.pongs;
    sum.dropped += stats.dropped;
    if (connection->error().empty()) continue;
    ++failed;
    errors += (errors.empty() ? "" : ", ") +
              json_string(connection->label() + ": " + connection->error());
  }
  std::string result = "{";
  const auto integer = [&](const char* name, uint64_t value) {
    result += std::string("\"") + name + "\": " + std::to_string(value) + ", ";
  };
  const auto real = [&](const char* name, double value, const char* format) {
    char number[G_ASCII_DTOSTR_BUF_SIZE];
    g_ascii_formatd(number, sizeof number, format, value);
    result += std::string("\"") + name + "\": " + number + ", ";
  };
  integer("connections", simulator.connections().size());
  integer("failed", failed);
  integer("messages", sum.messages);
  integer("audio_bytes", sum.audio_bytes);
  integer("texts", sum.texts);
  integer("pings", sum.pings);
  integer("pongs", sum.pongs);
  integer("dropped_messages", sum.dropped);
  real("lateness_p50_ms", simulator.lateness().quantile_ms(0.5), "%.1f");
  real("lateness_p99_ms", simulator.lateness().quantile_ms(0.99), "%.1f");
  real("lateness_worst_ms", simulator.lateness().worst_ms(), "%.1f");
  real("started_utc_s", simulator.started_utc_s(), "%.3f");
  real("wall_s", simulator.wall_s(), "%.3f");
  real("cpu_s", simulator.cpu_s(), "%.3f");
  real("cpu_cores", simulator.wall_s() > 0 ? simulator.cpu_s() / simulator.wall_s() : 0, "%.4f");
  return result + "\"errors\": [" + errors + "]}\n";
}

int fail(const std::string& error, int code) {
  std::fprintf(stderr, "egress-sim: %s\n", error.c_str());
  return code;
}

// One thread a room, as LiveKit has one egress a room.
int run_composite(const Options& options, const Prepared& prepared) {
  const std::vector<Room>& rooms = prepared.scenario.rooms;
  std::vector<CompositePlan> plans;
  std::vector<CompositeTarget> targets;
  for (size_t r = 0; r < rooms.size(); ++r) {
    CompositeInput input;
    input.room = &rooms[r];
    input.placements = prepared.of_room(r);
    input.timing = options.composite_timing;
    input.stalls = options.stalls;
    input.seed = prepared.scenario.seed;
    plans.push_back(plan_composite(input));
    targets.push_back(*options.composite);
    targets[r].where = fill_template(options.composite->where, {{"room", rooms[r].name}});
  }
  std::string error;
  if (options.composite->kind == CompositeKind::kRtmp && options.wait_s > 0 &&
      !wait_for_listener(targets[0].where, options.wait_s, &g_stop))
    return fail("nobody listens at " + targets[0].where, 1);
  std::vector<CompositeResult> results(rooms.size());
  {
    std::vector<std::jthread> threads;
    for (size_t r = 0; r < rooms.size(); ++r)
      threads.emplace_back([&, r] { results[r] = play_composite(plans[r], targets[r], &g_stop); });
  }
  if (options.receiver_start_s > 0 &&
      !write_truth(options, prepared, results[0].started_utc_s, error))
    return fail(error, 2);
  std::string errors;
  int64_t frames = 0;
  double worst_s = 0;
  int failed = 0;
  for (size_t r = 0; r < rooms.size(); ++r) {
    frames += results[r].frames;
    worst_s = std::max(worst_s, results[r].worst_lateness_s);
    if (results[r].error.empty()) continue;
    const std::string text = "room " + rooms[r].name + ": " + results[r].error;
    errors += (errors.empty() ? "" : ", ") + json_string(text);
    if (++failed <= 10) std::fprintf(stderr, "egress-sim: %s\n", text.c_str());
  }
  g_autofree gchar* summary = g_strdup_printf(
      "{\"rooms\": %zu, \"failed\": %d, \"seconds\": %" G_GINT64_FORMAT
      ", \"lateness_worst_ms\": %d, \"started_utc_ms\": %" G_GINT64_FORMAT ", \"errors\": [%s]}\n",
      rooms.size(), failed, gint64(frames / kRateHz), int(std::lround(worst_s * 1e3)),
      gint64(std::llround(results[0].started_utc_s * 1e3)), errors.c_str());
  if (!write_summary(options, summary, error)) return fail(error, 2);
  return failed > 0 ? 1 : 0;
}

int run(const Options& options) {
  std::string error;
  Prepared prepared;
  const bool capture = !options.capture_folder.empty();
  if (!capture && !prepare(options, prepared, error)) return fail(error, 2);
  if (options.composite) {
    const bool at_once = options.receiver_start_s <= 0 || options.check;
    if (at_once && !write_truth(options, prepared, 0, error)) return fail(error, 2);
    return options.check ? 0 : run_composite(options, prepared);
  }

  if (options.control) {
    if (!write_truth(options, prepared, 0, error)) return fail(error, 2);
    if (options.check) return 0;
    std::string summary;
    if (!run_control(options, prepared, summary, error) || !write_summary(options, summary, error))
      return fail(error, 2);
    return 0;
  }

  Simulator::Settings settings;
  settings.tls = {options.insecure, options.ca_file};
  settings.wait_s = options.wait_s;
  settings.log = [&](const std::string& line) {
    if (options.verbose) std::fprintf(stderr, "egress-sim: %s\n", line.c_str());
  };
  Simulator simulator(std::move(settings));
  if (capture ? !add_capture(options, simulator, error)
              : !add_scenario(options, prepared, simulator, error))
    return fail(error, 2);
  // Running times of the receiver are known only when the scenario has started.
  const bool truth_first = options.receiver_start_s <= 0 || options.check;
  if (!capture && truth_first && !write_truth(options, prepared, 0, error)) return fail(error, 2);
  if (options.check) return 0;

  simulator.run(&g_stop);
  if (!capture && !truth_first && !write_truth(options, prepared, simulator.started_utc_s(), error))
    return fail(error, 2);

  const std::string summary = summary_json(simulator);
  if (!write_summary(options, summary, error)) return fail(error, 2);
  int failed = 0;
  for (const auto& connection : simulator.connections()) {
    if (connection->error().empty()) continue;
    // With hundreds of connections the first few tell enough; the summary lists all.
    if (++failed <= 10 && !options.verbose)
      std::fprintf(stderr, "egress-sim: %s: %s\n", connection->label().c_str(),
                   connection->error().c_str());
  }
  if (failed > 10) std::fprintf(stderr, "egress-sim: %d connections failed in all\n", failed);
  return failed > 0 ? 1 : 0;
}

}  // namespace
}  // namespace egresssim

int main(int argc, char** argv) {
  int exit_code = 0;
  std::string message;
  const auto options = egresssim::parse_options(argc, argv, exit_code, message);
  if (!options) {
    if (!message.empty()) egresssim::fail(message, exit_code);
    return exit_code;
  }
  gst_init(nullptr, nullptr);
  std::signal(SIGPIPE, SIG_IGN);
  std::signal(SIGINT, egresssim::request_stop);
  std::signal(SIGTERM, egresssim::request_stop);
  // A connection is a descriptor; the usual soft limit of 1024 is too low for a load test.
  rlimit files{};
  if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
  }
  return egresssim::run(*options);
}
