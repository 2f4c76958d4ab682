// SPDX-License-Identifier: LGPL-2.1-or-later
// What a simulated meeting consists of: rooms, who is in them, and who says what when.
// Times are seconds since the start of the scenario.
#pragma once

#include <optional>
#include <string>
#include <vector>

namespace egresssim {

// One stretch of sound: a recording, or a sentence for the speech synthesiser.
struct Clip {
  std::string file;     // "" = synthesise `text` with `voice`
  std::string voice;    // flite voice, "" = the participant's
  double pitch = 0;     // 0 = the participant's; 1 = the voice as it is
  std::string text;     // what is said; the reference for scoring ("" = not speech)
  double at_s = 0;      // when the clip starts
  double repeat_s = 0;  // start it again that often until the participant leaves; 0 = once
  double gain = 1;      // factor on the samples
  int line = 0;         // where the scenario file says so, for error messages
};

struct Mute {
  double from_s = 0;
  double to_s = 0;
};

struct Rename {
  double at_s = 0;
  std::string name;
};

struct Fault {
  enum class Kind {
    kStall,   // nothing is sent for duration_s, then the backlog in one burst
    kFinish,  // TCP FIN without a close frame (an egress handler that is killed)
    kReset,   // TCP RST without a close frame
    kDeath,   // the publisher's process dies
  };
  Kind kind = Kind::kStall;
  double at_s = 0;
  double duration_s = 0;  // kStall only
};

struct Participant {
  std::string identity;
  std::string name;   // "" = identity
  std::string track;  // "" = made up from room and identity
  std::string voice;  // default of the clips
  double pitch = 1;
  double join_s = 0;              // the egress connects then
  std::optional<double> leave_s;  // default: with the room
  std::vector<Mute> mutes;        // ordered, not overlapping
  // While there, but without a published track: every time after it is a new track.
  std::vector<Mute> unpublished;  // ordered, not overlapping
  std::vector<Rename> renames;    // ordered
  std::string metadata;
  std::string kind;  // "" = a person, "agent"
  std::vector<Clip> clips;
  std::vector<Fault> faults;
  double clock_ppm = 0;      // how much faster than ours the participant's sample clock runs
  double jitter_ms = 0;      // each message comes 0..jitter_ms late
  bool load_signal = false;  // carries a generated signal instead of clips (load tests)
  int line = 0;

  // Of one that split_publications() made: which stay in the room it belongs to, and that stay's
  // time, where it is longer than the publication.
  int stay = 0;
  std::optional<double> present_from_s;
  std::optional<double> present_to_s;
};

struct Room {
  std::string name;
  std::vector<Participant> participants;
};

enum class AudioKind { kPcm, kOpus };

// How late the egress is; measured figures of its two usual settings.
struct LatencyProfile {
  double first_message_ms = 2800;  // from the upgrade to the first message
  double audio_ms = 2820;          // from a sound to the message that carries it
};

struct Scenario {
  std::vector<Room> rooms;
  LatencyProfile latency;
  AudioKind audio = AudioKind::kPcm;
  unsigned seed = 1;

  // The end of a participant: its own, or the end of its room (last clip's end + 1 s, which only
  // the loader knows and writes into leave_s).
};

inline constexpr LatencyProfile kDefaultLatency{2800, 2820};
inline constexpr LatencyProfile kLowLatency{250, 288};

// Reads a scenario from JSON text. `origin` (the file's name) is for error messages; relative clip
// files are taken from `base_folder`. On failure `error` says file, line and what to do.
std::optional<Scenario> parse_scenario(const std::string& json, const std::string& origin,
                                       const std::string& base_folder, std::string& error);
std::optional<Scenario> load_scenario(const std::string& path, std::string& error);

// Checks what a parser cannot: identities twice in a room, times out of order, overlapping mutes.
bool check_scenario(const Scenario& scenario, const std::string& origin, std::string& error);

// Multiplies the rooms: `rooms` copies of all rooms (name-1, name-2, ...), each with exactly
// `participants` people (identities repeat with -2, -3, ...). 0 = leave as it is.
Scenario clone_scenario(const Scenario& scenario, int rooms, int participants);

// Makes each publication of a track a participant of its own, that joins and leaves with the track;
// clips go with the publication in which they start, or get lost.
void split_publications(Room& room);

// What a participant is called at a time.
const std::string& name_at(const Participant& who, double at_s);

// LiveKit-like track id (TR_ and 12 letters or digits), the same for the same room and identity.
std::string make_track_id(const std::string& room, const std::string& identity, unsigned seed);

}  // namespace egresssim
