// SPDX-License-Identifier: LGPL-2.1-or-later
#include "roomsum.h"

#include <algorithm>

GST_DEBUG_CATEGORY_EXTERN(gst_egress_mux_debug);
#define GST_CAT_DEFAULT gst_egress_mux_debug

namespace egressmux {

namespace {

// A room whose thread has been silent for so long does not hold the mix up any more.
constexpr GstClockTime kRoomStallLimit = GST_SECOND;
// Time nobody put out for so long (a suspended machine) is left out rather than made up.
constexpr GstClockTime kLongestCatchUp = 10 * GST_SECOND;
// The mixer's thread has a deadline of its own a little before the output's. On a busy machine it
// may miss that: better a late slice than one without its sound.
constexpr GstClockTime kMixerPatience = 100 * GST_MSECOND;
// The mixer may be ahead of the output by this much; sources without a clock are held back by it.
constexpr GstClockTime kMixerLead = 200 * GST_MSECOND;
// Before its deadline the mixer's thread has to find what is there.
constexpr GstClockTime kMixerHandling = 10 * GST_MSECOND;
// So many slices in a row must come late before the delay grows for them.
constexpr unsigned kLateSlicesToLearn = 25;
constexpr GstClockTime kLongestLearnedDelay = GST_SECOND;
// A pipeline that has only just begun reaches PLAYING a little after its running time 0; the mix
// begins there all the same.
constexpr GstClockTime kStartUpTime = GST_SECOND;
// When the whole pipeline is told to end, the inputs end as well, but only after they have played
// what they hold, livekitwssrc for up to two seconds. The mix waits for them as long as slices keep
// coming, and not for one that has nothing more to say.
constexpr GstClockTime kEndPatience = 300 * GST_MSECOND;
constexpr GstClockTime kLongestEnd = 2500 * GST_MSECOND;

GstCaps* make_caps(OutputFormat output) {
  GstCaps* caps = gst_caps_new_simple("audio/x-raw", "format", G_TYPE_STRING,
                                      output.format == SampleFormat::kS16 ? "S16LE" : "F32LE",
                                      "layout", G_TYPE_STRING, "interleaved", "rate", G_TYPE_INT,
                                      kMixRateHz, "channels", G_TYPE_INT, output.channels, nullptr);
  if (output.channels == 2)
    gst_caps_set_simple(caps, "channel-mask", GST_TYPE_BITMASK, guint64(0x3), nullptr);
  return caps;
}

}  // namespace

// ---- life cycle -----------------------------------------------------------------------------

void RoomSum::start() {
  {
    const std::lock_guard output(output_mutex_);
    negotiated_ = events_sent_ = failure_posted_ = false;
    gst_clear_caps(&caps_);
  }
  const std::lock_guard lock(mutex_);
  mixdown_.reset();
  flushing_ = false;
  room_stalled_ = mixer_flushing_ = false;
  eos_wanted_ = end_when_drained_ = eos_sent_ = false;
  eos_deadline_ = 0;
  awaited_position_ = -1;
  last_flow_ = GST_FLOW_OK;
  learned_delay_ = 0;
  late_in_a_row_ = 0;
  stalls_ = 0;
}

void RoomSum::stop() {
  const std::lock_guard lock(mutex_);
  flushing_ = true;
  for (GstEvent* event : queued_events_) gst_event_unref(event);
  queued_events_.clear();
  kick_locked();
}

void RoomSum::set_playing(bool playing) {
  const std::lock_guard lock(mutex_);
  playing_ = playing;
  if (playing) start_timeline();
  kick_locked();
}

void RoomSum::kick_locked() {
  wake_.notify_all();
  mixer_wake_.notify_all();
  if (clock_id_) gst_clock_id_unschedule(clock_id_);
}

void RoomSum::kick() {
  const std::lock_guard lock(mutex_);
  kick_locked();
}

bool RoomSum::now_running(GstClockTime* running_time) const {
  GstClock* clock = gst_element_get_clock(element_);
  if (!clock) return false;
  const GstClockTime now = gst_clock_get_time(clock);
  const GstClockTime base_time = gst_element_get_base_time(element_);
  gst_object_unref(clock);
  if (!GST_CLOCK_TIME_IS_VALID(now) || !GST_CLOCK_TIME_IS_VALID(base_time)) return false;
  *running_time = now > base_time ? now - base_time : 0;
  return true;
}

void RoomSum::start_timeline() {
  GstClockTime now = 0;
  if (!mixdown_.timeline().started() && now_running(&now))
    mixdown_.timeline().start(now < kStartUpTime ? 0 : int64_t(now), mixdown_.slice_frames());
}

// ---- modes ----------------------------------------------------------------------------------

bool RoomSum::clocked() const {
  return room_stalled_ || mixdown_.mixer_active() || !mixdown_.room_delivers();
}

bool RoomSum::work_pending() const {
  if (eos_sent_) return false;
  return (eos_wanted_ && may_end()) || !queued_events_.empty() ||
         (end_when_drained_ && !mixdown_.mixer_active()) ||
         (!clocked() && mixdown_.head_complete());
}

// What came late is still waiting for its time when the end is asked for.
GstClockTime RoomSum::end_deadline() const {
  const GstClockTime backlog = GstClockTime(mixdown_.timeline().time_at(mixdown_.mixer_end())) +
                               std::max(delay_, learned_delay_);
  return std::max(eos_deadline_, std::min(backlog, eos_latest_ + kLongestEnd));
}

bool RoomSum::may_end() const {
  GstClockTime now = 0;
  return (!mixdown_.room_delivers() && !mixdown_.mixer_active()) || !playing_ ||
         !now_running(&now) || now >= end_deadline();
}

std::optional<GstClockTime> RoomSum::next_deadline() const {
  const auto deadline = slice_deadline();
  if (!deadline || !eos_wanted_) return deadline;
  return std::min(*deadline, end_deadline());
}

std::optional<GstClockTime> RoomSum::slice_deadline() const {
  if (eos_sent_ || !mixdown_.timeline().started()) return std::nullopt;
  const GstClockTime end = GstClockTime(mixdown_.timeline().time_at(mixdown_.next_end()));
  const GstClockTime delay = std::max(delay_, learned_delay_);
  return clocked() ? end + delay : end + delay + kRoomStallLimit;
}

bool RoomSum::waits_for_mixer() const {
  return awaited_position_ == mixdown_.position() && mixdown_.mixer_owes();
}

void RoomSum::run_clock() {
  Lock lock(mutex_);
  bool due = false;
  while (!flushing_ && !due && !work_pending()) {
    GstClock* clock = playing_ ? gst_element_get_clock(element_) : nullptr;
    if (clock) start_timeline();
    auto deadline = next_deadline();
    if (deadline && waits_for_mixer()) *deadline += kMixerPatience;
    if (!clock || !deadline || last_flow_ == GST_FLOW_EOS ||
        last_flow_ <= GST_FLOW_NOT_NEGOTIATED) {
      if (clock) gst_object_unref(clock);
      wake_.wait(lock);
      continue;
    }
    const GstClockTime base_time = gst_element_get_base_time(element_);
    GstClockID id = gst_clock_new_single_shot_id(clock, base_time + *deadline);
    gst_object_unref(clock);
    clock_id_ = id;
    lock.unlock();
    const GstClockReturn result = gst_clock_id_wait(id, nullptr);
    lock.lock();
    clock_id_ = nullptr;
    gst_clock_id_unref(id);
    if (result == GST_CLOCK_OK || result == GST_CLOCK_EARLY) {
      const auto still = next_deadline();
      due = still && *still <= *deadline;
      if (due && clocked() && awaited_position_ != mixdown_.position() && mixdown_.mixer_owes()) {
        awaited_position_ = mixdown_.position();
        due = false;
      }
    } else if (result != GST_CLOCK_UNSCHEDULED) {
      wake_.wait(lock);
    }
  }
  const bool stop = flushing_;
  lock.unlock();
  if (stop)
    gst_pad_pause_task(source_pad_);
  else
    service(due);
}

void RoomSum::service(bool due) {
  const std::lock_guard output(output_mutex_);
  Lock lock(mutex_);
  if (flushing_ || eos_sent_) return;
  GstFlowReturn flow = GST_FLOW_OK;
  push_queued_events(lock);
  if ((eos_wanted_ && may_end()) || (end_when_drained_ && !mixdown_.mixer_active())) {
    // What is there goes out before the end: the last words matter.
    while (flow == GST_FLOW_OK && (mixdown_.has_slices() || mixdown_.mixer_span() > 0))
      flow = put_out_next(lock, mixdown_.mixer_span() > 0);
    push_eos(lock);
    return;
  }
  if (!clocked()) flow = drain(lock);
  GstClockTime now = 0;
  const auto deadline = slice_deadline();
  // Another thread may have put that slice out while this one waited for its turn.
  if (flow == GST_FLOW_OK && due && deadline && now_running(&now) && *deadline <= now) {
    if (!clocked()) {
      GST_WARNING_OBJECT(element_, "the room's thread has sent nothing for %" GST_TIME_FORMAT,
                         GST_TIME_ARGS(kRoomStallLimit));
      room_stalled_ = true;
      ++stalls_;
    }
    if (now - *deadline > kLongestCatchUp && !mixdown_.has_slices())
      mixdown_.skip_to(mixdown_.timeline().samples_at(int64_t(now - delay_)) /
                       mixdown_.slice_frames() * mixdown_.slice_frames());
    flow = put_out_next(lock, true);
  }
  const bool passed = mixdown_.has_passed_mixer_inputs();
  lock.unlock();
  if (passed) owner_->mixer_inputs_passed();
  // Nobody upstream sees what this thread's push returned.
  if (flow < GST_FLOW_EOS && flow != GST_FLOW_NOT_LINKED) fail(flow);
}

void RoomSum::fail(GstFlowReturn flow) {
  if (failure_posted_) return;
  failure_posted_ = true;
  GST_ELEMENT_FLOW_ERROR(element_, flow);
}

// ---- output (all with output_mutex_ held) -----------------------------------------------------

GstFlowReturn RoomSum::drain(Lock& lock) {
  GstFlowReturn flow = last_flow_;
  // The lock is open while pushing: look at everything anew each time.
  while (!flushing_ && !eos_sent_ && !clocked() && mixdown_.head_complete()) {
    flow = put_out_next(lock, false);
    if (flow != GST_FLOW_OK && flow != GST_FLOW_NOT_LINKED) break;
  }
  return flow;
}

GstFlowReturn RoomSum::put_out_next(Lock& lock, bool make_time) {
  if (!negotiated_ || gst_pad_check_reconfigure(source_pad_)) {
    const GstFlowReturn flow = negotiate(lock);
    if (flow != GST_FLOW_OK) return last_flow_ = flow;
  }
  if (!queued_events_.empty()) push_queued_events(lock);
  mixdown_.set_carry_tracks(carry_tracks_);
  GstBuffer* buffer = mixdown_.compose_next(make_time);
  if (!buffer) return GST_FLOW_OK;
  if (mixer_waits_) mixer_wake_.notify_all();
  lock.unlock();
  const GstFlowReturn flow = gst_pad_push(source_pad_, buffer);
  lock.lock();
  if (flow != GST_FLOW_OK)
    GST_DEBUG_OBJECT(element_, "downstream says %s", gst_flow_get_name(flow));
  return last_flow_ = flow;
}

GstFlowReturn RoomSum::negotiate(Lock& lock) {
  static constexpr OutputFormat kChoices[] = {{SampleFormat::kS16, 2},
                                              {SampleFormat::kF32, 2},
                                              {SampleFormat::kS16, 1},
                                              {SampleFormat::kF32, 1}};
  lock.unlock();
  OutputFormat output;
  GstCaps* caps = nullptr;
  for (int attempt = 0; attempt < 2 && !caps; ++attempt) {
    GstCaps* allowed = gst_pad_peer_query_caps(source_pad_, nullptr);
    for (const OutputFormat& choice : kChoices) {
      caps = make_caps(choice);
      output = choice;
      if (!allowed || gst_caps_can_intersect(caps, allowed)) break;
      gst_clear_caps(&caps);
    }
    // Who takes nothing at all now (a branch that is being rebuilt) takes nothing converted either.
    const bool takes_anything = !allowed || !gst_caps_is_empty(allowed);
    gst_clear_caps(&allowed);
    if (!caps && attempt == 0 && !(takes_anything && owner_->insert_converter())) break;
  }
  GstFlowReturn flow = GST_FLOW_OK;
  if (!caps) {
    GST_WARNING_OBJECT(element_, "downstream takes no audio this element can make");
    flow = GST_FLOW_NOT_NEGOTIATED;
  } else {
    if (!events_sent_) {
      gchar* stream_id = g_strdup_printf("egressmux-%08x%08x", g_random_int(), g_random_int());
      GstEvent* event = gst_event_new_stream_start(stream_id);
      gst_event_set_group_id(event, gst_util_group_id_next());
      gst_pad_push_event(source_pad_, event);
      g_free(stream_id);
    }
    if ((!caps_ || !gst_caps_is_equal(caps_, caps)) &&
        !gst_pad_push_event(source_pad_, gst_event_new_caps(caps)))
      flow = GST_PAD_IS_FLUSHING(source_pad_) ? GST_FLOW_FLUSHING : GST_FLOW_OK;
    gst_caps_replace(&caps_, caps);
    if (!events_sent_) {
      GstSegment segment;
      gst_segment_init(&segment, GST_FORMAT_TIME);
      gst_pad_push_event(source_pad_, gst_event_new_segment(&segment));
      events_sent_ = true;
    }
    negotiated_ = true;
    gst_caps_unref(caps);
  }
  lock.lock();
  if (flow == GST_FLOW_OK) mixdown_.set_output(output);
  return flow;
}

void RoomSum::push_eos(Lock& lock) {
  // Writers of files want caps even when there is nothing to write.
  if (!negotiated_) negotiate(lock);
  eos_sent_ = true;
  kick_locked();
  lock.unlock();
  GST_INFO_OBJECT(element_, "the mix ends");
  gst_pad_push_event(source_pad_, gst_event_new_eos());
}

void RoomSum::push_queued_events(Lock& lock) {
  if (queued_events_.empty()) return;
  std::vector<GstEvent*> events;
  events.swap(queued_events_);
  if (!negotiated_) negotiate(lock);
  lock.unlock();
  for (GstEvent* event : events) gst_pad_push_event(source_pad_, event);
  lock.lock();
}

void RoomSum::queue_event(GstEvent* event) {
  const std::lock_guard lock(mutex_);
  if (flushing_) {
    gst_event_unref(event);
    return;
  }
  queued_events_.push_back(event);
  kick_locked();
}

bool RoomSum::request_eos() {
  const std::lock_guard lock(mutex_);
  if (flushing_) return false;
  GstClockTime now = 0;
  if (!eos_wanted_ && now_running(&now)) {
    eos_deadline_ = now + kEndPatience;
    eos_latest_ = now + kLongestEnd;
  }
  eos_wanted_ = true;
  kick_locked();
  return true;
}

void RoomSum::end_when_drained(bool wanted) {
  const std::lock_guard lock(mutex_);
  if (end_when_drained_ == wanted) return;
  end_when_drained_ = wanted;
  kick_locked();
}

// ---- aligned inputs ---------------------------------------------------------------------------

void RoomSum::join(MixInput* input) {
  const std::lock_guard lock(mutex_);
  mixdown_.join(input);
}

void RoomSum::leave(MixInput* input) {
  const std::lock_guard lock(mutex_);
  if (!input->member.joined) return;
  mixdown_.leave(input);
  kick_locked();
}

void RoomSum::leave_and_drain(MixInput* input) {
  const std::lock_guard output(output_mutex_);
  Lock lock(mutex_);
  if (!input->member.joined) return;
  // The last of them leaves its slice complete, and the clocked thread in charge.
  const bool was_synchronous = !clocked();
  mixdown_.leave(input);
  if (was_synchronous && clocked()) {
    while (!flushing_ && !eos_sent_ && mixdown_.has_slices() &&
           put_out_next(lock, false) == GST_FLOW_OK) {
    }
  } else {
    drain(lock);
  }
  kick_locked();
}

GstFlowReturn RoomSum::push(GstClockTime running_time, AlignedPart part) {
  bool delay_grew = false;
  GstFlowReturn flow = GST_FLOW_OK;
  {
    const std::lock_guard output(output_mutex_);
    Lock lock(mutex_);
    if (flushing_) return GST_FLOW_FLUSHING;
    if (eos_sent_) return GST_FLOW_EOS;
    if (playing_) start_timeline();
    const int64_t start = mixdown_.timeline().samples_at(int64_t(running_time));
    const int64_t end = start + part.frames;
    room_stalled_ = false;
    GstClockTime now = 0;
    if (eos_wanted_ && now_running(&now)) eos_deadline_ = std::min(now + kEndPatience, eos_latest_);
    if (mixdown_.deliver(start, std::move(part)))
      late_in_a_row_ = 0;
    else
      delay_grew = note_late(GstClockTime(mixdown_.timeline().time_at(end)));
    flow = clocked() ? last_flow_ : drain(lock);
    // A flush downstream passes; only who pushed into it has to hear of it.
    if (flow == GST_FLOW_FLUSHING && !flushing_) flow = GST_FLOW_OK;
  }
  if (delay_grew) owner_->delay_grew();
  return flow;
}

bool RoomSum::note_late(GstClockTime slice_end) {
  // With the synchronous way the mix waits by itself; the clocked one would outrun a room that
  // is later than it says, for ever.
  if (!clocked() || ++late_in_a_row_ < kLateSlicesToLearn) return false;
  late_in_a_row_ = 0;
  GstClockTime now = 0;
  if (!now_running(&now) || now <= slice_end) return false;
  const GstClockTime needed = std::min(
      now - slice_end + mixdown_.timeline().time_at(mixdown_.slice_frames()), kLongestLearnedDelay);
  if (needed <= std::max(delay_, learned_delay_)) return false;
  learned_delay_ = needed;
  GST_WARNING_OBJECT(element_, "the room is late; the mix now waits %" GST_TIME_FORMAT,
                     GST_TIME_ARGS(needed));
  kick_locked();
  return true;
}

void RoomSum::set_slice_duration(GstClockTime duration) {
  const std::lock_guard lock(mutex_);
  const int64_t frames = mixdown_.timeline().samples_at(int64_t(duration));
  if (frames > 0 && duration <= GST_SECOND) mixdown_.set_slice_frames(frames);
}

GstClockTime RoomSum::slice_duration() {
  const std::lock_guard lock(mutex_);
  return GstClockTime(mixdown_.timeline().time_at(mixdown_.slice_frames()));
}

// ---- the mixer --------------------------------------------------------------------------------

void RoomSum::add_mixer_input(std::shared_ptr<MixInput> input) {
  const std::lock_guard lock(mutex_);
  mixdown_.add_mixer_input(std::move(input));
  kick_locked();
}

void RoomSum::remove_mixer_input(MixInput* input) {
  const std::lock_guard lock(mutex_);
  mixdown_.remove_mixer_input(input);
  kick_locked();
}

void RoomSum::set_mixer_flushing(bool flushing) {
  const std::lock_guard lock(mutex_);
  mixer_flushing_ = flushing;
  mixdown_.clear_mixer();
  kick_locked();
}

void RoomSum::end_mixer_input(MixInput* input) {
  const std::lock_guard lock(mutex_);
  mixdown_.end_mixer_input(input);
  kick_locked();
}

bool RoomSum::mixer_input_passed(const MixInput& input) {
  const std::lock_guard lock(mutex_);
  return mixdown_.mixer_input_passed(input);
}

GstFlowReturn RoomSum::push_mixer(GstClockTime running_time, GstBuffer* buffer) {
  GstMapInfo map;
  if (!gst_buffer_map(buffer, &map, GST_MAP_READ)) return GST_FLOW_ERROR;
  const int64_t frames = int64_t(map.size / (sizeof(float) * kMixChannels));
  GstFlowReturn flow = GST_FLOW_OK;
  {
    Lock lock(mutex_);
    const int64_t start = mixdown_.timeline().samples_at(int64_t(running_time));
    const int64_t lead =
        mixdown_.timeline().samples_at(int64_t(kMixerLead + std::max(delay_, learned_delay_)));
    auto too_far_ahead = [&] {
      return mixdown_.timeline().started() ? start > mixdown_.position() + lead
                                           : mixdown_.mixer_span() > lead;
    };
    while (!flushing_ && !mixer_flushing_ && !eos_sent_ && too_far_ahead()) {
      mixer_waits_ = true;
      mixer_wake_.wait(lock);
      mixer_waits_ = false;
    }
    if (flushing_ || mixer_flushing_)
      flow = GST_FLOW_FLUSHING;
    else if (eos_sent_)
      flow = GST_FLOW_EOS;
    else
      mixdown_.write_mixer(start, frames,
                           GST_BUFFER_FLAG_IS_SET(buffer, GST_BUFFER_FLAG_GAP)
                               ? nullptr
                               : reinterpret_cast<const float*>(map.data));
    if (awaited_position_ == mixdown_.position() && !waits_for_mixer()) kick_locked();
  }
  gst_buffer_unmap(buffer, &map);
  return flow;
}

std::optional<int64_t> RoomSum::time_left_ns(GstClockTime running_time) {
  const std::lock_guard lock(mutex_);
  GstClockTime now = 0;
  if (!playing_ || !now_running(&now)) return std::nullopt;
  return int64_t(running_time) + int64_t(std::max(delay_, learned_delay_)) -
         int64_t(kMixerHandling) - int64_t(now);
}

bool RoomSum::note_level(MixInput* input, LevelSpan span) {
  constexpr size_t kMostSpans = 8192;
  const std::lock_guard lock(mutex_);
  if (mixdown_.timeline().started() && span.end <= mixdown_.position()) {
    ++input->late_slices;
    return false;
  }
  ++input->slices;
  input->last_end = std::max(input->last_end, span.end);
  input->levels.push_back(std::move(span));
  if (input->levels.size() > kMostSpans) input->levels.pop_front();
  return true;
}

// ---- figures ----------------------------------------------------------------------------------

void RoomSum::set_delay(GstClockTime delay) {
  const std::lock_guard lock(mutex_);
  if (delay_ == delay) return;
  delay_ = delay;
  kick_locked();
}

GstClockTime RoomSum::learned_delay() {
  const std::lock_guard lock(mutex_);
  return learned_delay_;
}

GstClockTime RoomSum::position() {
  const std::lock_guard lock(mutex_);
  return GstClockTime(mixdown_.timeline().time_at(mixdown_.position()));
}

void RoomSum::fill_stats(GstStructure* stats) {
  const std::lock_guard lock(mutex_);
  const MixCounters& counters = mixdown_.counters();
  const Limiter& limiter = mixdown_.limiter();
  gst_structure_set(
      stats, "mode", G_TYPE_STRING, clocked() ? "clocked" : "synchronous", "slices", G_TYPE_UINT64,
      counters.slices, "gap-slices", G_TYPE_UINT64, counters.gap_slices, "incomplete-slices",
      G_TYPE_UINT64, counters.incomplete_slices, "dropped-late", G_TYPE_UINT64,
      counters.dropped_late, "duplicate-slices", G_TYPE_UINT64, counters.duplicate_slices,
      "filled-samples", G_TYPE_UINT64, counters.filled_samples, "trimmed-samples", G_TYPE_UINT64,
      counters.trimmed_samples, "skipped-samples", G_TYPE_UINT64, counters.skipped_samples,
      "mixer-late-samples", G_TYPE_UINT64, counters.mixer_late_samples, "room-stalls",
      G_TYPE_UINT64, stalls_, "limited-slices", G_TYPE_UINT64, limiter.limited_slices(),
      "limiter-gain", G_TYPE_DOUBLE, double(limiter.gain()), "limiter-lowest-gain", G_TYPE_DOUBLE,
      double(limiter.lowest_gain()), "delay", G_TYPE_UINT64,
      guint64(std::max(delay_, learned_delay_)), nullptr);
}

}  // namespace egressmux
