// SPDX-License-Identifier: LGPL-2.1-or-later
// The thread that all tracks of a room, or of all rooms of one `context`, run on: one wake-up a
// slice, whatever the number of tracks.
#pragma once

#include <gst/gst.h>

#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace livekit {

class RoomClock {
 public:
  class Client {
   public:
    virtual ~Client() = default;
    // Clock time `tick` has been reached: the slice that ends there is due. `index` counts slices
    // of this clock; one that is skipped because the thread fell behind is counted too.
    virtual void on_tick(GstClockTime tick, guint64 index, GstClockTime now) = 0;
  };

  // The thread named `context` ("" = one of its own) on `clock`, with ticks at multiples of
  // `slice` of clock time (shared) or counted from `origin` (own). A thread is shared by those
  // only that have clock and slice in common.
  static std::shared_ptr<RoomClock> get(const std::string& context, GstClock* clock,
                                        GstClockTime slice, GstClockTime origin);
  RoomClock(const std::string& context, GstClock* clock, GstClockTime slice, GstClockTime origin);
  ~RoomClock();
  RoomClock(const RoomClock&) = delete;
  RoomClock& operator=(const RoomClock&) = delete;

  void add(Client* client);
  // No tick begins after this; one that is under way goes on.
  void suspend(Client* client);
  // Waits for a tick that is under way. Never call it from on_tick().
  void remove(Client* client);

  // Name for the mark on pads: unique in the process.
  const std::string& id() const { return id_; }
  GstClock* clock() const { return clock_; }
  bool serves(GstClock* clock, GstClockTime slice, GstClockTime origin) const;

  // So many slices are made up for when the thread wakes up late; more are skipped.
  static constexpr guint kMaxCatchUpSlices = 10;

 private:
  struct Entry {
    Client* client = nullptr;
    bool active = true;
  };

  void run();
  GstClockTime grid_at_or_before(GstClockTime time) const;
  void serve(std::unique_lock<std::mutex>& lock, GstClockTime tick, GstClockTime now);
  Entry* find(Client* client);

  const std::string context_;
  GstClock* const clock_;  // owned
  const GstClockTime slice_;
  const GstClockTime origin_;
  const std::string id_;

  std::mutex mutex_;  // guards all below
  std::condition_variable changed_;
  std::vector<Entry> entries_;
  Client* in_tick_ = nullptr;
  GstClockID waiting_on_ = nullptr;
  GstClockTime next_tick_ = GST_CLOCK_TIME_NONE;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace livekit
