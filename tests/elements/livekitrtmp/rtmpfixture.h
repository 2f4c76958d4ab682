// SPDX-License-Identifier: LGPL-2.1-or-later
// livekitrtmpsrc over loopback: pipelines, their bus, and publishers on real sockets.
#pragma once

#include <gio/gio.h>
#include <gst/gst.h>
#include <gtest/gtest.h>

#include <mutex>
#include <string>
#include <vector>

#include "../../unit/livekitrtmp/rtmpclient.h"
#include "livekit/gobjectptr.h"

namespace rtmp::test {

constexpr int64_t kPatienceUs = 20'000'000;

// A publisher's connection, plain or TLS.
class Caller {
 public:
  explicit Caller(guint port, bool tls = false);

  bool connected() const { return stream_ != nullptr; }
  void send(const Bytes& bytes);
  // Without waiting for anybody who does not read; returns how much went.
  size_t send_some(const Bytes& bytes);
  // Reads until an answer with this text has come.
  bool wait_for(const std::string& answer);
  // Reads until the server closes.
  bool wait_for_end();
  const Answers& answers() const { return answers_; }
  // Handshake, commands, and the good answer.
  bool publish(const std::string& app, const std::string& name);
  void hang_up() {
    stream_.reset();
    socket_.reset();
  }

 private:
  bool read();

  livekit::GObjectPtr<GSocketConnection> socket_;
  livekit::GObjectPtr<GIOStream> stream_;
  Answers answers_;
};

// One buffer or event that came out of the element.
struct Arrival {
  enum class Kind { kBuffer, kGap, kSegment, kEos };
  Kind kind = Kind::kBuffer;
  GstClockTime pts = GST_CLOCK_TIME_NONE;
  GstClockTime duration = GST_CLOCK_TIME_NONE;
  GstClockTime running_time = GST_CLOCK_TIME_NONE;  // of a buffer, by its segment
  bool discont = false;
  std::vector<uint8_t> bytes;
};

// `livekitrtmpsrc name=src OPTIONS ! …`, watched at the pad `watch`.
class Pipeline {
 public:
  explicit Pipeline(const std::string& options,
                    const std::string& rest = "fakesink name=watched sync=false");
  ~Pipeline();
  Pipeline(const Pipeline&) = delete;
  Pipeline& operator=(const Pipeline&) = delete;

  GstStateChangeReturn play();
  guint port() const;
  GstElement* src() const { return src_; }
  GstElement* pipeline() const { return pipeline_; }
  GstStructure* stats() const;
  guint64 stat(const char* name) const;

  std::vector<Arrival> arrivals() const;
  // All buffers one after another.
  std::vector<uint8_t> stream() const;
  bool wait_for_buffers(size_t count) const;
  size_t count(Arrival::Kind kind) const;
  bool wait_for(Arrival::Kind kind) const;

  // The next livekit-publisher message with this event; its structure, or null.
  std::string wait_for_event(const std::string& event, const char* field = nullptr);
  // The user's text of the next message of this kind.
  std::string wait_for_complaint(GstMessageType type);

  // Downstream takes nothing while blocked.
  void block();
  void unblock();

 private:
  static GstPadProbeReturn on_data(GstPad* pad, GstPadProbeInfo* info, gpointer self);
  static GstPadProbeReturn on_block(GstPad*, GstPadProbeInfo*, gpointer) {
    return GST_PAD_PROBE_OK;
  }

  GstElement* pipeline_ = nullptr;
  GstElement* src_ = nullptr;
  GstPad* watched_ = nullptr;
  gulong block_ = 0;
  mutable std::mutex mutex_;  // guards arrivals_
  std::vector<Arrival> arrivals_;
};

// Waits until `condition` holds, for a bounded time.
template <typename Condition>
bool eventually(Condition condition) {
  const int64_t deadline_us = g_get_monotonic_time() + kPatienceUs;
  while (!condition()) {
    if (g_get_monotonic_time() > deadline_us) return false;
    g_usleep(1000);
  }
  return true;
}

}  // namespace rtmp::test
