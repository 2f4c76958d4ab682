// SPDX-License-Identifier: LGPL-2.1-or-later
// The network side of one element: takes its publisher's media into the queue, counts, and tells
// the application what happens.
#pragma once

#include <gst/gst.h>

#include <atomic>
#include <memory>
#include <mutex>
#include <set>
#include <string>

#include "listener.h"
#include "mediaguard.h"
#include "mediaqueue.h"

namespace rtmp {

struct ReceiverConfig {
  std::string path;  // in messages
  size_t max_queue_bytes = 4 << 20;
  bool audio_only = false;
};

// What the element does for its receiver. Structures are lent for the call. Network thread, but
// for on_caller_removed() at shutdown.
class ReceiverObserver {
 public:
  virtual ~ReceiverObserver() = default;
  virtual bool on_caller_connecting(const GstStructure* caller) = 0;
  virtual void on_caller_added(const GstStructure* caller) = 0;
  virtual void on_caller_removed(const GstStructure* caller) = 0;
  virtual void on_caller_rejected(const GstStructure* caller) = 0;
};

// Always held by a shared_ptr: a handler of the application may stop the element while one of the
// receiver's calls is under way.
class Receiver final : public Route, public std::enable_shared_from_this<Receiver> {
 public:
  Receiver(GstElement* element, ReceiverObserver* observer, ReceiverConfig config);
  ~Receiver() override;

  // Set before the route is added.
  void set_listener(std::shared_ptr<Listener> listener) { listener_ = std::move(listener); }
  // After the route is removed: tells of a publisher who was there to the end.
  void shut_down();

  MediaQueue& queue() { return queue_; }
  GstStructure* stats() const;  // transfer full

  // The streaming thread's findings.
  void report_lateness(gint64 lateness_ms) { lateness_ms_ = lateness_ms; }
  // While the pipeline is paused media is left out: nobody hears live what is said then, and kept
  // it would lie late by the length of the pause for ever. Any thread.
  void set_paused(bool paused);
  // Nothing has come from the publisher for a while, or something again.
  void report_stalled(bool stalled);

  Verdict on_request(const Publisher& publisher) override;
  void on_added(const Publisher& publisher) override;
  bool on_media(const Media& media, int64_t now_us) override;
  void on_bytes(size_t count) override;
  void on_removed(const Publisher& publisher, PublisherEnd end, const std::string& reason) override;
  void on_refused(const std::string& remote, unsigned status, const std::string& reason) override;

 private:
  struct Counters {
    guint64 bytes = 0;
    guint64 audio_messages = 0;
    guint64 video_messages = 0;
    guint64 data_messages = 0;
    guint64 added = 0;
    guint64 removed = 0;
    guint64 lost = 0;
    guint64 refused = 0;
    GstClockTime without_publisher = 0;  // between two of them
  };

  GstStructure* describe(const Publisher& publisher) const;
  void post(const char* event, const Publisher& publisher, const std::string& reason,
            GstClockTime gap = 0, unsigned status = 0);
  bool examine(const Media& media);
  void complain(MediaKind kind, const std::string& text);

  GstElement* const element_;
  ReceiverObserver* const observer_;
  const ReceiverConfig config_;
  std::shared_ptr<Listener> listener_;
  MediaQueue queue_;
  std::atomic<gint64> lateness_ms_{0};
  std::atomic<bool> paused_{false};

  // Network thread.
  MediaGuard guard_;
  bool audio_seen_ = false;
  std::set<MediaKind> complained_;  // one warning each a publisher
  int64_t first_video_us_ = 0;
  int64_t refusals_since_us_ = 0;
  unsigned refusals_told_ = 0;  // since then

  mutable std::mutex mutex_;  // guards what follows
  Counters counters_;
  bool present_ = false;
  Publisher publisher_;        // the last one
  int64_t since_us_ = 0;       // he is there, or has gone
  int64_t last_media_us_ = 0;  // of anybody, 0 = none yet
};

}  // namespace rtmp
