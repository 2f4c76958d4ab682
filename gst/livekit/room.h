// SPDX-License-Identifier: LGPL-2.1-or-later
// All tracks of one element: takes them from the network thread, moves them slice by slice in the
// room's thread.
#pragma once

#include <gst/gst.h>

#include <atomic>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "egressplan.h"
#include "listener.h"
#include "roomclock.h"
#include "track.h"

namespace livekit {

struct RoomConfig {
  std::string label;    // of rooms whose address does not tell their name
  std::string context;  // "" = a thread of its own
  GstClockTime slice = 10 * GST_MSECOND;
  PlayoutOptions playout;
};

// How late a buffer can be, compared with its time stamp: what the element reports as latency.
GstClockTime latency_of(const RoomConfig& config, bool with_opus);

// What the element does for its room. Structures describe the caller and are lent for the call.
class RoomObserver {
 public:
  virtual ~RoomObserver() = default;
  virtual bool on_caller_connecting(const GstStructure* caller) = 0;  // network thread
  virtual void on_caller_rejected(const GstStructure* caller) = 0;    // network thread
  virtual void on_caller_added(const GstStructure* caller) = 0;       // room thread
  virtual void on_caller_removed(const GstStructure* caller) = 0;     // room thread
  // The connection of an egress that was asked for has begun or is over. Any thread.
  virtual void on_session(uint64_t session, bool connected) = 0;
  // Writes into it what is known of this caller now. Room thread.
  virtual void introduce(TrackRequest& request) = 0;
};

class Room final : public Route, private RoomClock::Client {
 public:
  Room(GstElement* element, RoomObserver* observer, RoomConfig config);
  // All threads but the caller's must have let go: route removed, stop() called.
  ~Room() override;

  // Told of each connection that ends; set before the first one.
  void set_listener(std::shared_ptr<Listener> listener) { listener_ = std::move(listener); }

  // Slices run from play() to pause(). pause() does not wait for a slice that is under way,
  // because that may be blocked downstream.
  void play(GstClock* clock, GstClockTime base_time);
  void pause();
  // Ends all tracks. The pads must not be blocked.
  void stop();
  // Ends all tracks after what they hold has been played, each with EOS; nobody is let in.
  void request_eos(guint32 seqnum);
  // Somebody has this name and metadata from now on.
  void describe(const std::string& identity, const ParticipantText& text);

  // Closes the connection of an egress that was asked for; if it comes yet, then.
  void hang_up(uint64_t session);

  // Who may be heard of those whose egress was asked for: whoever is excluded falls silent at once,
  // however long it takes until the egress is stopped.
  void set_filter(const EgressFilter& filter);

  GstStructure* stats() const;  // transfer full
  GstClockTime latency() const { return latency_of(config_, has_opus_); }

  Verdict on_request(const TrackRequest& request) override;
  void on_connected(const TrackRequest& request,
                    std::unique_ptr<TrackConnection> connection) override;
  void on_refused(const std::string& remote, unsigned http_status,
                  const std::string& reason) override;

 private:
  struct Newcomer {
    TrackRequest request;
    std::unique_ptr<TrackConnection> connection;
  };
  struct Counters {
    guint64 slices = 0;
    guint64 late_slices = 0;
    guint64 skipped_slices = 0;
    guint64 added = 0;
    guint64 removed = 0;
    guint64 same_identity = 0;
  };

  void on_tick(GstClockTime tick, guint64 index, GstClockTime now) override;
  bool begin_slice(GstClockTime tick, guint64 index, GstClockTime now, SliceTime* slice);
  void admit_newcomers(const SliceTime& slice);
  void admit(Newcomer newcomer, const SliceTime& slice);
  void admit_pair(Newcomer newcomer, const SliceTime& slice);
  bool is_last_of_pair(uint64_t session);
  void step_tracks(const SliceTime& slice);
  void remove_track(std::unique_ptr<Track> track, GstClockTime running_time);
  void note_removed(const Track& track, bool connection_over);
  void describe_tracks(const SliceTime& slice);
  void hang_up_tracks(const SliceTime& slice);
  void apply_filter();
  bool is_audible(const TrackRequest& request) const;
  void close_for_eos(const SliceTime& slice);
  void push_eos_without_tracks();
  void check_flow();
  void publish();
  std::string unique_stream_id(const std::string& track) const;
  const std::string& room_of(const TrackRequest& request) const;
  GstStructure* describe(const TrackRequest& request) const;

  GstElement* const element_;
  RoomObserver* const observer_;
  const RoomConfig config_;
  std::shared_ptr<Listener> listener_;

  // Application threads, one state change at a time.
  std::shared_ptr<RoomClock> clock_;

  // Room thread; or the application's, while no slice can be under way.
  PadContext pad_context_;
  std::vector<std::unique_ptr<Track>> tracks_;
  guint next_pad_ = 0;
  std::set<uint64_t> whole_pairs_;  // sessions of which both people's tracks are here
  GstClockTime next_pts_ = GST_CLOCK_TIME_NONE;
  Counters counters_;
  EgressFilter filter_;  // of identities as they are shown
  bool closing_ = false;
  bool eos_done_ = false;
  bool flow_error_posted_ = false;

  std::atomic<GstClockTime> base_time_{0};
  std::atomic<bool> eos_requested_{false};
  std::atomic<guint32> eos_seqnum_{GST_SEQNUM_INVALID};  // set before
  std::atomic<bool> has_newcomers_{false};
  std::atomic<bool> has_descriptions_{false};
  std::atomic<bool> has_new_filter_{false};
  std::atomic<bool> has_hang_ups_{false};
  std::atomic<bool> has_opus_{false};  // ever had

  mutable std::mutex mutex_;  // guards all below
  std::deque<Newcomer> newcomers_;
  std::map<std::string, ParticipantText> descriptions_;  // by identity
  EgressFilter new_filter_;
  std::map<uint64_t, int> hang_ups_;  // by session, slices since
  bool accepting_ = true;
  guint64 refused_ = 0;
  Counters published_counters_;
  guint64 snapshot_added_ = 0;  // counters when published_tracks_ was written
  guint64 snapshot_removed_ = 0;
  std::vector<TrackSnapshot> published_tracks_;
};

}  // namespace livekit
