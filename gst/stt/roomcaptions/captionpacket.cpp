// SPDX-License-Identifier: LGPL-2.1-or-later
#include "captionpacket.h"

#include <glib.h>

#include <algorithm>
#include <memory>
#include <string_view>

#include "../outputs/format.h"
#include "livekit/jsonreader.h"
#include "livekit/jwt.h"
#include "livekit/livekitapi.h"

namespace stt {

namespace {

constexpr int64_t kMillisecondNs = 1'000'000;
constexpr size_t kNonceBytes = 16;
constexpr std::string_view kCutMark = "…";

// As it stands in JSON, without quotes.
size_t escaped_size(std::string_view text) {
  return livekit::json_quote(text).size() - 2;
}

size_t length_of_character(std::string_view text, size_t at) {
  return std::min<size_t>(size_t(g_utf8_skip[guchar(text[at])]), text.size() - at);
}

// The beginning of `text` that fits, ended at a space where there is one in its second half.
size_t head_that_fits(std::string_view text, size_t bytes) {
  size_t used = 0;
  size_t end = 0;
  size_t space = 0;
  while (end < text.size()) {
    const size_t length = length_of_character(text, end);
    used += escaped_size(text.substr(end, length));
    if (used > bytes) break;
    end += length;
    if (text[end - length] == ' ') space = end;
  }
  if (end == text.size()) return end;
  return space > end / 2 ? space : end;
}

// The end of `text` that fits: what was said last is what one wants to read.
std::string tail_that_fits(const std::string& text, size_t bytes) {
  if (escaped_size(text) <= bytes) return text;
  size_t begin = text.size();
  size_t used = kCutMark.size();
  while (begin > 0) {
    const gchar* at = g_utf8_prev_char(text.c_str() + begin);
    const size_t before = size_t(at - text.c_str());
    used += escaped_size(std::string_view(text).substr(before, begin - before));
    if (used > bytes) break;
    begin = before;
  }
  return std::string(kCutMark) + text.substr(begin);
}

struct Segment {
  std::string id;
  std::string text;
  int64_t start_ns = 0;
  int64_t end_ns = 0;
};

// livekit.Transcription in protobuf's JSON form, and what else is known.
std::string to_json(const Transcript& transcript, const Segment& segment, const std::string& name) {
  using livekit::json_quote;
  const auto ms = [](int64_t time_ns) {
    return std::to_string(std::max<int64_t>(time_ns, 0) / kMillisecondNs);
  };
  std::string out =
      "{\"transcribedParticipantIdentity\":" + json_quote(valid_utf8(transcript.speaker.identity)) +
      ",\"trackId\":" + json_quote(valid_utf8(transcript.speaker.track)) +
      ",\"name\":" + json_quote(name) + ",\"segments\":[{\"id\":" + json_quote(segment.id) +
      ",\"text\":" + json_quote(segment.text) + ",\"startTime\":" + ms(segment.start_ns) +
      ",\"endTime\":" + ms(segment.end_ns) +
      ",\"final\":" + (transcript.is_final ? "true" : "false") +
      ",\"language\":" + json_quote(valid_utf8(transcript.language)) +
      ",\"revision\":" + std::to_string(transcript.revision);
  if (!transcript.utc_start.empty()) out += ",\"utc\":" + json_quote(transcript.utc_start);
  if (!transcript.utc_end.empty()) out += ",\"utcEnd\":" + json_quote(transcript.utc_end);
  return out + "}]}";
}

CaptionPacket packet_of(const Transcript& transcript, const Segment& segment,
                        const std::string& name) {
  CaptionPacket packet;
  packet.segment = segment.id;
  packet.is_final = transcript.is_final;
  packet.empty = segment.text.empty();
  packet.data = to_json(transcript, segment, name);
  const std::string what = segment.id + (transcript.is_final ? "/final/" : "/partial/") +
                           std::to_string(transcript.revision);
  packet.nonce = livekit::sha256(what).substr(0, kNonceBytes);
  return packet;
}

std::string base64(std::string_view bytes) {
  const std::unique_ptr<char, decltype(&g_free)> text(
      g_base64_encode(reinterpret_cast<const guchar*>(bytes.data()), bytes.size()), g_free);
  return text.get();
}

}  // namespace

std::vector<CaptionPacket> caption_packets(const Transcript& transcript,
                                           const std::string& session) {
  std::string name = livekit::printable_name(valid_utf8(display_name(transcript.speaker)));
  const std::string text = valid_utf8(transcript.text);
  Segment segment{"SG_" + session + "_" + transcript.utterance, "", transcript.start_ns,
                  transcript.end_ns};
  const size_t limit = transcript.is_final ? kMaxReliableBytes : kMaxLossyBytes;
  // What one more letter for the ids of further segments takes is left over.
  constexpr size_t kSpare = 16;
  constexpr size_t kLeastTextBytes = 64;
  size_t around = to_json(transcript, segment, name).size() + kSpare;
  std::vector<CaptionPacket> packets;
  if (around + kLeastTextBytes > limit) {
    // Front ends know the name by the identity.
    name.clear();
    around = to_json(transcript, segment, name).size() + kSpare;
  }
  if (around + kLeastTextBytes > limit) return packets;
  const size_t for_text = limit - around;
  if (!transcript.is_final) {
    segment.text = tail_that_fits(text, for_text);
    packets.push_back(packet_of(transcript, segment, name));
    return packets;
  }
  const std::string first_id = segment.id;
  const int64_t duration_ns = transcript.end_ns - transcript.start_ns;
  const auto time_at = [&](size_t at) {
    const double part = text.empty() ? 1 : double(at) / double(text.size());
    return transcript.start_ns + int64_t(double(duration_ns) * part);
  };
  size_t at = 0;
  do {
    const size_t length = head_that_fits(std::string_view(text).substr(at), for_text);
    if (!packets.empty()) segment.id = first_id + "." + std::to_string(packets.size() + 1);
    segment.text = text.substr(at, length);
    segment.start_ns = time_at(at);
    at += length;
    segment.end_ns = at == text.size() ? transcript.end_ns : time_at(at);
    if (packets.empty()) segment.start_ns = transcript.start_ns;
    packets.push_back(packet_of(transcript, segment, name));
  } while (at < text.size());
  return packets;
}

std::string send_data_body(const std::string& room, const CaptionPacket& packet) {
  return "{\"room\":" + livekit::json_quote(room) + ",\"data\":\"" + base64(packet.data) +
         "\",\"kind\":\"" + (packet.is_final ? "RELIABLE" : "LOSSY") + "\",\"topic\":\"" +
         kCaptionTopic + "\",\"nonce\":\"" + base64(packet.nonce) + "\"}";
}

}  // namespace stt
