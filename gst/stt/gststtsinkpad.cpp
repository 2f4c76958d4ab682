/* gst-plugins-egress: a request pad of sttsink
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Follows one stream: its caps, segment, tags and end. Hands its audio, in running time, to the
 * input of the running session.
 */
#include "gststtsinkpad.h"

#include <gst/audio/audio.h>

#include "carriedtracks.h"
#include "gststtsink.h"
#include "roomaudio/roomaudio.h"

GST_DEBUG_CATEGORY_STATIC(gst_stt_sink_pad_debug);
#define GST_CAT_DEFAULT gst_stt_sink_pad_debug

namespace {

enum { PROP_0, PROP_IDENTITY, PROP_DISPLAY_NAME, PROP_TRACK };

struct PadPrivate {
  std::mutex lock;
  std::shared_ptr<stt::Session> session;  // lock
  stt::Session::Input input;              // lock; none while nothing is linked
  stt::Speaker given;                     // lock; by properties

  // The streaming thread's.
  GstSegment segment = {};
  GstAudioInfo info = {};
  std::string stream_id;
  std::string title;
  std::string artist;
  bool of_room = false;
  bool liveness_known = false;
  bool live = false;
  std::weak_ptr<stt::SpeechInput> ended;  // the input whose stream has ended
  int64_t next_ns = 0;                    // running time after the last buffer

  stt::CarriedTracks carried;  // locks itself
};

}  // namespace

struct _GstSttSinkPad {
  GstPad parent;
  PadPrivate* priv;
};

G_DEFINE_TYPE_WITH_CODE(GstSttSinkPad, gst_stt_sink_pad, GST_TYPE_PAD,
                        GST_DEBUG_CATEGORY_INIT(gst_stt_sink_pad_debug, "sttsinkpad", 0,
                                                "request pads of sttsink"))

