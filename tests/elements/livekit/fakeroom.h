// SPDX-License-Identifier: LGPL-2.1-or-later
// A room whose callers need no network.
#pragma once

#include "fakenetwork.h"
#include "roomfixture.h"

namespace livekit::fake {

class LivekitWsSrc : public RoomTest {
 protected:
  static std::shared_ptr<Peer> call(const std::string& identity, const std::string& track,
                                    AudioFormat format = {}, size_t route = 0) {
    std::shared_ptr<Peer> peer;
    const Verdict verdict = Network::instance().call(caller(identity, track, format), &peer, route);
    EXPECT_EQ(verdict.http_status, 0u) << verdict.reason;
    return peer;
  }
};

}  // namespace livekit::fake
