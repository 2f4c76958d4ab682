// SPDX-License-Identifier: LGPL-2.1-or-later
// The listeners of the process, by address and port: elements that name the same share one.
#pragma once

#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "listeningaddress.h"
#include "listeningsocket.h"

namespace livekit {

// `Listener` has config() and on_own_thread().
template <typename Listener>
class SharedListeners {
 public:
  using Start = std::unique_ptr<Listener> (*)(const ListenerConfig& config, std::string& error);

  // The listener there is, or one that `start` makes; nullptr with `error`. It is closed when its
  // last holder lets go.
  std::shared_ptr<Listener> acquire(const ListenerConfig& config, Start start, std::string& error) {
    if (config.port == 0) return hold(start(config, error), "");
    const std::string key = listening_host(config.address) + " " + std::to_string(config.port);
    // Outlives the lock: should it be the last holder, its end takes the lock.
    std::shared_ptr<Listener> listener;
    std::unique_lock lock(mutex_);
    for (auto found = entries_.find(key); found != entries_.end(); found = entries_.find(key)) {
      listener = found->second.lock();
      if (listener) {
        error = difference(listener->config(), config);
        return error.empty() ? listener : nullptr;
      }
      // Its last holder is just closing it: the port is free in a moment.
      released_.wait(lock);
    }
    listener = hold(start(config, error), key);
    if (listener) entries_[key] = listener;
    return listener;
  }

 private:
  std::shared_ptr<Listener> hold(std::unique_ptr<Listener> listener, const std::string& key) {
    if (!listener) return nullptr;
    return {listener.release(), [this, key](Listener* last) {
              auto release = [this, key, last] {
                std::unique_ptr<Listener>(last).reset();
                if (key.empty()) return;
                std::lock_guard lock(mutex_);
                entries_.erase(key);
                released_.notify_all();
              };
              // Let go of in one of its callbacks: its thread cannot wait for its own end.
              if (last->on_own_thread()) {
                std::thread(release).detach();
              } else {
                release();
              }
            }};
  }

  static std::string difference(const ListenerConfig& running, const ListenerConfig& wanted) {
    const char* what = nullptr;
    if (running.tls_certificate != wanted.tls_certificate) what = "tls-certificate";
    if (running.tls_key != wanted.tls_key) what = "tls-key";
    if (running.handshake_timeout_ms != wanted.handshake_timeout_ms) what = "handshake-timeout";
    if (!what) return "";
    return "Port " + std::to_string(wanted.port) + " of address " + wanted.address +
           " is already served in this process with another " + what +
           ": give all elements on one port the same, or this one another port.";
  }

  std::mutex mutex_;
  std::condition_variable released_;
  std::map<std::string, std::weak_ptr<Listener>> entries_;  // guarded by mutex_
};

}  // namespace livekit
