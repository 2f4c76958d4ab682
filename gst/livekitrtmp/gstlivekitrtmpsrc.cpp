// SPDX-License-Identifier: LGPL-2.1-or-later
/**
 * SECTION:element-livekitrtmpsrc
 *
 * A server for LiveKit's Room Composite Egress over RTMP, without an RTMP server: it listens, takes
 * one publisher, and gives what he publishes as FLV. Nobody publishing is a normal state. A
 * publisher who goes and comes back continues the same stream: one header, no EOS, timestamps that
 * never go back and keep the time that passed.
 *
 * Timestamps, of buffers and in the FLV, are running time: a publisher's first frame lies where it
 * arrives, and from there on his own timestamps count.
 *
 * ## Messages
 * `livekit-publisher` (element message):
 * * `event` (string): added, removed, lost (the connection broke, timed out, or broke the
 * protocol), refused, stalled (nothing came for a second), resumed
 * * `path`, `stream`, `remote`, `reason` (string), `status` (uint, of refused)
 * * `gap` (uint64, ns, of added: so long nothing had come), `running-time` (uint64, ns),
 *   `utc` (string, ISO 8601)
 *
 * One bad publisher gives a warning that names him, never an error.
 *
 * ## Signals
 * `caller-connecting` (accept or refuse), `caller-added`, `caller-removed`, `caller-rejected`.
 *
 * ## Example
 * |[
 * gst-launch-1.0 -e livekitrtmpsrc port=1935 path=/live/standup ! flvdemux ! decodebin !
 * audioconvert ! sttsink location=standup.vtt
 * ]| Live captions of a room; LiveKit's egress publishes to rtmp://HOST/live/standup.
 */
#include "gstlivekitrtmpsrc.h"

#include <atomic>
#include <memory>
#include <mutex>
#include <string>

#include "flvstream.h"
#include "listener.h"
#include "livekit/callersignals.h"
#include "livekitrtmpsrcproperties.h"
#include "receiver.h"

GST_DEBUG_CATEGORY(gst_livekit_rtmp_src_debug);
#define GST_CAT_DEFAULT gst_livekit_rtmp_src_debug

namespace {

// Nothing for so long is a stall; with nobody publishing, time is moved on so often.
constexpr gint64 kQuietUs = 1000000;

livekit::CallerSignals caller_signals;

GstStaticPadTemplate src_template =
    GST_STATIC_PAD_TEMPLATE("src", GST_PAD_SRC, GST_PAD_ALWAYS, GST_STATIC_CAPS("video/x-flv"));

// The receiver's events as signals of the element.
class SignalEmitter final : public rtmp::ReceiverObserver {
 public:
  explicit SignalEmitter(GstElement* element) : element_(element) {}

  bool on_caller_connecting(const GstStructure* caller) override {
    return caller_signals.emit_connecting(element_, caller);
  }
  void on_caller_added(const GstStructure* caller) override {
    caller_signals.emit_added(element_, caller);
  }
  void on_caller_removed(const GstStructure* caller) override {
    caller_signals.emit_removed(element_, caller);
  }
  void on_caller_rejected(const GstStructure* caller) override {
    caller_signals.emit_rejected(element_, caller);
  }

 private:
  GstElement* const element_;
};

struct LivekitRtmpSrcPrivate {
  explicit LivekitRtmpSrcPrivate(GstElement* element) : emitter(element) {}

  SignalEmitter emitter;

  // Streaming thread, and start().
  std::unique_ptr<rtmp::FlvStream> stream;
  bool stalled = false;
  bool frame_pushed = false;

  std::mutex mutex;  // guards all below
  rtmp::Settings settings;
  guint16 bound_port = 0;  // 0 = not listening
  std::shared_ptr<rtmp::Listener> listener;
  std::shared_ptr<rtmp::Receiver> receiver;
};

}  // namespace

struct _GstLivekitRtmpSrc {
  GstPushSrc parent;
  LivekitRtmpSrcPrivate* priv;
};

G_DEFINE_TYPE(GstLivekitRtmpSrc, gst_livekit_rtmp_src, GST_TYPE_PUSH_SRC)
GST_ELEMENT_REGISTER_DEFINE(livekitrtmpsrc, "livekitrtmpsrc", GST_RANK_NONE,
                            GST_TYPE_LIVEKIT_RTMP_SRC)

