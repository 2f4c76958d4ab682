// SPDX-License-Identifier: LGPL-2.1-or-later
/**
 * SECTION:element-egressmux
 * @title: egressmux
 * @short_description: live mixer for the tracks of a room
 *
 * Mixes any number of audio streams that come and go while the pipeline plays. It is live, puts
 * out silence when there is nothing to mix, and never waits for an input that has stalled.
 *
 * Inputs take one of two ways, and only #GstEgressMux:stats tells which. Pads that livekitwssrc
 * feeds directly with 48 kHz S16LE or F32LE are summed in the thread that pushes them, without
 * delay. Everything else (Opus, other rates and formats, files, streams behind a queue) is
 * converted and goes through a stock audiomixer, which appears when the first such input does.
 *
 * Every output buffer carries a RoomAudioMeta with an entry for each track that was in it, and
 * references to the tracks themselves (#GstEgressMux:carry-tracks), so that sttsink understands
 * people who talk at once. Pads are
 * children by their name and by their identity: `alice::volume=0.5`.
 *
 * The element posts no messages of its own kind; LATENCY when its latency changes. It has a signal
 * from GstChildProxy: `child-added` is emitted for a new pad, and again when the identity of its
 * stream becomes known.
 *
 * ## Example launch lines
 * |[
 * gst-launch-1.0 audiotestsrc num-buffers=200 is-live=true ! egressmux name=mux ! audioconvert !
 * autoaudiosink audiotestsrc num-buffers=200 is-live=true freq=660 ! mux.
 * ]| Mixes two tones.
 * |[
 * gst-launch-1.0 livekitwssrc port=9000 : egressmux ! speakerdetect ! sttsink location=standup.vtt
 * ]| Mixes a room and writes down who says what.
 *
 * Since: 0.1
 */
#include "gstegressmux.h"

#include <algorithm>

#include "foreignway.h"
#include "gstegressmuxpad.h"
#include "muxshell.h"
#include "roomaudio/roomaudio.h"

GST_DEBUG_CATEGORY(gst_egress_mux_debug);
#define GST_CAT_DEFAULT gst_egress_mux_debug

struct _GstEgressMux {
  GstBin parent;
  egressmux::MuxShell* shell;
};

static void gst_egress_mux_child_proxy_init(gpointer iface, gpointer data);

G_DEFINE_TYPE_WITH_CODE(GstEgressMux, gst_egress_mux, GST_TYPE_BIN,
                        G_IMPLEMENT_INTERFACE(GST_TYPE_CHILD_PROXY,
                                              gst_egress_mux_child_proxy_init))

GST_ELEMENT_REGISTER_DEFINE(egressmux, "egressmux", GST_RANK_NONE, GST_TYPE_EGRESS_MUX)

namespace {

constexpr guint64 DEFAULT_LATENCY_NS = 20 * GST_MSECOND;
constexpr gboolean DEFAULT_CARRY_TRACKS = TRUE;

enum { PROP_0, PROP_LATENCY, PROP_CARRY_TRACKS, PROP_STATS };

// The first is what costs least; the rest is converted.
GstStaticPadTemplate sink_template = GST_STATIC_PAD_TEMPLATE(
    "sink_%u", GST_PAD_SINK, GST_PAD_REQUEST,
    GST_STATIC_CAPS("audio/x-raw,format=(string){S16LE,F32LE},rate=48000,channels=[1,2],"
                    "layout=interleaved;"
                    "audio/x-raw;"
                    "audio/x-opus"));

GstStaticPadTemplate src_template = GST_STATIC_PAD_TEMPLATE(
    "src", GST_PAD_SRC, GST_PAD_ALWAYS,
    GST_STATIC_CAPS("audio/x-raw,format=(string){S16LE,F32LE},rate=48000,channels=[1,2],"
                    "layout=interleaved;"
                    "audio/x-raw"));

// ---- children: the pads, by name and by identity

GObject* child_by_index(GstChildProxy* proxy, guint index) {
  GObject* child = nullptr;
  GST_OBJECT_LOCK(proxy);
  if (gpointer pad = g_list_nth_data(GST_ELEMENT(proxy)->sinkpads, index))
    child = G_OBJECT(gst_object_ref(pad));
  GST_OBJECT_UNLOCK(proxy);
  return child;
}

guint children_count(GstChildProxy* proxy) {
  GST_OBJECT_LOCK(proxy);
  const guint count = GST_ELEMENT(proxy)->numsinkpads;
  GST_OBJECT_UNLOCK(proxy);
  return count;
}

GObject* child_by_name(GstChildProxy* proxy, const gchar* name) {
  GObject* by_identity = nullptr;
  GObject* by_pad_name = nullptr;
  GST_OBJECT_LOCK(proxy);
  for (GList* item = GST_ELEMENT(proxy)->sinkpads; item && !by_pad_name; item = item->next) {
    auto* pad = GST_EGRESS_MUX_PAD(item->data);
    if (g_strcmp0(GST_PAD_NAME(pad), name) == 0)
      by_pad_name = G_OBJECT(pad);
    else if (!by_identity && egressmux::pad_state(pad).input->text()->identity == name)
      by_identity = G_OBJECT(pad);
  }
  GObject* child = by_pad_name ? by_pad_name : by_identity;
  if (child) g_object_ref(child);
  GST_OBJECT_UNLOCK(proxy);
  return child;
}

egressmux::MuxShell& shell_of(gpointer element) {
  return *GST_EGRESS_MUX(element)->shell;
}

GstPad* request_new_pad(GstElement* element, GstPadTemplate* pad_template, const gchar* name,
                        const GstCaps* /*caps*/) {
  return shell_of(element).request_pad(pad_template, name);
}

void release_pad(GstElement* element, GstPad* pad) {
  shell_of(element).release_pad(GST_EGRESS_MUX_PAD(pad));
}

GstStateChangeReturn change_state(GstElement* element, GstStateChange transition) {
  const GstStateChangeReturn result =
      GST_ELEMENT_CLASS(gst_egress_mux_parent_class)->change_state(element, transition);
  // Also after a failure: then everything stops as well.
  if (transition == GST_STATE_CHANGE_PAUSED_TO_READY) shell_of(element).forget_everything();
  return result;
}

gboolean send_event(GstElement* element, GstEvent* event) {
  if (GST_EVENT_TYPE(event) == GST_EVENT_EOS) {
    gst_event_unref(event);
    return shell_of(element).sum().request_eos();
  }
  const GstEventTypeFlags flags = gst_event_type_get_flags(GST_EVENT_TYPE(event));
  if ((flags & GST_EVENT_TYPE_DOWNSTREAM) && (flags & GST_EVENT_TYPE_SERIALIZED) &&
      GST_EVENT_TYPE(event) > GST_EVENT_SEGMENT) {
    shell_of(element).sum().queue_event(event);
    return TRUE;
  }
  return GST_ELEMENT_CLASS(gst_egress_mux_parent_class)->send_event(element, event);
}

void set_property(GObject* object, guint id, const GValue* value, GParamSpec* pspec) {
  switch (id) {
    case PROP_LATENCY:
      shell_of(object).set_latency(g_value_get_uint64(value));
      break;
    case PROP_CARRY_TRACKS:
      shell_of(object).sum().set_carry_tracks(g_value_get_boolean(value));
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID(object, id, pspec);
  }
}

void get_property(GObject* object, guint id, GValue* value, GParamSpec* pspec) {
  switch (id) {
    case PROP_LATENCY:
      g_value_set_uint64(value, shell_of(object).latency());
      break;
    case PROP_CARRY_TRACKS:
      g_value_set_boolean(value, shell_of(object).sum().carries_tracks());
      break;
    case PROP_STATS:
      g_value_take_boxed(value, shell_of(object).make_stats());
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID(object, id, pspec);
  }
}

}  // namespace

