// SPDX-License-Identifier: LGPL-2.1-or-later
// What a connection plays: a queue of messages with due times, made only when they are taken, so
// that a backlog costs no memory.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include "trackplan.h"

namespace egresssim {

inline constexpr int64_t kNever_ns = std::numeric_limits<int64_t>::max();
inline constexpr size_t kMaxPayload = 65536;

struct Outgoing {
  enum class Kind { kAudio, kText, kPing, kPong, kClose, kFinish, kReset };
  Kind kind = Kind::kAudio;
  size_t length = 0;  // of the payload
};

// Times are nanoseconds since the start of the scenario.
class Playback {
 public:
  virtual ~Playback() = default;
  // The server has welcomed the connection.
  virtual void begin(int64_t upgrade_ns) = 0;
  virtual int64_t next_due_ns() const = 0;
  // Makes the message that is due next; `payload` has room for kMaxPayload bytes.
  virtual Outgoing take(uint8_t* payload) = 0;
  // How many audio messages are due at `now_ns`, and dropping that many of the oldest ones.
  virtual int64_t overdue_audio(int64_t now_ns) const = 0;
  virtual void drop_audio(int64_t count) = 0;
  // The track ends then, before or after begin(); what has been taken stays as it was.
  virtual void end_at(double) {}
  // Simulated network stalls, known after begin().
  virtual std::vector<Stall> stalls() const { return {}; }
};

// Packets of one participant, encoded once for all copies of it.
class OpusStream;

// A simulated participant's track.
class TrackPlayback : public Playback {
 public:
  // `opus` may be null: PCM. `input.upgrade_s` is filled in by begin().
  TrackPlayback(TrackInput input, std::shared_ptr<OpusStream> opus);
  ~TrackPlayback() override;
  void begin(int64_t upgrade_ns) override;
  int64_t next_due_ns() const override;
  Outgoing take(uint8_t* payload) override;
  int64_t overdue_audio(int64_t now_ns) const override;
  void drop_audio(int64_t count) override;
  void end_at(double at_s) override;
  std::vector<Stall> stalls() const override;

 private:
  struct Started;
  TrackInput input_;
  std::unique_ptr<Participant> ended_;  // `input_.who`, once end_at() has been called
  std::shared_ptr<OpusStream> opus_;
  std::unique_ptr<Started> started_;
};

// Encodes a track as 20 ms Opus packets, mono, from the participant's join on.
class OpusStream {
 public:
  static constexpr int kFramesPerPacket = 960;
  // nullptr with `error` when libopus refuses.
  static std::shared_ptr<OpusStream> create(TrackInput input, std::string& error);
  ~OpusStream();
  // The packet that begins nearest to `spoken_s`; copies it and returns its length.
  size_t packet_at(double spoken_s, uint8_t* out);

 private:
  OpusStream() = default;
  struct State;
  std::unique_ptr<State> state_;
};

// One frame of a captured connection.
struct CapturedFrame {
  int64_t at_ns = 0;
  Outgoing::Kind kind = Outgoing::Kind::kAudio;
  size_t offset = 0;
  size_t length = 0;
};

struct CapturedConnection {
  std::string name;
  std::string path;
  std::vector<std::pair<std::string, std::string>> headers;
  int64_t connect_ns = 0;
  std::vector<CapturedFrame> frames;
  std::vector<uint8_t> payload;
};

// Reads a folder with manifest.json, NAME.frames.jsonl and NAME.payload.bin.
bool load_capture(const std::string& folder, std::vector<CapturedConnection>& connections,
                  std::string& error);

// Plays a captured connection at its own times divided by `speed`.
class CapturePlayback : public Playback {
 public:
  CapturePlayback(std::shared_ptr<const CapturedConnection> connection, double speed)
      : connection_(std::move(connection)), speed_(speed) {}
  void begin(int64_t) override { begun_ = true; }
  int64_t next_due_ns() const override;
  Outgoing take(uint8_t* payload) override;
  int64_t overdue_audio(int64_t now_ns) const override;
  void drop_audio(int64_t count) override;

 private:
  int64_t due_ns(size_t index) const;

  std::shared_ptr<const CapturedConnection> connection_;
  double speed_;
  size_t next_ = 0;
  bool begun_ = false;
};

}  // namespace egresssim
