// SPDX-License-Identifier: LGPL-2.1-or-later
#include "track.h"

#include <utility>

#include "livekitdebug.h"
#include "tracktext.h"

namespace livekit {
namespace {

// One read is 34 slices of 48 kHz stereo; a backlog takes several.
constexpr size_t kReadBudgetBytes = 64 * 1024;
constexpr int kReadsPerSlice = 8;
constexpr int kMostTextsInSlice = 16;
constexpr GstClockTime kStallTime = GST_SECOND;
constexpr guint16 kCloseGoingAway = 1001;

const char* state_name(ConnectionState state, bool stalled) {
  switch (state) {
    case ConnectionState::kOpen:
      return stalled ? "stalled" : "open";
    case ConnectionState::kClosedByPeer:
      return "closed";
    case ConnectionState::kLost:
      return "lost";
    case ConnectionState::kProtocolError:
      return "protocol-error";
    case ConnectionState::kTimedOut:
      return "timed-out";
    case ConnectionState::kClosedLocally:
      return "shutdown";
  }
  return "open";
}

}  // namespace

Track::Track(const PadContext& context, guint index, TrackRequest request,
             const std::string& stream_id, std::unique_ptr<TrackConnection> connection,
             const PlayoutOptions& options, std::string room)
    : element_(context.element),
      request_(std::make_shared<const TrackRequest>(std::move(request))),
      stream_id_(stream_id),
      room_(std::move(room)),
      connection_(std::move(connection)),
      media_(TrackMedia::create(request_->format, options)),
      pad_(context, index, request_, stream_id, is_room_clocked(*request_, options)) {}

Track::~Track() = default;

void Track::post(const char* event, GstClockTime running_time) {
  const RoomAudioTrack track = {request_->track.c_str(), request_->identity.c_str(),
                                request_->name.c_str(), ROOM_AUDIO_SILENCE_DBOV, muted_};
  GstMessage* message = room_audio_message_new_track(element_, event, room_.c_str(),
                                                     pad_.name().c_str(), &track, running_time);
  gst_structure_set(gst_message_writable_structure(message), "metadata", G_TYPE_STRING,
                    request_->metadata.c_str(), "attributes", G_TYPE_STRING,
                    request_->attributes.c_str(), nullptr);
  gst_element_post_message(element_, message);
}

void Track::start(GstClockTime running_time) {
  GST_INFO_OBJECT(element_, "%s: track %s of %s (%s), from %s", pad_.name().c_str(),
                  request_->track.c_str(), request_->identity.c_str(), request_->name.c_str(),
                  request_->remote.c_str());
  pad_.add();
  post("added", running_time);
}

void Track::on_audio(std::span<const uint8_t> piece, bool last) {
  if (!piece.empty()) heard_now_ = true;
  if (!audible_) {
    // As long as what was said, so that time goes on; packets have no such thing.
    if (request_->format.encoding == AudioFormat::Encoding::kOpus) return;
    silence_.assign(piece.size(), 0);
    piece = silence_;
  }
  media_->on_audio(piece, last);
}

void Track::on_text(std::string_view text) {
  // A flood of texts must not hold up the other tracks.
  if (++texts_in_slice_ > kMostTextsInSlice) return;
  if (const auto muted = parse_muted_text(text)) {
    // In the mix of a room it is said of anybody.
    if (request_->scope != TrackRequest::Scope::kRoom) muted_ = *muted;
    return;
  }
  if (!std::exchange(unknown_text_logged_, true)) {
    GST_INFO_OBJECT(element_, "%s: %s sends texts that mean nothing here; the first has %zu bytes",
                    pad_.name().c_str(), request_->identity.c_str(), text.size());
  }
}

void Track::read(const SliceTime& slice, gint64 now_us, gint64 deadline_us) {
  bool more = true;
  texts_in_slice_ = 0;
  for (int i = 0; more && i < kReadsPerSlice; ++i) {
    more = false;
    state_ = connection_->read(*this, now_us, kReadBudgetBytes, &more);
    if (state_ != ConnectionState::kOpen) {
      on_connection_over(slice);
      return;
    }
    if (more && g_get_monotonic_time() >= deadline_us) return;
  }
}

void Track::on_connection_over(const SliceTime& slice) {
  finishing_ = true;
  media_->finish();
  last_counters_ = connection_->counters();
  const std::string reason = connection_->close_reason();
  GST_INFO_OBJECT(element_, "%s: connection of %s is over: %s%s%s", pad_.name().c_str(),
                  request_->identity.c_str(), state_name(state_, false), reason.empty() ? "" : ", ",
                  reason.c_str());
  switch (state_) {
    case ConnectionState::kLost:
    case ConnectionState::kTimedOut:
      post("lost", slice.pts);
      break;
    case ConnectionState::kProtocolError:
      GST_ELEMENT_WARNING(element_, STREAM, DECODE,
                          ("The connection of %s (%s) was closed, because it broke the protocol. "
                           "The other tracks go on.",
                           request_->identity.c_str(), request_->remote.c_str()),
                          ("%s: %s", pad_.name().c_str(), reason.c_str()));
      break;
    default:
      break;
  }
  connection_.reset();
}

void Track::watch_for_stall(const SliceTime& slice) {
  if (heard_now_) {
    heard_ = true;
    heard_now_ = false;
    stalled_ = false;
    last_heard_ = slice.pts;
  } else if (heard_ && !stalled_ && !finishing_ && slice.pts >= last_heard_ + kStallTime) {
    stalled_ = true;
    post("stalled", slice.pts);
  }
}

bool Track::step(const SliceTime& slice, gint64 now_us, gint64 deadline_us) {
  if (connection_) read(slice, now_us, deadline_us);
  watch_for_stall(slice);
  if (muted_ != muted_told_) {
    muted_told_ = muted_;
    post(muted_ ? "muted" : "unmuted", slice.pts);
  }
  if (GST_CLOCK_TIME_IS_VALID(deadline_) && slice.pts >= deadline_) return false;
  if (!media_->push_slice(slice, muted_, pad_)) return false;
  if (const guint64 drops = media_->dropped_frames(); drops != reported_drops_) {
    // One warning a backlog, not one a message.
    if (media_->depth_ms() > 0.0 && reported_drops_ == 0) {
      GST_ELEMENT_WARNING(element_, STREAM, FAILED,
                          ("The track of %s has more audio waiting than max-backlog allows: the "
                           "oldest is dropped.",
                           request_->identity.c_str()),
                          ("%s: %" G_GUINT64_FORMAT " frames", pad_.name().c_str(), drops));
    }
    reported_drops_ = drops;
  }
  return true;
}

void Track::describe(const ParticipantText& text, GstClockTime running_time) {
  if (request_->name == text.name && request_->metadata == text.metadata &&
      request_->attributes == text.attributes) {
    return;
  }
  auto changed = std::make_shared<TrackRequest>(*request_);
  changed->name = text.name;
  changed->metadata = text.metadata;
  changed->attributes = text.attributes;
  request_ = std::move(changed);
  pad_.describe(request_);
  post("described", running_time);
}

void Track::close(const char* reason, GstClockTime deadline) {
  deadline_ = deadline;
  if (!connection_) return;
  connection_->close(kCloseGoingAway, reason);
  last_counters_ = connection_->counters();
  connection_.reset();
  state_ = ConnectionState::kClosedLocally;
  finishing_ = true;
  media_->finish();
}

void Track::abandon(GstClockTime running_time) {
  close("shutting down", 0);
  pad_.remove();
  post("removed", running_time);
}

void Track::end(GstClockTime running_time, guint32 eos_seqnum) {
  pad_.push_eos(eos_seqnum);
  pad_.remove();
  post("removed", running_time);
}

const char* Track::end_reason() const {
  return state_name(state_, false);
}

TrackSnapshot Track::snapshot() const {
  TrackSnapshot snapshot;
  snapshot.request = request_;
  snapshot.pad = pad_.name();
  snapshot.state = state_name(state_, stalled_);
  snapshot.muted = muted_;
  snapshot.connection = connection_ ? connection_->counters() : last_counters_;
  snapshot.media = media_->counters();
  return snapshot;
}

}  // namespace livekit
