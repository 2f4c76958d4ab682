// SPDX-License-Identifier: LGPL-2.1-or-later
// Cuts a stream into utterances. Pure: windows of audio come in with their time and their
// probability of speech, events come out.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <optional>
#include <span>
#include <vector>

#include "stt/transcriber.h"

namespace stt {

struct SegmenterConfig {
  bool partials = true;
  int32_t partial_interval_ms = 500;
  int32_t pre_roll_ms = 300;
  int32_t end_silence_ms = 400;
  int32_t max_utterance_ms = 15000;
  // Audio after the last speech that the engine gets. When it has passed, the final's audio is
  // complete and can be decoded ahead, while the rest of end_silence decides whether it was one.
  int32_t post_roll_ms = 200;
  // Where speech goes on after such a pause, the part before it is closed when it is this long:
  // what was decoded ahead is then not in vain, and little is left to decode at the end.
  int32_t min_part_ms = 4000;
  // Less speech than this is a click or a breath, not an utterance.
  int32_t min_speech_ms = 160;
  // Around the time of a speaker change, the quietest place within this reach is the cut.
  int32_t speaker_search_ms = 150;
  // Whoever is named this soon after an utterance began in silence has spoken all of it: detectors
  // need time to be sure.
  int32_t speaker_settle_ms = 250;
  float start_probability = 0.5F;  // speech begins
  float stay_probability = 0.35F;  // speech goes on
};

// Texts of an utterance's parts in a row are its text; most utterances have one part.
struct SegmentEvent {
  enum class Kind {
    partial,      // understand what there is of the part so far
    speculative,  // probably all of the part
    resumed,      // the speculative one was not all of it
    part,         // all of the part, and more parts follow
    final,        // all of the last part
  };
  Kind kind = Kind::partial;
  uint64_t utterance = 0;
  uint32_t part = 0;
  std::vector<float> samples;  // of the part, with pre-roll and post-roll; empty = no speech in it
  Speaker speaker;
  int64_t samples_ns = 0;      // of the first sample
  int64_t start_ns = 0;        // of the utterance's speech, without pre-roll and post-roll
  int64_t end_ns = 0;          // of the speech up to now
  int64_t part_start_ns = 0;   // of the part's speech
  bool as_speculated = false;  // part, final: the samples are the speculative event's
};

class Segmenter {
 public:
  using Events = std::vector<SegmentEvent>;

  explicit Segmenter(const SegmenterConfig& config);

  // `window` has kWindowSamples; windows follow each other without holes until end() or skip().
  Events feed(std::span<const float> window, int64_t time_ns, float probability);
  // Takes effect once the audio around `time_ns` is there; later calls come with later times.
  Events set_speaker(const Speaker& speaker, int64_t time_ns);
  // Ends what is open. The next window need not follow the last.
  Events end();

  // Neither in an utterance nor close to one: silence from here on needs no feeding.
  bool is_idle() const { return !open_ && pending_speakers_.empty(); }

 private:
  struct Window {
    std::array<float, kWindowSamples> samples;
    int64_t time_ns = 0;
    float probability = 0;
    double level_dbov = 0;
  };
  struct SpeakerChange {
    Speaker speaker;
    int64_t time_ns = 0;
  };
  // An utterance that goes on; first_speech and last_speech are indices into windows_.
  struct Utterance {
    uint64_t id = 0;  // 0 until there is enough speech in it
    uint32_t part = 0;
    size_t first_speech = 0;  // of the part
    size_t last_speech = 0;
    int64_t start_ns = 0;
    int64_t parts_end_ns = 0;       // of the speech in the parts that are closed
    size_t windows = 0;             // since its start
    int speech_windows = 0;         // at or above start_probability
    int windows_since_partial = 0;  // of speech
    bool after_silence = true;      // false: it continues one that was cut
    bool speculated = false;
  };

  bool is_confirmed() const { return open_ && open_->speech_windows >= min_speech_windows_; }
  size_t silence_windows() const { return windows_.size() - 1 - open_->last_speech; }
  int64_t end_of(size_t window) const { return windows_[window].time_ns + kWindowNs; }
  double quietness(size_t window) const;
  size_t quietest(size_t begin, size_t end) const;
  std::vector<float> samples(size_t begin, size_t end) const;
  SegmentEvent event(SegmentEvent::Kind kind, size_t end_window);
  void listen(size_t index);
  void go_on(Events& events, size_t silent_from);
  void finish(Events& events, size_t cut, bool after_silence);
  void reopen();
  void end_if_silent(Events& events);
  void cut_if_too_long(Events& events);
  void apply_speaker_changes(Events& events, bool all);
  void apply_speaker_change(Events& events, const SpeakerChange& change);
  void trim();

  const SegmenterConfig config_;
  const size_t pre_roll_windows_;
  const size_t post_roll_windows_;
  const size_t end_windows_;
  const size_t max_windows_;
  const size_t min_part_windows_;
  const int partial_windows_;
  const int min_speech_windows_;

  std::deque<Window> windows_;  // pre-roll, then the open utterance
  std::optional<Utterance> open_;
  Speaker speaker_;
  std::deque<SpeakerChange> pending_speakers_;
  uint64_t last_id_ = 0;
};

}  // namespace stt
