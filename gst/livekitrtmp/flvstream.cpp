// SPDX-License-Identifier: LGPL-2.1-or-later
#include "flvstream.h"

#include <utility>

#include "flvtags.h"

namespace rtmp {

std::optional<FlvPiece> FlvStream::take(QueuedMedia item, int64_t arrival_ms) {
  if (item.event != QueuedMedia::Event::kMedia) {
    if (item.event != QueuedMedia::Event::kResumed) {
      has_publisher_ = item.event == QueuedMedia::Event::kPublisherAdded;
    }
    // What comes next lies where it arrives.
    if (has_publisher_) timeline_.begin_publisher();
    return std::nullopt;
  }
  return place(std::move(item), arrival_ms);
}

FlvPiece FlvStream::place(QueuedMedia item, int64_t arrival_ms) {
  const FlvTimeline::Place place =
      timeline_.place(item.kind, item.configuration, item.timestamp_ms, arrival_ms);
  FlvPiece piece;
  piece.bytes = std::move(item.tag);
  piece.time_ms = place.time_ms;
  piece.lateness_ms = arrival_ms - place.time_ms;
  piece.configuration = item.configuration;
  piece.discont = place.discont;
  piece.first_frame = place.first_frame;
  if (!item.configuration) in_gap_ = false;
  set_flv_tag_time(piece.bytes, static_cast<uint64_t>(place.time_ms));
  if (!header_done_) {
    header_done_ = true;
    const std::span<const uint8_t> tag(piece.bytes);
    const Media first{item.kind, 0, tag.subspan(11, tag.size() - kFlvTagOverhead)};
    std::vector<uint8_t> bytes = flv_header(true, !audio_only_ && announces_video(first));
    bytes.insert(bytes.end(), tag.begin(), tag.end());
    piece.bytes = std::move(bytes);
  }
  return piece;
}

std::optional<FlvPiece> FlvStream::finish(int64_t now_ms) {
  if (timeline_.started()) return std::nullopt;
  // AAC-LC, 44100 Hz, stereo, as LiveKit would have sent; and one frame of silence.
  static constexpr uint8_t kConfiguration[] = {0xaf, 0x00, 0x12, 0x10};
  static constexpr uint8_t kSilence[] = {0xaf, 0x01, 0x21, 0x10, 0x04, 0x60, 0x8c, 0x1c};
  const auto silent = [](std::span<const uint8_t> payload) {
    const Media media{MediaKind::kAudio, 0, payload};
    QueuedMedia item;
    item.kind = media.kind;
    item.configuration = is_configuration(media);
    item.tag = flv_tag(media);
    return item;
  };
  const FlvPiece head = place(silent(kConfiguration), now_ms);
  FlvPiece piece = place(silent(kSilence), now_ms);
  piece.bytes.insert(piece.bytes.begin(), head.bytes.begin(), head.bytes.end());
  return piece;
}

std::optional<FlvStream::Gap> FlvStream::idle(int64_t now_ms) {
  if (has_publisher_ || !timeline_.started()) return std::nullopt;
  const int64_t start_ms = in_gap_ ? timeline_.end_ms() : timeline_.end_ms() + kFrameMs;
  if (start_ms >= now_ms || !timeline_.skip_to(now_ms)) return std::nullopt;
  in_gap_ = true;
  return Gap{start_ms, now_ms - start_ms};
}

}  // namespace rtmp
