// SPDX-License-Identifier: LGPL-2.1-or-later
// AMF0, in which RTMP writes its commands. The reader takes foreign bytes: depth, number of values
// and the length of the input bound what it costs.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace rtmp::amf0 {

inline constexpr int kMaxDepth = 16;
inline constexpr size_t kMaxValues = 1024;  // of one message, all depths together

struct Value {
  enum class Type { kNull, kNumber, kBoolean, kText, kObject, kArray };

  Type type = Type::kNull;  // also undefined and unsupported
  double number = 0;        // a boolean's too, 0 or 1
  std::string text;
  std::vector<Value> members;      // of an object or an array
  std::vector<std::string> names;  // theirs; a strict array's have none

  // nullptr when there is none; the first one wins.
  const Value* find(std::string_view name) const;
  // "" when it is no text.
  std::string_view as_text() const { return type == Type::kText ? text : std::string_view(); }
};

class Reader {
 public:
  explicit Reader(std::span<const uint8_t> bytes) : bytes_(bytes) {}

  // nullopt at the end, or once something could not be read: failed() tells.
  std::optional<Value> next();
  bool failed() const { return failed_; }
  size_t position() const { return position_; }

 private:
  bool read_value(Value& value, int depth);
  bool read_members(Value& value, int depth);
  bool read_elements(Value& value, int depth);
  bool read_text(size_t length_bytes, std::string& text);
  bool read_unsigned(size_t count, uint32_t& number);
  bool read_double(double& number);
  bool skip(size_t count);

  std::span<const uint8_t> bytes_;
  size_t position_ = 0;
  size_t values_ = 0;
  bool failed_ = false;
};

class Writer {
 public:
  Writer& number(double value);
  Writer& boolean(bool value);
  Writer& text(std::string_view value);  // cut at 65535 bytes
  Writer& null();
  Writer& begin_object();
  Writer& key(std::string_view name);
  Writer& end_object();

  const std::vector<uint8_t>& bytes() const { return bytes_; }

 private:
  void put_text(std::string_view value);

  std::vector<uint8_t> bytes_;
};

}  // namespace rtmp::amf0
