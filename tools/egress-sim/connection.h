// SPDX-License-Identifier: LGPL-2.1-or-later
// One simulated egress session: upgrade, messages at their times, end. Driven by the simulator's
// loop; never blocks and never looks at a clock itself.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "clientframes.h"
#include "playback.h"
#include "transport.h"

namespace egresssim {

// How late messages left, in steps of 0.1 ms.
class Lateness {
 public:
  void add(int64_t late_ns);
  double worst_ms() const { return static_cast<double>(worst_ns_) * 1e-6; }
  // The value that `share` (0..1) of the messages do not exceed.
  double quantile_ms(double share) const;

 private:
  static constexpr int64_t kStep_ns = 100000;
  std::array<uint64_t, 10000> counts_{};  // the last one takes all above 1 s
  uint64_t total_ = 0;
  int64_t worst_ns_ = 0;
};

struct ConnectionStats {
  uint64_t messages = 0;
  uint64_t audio_bytes = 0;
  uint64_t texts = 0;
  uint64_t pings = 0;
  uint64_t pongs = 0;
  uint64_t dropped = 0;      // audio messages that a real egress would have thrown away
  int64_t upgraded_ns = -1;  // scenario time of the 101
  int64_t ended_ns = -1;
};

class Connection {
 public:
  struct Setup {
    std::string label;  // for messages, e.g. "alice (room standup)"
    UrlParts url;
    std::string content_type;
    int64_t connect_ns = 0;
    double message_ms = 10;
    uint64_t seed = 1;
    std::unique_ptr<Playback> playback;
  };
  enum class State { kWaiting, kConnecting, kUpgrading, kOpen, kClosed };

  Connection(Setup setup, Lateness* lateness);

  State state() const { return state_; }
  const std::string& label() const { return setup_.label; }
  const UrlParts& url() const { return setup_.url; }
  int64_t connect_ns() const { return setup_.connect_ns; }
  const ConnectionStats& stats() const { return stats_; }
  // "" as long as nothing went wrong.
  const std::string& error() const { return error_; }
  // Nothing answered on the address: worth another try while waiting for the receiver.
  bool unreachable() const { return unreachable_; }

  // The simulator has started to connect; `transport` may be null: see `error`.
  void start(std::unique_ptr<Transport> transport, const std::string& error, int64_t now_ns);
  int descriptor() const { return transport_ ? transport_->descriptor() : -1; }
  void on_ready(bool readable, bool writable, int64_t now_ns);
  void on_due(int64_t now_ns);
  // When on_due() wants to be called next; kNever_ns while only the socket can wake it.
  int64_t next_wake_ns(int64_t now_ns) const;
  // Ends the session with a close frame right now (the user stops the simulator).
  void leave_now(int64_t now_ns);
  // What is played ends as when its track ends at `at_s`.
  void end_at(double at_s) { setup_.playback->end_at(at_s); }
  // Without a close frame, as when the egress' process is killed.
  void cut(int64_t now_ns) { end({}, now_ns); }

 private:
  void read(int64_t now_ns);
  void read_response(std::span<const uint8_t> bytes, int64_t now_ns);
  bool read_frames(std::span<const uint8_t> bytes, int64_t now_ns);
  void pump(int64_t now_ns);
  void drop_what_egress_drops(int64_t now_ns);
  void send_next(int64_t due_ns, int64_t now_ns);
  void send(Opcode opcode, uint8_t* payload, size_t length, int64_t now_ns);
  bool flush(int64_t now_ns);
  const Stall* stall_at(int64_t now_ns) const;
  void end(const std::string& error, int64_t now_ns, bool reset = false);

  Setup setup_;
  Lateness* lateness_;
  std::unique_ptr<Transport> transport_;
  State state_ = State::kWaiting;
  std::string error_;
  std::string accept_;
  bool unreachable_ = false;
  ResponseReader response_;
  ServerFrames server_frames_;
  MaskSource masks_;
  std::vector<uint8_t> unsent_;  // the rest of a frame that the socket did not take
  size_t unsent_at_ = 0;
  bool ending_ = false;  // close as soon as everything is written
  std::string ending_error_;
  bool behind_ = false;        // working off a backlog: its lateness is not ours
  bool keep_backlog_ = false;  // the backlog of a simulated stall lies in the (simulated) kernel
  int64_t before_drop_ = 0;    // messages of such a backlog that come before the hole
  int64_t hole_ = 0;           // and how many are missing there
  std::vector<Stall> stalls_;
  size_t next_stall_ = 0;
  int64_t started_ns_ = 0;
  ConnectionStats stats_;
};

}  // namespace egresssim