namespace {

std::shared_ptr<rtmp::Receiver> receiver_of(GstLivekitRtmpSrc* self) {
  const std::lock_guard lock(self->priv->mutex);
  return self->priv->receiver;
}

void set_property(GObject* object, guint id, const GValue* value, GParamSpec* spec) {
  LivekitRtmpSrcPrivate* priv = GST_LIVEKIT_RTMP_SRC(object)->priv;
  const std::lock_guard lock(priv->mutex);
  if (!rtmp::set_property(priv->settings, id, value))
    G_OBJECT_WARN_INVALID_PROPERTY_ID(object, id, spec);
}

void get_property(GObject* object, guint id, GValue* value, GParamSpec* spec) {
  LivekitRtmpSrcPrivate* priv = GST_LIVEKIT_RTMP_SRC(object)->priv;
  const std::lock_guard lock(priv->mutex);
  if (id == rtmp::PROP_STATS) {
    g_value_take_boxed(value, priv->receiver ? priv->receiver->stats()
                                             : gst_structure_new_empty("livekitrtmpsrc-stats"));
  } else if (id == livekit::PROP_PORT && priv->bound_port) {
    g_value_set_uint(value, priv->bound_port);
  } else if (!rtmp::get_property(priv->settings, id, value)) {
    G_OBJECT_WARN_INVALID_PROPERTY_ID(object, id, spec);
  }
}

// Opens the door, so that a port in use or a bad certificate is an error before PLAYING.
gboolean start(GstBaseSrc* src) {
  GstLivekitRtmpSrc* self = GST_LIVEKIT_RTMP_SRC(src);
  LivekitRtmpSrcPrivate* priv = self->priv;
  rtmp::Settings settings;
  {
    const std::lock_guard lock(priv->mutex);
    settings = priv->settings;
  }
  std::string error;
  std::shared_ptr<rtmp::Listener> listener = rtmp::Listener::acquire(settings.listener, error);
  if (!listener) {
    GST_ELEMENT_ERROR(self, RESOURCE, OPEN_READ, ("%s", error.c_str()),
                      ("listening on %s:%u", settings.listener.address.c_str(),
                       unsigned(settings.listener.port)));
    return FALSE;
  }
  priv->stream = std::make_unique<rtmp::FlvStream>(settings.audio_only);
  priv->stalled = false;
  priv->frame_pushed = false;
  auto receiver = std::make_shared<rtmp::Receiver>(
      GST_ELEMENT(self), &priv->emitter,
      rtmp::ReceiverConfig{settings.route.path, settings.max_queue_bytes, settings.audio_only});
  receiver->set_listener(listener);
  {
    const std::lock_guard lock(priv->mutex);
    priv->listener = listener;
    priv->receiver = receiver;
    priv->bound_port = listener->port();
  }
  if (!listener->add_route(settings.route, receiver.get(), error)) {
    GST_ELEMENT_ERROR(
        self, RESOURCE, BUSY, ("%s", error.c_str()),
        ("path %s on port %u", settings.route.path.c_str(), unsigned(listener->port())));
    const std::lock_guard lock(priv->mutex);
    priv->receiver.reset();
    priv->listener.reset();
    priv->bound_port = 0;
    return FALSE;
  }
  GST_INFO_OBJECT(self, "listening on %s:%u", settings.listener.address.c_str(),
                  unsigned(listener->port()));
  return TRUE;
}

gboolean stop(GstBaseSrc* src) {
  LivekitRtmpSrcPrivate* priv = GST_LIVEKIT_RTMP_SRC(src)->priv;
  std::shared_ptr<rtmp::Listener> listener;
  std::shared_ptr<rtmp::Receiver> receiver;
  {
    const std::lock_guard lock(priv->mutex);
    listener = priv->listener;
    receiver = priv->receiver;
  }
  if (!listener) return TRUE;
  listener->remove_route(receiver.get());
  receiver->shut_down();
  // Destroyed after the lock is released.
  const std::lock_guard lock(priv->mutex);
  priv->listener.reset();
  priv->receiver.reset();
  priv->bound_port = 0;
  return TRUE;
}

// Of what came `age_us` ago.
gint64 running_time_ms(GstLivekitRtmpSrc* self, gint64 age_us = 0) {
  const GstClockTime now = gst_element_get_current_running_time(GST_ELEMENT(self));
  return GST_CLOCK_TIME_IS_VALID(now) ? (gint64(now / GST_USECOND) - age_us) / 1000 : 0;
}

// The second after which nothing has come is over.
void on_quiet(GstLivekitRtmpSrc* self, rtmp::Receiver& receiver) {
  LivekitRtmpSrcPrivate* priv = self->priv;
  if (priv->stream->has_publisher()) {
    if (!priv->stalled && priv->frame_pushed) {
      priv->stalled = true;
      receiver.report_stalled(true);
    }
    return;
  }
  // So that whoever waits for more of a sentence knows that there is none.
  const auto gap = priv->stream->idle(running_time_ms(self));
  if (!gap || !priv->frame_pushed) return;
  gst_pad_push_event(GST_BASE_SRC_PAD(self), gst_event_new_gap(gap->start_ms * GST_MSECOND,
                                                               gap->duration_ms * GST_MSECOND));
}

GstBuffer* wrap(std::vector<uint8_t> bytes) {
  auto owner = std::make_unique<std::vector<uint8_t>>(std::move(bytes));
  std::vector<uint8_t>* const memory = owner.release();
  return gst_buffer_new_wrapped_full(
      GstMemoryFlags(0), memory->data(), memory->size(), 0, memory->size(), memory,
      [](gpointer data) {
        std::unique_ptr<std::vector<uint8_t>>(static_cast<std::vector<uint8_t>*>(data)).reset();
      });
}

GstBuffer* hand_out(GstLivekitRtmpSrc* self, rtmp::FlvPiece piece) {
  if (piece.first_frame) {
    // Demuxers begin their segment at the first frame; this makes its running time the true one.
    GstSegment segment;
    gst_segment_init(&segment, GST_FORMAT_TIME);
    segment.start = GstClockTime(piece.time_ms) * GST_MSECOND;
    segment.time = segment.base = segment.position = segment.start;
    gst_base_src_new_segment(GST_BASE_SRC(self), &segment);
  }
  if (!piece.configuration) self->priv->frame_pushed = true;
  const bool header = piece.bytes.front() == 'F';
  GstBuffer* buffer = wrap(std::move(piece.bytes));
  GST_BUFFER_PTS(buffer) = GstClockTime(piece.time_ms) * GST_MSECOND;
  GST_BUFFER_DTS(buffer) = GST_BUFFER_PTS(buffer);
  if (piece.discont || header) GST_BUFFER_FLAG_SET(buffer, GST_BUFFER_FLAG_DISCONT);
  if (piece.configuration) GST_BUFFER_FLAG_SET(buffer, GST_BUFFER_FLAG_HEADER);
  return buffer;
}

GstFlowReturn create(GstPushSrc* src, GstBuffer** out) {
  GstLivekitRtmpSrc* self = GST_LIVEKIT_RTMP_SRC(src);
  LivekitRtmpSrcPrivate* priv = self->priv;
  const std::shared_ptr<rtmp::Receiver> receiver = receiver_of(self);
  if (!receiver) return GST_FLOW_FLUSHING;
  while (true) {
    rtmp::QueuedMedia item;
    switch (receiver->queue().pop(item, kQuietUs)) {
      case rtmp::MediaQueue::Popped::kFlushing:
        return GST_FLOW_FLUSHING;
      case rtmp::MediaQueue::Popped::kEnded: {
        auto piece = priv->stream->finish(running_time_ms(self));
        if (!piece) return GST_FLOW_EOS;
        *out = hand_out(self, std::move(*piece));
        return GST_FLOW_OK;
      }
      case rtmp::MediaQueue::Popped::kTimeout:
        on_quiet(self, *receiver);
        continue;
      case rtmp::MediaQueue::Popped::kItem:
        break;
    }
    const bool media = item.event == rtmp::QueuedMedia::Event::kMedia;
    if (priv->stalled && media) receiver->report_stalled(false);
    priv->stalled = false;
    const gint64 age_us = g_get_monotonic_time() - item.arrival_us;
    auto piece = priv->stream->take(std::move(item), running_time_ms(self, age_us));
    if (!piece) continue;
    if (!piece->configuration) receiver->report_lateness(piece->lateness_ms);
    *out = hand_out(self, std::move(*piece));
    return GST_FLOW_OK;
  }
}

gboolean unlock(GstBaseSrc* src) {
  if (const auto receiver = receiver_of(GST_LIVEKIT_RTMP_SRC(src))) {
    receiver->queue().set_flushing(true);
  }
  return TRUE;
}

gboolean unlock_stop(GstBaseSrc* src) {
  if (const auto receiver = receiver_of(GST_LIVEKIT_RTMP_SRC(src))) {
    receiver->queue().set_flushing(false);
  }
  return TRUE;
}

GstStateChangeReturn change_state(GstElement* element, GstStateChange transition) {
  if (transition == GST_STATE_CHANGE_PLAYING_TO_PAUSED ||
      transition == GST_STATE_CHANGE_PAUSED_TO_PLAYING) {
    if (const auto receiver = receiver_of(GST_LIVEKIT_RTMP_SRC(element))) {
      receiver->set_paused(transition == GST_STATE_CHANGE_PLAYING_TO_PAUSED);
    }
  }
  return GST_ELEMENT_CLASS(gst_livekit_rtmp_src_parent_class)->change_state(element, transition);
}

gboolean is_seekable(GstBaseSrc*) {
  return FALSE;
}

gboolean query(GstBaseSrc* src, GstQuery* query) {
  if (GST_QUERY_TYPE(query) != GST_QUERY_LATENCY) {
    return GST_BASE_SRC_CLASS(gst_livekit_rtmp_src_parent_class)->query(src, query);
  }
  LivekitRtmpSrcPrivate* priv = GST_LIVEKIT_RTMP_SRC(src)->priv;
  const std::lock_guard lock(priv->mutex);
  gst_query_set_latency(query, TRUE, priv->settings.latency_ms * GST_MSECOND, GST_CLOCK_TIME_NONE);
  return TRUE;
}

// The publisher is let go, what he sent goes out, then EOS.
gboolean send_event(GstElement* element, GstEvent* event) {
  LivekitRtmpSrcPrivate* priv = GST_LIVEKIT_RTMP_SRC(element)->priv;
  std::shared_ptr<rtmp::Listener> listener;
  std::shared_ptr<rtmp::Receiver> receiver;
  {
    const std::lock_guard lock(priv->mutex);
    listener = priv->listener;
    receiver = priv->receiver;
  }
  if (GST_EVENT_TYPE(event) != GST_EVENT_EOS || !receiver) {
    return GST_ELEMENT_CLASS(gst_livekit_rtmp_src_parent_class)->send_event(element, event);
  }
  gst_event_unref(event);
  receiver->queue().end();
  listener->close_route(receiver.get(), "the receiver has ended the stream");
  return TRUE;
}

void finalize(GObject* object) {
  delete GST_LIVEKIT_RTMP_SRC(object)->priv;
  G_OBJECT_CLASS(gst_livekit_rtmp_src_parent_class)->finalize(object);
}

// One "no" is enough.
void install_signals(GObjectClass* object_class) {
  /**
   * GstLivekitRtmpSrc::caller-connecting:
   * @element: the element
   * @caller: path, stream, remote (strings)
   *
   * Somebody wants to publish. From the network thread; must not block.
   *
   * Returns: %FALSE to refuse. Without a handler everybody is accepted.
   */
  /**
   * GstLivekitRtmpSrc::caller-added:
   * @element: the element
   * @caller: as in caller-connecting
   *
   * Somebody publishes. From the network thread; must not block.
   */
  /**
   * GstLivekitRtmpSrc::caller-removed:
   * @element: the element
   * @caller: as in caller-added, and reason (string): closed, lost, timed-out, replaced,
   *   protocol-error or shutdown
   *
   * The publisher has gone. From the network thread; must not block.
   */
  /**
   * GstLivekitRtmpSrc::caller-rejected:
   * @element: the element
   * @caller: remote, reason (strings), status (uint, as HTTP would say it)
   *
   * Somebody was turned away. From the network thread; must not block.
   */
  caller_signals.install(object_class);
}

}  // namespace