static void gst_egress_mux_child_proxy_init(gpointer iface, gpointer /*data*/) {
  auto* proxy = static_cast<GstChildProxyInterface*>(iface);
  proxy->get_child_by_index = child_by_index;
  proxy->get_child_by_name = child_by_name;
  proxy->get_children_count = children_count;
}

static void gst_egress_mux_init(GstEgressMux* self) {
  self->shell = new egressmux::MuxShell(GST_BIN(self), gst_static_pad_template_get(&src_template));
  self->shell->set_latency(DEFAULT_LATENCY_NS);
}

static void gst_egress_mux_finalize(GObject* object) {
  // The parent takes the inner elements apart; they still call the shell.
  egressmux::MuxShell* shell = GST_EGRESS_MUX(object)->shell;
  G_OBJECT_CLASS(gst_egress_mux_parent_class)->finalize(object);
  delete shell;
}

static void gst_egress_mux_class_init(GstEgressMuxClass* klass) {
  GST_DEBUG_CATEGORY_INIT(gst_egress_mux_debug, "egressmux", 0, "Mixer for the tracks of a room");
  GObjectClass* object_class = G_OBJECT_CLASS(klass);
  GstElementClass* element_class = GST_ELEMENT_CLASS(klass);
  object_class->set_property = set_property;
  object_class->get_property = get_property;
  object_class->finalize = gst_egress_mux_finalize;
  element_class->request_new_pad = request_new_pad;
  element_class->release_pad = release_pad;
  element_class->change_state = change_state;
  element_class->send_event = send_event;
  g_object_class_install_property(
      object_class, PROP_LATENCY,
      g_param_spec_uint64(
          "latency", "Latency",
          "Time granted to inputs that come through the mixer, beyond the latency they report, and "
          "to a room's first slice before silence is put out, in nanoseconds",
          0, 10 * GST_SECOND, DEFAULT_LATENCY_NS,
          GParamFlags(G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | GST_PARAM_MUTABLE_PLAYING)));
  g_object_class_install_property(
      object_class, PROP_CARRY_TRACKS,
      g_param_spec_boolean(
          "carry-tracks", "Carry tracks",
          "Let the mix carry references to the tracks it was made of, so that sttsink hears each "
          "participant apart",
          DEFAULT_CARRY_TRACKS,
          GParamFlags(G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | GST_PARAM_MUTABLE_PLAYING)));
  g_object_class_install_property(
      object_class, PROP_STATS,
      g_param_spec_boxed("stats", "Statistics",
                         "Counters of the mix, and the way, identity and counters of each input",
                         GST_TYPE_STRUCTURE,
                         GParamFlags(G_PARAM_READABLE | G_PARAM_STATIC_STRINGS)));
  gst_element_class_add_static_pad_template_with_gtype(element_class, &sink_template,
                                                       GST_TYPE_EGRESS_MUX_PAD);
  gst_element_class_add_static_pad_template(element_class, &src_template);
  gst_element_class_set_static_metadata(
      element_class, "Egress mixer", "Generic/Audio",
      "Mixes the tracks of a room, which come and go, and says whose audio is in the mix",
      "gst-plugins-egress");
  gst_type_mark_as_plugin_api(GST_TYPE_EGRESS_MUX_PAD, GstPluginAPIFlags(0));
}
