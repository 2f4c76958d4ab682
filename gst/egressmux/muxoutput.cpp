// SPDX-License-Identifier: LGPL-2.1-or-later
// The half of the shell that looks at all pads together: latency, output format, figures.
#include <algorithm>
#include <vector>

#include "muxshell.h"

GST_DEBUG_CATEGORY_EXTERN(gst_egress_mux_debug);
#define GST_CAT_DEFAULT gst_egress_mux_debug

namespace egressmux {

namespace {

// The mixer's thread and the sum's wake up at times of the same clock: the sum a little later.
constexpr GstClockTime kMixerMargin = 10 * GST_MSECOND;

}  // namespace

std::vector<GstEgressMuxPad*> MuxShell::sink_pads() {
  std::vector<GstEgressMuxPad*> pads;
  GST_OBJECT_LOCK(bin_);
  for (GList* item = GST_ELEMENT(bin_)->sinkpads; item; item = item->next)
    pads.push_back(GST_EGRESS_MUX_PAD(gst_object_ref(item->data)));
  GST_OBJECT_UNLOCK(bin_);
  return pads;
}

void MuxShell::set_latency(GstClockTime latency) {
  latency_ = latency;
  foreign_->set_latency(latency);
  sum_->set_delay(latency);
  update_latency();
}

void MuxShell::find_latency(GstClockTime* min, GstClockTime* max) {
  const GstClockTime slice = sum_->slice_duration();
  GstClockTime delay = std::max(latency_.load(), sum_->learned_delay());
  GstClockTime longest = GST_CLOCK_TIME_NONE;
  for (GstEgressMuxPad* pad : sink_pads()) {
    if (pad_state(pad).way == Way::kAligned) {
      GstQuery* query = gst_query_new_latency();
      gboolean live = FALSE;
      GstClockTime pad_min = 0;
      GstClockTime pad_max = GST_CLOCK_TIME_NONE;
      if (gst_pad_peer_query(GST_PAD(pad), query)) {
        gst_query_parse_latency(query, &live, &pad_min, &pad_max);
        if (live && pad_min > slice) delay = std::max(delay, pad_min - slice);
        if (live) longest = std::min(longest, pad_max);
      }
      gst_query_unref(query);
    }
    gst_object_unref(pad);
  }
  GstClockTime mixer_min = 0;
  GstClockTime mixer_max = GST_CLOCK_TIME_NONE;
  if (foreign_->find_latency(&mixer_min, &mixer_max)) {
    delay = std::max(delay, mixer_min + kMixerMargin - std::min(mixer_min, slice));
    longest = std::min(longest, mixer_max);
  }
  sum_->set_delay(delay);
  *min = slice + delay;
  // The sum keeps what it delays, so nobody before it has to.
  *max = GST_CLOCK_TIME_IS_VALID(longest) ? std::max(longest, *min) : GST_CLOCK_TIME_NONE;
}

void MuxShell::update_latency() {
  GstClockTime min = 0;
  GstClockTime max = 0;
  find_latency(&min, &max);
  {
    const std::lock_guard lock(mutex_);
    if (reported_latency_ == min) return;
    reported_latency_ = min;
  }
  gst_element_post_message(GST_ELEMENT(bin_), gst_message_new_latency(GST_OBJECT(bin_)));
}

bool MuxShell::insert_converter() {
  {
    const std::lock_guard lock(mutex_);
    if (converter_) return false;
  }
  GstElement* converter =
      gst_parse_bin_from_description("audioconvert ! audioresample", TRUE, nullptr);
  if (!converter) {
    GST_ELEMENT_ERROR(bin_, CORE, MISSING_PLUGIN,
                      ("The elements audioconvert and audioresample are missing; install "
                       "gstreamer1.0-plugins-base."),
                      ("downstream takes no 48 kHz audio and there is no converter"));
    return false;
  }
  gst_bin_add(bin_, converter);
  GstPad* sum_src = gst_element_get_static_pad(GST_ELEMENT(sum_element_), "src");
  GstPad* sink = gst_element_get_static_pad(converter, "sink");
  GstPad* src = gst_element_get_static_pad(converter, "src");
  const bool ready = gst_ghost_pad_set_target(GST_GHOST_PAD(src_pad_), nullptr) &&
                     gst_pad_link(sum_src, sink) == GST_PAD_LINK_OK &&
                     gst_ghost_pad_set_target(GST_GHOST_PAD(src_pad_), src) &&
                     gst_element_sync_state_with_parent(converter);
  gst_object_unref(src);
  gst_object_unref(sink);
  gst_object_unref(sum_src);
  const std::lock_guard lock(mutex_);
  converter_ = converter;
  return ready;
}

void MuxShell::mixer_inputs_passed() {
  foreign_->drop_passed();
  update_latency();
}

gboolean MuxShell::send_upstream(GstEvent* event) {
  gboolean done = FALSE;
  for (GstEgressMuxPad* pad : sink_pads()) {
    done |= gst_pad_push_event(GST_PAD(pad), gst_event_ref(event));
    gst_object_unref(pad);
  }
  gst_event_unref(event);
  return done;
}

GstStructure* MuxShell::make_stats() {
  GstStructure* stats = gst_structure_new_empty("egressmux-stats");
  sum_->fill_stats(stats);
  GValue inputs = G_VALUE_INIT;
  gst_value_array_init(&inputs, 0);
  for (GstEgressMuxPad* pad : sink_pads()) {
    PadState& state = pad_state(pad);
    const auto text = state.input->text();
    GstStructure* entry = gst_structure_new(
        "input", "pad", G_TYPE_STRING, GST_PAD_NAME(pad), "way", G_TYPE_STRING, way_name(state.way),
        "track", G_TYPE_STRING, text->track.c_str(), "identity", G_TYPE_STRING,
        text->identity.c_str(), "name", G_TYPE_STRING, text->name.c_str(), "volume", G_TYPE_DOUBLE,
        state.input->volume.load(), "mute", G_TYPE_BOOLEAN, gboolean(state.input->mute), "ended",
        G_TYPE_BOOLEAN, gboolean(state.ended), "shift", G_TYPE_INT64, gint64(state.input->shift_ns),
        "cut-time", G_TYPE_UINT64, guint64(state.input->cut_ns), nullptr);
    sum_->read_locked([&] {
      gst_structure_set(entry, "slices", G_TYPE_UINT64, state.input->slices, "late-slices",
                        G_TYPE_UINT64, state.input->late_slices, "duplicate-slices", G_TYPE_UINT64,
                        state.input->duplicate_slices, nullptr);
    });
    GValue value = G_VALUE_INIT;
    g_value_init(&value, GST_TYPE_STRUCTURE);
    g_value_take_boxed(&value, entry);
    gst_value_array_append_and_take_value(&inputs, &value);
    gst_object_unref(pad);
  }
  gst_structure_take_value(stats, "inputs", &inputs);
  return stats;
}

}  // namespace egressmux
