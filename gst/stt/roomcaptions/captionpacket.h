// SPDX-License-Identifier: LGPL-2.1-or-later
// A result as the data packets that a LiveKit room gets (docs/captions.md has the form). Pure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "../transcript.h"

namespace stt {

// The topic of LiveKit's own transcriptions.
inline constexpr const char* kCaptionTopic = "lk.transcription";
// What LiveKit's data channels carry: lossy in one network packet, reliable in one SCTP message,
// 15 KiB less LiveKit's own header.
inline constexpr size_t kMaxLossyBytes = 1300;
inline constexpr size_t kMaxReliableBytes = 15000;

struct CaptionPacket {
  std::string segment;  // id of the segment in it
  bool is_final = false;
  bool empty = false;  // no text: it takes back what was shown
  std::string data;    // JSON, UTF-8
  std::string nonce;   // 16 bytes, the same however often it is sent: the server drops doubles
};

// `session` makes the ids of this run's segments differ from those of all others. A partial that is
// too long loses its beginning, a final becomes several segments. Empty when identity and track
// alone are too long for a packet.
std::vector<CaptionPacket> caption_packets(const Transcript& transcript,
                                           const std::string& session);

// The body of the call livekit.RoomService/SendData.
std::string send_data_body(const std::string& room, const CaptionPacket& packet);

}  // namespace stt
