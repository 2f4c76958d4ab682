// SPDX-License-Identifier: LGPL-2.1-or-later
#include "handshake.h"

#include <algorithm>

namespace rtmp {

namespace {

constexpr uint8_t kVersion = 3;
constexpr uint8_t kEncryptedVersions[] = {6, 8, 9};
constexpr uint8_t kTlsHandshakeRecord = 0x16;

// What somebody speaks who does not speak RTMP; the first byte tells.
const char* explain(uint8_t version) {
  if (version == kTlsHandshakeRecord) {
    return "spoke TLS to a port without: publish to rtmp://, or set tls-certificate";
  }
  if (std::find(std::begin(kEncryptedVersions), std::end(kEncryptedVersions), version) !=
      std::end(kEncryptedVersions)) {
    return "asked for RTMPE, which is not spoken here: publish to rtmp:// or rtmps://";
  }
  if (version >= 'A' && version <= 'Z') return "spoke HTTP: publish to rtmp://";
  return "did not speak RTMP";
}

}  // namespace

Handshake::Status Handshake::feed(std::span<const uint8_t>& bytes, std::vector<uint8_t>& out) {
  if (status_ != Status::kGoing || bytes.empty()) return status_;
  if (!version_seen_) {
    if (bytes.front() != kVersion) {
      failure_reason_ = explain(bytes.front());
      return status_ = Status::kFailed;
    }
    version_seen_ = true;
    bytes = bytes.subspan(1);
  }
  if (!answered_) {
    const size_t count = std::min(bytes.size(), kHandshakeBytes - c1_.size());
    c1_.insert(c1_.end(), bytes.begin(), bytes.begin() + static_cast<ptrdiff_t>(count));
    bytes = bytes.subspan(count);
    if (c1_.size() < kHandshakeBytes) return status_;
    answer(out);
  }
  // C2 repeats S1; some send something else, and nothing depends on it.
  const size_t count = std::min(bytes.size(), kHandshakeBytes - c2_have_);
  c2_have_ += count;
  bytes = bytes.subspan(count);
  if (c2_have_ == kHandshakeBytes) status_ = Status::kDone;
  return status_;
}

void Handshake::answer(std::vector<uint8_t>& out) {
  out.push_back(kVersion);
  // Time 0 and version 0: the plain handshake.
  out.insert(out.end(), 8, 0);
  uint32_t random = seed_;
  for (size_t i = 8; i < kHandshakeBytes; ++i) {
    random = random * 1664525u + 1013904223u;
    out.push_back(static_cast<uint8_t>(random >> 24));
  }
  // S2 is C1; its second number would be the time of reading, which clients compare with theirs.
  out.insert(out.end(), c1_.begin(), c1_.end());
  std::vector<uint8_t>().swap(c1_);
  answered_ = true;
}

}  // namespace rtmp
