// SPDX-License-Identifier: LGPL-2.1-or-later
#include "roomclock.h"

#include <pthread.h>

#include <algorithm>
#include <atomic>
#include "livekitdebug.h"

namespace livekit {
namespace {

struct SharedClocks {
  std::mutex mutex;  // guards clocks
  std::vector<std::weak_ptr<RoomClock>> clocks;
};

SharedClocks& shared_clocks() {
  static SharedClocks instance;
  return instance;
}

std::string make_id(const std::string& context) {
  static std::atomic<unsigned> next{0};
  return "livekit-room-" + std::to_string(next++) + (context.empty() ? "" : "-" + context);
}

}  // namespace

std::shared_ptr<RoomClock> RoomClock::get(const std::string& context, GstClock* clock,
                                          GstClockTime slice, GstClockTime origin) {
  if (context.empty()) return std::make_shared<RoomClock>(context, clock, slice, origin);
  SharedClocks& shared = shared_clocks();
  const std::lock_guard<std::mutex> lock(shared.mutex);
  std::erase_if(shared.clocks, [](const auto& known) { return known.expired(); });
  for (const auto& known : shared.clocks) {
    if (auto room_clock = known.lock();
        room_clock && room_clock->context_ == context && room_clock->serves(clock, slice, 0)) {
      return room_clock;
    }
  }
  auto fresh = std::make_shared<RoomClock>(context, clock, slice, 0);
  shared.clocks.push_back(fresh);
  return fresh;
}

RoomClock::RoomClock(const std::string& context, GstClock* clock, GstClockTime slice,
                     GstClockTime origin)
    : context_(context),
      clock_(GST_CLOCK(gst_object_ref(clock))),
      slice_(slice),
      origin_(origin),
      id_(make_id(context)) {
  thread_ = std::thread([this] { run(); });
}

RoomClock::~RoomClock() {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    stopping_ = true;
    if (waiting_on_) gst_clock_id_unschedule(waiting_on_);
  }
  changed_.notify_all();
  thread_.join();
  gst_object_unref(clock_);
}

bool RoomClock::serves(GstClock* clock, GstClockTime slice, GstClockTime origin) const {
  return clock_ == clock && slice_ == slice && origin_ == origin;
}

RoomClock::Entry* RoomClock::find(Client* client) {
  const auto found = std::find_if(entries_.begin(), entries_.end(),
                                  [client](const Entry& entry) { return entry.client == client; });
  return found == entries_.end() ? nullptr : &*found;
}

void RoomClock::add(Client* client) {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    // Whoever comes to an idle thread must not be served the ticks that nobody wanted.
    if (std::none_of(entries_.begin(), entries_.end(), [](const Entry& e) { return e.active; })) {
      next_tick_ = GST_CLOCK_TIME_NONE;
    }
    if (Entry* known = find(client)) {
      known->active = true;
    } else {
      entries_.push_back({client, true});
    }
  }
  changed_.notify_all();
}

void RoomClock::suspend(Client* client) {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (Entry* known = find(client)) known->active = false;
  // An idle thread has no reason to wake up.
  if (waiting_on_ &&
      std::none_of(entries_.begin(), entries_.end(), [](const Entry& e) { return e.active; })) {
    gst_clock_id_unschedule(waiting_on_);
  }
}

void RoomClock::remove(Client* client) {
  suspend(client);
  std::unique_lock<std::mutex> lock(mutex_);
  std::erase_if(entries_, [client](const Entry& entry) { return entry.client == client; });
  changed_.wait(lock, [this, client] { return in_tick_ != client; });
}

GstClockTime RoomClock::grid_at_or_before(GstClockTime time) const {
  return time < origin_ ? origin_ : origin_ + (time - origin_) / slice_ * slice_;
}

void RoomClock::serve(std::unique_lock<std::mutex>& lock, GstClockTime tick, GstClockTime now) {
  const guint64 index = (tick - origin_) / slice_;
  const std::vector<Entry> round = entries_;
  for (const Entry& entry : round) {
    const Entry* still_there = find(entry.client);
    if (!still_there || !still_there->active) continue;
    in_tick_ = entry.client;
    lock.unlock();
    entry.client->on_tick(tick, index, now);
    lock.lock();
    in_tick_ = nullptr;
    changed_.notify_all();
  }
}

void RoomClock::run() {
  pthread_setname_np(pthread_self(), "livekit-room");
  std::unique_lock<std::mutex> lock(mutex_);
  while (!stopping_) {
    if (std::none_of(entries_.begin(), entries_.end(), [](const Entry& e) { return e.active; })) {
      next_tick_ = GST_CLOCK_TIME_NONE;
      changed_.wait(lock);
      continue;
    }
    if (!GST_CLOCK_TIME_IS_VALID(next_tick_)) {
      next_tick_ = grid_at_or_before(gst_clock_get_time(clock_)) + slice_;
    }
    GstClockID id = gst_clock_new_single_shot_id(clock_, next_tick_);
    waiting_on_ = id;
    lock.unlock();
    const GstClockReturn result = gst_clock_id_wait(id, nullptr);
    lock.lock();
    waiting_on_ = nullptr;
    gst_clock_id_unref(id);
    // Nobody is there any more, or the first to come asked for a fresh start.
    if (stopping_ || result == GST_CLOCK_UNSCHEDULED || !GST_CLOCK_TIME_IS_VALID(next_tick_)) {
      next_tick_ = GST_CLOCK_TIME_NONE;
      continue;
    }
    if (result != GST_CLOCK_OK && result != GST_CLOCK_EARLY) {
      // A clock that cannot be waited for must not make the room run free.
      GST_WARNING("%s: the clock cannot wait (%d)", id_.c_str(), int(result));
      changed_.wait_for(lock, std::chrono::nanoseconds(slice_));
      continue;
    }
    const GstClockTime now = gst_clock_get_time(clock_);
    if (now > next_tick_ + kMaxCatchUpSlices * slice_) {
      GST_WARNING("%s: %" GST_TIME_FORMAT " late, skipping", id_.c_str(),
                  GST_TIME_ARGS(now - next_tick_));
      next_tick_ = grid_at_or_before(now);
    }
    const GstClockTime tick = next_tick_;
    next_tick_ += slice_;
    serve(lock, tick, now);
  }
}

}  // namespace livekit