static void gst_livekit_rtmp_src_class_init(GstLivekitRtmpSrcClass* klass) {
  GST_DEBUG_CATEGORY_INIT(gst_livekit_rtmp_src_debug, "livekitrtmpsrc", 0,
                          "LiveKit egress over RTMP");
  GObjectClass* object_class = G_OBJECT_CLASS(klass);
  GstElementClass* element_class = GST_ELEMENT_CLASS(klass);
  GstBaseSrcClass* src_class = GST_BASE_SRC_CLASS(klass);
  object_class->set_property = set_property;
  object_class->get_property = get_property;
  object_class->finalize = finalize;
  rtmp::install_properties(object_class);
  install_signals(object_class);

  element_class->change_state = GST_DEBUG_FUNCPTR(change_state);
  element_class->send_event = GST_DEBUG_FUNCPTR(send_event);
  src_class->start = GST_DEBUG_FUNCPTR(start);
  src_class->stop = GST_DEBUG_FUNCPTR(stop);
  src_class->unlock = GST_DEBUG_FUNCPTR(unlock);
  src_class->unlock_stop = GST_DEBUG_FUNCPTR(unlock_stop);
  src_class->is_seekable = GST_DEBUG_FUNCPTR(is_seekable);
  src_class->query = GST_DEBUG_FUNCPTR(query);
  GST_PUSH_SRC_CLASS(klass)->create = GST_DEBUG_FUNCPTR(create);
  gst_element_class_add_static_pad_template(element_class, &src_template);
  gst_element_class_set_static_metadata(
      element_class, "LiveKit egress RTMP source", "Source/Network",
      "Takes what LiveKit's Room Composite Egress publishes, without an RTMP server",
      "gst-plugins-egress");
}

static void gst_livekit_rtmp_src_init(GstLivekitRtmpSrc* self) {
  self->priv = new LivekitRtmpSrcPrivate(GST_ELEMENT(self));
  gst_base_src_set_live(GST_BASE_SRC(self), TRUE);
  gst_base_src_set_format(GST_BASE_SRC(self), GST_FORMAT_TIME);
}
