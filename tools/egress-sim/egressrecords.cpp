// SPDX-License-Identifier: LGPL-2.1-or-later
#include "egressrecords.h"

#include <glib.h>

#include <algorithm>
#include <memory>

#include "controlrooms.h"
#include "livekit/jsonreader.h"

namespace egresssim {
namespace {

using livekit::json_child;
using livekit::json_flag;
using livekit::json_objects;
using livekit::json_text;
using livekit::json_texts;

// Enums are names or numbers.
bool is_enum(JsonObject* object, const char* name, const char* value, int number) {
  const std::string text = json_text(object, name);
  return text.empty() ? livekit::json_number(object, name) == number : text == value;
}

TwirpError invalid(std::string text) {
  return {400, "invalid_argument", std::move(text)};
}

// The egress' own check; it takes no user and password.
bool check_url(const std::string& url, bool rtmp, TwirpError& error) {
  const std::unique_ptr<GUri, decltype(&g_uri_unref)> uri(
      g_uri_parse(url.c_str(), G_URI_FLAGS_NON_DNS, nullptr), g_uri_unref);
  const std::string scheme = uri ? g_uri_get_scheme(uri.get()) : "";
  const bool known =
      rtmp ? scheme == "rtmp" || scheme == "rtmps" : scheme == "ws" || scheme == "wss";
  if (!known) {
    error = invalid("request has an invalid scheme in url " + url);
    return false;
  }
  if (!rtmp && g_uri_get_userinfo(uri.get()) != nullptr) {
    error = invalid("malformed ws or wss URL");
    return false;
  }
  return true;
}

// v2: media.audio says what is heard, outputs where it goes.
bool parse_v2(JsonObject* object, EgressRequest& request, TwirpError& error) {
  JsonObject* media = json_child(object, "media");
  JsonObject* audio = media != nullptr ? json_child(media, "audio") : nullptr;
  if (audio != nullptr && json_flag(audio, "captureAll")) {
    request.kind = EgressRequest::Kind::kMix;
  } else {
    request.kind = EgressRequest::Kind::kPeople;
    for (JsonObject* route : json_objects(audio, "routes")) {
      EgressRoute one;
      one.identity = json_text(route, "participantIdentity");
      if (one.identity.empty()) {
        error = invalid("egress-sim knows audio routes by participant_identity only");
        return false;
      }
      if (is_enum(route, "channel", "AUDIO_CHANNEL_LEFT", 1)) one.side = EgressRoute::Side::kLeft;
      if (is_enum(route, "channel", "AUDIO_CHANNEL_RIGHT", 2)) one.side = EgressRoute::Side::kRight;
      request.routes.push_back(std::move(one));
    }
    if (request.routes.empty()) {
      error = invalid("request has missing or invalid field: media");
      return false;
    }
  }
  for (JsonObject* output : json_objects(object, "outputs")) {
    JsonObject* stream = json_child(output, "stream");
    if (stream == nullptr || !is_enum(stream, "protocol", "WEBSOCKET", 3)) {
      error = invalid("egress-sim knows outputs of the kind stream, protocol WEBSOCKET, only");
      return false;
    }
    for (std::string& url : json_texts(stream, "urls")) request.urls.push_back(std::move(url));
  }
  return true;
}

bool parse_composite(JsonObject* object, EgressRequest& request, TwirpError& error) {
  request.kind = EgressRequest::Kind::kComposite;
  if (!json_flag(object, "audioOnly")) {
    error = invalid("egress-sim knows room composites with audio_only, only");
    return false;
  }
  std::vector<JsonObject*> outputs = json_objects(object, "streamOutputs");
  if (JsonObject* old = json_child(object, "stream")) outputs.push_back(old);
  for (JsonObject* output : outputs)
    for (std::string& url : json_texts(output, "urls")) request.urls.push_back(std::move(url));
  return true;
}

std::string without_query(const std::string& url) {
  return url.substr(0, url.find('?'));
}

// rtmp://host/live/stream-key as rtmp://host/live/{s...y}.
std::string masked(const std::string& url) {
  const size_t slash = url.rfind('/');
  if (slash == std::string::npos || slash + 1 >= url.size()) return url;
  return url.substr(0, slash + 1) + "{" + url[slash + 1] + "..." + url.back() + "}";
}

const char* side_name(EgressRoute::Side side) {
  switch (side) {
    case EgressRoute::Side::kLeft:
      return "AUDIO_CHANNEL_LEFT";
    case EgressRoute::Side::kRight:
      return "AUDIO_CHANNEL_RIGHT";
    case EgressRoute::Side::kBoth:
      break;
  }
  return "AUDIO_CHANNEL_BOTH";
}

std::vector<std::string> told_urls(const EgressRequest& request) {
  std::vector<std::string> urls = request.urls;
  if (request.rtmp())
    for (std::string& url : urls) url = masked(url);
  return urls;
}

std::string track_request_json(const EgressRequest& request, ProtoStyle style) {
  return ProtoJson(style)
      .text("room_name", request.room)
      .text("track_id", request.track)
      .one_of("websocket_url",
              livekit::json_quote(request.urls.empty() ? "" : without_query(request.urls.front())))
      .json();
}

std::string v2_request_json(const EgressRequest& request, ProtoStyle style) {
  std::string audio;
  if (request.kind == EgressRequest::Kind::kMix) {
    audio = ProtoJson(style).one_of("capture_all", "true").json();
  } else {
    std::vector<std::string> routes;
    for (const EgressRoute& route : request.routes)
      routes.push_back(ProtoJson(style)
                           .one_of("participant_identity", livekit::json_quote(route.identity))
                           .choice("channel", side_name(route.side), "AUDIO_CHANNEL_BOTH")
                           .json());
    audio = ProtoJson(style).list("routes", routes).json();
  }
  const std::string stream = ProtoJson(style)
                                 .choice("protocol", "WEBSOCKET", "DEFAULT_PROTOCOL")
                                 .texts("urls", told_urls(request))
                                 .json();
  return ProtoJson(style)
      .text("room_name", request.room)
      .one_of("media", ProtoJson(style).message("audio", audio).json())
      .list("outputs", {ProtoJson(style).one_of("stream", stream).json()})
      .json();
}

std::string composite_request_json(const EgressRequest& request, ProtoStyle style) {
  const std::string stream = ProtoJson(style)
                                 .choice("protocol", "RTMP", "DEFAULT_PROTOCOL")
                                 .texts("urls", told_urls(request))
                                 .json();
  return ProtoJson(style)
      .text("room_name", request.room)
      .text("layout", "")
      .flag("audio_only", true)
      .flag("video_only", false)
      .text("custom_base_url", "")
      .list("stream_outputs", {stream})
      .json();
}

std::string stream_json(const EgressRecord& record, const std::string& url, ProtoStyle style) {
  const bool failed = record.state == EgressState::kFailed;
  // Killed or failed: whoever would have written it was gone.
  const bool finished = record.state == EgressState::kComplete && record.dialled_ns > 0;
  const int64_t started_ns = record.dialled_ns > 0 ? record.dialled_ns : record.requested_ns;
  return ProtoJson(style)
      .text("url", url)
      .big_number("started_at", started_ns)
      .big_number("ended_at", finished ? record.ended_ns : 0)
      .big_number("duration", finished ? record.ended_ns - started_ns : 0)
      .choice("status",
              finished                             ? "FINISHED"
              : failed && record.error_code != 500 ? "FAILED"
                                                   : "ACTIVE",
              "ACTIVE")
      .text("error", "")
      .big_number("last_retry_at", 0)
      .number("retries", 0)
      .json();
}

}  // namespace

std::string TwirpError::json() const {
  return "{\"code\":" + livekit::json_quote(code) + ",\"msg\":" + livekit::json_quote(msg) + "}";
}

std::optional<EgressRequest> parse_start(std::string_view method, std::string_view body,
                                         TwirpError& error) {
  const livekit::JsonText json(body);
  JsonObject* object = json.object();
  if (object == nullptr) {
    error = {400, "malformed", "the json request could not be decoded"};
    return std::nullopt;
  }
  EgressRequest request;
  request.room = json_text(object, "roomName");
  if (method == "StartTrackEgress") {
    request.track = json_text(object, "trackId");
    const std::string url = json_text(object, "websocketUrl");
    if (!url.empty()) request.urls.push_back(url);
    if (request.track.empty()) {
      error = invalid("request has missing or invalid field: track_id");
      return std::nullopt;
    }
  } else if (method == "StartEgress" ? !parse_v2(object, request, error)
                                     : !parse_composite(object, request, error)) {
    return std::nullopt;
  }
  if (request.urls.empty()) {
    error = invalid("request has missing or invalid field: output");
    return std::nullopt;
  }
  for (const std::string& url : request.urls)
    if (!check_url(url, request.rtmp(), error)) return std::nullopt;
  return request;
}

const char* state_name(EgressState state) {
  constexpr const char* kNames[] = {"EGRESS_STARTING", "EGRESS_ACTIVE", "EGRESS_ENDING",
                                    "EGRESS_COMPLETE", "EGRESS_FAILED", "EGRESS_ABORTED"};
  return kNames[static_cast<int>(state)];
}

std::string egress_json(const EgressRecord& record, ProtoStyle style) {
  const EgressRequest& request = record.request;
  std::vector<std::string> streams;
  for (const std::string& url : told_urls(request))
    streams.push_back(stream_json(record, url, style));
  const auto own = [&](EgressRequest::Kind kind, auto write) {
    return request.kind == kind ? write(request, style) : std::string();
  };
  const bool v2 =
      request.kind == EgressRequest::Kind::kPeople || request.kind == EgressRequest::Kind::kMix;
  return ProtoJson(style)
      .text("egress_id", record.id)
      .text("room_id", ControlRooms::room_sid(request.room))
      .text("room_name", request.room)
      .choice("source_type", request.rtmp() ? "EGRESS_SOURCE_TYPE_WEB" : "EGRESS_SOURCE_TYPE_SDK",
              "EGRESS_SOURCE_TYPE_WEB")
      .choice("status", state_name(record.state), "EGRESS_STARTING")
      .big_number("started_at", record.requested_ns)
      .big_number("ended_at", record.ended_ns)
      .big_number("updated_at", record.updated_ns)
      .one_of("egress", v2 ? v2_request_json(request, style) : "")
      .one_of("room_composite", own(EgressRequest::Kind::kComposite, composite_request_json))
      .one_of("track", own(EgressRequest::Kind::kTrack, track_request_json))
      .list("stream_results", streams)
      .list("file_results", {})
      .list("segment_results", {})
      .list("image_results", {})
      .text("details", record.details)
      .text("error", record.error)
      .number("error_code", record.error_code)
      .text("manifest_location", "")
      .flag("backup_storage_used", false)
      .number("retry_count", 0)
      .one_of("stream", ProtoJson(style).list("info", streams).json())
      .json();
}

std::string requested_egress(std::string_view body) {
  const livekit::JsonText json(body);
  return json.object() != nullptr ? json_text(json.object(), "egressId") : std::string();
}

EgressRecord& EgressRecords::add(EgressRequest request, int64_t now_ns) {
  EgressRecord& record = records_.emplace_back();
  record.id = make_sid("EG_", std::to_string(seed_) + "\n" + std::to_string(records_.size()));
  record.request = std::move(request);
  record.requested_ns = record.updated_ns = now_ns;
  return record;
}

EgressRecord* EgressRecords::find(std::string_view id) {
  const auto found = std::find_if(records_.begin(), records_.end(),
                                  [id](const EgressRecord& record) { return record.id == id; });
  return found == records_.end() ? nullptr : &*found;
}

std::optional<TwirpError> EgressRecords::refuse_stop(std::string_view id) {
  const EgressRecord* record = find(id);
  if (record == nullptr) return TwirpError{404, "not_found", "egress does not exist"};
  if (record->state == EgressState::kStarting || record->state == EgressState::kActive)
    return std::nullopt;
  return TwirpError{
      412, "failed_precondition",
      std::string("egress with status ") + state_name(record->state) + " cannot be stopped"};
}

std::string EgressRecords::list(std::string_view body) const {
  const livekit::JsonText json(body);
  JsonObject* object = json.object();
  const std::string room = object != nullptr ? json_text(object, "roomName") : "";
  const std::string id = object != nullptr ? json_text(object, "egressId") : "";
  const bool active = object != nullptr && json_flag(object, "active");
  std::vector<std::string> items;
  for (const EgressRecord& record : records_) {
    const bool wanted =
        id.empty() ? (room.empty() || record.request.room == room) && (!active || !record.over())
                   : record.id == id;
    if (wanted) items.push_back(egress_json(record, ProtoStyle::kAnswer));
  }
  return ProtoJson(ProtoStyle::kAnswer).list("items", items).message("next_page_token", "").json();
}

}  // namespace egresssim
