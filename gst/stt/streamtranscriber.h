// SPDX-License-Identifier: LGPL-2.1-or-later
// One stream from pushed samples to results: the pushing thread only queues, the pool's threads
// find the utterances (run_light) and have them understood (run_decode).
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <variant>
#include <vector>

#include "stt/audiowindows.h"
#include "stt/engines/engine.h"
#include "stt/segmenter.h"
#include "stt/transcriber.h"
#include "stt/voiceactivity.h"
#include "stt/workerpool.h"

namespace stt {

using Clock = std::chrono::steady_clock;

// What a stream works with; shared by the streams of an engine.
struct SpeechParts {
  std::shared_ptr<WorkerPool> pool;
  std::shared_ptr<const Model> final_model;
  // Also understands finals when final_model cannot keep up. The same as final_model when there is
  // only one.
  std::shared_ptr<const Model> partial_model;
  std::function<std::unique_ptr<VoiceActivity>()> new_voice_activity;
  std::function<Clock::time_point()> now = Clock::now;
  std::chrono::milliseconds fallback_after{2000};  // a live final waits this long for final_model
};

class StreamTranscriber final : public Transcriber, private PoolClient {
 public:
  StreamTranscriber(SpeechParts parts, const TranscriberConfig& config, OnResult on_result);
  ~StreamTranscriber() override;

  void push(std::span<const float> samples, int64_t time_ns) override;
  void push_gap(int64_t time_ns, int64_t duration_ns) override;
  void set_speaker(const Speaker& speaker, int64_t time_ns) override;
  void drain(std::function<void()> done) override;
  TranscriberStats stats() const override;

 private:
  struct Audio {
    std::vector<float> samples;
    int64_t time_ns = 0;
  };
  struct Silence {
    int64_t time_ns = 0;
    int64_t duration_ns = 0;
  };
  struct SpeakerChange {
    Speaker speaker;
    int64_t time_ns = 0;
  };
  struct Drain {
    std::function<void()> done;
  };
  using Input = std::variant<Audio, Silence, SpeakerChange, Drain>;

  // A final decoded before it was known to be one.
  struct Speculation {
    enum class State { waiting, running, done };
    SegmentEvent segment;
    Clock::time_point queued_at;
    State state = State::waiting;
    bool is_wanted = true;  // neither taken back nor overtaken
    Hypothesis hypothesis;
  };
  // A final, or the mark of a drain, in the order in which they go out.
  struct FinalJob {
    SegmentEvent segment;
    Clock::time_point queued_at;
    std::shared_ptr<Speculation> speculation;  // its text comes, or came, from there
    bool is_lost = false;                      // dropped, but partials are to be taken back
    std::function<void()> drained;             // set = this is the mark
    bool is_ready() const {
      return drained || is_lost || (speculation && speculation->state == Speculation::State::done);
    }
  };
  struct PartialJob {
    SegmentEvent segment;
    Clock::time_point queued_at;
  };

  void run_light() override;
  double run_decode() override;

  // Segmenting; run_light only.
  void take(Input& input);
  void take_window(std::span<const float> window, int64_t time_ns);
  void take_break();
  void handle(Segmenter::Events events);

  // With mutex_.
  void handle(SegmentEvent& event);
  void handle_final(SegmentEvent& event);
  void add_silence(int64_t time_ns, int64_t duration_ns);
  void request_segmenting();
  void request_decoding();
  void make_room();
  bool lose_oldest_final();
  void drop_partial();
  bool is_fallback_due(const FinalJob& job) const;

  // Decoding and delivering; run_decode only. `lock` holds mutex_, which is given up meanwhile.
  using Lock = std::unique_lock<std::mutex>;
  bool deliver_ready(Lock& lock);
  double decode_final(Lock& lock);
  double decode_speculation(Lock& lock);
  double decode_partial(Lock& lock);
  Hypothesis decode(Lock& lock, std::unique_ptr<Session>& session, const Model& model,
                    const SegmentEvent& segment, bool is_final);
  void emit(Lock& lock, const SegmentEvent& segment, Hypothesis hypothesis, const Model& model,
            bool is_final);

  const SpeechParts parts_;
  const TranscriberConfig config_;
  const OnResult on_result_;

  // run_light only.
  Segmenter segmenter_;
  std::unique_ptr<VoiceActivity> voice_activity_;  // made when the first sound comes
  AudioWindows windows_;

  // run_decode only.
  std::unique_ptr<Session> final_session_;
  std::unique_ptr<Session> partial_session_;

  mutable std::mutex mutex_;
  // All below: guarded by mutex_.
  std::deque<Input> input_;
  int64_t input_ns_ = 0;      // audio in input_
  int64_t silence_ns_ = 0;    // silence in input_
  size_t window_filled_ = 0;  // samples that windows_ had left over when it last ran
  bool is_idle_ = true;       // the segmenter, when it last ran
  std::deque<FinalJob> finals_;
  int64_t finals_ns_ = 0;  // audio in finals_ that waits for a session
  std::shared_ptr<Speculation> speculation_;
  std::optional<PartialJob> partial_;
  uint64_t open_utterance_ = 0;  // the one that had events and no final yet; 0 = none
  struct Shown {
    uint32_t revisions = 0;
    std::string text;
  };
  std::map<uint64_t, Shown> shown_;  // what was delivered of utterances without a final
  std::optional<Clock::time_point> first_push_;
  int64_t pushed_ns_ = 0;
  TranscriberStats stats_;
};

}  // namespace stt
