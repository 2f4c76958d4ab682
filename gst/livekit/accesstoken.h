// SPDX-License-Identifier: LGPL-2.1-or-later
// The secret that a caller must know. LiveKit can only put it into the URL. Kept as a digest, so
// that no log and no core dump of this table tells it.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace livekit {

class AccessToken {
 public:
  // "" = anybody may come in.
  explicit AccessToken(std::string_view token = {});

  bool required() const { return required_; }
  // Takes the same time for any candidate of that length; never true when none is required.
  bool matches(std::string_view candidate) const;

 private:
  bool required_ = false;
  std::array<uint8_t, 32> digest_{};
};

}  // namespace livekit
