// SPDX-License-Identifier: LGPL-2.1-or-later
// The voices heard so far: what each is like, and what it is called. Pure; not thread-safe.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <vector>

#include "voiceembedder.h"

namespace speakerdetect {

using VoiceId = int;
constexpr VoiceId kNoVoice = -1;

struct Voice {
  VoiceId id = kNoVoice;
  std::string identity;           /* speaker-1, speaker-2 …; of a known voice, its name */
  bool known = false;             /* given, not found */
  bool heard = false;             /* since the start */
  Embedding likeness;             /* of length 1: the middle of what was learnt */
  double learnt_s = 0;            /* speech it was learnt from */
  std::deque<Embedding> examples; /* the last ones it was learnt from */
  size_t fresh_examples = 0;      /* since they were last looked at */
};

struct VoicesConfig {
  size_t max_voices = 20; /* told apart, the known ones that talk among them */
  /* Two voices are one when their middles are apart by less than `one` times what the examples of
   * each are from their own middle, and one is two when it falls into parts that are apart by more
   * than `two` times that. So it does not matter how even somebody's voice is. */
  double one = 1.3;
  double two = 1.9;
  size_t examples = 64;      /* that are kept of each */
  size_t least_examples = 9; /* of a part */
  double mature_s = 8;       /* speech after which a voice is well known */
  double longest_s = 60;     /* older speech counts no more than this, so that voices may drift */
  double merge_after_s = 4;  /* speech that both need to be found alike */
};

class Voices {
 public:
  explicit Voices(const VoicesConfig& config = {}) : config_(config) {}

  void set_max_voices(size_t max_voices) { config_.max_voices = max_voices; }
  VoiceId add_known(const std::string& name, const Embedding& embedding);
  /** Somebody new, of whom is known what `embedding` tells of `seconds` of speech. kNoVoice when
   * there are as many as there may be. */
  VoiceId add_found(const Embedding& embedding, double seconds);
  bool may_add() const;
  /** `id` said this too. */
  void learn(VoiceId id, const Embedding& embedding, double seconds);
  /** This voice talks: it counts from now on. */
  void hear(VoiceId id);

  /** Two voices that turned out to be one: `gone` is now called what `kept` is. */
  struct Merge {
    VoiceId gone = kNoVoice;
    VoiceId kept = kNoVoice;
  };
  std::optional<Merge> merge_alike();

  /** A voice that turned out to be two: the smaller part of it is somebody new now. */
  bool split_unlike();

  const std::vector<Voice>& all() const { return voices_; }
  const Voice* find(VoiceId id) const;
  /** How well it is known, 0..1. */
  double maturity(const Voice& voice) const;
  size_t n_heard() const;
  /** Forgets those that were found, not those that were given. */
  void reset();

 private:
  Voice* get(VoiceId id);
  bool are_one(const Voice& first, const Voice& second) const;
  bool split(size_t index);
  void add_example(Voice& voice, const Embedding& embedding);

  VoicesConfig config_;
  std::vector<Voice> voices_;
  VoiceId last_id_ = 0;
  int last_number_ = 0;
};

}  // namespace speakerdetect
