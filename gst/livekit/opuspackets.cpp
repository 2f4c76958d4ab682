// SPDX-License-Identifier: LGPL-2.1-or-later
#include "opuspackets.h"

#include <algorithm>

namespace livekit {
namespace {

constexpr uint64_t kMillisecondNs = 1'000'000;
constexpr uint64_t kLongestPacketNs = 120 * kMillisecondNs;
constexpr int64_t kBacklogNs = 100 * int64_t(kMillisecondNs);
constexpr size_t kSilentPacketBytes = 2;  // DTX: the header, and nothing or almost nothing in it
constexpr unsigned kSpeechPacketsPerDrop = 8;

}  // namespace

uint64_t opus_packet_duration_ns(std::span<const uint8_t> packet) {
  if (packet.empty()) return 0;
  const unsigned config = packet[0] >> 3;
  uint64_t frame_us = 0;
  if (config < 12) {
    static constexpr uint64_t kSilk[] = {10'000, 20'000, 40'000, 60'000};
    frame_us = kSilk[config & 3];
  } else if (config < 16) {
    frame_us = (config & 1) ? 20'000 : 10'000;
  } else {
    static constexpr uint64_t kCelt[] = {2'500, 5'000, 10'000, 20'000};
    frame_us = kCelt[config & 3];
  }
  uint64_t frames = 1;
  switch (packet[0] & 3) {
    case 0:
      break;
    case 1:
    case 2:
      frames = 2;
      break;
    default:
      if (packet.size() < 2) return 0;
      frames = packet[1] & 0x3F;
      break;
  }
  const uint64_t duration = frames * frame_us * 1000;
  return duration <= kLongestPacketNs ? duration : 0;
}

void OpusPackets::drop_front(uint64_t* counter) {
  depth_ns_ -= queue_.front().duration_ns;
  queue_.pop_front();
  ++*counter;
}

void OpusPackets::push(std::span<const uint8_t> data) {
  const uint64_t duration = opus_packet_duration_ns(data);
  if (duration == 0) {
    ++counters_.invalid;
    return;
  }
  ++counters_.received;
  Packet packet;
  packet.data.assign(data.begin(), data.end());
  packet.duration_ns = duration;
  depth_ns_ += duration;
  queue_.push_back(std::move(packet));
  while (depth_ns_ > config_.max_backlog_ns && queue_.size() > 1) {
    drop_front(&counters_.dropped_backlog);
  }
}

void OpusPackets::begin_slice(uint64_t start_ns, uint64_t duration_ns) {
  slice_start_ns_ = start_ns;
  slice_end_ns_ = start_ns + duration_ns;
  if (!playing_) {
    if (queue_.empty()) return;
    if (!waiting_) {
      waiting_ = true;
      waiting_since_ns_ = start_ns;
    }
    if (!finished_ && start_ns - waiting_since_ns_ < config_.margin_ns) return;
    playing_ = true;
    waiting_ = false;
    second_.clear();
    if (!started_ || position_ns_ < start_ns) position_ns_ = start_ns;
    started_ = true;
    discont_ = true;
  }
  second_.add(int64_t(depth_ns_), duration_ns);
  const bool backlog = second_.full() && second_.minimum() > kBacklogNs;
  if (!backlog) return;
  while (!queue_.empty() && depth_ns_ > uint64_t(kBacklogNs) &&
         queue_.front().data.size() <= kSilentPacketBytes) {
    drop_front(&counters_.dropped_silence);
  }
  if (since_drop_ >= kSpeechPacketsPerDrop && depth_ns_ > uint64_t(kBacklogNs)) {
    drop_front(&counters_.dropped_speech);
    since_drop_ = 0;
  }
}

std::optional<OpusPackets::Packet> OpusPackets::next() {
  if (!playing_ || queue_.empty() || position_ns_ >= slice_end_ns_) return std::nullopt;
  Packet packet = std::move(queue_.front());
  queue_.pop_front();
  depth_ns_ -= packet.duration_ns;
  packet.pts_ns = position_ns_;
  packet.discont = discont_;
  discont_ = false;
  position_ns_ += packet.duration_ns;
  ++since_drop_;
  return packet;
}

std::optional<OpusPackets::Gap> OpusPackets::gap() {
  if (position_ns_ >= slice_end_ns_) return std::nullopt;
  if (playing_) {
    // Due, but not there. It may still come within the margin.
    if (position_ns_ + config_.margin_ns > slice_start_ns_) return std::nullopt;
    playing_ = false;
    if (!finished_) ++counters_.underruns;
  }
  const Gap gap{position_ns_, slice_end_ns_ - position_ns_};
  position_ns_ = slice_end_ns_;
  return gap;
}

}  // namespace livekit
