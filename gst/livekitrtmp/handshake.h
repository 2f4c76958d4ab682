// SPDX-License-Identifier: LGPL-2.1-or-later
// RTMP's handshake as a server does it, the plain one: C0 C1 in, S0 S1 S2 out, C2 in. What Flash
// players once wanted beyond it (digests) no publisher asks for.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace rtmp {

inline constexpr size_t kHandshakeBytes = 1536;  // of C1, C2, S1, S2

class Handshake {
 public:
  enum class Status { kGoing, kDone, kFailed };

  // `seed` makes S1's bytes, which nobody relies upon.
  explicit Handshake(uint32_t seed) : seed_(seed) {}

  // Takes from `bytes` what belongs to the handshake, appends the answer to `out`.
  Status feed(std::span<const uint8_t>& bytes, std::vector<uint8_t>& out);

  Status status() const { return status_; }
  const char* failure_reason() const { return failure_reason_; }

 private:
  void answer(std::vector<uint8_t>& out);

  uint32_t seed_;
  Status status_ = Status::kGoing;
  const char* failure_reason_ = "";
  bool version_seen_ = false;
  bool answered_ = false;
  std::vector<uint8_t> c1_;
  size_t c2_have_ = 0;
};

}  // namespace rtmp
