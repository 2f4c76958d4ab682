// SPDX-License-Identifier: LGPL-2.1-or-later
// The thread that makes and unmakes connections inside a bin.
#pragma once

#include <gst/gst.h>

#include <condition_variable>
#include <mutex>
#include <string>
#include <thread>

#include "connectionwatch.h"
#include "gstreconnectrelay.h"
#include "sourcedescription.h"

namespace reconnect {

struct ConnectorSettings {
  SourceSettings source;
  WatchSettings watch;
  AtEnd at_end = AtEnd::kReconnect;
  GstClockTime latency = 0;
  bool catch_up = true;
};

/** One connection at a time, as a bin of its own among the bin's children, with its state locked:
 * this thread alone starts and stops it. */
class Connector final : public RelayOwner {
 public:
  /** @bin outlives this; the relay becomes its child. */
  explicit Connector(GstBin* bin);
  ~Connector() override;
  Connector(const Connector&) = delete;
  Connector& operator=(const Connector&) = delete;

  GstReconnectRelay* relay() const { return relay_; }

  /** Begins to connect; does nothing when begun already. */
  void start(const ConnectorSettings& settings);
  /** Not from a streaming thread. The relay's pads are inactive by now. */
  void stop();
  /** A new run begins: an end asked for in the last one is no more. */
  void forget_end();
  /** Lets the connection play out, then ends the stream; may come before start(). */
  void request_eos();
  /** A message of a child: TRUE when it is nobody else's business (and is taken). */
  bool take_message(GstMessage* message);
  GstStructure* make_stats();

  // ---- RelayOwner
  void data(int64_t gap_ns) override;
  void stream_ended() override;
  void refused(GstFlowReturn flow) override;

 private:
  using Lock = std::unique_lock<std::mutex>;

  void run();
  bool open(std::string* problem);
  void close();
  void note_end(Lock& lock);
  void note_loss(Lock& lock);
  void say(const char* event, const std::string& reason, int64_t wait_ns, int64_t gap_ns);

  GstBin* const bin_;
  GstReconnectRelay* relay_ = nullptr; /* a reference */
  std::thread thread_;                 /* start() and stop(): the bin's state lock */

  std::mutex mutex_;
  // All below: mutex_, which is never held while calling out.
  std::condition_variable wake_;
  ConnectorSettings settings_;
  ConnectionWatch watch_;
  GstElement* connection_ = nullptr; /* a reference; owned by the bin as well */
  bool stopping_ = false;
  bool eos_wanted_ = false;
  bool eos_sent_ = false;
  bool connected_ = false; /* data has come, and it has not been said yet */
  int64_t connected_gap_ns_ = 0;
  bool lost_ = false;       /* the connection is over */
  bool ended_ = false;      /* by its end, not by an error */
  bool refused_ = false;    /* downstream has an error: not the connection's fault */
  std::string reason_;      /* why it is over */
  std::string last_reason_; /* why the last one was */
};

}  // namespace reconnect
