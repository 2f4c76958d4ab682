// SPDX-License-Identifier: LGPL-2.1-or-later
// Where a listener's webhooks are taken: verified once, however many elements wait for them, and
// handed to those whose room they are about. Thread-safe.
#pragma once

#include <cstdint>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "listener.h"
#include "webhook.h"

namespace livekit {

class WebhookDesk {
 public:
  void add(const HookConfig& config, HookSink* sink);
  // No callback of `sink` runs or begins once this has returned.
  void remove(HookSink* sink);

  bool serves(std::string_view path) const;
  // The answer to a POST. 200: taken, or about a room that nobody here waits for.
  Verdict take(std::string_view path, std::string_view authorization, std::string_view body,
               int64_t now_s);

 private:
  struct Entry {
    HookConfig config;
    HookSink* sink;
  };

  void log_refusal(const Verdict& verdict, int64_t now_s);

  // Guards all below; held while a sink is called, which only hands the event on.
  mutable std::mutex mutex_;
  std::vector<Entry> entries_;
  ReplayGuard taken_;
  uint64_t refused_ = 0;  // since the last log
  int64_t logged_s_ = 0;
};

}  // namespace livekit
