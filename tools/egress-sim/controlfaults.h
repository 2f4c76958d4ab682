// SPDX-License-Identifier: LGPL-2.1-or-later
// What goes wrong with the simulated API and its egresses, and when. Pure.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace egresssim {

struct ControlFault {
  enum class Kind {
    kUnavailable,  // starts are answered with 503
    kFail,         // starts are answered with 200, and fail
    kNoDial,       // starts are answered with 200, and nobody dials
    kKill,         // the handlers of running sessions die at from_s
    kLose,         // so do their machines: LiveKit hears nothing of it
    kKillAfter,    // every session's handler dies length_s after it has connected
    kDelay,        // answers come length_s late
    kHang,         // there are no answers
    kDown,         // nobody listens
  };
  Kind kind = Kind::kFail;
  double from_s = 0;
  double to_s = 0;      // exclusive; of those that last
  double length_s = 0;  // of kDelay and kKillAfter
  std::string who;      // identity or track; "" = all
};

// "KIND@FROM[:SECONDS][=WHO]", as in "unavailable@5:30" or "kill@10=bob"; SECONDS is how long it
// lasts (for ever), of delay and kill-after how much. `now_s` is added to FROM.
std::optional<ControlFault> parse_fault(std::string_view text, double now_s, std::string& error);

class ControlFaults {
 public:
  void add(ControlFault fault) { faults_.push_back(std::move(fault)); }
  const std::vector<ControlFault>& all() const { return faults_; }

  // The fault of that kind that holds now for `who`, one of the two names; nullptr: none.
  const ControlFault* find(ControlFault::Kind kind, double now_s, std::string_view identity = {},
                           std::string_view track = {}) const;

 private:
  std::vector<ControlFault> faults_;
};

}  // namespace egresssim
