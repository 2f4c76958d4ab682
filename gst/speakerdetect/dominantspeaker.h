// SPDX-License-Identifier: LGPL-2.1-or-later
// Who speaks in a room, from the levels of its tracks. Pure: no element, no clock.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "speechactivity.h"

namespace speakerdetect {

/** One track in one slice. */
struct TrackLevel {
  std::string_view track;
  std::string_view identity;
  std::string_view name;
  double level_dbov = kSilenceDbov;
};

/** A person who talks. All tracks of one identity are one person; `track` is the one heard. */
struct Speaker {
  std::string track;
  std::string identity;
  std::string name;
  double level_dbov = kSilenceDbov; /* smoothed over some syllables */
  uint64_t since_ns = 0;            /* when the speech began, estimated */
};

/** Takes slice after slice and tells after each who speaks as far as is known by then.
 * Not thread-safe; costs no allocation while the tracks stay the same. */
class DominantSpeaker {
 public:
  struct Counters {
    uint64_t slices = 0;
    uint64_t changes = 0;    /* of the dominant speaker, to nobody included */
    uint64_t time_jumps = 0; /* forward past a pause, or backward */
  };

  static constexpr uint64_t kDefaultSilenceTimeoutNs = 1'500'000'000;

  /** The dominant speaker becomes nobody when silent for so long; 0 = never. */
  void set_silence_timeout(uint64_t timeout_ns) { silence_timeout_ns_ = timeout_ns; }

  /** One slice. Times are of any one time line; a track that is not listed is silent. Times that
   * jump are noticed: what is missing was silence, and going back forgets what was heard.
   * TRUE when another person (or nobody) is the dominant speaker now. */
  bool process(uint64_t time_ns, uint64_t duration_ns, std::span<const TrackLevel> tracks);

  /** nullptr = nobody. */
  const Speaker* dominant() const;
  /** Since when this has been so: the beginning of the dominant speaker's speech, or the end of
   * the last speech when nobody speaks. */
  uint64_t dominant_since_ns() const { return dominant_since_ns_; }
  /** All who talk now, loudest first. Valid until the next call of a method that is not const. */
  std::span<const Speaker* const> speakers() const { return speakers_; }

  size_t n_known() const { return persons_.size(); }
  const Counters& counters() const { return counters_; }

  /** Forgets everybody and the time. TRUE when somebody was dominant; dominant_since_ns() is the
   * end of that speech then, until the next slice. */
  bool reset();

 private:
  struct Person {
    Speaker shown;
    std::string key;
    SpeechActivity activity;
    double slice_level_dbov = kSilenceDbov; /* loudest of the person's tracks */
    double tick_energy = 0;                 /* of a tick that is not complete */
    uint64_t last_seen_slice = 0;
    uint64_t away_ns = 0;
  };
  struct KeyHash {
    using is_transparent = void;
    size_t operator()(std::string_view key) const { return std::hash<std::string_view>{}(key); }
  };

  Person& person_of(const TrackLevel& track, size_t position);
  void forget_the_away(uint64_t duration_ns);
  void follow_time(uint64_t time_ns);
  void forget_speech();
  void run_ticks(uint64_t duration_ns);
  void tick();
  void choose();
  bool may_take_over(const Person& rival) const;
  void set_dominant(Person* person);
  void list_speakers();

  uint64_t silence_timeout_ns_ = kDefaultSilenceTimeoutNs;
  uint64_t slice_ns_ = 0;
  Durations durations_ = Durations::for_slices_of(kTickNs);
  std::vector<std::unique_ptr<Person>> persons_;
  std::unordered_map<std::string, Person*, KeyHash, std::equal_to<>> by_key_;
  std::vector<Person*> last_order_; /* tracks mostly come in the same order */
  std::vector<const Speaker*> speakers_;
  Person* dominant_ = nullptr;
  uint64_t dominant_since_ns_ = 0;
  bool has_time_ = false;
  uint64_t now_ns_ = 0;       /* up to where everything has been heard */
  uint64_t tick_part_ns_ = 0; /* of a tick that is not complete */
  Counters counters_;
};

}  // namespace speakerdetect
