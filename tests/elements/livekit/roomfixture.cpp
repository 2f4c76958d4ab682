// SPDX-License-Identifier: LGPL-2.1-or-later
#include "roomfixture.h"

#include <algorithm>
#include <cstring>

namespace livekit::fake {

RoomElement::RoomElement(GstTestClock* clock) {
  element_ = gst_element_factory_make("livekitwssrc", nullptr);
  gst_object_ref_sink(element_);
  bus_ = gst_bus_new();
  gst_bus_set_sync_handler(bus_, on_message, this, nullptr);
  gst_element_set_bus(element_, bus_);
  gst_element_set_clock(element_, GST_CLOCK(clock));
  gst_element_set_base_time(element_, gst_clock_get_time(GST_CLOCK(clock)));
  g_signal_connect(element_, "pad-added", G_CALLBACK(on_pad_added), this);
  g_signal_connect(element_, "pad-removed", G_CALLBACK(on_pad_removed), this);
}

RoomElement::~RoomElement() {
  stop();
  gst_element_set_bus(element_, nullptr);
  gst_object_unref(element_);
  gst_object_unref(bus_);
  for (GstPad* sink : sinks_) gst_object_unref(sink);
}

GstStateChangeReturn RoomElement::play() {
  return gst_element_set_state(element_, GST_STATE_PLAYING);
}

void RoomElement::stop() {
  gst_element_set_state(element_, GST_STATE_NULL);
}

void RoomElement::on_pad_added(GstElement*, GstPad* pad, gpointer data) {
  auto* self = static_cast<RoomElement*>(data);
  gchar* name = gst_pad_get_name(pad);
  {
    const std::lock_guard lock(self->mutex_);
    self->pads_[name];
  }
  if (self->link_) {
    GstPad* sink = gst_pad_new(name, GST_PAD_SINK);
    gst_object_ref_sink(sink);
    gst_pad_set_element_private(sink, self);
    gst_pad_set_chain_function(sink, chain);
    gst_pad_set_event_function(sink, event);
    gst_pad_set_active(sink, TRUE);
    gst_pad_link(pad, sink);
    const std::lock_guard lock(self->mutex_);
    self->sinks_.push_back(sink);
    self->pads_[name].room_clocked = room_audio_pad_is_fed_by_room_clock(sink);
  }
  g_free(name);
}

void RoomElement::on_pad_removed(GstElement*, GstPad* pad, gpointer data) {
  auto* self = static_cast<RoomElement*>(data);
  gchar* name = gst_pad_get_name(pad);
  {
    const std::lock_guard lock(self->mutex_);
    self->pads_[name].removed = true;
  }
  g_free(name);
}

GstFlowReturn RoomElement::chain(GstPad* pad, GstObject*, GstBuffer* buffer) {
  auto* self = static_cast<RoomElement*>(gst_pad_get_element_private(pad));
  BufferSeen seen;
  seen.pts = GST_BUFFER_PTS(buffer);
  seen.duration = GST_BUFFER_DURATION(buffer);
  seen.bytes = gst_buffer_get_size(buffer);
  seen.gap = GST_BUFFER_FLAG_IS_SET(buffer, GST_BUFFER_FLAG_GAP);
  seen.discont = GST_BUFFER_FLAG_IS_SET(buffer, GST_BUFFER_FLAG_DISCONT);
  GstMapInfo map;
  if (gst_buffer_map(buffer, &map, GST_MAP_READ)) {
    if (map.size >= 2) std::memcpy(&seen.first_sample, map.data, 2);
    if (map.size >= 4) std::memcpy(&seen.second_sample, map.data + 2, 2);
    for (gsize i = 0; i < map.size; ++i) seen.all_zero &= map.data[i] == 0;
    gst_buffer_unmap(buffer, &map);
  }
  RoomAudioTrack track;
  seen.has_meta = room_audio_buffer_get_n_tracks(buffer) >= 0;
  RoomAudioParticipant participant = {};
  if (room_audio_buffer_get_participant(buffer, &participant)) {
    seen.attributes = participant.attributes;
  }
  if (room_audio_buffer_get_track(buffer, 0, &track)) {
    seen.identity = track.identity;
    seen.name = track.name;
    seen.track = track.track;
    seen.level_dbov = track.level_dbov;
    seen.muted = track.muted;
  }
  gst_buffer_unref(buffer);
  const std::lock_guard lock(self->mutex_);
  self->pads_[GST_OBJECT_NAME(pad)].buffers.push_back(std::move(seen));
  return self->answer_;
}

gboolean RoomElement::event(GstPad* pad, GstObject*, GstEvent* event) {
  auto* self = static_cast<RoomElement*>(gst_pad_get_element_private(pad));
  const std::lock_guard lock(self->mutex_);
  PadSeen& seen = self->pads_[GST_OBJECT_NAME(pad)];
  seen.events.push_back(GST_EVENT_TYPE_NAME(event));
  switch (GST_EVENT_TYPE(event)) {
    case GST_EVENT_STREAM_START: {
      const gchar* id = nullptr;
      gst_event_parse_stream_start(event, &id);
      seen.stream_id = id;
      gst_event_parse_group_id(event, &seen.group_id);
      if (room_audio_event_get_room_clock(event, &id, &seen.slice)) seen.clock_id = id;
      break;
    }
    case GST_EVENT_CAPS: {
      GstCaps* caps = nullptr;
      gst_event_parse_caps(event, &caps);
      gchar* text = gst_caps_to_string(caps);
      seen.caps = text;
      g_free(text);
      break;
    }
    case GST_EVENT_TAG: {
      GstTagList* tags = nullptr;
      gst_event_parse_tag(event, &tags);
      gchar* title = nullptr;
      if (gst_tag_list_get_string(tags, GST_TAG_TITLE, &title)) seen.title = title;
      g_free(title);
      seen.comment.clear();
      for (guint i = 0; i < gst_tag_list_get_tag_size(tags, GST_TAG_EXTENDED_COMMENT); ++i) {
        const gchar* comment = nullptr;
        gst_tag_list_peek_string_index(tags, GST_TAG_EXTENDED_COMMENT, i, &comment);
        seen.comment += (i == 0 ? "" : ", ") + std::string(comment);
      }
      break;
    }
    case GST_EVENT_GAP: {
      GstClockTime pts = 0;
      GstClockTime duration = 0;
      gst_event_parse_gap(event, &pts, &duration);
      seen.gaps.emplace_back(pts, duration);
      break;
    }
    case GST_EVENT_EOS:
      seen.eos = true;
      seen.eos_seqnum = gst_event_get_seqnum(event);
      break;
    default:
      break;
  }
  gst_event_unref(event);
  return TRUE;
}

PadSeen RoomElement::seen(const std::string& pad) {
  const std::lock_guard lock(mutex_);
  return pads_.contains(pad) ? pads_[pad] : PadSeen{};
}

size_t RoomElement::pads() {
  const std::lock_guard lock(mutex_);
  return pads_.size();
}

// In the thread that posts: a message's fields are read where they were written.
GstBusSyncReply RoomElement::on_message(GstBus*, GstMessage* message, gpointer data) {
  auto* self = static_cast<RoomElement*>(data);
  const GstStructure* structure = gst_message_get_structure(message);
  const std::lock_guard lock(self->mutex_);
  GError* error = nullptr;
  if (GST_MESSAGE_TYPE(message) == GST_MESSAGE_ELEMENT &&
      gst_structure_has_name(structure, "livekit-track")) {
    self->messages_.push_back(std::string(gst_structure_get_string(structure, "event")) + " " +
                              gst_structure_get_string(structure, "identity"));
  } else if (GST_MESSAGE_TYPE(message) == GST_MESSAGE_ELEMENT &&
             gst_structure_has_name(structure, "livekit-egress")) {
    self->messages_.push_back(std::string("egress ") +
                              gst_structure_get_string(structure, "event") + " " +
                              gst_structure_get_string(structure, "identity"));
  } else {
    self->messages_.push_back(GST_MESSAGE_TYPE_NAME(message));
  }
  if (structure) {
    gchar* text = gst_structure_to_string(structure);
    self->all_messages_ += std::string(text) + "\n";
    g_free(text);
  }
  if (GST_MESSAGE_TYPE(message) == GST_MESSAGE_WARNING) {
    gst_message_parse_warning(message, &error, nullptr);
    self->last_warning_ = error->message;
  } else if (GST_MESSAGE_TYPE(message) == GST_MESSAGE_ERROR) {
    gst_message_parse_error(message, &error, nullptr);
    self->last_error_ = error->message;
  }
  g_clear_error(&error);
  gst_message_unref(message);
  return GST_BUS_DROP;
}

std::string RoomElement::last_warning() {
  const std::lock_guard lock(mutex_);
  return last_warning_;
}

std::string RoomElement::last_error() {
  const std::lock_guard lock(mutex_);
  return last_error_;
}

std::string RoomElement::all_messages() {
  const std::lock_guard lock(mutex_);
  return all_messages_;
}

bool RoomElement::has_message(const std::string& text) {
  const std::lock_guard lock(mutex_);
  return std::find(messages_.begin(), messages_.end(), text) != messages_.end();
}

GstStructure* RoomElement::stats() {
  GstStructure* stats = nullptr;
  g_object_get(element_, "stats", &stats, nullptr);
  return stats;
}

guint64 RoomElement::stat(const char* field) {
  GstStructure* all = stats();
  guint64 value = G_MAXUINT64;
  gst_structure_get_uint64(all, field, &value);
  gst_structure_free(all);
  return value;
}

void RoomTest::SetUpTestSuite() {
  gst_init(nullptr, nullptr);
  GST_ELEMENT_REGISTER(livekitwssrc, nullptr);
}

void RoomTest::SetUp() {
  clock_ = GST_TEST_CLOCK(gst_test_clock_new());
  room_ = std::make_unique<RoomElement>(clock_);
}

void RoomTest::TearDown() {
  room_.reset();
  gst_object_unref(clock_);
}

void RoomTest::settle() {
  GstClockID id = nullptr;
  gst_test_clock_wait_for_next_pending_id(clock_, &id);
  gst_clock_id_unref(id);
  // The clock's own locking is invisible to the thread sanitizer; the room's is not.
  if (room_) gst_structure_free(room_->stats());
}

void RoomTest::tick(int slices) {
  for (int i = 0; i < slices; ++i) {
    settle();
    gst_test_clock_crank(clock_);
    settle();
  }
}

}  // namespace livekit::fake
