// SPDX-License-Identifier: LGPL-2.1-or-later
// Messages as LiveKit writes them in JSON: answers of its API in snake_case with every field there,
// webhooks in camelCase without the fields that have their default.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace egresssim {

enum class ProtoStyle { kAnswer, kWebhook };

// "1.250", for members that are seconds.
std::string json_seconds(double value);
// With its quotes; what is not UTF-8 is marked.
std::string json_string(const std::string& text);

class ProtoJson {
 public:
  explicit ProtoJson(ProtoStyle style) : style_(style) {}

  ProtoStyle style() const { return style_; }
  // `name` in snake_case.
  ProtoJson& text(std::string_view name, std::string_view value);
  ProtoJson& number(std::string_view name, int64_t value);      // of 32 bits
  ProtoJson& big_number(std::string_view name, int64_t value);  // of 64 bits: in quotes
  ProtoJson& flag(std::string_view name, bool value);
  // `fallback` is the name of the value 0.
  ProtoJson& choice(std::string_view name, std::string_view value, std::string_view fallback);
  // A finished JSON text; "" = a message that is not set.
  ProtoJson& message(std::string_view name, std::string_view json);
  // Not even in answers when it is not set: one of several.
  ProtoJson& one_of(std::string_view name, std::string_view json);
  ProtoJson& list(std::string_view name, const std::vector<std::string>& json);
  ProtoJson& texts(std::string_view name, const std::vector<std::string>& values);

  std::string json() const { return "{" + members_ + "}"; }

 private:
  ProtoJson& add(std::string_view name, std::string_view json, bool is_default);

  ProtoStyle style_;
  std::string members_;
};

}  // namespace egresssim
