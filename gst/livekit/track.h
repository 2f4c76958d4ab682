// SPDX-License-Identifier: LGPL-2.1-or-later
// One participant's track: a connection, how it is played, and its pad. Lives in the room's
// thread; only stats() results travel to others.
#pragma once

#include <gst/gst.h>

#include <memory>
#include <string>
#include <vector>

#include "gst/roomaudio/roomaudio.h"
#include "trackconnection.h"
#include "trackmedia.h"
#include "trackpad.h"

namespace livekit {

// A copy of what a track is doing, for the stats property.
struct TrackSnapshot {
  std::shared_ptr<const TrackRequest> request;
  std::string pad;
  const char* state = "";
  bool muted = false;
  ConnectionCounters connection;
  MediaCounters media;
};

class Track final : private MessageHandler {
 public:
  Track(const PadContext& context, guint index, TrackRequest request, const std::string& stream_id,
        std::unique_ptr<TrackConnection> connection, const PlayoutOptions& options,
        std::string room);
  ~Track() override;

  // Makes the pad and tells the world.
  void start(GstClockTime running_time);
  // Reads what has arrived and hands on one slice. False when the track is over. A backlog is read
  // on until `deadline_us` only, so that it does not hold up the other tracks.
  bool step(const SliceTime& slice, gint64 now_us, gint64 deadline_us);
  // Whose it is, has this name and so on from now on: in tags, metas and messages.
  void describe(const ParticipantText& text, GstClockTime running_time);
  // False: nothing of what comes from now on is passed on; silence stands for it.
  void set_audible(bool audible) { audible_ = audible; }
  // Ends the track from our side; what it holds is played for `grace` at most.
  void close(const char* reason, GstClockTime deadline);
  // Ends on the spot, without EOS: the element is shutting down.
  void abandon(GstClockTime running_time);
  // After step() returned false: EOS, pad away, message.
  void end(GstClockTime running_time, guint32 eos_seqnum);

  const TrackRequest& request() const { return *request_; }
  const std::string& stream_id() const { return stream_id_; }
  const TrackPad& pad() const { return pad_; }
  // Why it is over, for the caller-removed signal: closed, lost, timed-out, protocol-error,
  // shutdown.
  const char* end_reason() const;
  // The connection is over; what it has sent is played yet.
  bool is_ending() const { return finishing_; }
  TrackSnapshot snapshot() const;

 private:
  void on_audio(std::span<const uint8_t> piece, bool last) override;
  void on_text(std::string_view text) override;
  void read(const SliceTime& slice, gint64 now_us, gint64 deadline_us);
  void on_connection_over(const SliceTime& slice);
  void watch_for_stall(const SliceTime& slice);
  void post(const char* event, GstClockTime running_time);

  GstElement* const element_;
  std::shared_ptr<const TrackRequest> request_;  // snapshots share it: replaced, never changed
  const std::string stream_id_;
  const std::string room_;
  std::unique_ptr<TrackConnection> connection_;
  std::unique_ptr<TrackMedia> media_;
  TrackPad pad_;

  ConnectionState state_ = ConnectionState::kOpen;
  bool finishing_ = false;
  GstClockTime deadline_ = GST_CLOCK_TIME_NONE;  // running time at which a closed track has to end
  bool audible_ = true;
  std::vector<uint8_t> silence_;
  bool muted_ = false;
  bool muted_told_ = false;  // what the last message said
  int texts_in_slice_ = 0;
  bool unknown_text_logged_ = false;
  bool heard_ = false;      // audio has come at least once
  bool heard_now_ = false;  // in this slice
  bool stalled_ = false;
  GstClockTime last_heard_ = 0;  // running time
  guint64 reported_drops_ = 0;
  ConnectionCounters last_counters_;
};

}  // namespace livekit
