// SPDX-License-Identifier: LGPL-2.1-or-later
// What sttsink does between READY and READY: loads the engine, keeps the inputs, writes results,
// and knows when the end has come. Begun at READY -> PAUSED, thrown away at PAUSED -> READY.
#pragma once

#include <atomic>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "outputs/output.h"
#include "roomcaptions/roomcaptions.h"
#include "serialworker.h"
#include "speechinput.h"

namespace stt {

struct SessionSettings {
  EngineConfig engine;
  TranscriberConfig transcriber;
  std::vector<std::string> locations;  // "-" = standard output
  OutputOptions output_options;
  bool stdout_json = false;
  std::string room;
  CaptionSettings captions;
  bool use_tracks = true;  // of a mix that carries them
  std::string language;    // for results whose engine does not tell
  // An ended track of a room usually leaves; if it has not within this time, the room has ended.
  std::chrono::milliseconds room_grace{2000};
};

enum class LoadPhase { kStarted, kProgress, kComplete, kFailed };

// Called from any thread, without locks held.
class SessionHost {
 public:
  virtual ~SessionHost() = default;
  virtual void on_transcript(const Transcript& transcript) = 0;
  virtual void on_load(LoadPhase phase, int percent, const std::string& error) = 0;
  virtual void on_output_failed(const std::string& location, const std::string& error) = 0;
  // Once an incident; `result` says what becomes of the captions.
  virtual void on_captions_failed(const std::string& room, const std::string& reason,
                                  SendResult result) = 0;
  virtual void on_finished(uint32_t seqnum) = 0;
  virtual int64_t running_time_ns() = 0;  // now; -1 = not known
  virtual std::string utc_at(int64_t running_time_ns) = 0;
};

struct SessionStats {
  TranscriberStats speech;  // all inputs, also those that left
  uint64_t inputs = 0;      // now
  uint64_t inputs_seen = 0;
  uint64_t transcripts = 0;     // finals with text
  uint64_t write_failures = 0;  // incidents
  uint64_t writes_lost = 0;     // results that a full disk cost
  bool engine_ready = false;
  CaptionStats captions;
};

class Session {
 public:
  using Input = std::shared_ptr<SpeechInput>;

  Session(SessionSettings settings, SessionHost& host);
  ~Session();
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  // Opens what is written to: false with `location` and `error` when one cannot be.
  bool open_outputs(std::string& location, std::string& error);
  // Likewise for captions in a LiveKit room, if there are to be any.
  bool open_captions(std::string& error);
  void start();
  // Live captions are rewritten in place on the terminal: nobody else should print there.
  bool owns_terminal() const;
  // Wakes who waits; after it nothing waits any more.
  void begin_stop();
  // Ends everything; waits for a running decode and a running load at most.
  void stop();

  Input add_input();
  // The track is gone: what it said is still finished in the background.
  void remove_input(const Input& input);
  // Forgets what it said, for a flush.
  Input replace_input(const Input& input);
  // `of_room`: a track that a room's clock feeds, which ends when a participant leaves.
  void end_input(const Input& input, uint32_t seqnum, bool of_room);
  // The pipeline is told to end; it does when no input is left that has not ended.
  void request_end(uint32_t seqnum);
  void set_playing(bool playing);

  // For inputs that are not live: waits for PLAYING and until little enough is queued.
  // false: flushing or stopping.
  bool wait_for_space(const Input& input);
  void set_flushing(const Input& input, bool flushing);
  bool failed() const;
  bool use_tracks() const { return settings_.use_tracks; }
  SessionStats stats() const;

 private:
  struct Entry {
    Input input;
    bool flushing = false;
    bool ended = false;
    bool drained = false;
    bool of_room = false;
  };
  struct Target {
    std::unique_ptr<Output> output;
    bool failing = false;
  };

  void load();
  void emit(Transcript&& transcript, bool live);
  void write(const Transcript& transcript);
  void note_written(Target& target, bool written, const std::string& error);
  void retry_outputs();
  void check_end();
  struct Ending {
    uint32_t seqnum = 0;
    uint64_t generation = 0;
    uint64_t inputs_seen = 0;
  };
  void finish(const Ending& ending);
  Entry* find(const Input& input);  // lock_ is held
  void add_stats_of(const SpeechInput& input);

  const SessionSettings settings_;
  SessionHost& host_;
  SerialWorker worker_;
  std::thread loader_;
  std::atomic<bool> stopping_ = false;
  std::atomic<uint64_t> utterances_ = 0;
  std::atomic<uint64_t> transcripts_ = 0;
  std::atomic<uint64_t> write_failures_ = 0;
  std::atomic<uint64_t> writes_lost_ = 0;
  std::atomic<size_t> writes_waiting_ = 0;

  std::vector<Target> targets_;  // the worker's thread, once started
  bool retry_due_ = false;       // likewise
  // Set before start(); locks for itself.
  std::unique_ptr<RoomCaptions> captions_;

  mutable std::mutex lock_;
  std::condition_variable changed_;
  std::shared_ptr<SpeechEngine> engine_;  // lock_
  bool failed_ = false;                   // lock_
  bool playing_ = false;                  // lock_
  std::vector<Entry> inputs_;             // lock_
  std::vector<Input> leaving_;            // lock_; drained or destroyed in the background
  bool end_requested_ = false;            // lock_
  bool finishing_ = false;                // lock_
  bool finished_ = false;                 // lock_
  uint64_t end_generation_ = 0;           // lock_; changes with the inputs
  uint64_t grace_over_ = 0;               // lock_; the generation that has waited
  uint64_t grace_started_ = 0;            // lock_
  uint32_t seqnum_ = 0;                   // lock_; of the last end
  uint64_t inputs_seen_ = 0;              // lock_
  TranscriberStats past_;                 // lock_; of inputs that left
};

}  // namespace stt
