// SPDX-License-Identifier: LGPL-2.1-or-later
// Whose voice it is in a mix, while it is heard. Pure: windows of audio come in with their time
// and their probability of speech; who talks since when comes out, up to some seconds later.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <functional>
#include <span>
#include <vector>

#include "speech/voiceactivity.h"
#include "voices.h"

namespace speakerdetect {

struct VoiceTrackerConfig {
  double start_probability = 0.5; /* of speech, to begin */
  double stay_probability = 0.35; /* … and to go on */
  size_t pause_windows = 8;       /* a pause after which somebody else may well talk */
  size_t stretch_windows = 50;    /* speech that is listened to at a time: 1.6 s */
  size_t first_windows = 25;      /* … at least, while it goes on: 0.8 s */
  size_t least_windows = 10;      /* … at least, when it has ended: 0.3 s */
  size_t step_windows = 10;       /* of speech, from one stretch to the next: 0.3 s */
  /* A stretch is this voice's if it is at least so alike: with 1.6 s of speech against a voice
   * that is hardly known, and what is added when that is known well. */
  double alike_young = 0.60;
  double alike_mature = 0.09;
  double alike_short = 0.06; /* what is taken off, or added, for shorter stretches */
  /* What speaks against a change of voice, in likeness. */
  double change_after_pause = 0.03;
  double change_in_speech = 0.10;
  double change_to_new = 0.10;
  double new_s = 1.6;       /* speech of somebody new until that is sure */
  double new_ended_s = 1.0; /* … if it has ended */
  double new_coherence = 0.75;
  size_t memory = 24;                /* stretches that are judged together */
  size_t learn_depth = 4;            /* stretches that must follow until one is learnt from */
  int64_t revise_ns = 3'000'000'000; /* what is longer ago stays as it was told */
};

struct VoiceTurn {
  VoiceId voice = kNoVoice; /* kNoVoice = nobody talks */
  int64_t since_ns = 0;     /* earlier than what was fed last, and than a turn told before at times:
                               then what was told about the time since is taken back */
};

class VoiceTracker {
 public:
  using Embed = std::function<Embedding(std::span<const float>)>;

  VoiceTracker(Embed embed, Voices& voices, const VoiceTrackerConfig& config = {});

  /** Silence after which nobody talks; 0 = never. */
  void set_silence_timeout(int64_t timeout_ns) { silence_timeout_ns_ = timeout_ns; }
  /** `window` has speech::kWindowSamples and follows the last. */
  std::vector<VoiceTurn> feed(std::span<const float> window, int64_t time_ns, float probability);
  /** What comes next does not follow: the talk has ended. */
  std::vector<VoiceTurn> end();

  VoiceId talking() const { return told_; }
  int64_t talking_since_ns() const { return told_since_ns_; }
  /** Speech now, or a moment ago. */
  bool is_speech() const { return in_speech_; }
  uint64_t stretches() const { return n_stretches_; }

 private:
  struct Window {
    std::array<float, speech::kWindowSamples> samples;
    int64_t time_ns = 0;
  };
  /* What was listened to at a time, and whose it may be. */
  struct Stretch {
    Embedding embedding;
    int64_t begin_ns = 0;
    int64_t end_ns = 0;
    double seconds = 0; /* of speech in it */
    double fresh_s = 0; /* … which was in none before */
    bool after_pause = false;
    bool learnt = false;
    bool settled = false;     /* nothing is told about it any more */
    VoiceId voice = kNoVoice; /* as things stand; kNewVoice too */
    VoiceId told = kNoVoice;
  };

  void end_passage(std::vector<VoiceTurn>& turns);
  void listen();
  void judge(std::vector<VoiceTurn>& turns, bool ended);
  void find_path();
  double score(const Stretch& stretch, const Voice& voice) const;
  bool add_new_voice(bool ended);
  void learn();
  void merge(std::vector<VoiceTurn>& turns);
  void tell_path(std::vector<VoiceTurn>& turns);
  void tell(std::vector<VoiceTurn>& turns, VoiceId voice, int64_t since_ns);
  int64_t change_time(size_t index) const;
  void forget_old();

  const Embed embed_;
  Voices& voices_;
  const VoiceTrackerConfig config_;
  int64_t silence_timeout_ns_ = 1'500'000'000;

  bool in_speech_ = false;
  size_t quiet_windows_ = 0;    /* at the end of the passage */
  std::deque<Window> passage_;  /* speech without a pause; its end, as much as is listened to */
  size_t passage_windows_ = 0;  /* since its beginning */
  size_t listened_windows_ = 0; /* of these */
  std::deque<Stretch> stretches_;
  VoiceId before_ = kNoVoice; /* whose the stretch was that was forgotten last */
  std::deque<std::pair<int64_t, float>> loudness_; /* of windows, by time, for some seconds */
  int64_t now_ns_ = 0;
  int64_t last_speech_ns_ = 0;
  VoiceId told_ = kNoVoice;
  int64_t told_since_ns_ = 0;
  uint64_t n_stretches_ = 0;
};

}  // namespace speakerdetect
