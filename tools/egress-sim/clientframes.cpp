// SPDX-License-Identifier: LGPL-2.1-or-later
#include "clientframes.h"

#include <glib.h>

#include <algorithm>
#include <cstring>
#include <random>

namespace egresssim {
namespace {

void mask_in_place(uint8_t* data, size_t length, uint32_t mask) {
  const uint64_t wide = uint64_t{mask} << 32 | mask;
  size_t i = 0;
  for (; i + 8 <= length; i += 8) {
    uint64_t word;
    std::memcpy(&word, data + i, 8);
    word ^= wide;
    std::memcpy(data + i, &word, 8);
  }
  uint8_t bytes[4];
  std::memcpy(bytes, &mask, 4);
  for (; i < length; ++i) data[i] ^= bytes[i & 3];
}

bool equal_ignoring_case(std::string_view a, std::string_view b) {
  return a.size() == b.size() && g_ascii_strncasecmp(a.data(), b.data(), a.size()) == 0;
}

// The value of a header in "Name: value" lines, without the white space around it.
std::string header_value(const std::string& head, std::string_view name) {
  size_t at = head.find("\r\n");
  while (at != std::string::npos && at + 2 < head.size()) {
    const size_t end = head.find("\r\n", at + 2);
    const std::string line = head.substr(at + 2, end - at - 2);
    const size_t colon = line.find(':');
    if (colon != std::string::npos && equal_ignoring_case(line.substr(0, colon), name)) {
      g_autofree gchar* value = g_strdup(line.c_str() + colon + 1);
      return g_strstrip(value);
    }
    at = end;
  }
  return {};
}

}  // namespace

uint32_t MaskSource::next() {
  state_ += 0x9e3779b97f4a7c15u;
  uint64_t z = state_;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return static_cast<uint32_t>(z >> 32);
}

std::span<const uint8_t> finish_frame(Opcode opcode, uint8_t* payload, size_t length,
                                      uint32_t mask) {
  mask_in_place(payload, length, mask);
  uint8_t* at = payload - 4;
  std::memcpy(at, &mask, 4);
  if (length < 126) {
    *--at = static_cast<uint8_t>(0x80 | length);
  } else {
    const int bytes = length < 65536 ? 2 : 8;
    for (int i = 0; i < bytes; ++i) *--at = static_cast<uint8_t>(uint64_t{length} >> (8 * i));
    *--at = bytes == 2 ? 0x80 | 126 : 0x80 | 127;
  }
  *--at = static_cast<uint8_t>(0x80 | static_cast<uint8_t>(opcode));
  return {at, static_cast<size_t>(payload + length - at)};
}

bool parse_url(const std::string& url, UrlParts& parts, std::string& error) {
  g_autoptr(GError) failure = nullptr;
  g_autoptr(GUri) uri =
      g_uri_parse(url.c_str(),
                  static_cast<GUriFlags>(G_URI_FLAGS_ENCODED | G_URI_FLAGS_HAS_PASSWORD), &failure);
  if (uri == nullptr) {
    error = "\"" + url + "\" is not a URL: " + failure->message;
    return false;
  }
  const std::string scheme = g_uri_get_scheme(uri);
  if (scheme != "ws" && scheme != "wss") {
    error = "the URL must begin with ws:// or wss://, not " + scheme + "://";
    return false;
  }
  if (g_uri_get_user(uri) != nullptr) {
    error =
        "LiveKit's egress refuses user:password in a URL; put a token into its path or query "
        "({token})";
    return false;
  }
  if (g_uri_get_host(uri) == nullptr || *g_uri_get_host(uri) == '\0') {
    error = "the URL has no host: " + url;
    return false;
  }
  parts.tls = scheme == "wss";
  parts.host = g_uri_get_host(uri);
  const int port = g_uri_get_port(uri);
  parts.port = static_cast<uint16_t>(port > 0 ? port : parts.tls ? 443 : 80);
  parts.host_header =
      parts.host.find(':') != std::string::npos ? "[" + parts.host + "]" : parts.host;
  if (port > 0) parts.host_header += ":" + std::to_string(port);
  parts.target = *g_uri_get_path(uri) != '\0' ? g_uri_get_path(uri) : "/";
  if (g_uri_get_query(uri) != nullptr) parts.target += std::string("?") + g_uri_get_query(uri);
  return true;
}

std::string fill_template(const std::string& text,
                          const std::vector<std::pair<std::string, std::string>>& values) {
  std::string result;
  for (size_t i = 0; i < text.size();) {
    bool replaced = false;
    for (const auto& [key, value] : values) {
      const std::string place = "{" + key + "}";
      if (text.compare(i, place.size(), place) != 0) continue;
      g_autofree gchar* escaped = g_uri_escape_string(value.c_str(), nullptr, FALSE);
      result += escaped;
      i += place.size();
      replaced = true;
      break;
    }
    if (!replaced) result += text[i++];
  }
  return result;
}

std::string upgrade_request(const UrlParts& url, const std::string& content_type,
                            const std::string& key) {
  return "GET " + url.target + " HTTP/1.1\r\nHost: " + url.host_header +
         "\r\nUser-Agent: Go-http-client/1.1\r\nConnection: Upgrade\r\nContent-Type: " +
         content_type + "\r\nSec-WebSocket-Key: " + key +
         "\r\nSec-WebSocket-Version: 13\r\nUpgrade: websocket\r\n\r\n";
}

std::string random_key() {
  std::random_device device;
  uint8_t bytes[16];
  for (auto& byte : bytes) byte = static_cast<uint8_t>(device());
  g_autofree gchar* text = g_base64_encode(bytes, sizeof bytes);
  return text;
}

std::string accept_for_key(const std::string& key) {
  const std::string text = key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
  g_autoptr(GChecksum) sum = g_checksum_new(G_CHECKSUM_SHA1);
  g_checksum_update(sum, reinterpret_cast<const guchar*>(text.data()), gssize(text.size()));
  uint8_t digest[20];
  gsize length = sizeof digest;
  g_checksum_get_digest(sum, digest, &length);
  g_autofree gchar* result = g_base64_encode(digest, length);
  return result;
}

ResponseReader::State ResponseReader::add(std::string_view bytes,
                                          const std::string& expected_accept) {
  constexpr size_t kMaxHead = 16384;
  constexpr size_t kMaxBody = 4096;
  if (status_line_.empty()) {
    head_.append(bytes);
    const size_t end = head_.find("\r\n\r\n");
    if (end == std::string::npos) {
      if (head_.size() > kMaxHead) state_ = State::kBroken;
      return state_;
    }
    rest_ = head_.substr(end + 4);
    head_.resize(end + 2);
    status_line_ = head_.substr(0, head_.find("\r\n"));
    if (status_line_.rfind("HTTP/1.1 101", 0) == 0) {
      state_ = header_value(head_, "Sec-WebSocket-Accept") == expected_accept ? State::kWelcome
                                                                              : State::kBroken;
      if (state_ == State::kBroken) status_line_ += " with a wrong Sec-WebSocket-Accept";
      return state_;
    }
    if (status_line_.rfind("HTTP/1.", 0) != 0) return state_ = State::kBroken;
    const std::string length = header_value(head_, "Content-Length");
    if (!length.empty()) body_length_ = g_ascii_strtoull(length.c_str(), nullptr, 10);
  } else {
    rest_.append(bytes);
  }
  if (rest_.size() >= std::min(body_length_, kMaxBody)) {
    rest_.resize(std::min(body_length_, kMaxBody));
    state_ = State::kRefused;
  }
  return state_;
}

ResponseReader::State ResponseReader::finish() {
  if (state_ == State::kIncomplete)
    state_ = status_line_.empty() ? State::kBroken : State::kRefused;
  return state_;
}

bool ServerFrames::add(std::span<const uint8_t> bytes, const OnFrame& on_frame) {
  while (!bytes.empty() || !head_.empty()) {
    if (skip_ > 0) {
      const size_t step = static_cast<size_t>(std::min<uint64_t>(skip_, bytes.size()));
      skip_ -= step;
      bytes = bytes.subspan(step);
      if (bytes.empty()) return true;
      continue;
    }
    // Header and, of a control frame, the payload: at most 127 bytes.
    const auto need = [&]() -> size_t {
      if (head_.size() < 2) return 2;
      const size_t short_length = head_[1] & 0x7f;
      const size_t header = short_length == 126 ? 4 : short_length == 127 ? 10 : 2;
      return (head_[0] & 0x08) != 0 ? header + short_length : header;
    };
    while (head_.size() < need() && !bytes.empty()) {
      head_.push_back(bytes.front());
      bytes = bytes.subspan(1);
      if (head_.size() == 2) {
        const bool control = (head_[0] & 0x08) != 0;
        // A server never masks; a control frame is short and whole.
        if ((head_[1] & 0x80) != 0 || (head_[0] & 0x70) != 0) return false;
        if (control && ((head_[1] & 0x7f) > 125 || (head_[0] & 0x80) == 0)) return false;
      }
    }
    if (head_.size() < need()) return true;
    const auto opcode = static_cast<Opcode>(head_[0] & 0x0f);
    if ((head_[0] & 0x08) != 0) {
      const std::vector<uint8_t> frame = std::move(head_);
      head_.clear();
      on_frame(opcode, std::span(frame).subspan(2));
      continue;
    }
    const size_t short_length = head_[1] & 0x7f;
    uint64_t length = short_length;
    if (short_length >= 126) {
      length = 0;
      for (size_t i = 2; i < head_.size(); ++i) length = length << 8 | head_[i];
    }
    skip_ = length;
    head_.clear();
    on_frame(opcode, {});
  }
  return true;
}

}  // namespace egresssim
