// SPDX-License-Identifier: LGPL-2.1-or-later
// Reading of scenario files. json-glib forgets where a value stood, so the line of each object and
// member is noted while it parses: an error message without its line is of little use.
#include <glib/gstdio.h>
#include <json-glib/json-glib.h>

#include <algorithm>
#include <initializer_list>
#include <map>
#include <memory>
#include <stdexcept>

#include "scenario.h"

namespace egresssim {
namespace {

struct Unref {
  void operator()(gpointer object) const { g_object_unref(object); }
};

struct ScenarioError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

class Reader {
 public:
  Reader(std::string origin, std::string base_folder)
      : origin_(std::move(origin)), base_folder_(std::move(base_folder)) {}

  Scenario read(const std::string& json) {
    std::unique_ptr<JsonParser, Unref> parser(json_parser_new());
    g_signal_connect(parser.get(), "object-member", G_CALLBACK(on_member), this);
    g_autoptr(GError) error = nullptr;
    if (!json_parser_load_from_data(parser.get(), json.data(), gssize(json.size()), &error)) {
      // json-glib's text begins with "<data>:LINE:COLUMN: ".
      std::string text = error->message;
      if (text.rfind("<data>", 0) == 0) text.replace(0, 6, origin_);
      throw ScenarioError(text);
    }
    JsonNode* root = json_parser_get_root(parser.get());
    if (root == nullptr || !JSON_NODE_HOLDS_OBJECT(root))
      throw ScenarioError(origin_ + ":1: a scenario is a JSON object: {\"rooms\": [...]}");
    return scenario(json_node_get_object(root));
  }

 private:
  static void on_member(JsonParser* parser, JsonObject* object, const gchar* name, gpointer self) {
    auto& lines = static_cast<Reader*>(self)->lines_[object];
    const int line = static_cast<int>(json_parser_get_current_line(parser));
    lines[name] = line;
    // The first member's line stands for the object's.
    if (lines.size() == 1) lines[""] = line;
  }

  int line_of(JsonObject* object, const char* name) const {
    const auto found = lines_.find(object);
    if (found == lines_.end()) return 0;
    const auto line = found->second.find(name);
    if (line != found->second.end()) return line->second;
    const auto own = found->second.find("");
    return own == found->second.end() ? 0 : own->second;
  }

  [[noreturn]] void fail(JsonObject* object, const char* name, const std::string& text) const {
    throw ScenarioError(origin_ + ":" + std::to_string(line_of(object, name)) + ": " + text);
  }

  void only(JsonObject* object, std::initializer_list<const char*> known, const char* what) const {
    g_autoptr(GList) members = json_object_get_members(object);
    for (GList* l = members; l != nullptr; l = l->next) {
      const std::string name = static_cast<const gchar*>(l->data);
      if (std::any_of(known.begin(), known.end(), [&](const char* k) { return name == k; }))
        continue;
      std::string list;
      for (const char* k : known) list += (list.empty() ? "" : ", ") + std::string(k);
      fail(object, name.c_str(), "unknown \"" + name + "\" in a " + what + "; known are: " + list);
    }
  }

  std::string text(JsonObject* object, const char* name, const std::string& fallback) const {
    JsonNode* node = json_object_get_member(object, name);
    if (node == nullptr) return fallback;
    if (json_node_get_value_type(node) != G_TYPE_STRING)
      fail(object, name, "\"" + std::string(name) + "\" must be a text in quotes");
    return json_node_get_string(node);
  }

  double node_number(JsonObject* object, const char* name, JsonNode* node) const {
    const GType type = node != nullptr ? json_node_get_value_type(node) : G_TYPE_INVALID;
    if (type != G_TYPE_INT64 && type != G_TYPE_DOUBLE)
      fail(object, name, "\"" + std::string(name) + "\" must be a number");
    return json_node_get_double(node);
  }

  double number(JsonObject* object, const char* name, double fallback) const {
    JsonNode* node = json_object_get_member(object, name);
    return node == nullptr ? fallback : node_number(object, name, node);
  }

  JsonArray* array(JsonObject* object, const char* name) const {
    JsonNode* node = json_object_get_member(object, name);
    if (node == nullptr) return nullptr;
    if (!JSON_NODE_HOLDS_ARRAY(node))
      fail(object, name, "\"" + std::string(name) + "\" must be a list: [...]");
    return json_node_get_array(node);
  }

  template <typename Each>
  void objects(JsonObject* object, const char* name, Each each) const {
    JsonArray* list = array(object, name);
    for (guint i = 0; list != nullptr && i < json_array_get_length(list); ++i) {
      JsonNode* node = json_array_get_element(list, i);
      if (!JSON_NODE_HOLDS_OBJECT(node))
        fail(object, name, "\"" + std::string(name) + "\" must be a list of objects: [{...}]");
      each(json_node_get_object(node));
    }
  }

  Clip clip(JsonObject* object, const Participant& who) const {
    only(object, {"file", "voice", "pitch", "text", "at_s", "repeat_s", "gain"}, "clip");
    Clip clip;
    clip.line = line_of(object, "");
    clip.file = text(object, "file", "");
    if (!clip.file.empty() && !g_path_is_absolute(clip.file.c_str()) && !base_folder_.empty())
      clip.file = base_folder_ + "/" + clip.file;
    clip.voice = text(object, "voice", who.voice);
    clip.pitch = number(object, "pitch", who.pitch);
    clip.text = text(object, "text", "");
    if (!json_object_has_member(object, "at_s"))
      fail(object, "", "a clip needs \"at_s\", the second at which it starts");
    clip.at_s = number(object, "at_s", 0);
    clip.repeat_s = number(object, "repeat_s", 0);
    clip.gain = number(object, "gain", 1);
    return clip;
  }

