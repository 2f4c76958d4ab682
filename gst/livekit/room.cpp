// SPDX-License-Identifier: LGPL-2.1-or-later
#include "room.h"

#include <algorithm>
#include <utility>

#include "arrivalline.h"
#include "livekitdebug.h"
#include "splitconnection.h"

namespace livekit {
namespace {

// Describing every track costs; counters of the room itself are always up to date.
constexpr guint64 kSlicesPerSnapshot = 10;
// What may still be played after EOS was asked for.
constexpr GstClockTime kEosGrace = 2 * GST_SECOND;
constexpr int kHangUpSlices = 100;  // to wait for a connection that is to be closed
constexpr unsigned kForbidden = 403;
constexpr unsigned kServiceUnavailable = 503;
constexpr guint16 kCloseGoingAway = 1001;

const char* encoding_name(AudioFormat::Encoding encoding) {
  switch (encoding) {
    case AudioFormat::Encoding::kS16le:
      return "S16LE";
    case AudioFormat::Encoding::kF32le:
      return "F32LE";
    case AudioFormat::Encoding::kOpus:
      return "opus";
  }
  return "";
}

GstStructure* describe_track(const TrackSnapshot& track) {
  const TrackRequest& request = *track.request;
  const MediaCounters& media = track.media;
  return gst_structure_new(
      "connection", "pad", G_TYPE_STRING, track.pad.c_str(), "identity", G_TYPE_STRING,
      request.identity.c_str(), "name", G_TYPE_STRING, request.name.c_str(), "track", G_TYPE_STRING,
      request.track.c_str(), "room", G_TYPE_STRING, request.room.c_str(), "remote", G_TYPE_STRING,
      request.remote.c_str(), "format", G_TYPE_STRING, encoding_name(request.format.encoding),
      "rate", G_TYPE_INT, request.format.rate_hz, "channels", G_TYPE_INT, request.format.channels,
      "state", G_TYPE_STRING, track.state, "muted", G_TYPE_BOOLEAN, gboolean(track.muted), "bytes",
      G_TYPE_UINT64, guint64(track.connection.bytes), "messages", G_TYPE_UINT64,
      guint64(track.connection.messages), "texts", G_TYPE_UINT64, guint64(track.connection.texts),
      "pings", G_TYPE_UINT64, guint64(track.connection.pings), "depth-ms", G_TYPE_DOUBLE,
      media.depth_ms, "margin-ms", G_TYPE_DOUBLE, media.margin_ms, "drift-ppm", G_TYPE_DOUBLE,
      media.drift_ppm, "underruns", G_TYPE_UINT64, media.underruns, "frames-received",
      G_TYPE_UINT64, media.frames_received, "frames-invented", G_TYPE_UINT64, media.frames_invented,
      "frames-corrected", G_TYPE_UINT64, media.frames_corrected, "frames-skipped-silence",
      G_TYPE_UINT64, media.frames_skipped_silence, "frames-skipped-speech", G_TYPE_UINT64,
      media.frames_skipped_speech, "frames-dropped", G_TYPE_UINT64, media.frames_dropped,
      "bad-data", G_TYPE_UINT64, media.bad_data, nullptr);
}

}  // namespace

GstClockTime latency_of(const RoomConfig& config, bool with_opus) {
  // A slice is handed on when it is over. The jitter margin of samples does not count: slices are
  // stamped when they are played. On arrival, a stamp is put right only when it is off by the
  // tolerance; a packet of Opus may be late by its margin.
  if (config.playout.arrival) return config.slice + ArrivalLine::kToleranceNs;
  return config.slice + (with_opus ? config.playout.margin_ms * GST_MSECOND : 0);
}

Room::Room(GstElement* element, RoomObserver* observer, RoomConfig config)
    : element_(element), observer_(observer), config_(std::move(config)) {
  pad_context_.element = element;
  pad_context_.group_id = gst_util_group_id_next();
  pad_context_.slice = config_.slice;
}

Room::~Room() {
  stop();
}

void Room::play(GstClock* clock, GstClockTime base_time) {
  base_time_ = base_time;
  const GstClockTime origin = config_.context.empty() ? base_time : 0;
  if (!clock_ || !clock_->serves(clock, config_.slice, origin)) {
    if (clock_) clock_->remove(this);
    clock_ = RoomClock::get(config_.context, clock, config_.slice, origin);
    // Slices lie on the same grid of running time whenever PLAYING is reached anew, so tracks from
    // before and after a pause stay in step and keep one clock's name.
    if (pad_context_.clock_id.empty() || !config_.context.empty()) {
      pad_context_.clock_id = clock_->id();
    }
  }
  clock_->add(this);
}

void Room::pause() {
  if (clock_) clock_->suspend(this);
}

void Room::stop() {
  std::deque<Newcomer> never_heard;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    accepting_ = false;
    never_heard.swap(newcomers_);
  }
  for (Newcomer& newcomer : never_heard) {
    newcomer.connection->close(kCloseGoingAway, "shutting down");
    observer_->on_session(newcomer.request.session, false);
  }
  if (clock_) clock_->remove(this);
  clock_.reset();
  const GstClockTime running_time = GST_CLOCK_TIME_IS_VALID(next_pts_) ? next_pts_ : 0;
  for (std::unique_ptr<Track>& track : std::exchange(tracks_, {})) {
    track->abandon(running_time);
    note_removed(*track, is_last_of_pair(track->request().session));
  }
}

