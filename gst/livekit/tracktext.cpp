// SPDX-License-Identifier: LGPL-2.1-or-later
#include "tracktext.h"

#include <json-glib/json-glib.h>

#include <memory>

namespace livekit {

std::optional<bool> parse_muted_text(std::string_view text) {
  // As LiveKit writes them; anything else is looked at more closely.
  if (text == R"({"muted":true})") return true;
  if (text == R"({"muted":false})") return false;
  // The only text there is, is 16 bytes long. A deeply nested one must not cost a stack.
  constexpr size_t kLongestText = 256;
  if (text.empty() || text.size() > kLongestText) return std::nullopt;
  const std::unique_ptr<JsonParser, void (*)(gpointer)> parser(json_parser_new_immutable(),
                                                               g_object_unref);
  if (!json_parser_load_from_data(parser.get(), text.data(), gssize(text.size()), nullptr)) {
    return std::nullopt;
  }
  JsonNode* root = json_parser_get_root(parser.get());
  if (!root || !JSON_NODE_HOLDS_OBJECT(root)) return std::nullopt;
  JsonNode* muted = json_object_get_member(json_node_get_object(root), "muted");
  if (!muted || !JSON_NODE_HOLDS_VALUE(muted) ||
      json_node_get_value_type(muted) != G_TYPE_BOOLEAN) {
    return std::nullopt;
  }
  return json_node_get_boolean(muted) != FALSE;
}

}  // namespace livekit
