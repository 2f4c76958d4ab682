// SPDX-License-Identifier: LGPL-2.1-or-later
// A listener and connections without a network: linked instead of the real ones.
#pragma once

#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "gst/livekit/listener.h"

namespace livekit::fake {

// The far end of a connection. Thread-safe.
class Peer {
 public:
  void send_audio(std::vector<uint8_t> bytes);
  // `frames` frames of S16, all samples `value`.
  void send_s16(size_t frames, int16_t value, int channels = 2);
  void send_text(std::string text);
  void close(ConnectionState how = ConnectionState::kClosedByPeer, std::string reason = "");
  // What the element closed with; 0 = not closed.
  uint16_t closed_with();
  bool released();

 private:
  friend class Connection;
  struct Message {
    std::vector<uint8_t> audio;
    std::string text;
    bool is_text = false;
  };
  std::mutex mutex_;  // guards all below
  std::deque<Message> messages_;
  ConnectionState state_ = ConnectionState::kOpen;
  std::string reason_;
  uint16_t closed_with_ = 0;
  bool released_ = false;
};

// What the last acquire() gave out.
class Network {
 public:
  static Network& instance();

  // The next acquire() fails with this.
  void fail_next(std::string error);
  // A caller at the door of route `index` (in the order in which they were added).
  Verdict call(const TrackRequest& request, std::shared_ptr<Peer>* peer, size_t index = 0);
  void refuse(const std::string& remote, unsigned status, const std::string& reason);
  size_t routes();
  int ended();
  RouteConfig route_config(size_t index);
  ListenerConfig listener_config();

 private:
  friend class FakeListener;
  friend class livekit::Listener;
  struct Entry {
    RouteConfig config;
    Route* route;
  };
  std::mutex mutex_;  // guards all below
  std::string next_error_;
  ListenerConfig config_;
  std::vector<Entry> routes_;
  int ended_ = 0;
};

TrackRequest caller(const std::string& identity, const std::string& track, AudioFormat format = {});

}  // namespace livekit::fake