void Room::describe(const std::string& identity, const ParticipantText& text) {
  const std::lock_guard<std::mutex> lock(mutex_);
  descriptions_[identity] = text;
  has_descriptions_ = true;
}

void Room::describe_tracks(const SliceTime& slice) {
  if (!has_descriptions_) return;
  std::map<std::string, ParticipantText> descriptions;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    descriptions.swap(descriptions_);
    has_descriptions_ = false;
  }
  for (const auto& track : tracks_) {
    const auto found = descriptions.find(track->request().identity);
    // Only those whose name is the server's to tell.
    if (found == descriptions.end() || track->request().session == 0) continue;
    track->describe(found->second, slice.pts);
  }
}

void Room::hang_up(uint64_t session) {
  const std::lock_guard<std::mutex> lock(mutex_);
  hang_ups_.emplace(session, 0);
  has_hang_ups_ = true;
}

void Room::hang_up_tracks(const SliceTime& slice) {
  if (!has_hang_ups_) return;
  std::map<uint64_t, int> sessions;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    sessions = hang_ups_;
  }
  std::set<uint64_t> done;  // two people may be one session
  for (const auto& track : tracks_) {
    const uint64_t session = track->request().session;
    if (!sessions.contains(session)) continue;
    // What it has sent is still played.
    if (!track->is_ending()) {
      track->close("this egress should have been stopped", slice.pts + kEosGrace);
    }
    done.insert(session);
  }
  const std::lock_guard<std::mutex> lock(mutex_);
  // One that is not here may be on its way in, or has just gone.
  for (auto& [session, slices] : hang_ups_) ++slices;
  std::erase_if(hang_ups_, [&done](const auto& entry) {
    return done.contains(entry.first) || entry.second > kHangUpSlices;
  });
  has_hang_ups_ = !hang_ups_.empty();
}

void Room::set_filter(const EgressFilter& filter) {
  // Tracks have their identities as they are shown.
  EgressFilter shown;
  for (const std::string& identity : filter.include) shown.include.insert(printable_name(identity));
  for (const std::string& identity : filter.exclude) shown.exclude.insert(printable_name(identity));
  const std::lock_guard<std::mutex> lock(mutex_);
  new_filter_ = std::move(shown);
  has_new_filter_ = true;
}

void Room::apply_filter() {
  if (!has_new_filter_) return;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    filter_ = new_filter_;
    has_new_filter_ = false;
  }
  for (const auto& track : tracks_) track->set_audible(is_audible(track->request()));
}

bool Room::is_audible(const TrackRequest& request) const {
  if (request.session == 0) return true;  // somebody else has asked for it
  if (request.scope == TrackRequest::Scope::kRoom) {
    return filter_.is_for_everybody();
  }
  return filter_.permits(request.identity);
}

void Room::request_eos(guint32 seqnum) {
  eos_seqnum_ = seqnum;
  eos_requested_ = true;
  const std::lock_guard<std::mutex> lock(mutex_);
  accepting_ = false;
}

