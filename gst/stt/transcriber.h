// SPDX-License-Identifier: LGPL-2.1-or-later
// What sttsink's shell (pads, attribution, outputs) and its speech side (engines, segmenter,
// worker pool) agree on. No GStreamer in here; times are nanoseconds of running time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "speech/voiceactivity.h"

namespace stt {

using namespace speech;  // what the plugins share

struct Word {
  std::string text;
  int64_t start_ns = 0;
  int64_t end_ns = 0;
};

// Who the audio belongs to. On a track's pad it never changes; on a mix it changes with the
// dominant speaker, and an utterance is cut there.
struct Speaker {
  std::string track;
  std::string identity;
  std::string name;
  bool operator==(const Speaker&) const = default;
};

// One revision of what was understood. Partials of an utterance replace each other, the final
// replaces them all and comes exactly once for each utterance that had a partial; a final with
// empty text takes back its partials.
struct Result {
  bool is_final = false;
  uint64_t utterance = 0;  // counts up, unique in the Transcriber
  uint32_t revision = 0;   // 0, 1, 2 … in an utterance
  std::string text;
  std::string language;  // BCP 47, "" = not known
  Speaker speaker;
  int64_t start_ns = 0;  // first and last sample of the speech, without pre-roll
  int64_t end_ns = 0;
  std::string model;        // e.g. "moonshine-tiny"
  std::vector<Word> words;  // empty when the engine does not tell
  double confidence = -1;   // 0..1, negative = not known
};

struct TranscriberConfig {
  bool partials = true;
  int32_t partial_interval_ms = 500;  // speech between two partials of an utterance
  int32_t pre_roll_ms = 300;          // earlier audio given to the engine with each utterance
  int32_t end_silence_ms = 400;       // this much silence ends an utterance
  int32_t max_utterance_ms = 15000;   // longer speech is cut at its quietest recent place
  int32_t max_queue_ms = 600000;      // undecoded audio kept at most; beyond it the oldest is lost
};

struct TranscriberStats {
  uint64_t partials = 0;
  uint64_t partials_dropped = 0;  // the pool was late
  uint64_t finals = 0;
  uint64_t finals_dropped = 0;  // queue limit reached; also in lost_ns
  int64_t lost_ns = 0;
  int64_t queued_ns = 0;            // audio that waits now
  uint64_t finals_by_fallback = 0;  // tiered: the large model was late, the small one did it
  uint64_t speculations = 0;        // finals decoded ahead, in the silence that may end them
  uint64_t speculations_used = 0;   // of these, the ones that were right
};

// One stream of speech. push and the like are called from one thread (a pad's), cost little and
// never wait for an engine. Results are delivered from worker threads, in order, never two at once
// for one Transcriber. They are not the place to destroy it: that waits for them.
class Transcriber {
 public:
  using OnResult = std::function<void(const Result&)>;
  virtual ~Transcriber() = default;  // waits for a running decode, drops the rest

  // `time_ns` is the running time of the first sample. A jump against the end of the last push
  // of more than 40 ms is silence if it goes forward, and starts over if it goes backward.
  virtual void push(std::span<const float> samples, int64_t time_ns) = 0;
  // Silence without samples, for GAP buffers and events.
  virtual void push_gap(int64_t time_ns, int64_t duration_ns) = 0;
  // From `time_ns` on (a time already pushed, at most some seconds back, or the next sample)
  // the audio is this speaker's.
  virtual void set_speaker(const Speaker& speaker, int64_t time_ns) = 0;
  // Live audio (the default) gets the small model's words when the large one is late; who reads a
  // file waits by choice.
  virtual void set_live(bool live) = 0;
  // Ends the current utterance and calls `done` (from any thread) when every final is out.
  virtual void drain(std::function<void()> done) = 0;
  virtual TranscriberStats stats() const = 0;  // any thread
};

// Loaded models and the worker pool, shared by all sttsinks of the process that ask for the same.
class SpeechEngine {
 public:
  virtual ~SpeechEngine() = default;
  virtual std::unique_ptr<Transcriber> new_transcriber(const TranscriberConfig& config,
                                                       Transcriber::OnResult on_result) = 0;
};

struct EngineConfig {
  std::string engine = "sherpa";
  std::string model = "tiered";  // tiny, base, tiered (tiny for partials, base for finals)
  std::string speech_dir;        // "" = $ROOMAUDIO_SPEECH_DIR, else where tools/setup put it
};

// Finds files and runtime without loading anything: "" when all is there, else what is missing
// and the command that installs it. Fast.
std::string check_engine(const EngineConfig& config);

// Loads (or shares what is loaded already); takes up to some seconds, so not for a streaming
// thread. nullptr with `error` for the user. `progress` (0..100) may be empty.
std::shared_ptr<SpeechEngine> load_engine(const EngineConfig& config, std::string& error,
                                          const std::function<void(int)>& progress);

}  // namespace stt
