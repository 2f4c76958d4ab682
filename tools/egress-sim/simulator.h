// SPDX-License-Identifier: LGPL-2.1-or-later
// The loop that drives all connections: one thread, one timer, one epoll.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <queue>
#include <string>
#include <vector>

#include "connection.h"

namespace egresssim {

class Simulator {
 public:
  struct Settings {
    TlsSettings tls;
    double wait_s = 0;  // how long to wait for the receiver to listen, before the scenario starts
    std::function<void(const std::string&)> log;  // one line, for people
    // A connection has opened or ended. May call dial(), end_at() and cut().
    std::function<void(size_t index)> on_change;
  };

  explicit Simulator(Settings settings);
  ~Simulator();

  void add(Connection::Setup setup);
  // Plays everything; returns when every connection has ended. Also called off by *stop.
  void run(const std::atomic<int>* stop);

  // Instead of run(), in somebody else's loop: begin(), then turn() whenever descriptor() is
  // readable.
  void begin();
  int descriptor() const { return epoll_; }
  void turn();
  // Connects at setup.connect_ns, or now if that is past. Returns the connection's index.
  size_t dial(Connection::Setup setup);
  // What is played ends at `at_s` of the scenario, as when its track ends then.
  void end_at(size_t index, double at_s);
  // As when the egress' process is killed: the TCP connection ends without a close frame.
  void cut(size_t index);
  double now_s() const { return static_cast<double>(now_ns()) * 1e-9; }

  const std::vector<std::unique_ptr<Connection>>& connections() const { return connections_; }
  const Lateness& lateness() const { return lateness_; }
  // Unix time of the scenario's start; 0 before run().
  double started_utc_s() const { return started_utc_s_; }
  double wall_s() const { return wall_s_; }
  double cpu_s() const { return cpu_s_; }

 private:
  int64_t now_ns() const;
  void wait_for_receiver(const std::atomic<int>* stop);
  void start(size_t index);
  void watch(size_t index);
  void reschedule(size_t index);
  void play_what_is_due();
  void arm_timer();
  int take_events(int timeout_ms);
  void need_dialer();
  void note_changes(size_t index, Connection::State before);

  Settings settings_;
  int epoll_;
  int timer_;
  std::unique_ptr<TlsDialer> dialer_;
  std::vector<std::unique_ptr<Connection>> connections_;
  std::vector<int64_t> wake_ns_;  // what is in the queue for each connection
  using Wake = std::pair<int64_t, size_t>;
  std::priority_queue<Wake, std::vector<Wake>, std::greater<>> queue_;
  Lateness lateness_;
  int64_t start_ns_ = 0;  // monotonic
  size_t ended_ = 0;
  size_t open_ = 0;
  double started_utc_s_ = 0;
  double wall_s_ = 0;
  double cpu_s_ = 0;
};

}  // namespace egresssim
