// SPDX-License-Identifier: LGPL-2.1-or-later
// Reading JSON that others wrote: absent members and members of another type are defaults, as
// protobuf's JSON form leaves defaults out. A member may be asked for by two spellings.
#pragma once

#include <json-glib/json-glib.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace livekit {

// A parsed text. Size and depth are limited: json-glib recurses.
class JsonText {
 public:
  explicit JsonText(std::string_view text);

  // The object at the root, or nullptr.
  JsonObject* object() const { return object_; }

 private:
  struct Unref {
    void operator()(gpointer object) const { g_object_unref(object); }
  };
  std::unique_ptr<JsonParser, Unref> parser_;
  JsonObject* object_ = nullptr;
};

// `name` as protobuf's JSON writes it (camelCase); the snake_case form is found too.
JsonNode* json_member(JsonObject* object, const char* name);
std::string json_text(JsonObject* object, const char* name);
bool json_flag(JsonObject* object, const char* name);
// Numbers, and numbers in strings (64 bits are written so).
int64_t json_number(JsonObject* object, const char* name);
JsonObject* json_child(JsonObject* object, const char* name);
// The objects, or the texts, of a list; what is neither is left out.
std::vector<JsonObject*> json_objects(JsonObject* object, const char* name);
std::vector<std::string> json_texts(JsonObject* object, const char* name);

// `text` as a JSON string, with its quotes.
std::string json_quote(std::string_view text);

}  // namespace livekit
