// SPDX-License-Identifier: LGPL-2.1-or-later
// What LiveKit's RoomService and its webhooks tell of the scenario's rooms: who is there, with
// which tracks. Pure: time is an argument, in seconds since the scenario's start.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "protojson.h"
#include "scenario.h"

namespace egresssim {

// LiveKit-like: the prefix and 12 letters, the same for the same text.
std::string make_sid(const std::string& prefix, const std::string& text);

// An egress in a room, which is a hidden participant there.
struct EgressGuest {
  std::string room;
  std::string egress_id;
  double joined_s = 0;
};

// The body of a webhook: `members` are finished members of the JSON object, without braces.
std::string webhook_body(const std::string& event, const std::string& members,
                         const std::string& id, int64_t now_s);

class ControlRooms {
 public:
  // How long a room stays open after the last one has left.
  static constexpr double kDeparture_s = 20;

  // Every leave_s must be set. `scenario` must outlive this.
  ControlRooms(const Scenario& scenario, double started_utc_s);

  // Something that a webhook tells.
  struct Happening {
    double at_s = 0;
    std::string event;
    std::string room;
    std::string track;  // of track_published and track_unpublished
    std::string body;   // members for webhook_body()
  };
  // All of them, in order.
  std::vector<Happening> happenings() const;
  // The same for an egress that joins or leaves.
  std::string guest_body(const EgressGuest& guest, bool left) const;

  // nullptr: there is no such room now.
  const Room* open_room(const std::string& name, double now_s) const;
  static std::string room_sid(const std::string& name) { return make_sid("RM_", name); }
  // When nobody is there any more, and the room has been closed.
  double closed_s(const Room& room) const;
  // nullptr: no such track is published now.
  const Participant* find_track(const std::string& room, const std::string& track,
                                double now_s) const;
  bool is_present(const std::string& room, const std::string& identity, double now_s) const;

  // Answers of the API.
  std::string list_participants(const std::string& room, double now_s,
                                const std::vector<EgressGuest>& guests) const;
  std::string list_rooms(const std::vector<std::string>& names, double now_s) const;

 private:
  // One visit of a person: its publications, in order.
  struct Stay {
    const Room* room = nullptr;
    std::vector<const Participant*> publications;
    double from_s = 0;
    double to_s = 0;
    std::string sid;
  };

  std::string room_json(const Room& room, double now_s, ProtoStyle style) const;
  std::string participant_json(const Stay& stay, double now_s, ProtoStyle style, bool left) const;
  std::string guest_json(const EgressGuest& guest, ProtoStyle style, bool left) const;
  int64_t utc_s(double at_s) const { return static_cast<int64_t>(started_utc_s_ + at_s); }
  int64_t utc_ms(double at_s) const { return static_cast<int64_t>((started_utc_s_ + at_s) * 1e3); }

  const Scenario& scenario_;
  const double started_utc_s_;
  std::vector<Stay> stays_;
};

}  // namespace egresssim