const std::string& Room::room_of(const TrackRequest& request) const {
  return request.room.empty() ? config_.label : request.room;
}

GstStructure* Room::describe(const TrackRequest& request) const {
  return gst_structure_new(
      "caller", "room", G_TYPE_STRING, room_of(request).c_str(), "identity", G_TYPE_STRING,
      request.identity.c_str(), "name", G_TYPE_STRING, request.name.c_str(), "track", G_TYPE_STRING,
      request.track.c_str(), "remote", G_TYPE_STRING, request.remote.c_str(), "format",
      G_TYPE_STRING, encoding_name(request.format.encoding), "rate", G_TYPE_INT,
      request.format.rate_hz, "channels", G_TYPE_INT, request.format.channels, nullptr);
}

Verdict Room::on_request(const TrackRequest& request) {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (!accepting_) return {kServiceUnavailable, "this room is closing"};
  }
  bool welcome = true;
  for (const TrackRequest* who : {&request, request.right.get()}) {
    if (!who) continue;
    GstStructure* caller = describe(*who);
    welcome = observer_->on_caller_connecting(caller) && welcome;
    gst_structure_free(caller);
  }
  if (!welcome) return {kForbidden, "the application refused this caller"};
  return {};
}

void Room::on_connected(const TrackRequest& request, std::unique_ptr<TrackConnection> connection) {
  observer_->on_session(request.session, true);
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (accepting_) {
      newcomers_.push_back({request, std::move(connection)});
      has_newcomers_ = true;
      return;
    }
  }
  connection->close(kCloseGoingAway, "this room is closing");
  connection.reset();
  observer_->on_session(request.session, false);
  if (listener_) listener_->connection_ended(this);
}

void Room::on_refused(const std::string& remote, unsigned http_status, const std::string& reason) {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    ++refused_;
  }
  GST_INFO_OBJECT(element_, "refused %s with %u: %s", remote.c_str(), http_status, reason.c_str());
  GstStructure* caller =
      gst_structure_new("caller", "remote", G_TYPE_STRING, remote.c_str(), "status", G_TYPE_UINT,
                        http_status, "reason", G_TYPE_STRING, reason.c_str(), nullptr);
  observer_->on_caller_rejected(caller);
  gst_structure_free(caller);
}

// Where this slice lies. False when there is none: before the pipeline's time began, or heard
// already (ticks move against running time when the pipeline was paused).
bool Room::begin_slice(GstClockTime tick, guint64 index, GstClockTime now, SliceTime* slice) {
  const GstClockTime base_time = base_time_;
  if (tick < base_time + config_.slice) return false;
  slice->duration = config_.slice;
  slice->pts = tick - config_.slice - base_time;
  slice->index = index - 1;
  if (GST_CLOCK_TIME_IS_VALID(next_pts_)) {
    if (slice->pts < next_pts_) return false;
    slice->discont = slice->pts > next_pts_;
    const guint64 skipped = (slice->pts - next_pts_) / config_.slice;
    if (skipped > 0) {
      counters_.skipped_slices += skipped;
      GST_ELEMENT_WARNING(
          element_, CORE, CLOCK,
          ("The room's thread fell behind by %" G_GUINT64_FORMAT " ms and goes on from now. "
           "Something downstream blocks it, or the machine is overloaded.",
           (slice->pts - next_pts_) / GST_MSECOND),
          ("%" G_GUINT64_FORMAT " slices skipped before %" GST_TIME_FORMAT, skipped,
           GST_TIME_ARGS(slice->pts)));
    }
  }
  next_pts_ = slice->pts + slice->duration;
  ++counters_.slices;
  if (now > tick + config_.slice) ++counters_.late_slices;
  return true;
}

void Room::on_tick(GstClockTime tick, guint64 index, GstClockTime now) {
  SliceTime slice;
  if (eos_done_ || !begin_slice(tick, index, now, &slice)) return;
  apply_filter();
  admit_newcomers(slice);
  describe_tracks(slice);
  hang_up_tracks(slice);
  if (eos_requested_ && !closing_) close_for_eos(slice);
  step_tracks(slice);
  check_flow();
  publish();
  if (closing_ && tracks_.empty()) eos_done_ = true;
}

