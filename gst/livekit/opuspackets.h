// SPDX-License-Identifier: LGPL-2.1-or-later
// Opus packets on a track's time line, without decoding them.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <span>
#include <vector>

#include "slidingminimum.h"

namespace livekit {

// Length of a packet's audio by its first two bytes (RFC 6716, 3.1), 0 when it is not Opus.
uint64_t opus_packet_duration_ns(std::span<const uint8_t> packet);

// Packets at the room's pace. Like Playout, but the unit is a packet: what cannot be stretched is
// left out, silent packets first.
class OpusPackets {
 public:
  struct Config {
    uint64_t margin_ns = 10'000'000;
    uint64_t max_backlog_ns = 30'000'000'000;
  };
  struct Packet {
    std::vector<uint8_t> data;
    uint64_t duration_ns = 0;
    uint64_t pts_ns = 0;
    bool discont = false;
  };
  struct Gap {
    uint64_t pts_ns = 0;
    uint64_t duration_ns = 0;
  };
  struct Counters {
    uint64_t received = 0;         // packets
    uint64_t invalid = 0;          // packets that are not Opus
    uint64_t dropped_silence = 0;  // packets, to catch up
    uint64_t dropped_speech = 0;   // packets, to catch up
    uint64_t dropped_backlog = 0;  // packets beyond the backlog
    uint64_t underruns = 0;        // times
  };

  explicit OpusPackets(const Config& config) : config_(config), second_(1'000'000'000) {}

  void push(std::span<const uint8_t> packet);
  void finish() { finished_ = true; }

  // Call once a slice, then take packets until there is none.
  void begin_slice(uint64_t start_ns, uint64_t duration_ns);
  std::optional<Packet> next();
  // After the packets of a slice: time that has to pass without any.
  std::optional<Gap> gap();
  bool drained() const { return finished_ && queue_.empty(); }

  uint64_t depth_ns() const { return depth_ns_; }
  const Counters& counters() const { return counters_; }

 private:
  void drop_front(uint64_t* counter);

  const Config config_;
  std::deque<Packet> queue_;
  uint64_t depth_ns_ = 0;
  Counters counters_;
  bool finished_ = false;
  bool playing_ = false;
  bool started_ = false;
  bool discont_ = true;
  uint64_t slice_start_ns_ = 0;
  uint64_t slice_end_ns_ = 0;
  uint64_t position_ns_ = 0;
  uint64_t waiting_since_ns_ = 0;
  bool waiting_ = false;
  unsigned since_drop_ = 0;
  SlidingMinimum second_;
};

}  // namespace livekit
