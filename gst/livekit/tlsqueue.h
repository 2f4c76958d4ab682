// SPDX-License-Identifier: LGPL-2.1-or-later
// Who holds a thread for his TLS handshake. GIO has about ten, and each is held until its caller
// has said all of his; a few bytes from each of a hundred callers would keep everybody out for the
// handshake time-out. So who has taken long gives way when there are more handshakes than threads.
// Pure; not thread-safe.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <vector>

namespace livekit {

class TlsQueue {
 public:
  static constexpr size_t kThreads = 8;
  static constexpr int64_t kPatienceUs = 3'000'000;

  // `id` counts up with age.
  void begin(uint64_t id, int64_t now_us) { since_us_[id] = now_us; }
  void end(uint64_t id) { since_us_.erase(id); }
  bool crowded() const { return since_us_.size() > kThreads; }

  // Those who have to go now, the oldest first.
  std::vector<uint64_t> late(int64_t now_us) const {
    std::vector<uint64_t> gone;
    for (const auto& [id, since_us] : since_us_) {
      if (since_us_.size() - gone.size() <= kThreads || now_us - since_us < kPatienceUs) break;
      gone.push_back(id);
    }
    return gone;
  }

 private:
  std::map<uint64_t, int64_t> since_us_;
};

}  // namespace livekit
