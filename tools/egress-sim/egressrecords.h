// SPDX-License-Identifier: LGPL-2.1-or-later
// LiveKit's egress API without a network: what requests ask for, what is known of each egress, and
// how answers and webhooks tell it. Pure; times are nanoseconds of Unix time, as in the API.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "protojson.h"

namespace egresssim {

// A refusal, as Twirp writes it.
struct TwirpError {
  unsigned status = 0;  // HTTP
  std::string code;
  std::string msg;

  std::string json() const;
};

struct EgressRoute {
  enum class Side { kBoth, kLeft, kRight };
  std::string identity;
  Side side = Side::kBoth;
};

struct EgressRequest {
  enum class Kind { kTrack, kPeople, kMix, kComposite };
  Kind kind = Kind::kTrack;
  std::string room;
  std::string track;                // of kTrack
  std::vector<EgressRoute> routes;  // of kPeople
  std::vector<std::string> urls;    // only the first one is dialled

  bool rtmp() const { return kind == Kind::kComposite; }
};

// `method` is StartTrackEgress, StartEgress or StartRoomCompositeEgress.
std::optional<EgressRequest> parse_start(std::string_view method, std::string_view body,
                                         TwirpError& error);

enum class EgressState { kStarting, kActive, kEnding, kComplete, kFailed, kAborted };

struct EgressRecord {
  std::string id;
  EgressRequest request;
  EgressState state = EgressState::kStarting;
  int64_t requested_ns = 0;
  int64_t dialled_ns = 0;  // 0 = never
  int64_t ended_ns = 0;
  int64_t updated_ns = 0;
  std::string details;
  std::string error;
  int error_code = 0;

  bool over() const { return state >= EgressState::kComplete; }
};

const char* state_name(EgressState state);

// EgressInfo. In an answer the query of a track egress' URL is blanked in `track`, and only there;
// the key of an RTMP URL is masked everywhere.
std::string egress_json(const EgressRecord& record, ProtoStyle style);

// The egress that a request of StopEgress, UpdateStream or ListEgress names; "" = none.
std::string requested_egress(std::string_view body);

class EgressRecords {
 public:
  // `number` counts up; ids differ by `seed` too, so that two runs have none in common.
  explicit EgressRecords(unsigned seed) : seed_(seed) {}

  EgressRecord& add(EgressRequest request, int64_t now_ns);
  EgressRecord* find(std::string_view id);
  const std::vector<EgressRecord>& all() const { return records_; }

  // Why it cannot be stopped; nullopt: it can.
  std::optional<TwirpError> refuse_stop(std::string_view id);
  // The answer to ListEgress.
  std::string list(std::string_view body) const;

 private:
  unsigned seed_;
  std::vector<EgressRecord> records_;
};

}  // namespace egresssim
