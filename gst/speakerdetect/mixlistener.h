// SPDX-License-Identifier: LGPL-2.1-or-later
// Listens to a mix beside the streaming thread: what the network has to say takes 10 ms and more at
// a time, longer than a slice of a live stream lasts.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "mixvoices.h"

namespace speakerdetect {

class MixListener {
 public:
  /** Loads what is needed; may take its time. nullptr with a text for the user; a text with a
   * result is a warning. */
  using Make = std::function<std::unique_ptr<MixVoices>(std::string& problem)>;
  struct Report {
    std::optional<MixTurn> turn; /* the next one; ask again */
    MixState state;
    std::string problem; /* once */
    int64_t lost_ns = 0; /* audio that nobody listened to, as the machine was too slow */
    bool works = false;  /* false: still loading, or nothing could be loaded */
  };

  /** `beside`: on a thread of its own, and nothing here ever waits for it. Otherwise in the calls
   * themselves: what is not live can wait, and gives the same result each time. */
  MixListener(Make make, bool beside);
  ~MixListener();
  MixListener(const MixListener&) = delete;
  MixListener& operator=(const MixListener&) = delete;

  void push(std::span<const float> samples, int64_t time_ns);
  void push_silence(int64_t time_ns, int64_t duration_ns);
  void set_silence_timeout(int64_t timeout_ns);
  /** Judges what was said; what comes next does not follow it. */
  void end();
  /** What was not listened to yet is forgotten, and what is not reported yet. */
  void flush();
  Report report();
  /** For the end of the stream: until everything was listened to, but not for ever. */
  void wait(std::chrono::milliseconds timeout);

 private:
  /** Samples, or silence, or the end. */
  struct Piece {
    enum class Kind { samples, silence, end } kind = Kind::samples;
    std::vector<float> samples;
    int64_t time_ns = 0;
    int64_t duration_ns = 0;
    bool is_flush = false; /* nobody wants to know how it ended */
  };

  bool is_due() const; /* lock_ is held */
  void add(Piece piece);
  void run();
  void load();
  void take(const Piece& piece);

  const Make make_;
  const bool beside_;
  std::unique_ptr<MixVoices> voices_; /* of the thread that listens */
  bool loaded_ = false;               /* of the thread that listens */

  std::mutex lock_;
  std::condition_variable changed_;
  std::deque<Piece> pieces_;   /* lock_ */
  int64_t waiting_ns_ = 0;     /* lock_; audio in pieces_ */
  int64_t lost_ns_ = 0;        /* lock_ */
  bool busy_ = false;          /* lock_ */
  bool stopping_ = false;      /* lock_ */
  bool works_ = false;         /* lock_ */
  uint64_t epoch_ = 0;         /* lock_; counts flushes */
  int64_t silence_timeout_ns_; /* lock_ */
  std::deque<MixTurn> turns_;  /* lock_ */
  MixState state_;             /* lock_ */
  std::string problem_;        /* lock_ */
  std::thread thread_;
};

}  // namespace speakerdetect
