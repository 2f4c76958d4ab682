// SPDX-License-Identifier: LGPL-2.1-or-later
#include "controlfaults.h"

#include <glib.h>

#include <algorithm>
#include <limits>

namespace egresssim {
namespace {

constexpr std::pair<const char*, ControlFault::Kind> kKinds[] = {
    {"unavailable", ControlFault::Kind::kUnavailable},
    {"fail", ControlFault::Kind::kFail},
    {"no-dial", ControlFault::Kind::kNoDial},
    {"kill", ControlFault::Kind::kKill},
    {"lose", ControlFault::Kind::kLose},
    {"kill-after", ControlFault::Kind::kKillAfter},
    {"delay", ControlFault::Kind::kDelay},
    {"hang", ControlFault::Kind::kHang},
    {"down", ControlFault::Kind::kDown},
};

std::optional<double> seconds(const std::string& text) {
  gchar* end = nullptr;
  const double value = g_ascii_strtod(text.c_str(), &end);
  if (text.empty() || *end != '\0' || !(value >= 0) || value > 1e9) return std::nullopt;
  return value;
}

}  // namespace

std::optional<ControlFault> parse_fault(std::string_view text, double now_s, std::string& error) {
  const auto fail = [&](const std::string& what) {
    error = "fault " + std::string(text) + ": " + what +
            "; it is KIND@FROM[:SECONDS][=WHO] with the kinds unavailable, fail, no-dial, kill, "
            "lose, kill-after, delay, hang and down";
    return std::nullopt;
  };
  std::string rest(text);
  ControlFault fault;
  if (const size_t equals = rest.find('='); equals != rest.npos) {
    fault.who = rest.substr(equals + 1);
    rest.resize(equals);
  }
  const size_t at = rest.find('@');
  if (at == rest.npos) return fail("no @");
  const std::string kind = rest.substr(0, at);
  const auto* known = std::find_if(std::begin(kKinds), std::end(kKinds),
                                   [&](const auto& one) { return kind == one.first; });
  if (known == std::end(kKinds)) return fail("unknown kind " + kind);
  fault.kind = known->second;
  rest = rest.substr(at + 1);
  const size_t colon = rest.find(':');
  const auto from_s = seconds(rest.substr(0, colon));
  if (!from_s) return fail("FROM is not a number of seconds");
  fault.from_s = now_s + *from_s;
  fault.to_s = std::numeric_limits<double>::infinity();
  const bool takes_length =
      fault.kind == ControlFault::Kind::kDelay || fault.kind == ControlFault::Kind::kKillAfter;
  if (colon == rest.npos) {
    if (takes_length) return fail("it needs SECONDS");
    return fault;
  }
  const auto length_s = seconds(rest.substr(colon + 1));
  if (!length_s) return fail("SECONDS is not a number of seconds");
  if (takes_length) {
    fault.length_s = *length_s;
  } else {
    fault.to_s = fault.from_s + *length_s;
  }
  return fault;
}

const ControlFault* ControlFaults::find(ControlFault::Kind kind, double now_s,
                                        std::string_view identity, std::string_view track) const {
  for (const ControlFault& fault : faults_) {
    if (fault.kind != kind || now_s < fault.from_s || now_s >= fault.to_s) continue;
    if (fault.who.empty() || fault.who == identity || fault.who == track) return &fault;
  }
  return nullptr;
}

}  // namespace egresssim
