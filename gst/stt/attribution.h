// SPDX-License-Identifier: LGPL-2.1-or-later
// Who speaks on a mix: turns what the metas say, slice by slice, into points where the speaker
// changes, and says afterwards to whom a span of speech belongs. Pure; not thread-safe.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "transcriber.h"

namespace stt {

struct SpeakerView {
  std::string_view track;
  std::string_view identity;
  std::string_view name;
  bool empty() const { return track.empty() && identity.empty(); }
};

struct TrackLevel {
  SpeakerView speaker;
  double level_dbov = -127;
};

// One buffer of a mix, as its meta describes it.
struct MixSlice {
  int64_t start_ns = 0;
  int64_t end_ns = 0;
  std::vector<TrackLevel> tracks;
  bool judged = false;           // a detector has said who is active
  SpeakerView active;            // empty = nobody
  int64_t active_since_ns = -1;  // when the active one began; -1 = not told
};

struct SpeakerChange {
  Speaker speaker;
  int64_t time_ns = 0;
};

struct AttributionConfig {
  int64_t shortest_turn_ns = 300'000'000;  // who is active for less does not take over
  int64_t hold_ns = 3'000'000'000;         // nobody active: still the last speaker
  int64_t history_ns = 660'000'000'000;    // results come at most this late
  double silence_dbov = -60;               // quieter is nobody's speech
  int64_t level_window_ns = 200'000'000;   // without a detector: loudest over this
  double level_lead_db = 6;                // ... by this much
  int64_t look_back_ns = 1'500'000'000;    // a change is searched this far before its news
  int64_t onset_margin_ns = 300'000'000;   // a change lies at most this before the onset
};

class Attribution {
 public:
  explicit Attribution(AttributionConfig config = {}) : config_(config) {}

  // Slices come in order; one that begins before the last started clears the time line.
  std::optional<SpeakerChange> observe(const MixSlice& slice);

  // The one who was loudest for most of the span; where there are no levels, whose turn most of it
  // was by what is known now, which may be more than when it was said. Else `otherwise`.
  Speaker attribute(int64_t start_ns, int64_t end_ns, const Speaker& otherwise) const;

 private:
  using SpeakerId = int;
  static constexpr SpeakerId kNobody = -1;
  static constexpr int64_t kBinNs = 50'000'000;

  // Sound energy of each audible track in kBinNs of time.
  struct Bin {
    int64_t index = 0;  // time / kBinNs
    std::vector<std::pair<SpeakerId, float>> energy;
  };

  // A detector's word: from then on, until the next turn.
  struct Turn {
    int64_t start_ns = 0;
    SpeakerId speaker = kNobody;
  };

  SpeakerId intern(const SpeakerView& speaker);
  void record(const MixSlice& slice);
  void record_turn(SpeakerId speaker, int64_t since_ns);
  SpeakerId whose_turn(int64_t start_ns, int64_t end_ns) const;
  SpeakerId loudest_now(int64_t now_ns) const;
  SpeakerId verdict(const MixSlice& slice);
  int64_t change_point(SpeakerId from, SpeakerId to, int64_t since_ns, int64_t now_ns) const;
  double level_db(const Bin& bin, SpeakerId speaker) const;
  std::deque<Bin>::const_iterator first_bin(int64_t index) const;

  AttributionConfig config_;
  std::vector<Speaker> known_;
  std::deque<Bin> bins_;    // ascending, without empty ones
  std::deque<Turn> turns_;  // ascending
  SpeakerId current_ = kNobody;
  SpeakerId candidate_ = kNobody;
  int64_t candidate_since_ns_ = 0;
  int64_t last_active_ns_ = 0;
  int64_t last_change_ns_ = INT64_MIN;
  int64_t last_start_ns_ = INT64_MIN;
};

}  // namespace stt
