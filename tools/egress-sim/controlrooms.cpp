// SPDX-License-Identifier: LGPL-2.1-or-later
#include "controlrooms.h"

#include <algorithm>
#include <map>

#include "livekit/jsonreader.h"

namespace egresssim {
namespace {

std::string member(const char* name, const std::string& json) {
  return "\"" + std::string(name) + "\":" + json;
}

bool is_published(const Participant& who, double now_s) {
  return who.join_s <= now_s && now_s < *who.leave_s;
}

std::string track_json(const Participant& who, double now_s, ProtoStyle style) {
  const bool muted = std::any_of(who.mutes.begin(), who.mutes.end(), [now_s](const Mute& mute) {
    return mute.from_s <= now_s && now_s < mute.to_s;
  });
  return ProtoJson(style)
      .text("sid", who.track)
      .choice("type", "AUDIO", "AUDIO")
      .text("name", "mic")
      .flag("muted", muted)
      .number("width", 0)
      .number("height", 0)
      .flag("simulcast", false)
      .flag("disable_dtx", false)
      .choice("source", "MICROPHONE", "UNKNOWN")
      .text("mime_type", "audio/red")
      .text("mid", "7")
      .flag("stereo", false)
      .flag("disable_red", false)
      .choice("encryption", "NONE", "NONE")
      .text("stream", "camera")
      .json();
}

// As room and participant are told of in track_published and track_unpublished.
std::string short_json(const char* second_name, const std::string& sid, const std::string& second) {
  return ProtoJson(ProtoStyle::kWebhook).text("sid", sid).text(second_name, second).json();
}

}  // namespace

std::string make_sid(const std::string& prefix, const std::string& text) {
  return prefix + make_track_id(prefix, text, 1).substr(3);
}

std::string webhook_body(const std::string& event, const std::string& members,
                         const std::string& id, int64_t now_s) {
  return "{" + member("event", livekit::json_quote(event)) + "," + members + "," +
         member("id", livekit::json_quote(id)) + "," +
         member("createdAt", "\"" + std::to_string(now_s) + "\"") + "}";
}

ControlRooms::ControlRooms(const Scenario& scenario, double started_utc_s)
    : scenario_(scenario), started_utc_s_(started_utc_s) {
  for (const Room& room : scenario_.rooms) {
    std::map<int, Stay> stays;
    for (const Participant& who : room.participants) {
      Stay& stay = stays[who.stay];
      if (stay.publications.empty()) {
        stay.room = &room;
        stay.from_s = who.present_from_s.value_or(who.join_s);
        stay.sid =
            make_sid("PA_", room.name + "\n" + who.identity + "\n" + std::to_string(who.stay));
      }
      stay.publications.push_back(&who);
      stay.to_s = std::max({stay.to_s, *who.leave_s, who.present_to_s.value_or(0)});
    }
    for (auto& [number, stay] : stays) stays_.push_back(std::move(stay));
  }
}

double ControlRooms::closed_s(const Room& room) const {
  double last_s = 0;
  for (const Stay& stay : stays_)
    if (stay.room == &room) last_s = std::max(last_s, stay.to_s);
  return last_s + kDeparture_s;
}

const Room* ControlRooms::open_room(const std::string& name, double now_s) const {
  for (const Stay& stay : stays_)
    if (stay.room->name == name && stay.from_s <= now_s && now_s < closed_s(*stay.room))
      return stay.room;
  return nullptr;
}

const Participant* ControlRooms::find_track(const std::string& room, const std::string& track,
                                            double now_s) const {
  for (const Room& one : scenario_.rooms)
    for (const Participant& who : one.participants)
      if (one.name == room && who.track == track && is_published(who, now_s)) return &who;
  return nullptr;
}

bool ControlRooms::is_present(const std::string& room, const std::string& identity,
                              double now_s) const {
  return std::any_of(stays_.begin(), stays_.end(), [&](const Stay& stay) {
    return stay.room->name == room && stay.publications.front()->identity == identity &&
           stay.from_s <= now_s && now_s < stay.to_s;
  });
}

std::string ControlRooms::room_json(const Room& room, double now_s, ProtoStyle style) const {
  double first_s = now_s;
  int people = 0;
  int publishers = 0;
  for (const Stay& stay : stays_) {
    if (stay.room != &room) continue;
    first_s = std::min(first_s, stay.from_s);
    if (stay.from_s > now_s || now_s >= stay.to_s) continue;
    ++people;
    publishers += std::any_of(stay.publications.begin(), stay.publications.end(),
                              [now_s](const auto* who) { return is_published(*who, now_s); });
  }
  ProtoJson json(style);
  json.text("sid", room_sid(room.name))
      .text("name", room.name)
      .number("empty_timeout", 300)
      .number("departure_timeout", int64_t(kDeparture_s))
      .number("max_participants", 0)
      .big_number("creation_time", utc_s(first_s))
      .big_number("creation_time_ms", utc_ms(first_s))
      .text("turn_password", "")
      .list("enabled_codecs",
            {R"({"mime":"audio/opus"})", R"({"mime":"audio/red"})", R"({"mime":"video/VP8"})"})
      .text("metadata", "")
      .number("num_participants", people)
      .number("num_publishers", publishers)
      .flag("active_recording", false)
      .message("version", "");
  return json.json();
}

std::string ControlRooms::participant_json(const Stay& stay, double now_s, ProtoStyle style,
                                           bool left) const {
  const Participant& who = *stay.publications.front();
  const bool agent = who.kind == "agent";
  std::vector<std::string> tracks;
  bool has_published = false;
  for (const Participant* one : stay.publications) {
    has_published = has_published || one->join_s <= now_s;
    if (!left && is_published(*one, now_s)) tracks.push_back(track_json(*one, now_s, style));
  }
  const std::string permission = ProtoJson(style)
                                     .flag("can_subscribe", true)
                                     .flag("can_publish", true)
                                     .flag("can_publish_data", true)
                                     .list("can_publish_sources", {})
                                     .flag("hidden", false)
                                     .flag("recorder", false)
                                     .flag("can_update_metadata", false)
                                     .flag("agent", agent)
                                     .json();
  return ProtoJson(style)
      .text("sid", stay.sid)
      .text("identity", who.identity)
      .choice("state", left ? "DISCONNECTED" : "ACTIVE", "JOINING")
      .list("tracks", tracks)
      .text("metadata", who.metadata)
      .big_number("joined_at", utc_s(stay.from_s))
      .big_number("joined_at_ms", utc_ms(stay.from_s))
      .text("name", name_at(who, now_s))
      .number("version", 2)
      .message("permission", permission)
      .text("region", "")
      .flag("is_publisher", has_published)
      .choice("kind", agent ? "AGENT" : "STANDARD", "STANDARD")
      .message("attributes", style == ProtoStyle::kAnswer ? "{}" : "")
      .choice("disconnect_reason", left ? "CLIENT_INITIATED" : "UNKNOWN_REASON", "UNKNOWN_REASON")
      .json();
}

std::string ControlRooms::guest_json(const EgressGuest& guest, ProtoStyle style, bool left) const {
  const std::string permission = ProtoJson(style)
                                     .flag("can_subscribe", true)
                                     .flag("hidden", true)
                                     .flag("recorder", true)
                                     .json();
  return ProtoJson(style)
      .text("sid", make_sid("PA_", guest.egress_id))
      .text("identity", guest.egress_id)
      .choice("state", left ? "DISCONNECTED" : "ACTIVE", "JOINING")
      .list("tracks", {})
      .big_number("joined_at", utc_s(guest.joined_s))
      .big_number("joined_at_ms", utc_ms(guest.joined_s))
      .number("version", left ? 3 : 2)
      .message("permission", permission)
      .choice("kind", "EGRESS", "STANDARD")
      .choice("disconnect_reason", left ? "CLIENT_INITIATED" : "UNKNOWN_REASON", "UNKNOWN_REASON")
      .json();
}

std::string ControlRooms::guest_body(const EgressGuest& guest, bool left) const {
  return member("room", short_json("name", room_sid(guest.room), guest.room)) + "," +
         member("participant", guest_json(guest, ProtoStyle::kWebhook, left));
}

std::vector<ControlRooms::Happening> ControlRooms::happenings() const {
  constexpr ProtoStyle kStyle = ProtoStyle::kWebhook;
  std::vector<Happening> all;
  for (const Room& room : scenario_.rooms) {
    double first_s = closed_s(room);
    for (const Stay& stay : stays_)
      if (stay.room == &room) first_s = std::min(first_s, stay.from_s);
    all.push_back(
        {first_s, "room_started", room.name, "", member("room", room_json(room, first_s, kStyle))});
    const double end_s = closed_s(room);
    all.push_back(
        {end_s, "room_finished", room.name, "", member("room", room_json(room, end_s, kStyle))});
  }
  for (const Stay& stay : stays_) {
    const std::string& name = stay.room->name;
    const auto person = [&](double at_s, const char* event, bool left) {
      all.push_back({at_s, event, name, "",
                     member("room", room_json(*stay.room, at_s, kStyle)) + "," +
                         member("participant", participant_json(stay, at_s, kStyle, left))});
    };
    const std::string whom = member("room", short_json("name", room_sid(name), name)) + "," +
                             member("participant", short_json("identity", stay.sid,
                                                              stay.publications.front()->identity));
    person(stay.from_s, "participant_joined", false);
    for (const Participant* who : stay.publications) {
      const std::string body = whom + "," + member("track", track_json(*who, who->join_s, kStyle));
      all.push_back({who->join_s, "track_published", name, who->track, body});
      all.push_back({*who->leave_s, "track_unpublished", name, who->track, body});
    }
    person(stay.to_s, "participant_left", true);
  }
  // Those of one moment stay as they are: a room starts before somebody joins it.
  std::stable_sort(all.begin(), all.end(),
                   [](const Happening& a, const Happening& b) { return a.at_s < b.at_s; });
  return all;
}

std::string ControlRooms::list_participants(const std::string& room, double now_s,
                                            const std::vector<EgressGuest>& guests) const {
  std::vector<std::string> people;
  for (const Stay& stay : stays_)
    if (stay.room->name == room && stay.from_s <= now_s && now_s < stay.to_s)
      people.push_back(participant_json(stay, now_s, ProtoStyle::kAnswer, false));
  for (const EgressGuest& guest : guests)
    if (guest.room == room) people.push_back(guest_json(guest, ProtoStyle::kAnswer, false));
  return ProtoJson(ProtoStyle::kAnswer).list("participants", people).json();
}

std::string ControlRooms::list_rooms(const std::vector<std::string>& names, double now_s) const {
  std::vector<std::string> rooms;
  for (const Room& room : scenario_.rooms) {
    const bool wanted =
        names.empty() || std::find(names.begin(), names.end(), room.name) != names.end();
    if (wanted && open_room(room.name, now_s))
      rooms.push_back(room_json(room, now_s, ProtoStyle::kAnswer));
  }
  return ProtoJson(ProtoStyle::kAnswer).list("rooms", rooms).json();
}

}  // namespace egresssim
