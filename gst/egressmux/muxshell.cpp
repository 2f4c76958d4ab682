// SPDX-License-Identifier: LGPL-2.1-or-later
#include "muxshell.h"

#include <algorithm>
#include <vector>

#include "roomaudio/roomaudio.h"

GST_DEBUG_CATEGORY_EXTERN(gst_egress_mux_debug);
#define GST_CAT_DEFAULT gst_egress_mux_debug

namespace egressmux {

namespace {

MuxShell* shell_of(GstPad* pad) {
  return static_cast<MuxShell*>(gst_pad_get_element_private(pad));
}

GstFlowReturn sink_chain(GstPad* pad, GstObject* /*parent*/, GstBuffer* buffer) {
  return shell_of(pad)->chain(GST_EGRESS_MUX_PAD(pad), buffer);
}

GstFlowReturn sink_chain_list(GstPad* pad, GstObject* /*parent*/, GstBufferList* list) {
  GstFlowReturn flow = GST_FLOW_OK;
  for (guint i = 0; i < gst_buffer_list_length(list) && flow == GST_FLOW_OK; ++i)
    flow =
        shell_of(pad)->chain(GST_EGRESS_MUX_PAD(pad), gst_buffer_ref(gst_buffer_list_get(list, i)));
  gst_buffer_list_unref(list);
  return flow;
}

gboolean sink_event(GstPad* pad, GstObject* /*parent*/, GstEvent* event) {
  return shell_of(pad)->event(GST_EGRESS_MUX_PAD(pad), event);
}

gboolean sink_query(GstPad* pad, GstObject* /*parent*/, GstQuery* query) {
  return shell_of(pad)->query(GST_EGRESS_MUX_PAD(pad), query);
}

void on_linked(GstPad* pad, GstPad* /*peer*/, gpointer /*user_data*/) {
  shell_of(pad)->linked(GST_EGRESS_MUX_PAD(pad));
}

void on_unlinked(GstPad* pad, GstPad* /*peer*/, gpointer /*user_data*/) {
  shell_of(pad)->unlinked(GST_EGRESS_MUX_PAD(pad));
}

// What the pad's template says, whatever flows now.
void answer_with_template_caps(GstPad* pad, GstQuery* query) {
  GstCaps* filter = nullptr;
  gst_query_parse_caps(query, &filter);
  GstCaps* caps = gst_pad_get_pad_template_caps(pad);
  if (filter) {
    GstCaps* both = gst_caps_intersect_full(filter, caps, GST_CAPS_INTERSECT_FIRST);
    gst_caps_unref(caps);
    caps = both;
  }
  gst_query_set_caps_result(query, caps);
  gst_caps_unref(caps);
}

// Before the first caps anything may be asked for: a converter follows when it has to.
gboolean src_query(GstPad* pad, GstObject* parent, GstQuery* query) {
  if (GST_QUERY_TYPE(query) != GST_QUERY_CAPS) return gst_pad_query_default(pad, parent, query);
  answer_with_template_caps(pad, query);
  return TRUE;
}

// PAUSED or above, or on the way there.
bool is_running(GstElement* element) {
  GST_OBJECT_LOCK(element);
  const GstState next = GST_STATE_NEXT(element);
  const GstState target = next == GST_STATE_VOID_PENDING ? GST_STATE(element) : next;
  GST_OBJECT_UNLOCK(element);
  return target >= GST_STATE_PAUSED;
}

}  // namespace

MuxShell::MuxShell(GstBin* bin, GstPadTemplate* src_template) : bin_(bin) {
  sum_element_ = GST_ROOM_SUM(gst_object_ref_sink(room_sum_new(this)));
  sum_ = &room_sum_of(sum_element_);
  foreign_ = std::make_unique<ForeignWay>(bin, sum_, sum_element_);
  gst_bin_add(bin, GST_ELEMENT(sum_element_));
  GstPad* target = gst_element_get_static_pad(GST_ELEMENT(sum_element_), "src");
  src_pad_ = gst_ghost_pad_new_from_template("src", target, src_template);
  gst_pad_set_query_function(src_pad_, src_query);
  gst_object_unref(target);
  gst_object_unref(src_template);
  gst_element_add_pad(GST_ELEMENT(bin), src_pad_);
  // EOS sent to a pipeline reaches its sources: without any track nothing else would end this one.
  gst_bin_set_suppressed_flags(bin,
                               GstElementFlags(GST_ELEMENT_FLAG_SOURCE | GST_ELEMENT_FLAG_SINK));
  GST_OBJECT_FLAG_SET(bin, GST_ELEMENT_FLAG_SOURCE);
}

MuxShell::~MuxShell() {
  gst_object_unref(sum_element_);
}

// ---- pads -------------------------------------------------------------------------------------

GstPad* MuxShell::request_pad(GstPadTemplate* pad_template, const gchar* name) {
  std::string pad_name = name ? name : "";
  {
    const std::lock_guard lock(mutex_);
    unsigned number = 0;
    if (name && sscanf(name, "sink_%u", &number) == 1)
      next_pad_ = std::max(next_pad_, number + 1);
    else if (!name)
      pad_name = "sink_" + std::to_string(next_pad_++);
  }
  GstEgressMuxPad* mux_pad = pad_new(pad_name.c_str(), pad_template);
  GstPad* pad = GST_PAD(mux_pad);
  gst_pad_set_element_private(pad, this);
  gst_pad_set_chain_function(pad, sink_chain);
  gst_pad_set_chain_list_function(pad, sink_chain_list);
  gst_pad_set_event_function(pad, sink_event);
  gst_pad_set_query_function(pad, sink_query);
  g_signal_connect(pad, "linked", G_CALLBACK(on_linked), nullptr);
  g_signal_connect(pad, "unlinked", G_CALLBACK(on_unlinked), nullptr);
  // A new input has not ended: whatever end was near is not the end any more.
  sum_->end_when_drained(false);
  GstElement* element = GST_ELEMENT(bin_);
  const bool was_running = is_running(element);
  if (was_running) gst_pad_set_active(pad, TRUE);
  if (!gst_element_add_pad(element, pad)) return nullptr;
  // Its state may have changed in between, before it knew of this pad.
  if (const bool running = is_running(element); running != was_running)
    gst_pad_set_active(pad, running);
  gst_child_proxy_child_added(GST_CHILD_PROXY(bin_), G_OBJECT(pad), pad_name.c_str());
  return pad;
}

void MuxShell::release_pad(GstEgressMuxPad* mux_pad) {
  GstPad* pad = GST_PAD(gst_object_ref(mux_pad));
  PadState& state = pad_state(mux_pad);
  state.released = true;
  leave_room(mux_pad);
  foreign_->detach(mux_pad);
  gst_pad_set_active(pad, FALSE);
  // Its thread may have taken a way in between.
  leave_room(mux_pad);
  gst_child_proxy_child_removed(GST_CHILD_PROXY(bin_), G_OBJECT(pad), GST_PAD_NAME(pad));
  gst_element_remove_pad(GST_ELEMENT(bin_), pad);
  gst_object_unref(pad);
  check_end();
  update_latency();
}

// A new track's events come with its first slice, after the other tracks' slices of that tick. So
// that none of it is lost, that very slice waits for it already.
void MuxShell::linked(GstEgressMuxPad* pad) {
  if (room_audio_pad_is_fed_by_room_clock(GST_PAD(pad))) sum_->join(pad_state(pad).input.get());
}

void MuxShell::unlinked(GstEgressMuxPad* pad) {
  PadState& state = pad_state(pad);
  leave_room(pad);
  // What has ended still has its last samples to play.
  if (!state.ended) foreign_->detach(pad);
}

void MuxShell::set_way(GstEgressMuxPad* pad, Way way) {
  const Way before = pad_state(pad).way.exchange(way);
  if (before == way) return;
  const std::lock_guard lock(mutex_);
  if (before == Way::kAligned && --aligned_pads_ == 0) room_clock_.clear();
}

// An input that leaves takes its place in the room with it.
void MuxShell::leave_room(GstEgressMuxPad* pad) {
  PadState& state = pad_state(pad);
  sum_->leave(state.input.get());
  if (state.way == Way::kAligned) set_way(pad, Way::kUndecided);
}

void MuxShell::forget_everything() {
  foreign_->clear();
  for (GstEgressMuxPad* pad : sink_pads()) {
    leave_room(pad);
    PadState& state = pad_state(pad);
    set_way(pad, Way::kUndecided);
    state.ended = false;
    state.room_clock.clear();
    gst_segment_init(&state.segment, GST_FORMAT_TIME);
    state.input->change_text([](TrackSources& sources) {
      sources.meta_track.clear();
      sources.meta_identity.clear();
      sources.meta_name.clear();
      sources.stream_id.clear();
      sources.room_identity.clear();
      sources.title.clear();
    });
    sum_->read_locked([&] {
      state.input->gain = -1.0f;
      state.input->slices = state.input->late_slices = state.input->duplicate_slices = 0;
    });
    gst_object_unref(pad);
  }
  GstElement* converter = nullptr;
  {
    const std::lock_guard lock(mutex_);
    room_seen_ = false;
    reported_latency_ = GST_CLOCK_TIME_NONE;
    std::swap(converter, converter_);
  }
  sum_->set_delay(latency_);
  if (converter) {
    GstPad* target = gst_element_get_static_pad(GST_ELEMENT(sum_element_), "src");
    gst_ghost_pad_set_target(GST_GHOST_PAD(src_pad_), nullptr);
    gst_element_set_state(converter, GST_STATE_NULL);
    gst_bin_remove(bin_, converter);
    gst_ghost_pad_set_target(GST_GHOST_PAD(src_pad_), target);
    gst_object_unref(target);
  }
}

// ---- streams ----------------------------------------------------------------------------------

GstFlowReturn MuxShell::chain(GstEgressMuxPad* pad, GstBuffer* buffer) {
  PadState& state = pad_state(pad);
  if (state.way == Way::kAligned) return push_aligned(pad, buffer);
  if (state.way == Way::kUndecided) {
    // Linked anew: the source does not repeat the caps that this pad has already.
    GstCaps* caps = gst_pad_get_current_caps(GST_PAD(pad));
    const bool linked = !state.released && gst_pad_is_linked(GST_PAD(pad));
    const bool chosen = linked && caps && choose_way(pad, caps);
    gst_clear_caps(&caps);
    if (chosen) return chain(pad, buffer);
    gst_buffer_unref(buffer);
    return linked ? GST_FLOW_NOT_NEGOTIATED : GST_FLOW_FLUSHING;
  }
  return gst_proxy_pad_chain_default(GST_PAD(pad), GST_OBJECT(bin_), buffer);
}

GstFlowReturn MuxShell::push_aligned(GstEgressMuxPad* pad, GstBuffer* buffer) {
  PadState& state = pad_state(pad);
  const GstClockTime running_time =
      GST_BUFFER_PTS_IS_VALID(buffer)
          ? gst_segment_to_running_time(&state.segment, GST_FORMAT_TIME, GST_BUFFER_PTS(buffer))
          : GST_CLOCK_TIME_NONE;
  if (!GST_CLOCK_TIME_IS_VALID(running_time)) {
    gst_buffer_unref(buffer);
    return GST_FLOW_OK;
  }
  AlignedPart part;
  RoomAudioTrack track;
  if (room_audio_buffer_get_track(buffer, 0, &track)) {
    part.level_known = true;
    part.level_dbov = track.level_dbov;
    part.muted = track.muted;
    if (state.input->take_meta(track.track, track.identity, track.name)) announce(pad);
  }
  const size_t frame_bytes = OutputFormat{state.format, state.channels}.frame_bytes();
  part.frames = int64_t(gst_buffer_get_size(buffer) / frame_bytes);
  part.gap = GST_BUFFER_FLAG_IS_SET(buffer, GST_BUFFER_FLAG_GAP);
  if (part.frames == 0) {
    part.gap = true;
    if (GST_BUFFER_DURATION_IS_VALID(buffer))
      part.frames =
          MixTimeline(kMixRateHz)
              .samples_at(int64_t(std::min(GST_BUFFER_DURATION(buffer), GstClockTime(GST_SECOND))));
  }
  part.input = state.input;
  part.text = state.input->text();
  if (GST_BUFFER_PTS(buffer) != running_time) {
    // A mix that carries this part promises running time.
    buffer = gst_buffer_make_writable(buffer);
    GST_BUFFER_PTS(buffer) = running_time;
  }
  part.buffer = BufferRef::to(buffer);
  part.format = state.format;
  part.channels = state.channels;
  gst_buffer_unref(buffer);
  return sum_->push(running_time, std::move(part));
}

gboolean MuxShell::event(GstEgressMuxPad* pad, GstEvent* event) {
  PadState& state = pad_state(pad);
  auto forward = [&] { return gst_pad_event_default(GST_PAD(pad), GST_OBJECT(bin_), event); };
  // Without a target a ghost pad keeps sticky events for the one it gets later.
  switch (GST_EVENT_TYPE(event)) {
    case GST_EVENT_STREAM_START:
      return take_stream_start(pad, event);
    case GST_EVENT_CAPS:
      return take_caps(pad, event);
    case GST_EVENT_GAP:
      return take_gap(pad, event);
    case GST_EVENT_EOS:
      return take_eos(pad, event);
    case GST_EVENT_SEGMENT:
      gst_event_copy_segment(event, &state.segment);
      break;
    case GST_EVENT_TAG:
      take_tags(pad, event);
      break;
    case GST_EVENT_FLUSH_START:
      sum_->leave(state.input.get());
      break;
    case GST_EVENT_FLUSH_STOP:
      gst_segment_init(&state.segment, GST_FORMAT_TIME);
      state.ended = false;
      break;
    default:
      break;
  }
  const gboolean done = forward();
  return done || state.way != Way::kMixer;
}

void MuxShell::take_tags(GstEgressMuxPad* pad, GstEvent* event) {
  PadState& state = pad_state(pad);
  GstTagList* tags = nullptr;
  gst_event_parse_tag(event, &tags);
  gchar* title = nullptr;
  gchar* artist = nullptr;
  gst_tag_list_get_string(tags, GST_TAG_TITLE, &title);
  gst_tag_list_get_string(tags, GST_TAG_ARTIST, &artist);
  const bool changed = state.input->change_text([&](TrackSources& sources) {
    if (title) sources.title = title;
    // A room names its participants so; a song's artist is nobody in the room.
    if (artist && !state.room_clock.empty()) sources.room_identity = artist;
  });
  g_free(title);
  g_free(artist);
  if (changed) announce(pad);
}

gboolean MuxShell::take_stream_start(GstEgressMuxPad* pad, GstEvent* event) {
  PadState& state = pad_state(pad);
  const gchar* clock = nullptr;
  const gchar* stream_id = nullptr;
  GstClockTime slice_duration = 0;
  state.room_clock.clear();
  if (room_audio_event_get_room_clock(event, &clock, &slice_duration)) {
    state.room_clock = clock;
    state.slice_duration = slice_duration;
    const std::lock_guard lock(mutex_);
    room_seen_ = true;
  }
  state.ended = false;
  gst_event_parse_stream_start(event, &stream_id);
  state.input->change_text([&](TrackSources& sources) {
    sources.stream_id = stream_id ? stream_id : "";
    sources.title.clear();
    sources.room_identity.clear();
    sources.meta_track.clear();
    sources.meta_identity.clear();
    sources.meta_name.clear();
  });
  sum_->end_when_drained(false);
  gst_pad_event_default(GST_PAD(pad), GST_OBJECT(bin_), event);
  return TRUE;
}

bool MuxShell::choose_aligned(GstEgressMuxPad* pad, const GstCaps* caps) {
  PadState& state = pad_state(pad);
  const GstStructure* structure = gst_caps_get_structure(caps, 0);
  const gchar* format = gst_structure_get_string(structure, "format");
  const gchar* layout = gst_structure_get_string(structure, "layout");
  int rate = 0;
  int channels = 0;
  gst_structure_get_int(structure, "rate", &rate);
  gst_structure_get_int(structure, "channels", &channels);
  const bool is_s16 = g_strcmp0(format, "S16LE") == 0;
  if (state.room_clock.empty() || !gst_structure_has_name(structure, "audio/x-raw") ||
      (!is_s16 && g_strcmp0(format, "F32LE") != 0) || rate != kMixRateHz || channels < 1 ||
      channels > kMixChannels || (layout && g_strcmp0(layout, "interleaved") != 0) ||
      !room_audio_pad_is_fed_by_room_clock(GST_PAD(pad)))
    return false;
  const std::lock_guard lock(mutex_);
  const bool is_in = state.way == Way::kAligned;
  // One clock at a time: slices of two would not be cut at the same places.
  if (aligned_pads_ - (is_in ? 1 : 0) > 0 && room_clock_ != state.room_clock) return false;
  room_clock_ = state.room_clock;
  if (!is_in) ++aligned_pads_;
  state.format = is_s16 ? SampleFormat::kS16 : SampleFormat::kF32;
  state.channels = channels;
  return true;
}

gboolean MuxShell::take_caps(GstEgressMuxPad* pad, GstEvent* event) {
  GstCaps* caps = nullptr;
  gst_event_parse_caps(event, &caps);
  if (!choose_way(pad, caps)) {
    gst_event_unref(event);
    return FALSE;
  }
  const gboolean done = gst_pad_event_default(GST_PAD(pad), GST_OBJECT(bin_), event);
  return done || pad_state(pad).way == Way::kAligned;
}

bool MuxShell::choose_way(GstEgressMuxPad* pad, const GstCaps* caps) {
  PadState& state = pad_state(pad);
  const Way before = state.way;
  bool done = true;
  if (choose_aligned(pad, caps)) {
    if (before == Way::kMixer) foreign_->detach(pad);
    state.way = Way::kAligned;
    sum_->set_slice_duration(state.slice_duration);
    sum_->join(state.input.get());
  } else {
    leave_room(pad);
    done = foreign_->attach(pad, caps);
  }
  GST_INFO_OBJECT(pad, "takes the %s way with %" GST_PTR_FORMAT, way_name(state.way), caps);
  update_latency();
  return done;
}

gboolean MuxShell::take_gap(GstEgressMuxPad* pad, GstEvent* event) {
  PadState& state = pad_state(pad);
  if (state.way == Way::kMixer) return gst_pad_event_default(GST_PAD(pad), GST_OBJECT(bin_), event);
  if (state.way == Way::kAligned) {
    GstBuffer* buffer = gst_buffer_new();
    gst_event_parse_gap(event, &GST_BUFFER_PTS(buffer), &GST_BUFFER_DURATION(buffer));
    push_aligned(pad, buffer);
  }
  gst_event_unref(event);
  return TRUE;
}

gboolean MuxShell::take_eos(GstEgressMuxPad* pad, GstEvent* event) {
  PadState& state = pad_state(pad);
  state.ended = true;
  if (state.way == Way::kAligned) {
    sum_->leave_and_drain(state.input.get());
    leave_room(pad);
  }
  gst_pad_event_default(GST_PAD(pad), GST_OBJECT(bin_), event);
  foreign_->note_ended(pad);
  check_end();
  return TRUE;
}

// Files end the mix when all of them have; a room goes on without anybody in it.
void MuxShell::check_end() {
  bool all_ended = true;
  const std::vector<GstEgressMuxPad*> pads = sink_pads();
  for (GstEgressMuxPad* pad : pads) {
    all_ended = all_ended && pad_state(pad).ended;
    gst_object_unref(pad);
  }
  bool room_seen = false;
  {
    const std::lock_guard lock(mutex_);
    room_seen = room_seen_;
  }
  sum_->end_when_drained(!pads.empty() && all_ended && !room_seen);
}

gboolean MuxShell::query(GstEgressMuxPad* pad, GstQuery* query) {
  switch (GST_QUERY_TYPE(query)) {
    case GST_QUERY_CAPS:
      // Its stream may change to anything.
      answer_with_template_caps(GST_PAD(pad), query);
      return TRUE;
    case GST_QUERY_ACCEPT_CAPS: {
      GstCaps* wanted = nullptr;
      gst_query_parse_accept_caps(query, &wanted);
      GstCaps* caps = gst_pad_get_pad_template_caps(GST_PAD(pad));
      gst_query_set_accept_caps_result(query, gst_caps_can_intersect(wanted, caps));
      gst_caps_unref(caps);
      return TRUE;
    }
    default:
      return gst_pad_query_default(GST_PAD(pad), GST_OBJECT(bin_), query);
  }
}

// Who waits for `alice::volume` hears that alice is here.
void MuxShell::announce(GstEgressMuxPad* pad) {
  const auto text = pad_state(pad).input->text();
  GST_INFO_OBJECT(pad, "is %s (track %s)", text->identity.c_str(), text->track.c_str());
  g_object_notify(G_OBJECT(pad), "identity");
  gst_child_proxy_child_added(GST_CHILD_PROXY(bin_), G_OBJECT(pad), text->identity.c_str());
}

}  // namespace egressmux
