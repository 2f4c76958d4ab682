// SPDX-License-Identifier: LGPL-2.1-or-later
// The threads that all speech of the process is understood on. It schedules streams, not jobs:
// each says how urgent its most urgent work is, and is asked to do it when its turn comes.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

namespace stt {

// Most urgent first.
enum class Urgency : uint8_t {
  ready,        // nothing to compute, only to deliver
  final,        // somebody waits for it
  speculative,  // somebody probably will
  partial,      // nice to have
  none,
};

class PoolClient {
 public:
  virtual ~PoolClient() = default;
  // Short work (windows of audio in, decisions out). Never called twice at once.
  virtual void run_light() = 0;
  // The most urgent decode, whatever it is by now. Never called twice at once, but at the same
  // time as run_light. Returns the seconds of audio that were decoded.
  virtual double run_decode() = 0;
};

class WorkerPool {
 public:
  // `decoders` 0 = one a core. One thread more does light work only, so that it goes on while all
  // decoders are in a long decode.
  explicit WorkerPool(unsigned decoders = 0);
  ~WorkerPool();
  WorkerPool(const WorkerPool&) = delete;
  WorkerPool& operator=(const WorkerPool&) = delete;

  // The pool of the process; it exists while somebody holds it.
  static std::shared_ptr<WorkerPool> shared();

  void add(PoolClient& client);
  // Waits for what runs for this client; then it is never called again. Not from a pool thread.
  void remove(PoolClient& client);

  void request_light(PoolClient& client);
  // Replaces what the client asked for before. Within the same urgency the client that has had the
  // least decoded goes first, between equals the one whose work is older (`age`, any clock).
  void request_decode(PoolClient& client, Urgency urgency, int64_t age);

  unsigned decoders() const { return n_decoders_; }
  size_t clients() const;  // without those that remove() waits for

 private:
  struct Client {
    bool light_queued = false;
    bool light_running = false;
    Urgency urgency = Urgency::none;
    int64_t age = 0;
    bool decode_running = false;
    bool removing = false;
    // Seconds decoded, counted so that a client that had nothing to do saves up no right to be
    // served for long alone (start-time fair queueing).
    double served = 0;
  };

  void light_thread();
  void decoder_thread();
  bool run_one_light(std::unique_lock<std::mutex>& lock);
  bool run_one_decode(std::unique_lock<std::mutex>& lock, Urgency least);
  void wake(Urgency urgency);

  const unsigned n_decoders_;
  mutable std::mutex mutex_;
  std::condition_variable light_wake_;     // light thread waits
  std::condition_variable decode_wake_;    // decoders wait
  std::condition_variable idle_;           // remove() waits
  bool stopping_ = false;                  // guarded by mutex_
  double served_now_ = 0;                  // guarded by mutex_; of the last one served
  std::map<PoolClient*, Client> clients_;  // guarded by mutex_
  std::deque<PoolClient*> light_queue_;    // guarded by mutex_
  std::vector<std::thread> threads_;       // constructor and destructor only
};

}  // namespace stt
