// SPDX-License-Identifier: LGPL-2.1-or-later
#include "sourcedescription.h"

#include <algorithm>

#include "launchvalue.h"

namespace reconnect {

namespace {

// Channels and rate may be asked for downstream; where nobody asks, both pass all through.
constexpr const char* kOut =
    " ! audioconvert ! audioresample ! capsfilter name=out "
    "caps=audio/x-raw,format=S16LE,layout=interleaved";

}  // namespace

bool is_rtmp(const std::string& location) {
  return location.rfind("rtmp", 0) == 0;
}

std::string connection_line(const SourceSettings& settings) {
  if (!settings.source.empty()) return settings.source + " ! decodebin" + kOut;
  if (settings.location.empty()) return {};
  if (is_rtmp(settings.location)) {
    // librtmp takes its options after a blank. The demuxer's audio pad is named: a decodebin in its
    // place would wait six seconds for a video stream that never comes.
    const bool librtmp = settings.rtmp_element == "rtmpsrc";
    // It also fills whole blocks before it hands them on: 4096 bytes are a quarter of a second.
    return settings.rtmp_element + (librtmp ? " blocksize=256" : "") +
           " location=" + launch_value(settings.location + (librtmp ? " live=1" : "")) +
           " ! flvdemux name=demux demux.audio ! decodebin" + kOut;
  }
  return "uridecodebin uri=" + launch_value(settings.location) + kOut;
}

AtEnd default_at_end(const SourceSettings& settings) {
  return settings.source.empty() && !is_rtmp(settings.location) ? AtEnd::kEnd : AtEnd::kReconnect;
}

std::string masked(const SourceSettings& settings) {
  if (!settings.source.empty()) return "the source";
  std::string text = settings.location.substr(0, settings.location.find('?'));
  const size_t scheme = text.find("://");
  if (scheme == std::string::npos) return text;
  const size_t host = scheme + 3;
  const size_t path = text.find('/', host);
  // user:password@
  const size_t at = text.find('@', host);
  const size_t last = text.rfind('/');
  std::string shown = text.substr(0, host);
  const size_t from =
      at != std::string::npos && (path == std::string::npos || at < path) ? at + 1 : host;
  if (!is_rtmp(text) || path == std::string::npos || last <= path) return shown + text.substr(from);
  return shown + text.substr(from, last + 1 - from) + "...";
}

std::string told(const std::string& reason) {
  // ": ../ext/soup/gstsouphttpsrc.c(1683): ..."
  std::string text = reason;
  const size_t source = text.find(".c(");
  const size_t colon = source == std::string::npos ? source : text.rfind(": ", source);
  if (colon != std::string::npos) text.resize(colon);
  for (size_t at = 0; (at = text.find("://", at)) != std::string::npos;) {
    at += 3;
    const size_t end = std::min(text.find_first_of(" \t\r\n\"'<>,;)", at), text.size());
    text.replace(at, end - at, "...");
  }
  return text;
}

}  // namespace reconnect
