// SPDX-License-Identifier: LGPL-2.1-or-later
// One call to LiveKit's API, waited for.
#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>
#include <utility>

#include "twirp.h"

namespace livekit {

inline TwirpAnswer call_once(const std::string& url, const std::string& secret,
                             const std::string& body, uint32_t timeout_ms,
                             std::chrono::seconds patience) {
  TwirpAnswer got;
  bool done = false;
  std::mutex mutex;
  std::condition_variable changed;
  std::unique_ptr<TwirpClient> client;
  const auto thread = ControlThread::acquire();
  thread->run([&] {
    client = std::make_unique<TwirpClient>(thread, url, ApiCredentials{"key", secret});
    client->call("livekit.Egress/ListEgress", body, {}, timeout_ms, [&](TwirpAnswer answer) {
      const std::lock_guard lock(mutex);
      got = std::move(answer);
      done = true;
      changed.notify_one();
    });
  });
  std::unique_lock lock(mutex);
  changed.wait_for(lock, patience, [&] { return done; });
  EXPECT_TRUE(done);
  lock.unlock();
  thread->run([&] { client.reset(); });
  return got;
}

}  // namespace livekit
