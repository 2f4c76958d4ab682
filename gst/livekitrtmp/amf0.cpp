// SPDX-License-Identifier: LGPL-2.1-or-later
#include "amf0.h"

#include <algorithm>
#include <bit>
#include <utility>

namespace rtmp::amf0 {

namespace {

enum Marker : uint8_t {
  kNumberMarker = 0x00,
  kBooleanMarker = 0x01,
  kStringMarker = 0x02,
  kObjectMarker = 0x03,
  kNullMarker = 0x05,
  kUndefinedMarker = 0x06,
  kReferenceMarker = 0x07,
  kEcmaArrayMarker = 0x08,
  kObjectEndMarker = 0x09,
  kStrictArrayMarker = 0x0a,
  kDateMarker = 0x0b,
  kLongStringMarker = 0x0c,
  kUnsupportedMarker = 0x0d,
  kXmlMarker = 0x0f,
  kTypedObjectMarker = 0x10,
};

}  // namespace

const Value* Value::find(std::string_view name) const {
  for (size_t i = 0; i < names.size(); ++i) {
    if (names[i] == name) return &members[i];
  }
  return nullptr;
}

std::optional<Value> Reader::next() {
  if (failed_ || position_ >= bytes_.size()) return std::nullopt;
  Value value;
  if (!read_value(value, 0)) {
    failed_ = true;
    return std::nullopt;
  }
  return value;
}

bool Reader::skip(size_t count) {
  if (bytes_.size() - position_ < count) return false;
  position_ += count;
  return true;
}

bool Reader::read_unsigned(size_t count, uint32_t& number) {
  if (bytes_.size() - position_ < count) return false;
  number = 0;
  for (size_t i = 0; i < count; ++i) number = number << 8 | bytes_[position_ + i];
  position_ += count;
  return true;
}

bool Reader::read_double(double& number) {
  uint32_t high = 0;
  uint32_t low = 0;
  if (!read_unsigned(4, high) || !read_unsigned(4, low)) return false;
  number = std::bit_cast<double>(uint64_t{high} << 32 | low);
  return true;
}

bool Reader::read_text(size_t length_bytes, std::string& text) {
  uint32_t length = 0;
  if (!read_unsigned(length_bytes, length) || bytes_.size() - position_ < length) return false;
  text.assign(bytes_.begin() + static_cast<ptrdiff_t>(position_),
              bytes_.begin() + static_cast<ptrdiff_t>(position_ + length));
  position_ += length;
  return true;
}

bool Reader::read_value(Value& value, int depth) {
  uint32_t marker = 0;
  if (depth > kMaxDepth || ++values_ > kMaxValues || !read_unsigned(1, marker)) return false;
  uint32_t count = 0;
  std::string class_name;
  switch (marker) {
    case kNumberMarker:
      value.type = Value::Type::kNumber;
      return read_double(value.number);
    case kBooleanMarker:
      value.type = Value::Type::kBoolean;
      if (!read_unsigned(1, count)) return false;
      value.number = count != 0 ? 1 : 0;
      return true;
    case kStringMarker:
      value.type = Value::Type::kText;
      return read_text(2, value.text);
    case kLongStringMarker:
    case kXmlMarker:
      value.type = Value::Type::kText;
      return read_text(4, value.text);
    case kNullMarker:
    case kUndefinedMarker:
    case kUnsupportedMarker:
      return true;
    case kReferenceMarker:
      return skip(2);
    case kDateMarker:
      value.type = Value::Type::kNumber;
      return read_double(value.number) && skip(2);
    case kTypedObjectMarker:
      return read_text(2, class_name) && read_members(value, depth);
    case kObjectMarker:
      return read_members(value, depth);
    case kEcmaArrayMarker:
      // The count is a hint and often wrong; the end marker decides.
      return skip(4) && read_members(value, depth);
    case kStrictArrayMarker:
      return read_elements(value, depth);
    default:  // also AMF3 within AMF0
      return false;
  }
}

bool Reader::read_members(Value& value, int depth) {
  value.type = Value::Type::kObject;
  while (true) {
    std::string name;
    if (!read_text(2, name)) return false;
    if (name.empty() && position_ < bytes_.size() && bytes_[position_] == kObjectEndMarker) {
      return skip(1);
    }
    Value member;
    if (!read_value(member, depth + 1)) return false;
    value.names.push_back(std::move(name));
    value.members.push_back(std::move(member));
  }
}

bool Reader::read_elements(Value& value, int depth) {
  value.type = Value::Type::kArray;
  uint32_t count = 0;
  if (!read_unsigned(4, count)) return false;
  for (uint32_t i = 0; i < count; ++i) {
    Value element;
    if (!read_value(element, depth + 1)) return false;
    value.members.push_back(std::move(element));
  }
  return true;
}

Writer& Writer::number(double value) {
  bytes_.push_back(kNumberMarker);
  const auto bits = std::bit_cast<uint64_t>(value);
  for (int shift = 56; shift >= 0; shift -= 8)
    bytes_.push_back(static_cast<uint8_t>(bits >> shift));
  return *this;
}

Writer& Writer::boolean(bool value) {
  bytes_.push_back(kBooleanMarker);
  bytes_.push_back(value ? 1 : 0);
  return *this;
}

void Writer::put_text(std::string_view value) {
  value = value.substr(0, 0xffff);
  bytes_.push_back(static_cast<uint8_t>(value.size() >> 8));
  bytes_.push_back(static_cast<uint8_t>(value.size()));
  bytes_.insert(bytes_.end(), value.begin(), value.end());
}

Writer& Writer::text(std::string_view value) {
  bytes_.push_back(kStringMarker);
  put_text(value);
  return *this;
}

Writer& Writer::null() {
  bytes_.push_back(kNullMarker);
  return *this;
}

Writer& Writer::begin_object() {
  bytes_.push_back(kObjectMarker);
  return *this;
}

Writer& Writer::key(std::string_view name) {
  put_text(name);
  return *this;
}

Writer& Writer::end_object() {
  put_text("");
  bytes_.push_back(kObjectEndMarker);
  return *this;
}

}  // namespace rtmp::amf0
