// SPDX-License-Identifier: LGPL-2.1-or-later
#include "protojson.h"

#include <glib.h>

#include "livekit/jsonreader.h"

namespace egresssim {
namespace {

std::string camel_case(std::string_view name) {
  std::string result;
  for (size_t i = 0; i < name.size(); ++i) {
    if (name[i] == '_' && i + 1 < name.size()) {
      result += g_ascii_toupper(name[++i]);
    } else {
      result += name[i];
    }
  }
  return result;
}

}  // namespace

std::string json_seconds(double value) {
  char text[G_ASCII_DTOSTR_BUF_SIZE];
  return g_ascii_formatd(text, sizeof text, "%.3f", value);
}

std::string json_string(const std::string& text) {
  g_autofree gchar* valid = g_utf8_make_valid(text.c_str(), -1);
  return livekit::json_quote(valid);
}

ProtoJson& ProtoJson::add(std::string_view name, std::string_view json, bool is_default) {
  if (is_default && style_ == ProtoStyle::kWebhook) return *this;
  const std::string key = style_ == ProtoStyle::kWebhook ? camel_case(name) : std::string(name);
  members_ += (members_.empty() ? "\"" : ",\"") + key + "\":";
  members_ += json;
  return *this;
}

ProtoJson& ProtoJson::text(std::string_view name, std::string_view value) {
  return add(name, livekit::json_quote(value), value.empty());
}

ProtoJson& ProtoJson::number(std::string_view name, int64_t value) {
  return add(name, std::to_string(value), value == 0);
}

ProtoJson& ProtoJson::big_number(std::string_view name, int64_t value) {
  return add(name, "\"" + std::to_string(value) + "\"", value == 0);
}

ProtoJson& ProtoJson::flag(std::string_view name, bool value) {
  return add(name, value ? "true" : "false", !value);
}

ProtoJson& ProtoJson::choice(std::string_view name, std::string_view value,
                             std::string_view fallback) {
  return add(name, livekit::json_quote(value), value == fallback);
}

ProtoJson& ProtoJson::message(std::string_view name, std::string_view json) {
  return add(name, json.empty() ? "null" : json, json.empty());
}

ProtoJson& ProtoJson::one_of(std::string_view name, std::string_view json) {
  return json.empty() ? *this : add(name, json, false);
}

ProtoJson& ProtoJson::list(std::string_view name, const std::vector<std::string>& json) {
  std::string all;
  for (const std::string& one : json) all += (all.empty() ? "" : ",") + one;
  return add(name, "[" + all + "]", json.empty());
}

ProtoJson& ProtoJson::texts(std::string_view name, const std::vector<std::string>& values) {
  std::vector<std::string> quoted;
  for (const std::string& value : values) quoted.push_back(livekit::json_quote(value));
  return list(name, quoted);
}

}  // namespace egresssim