void Room::admit_newcomers(const SliceTime& slice) {
  if (!has_newcomers_) return;
  const bool was_empty = tracks_.empty();
  const GstClockTime latency_before = latency();
  // Making a pad and linking it takes time; a crowd comes in over several slices.
  const gint64 deadline_us = g_get_monotonic_time() + gint64(config_.slice / GST_USECOND / 2);
  do {
    Newcomer newcomer;
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      if (!newcomers_.empty()) {
        newcomer = std::move(newcomers_.front());
        newcomers_.pop_front();
      }
      has_newcomers_ = !newcomers_.empty();
    }
    if (newcomer.connection) admit(std::move(newcomer), slice);
  } while (has_newcomers_ && g_get_monotonic_time() < deadline_us);
  // What was linked now does not know the pipeline's latency yet.
  if ((was_empty && !tracks_.empty()) || latency() != latency_before) {
    gst_element_post_message(element_, gst_message_new_latency(GST_OBJECT(element_)));
  }
}

std::string Room::unique_stream_id(const std::string& track) const {
  const auto taken = [this](const std::string& id) {
    return std::any_of(tracks_.begin(), tracks_.end(),
                       [&id](const auto& other) { return other->stream_id() == id; });
  };
  std::string id = track;
  for (unsigned i = 2; taken(id); ++i) id = track + "#" + std::to_string(i);
  return id;
}

// Each of the two is a track of his own from here on.
void Room::admit_pair(Newcomer newcomer, const SliceTime& slice) {
  const TrackRequest right = *newcomer.request.right;
  newcomer.request.right.reset();
  auto [left_connection, right_connection] =
      split_connection(std::move(newcomer.connection), newcomer.request.format);
  whole_pairs_.insert(right.session);
  admit({std::move(newcomer.request), std::move(left_connection)}, slice);
  admit({right, std::move(right_connection)}, slice);
}

// False for the first of two whose connection is one: it goes on for the other.
bool Room::is_last_of_pair(uint64_t session) {
  return whole_pairs_.erase(session) == 0;
}

void Room::admit(Newcomer newcomer, const SliceTime& slice) {
  if (newcomer.request.right) {
    admit_pair(std::move(newcomer), slice);
    return;
  }
  // Since he called he may have got another name; from here on describe() tells of that.
  observer_->introduce(newcomer.request);
  const bool has_identity = !newcomer.request.identity.empty();
  if (has_identity && std::any_of(tracks_.begin(), tracks_.end(), [&newcomer](const auto& other) {
        return other->request().identity == newcomer.request.identity;
      })) {
    ++counters_.same_identity;
    GST_INFO_OBJECT(element_, "%s is connected more than once", newcomer.request.identity.c_str());
  }
  const std::string stream_id = unique_stream_id(newcomer.request.track);
  const std::string room = room_of(newcomer.request);
  tracks_.push_back(std::make_unique<Track>(pad_context_, next_pad_++, std::move(newcomer.request),
                                            stream_id, std::move(newcomer.connection),
                                            config_.playout, room));
  ++counters_.added;
  if (tracks_.back()->request().format.encoding == AudioFormat::Encoding::kOpus) has_opus_ = true;
  Track& track = *tracks_.back();
  track.set_audible(is_audible(track.request()));
  track.start(slice.pts);
  GstStructure* caller = describe(track.request());
  gst_structure_set(caller, "pad", G_TYPE_STRING, track.pad().name().c_str(), nullptr);
  observer_->on_caller_added(caller);
  gst_structure_free(caller);
}

void Room::step_tracks(const SliceTime& slice) {
  const gint64 now_us = g_get_monotonic_time();
  const gint64 deadline_us = now_us + gint64(config_.slice / GST_USECOND / 2);
  std::vector<std::unique_ptr<Track>> ended;
  for (std::unique_ptr<Track>& track : tracks_) {
    if (!track->step(slice, now_us, deadline_us)) ended.push_back(std::move(track));
  }
  if (ended.empty()) return;
  std::erase(tracks_, nullptr);
  for (std::unique_ptr<Track>& track : ended) remove_track(std::move(track), slice.pts);
}