namespace {

struct Stream {
  std::shared_ptr<stt::Session> session;
  stt::Session::Input input;
  explicit operator bool() const { return session && input; }
};

Stream current_stream(PadPrivate* priv) {
  const std::lock_guard guard(priv->lock);
  return {priv->session, priv->input};
}

// The stream's input, made when data comes before the link was noticed (or without a link).
Stream ensure_stream(PadPrivate* priv) {
  const std::lock_guard guard(priv->lock);
  if (priv->session && !priv->input) priv->input = priv->session->add_input();
  return {priv->session, priv->input};
}

void drop_input(PadPrivate* priv) {
  Stream gone;
  {
    const std::lock_guard guard(priv->lock);
    gone = {priv->session, std::move(priv->input)};
    priv->input.reset();
  }
  if (!gone) return;
  priv->carried.end(*gone.session);
  gone.session->remove_input(gone.input);
}

// What the application says about the pad comes first, then what the stream says about itself.
// Tags of a file tell a title and an artist of something else.
void update_default_speaker(PadPrivate* priv) {
  const Stream stream = current_stream(priv);
  if (!stream) return;
  stt::Speaker speaker;
  if (priv->of_room || priv->live) {
    speaker = {priv->of_room ? priv->stream_id : std::string(), priv->artist, priv->title};
  }
  {
    const std::lock_guard guard(priv->lock);
    if (!priv->given.track.empty()) speaker.track = priv->given.track;
    if (!priv->given.identity.empty()) speaker.identity = priv->given.identity;
    if (!priv->given.name.empty()) speaker.name = priv->given.name;
  }
  stream.input->set_default_speaker(speaker);
}

bool upstream_is_live(GstPad* pad) {
  GstQuery* query = gst_query_new_latency();
  gboolean live = FALSE;
  if (gst_pad_peer_query(pad, query)) gst_query_parse_latency(query, &live, nullptr, nullptr);
  gst_query_unref(query);
  return live;
}

int64_t running_time_of(PadPrivate* priv, GstClockTime time) {
  if (!GST_CLOCK_TIME_IS_VALID(time) || priv->segment.format != GST_FORMAT_TIME) {
    return priv->next_ns;
  }
  const guint64 running = gst_segment_to_running_time(&priv->segment, GST_FORMAT_TIME, time);
  return GST_CLOCK_TIME_IS_VALID(running) ? int64_t(running) : -1;
}

int64_t duration_of(PadPrivate* priv, GstBuffer* buffer) {
  if (GST_BUFFER_DURATION_IS_VALID(buffer) && gst_buffer_get_size(buffer) == 0) {
    return int64_t(GST_BUFFER_DURATION(buffer));
  }
  return int64_t(gst_util_uint64_scale_int(gst_buffer_get_size(buffer) / guint(priv->info.bpf),
                                           GST_SECOND, priv->info.rate));
}

// The part of the buffer that lies in the segment, or nullptr.
GstBuffer* clipped(PadPrivate* priv, GstBuffer* buffer) {
  if (priv->segment.format != GST_FORMAT_TIME || !GST_BUFFER_PTS_IS_VALID(buffer)) return buffer;
  const GstClockTime start = GST_BUFFER_PTS(buffer);
  const GstClockTime end = start + GstClockTime(duration_of(priv, buffer));
  const bool inside = start >= priv->segment.start &&
                      (!GST_CLOCK_TIME_IS_VALID(priv->segment.stop) || end <= priv->segment.stop);
  if (inside) return buffer;
  return gst_audio_buffer_clip(buffer, &priv->segment, priv->info.rate, priv->info.bpf);
}

GstFlowReturn chain(GstPad* pad, GstObject* parent, GstBuffer* buffer) {
  PadPrivate* priv = GST_STT_SINK_PAD(pad)->priv;
  const Stream stream = ensure_stream(priv);
  if (!stream) {
    gst_buffer_unref(buffer);
    return GST_FLOW_FLUSHING;
  }
  if (!priv->info.finfo || !stream.input->has_format()) {
    if (!priv->info.finfo || !stream.input->set_format(priv->info)) {
      gst_buffer_unref(buffer);
      return GST_FLOW_NOT_NEGOTIATED;
    }
  }
  if (!priv->liveness_known) {
    priv->liveness_known = true;
    priv->live = upstream_is_live(pad);
    stream.input->set_live(priv->live);
    GST_DEBUG_OBJECT(pad, "upstream is %slive", priv->live ? "" : "not ");
    update_default_speaker(priv);
  }
  // Only who can wait is made to: a live source goes on, its audio is queued.
  if (!priv->live && !stream.session->wait_for_space(stream.input)) {
    gst_buffer_unref(buffer);
    return GST_FLOW_FLUSHING;
  }
  if (stream.session->failed()) {
    gst_buffer_unref(buffer);
    return GST_FLOW_ERROR;
  }
  buffer = clipped(priv, buffer);
  if (!buffer) return GST_FLOW_OK;
  const int64_t time_ns = running_time_of(priv, GST_BUFFER_PTS(buffer));
  const int64_t duration_ns = duration_of(priv, buffer);
  if (time_ns >= 0) {
    if (stream.session->use_tracks() &&
        priv->carried.take(*stream.session, buffer, time_ns, time_ns + duration_ns, priv->live)) {
      stream.input->push_gap(time_ns, duration_ns);
    } else {
      stream.input->push(buffer, time_ns, duration_ns);
    }
    priv->next_ns = time_ns + duration_ns;
  }
  gst_buffer_unref(buffer);
  return GST_FLOW_OK;
}

void begin_stream(GstSttSinkPad* self, GstEvent* event) {
  PadPrivate* priv = self->priv;
  const Stream stream = ensure_stream(priv);
  if (stream && priv->ended.lock() == stream.input) {
    // A new stream on a linked pad after the end of the last one.
    drop_input(priv);
    ensure_stream(priv);
  }
  priv->ended.reset();
  priv->liveness_known = false;
  priv->title.clear();
  priv->artist.clear();
  const gchar* stream_id = nullptr;
  const gchar* clock_id = nullptr;
  GstClockTime slice = 0;
  gst_event_parse_stream_start(event, &stream_id);
  priv->of_room = room_audio_event_get_room_clock(event, &clock_id, &slice);
  priv->stream_id = stream_id ? stream_id : "";
  update_default_speaker(priv);
  GstObject* parent = gst_pad_get_parent(GST_PAD(self));
  if (!parent) return;
  gst_stt_sink_stream_started(GST_STT_SINK(parent), event);
  gst_object_unref(parent);
}

void read_tags(PadPrivate* priv, GstEvent* event) {
  GstTagList* tags = nullptr;
  gst_event_parse_tag(event, &tags);
  for (const auto& [tag, text] :
       {std::pair(GST_TAG_TITLE, &priv->title), std::pair(GST_TAG_ARTIST, &priv->artist)}) {
    gchar* value = nullptr;
    if (gst_tag_list_get_string(tags, tag, &value)) text->assign(value);
    g_free(value);
  }
  update_default_speaker(priv);
}

bool take_caps(PadPrivate* priv, GstEvent* event) {
  GstCaps* caps = nullptr;
  gst_event_parse_caps(event, &caps);
  if (!gst_audio_info_from_caps(&priv->info, caps)) return false;
  const Stream stream = ensure_stream(priv);
  return !stream || stream.input->set_format(priv->info);
}

void take_gap(PadPrivate* priv, GstEvent* event) {
  GstClockTime time = 0;
  GstClockTime duration = 0;
  gst_event_parse_gap(event, &time, &duration);
  const Stream stream = ensure_stream(priv);
  const int64_t time_ns = running_time_of(priv, time);
  if (!stream || time_ns < 0 || !GST_CLOCK_TIME_IS_VALID(duration)) return;
  stream.input->push_gap(time_ns, int64_t(duration));
  priv->next_ns = time_ns + int64_t(duration);
}

void flush_stop(PadPrivate* priv) {
  const Stream stream = current_stream(priv);
  gst_segment_init(&priv->segment, GST_FORMAT_UNDEFINED);
  priv->ended.reset();
  priv->next_ns = 0;
  if (!stream) return;
  priv->carried.flush(*stream.session);
  const stt::Session::Input fresh = stream.session->replace_input(stream.input);
  {
    const std::lock_guard guard(priv->lock);
    priv->input = fresh;
  }
  fresh->set_live(priv->live);
  if (priv->info.finfo) fresh->set_format(priv->info);
  update_default_speaker(priv);
}

gboolean handle_event(GstPad* pad, GstObject* parent, GstEvent* event) {
  GstSttSinkPad* self = GST_STT_SINK_PAD(pad);
  PadPrivate* priv = self->priv;
  GST_LOG_OBJECT(pad, "%" GST_PTR_FORMAT, event);
  gboolean accepted = TRUE;
  switch (GST_EVENT_TYPE(event)) {
    case GST_EVENT_STREAM_START:
      begin_stream(self, event);
      break;
    case GST_EVENT_CAPS:
      accepted = take_caps(priv, event);
      break;
    case GST_EVENT_SEGMENT:
      gst_event_copy_segment(event, &priv->segment);
      break;
    case GST_EVENT_TAG:
      read_tags(priv, event);
      break;
    case GST_EVENT_GAP:
      take_gap(priv, event);
      break;
    case GST_EVENT_EOS: {
      const Stream stream = ensure_stream(priv);
      priv->ended = stream.input;
      // A live stream that ends on its own may be a participant who leaves.
      if (!priv->liveness_known && stream) priv->live = upstream_is_live(pad);
      if (stream) {
        priv->carried.end(*stream.session);
        stream.session->end_input(stream.input, gst_event_get_seqnum(event),
                                  priv->of_room || priv->live);
      }
      break;
    }
    case GST_EVENT_FLUSH_START:
      if (const Stream stream = current_stream(priv)) {
        stream.session->set_flushing(stream.input, true);
      }
      break;
    case GST_EVENT_FLUSH_STOP:
      flush_stop(priv);
      break;
    default:
      return gst_pad_event_default(pad, parent, event);
  }
  gst_event_unref(event);
  return accepted;
}

void linked(GstPad* pad, GstPad* peer) {
  // Until it ends or goes, a linked stream keeps the pipeline's end waiting.
  ensure_stream(GST_STT_SINK_PAD(pad)->priv);
}

void unlinked(GstPad* pad, GstPad* peer) {
  GST_DEBUG_OBJECT(pad, "unlinked");
  drop_input(GST_STT_SINK_PAD(pad)->priv);
}

}  // namespace

