// SPDX-License-Identifier: LGPL-2.1-or-later
// Who may dial in: each egress that was asked for gets a token of its own, good for one connection
// at a time. A stranger who knows the port has none. Thread-safe.
#pragma once

#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <string_view>

#include "trackconnection.h"

namespace livekit {

class DialIns {
 public:
  explicit DialIns(std::string room);

  // A token for the egress of one track; it has to be used before `expires_ms`.
  std::string issue(uint64_t session, const std::string& track, const std::string& identity,
                    const std::string& name, int64_t expires_ms);
  void revoke(uint64_t session);
  // What is told of somebody, for all tokens from now on.
  void describe(const std::string& identity, const std::string& name, const std::string& metadata);

  // Lets in who has the token of `track`, and says who that is. On welcome (http_status 0) the
  // token is in use until release().
  Verdict admit(std::string_view token, std::string_view track, int64_t now_ms,
                TrackRequest& request);
  void release(uint64_t session);

 private:
  struct Entry {
    std::string track;
    std::string identity;
    std::string name;
    int64_t expires_ms = 0;
    bool in_use = false;
  };

  std::string mac(uint64_t session, const Entry& entry) const;

  const std::string room_;
  const std::string key_;                        // random, of this object alone
  std::mutex mutex_;                             // guards what follows
  std::map<std::string, std::string> metadata_;  // by identity, where there is some
  std::map<uint64_t, Entry> entries_;
};

}  // namespace livekit