void Room::remove_track(std::unique_ptr<Track> track, GstClockTime running_time) {
  track->end(running_time, closing_ ? eos_seqnum_.load() : GST_SEQNUM_INVALID);
  const bool last = is_last_of_pair(track->request().session);
  if (last && listener_) listener_->connection_ended(this);
  note_removed(*track, last);
}

void Room::note_removed(const Track& track, bool connection_over) {
  ++counters_.removed;
  if (connection_over) observer_->on_session(track.request().session, false);
  GstStructure* caller = describe(track.request());
  gst_structure_set(caller, "pad", G_TYPE_STRING, track.pad().name().c_str(), "reason",
                    G_TYPE_STRING, track.end_reason(), nullptr);
  observer_->on_caller_removed(caller);
  gst_structure_free(caller);
}

void Room::close_for_eos(const SliceTime& slice) {
  closing_ = true;
  // Who was let in just before.
  std::deque<Newcomer> late;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    late.swap(newcomers_);
    has_newcomers_ = false;
  }
  for (Newcomer& newcomer : late) {
    newcomer.connection->close(kCloseGoingAway, "this room is closing");
    observer_->on_session(newcomer.request.session, false);
    if (listener_) listener_->connection_ended(this);
  }
  GST_INFO_OBJECT(element_, "EOS was asked for; %zu tracks end", tracks_.size());
  for (const auto& track : tracks_) track->close("this room is closing", slice.pts + kEosGrace);
  if (tracks_.empty()) push_eos_without_tracks();
}

// Nobody is there whose pad could carry the EOS: an empty track does.
void Room::push_eos_without_tracks() {
  const auto nobody = std::make_shared<const TrackRequest>();
  TrackPad pad(pad_context_, next_pad_++, nobody, "eos", is_room_clocked(*nobody, config_.playout));
  pad.add();
  pad.push_eos(eos_seqnum_);
  pad.remove();
}

// One broken branch is the application's business; a room of which nothing gets out is an error.
void Room::check_flow() {
  if (tracks_.empty() || flow_error_posted_) return;
  if (!std::all_of(tracks_.begin(), tracks_.end(),
                   [](const auto& track) { return track->pad().failed(); })) {
    return;
  }
  flow_error_posted_ = true;
  GST_ELEMENT_FLOW_ERROR(element_, tracks_.front()->pad().flow());
}

void Room::publish() {
  const std::lock_guard<std::mutex> lock(mutex_);
  published_counters_ = counters_;
  const bool same_tracks =
      counters_.added == snapshot_added_ && counters_.removed == snapshot_removed_;
  if (same_tracks && counters_.slices % kSlicesPerSnapshot != 0) return;
  snapshot_added_ = counters_.added;
  snapshot_removed_ = counters_.removed;
  published_tracks_.resize(tracks_.size());
  for (size_t i = 0; i < tracks_.size(); ++i) published_tracks_[i] = tracks_[i]->snapshot();
}

GstStructure* Room::stats() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  const Counters& counters = published_counters_;
  GstStructure* stats = gst_structure_new(
      "livekitwssrc-stats", "tracks", G_TYPE_UINT, guint(published_tracks_.size()), "slices",
      G_TYPE_UINT64, counters.slices, "late-slices", G_TYPE_UINT64, counters.late_slices,
      "skipped-slices", G_TYPE_UINT64, counters.skipped_slices, "callers-added", G_TYPE_UINT64,
      counters.added, "callers-removed", G_TYPE_UINT64, counters.removed, "callers-refused",
      G_TYPE_UINT64, refused_, "same-identity", G_TYPE_UINT64, counters.same_identity, nullptr);
  GValue list = G_VALUE_INIT;
  gst_value_array_init(&list, guint(published_tracks_.size()));
  for (const TrackSnapshot& track : published_tracks_) {
    GValue value = G_VALUE_INIT;
    g_value_init(&value, GST_TYPE_STRUCTURE);
    g_value_take_boxed(&value, describe_track(track));
    gst_value_array_append_and_take_value(&list, &value);
  }
  gst_structure_take_value(stats, "connections", &list);
  return stats;
}

}  // namespace livekit
