// SPDX-License-Identifier: LGPL-2.1-or-later
// Who may dial in: each egress that was asked for gets a token of its own, good for one connection
// at a time: of a track, of one or two people, or of the room. A stranger who knows the port has
// none. Thread-safe.
#pragma once

#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "trackconnection.h"

namespace livekit {

class DialIns {
 public:
  explicit DialIns(std::string room);

  struct Who {
    std::string identity;
    std::string name;
  };
  struct Target {
    TrackRequest::Scope scope = TrackRequest::Scope::kTrack;
    std::string key;          // the last part of the path that is dialled; of a track, its id
    std::vector<Who> people;  // two are left and right; none with kRoom
  };

  // A token for one egress; it has to be used before `expires_ms`.
  std::string issue(uint64_t session, Target target, int64_t expires_ms);
  void revoke(uint64_t session);
  // What is told of somebody, for all tokens from now on.
  void describe(const std::string& identity, const std::string& name, const std::string& metadata,
                const std::string& attributes);

  // Lets in who has the token of `key`, and says who that is. On welcome (http_status 0) the
  // token is in use until release().
  Verdict admit(std::string_view token, std::string_view key, int64_t now_ms,
                TrackRequest& request);
  void release(uint64_t session);
  // Writes into a request that was let in what is told of that person now.
  void introduce(TrackRequest& request) const;

 private:
  struct About {
    std::string metadata;
    std::string attributes;
  };
  struct Entry {
    Target target;
    int64_t expires_ms = 0;
    bool in_use = false;
  };

  std::string mac(uint64_t session, const Entry& entry) const;
  void forget_others(const std::string& identity);                                // locked
  void fill_in(const Entry& entry, const Who& who, TrackRequest& request) const;  // locked

  const std::string room_;
  const std::string key_;               // random, of this object alone
  mutable std::mutex mutex_;            // guards what follows
  std::map<std::string, About> about_;  // by identity, where there is something
  std::map<uint64_t, Entry> entries_;
};

}  // namespace livekit