void gst_stt_sink_pad_use_session(GstSttSinkPad* pad,
                                  const std::shared_ptr<stt::Session>& session) {
  PadPrivate* priv = pad->priv;
  {
    const std::lock_guard guard(priv->lock);
    priv->session = session;
    priv->input.reset();
  }
  if (session) {
    gst_segment_init(&priv->segment, GST_FORMAT_UNDEFINED);
    priv->info = {};
    priv->liveness_known = priv->live = priv->of_room = false;
    priv->ended.reset();
    priv->next_ns = 0;
    priv->carried.forget();
    if (gst_pad_is_linked(GST_PAD(pad))) ensure_stream(priv);
  }
}

void gst_stt_sink_pad_leave(GstSttSinkPad* pad) {
  drop_input(pad->priv);
}

GstStructure* gst_stt_sink_pad_stats(GstSttSinkPad* pad) {
  const Stream stream = current_stream(pad->priv);
  if (!stream) return nullptr;
  const stt::TranscriberStats stats = stream.input->stats();
  const stt::Speaker speaker = stream.input->speaker();
  gchar* name = gst_pad_get_name(pad);
  GstStructure* structure = gst_structure_new(
      "pad", "pad", G_TYPE_STRING, name, "track", G_TYPE_STRING,
      stt::valid_utf8(speaker.track).c_str(), "identity", G_TYPE_STRING,
      stt::valid_utf8(speaker.identity).c_str(), "live", G_TYPE_BOOLEAN,
      gboolean(stream.input->live()), "partials", G_TYPE_UINT64, guint64(stats.partials),
      "partials-dropped", G_TYPE_UINT64, guint64(stats.partials_dropped), "finals", G_TYPE_UINT64,
      guint64(stats.finals), "finals-dropped", G_TYPE_UINT64, guint64(stats.finals_dropped), "lost",
      G_TYPE_UINT64, guint64(stats.lost_ns), "queued", G_TYPE_UINT64, guint64(stats.queued_ns),
      nullptr);
  g_free(name);
  return structure;
}

