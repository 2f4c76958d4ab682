// SPDX-License-Identifier: LGPL-2.1-or-later
// Keeps what is said while the model still loads, then hands everything on to the Transcriber.
// Not thread-safe: its owner locks.
#pragma once

#include <deque>
#include <memory>
#include <variant>

#include "transcriber.h"

namespace stt {

class DeferredTranscriber {
 public:
  explicit DeferredTranscriber(int64_t max_queue_ns) : max_queue_ns_(max_queue_ns) {}

  bool attached() const { return transcriber_ != nullptr; }
  // Replays what was kept, in order.
  void attach(std::unique_ptr<Transcriber> transcriber);
  // The model will never come: drops what was kept and answers drains.
  void give_up();
  // For the caller to destroy where it may wait; later calls do nothing.
  std::unique_ptr<Transcriber> detach();

  void push(std::span<const float> samples, int64_t time_ns);
  void push_gap(int64_t time_ns, int64_t duration_ns);
  void set_speaker(const Speaker& speaker, int64_t time_ns);
  void set_live(bool live);
  void drain(std::function<void()> done);
  TranscriberStats stats() const;

 private:
  struct Audio {
    std::vector<float> samples;
    int64_t time_ns = 0;
  };
  struct Gap {
    int64_t time_ns = 0;
    int64_t duration_ns = 0;
  };
  struct Change {
    Speaker speaker;
    int64_t time_ns = 0;
  };
  struct Drain {
    std::function<void()> done;
  };
  using Operation = std::variant<Audio, Gap, Change, Drain>;

  void drop_oldest_beyond_limit();

  const int64_t max_queue_ns_;
  std::unique_ptr<Transcriber> transcriber_;
  std::deque<Operation> kept_;
  int64_t kept_ns_ = 0;  // audio in kept_
  int64_t lost_ns_ = 0;
  bool live_ = false;
  bool closed_ = false;
};

}  // namespace stt