  std::vector<Mute> spans(JsonObject* object, const char* name) const {
    std::vector<Mute> result;
    JsonArray* list = array(object, name);
    for (guint i = 0; list != nullptr && i < json_array_get_length(list); ++i) {
      JsonNode* pair = json_array_get_element(list, i);
      if (!JSON_NODE_HOLDS_ARRAY(pair) || json_array_get_length(json_node_get_array(pair)) != 2)
        fail(object, name,
             "\"" + std::string(name) + "\" is a list of pairs of seconds: [[from, to], ...]");
      JsonArray* ends = json_node_get_array(pair);
      result.push_back({node_number(object, name, json_array_get_element(ends, 0)),
                        node_number(object, name, json_array_get_element(ends, 1))});
    }
    return result;
  }

  Fault fault(JsonObject* object) const {
    only(object, {"type", "at_s", "duration_s"}, "fault");
    Fault fault;
    const std::string type = text(object, "type", "");
    if (type == "stall") {
      fault.kind = Fault::Kind::kStall;
    } else if (type == "finish") {
      fault.kind = Fault::Kind::kFinish;
    } else if (type == "reset") {
      fault.kind = Fault::Kind::kReset;
    } else if (type == "death") {
      fault.kind = Fault::Kind::kDeath;
    } else {
      fail(object, "type", "a fault's \"type\" is one of: stall, finish, reset, death");
    }
    fault.at_s = number(object, "at_s", -1);
    fault.duration_s = number(object, "duration_s", 0);
    return fault;
  }

  Participant participant(JsonObject* object) const {
    only(object,
         {"identity", "name", "track", "voice", "pitch", "join_s", "leave_s", "mutes", "clips",
          "faults", "clock_ppm", "jitter_ms", "unpublished", "renames", "metadata", "kind"},
         "participant");
    Participant who;
    who.line = line_of(object, "");
    who.identity = text(object, "identity", "");
    who.name = text(object, "name", "");
    who.track = text(object, "track", "");
    who.voice = text(object, "voice", "");
    who.pitch = number(object, "pitch", 1);
    who.join_s = number(object, "join_s", 0);
    if (json_object_has_member(object, "leave_s")) who.leave_s = number(object, "leave_s", 0);
    who.clock_ppm = number(object, "clock_ppm", 0);
    who.jitter_ms = number(object, "jitter_ms", 0);
    who.mutes = spans(object, "mutes");
    who.unpublished = spans(object, "unpublished");
    who.metadata = text(object, "metadata", "");
    who.kind = text(object, "kind", "");
    objects(object, "renames", [&](JsonObject* o) {
      only(o, {"at_s", "name"}, "rename");
      who.renames.push_back({number(o, "at_s", 0), text(o, "name", "")});
    });
    objects(object, "clips", [&](JsonObject* o) { who.clips.push_back(clip(o, who)); });
    objects(object, "faults", [&](JsonObject* o) { who.faults.push_back(fault(o)); });
    return who;
  }

  Scenario scenario(JsonObject* object) const {
    only(object, {"comment", "rooms", "profile", "latency_ms", "format", "seed"}, "scenario");
    Scenario scenario;
    const std::string profile = text(object, "profile", "default");
    if (profile == "low-latency") {
      scenario.latency = kLowLatency;
    } else if (profile != "default") {
      fail(object, "profile", "\"profile\" is one of: default, low-latency");
    }
    if (json_object_has_member(object, "latency_ms")) {
      const double latency_ms = number(object, "latency_ms", 0);
      if (latency_ms < 0) fail(object, "latency_ms", "\"latency_ms\" must not be negative");
      scenario.latency = {latency_ms, latency_ms + 20};
    }
    const std::string format = text(object, "format", "pcm");
    if (format == "opus") {
      scenario.audio = AudioKind::kOpus;
    } else if (format != "pcm") {
      fail(object, "format", "\"format\" is one of: pcm, opus");
    }
    const double seed = number(object, "seed", 1);
    if (seed < 0 || seed > 4294967295.0)
      fail(object, "seed", "\"seed\" must be a whole number from 0 to 4294967295");
    scenario.seed = static_cast<unsigned>(seed);
    objects(object, "rooms", [&](JsonObject* o) {
      only(o, {"name", "participants"}, "room");
      Room room;
      room.name = text(o, "name", "");
      if (room.name.empty()) fail(o, "name", "a room needs a non-empty \"name\"");
      objects(o, "participants",
              [&](JsonObject* p) { room.participants.push_back(participant(p)); });
      scenario.rooms.push_back(std::move(room));
    });
    return scenario;
  }

  const std::string origin_;
  const std::string base_folder_;
  std::map<JsonObject*, std::map<std::string, int>> lines_;
};

}  // namespace

std::optional<Scenario> parse_scenario(const std::string& json, const std::string& origin,
                                       const std::string& base_folder, std::string& error) {
  try {
    Scenario scenario = Reader(origin, base_folder).read(json);
    if (!check_scenario(scenario, origin, error)) return std::nullopt;
    return scenario;
  } catch (const ScenarioError& failure) {
    error = failure.what();
    return std::nullopt;
  }
}

std::optional<Scenario> load_scenario(const std::string& path, std::string& error) {
  g_autofree gchar* data = nullptr;
  gsize length = 0;
  g_autoptr(GError) failure = nullptr;
  if (!g_file_get_contents(path.c_str(), &data, &length, &failure)) {
    error = std::string("cannot read the scenario: ") + failure->message;
    return std::nullopt;
  }
  g_autofree gchar* folder = g_path_get_dirname(path.c_str());
  return parse_scenario(std::string(data, length), path, folder, error);
}

}  // namespace egresssim