static void gst_stt_sink_pad_set_property(GObject* object, guint id, const GValue* value,
                                          GParamSpec* spec) {
  PadPrivate* priv = GST_STT_SINK_PAD(object)->priv;
  const gchar* text = g_value_get_string(value);
  const std::lock_guard guard(priv->lock);
  switch (id) {
    case PROP_IDENTITY:
      priv->given.identity = text ? text : "";
      break;
    case PROP_DISPLAY_NAME:
      priv->given.name = text ? text : "";
      break;
    case PROP_TRACK:
      priv->given.track = text ? text : "";
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID(object, id, spec);
  }
}

static void gst_stt_sink_pad_get_property(GObject* object, guint id, GValue* value,
                                          GParamSpec* spec) {
  PadPrivate* priv = GST_STT_SINK_PAD(object)->priv;
  const std::lock_guard guard(priv->lock);
  switch (id) {
    case PROP_IDENTITY:
      g_value_set_string(value, priv->given.identity.c_str());
      break;
    case PROP_DISPLAY_NAME:
      g_value_set_string(value, priv->given.name.c_str());
      break;
    case PROP_TRACK:
      g_value_set_string(value, priv->given.track.c_str());
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID(object, id, spec);
  }
}

static void gst_stt_sink_pad_constructed(GObject* object) {
  G_OBJECT_CLASS(gst_stt_sink_pad_parent_class)->constructed(object);
  GstPad* pad = GST_PAD(object);
  gst_pad_set_chain_function(pad, chain);
  gst_pad_set_event_function(pad, handle_event);
}

static void gst_stt_sink_pad_finalize(GObject* object) {
  delete GST_STT_SINK_PAD(object)->priv;
  G_OBJECT_CLASS(gst_stt_sink_pad_parent_class)->finalize(object);
}

static void gst_stt_sink_pad_init(GstSttSinkPad* self) {
  self->priv = new PadPrivate();
}

static void gst_stt_sink_pad_class_init(GstSttSinkPadClass* klass) {
  GObjectClass* object_class = G_OBJECT_CLASS(klass);
  object_class->constructed = gst_stt_sink_pad_constructed;
  object_class->finalize = gst_stt_sink_pad_finalize;
  object_class->set_property = gst_stt_sink_pad_set_property;
  object_class->get_property = gst_stt_sink_pad_get_property;
  GstPadClass* pad_class = GST_PAD_CLASS(klass);
  pad_class->linked = linked;
  pad_class->unlinked = unlinked;
  constexpr auto flags = GParamFlags(G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS);
  g_object_class_install_property(
      object_class, PROP_IDENTITY,
      g_param_spec_string("identity", "Identity",
                          "Whose audio this is when no meta tells (empty = not known); from the "
                          "next stream on",
                          "", flags));
  g_object_class_install_property(
      object_class, PROP_DISPLAY_NAME,
      g_param_spec_string("display-name", "Display name",
                          "Name for captions when no meta tells (empty = the identity); from the "
                          "next stream on",
                          "", flags));
  g_object_class_install_property(
      object_class, PROP_TRACK,
      g_param_spec_string("track", "Track",
                          "Track id for results when no meta tells (empty = not known); from the "
                          "next stream on",
                          "", flags));
}
