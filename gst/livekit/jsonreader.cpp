// SPDX-License-Identifier: LGPL-2.1-or-later
#include "jsonreader.h"

#include <algorithm>

#include "utf8.h"

namespace livekit {

namespace {

constexpr int kMaxDepth = 64;

// json-glib recurses at each bracket: what is nested deeper is not looked at.
bool is_shallow(std::string_view text) {
  int depth = 0;
  bool quoted = false;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (quoted) {
      if (c == '\\') ++i;
      if (c == '"') quoted = false;
    } else if (c == '"') {
      quoted = true;
    } else if (c == '{' || c == '[') {
      if (++depth > kMaxDepth) return false;
    } else if (c == '}' || c == ']') {
      --depth;
    }
  }
  return true;
}

std::string snake_case(std::string_view name) {
  std::string snake;
  for (const char c : name) {
    if (c >= 'A' && c <= 'Z') {
      snake += '_';
      snake += static_cast<char>(c - 'A' + 'a');
    } else {
      snake += c;
    }
  }
  return snake;
}

JsonNode* value_node(JsonObject* object, const char* name) {
  JsonNode* node = json_member(object, name);
  return node && JSON_NODE_HOLDS_VALUE(node) ? node : nullptr;
}

// Calls `take` with each element of a list.
template <typename Take>
void each_element(JsonObject* object, const char* name, Take take) {
  JsonNode* node = json_member(object, name);
  JsonArray* list = node && JSON_NODE_HOLDS_ARRAY(node) ? json_node_get_array(node) : nullptr;
  const guint length = list ? json_array_get_length(list) : 0;
  for (guint i = 0; i < length; ++i) take(json_array_get_element(list, i));
}

}  // namespace

JsonText::JsonText(std::string_view text) {
  if (text.empty() || !is_valid_utf8(text) || !is_shallow(text)) return;
  parser_.reset(json_parser_new_immutable());
  if (!json_parser_load_from_data(parser_.get(), text.data(), static_cast<gssize>(text.size()),
                                  nullptr)) {
    return;
  }
  JsonNode* root = json_parser_get_root(parser_.get());
  if (root && JSON_NODE_HOLDS_OBJECT(root)) object_ = json_node_get_object(root);
}

JsonNode* json_member(JsonObject* object, const char* name) {
  if (!object) return nullptr;
  JsonNode* node = json_object_get_member(object, name);
  return node ? node : json_object_get_member(object, snake_case(name).c_str());
}

std::string json_text(JsonObject* object, const char* name) {
  JsonNode* node = value_node(object, name);
  if (!node || json_node_get_value_type(node) != G_TYPE_STRING) return {};
  const char* text = json_node_get_string(node);
  return text ? text : "";
}

bool json_flag(JsonObject* object, const char* name) {
  JsonNode* node = value_node(object, name);
  return node && json_node_get_value_type(node) == G_TYPE_BOOLEAN && json_node_get_boolean(node);
}

int64_t json_number(JsonObject* object, const char* name) {
  JsonNode* node = value_node(object, name);
  if (!node) return 0;
  if (json_node_get_value_type(node) == G_TYPE_STRING) {
    return g_ascii_strtoll(json_node_get_string(node), nullptr, 10);
  }
  if (json_node_get_value_type(node) == G_TYPE_INT64) return json_node_get_int(node);
  if (json_node_get_value_type(node) != G_TYPE_DOUBLE) return 0;
  constexpr double kExact = 9007199254740992.0;  // 2^53: what a double holds exactly
  return static_cast<int64_t>(std::clamp(json_node_get_double(node), -kExact, kExact));
}

JsonObject* json_child(JsonObject* object, const char* name) {
  JsonNode* node = json_member(object, name);
  return node && JSON_NODE_HOLDS_OBJECT(node) ? json_node_get_object(node) : nullptr;
}

std::vector<JsonObject*> json_objects(JsonObject* object, const char* name) {
  std::vector<JsonObject*> objects;
  each_element(object, name, [&](JsonNode* node) {
    if (JSON_NODE_HOLDS_OBJECT(node)) objects.push_back(json_node_get_object(node));
  });
  return objects;
}

std::vector<std::string> json_texts(JsonObject* object, const char* name) {
  std::vector<std::string> texts;
  each_element(object, name, [&](JsonNode* node) {
    if (JSON_NODE_HOLDS_VALUE(node) && json_node_get_value_type(node) == G_TYPE_STRING) {
      texts.emplace_back(json_node_get_string(node));
    }
  });
  return texts;
}

std::string json_quote(std::string_view text) {
  std::string quoted = "\"";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      quoted += '\\';
      quoted += c;
    } else if (byte < 0x20) {
      constexpr const char* kHex = "0123456789abcdef";
      quoted += "\\u00";
      quoted += kHex[byte >> 4];
      quoted += kHex[byte & 15];
    } else {
      quoted += c;
    }
  }
  return quoted + "\"";
}

}  // namespace livekit
