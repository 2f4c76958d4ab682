// SPDX-License-Identifier: LGPL-2.1-or-later
#include "trackpad.h"

#include <gst/audio/audio.h>

#include <algorithm>
#include <utility>

#include "gst/roomaudio/roomaudio.h"
#include "livekitdebug.h"

namespace livekit {
namespace {

gboolean answer_query(GstPad* pad, GstObject* parent, GstQuery* query) {
  // Latency is the element's; everything else is the default.
  if (GST_QUERY_TYPE(query) == GST_QUERY_LATENCY && parent) {
    return gst_element_query(GST_ELEMENT(parent), query);
  }
  return gst_pad_query_default(pad, parent, query);
}

using SharedFlow = std::shared_ptr<std::atomic<GstFlowReturn>>;

gboolean take_event(GstPad* pad, GstObject* parent, GstEvent* event) {
  const GstEventType type = GST_EVENT_TYPE(event);
  if (type == GST_EVENT_RECONFIGURE) {
    **static_cast<SharedFlow*>(GST_PAD(pad)->eventdata) = GST_FLOW_OK;
  }
  gst_event_unref(event);
  // Nobody can seek in what is said now.
  return type != GST_EVENT_SEEK;
}

void forget_flow(gpointer flow) {
  delete static_cast<SharedFlow*>(flow);
}

}  // namespace

GstCaps* caps_of(const AudioFormat& format) {
  if (format.encoding == AudioFormat::Encoding::kOpus) {
    return gst_caps_new_simple("audio/x-opus", "channel-mapping-family", G_TYPE_INT, 0, "rate",
                               G_TYPE_INT, format.rate_hz, "channels", G_TYPE_INT, format.channels,
                               nullptr);
  }
  GstAudioInfo info;
  gst_audio_info_init(&info);
  gst_audio_info_set_format(&info,
                            format.encoding == AudioFormat::Encoding::kS16le
                                ? GST_AUDIO_FORMAT_S16LE
                                : GST_AUDIO_FORMAT_F32LE,
                            format.rate_hz, format.channels, nullptr);
  return gst_audio_info_to_caps(&info);
}

TrackPad::TrackPad(const PadContext& context, guint index,
                   std::shared_ptr<const TrackRequest> request, const std::string& stream_id,
                   bool room_clocked)
    : element_(context.element),
      request_(std::move(request)),
      name_("src_" + std::to_string(index)),
      flow_(std::make_shared<std::atomic<GstFlowReturn>>(GST_FLOW_OK)) {
  GstPadTemplate* pad_template =
      gst_element_class_get_pad_template(GST_ELEMENT_GET_CLASS(element_), "src_%u");
  pad_ = gst_pad_new_from_template(pad_template, name_.c_str());
  gst_object_ref_sink(pad_);
  gst_pad_set_query_function(pad_, answer_query);
  gst_pad_set_event_function_full(pad_, take_event, new SharedFlow(flow_), forget_flow);
  gst_pad_use_fixed_caps(pad_);
  if (room_clocked) room_audio_pad_set_room_clocked(pad_);
  gst_pad_set_active(pad_, TRUE);
  push_sticky_events(context, stream_id, room_clocked);
}

TrackPad::~TrackPad() {
  remove();
  gst_object_unref(pad_);
}

void TrackPad::push_sticky_events(const PadContext& context, const std::string& stream_id,
                                  bool room_clocked) {
  GstEvent* stream_start = gst_event_new_stream_start(stream_id.c_str());
  gst_event_set_group_id(stream_start, context.group_id);
  if (room_clocked) {
    room_audio_event_set_room_clock(stream_start, context.clock_id.c_str(), context.slice);
  }
  gst_pad_push_event(pad_, stream_start);
  GstCaps* caps = caps_of(request_->format);
  gst_pad_push_event(pad_, gst_event_new_caps(caps));
  gst_caps_unref(caps);
  GstSegment segment;
  gst_segment_init(&segment, GST_FORMAT_TIME);
  gst_pad_push_event(pad_, gst_event_new_segment(&segment));
  push_tags();
}

void TrackPad::push_tags() {
  GstTagList* tags = gst_tag_list_new(GST_TAG_TITLE, request_->name.c_str(), nullptr);
  if (!request_->identity.empty()) {
    gst_tag_list_add(tags, GST_TAG_MERGE_REPLACE, GST_TAG_ARTIST, request_->identity.c_str(),
                     nullptr);
  }
  const std::pair<const char*, const std::string*> comments[] = {
      {"livekit-metadata=", &request_->metadata}, {"livekit-attributes=", &request_->attributes}};
  for (const auto& [key, text] : comments) {
    if (text->empty()) continue;
    gst_tag_list_add(tags, GST_TAG_MERGE_APPEND, GST_TAG_EXTENDED_COMMENT, (key + *text).c_str(),
                     nullptr);
  }
  gst_tag_list_set_scope(tags, GST_TAG_SCOPE_STREAM);
  gst_pad_push_event(pad_, gst_event_new_tag(tags));
}

void TrackPad::describe(std::shared_ptr<const TrackRequest> request) {
  request_ = std::move(request);
  push_tags();
}

void TrackPad::add() {
  added_ = gst_element_add_pad(element_, pad_) != FALSE;
}

void TrackPad::remove() {
  if (!added_) return;
  added_ = false;
  gst_pad_set_active(pad_, FALSE);
  gst_element_remove_pad(element_, pad_);
}

void TrackPad::push(GstBuffer* buffer, GstClockTime pts, GstClockTime duration, double level_dbov,
                    bool muted) {
  GST_BUFFER_PTS(buffer) = pts;
  GST_BUFFER_DURATION(buffer) = duration;
  if (discont_) {
    GST_BUFFER_FLAG_SET(buffer, GST_BUFFER_FLAG_DISCONT);
    discont_ = false;
  }
  // Nobody's: who speaks in a mix is for others to find out.
  if (!is_mix()) {
    const RoomAudioTrack track = {request_->track.c_str(), request_->identity.c_str(),
                                  request_->name.c_str(), level_dbov, muted};
    const RoomAudioParticipant participant = {request_->metadata.c_str(),
                                              request_->attributes.c_str()};
    room_audio_buffer_set_track_of(buffer, &track, &participant);
  }
  const GstFlowReturn flow = gst_pad_push(pad_, buffer);
  if (flow != *flow_) {
    GST_DEBUG_OBJECT(pad_, "flow is %s now", gst_flow_get_name(flow));
    *flow_ = flow;
    discont_ = flow <= GST_FLOW_EOS;  // what is pushed next will not follow
  }
}

// The pool's buffers have a RoomAudioMeta, which those of a mix must not have.
GstBuffer* TrackPad::make_buffer(size_t bytes) {
  return is_mix() ? gst_buffer_new_allocate(nullptr, bytes, nullptr) : slices_.acquire(bytes);
}

void TrackPad::push_samples(const uint8_t* data, size_t bytes, GstClockTime pts,
                            GstClockTime duration, double level_dbov, bool muted) {
  if (*flow_ <= GST_FLOW_EOS) return;
  GstBuffer* buffer = make_buffer(bytes);
  gst_buffer_fill(buffer, 0, data, bytes);
  push(buffer, pts, duration, level_dbov, muted);
}

void TrackPad::push_silence(size_t bytes, GstClockTime pts, GstClockTime duration, bool muted) {
  if (*flow_ <= GST_FLOW_EOS) return;
  GstBuffer* buffer = make_buffer(bytes);
  gst_buffer_memset(buffer, 0, 0, bytes);
  GST_BUFFER_FLAG_SET(buffer, GST_BUFFER_FLAG_GAP);
  push(buffer, pts, duration, ROOM_AUDIO_SILENCE_DBOV, muted);
}

void TrackPad::push_gap_event(GstClockTime pts, GstClockTime duration) {
  if (*flow_ <= GST_FLOW_EOS || duration == 0) return;
  gst_pad_push_event(pad_, gst_event_new_gap(pts, duration));
}

void TrackPad::push_eos(guint32 seqnum) {
  GstEvent* const eos = gst_event_new_eos();
  if (seqnum != GST_SEQNUM_INVALID) gst_event_set_seqnum(eos, seqnum);
  gst_pad_push_event(pad_, eos);
}

}  // namespace livekit
