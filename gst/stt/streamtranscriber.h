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

#include "speech/audiowindows.h"
#include "speech/voiceactivity.h"
#include "stt/engines/engine.h"
#include "stt/segmenter.h"
#include "stt/transcriber.h"
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

class StreamTranscriber final : public Transcriber {
 public:
  StreamTranscriber(SpeechParts parts, const TranscriberConfig& config, OnResult on_result);
  ~StreamTranscriber() override;

  void push(std::span<const float> samples, int64_t time_ns) override;
  void push_gap(int64_t time_ns, int64_t duration_ns) override;
  void set_speaker(const Speaker& speaker, int64_t time_ns) override;
  void set_live(bool live) override;
  void drain(std::function<void()> done) override;
  TranscriberStats stats() const override;

 private:
  using Lock = std::unique_lock<std::mutex>;

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

  // A part decoded before it was known to be one.
  // What a decode gave, and the model whose words they are.
  struct Decoded {
    Hypothesis hypothesis;
    const Model* model = nullptr;
  };
  struct Speculation {
    enum class State { waiting, running, done };
    SegmentEvent segment;
    Clock::time_point queued_at;
    State state = State::waiting;
    Decoded decoded;
  };
  // A closed part of an utterance, or the mark of a drain, in the order in which they go out.
  struct Job {
    SegmentEvent segment;
    Clock::time_point queued_at;
    std::shared_ptr<Speculation> speculation;  // its text comes, or came, from there
    bool is_lost = false;                      // dropped; what its partials said remains
    std::function<void()> drained;             // set = this is the mark
    bool is_last() const { return segment.kind == SegmentEvent::Kind::final; }
    bool is_ready() const {
      return drained || is_lost || (!speculation && segment.samples.empty()) ||
             (speculation && speculation->state == Speculation::State::done);
    }
  };
  struct PartialJob {
    SegmentEvent segment;
    Clock::time_point queued_at;
  };
  // What is known of an utterance whose final is not out.
  struct Utterance {
    struct Part {
      Hypothesis hypothesis;
      size_t samples = 0;    // that it was understood from
      bool is_done = false;  // nothing better comes
    };
    std::vector<Part> parts;
    std::string model;  // that said the last of it
    Speaker speaker;
    int64_t start_ns = 0;
    int64_t end_ns = 0;
    uint32_t revisions = 0;
    std::string shown;
  };

  // The pool runs the partials of a stream beside its finals, if it has a thread to spare.
  class FinalLane : public PoolClient {
   public:
    explicit FinalLane(StreamTranscriber& stream) : stream_(stream) {}
    void run_light() override { stream_.run_segmenter(); }
    double run_decode() override { return stream_.run_finals(); }

   private:
    StreamTranscriber& stream_;
  };
  class PartialLane : public PoolClient {
   public:
    explicit PartialLane(StreamTranscriber& stream) : stream_(stream) {}
    void run_light() override {}
    double run_decode() override { return stream_.run_partial(); }

   private:
    StreamTranscriber& stream_;
  };

  // Segmenting; never at the same time as itself.
  void run_segmenter();
  void take(Input& input);
  void take_window(std::span<const float> window, int64_t time_ns);
  void take_break();
  void handle(Segmenter::Events events);

  // Decoding; each never at the same time as itself. `lock` holds mutex_, which is given up
  // meanwhile.
  double run_finals();
  double run_partial();
  double decode_job(Lock& lock);
  double decode_speculation(Lock& lock);
  Decoded decode(Lock& lock, const Model& model, Session& session, const SegmentEvent& segment,
                 bool is_final);
  void deliver(Lock& lock);

  // With mutex_.
  void handle(SegmentEvent& event);
  void close_part(SegmentEvent& event);
  void add_silence(int64_t time_ns, int64_t duration_ns);
  void request_segmenting();
  void request_decoding();
  void make_room();
  bool lose_oldest_job();
  void drop_partial();
  bool is_fallback_due(const Job& job) const;
  void take_ready_jobs();
  void understood(const SegmentEvent& segment, Decoded decoded, bool is_done);
  void publish_final(uint64_t utterance);
  void publish_partial();
  void publish(uint64_t id, Utterance& utterance, bool is_final);

  const SpeechParts parts_;
  const TranscriberConfig config_;
  const OnResult on_result_;
  FinalLane final_lane_{*this};
  PartialLane partial_lane_{*this};

  // Segmenting only.
  Segmenter segmenter_;
  std::unique_ptr<VoiceActivity> voice_activity_;  // made when the first sound comes
  AudioWindows windows_;

  // run_finals only.
  std::unique_ptr<Session> final_session_;
  std::unique_ptr<Session> fallback_session_;
  // run_partial only.
  std::unique_ptr<Session> partial_session_;

  mutable std::mutex mutex_;
  // All below: guarded by mutex_.
  std::deque<Input> input_;
  int64_t input_ns_ = 0;      // audio in input_
  int64_t silence_ns_ = 0;    // silence in input_
  size_t window_filled_ = 0;  // samples that windows_ had left over when it last ran
  bool is_idle_ = true;       // the segmenter, when it last ran
  std::deque<Job> jobs_;
  int64_t jobs_ns_ = 0;  // audio in jobs_ that waits for a session
  std::shared_ptr<Speculation> speculation_;
  std::optional<PartialJob> partial_;
  uint64_t open_utterance_ = 0;  // the one that had events and no final event yet; 0 = none
  std::map<uint64_t, Utterance> utterances_;
  std::deque<std::function<void()>> deliveries_;
  bool is_delivering_ = false;  // whoever set it calls them, without mutex_, in order
  bool is_live_ = true;
  TranscriberStats stats_;
};

}  // namespace stt
