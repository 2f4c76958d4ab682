// SPDX-License-Identifier: LGPL-2.1-or-later
#include "publishaddress.h"

#include <glib.h>

#include <algorithm>
#include <memory>

#include "livekit/trackaddress.h"
#include "livekit/utf8.h"

namespace rtmp {

namespace {

// The values of `token` and `access_token`; what cannot be unescaped is no token of ours.
void read_tokens(std::string_view query, std::vector<std::string>& tokens) {
  while (!query.empty()) {
    const std::string_view pair = query.substr(0, query.find('&'));
    query.remove_prefix(std::min(query.size(), pair.size() + 1));
    const size_t equals = pair.find('=');
    if (equals == std::string_view::npos) continue;
    const std::string_view key = pair.substr(0, equals);
    if (key != "token" && key != "access_token") continue;
    const std::string escaped(pair.substr(equals + 1));
    const std::unique_ptr<char, decltype(&g_free)> value(
        g_uri_unescape_string(escaped.c_str(), nullptr), g_free);
    if (value) tokens.emplace_back(value.get());
  }
}

}  // namespace

std::optional<PublishAddress> parse_publish_address(const PublishRequest& request) {
  if (request.app.size() + request.name.size() > livekit::kMaxAddressBytes) return std::nullopt;
  PublishAddress address;
  std::string path;
  for (const std::string* text : {&request.app, &request.name}) {
    const size_t question = text->find('?');
    path += "/" + text->substr(0, question);
    if (question != std::string::npos) {
      read_tokens(std::string_view(*text).substr(question + 1), address.tokens);
    }
  }
  auto parts = livekit::split_path(path);
  if (!parts) return std::nullopt;
  address.parts = std::move(*parts);
  for (const std::string& part : address.parts) {
    if (part.size() > livekit::kMaxNameBytes || !livekit::is_printable_utf8(part)) {
      return std::nullopt;
    }
  }
  return address;
}

Verdict check_token(const PublishAddress& address, const std::vector<std::string>& route,
                    const livekit::AccessToken& token, std::string& stream) {
  std::vector<std::string> parts = address.parts;
  if (token.required()) {
    const bool in_path = parts.size() > route.size() && token.matches(parts.back());
    if (in_path) parts.pop_back();
    const bool in_query = std::any_of(address.tokens.begin(), address.tokens.end(),
                                      [&token](const auto& given) { return token.matches(given); });
    if (!in_path && !in_query) {
      return {401,
              "the token is missing or wrong: it belongs at the end of the address, or into "
              "?token="};
    }
  }
  stream = join_path(parts);
  return {};
}

std::string join_path(const std::vector<std::string>& parts) {
  std::string path;
  for (const std::string& part : parts) path += "/" + part;
  return path.empty() ? "/" : path;
}

}  // namespace rtmp
