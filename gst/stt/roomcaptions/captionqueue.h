// SPDX-License-Identifier: LGPL-2.1-or-later
// What of the captions to send now: newer partials replace older ones that still wait, partials
// give way to finals, finals are tried again for a while. Pure: time is an argument.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <random>
#include <set>
#include <string>

#include "captionpacket.h"

namespace stt {

enum class SendResult {
  kSent,
  kUnreachable,  // not now: server, room or network
  kDenied,       // key or grant: not soon
  kRefused,      // not this one
};

struct CaptionStats {
  uint64_t sent = 0;
  uint64_t waiting = 0;            // also what is under way
  uint64_t partials_replaced = 0;  // by a newer one, or by the final, before they were sent
  uint64_t partials_dropped = 0;
  uint64_t finals_dropped = 0;
};

class CaptionQueue {
 public:
  static constexpr int64_t kPartialPatienceMs = 3000;  // later nobody wants it any more
  static constexpr int64_t kFinalPatienceMs = 60000;
  static constexpr int64_t kFirstRetryMs = 250;
  static constexpr int64_t kLongestRetryMs = 8000;
  static constexpr int64_t kDeniedRetryMs = 60000;
  static constexpr size_t kMaxWaiting = 1000;
  static constexpr size_t kMaxPartialsUnderWay = 4;

  // `seed` is for the jitter of the retries.
  explicit CaptionQueue(unsigned seed) : random_(seed) {}

  void add(CaptionPacket packet, int64_t now_ms);
  // Counts results that could not be made a packet.
  void add_dropped(bool is_final) {
    ++(is_final ? stats_.finals_dropped : stats_.partials_dropped);
  }

  struct Sending {
    uint64_t id = 0;
    CaptionPacket packet;
  };
  // Ask until it says no more; each must be followed by done().
  std::optional<Sending> next(int64_t now_ms);
  void done(uint64_t id, SendResult result, int64_t now_ms);
  // When to ask next() again if nothing else happens; -1 = not before something does.
  int64_t wake_at_ms() const;

  // The end: only finals matter, and they cannot wait long.
  void hurry(int64_t now_ms);
  // Forgets all, counted as dropped.
  void clear();
  // No final waits or is under way.
  bool finals_done() const { return finals_.empty(); }
  CaptionStats stats() const;

 private:
  struct Waiting {
    CaptionPacket packet;
    int64_t added_ms = 0;
    uint64_t sending = 0;  // id while under way
  };

  void expire(int64_t now_ms);
  Waiting* next_partial();
  void wait_before_retry(SendResult result, int64_t now_ms);
  bool is_under_way() const { return partials_under_way_ > 0 || final_under_way_; }

  std::minstd_rand random_;
  std::deque<Waiting> finals_;    // in order; the first one may be under way
  std::deque<Waiting> partials_;  // one a segment that waits, and those under way
  std::set<std::string> shown_;   // segments of which a partial was handed out
  size_t partials_under_way_ = 0;
  bool final_under_way_ = false;
  uint64_t last_id_ = 0;
  bool trouble_ = false;  // the last call failed: one at a time
  int64_t retry_ms_ = 0;
  int64_t retry_at_ms_ = 0;
  CaptionStats stats_;
};

}  // namespace stt
