// SPDX-License-Identifier: LGPL-2.1-or-later
#include <glib.h>
#include <json-glib/json-glib.h>

#include <cmath>
#include <cstring>

#include "playback.h"

namespace egresssim {
namespace {

bool read_file(const std::string& path, std::string& data, std::string& error) {
  g_autofree gchar* content = nullptr;
  gsize length = 0;
  g_autoptr(GError) failure = nullptr;
  if (!g_file_get_contents(path.c_str(), &content, &length, &failure)) {
    error =
        std::string("cannot read the capture: ") + failure->message + " (unpack the .tar.xz first)";
    return false;
  }
  data.assign(content, length);
  return true;
}

JsonObject* parse_object(JsonParser* parser, const std::string& text, const std::string& origin,
                         std::string& error) {
  g_autoptr(GError) failure = nullptr;
  if (!json_parser_load_from_data(parser, text.data(), gssize(text.size()), &failure)) {
    error = origin + ": " + failure->message;
    return nullptr;
  }
  JsonNode* root = json_parser_get_root(parser);
  if (root == nullptr || !JSON_NODE_HOLDS_OBJECT(root)) {
    error = origin + ": not a JSON object";
    return nullptr;
  }
  return json_node_get_object(root);
}

std::string string_member(JsonObject* object, const char* name) {
  return json_object_get_string_member_with_default(object, name, "");
}

int64_t nanoseconds_member(JsonObject* object, const char* name) {
  return std::llround(json_object_get_double_member_with_default(object, name, 0) * 1e9);
}

bool kind_of(const std::string& op, Outgoing::Kind& kind) {
  if (op == "binary")
    kind = Outgoing::Kind::kAudio;
  else if (op == "text")
    kind = Outgoing::Kind::kText;
  else if (op == "ping")
    kind = Outgoing::Kind::kPing;
  else if (op == "pong")
    kind = Outgoing::Kind::kPong;
  else if (op == "close")
    kind = Outgoing::Kind::kClose;
  else
    return false;
  return true;
}

bool load_frames(const std::string& path, CapturedConnection& connection, std::string& error) {
  std::string text;
  if (!read_file(path, text, error)) return false;
  g_autoptr(JsonParser) parser = json_parser_new();
  size_t offset = 0;
  int number = 0;
  for (size_t at = 0; at < text.size();) {
    const size_t end = std::min(text.find('\n', at), text.size());
    const std::string line = text.substr(at, end - at);
    at = end + 1;
    ++number;
    if (line.empty()) continue;
    const std::string origin = path + ":" + std::to_string(number);
    JsonObject* object = parse_object(parser, line, origin, error);
    if (object == nullptr) return false;
    CapturedFrame frame;
    frame.at_ns = nanoseconds_member(object, "t");
    const int64_t length = json_object_get_int_member_with_default(object, "len", -1);
    if (!kind_of(string_member(object, "op"), frame.kind) || length < 0 ||
        length > static_cast<int64_t>(kMaxPayload)) {
      error = origin + ": a frame needs op (binary, text, ping, pong, close) and len (0..65536)";
      return false;
    }
    frame.offset = offset;
    frame.length = static_cast<size_t>(length);
    offset += frame.length;
    connection.frames.push_back(frame);
  }
  if (offset != connection.payload.size()) {
    error = path + ": the frames add up to " + std::to_string(offset) + " bytes, the payload has " +
            std::to_string(connection.payload.size());
    return false;
  }
  return true;
}

}  // namespace

bool load_capture(const std::string& folder, std::vector<CapturedConnection>& connections,
                  std::string& error) {
  const std::string manifest = folder + "/manifest.json";
  std::string text;
  if (!read_file(manifest, text, error)) return false;
  g_autoptr(JsonParser) parser = json_parser_new();
  JsonObject* root = parse_object(parser, text, manifest, error);
  if (root == nullptr) return false;
  if (!json_object_has_member(root, "connections")) {
    error = manifest + ": has no \"connections\"";
    return false;
  }
  JsonArray* list = json_object_get_array_member(root, "connections");
  for (guint i = 0; i < json_array_get_length(list); ++i) {
    JsonObject* object = json_array_get_object_element(list, i);
    CapturedConnection connection;
    connection.name = string_member(object, "name");
    connection.path = string_member(object, "path");
    connection.connect_ns = nanoseconds_member(object, "t_connect");
    JsonArray* headers = json_object_get_array_member(object, "headers");
    for (guint h = 0; h < json_array_get_length(headers); ++h) {
      JsonArray* header = json_array_get_array_element(headers, h);
      connection.headers.emplace_back(json_array_get_string_element(header, 0),
                                      json_array_get_string_element(header, 1));
    }
    std::string payload;
    if (!read_file(folder + "/" + string_member(object, "payload"), payload, error)) return false;
    connection.payload.assign(payload.begin(), payload.end());
    if (!load_frames(folder + "/" + string_member(object, "frames"), connection, error))
      return false;
    connections.push_back(std::move(connection));
  }
  return true;
}

int64_t CapturePlayback::due_ns(size_t index) const {
  return std::llround(static_cast<double>(connection_->frames[index].at_ns) / speed_);
}

int64_t CapturePlayback::next_due_ns() const {
  return begun_ && next_ < connection_->frames.size() ? due_ns(next_) : kNever_ns;
}

Outgoing CapturePlayback::take(uint8_t* payload) {
  const CapturedFrame& frame = connection_->frames[next_++];
  std::memcpy(payload, connection_->payload.data() + frame.offset, frame.length);
  return {frame.kind, frame.length};
}

// Captured traffic is played whole: what the receiver does not read waits.
int64_t CapturePlayback::overdue_audio(int64_t) const {
  return 0;
}
void CapturePlayback::drop_audio(int64_t) {}

}  // namespace egresssim
