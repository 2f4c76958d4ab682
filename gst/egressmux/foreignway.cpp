// SPDX-License-Identifier: LGPL-2.1-or-later
#include "foreignway.h"

#include <optional>
#include <string>

#include "roomaudio/roomaudio.h"
#include "timing/lagcontrol.h"

GST_DEBUG_CATEGORY_EXTERN(gst_egress_mux_debug);
#define GST_CAT_DEFAULT gst_egress_mux_debug

namespace egressmux {

namespace {

// A source whose timestamps stray by less than this is taken as continuous; after this long, the
// mixer believes the new timestamps. Stock audiomixer waits a second, all that time out of place.
constexpr GstClockTime kAlignmentThreshold = 40 * GST_MSECOND;
constexpr GstClockTime kDiscontWait = 200 * GST_MSECOND;

// So much of a live input may wait for its turn after it came late: more than any backlog.
constexpr GstClockTime kLongestBacklog = 60 * GST_SECOND;

// What the probe at the end of a pad's chain needs.
struct LevelProbe {
  std::shared_ptr<MixInput> input;
  RoomSum* sum;
  std::optional<timing::LagControl> lag; /* of inputs that nobody could make wait */
  float gain = -1.0f;                    /* what the last buffer ended with; below 0 = none yet */
};

// Moves a piece of @probe's input that comes too late for its time to where it can be heard, and
// the input back to its time in the pauses. FALSE: leave the piece out, it is one of those.
bool follow_lag(LevelProbe* probe, size_t frames, double level_dbov, GstClockTime* running_time,
                GstBuffer** buffer) {
  const std::optional<int64_t> slack_ns = probe->sum->time_left_ns(*running_time);
  timing::LagControl& lag = *probe->lag;
  timing::LagControl::Verdict verdict;
  if (slack_ns)
    verdict = lag.place(int64_t(frames) * GST_SECOND / kMixRateHz, *slack_ns, level_dbov);
  probe->input->shift_ns = lag.shift_ns();
  probe->input->cut_ns = lag.cut_ns();
  if (verdict.drop) return false;
  if (lag.shift_ns() != 0 || verdict.moved) {
    *buffer = gst_buffer_make_writable(*buffer);
    GST_BUFFER_PTS(*buffer) += GstClockTime(lag.shift_ns());
    *running_time += GstClockTime(lag.shift_ns());
    // The mixer believes it at once then.
    if (verdict.moved) GST_BUFFER_FLAG_SET(*buffer, GST_BUFFER_FLAG_DISCONT);
  }
  return true;
}

LevelSpan measure(LevelProbe* probe, GstBuffer* buffer, float gain) {
  LevelSpan span{};
  RoomAudioTrack track;
  span.level_dbov = ROOM_AUDIO_SILENCE_DBOV;
  if (room_audio_buffer_get_n_tracks(buffer) == 1 &&
      room_audio_buffer_get_track(buffer, 0, &track)) {
    probe->input->take_meta(track.track, track.identity, track.name);
    span.level_dbov = level_after_gain(track.level_dbov, double(gain));
    span.muted = track.muted;
  } else if (!GST_BUFFER_FLAG_IS_SET(buffer, GST_BUFFER_FLAG_GAP)) {
    GstMapInfo map;
    if (gst_buffer_map(buffer, &map, GST_MAP_READ)) {
      span.level_dbov =
          level_dbov_f32(reinterpret_cast<const float*>(map.data), map.size / sizeof(float));
      gst_buffer_unmap(buffer, &map);
    }
    span.level_dbov = level_after_gain(span.level_dbov, double(gain));
  }
  span.muted = span.muted || gain == 0.0f;
  span.text = probe->input->text();
  return span;
}

// The same samples under a header of their own: running time, and whose they are.
BufferRef to_carry(const LevelSpan& span, GstBuffer* buffer, GstClockTime running_time) {
  if (span.muted || GST_BUFFER_FLAG_IS_SET(buffer, GST_BUFFER_FLAG_GAP)) return BufferRef();
  GstBuffer* copy = gst_buffer_copy(buffer);
  GST_BUFFER_PTS(copy) = running_time;
  const RoomAudioTrack track = {span.text->track.c_str(), span.text->identity.c_str(),
                                span.text->name.c_str(), span.level_dbov, FALSE};
  room_audio_buffer_set_track(copy, &track);
  return BufferRef::adopt(copy);
}

GstPadProbeReturn on_buffer(GstPad* pad, GstPadProbeInfo* info, gpointer user_data) {
  auto* probe = static_cast<LevelProbe*>(user_data);
  GstBuffer* buffer = GST_PAD_PROBE_INFO_BUFFER(info);
  GstEvent* sticky = gst_pad_get_sticky_event(pad, GST_EVENT_SEGMENT, 0);
  if (!sticky || !GST_BUFFER_PTS_IS_VALID(buffer)) {
    g_clear_pointer(&sticky, gst_event_unref);
    return GST_PAD_PROBE_OK;
  }
  const GstSegment* segment = nullptr;
  gst_event_parse_segment(sticky, &segment);
  GstClockTime running_time =
      gst_segment_to_running_time(segment, GST_FORMAT_TIME, GST_BUFFER_PTS(buffer));
  gst_event_unref(sticky);
  if (!GST_CLOCK_TIME_IS_VALID(running_time)) return GST_PAD_PROBE_OK;

  const float target = probe->input->wanted_gain();
  const GainRamp ramp{probe->gain < 0.0f ? target : probe->gain, target};
  probe->gain = target;
  const size_t frames = gst_buffer_get_size(buffer) / (sizeof(float) * kMixChannels);
  const MixTimeline timeline(kMixRateHz);
  LevelSpan span = measure(probe, buffer, target);
  if (probe->lag && !follow_lag(probe, frames, span.level_dbov, &running_time, &buffer)) {
    return GST_PAD_PROBE_DROP;
  }
  GST_PAD_PROBE_INFO_DATA(info) = buffer;
  span.start = timeline.samples_at(int64_t(running_time));
  span.end = span.start + int64_t(frames);
  if (probe->sum->carries_tracks()) span.audio = to_carry(span, buffer, running_time);
  // What lies wholly in the past would set a new mixer's start, and be thrown away by an old one.
  if (!probe->sum->note_level(probe->input.get(), std::move(span))) return GST_PAD_PROBE_DROP;
  if (!ramp.is_unity()) {
    buffer = gst_buffer_make_writable(buffer);
    GST_PAD_PROBE_INFO_DATA(info) = buffer;
    GstMapInfo map;
    if (gst_buffer_map(buffer, &map, GST_MAP_READWRITE)) {
      apply_gain_f32(reinterpret_cast<float*>(map.data), frames, kMixChannels, ramp);
      gst_buffer_unmap(buffer, &map);
    }
  }
  return GST_PAD_PROBE_OK;
}

// What an input says about its gaps is true of its own time only.
GstPadProbeReturn on_event(GstPad* /*pad*/, GstPadProbeInfo* info, gpointer user_data) {
  const auto* probe = static_cast<LevelProbe*>(user_data);
  const bool gap = GST_EVENT_TYPE(GST_PAD_PROBE_INFO_EVENT(info)) == GST_EVENT_GAP;
  return gap && probe->lag && probe->lag->shift_ns() != 0 ? GST_PAD_PROBE_DROP : GST_PAD_PROBE_OK;
}

// Files wait until they are wanted. What is live does not, nor what comes from a network without
// saying that it is live, which cannot be sought in.
bool cannot_wait(GstPad* pad) {
  GstQuery* query = gst_query_new_latency();
  gboolean live = FALSE;
  if (gst_pad_peer_query(pad, query)) gst_query_parse_latency(query, &live, nullptr, nullptr);
  gst_query_unref(query);
  if (live) return true;
  query = gst_query_new_seeking(GST_FORMAT_TIME);
  gboolean seekable = TRUE;
  if (gst_pad_peer_query(pad, query))
    gst_query_parse_seeking(query, nullptr, &seekable, nullptr, nullptr);
  gst_query_unref(query);
  return !seekable;
}

bool is_opus(const GstCaps* caps) {
  return gst_structure_has_name(gst_caps_get_structure(caps, 0), "audio/x-opus");
}

// More than two channels without positions: no converter knows which are left and right.
void mix_unpositioned_channels(GstElement* chain, const GstStructure* structure) {
  int channels = 0;
  guint64 mask = 0;
  gst_structure_get_int(structure, "channels", &channels);
  gst_structure_get(structure, "channel-mask", GST_TYPE_BITMASK, &mask, nullptr);
  if (channels <= kMixChannels || mask != 0) return;
  GValue matrix = G_VALUE_INIT;
  gst_value_array_init(&matrix, kMixChannels);
  for (int output = 0; output < kMixChannels; ++output) {
    GValue row = G_VALUE_INIT;
    gst_value_array_init(&row, guint(channels));
    for (int input = 0; input < channels; ++input) {
      GValue factor = G_VALUE_INIT;
      g_value_init(&factor, G_TYPE_FLOAT);
      g_value_set_float(&factor, 1.0f / float(channels));
      gst_value_array_append_and_take_value(&row, &factor);
    }
    gst_value_array_append_and_take_value(&matrix, &row);
  }
  GstElement* convert = gst_bin_get_by_name(GST_BIN(chain), "convert");
  if (convert) {
    g_object_set_property(G_OBJECT(convert), "mix-matrix", &matrix);
    gst_object_unref(convert);
  }
  g_value_unset(&matrix);
}

}  // namespace

void ForeignWay::set_latency(GstClockTime latency) {
  const std::lock_guard lock(mutex_);
  latency_ = latency;
  if (mixer_) g_object_set(mixer_, "latency", latency, nullptr);
}

bool ForeignWay::make_mixer() {
  if (mixer_) return true;
  GstElement* mixer = gst_element_factory_make_full(
      "audiomixer", "force-live", TRUE, "ignore-inactive-pads", TRUE, "latency", latency_.load(),
      "alignment-threshold", kAlignmentThreshold, "discont-wait", kDiscontWait,
      "output-buffer-duration", sum_->slice_duration(), nullptr);
  if (!mixer) {
    GST_ELEMENT_ERROR(bin_, CORE, MISSING_PLUGIN,
                      ("The element audiomixer is missing; install gstreamer1.0-plugins-base."),
                      ("audiomixer could not be made"));
    return false;
  }
  // A mixer that begins in the middle must not make up the silence since running time 0.
  gst_util_set_object_arg(G_OBJECT(mixer), "start-time-selection", "first");
  gst_bin_add(bin_, mixer);
  sum_->set_mixer_flushing(false);
  if (!gst_element_link_pads(mixer, "src", GST_ELEMENT(sum_element_), "mixer") ||
      !gst_element_sync_state_with_parent(mixer)) {
    GST_ERROR_OBJECT(bin_, "audiomixer could not be started");
    gst_element_set_state(mixer, GST_STATE_NULL);
    gst_bin_remove(bin_, mixer);
    return false;
  }
  mixer_ = mixer;
  const std::lock_guard lock(source_mutex_);
  mixer_source_ = gst_element_get_static_pad(mixer, "src");
  return true;
}

void ForeignWay::drop_mixer() {
  if (!mixer_) return;
  {
    const std::lock_guard lock(source_mutex_);
    gst_clear_object(&mixer_source_);
  }
  // Its thread may be waiting for the output to catch up.
  sum_->set_mixer_flushing(true);
  gst_element_set_locked_state(mixer_, TRUE);
  gst_element_set_state(mixer_, GST_STATE_NULL);
  gst_bin_remove(bin_, mixer_);
  mixer_ = nullptr;
  sum_->set_mixer_flushing(false);
}

GstElement* ForeignWay::make_chain(GstEgressMuxPad* pad, const GstCaps* caps,
                                   Connection* connection) {
  GstCaps* mixer_caps = room_sum_mixer_caps();
  connection->opus = is_opus(caps);
  connection->converts = connection->opus || !gst_caps_can_intersect(caps, mixer_caps);
  std::string description;
  if (connection->opus) description += "opusdec ! ";
  if (connection->converts) description += "audioconvert name=convert ! audioresample ! ";
  description += "capsfilter name=format";
  // What came late waits here for its time, and its sender does not have to.
  if (connection->follows)
    description += " ! queue name=backlog max-size-buffers=0 max-size-bytes=0 max-size-time=" +
                   std::to_string(kLongestBacklog);
  GError* error = nullptr;
  GstElement* chain = gst_parse_bin_from_description(description.c_str(), TRUE, &error);
  if (chain) {
    GstElement* filter = gst_bin_get_by_name(GST_BIN(chain), "format");
    g_object_set(filter, "caps", mixer_caps, nullptr);
    gst_object_unref(filter);
    if (connection->converts) mix_unpositioned_channels(chain, gst_caps_get_structure(caps, 0));
  } else {
    GST_ELEMENT_ERROR(bin_, CORE, MISSING_PLUGIN,
                      ("An element to read the audio of pad %s is missing; install "
                       "gstreamer1.0-plugins-base.",
                       GST_PAD_NAME(pad)),
                      ("%s: %s", description.c_str(), error ? error->message : "no reason given"));
  }
  g_clear_error(&error);
  gst_caps_unref(mixer_caps);
  return chain;
}

void ForeignWay::add_probes(const Connection& connection, const std::shared_ptr<MixInput>& input,
                            GstPad* chain_src) {
  auto* probe = new LevelProbe{input, sum_, std::nullopt};
  // Judged when it arrives, not when its time has come.
  GstElement* format = gst_bin_get_by_name(GST_BIN(connection.chain), "format");
  GstPad* arrival = gst_element_get_static_pad(format, "src");
  gst_object_unref(format);
  input->shift_ns = 0;
  input->cut_ns = 0;
  if (connection.follows) {
    probe->lag.emplace();
    gst_pad_add_probe(arrival, GST_PAD_PROBE_TYPE_EVENT_DOWNSTREAM, on_event, probe, nullptr);
  }
  gst_pad_add_probe(connection.follows ? arrival : chain_src, GST_PAD_PROBE_TYPE_BUFFER, on_buffer,
                    probe, [](gpointer data) { delete static_cast<LevelProbe*>(data); });
  gst_object_unref(arrival);
}

bool ForeignWay::attach(GstEgressMuxPad* pad, const GstCaps* caps) {
  const std::lock_guard lock(mutex_);
  PadState& state = pad_state(pad);
  if (state.released) return false;
  const auto known = connections_.find(pad);
  if (known != connections_.end()) {
    const Connection& old = known->second;
    // Converters follow new caps by themselves, and lose nothing.
    if (!old.ended && old.converts && old.opus == is_opus(caps)) return true;
    drop_connection(pad, old);
    connections_.erase(known);
  }
  if (!make_mixer()) return false;

  Connection connection;
  connection.follows = cannot_wait(GST_PAD(pad));
  connection.chain = make_chain(pad, caps, &connection);
  if (!connection.chain) return false;
  connection.mixer_pad = gst_element_request_pad_simple(mixer_, "sink_%u");
  gst_bin_add(bin_, connection.chain);
  GstPad* chain_sink = gst_element_get_static_pad(connection.chain, "sink");
  GstPad* chain_src = gst_element_get_static_pad(connection.chain, "src");
  add_probes(connection, state.input, chain_src);
  const bool ready = gst_pad_link(chain_src, connection.mixer_pad) == GST_PAD_LINK_OK &&
                     gst_element_sync_state_with_parent(connection.chain) &&
                     gst_ghost_pad_set_target(GST_GHOST_PAD(pad), chain_sink);
  gst_object_unref(chain_src);
  gst_object_unref(chain_sink);
  if (!ready) {
    GST_WARNING_OBJECT(pad, "could not be connected to the mixer");
    drop_connection(pad, connection);
    return false;
  }
  connections_[pad] = connection;
  sum_->add_mixer_input(state.input);
  state.way = Way::kMixer;
  return true;
}

void ForeignWay::drop_connection(GstEgressMuxPad* pad, const Connection& connection) {
  sum_->remove_mixer_input(pad_state(pad).input.get());
  pad_state(pad).way = Way::kUndecided;
  // The mixer first: that sends a thread waiting in its pad home.
  gst_element_release_request_pad(mixer_, connection.mixer_pad);
  gst_object_unref(connection.mixer_pad);
  gst_ghost_pad_set_target(GST_GHOST_PAD(pad), nullptr);
  gst_element_set_locked_state(connection.chain, TRUE);
  gst_element_set_state(connection.chain, GST_STATE_NULL);
  gst_bin_remove(bin_, connection.chain);
}

void ForeignWay::detach(GstEgressMuxPad* pad) {
  const std::lock_guard lock(mutex_);
  const auto known = connections_.find(pad);
  if (known == connections_.end()) return;
  drop_connection(pad, known->second);
  connections_.erase(known);
  if (connections_.empty()) drop_mixer();
}

void ForeignWay::note_ended(GstEgressMuxPad* pad) {
  const std::lock_guard lock(mutex_);
  const auto known = connections_.find(pad);
  if (known == connections_.end()) return;
  known->second.ended = true;
  sum_->end_mixer_input(pad_state(pad).input.get());
}

void ForeignWay::drop_passed() {
  const std::lock_guard lock(mutex_);
  for (auto item = connections_.begin(); item != connections_.end();) {
    const auto& [pad, connection] = *item;
    if (connection.ended && sum_->mixer_input_passed(*pad_state(pad).input)) {
      drop_connection(pad, connection);
      item = connections_.erase(item);
    } else {
      ++item;
    }
  }
  if (connections_.empty()) drop_mixer();
}

void ForeignWay::clear() {
  const std::lock_guard lock(mutex_);
  for (const auto& [pad, connection] : connections_) drop_connection(pad, connection);
  connections_.clear();
  drop_mixer();
}

bool ForeignWay::find_latency(GstClockTime* min, GstClockTime* max) {
  GstPad* source = nullptr;
  {
    const std::lock_guard lock(source_mutex_);
    if (!mixer_source_) return false;
    source = GST_PAD(gst_object_ref(mixer_source_));
  }
  GstQuery* query = gst_query_new_latency();
  const bool known = gst_pad_query(source, query);
  if (known) gst_query_parse_latency(query, nullptr, min, max);
  gst_query_unref(query);
  gst_object_unref(source);
  return known;
}

}  // namespace egressmux
