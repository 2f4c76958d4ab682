// SPDX-License-Identifier: LGPL-2.1-or-later
// The part of LiveKit's API that starting egresses needs, typed: what webhooks (camelCase, defaults
// left out) and answers of the API (snake_case) say.
#pragma once

#include <json-glib/json-glib.h>

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace livekit {

enum class TrackSource : unsigned { kMicrophone = 1, kScreenShareAudio = 2, kOther = 4 };
inline constexpr unsigned kAllSources = 7;  // or'ed

struct PublishedTrack {
  std::string sid;
  bool audio = false;
  TrackSource source = TrackSource::kOther;
};

struct Participant {
  std::string sid;
  std::string identity;
  std::string name;        // "" = none
  std::string metadata;    // "" = none
  std::string attributes;  // a JSON object of texts, sorted; "" = none
  // An egress, an agent, or hidden: never asked for audio.
  bool machine = false;
  std::vector<PublishedTrack> tracks;
};

enum class EgressStatus {
  kStarting,
  kActive,
  kEnding,
  kComplete,
  kFailed,
  kAborted,
  kLimitReached
};

struct Egress {
  std::string id;
  std::string room;
  std::string track;  // "" = not of a track, but of people or of a room
  std::string url;    // where it dials, without its query
  EgressStatus status = EgressStatus::kStarting;
  std::string error;  // the server's words

  bool over() const { return status >= EgressStatus::kComplete; }
};

struct WebhookEvent {
  std::string event;  // "track_published", …
  std::string room;
  // In track events only sid and identity are filled in.
  std::optional<Participant> participant;
  std::optional<PublishedTrack> track;
  std::optional<Egress> egress;
};

// nullopt: not JSON, or not of that form.
std::optional<WebhookEvent> parse_webhook(std::string_view body);
std::optional<std::vector<Participant>> parse_participants(std::string_view answer);
std::optional<std::vector<Egress>> parse_egress_list(std::string_view answer);
std::optional<Egress> parse_egress(std::string_view answer);

// Bodies of requests.
std::string start_track_egress_body(std::string_view room, std::string_view track,
                                    std::string_view url);
// An egress of people: one on both channels, or two, left and right; of the room's mix without any.
std::string start_people_egress_body(std::string_view room,
                                     const std::vector<std::string>& identities,
                                     std::string_view url);
std::string stop_egress_body(std::string_view egress_id);
std::string list_room_egress_body(std::string_view room);
std::string list_one_egress_body(std::string_view egress_id);
std::string list_participants_body(std::string_view room);

// Safe in pads, tags, metas, captions and logs: control characters become spaces, what turns the
// direction of writing is left out, and what is longer than a name may be is cut between
// characters.
std::string printable_name(std::string_view name);

}  // namespace livekit
