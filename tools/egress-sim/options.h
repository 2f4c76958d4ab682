// SPDX-License-Identifier: LGPL-2.1-or-later
// The command line of egress-sim.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "compositeoutput.h"
#include "controlfaults.h"
#include "scenario.h"

namespace egresssim {

// A stand-in for LiveKit's server and egress service.
struct ControlOptions {
  std::string address = "127.0.0.1";
  uint16_t port = 0;
  std::string api_key;
  std::string api_secret;
  std::string upstream;  // a real server's address; "" = the scenario says who is there
  std::vector<std::string> webhooks;
  std::string data_log;  // where SendData's payloads go; "" or "-" = stdout
  std::vector<ControlFault> faults;
};

struct Options {
  std::string url = "ws://127.0.0.1:9000/{room}/{identity}/{track}?name={name}";
  std::string token;
  std::string scenario_file;
  std::string room = "standup";
  std::vector<std::string> speak;
  int rooms = 0;
  int participants = 0;
  double duration_s = 10;
  std::string profile;     // "" = the scenario's
  double latency_ms = -1;  // -1 = the profile's
  std::string format;      // "" = the scenario's
  int seed = -1;           // -1 = the scenario's
  double clock_ppm = 0;
  double jitter_ms = 0;
  double dial_interval_ms = 1;
  double wait_s = 0;
  bool insecure = false;
  std::string ca_file;
  std::string cache_folder;
  std::string stm_file;
  std::string rttm_file;
  bool times_sent = true;
  double receiver_start_s = 0;  // Unix time; 0 = times count from the scenario's start
  std::string summary_file;     // "" or "-" = stdout
  std::string capture_folder;
  std::vector<std::string> only;
  int copies = 1;
  double speed = 1;
  bool check = false;
  bool verbose = false;

  // Room composite instead of track egress: where it goes, and how.
  std::optional<CompositeTarget> composite;
  CompositeTiming composite_timing;
  std::vector<Stall> stalls;

  // Waits to be asked for egresses instead of dialling by itself.
  std::optional<ControlOptions> control;
};

// nullopt: `exit_code` and, if not empty, `message` (for stderr) say why not to go on.
std::optional<Options> parse_options(int argc, char** argv, int& exit_code, std::string& message);

// "alice=hello.wav@1.5:What is said" or "alice=voice:slt@1.5:What is said".
bool parse_speak(const std::string& text, std::string& identity, Clip& clip, std::string& error);

// "12.5:4" is 4 s from second 12.5.
bool parse_stall(const std::string& text, Stall& stall, std::string& error);

// The scenario that the options describe: from the file, from --speak, or talkers for a load test.
std::optional<Scenario> scenario_from_options(const Options& options, std::string& error);

}  // namespace egresssim
