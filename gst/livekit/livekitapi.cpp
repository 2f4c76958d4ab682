// SPDX-License-Identifier: LGPL-2.1-or-later
#include "livekitapi.h"

#include <algorithm>
#include <map>
#include <memory>
#include <utility>

#include "jsonreader.h"
#include "trackaddress.h"
#include "utf8.h"

namespace livekit {

namespace {

// Enums are names; a server newer than its JSON library may send numbers.
bool is_enum(JsonObject* object, const char* member, const char* name, int64_t number) {
  JsonNode* node = json_member(object, member);
  if (!node || !JSON_NODE_HOLDS_VALUE(node)) return number == 0;
  if (json_node_get_value_type(node) == G_TYPE_STRING) {
    return std::string_view(json_node_get_string(node)) == name;
  }
  return json_number(object, member) == number;
}

// The id of a track becomes a part of the URL that its egress dials, and of what is told about it.
// One that is not as LiveKit makes them is none.
std::string plain_id(std::string id) {
  const bool plain = id.size() <= kMaxNameBytes && std::all_of(id.begin(), id.end(), [](char c) {
                       return g_ascii_isalnum(c) || c == '_' || c == '-';
                     });
  return plain ? std::move(id) : std::string();
}

PublishedTrack read_track(JsonObject* object) {
  PublishedTrack track;
  track.sid = plain_id(json_text(object, "sid"));
  track.audio = is_enum(object, "type", "AUDIO", 0);
  if (is_enum(object, "source", "MICROPHONE", 2)) track.source = TrackSource::kMicrophone;
  if (is_enum(object, "source", "SCREEN_SHARE_AUDIO", 4)) {
    track.source = TrackSource::kScreenShareAudio;
  }
  return track;
}

// Keys in order, so that the same attributes are the same text.
std::string read_attributes(JsonObject* object) {
  std::map<std::string, std::string> sorted;
  const std::unique_ptr<GList, decltype(&g_list_free)> names(
      object ? json_object_get_members(object) : nullptr, g_list_free);
  for (const GList* name = names.get(); name; name = name->next) {
    const auto* key = static_cast<const char*>(name->data);
    JsonNode* value = json_object_get_member(object, key);
    if (JSON_NODE_HOLDS_VALUE(value) && json_node_get_value_type(value) == G_TYPE_STRING) {
      sorted[key] = json_node_get_string(value);
    }
  }
  std::string text;
  for (const auto& [key, value] : sorted) {
    text += (text.empty() ? "{" : ",") + json_quote(key) + ":" + json_quote(value);
  }
  return text.empty() ? text : text + "}";
}

// Where an egress dials that was asked for by StartEgress, as the request had it.
std::string first_output_url(JsonObject* request) {
  for (JsonObject* output : json_objects(request, "outputs")) {
    const std::vector<std::string> urls = json_texts(json_child(output, "stream"), "urls");
    if (!urls.empty()) return urls.front();
  }
  return "";
}

Participant read_participant(JsonObject* object) {
  Participant participant;
  participant.sid = json_text(object, "sid");
  participant.identity = json_text(object, "identity");
  participant.name = json_text(object, "name");
  participant.metadata = json_text(object, "metadata");
  participant.attributes = read_attributes(json_child(object, "attributes"));
  JsonObject* permission = json_child(object, "permission");
  participant.machine = is_enum(object, "kind", "EGRESS", 2) ||
                        is_enum(object, "kind", "AGENT", 4) || json_flag(permission, "hidden") ||
                        json_flag(permission, "recorder") || json_flag(permission, "agent");
  for (JsonObject* track : json_objects(object, "tracks")) {
    participant.tracks.push_back(read_track(track));
  }
  return participant;
}

constexpr std::pair<const char*, EgressStatus> kStatuses[] = {
    {"EGRESS_STARTING", EgressStatus::kStarting},
    {"EGRESS_ACTIVE", EgressStatus::kActive},
    {"EGRESS_ENDING", EgressStatus::kEnding},
    {"EGRESS_COMPLETE", EgressStatus::kComplete},
    {"EGRESS_FAILED", EgressStatus::kFailed},
    {"EGRESS_ABORTED", EgressStatus::kAborted},
    {"EGRESS_LIMIT_REACHED", EgressStatus::kLimitReached}};

std::string without_query(const std::string& url) {
  return url.substr(0, url.find('?'));
}

Egress read_egress(JsonObject* object) {
  Egress egress;
  egress.id = json_text(object, "egressId");
  egress.room = json_text(object, "roomName");
  egress.error = json_text(object, "error");
  int64_t number = 0;
  for (const auto& [name, status] : kStatuses) {
    if (is_enum(object, "status", name, number++)) egress.status = status;
  }
  JsonObject* track = json_child(object, "track");
  egress.track = json_text(track, "trackId");
  egress.url = without_query(json_text(track, "websocketUrl"));
  if (egress.url.empty()) {
    for (JsonObject* stream : json_objects(object, "streamResults")) {
      if (egress.url.empty()) egress.url = without_query(json_text(stream, "url"));
    }
  }
  if (egress.url.empty()) {
    egress.url = without_query(first_output_url(json_child(object, "egress")));
  }
  return egress;
}

}  // namespace

std::optional<WebhookEvent> parse_webhook(std::string_view body) {
  const JsonText json(body);
  WebhookEvent event;
  event.event = json_text(json.object(), "event");
  if (event.event.empty()) return std::nullopt;
  JsonObject* room = json_child(json.object(), "room");
  event.room = json_text(room, "name");
  if (JsonObject* object = json_child(json.object(), "participant")) {
    event.participant = read_participant(object);
  }
  if (JsonObject* object = json_child(json.object(), "track")) event.track = read_track(object);
  if (JsonObject* object = json_child(json.object(), "egressInfo")) {
    event.egress = read_egress(object);
    if (event.room.empty()) event.room = event.egress->room;
  }
  return event;
}

std::optional<std::vector<Participant>> parse_participants(std::string_view answer) {
  const JsonText json(answer);
  if (!json.object()) return std::nullopt;
  std::vector<Participant> participants;
  for (JsonObject* object : json_objects(json.object(), "participants")) {
    participants.push_back(read_participant(object));
  }
  return participants;
}

std::optional<std::vector<Egress>> parse_egress_list(std::string_view answer) {
  const JsonText json(answer);
  if (!json.object()) return std::nullopt;
  std::vector<Egress> list;
  for (JsonObject* object : json_objects(json.object(), "items")) {
    list.push_back(read_egress(object));
  }
  return list;
}

std::optional<Egress> parse_egress(std::string_view answer) {
  const JsonText json(answer);
  if (!json.object()) return std::nullopt;
  Egress egress = read_egress(json.object());
  if (egress.id.empty()) return std::nullopt;
  return egress;
}

std::string start_track_egress_body(std::string_view room, std::string_view track,
                                    std::string_view url) {
  return "{\"room_name\":" + json_quote(room) + ",\"track_id\":" + json_quote(track) +
         ",\"websocket_url\":" + json_quote(url) + "}";
}

std::string start_people_egress_body(std::string_view room,
                                     const std::vector<std::string>& identities,
                                     std::string_view url) {
  std::string audio = identities.empty() ? "\"capture_all\":true" : "\"routes\":[";
  for (size_t i = 0; i < identities.size(); ++i) {
    const char* side = i == 0 ? "AUDIO_CHANNEL_LEFT" : "AUDIO_CHANNEL_RIGHT";
    const char* channel = identities.size() == 1 ? "AUDIO_CHANNEL_BOTH" : side;
    audio += (i == 0 ? "" : ",") + std::string("{\"participant_identity\":") +
             json_quote(identities[i]) + ",\"channel\":\"" + channel + "\"}";
  }
  if (!identities.empty()) audio += "]";
  return "{\"room_name\":" + json_quote(room) + ",\"media\":{\"audio\":{" + audio +
         "}},\"outputs\":[{\"stream\":{\"protocol\":\"WEBSOCKET\",\"urls\":[" + json_quote(url) +
         "]}}]}";
}

std::string stop_egress_body(std::string_view egress_id) {
  return "{\"egress_id\":" + json_quote(egress_id) + "}";
}

std::string list_room_egress_body(std::string_view room) {
  return "{\"room_name\":" + json_quote(room) + ",\"active\":true}";
}

std::string list_one_egress_body(std::string_view egress_id) {
  return "{\"egress_id\":" + json_quote(egress_id) + "}";
}

std::string list_participants_body(std::string_view room) {
  return "{\"room\":" + json_quote(room) + "}";
}

std::string printable_name(std::string_view name) {
  std::string result;
  while (!name.empty()) {
    // The next character: its first byte, and the continuation bytes behind it.
    size_t length = 1;
    while (length < name.size() && (static_cast<unsigned char>(name[length]) & 0xC0) == 0x80) {
      ++length;
    }
    const std::string_view character = name.substr(0, length);
    std::string_view safe = is_printable_utf8(character) ? character : " ";
    if (is_bidi_control(character)) safe = "";
    if (result.size() + safe.size() > kMaxNameBytes) break;
    result += safe;
    name.remove_prefix(length);
  }
  return result;
}

}  // namespace livekit
