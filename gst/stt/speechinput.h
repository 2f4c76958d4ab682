// SPDX-License-Identifier: LGPL-2.1-or-later
// The audio of one pad on its way to a Transcriber: conversion, whose speech it is, and what
// comes back. Never waits for an engine.
#pragma once

#include <gst/gst.h>

#include <atomic>
#include <functional>
#include <map>
#include <mutex>
#include <string>

#include "attribution.h"
#include "deferredtranscriber.h"
#include "speech/timedconverter.h"
#include "transcript.h"

namespace stt {

class SpeechInput {
 public:
  // Called on an engine's thread with everything filled in that the input knows.
  using OnTranscript = std::function<void(Transcript&&, bool live)>;
  using NextUtterance = std::function<uint64_t()>;

  SpeechInput(const TranscriberConfig& config, NextUtterance next_utterance,
              OnTranscript on_transcript);

  // -- the pad's streaming thread
  bool set_format(const GstAudioInfo& info);
  bool has_format() const;
  // Who it is when no meta tells.
  void set_default_speaker(const Speaker& speaker);
  void push(GstBuffer* buffer, int64_t time_ns, int64_t duration_ns);
  void push_gap(int64_t time_ns, int64_t duration_ns);

  // -- any thread
  void set_live(bool live);
  bool live() const { return live_; }
  // Nothing is taken any more; `done` comes, from any thread, when every final is out.
  void finish(std::function<void()> done);
  // Results from now on are ignored.
  void discard() { discarded_ = true; }
  // Destroys the Transcriber, which may wait for a running decode.
  void shut_down();
  void attach(SpeechEngine& engine);
  void give_up();
  TranscriberStats stats() const;
  Speaker speaker() const;

 private:
  void describe(GstBuffer* buffer, int64_t start_ns, int64_t end_ns,
                std::optional<SpeakerChange>& after_push);
  void track_speaker(const Speaker& speaker, int64_t time_ns);
  void note_participant(GstBuffer* buffer, const gchar* identity);
  void flush_converter();
  void result(const Result& result);

  const TranscriberConfig config_;
  const NextUtterance next_utterance_;
  const OnTranscript on_transcript_;
  std::atomic<bool> live_ = false;
  std::atomic<bool> discarded_ = false;

  // Held while the transcriber is called, so never taken by what it calls.
  mutable std::mutex lock_;
  TimedConverter converter_;      // lock_
  bool ended_ = false;            // lock_
  Speaker default_speaker_;       // lock_
  Speaker speaker_;               // lock_; last told to the transcriber
  MixSlice slice_;                // lock_; here to keep its memory
  DeferredTranscriber deferred_;  // lock_

  // Taken by results; nothing else is called while it is held.
  mutable std::mutex results_lock_;
  Attribution attribution_;               // results_lock_
  ParticipantInfo participant_;           // written with both locks; of a track, not of a mix
  std::string participant_identity_;      // the same; whose it is
  bool is_mix_ = false;                   // results_lock_
  std::map<uint64_t, std::string> open_;  // results_lock_; utterances with a partial
};

}  // namespace stt
