// SPDX-License-Identifier: LGPL-2.1-or-later
#include "gstegressmuxpad.h"

struct _GstEgressMuxPad {
  GstGhostPad parent;
  egressmux::PadState* state;
};

G_DEFINE_TYPE(GstEgressMuxPad, gst_egress_mux_pad, GST_TYPE_GHOST_PAD)

namespace {
constexpr gdouble DEFAULT_VOLUME = 1.0;
constexpr gdouble HIGHEST_VOLUME = 10.0;
constexpr gboolean DEFAULT_MUTE = FALSE;

enum { PROP_0, PROP_VOLUME, PROP_MUTE, PROP_IDENTITY, PROP_DISPLAY_NAME, PROP_TRACK };
}  // namespace

static void gst_egress_mux_pad_set_property(GObject* object, guint id, const GValue* value,
                                            GParamSpec* pspec) {
  egressmux::MixInput& input = *GST_EGRESS_MUX_PAD(object)->state->input;
  auto text = [value] {
    const gchar* given = g_value_get_string(value);
    return std::string(given ? given : "");
  };
  switch (id) {
    case PROP_VOLUME:
      input.volume = g_value_get_double(value);
      break;
    case PROP_MUTE:
      input.mute = g_value_get_boolean(value);
      break;
    case PROP_IDENTITY:
      input.change_text([&](egressmux::TrackSources& sources) { sources.set_identity = text(); });
      break;
    case PROP_DISPLAY_NAME:
      input.change_text([&](egressmux::TrackSources& sources) { sources.set_name = text(); });
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID(object, id, pspec);
  }
}

static void gst_egress_mux_pad_get_property(GObject* object, guint id, GValue* value,
                                            GParamSpec* pspec) {
  const egressmux::MixInput& input = *GST_EGRESS_MUX_PAD(object)->state->input;
  switch (id) {
    case PROP_VOLUME:
      g_value_set_double(value, input.volume);
      break;
    case PROP_MUTE:
      g_value_set_boolean(value, input.mute);
      break;
    case PROP_IDENTITY:
      g_value_set_string(value, input.text()->identity.c_str());
      break;
    case PROP_DISPLAY_NAME:
      g_value_set_string(value, input.text()->name.c_str());
      break;
    case PROP_TRACK:
      g_value_set_string(value, input.text()->track.c_str());
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID(object, id, pspec);
  }
}

static void gst_egress_mux_pad_init(GstEgressMuxPad* self) {
  self->state = new egressmux::PadState;
  self->state->input = std::make_shared<egressmux::MixInput>("");
  gst_segment_init(&self->state->segment, GST_FORMAT_TIME);
}

static void gst_egress_mux_pad_finalize(GObject* object) {
  delete GST_EGRESS_MUX_PAD(object)->state;
  G_OBJECT_CLASS(gst_egress_mux_pad_parent_class)->finalize(object);
}

static void gst_egress_mux_pad_class_init(GstEgressMuxPadClass* klass) {
  GObjectClass* object_class = G_OBJECT_CLASS(klass);
  object_class->set_property = gst_egress_mux_pad_set_property;
  object_class->get_property = gst_egress_mux_pad_get_property;
  object_class->finalize = gst_egress_mux_pad_finalize;
  const auto playing =
      GParamFlags(G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | GST_PARAM_MUTABLE_PLAYING);
  g_object_class_install_property(
      object_class, PROP_VOLUME,
      g_param_spec_double("volume", "Volume", "Factor on this input's samples (1 = as it comes)",
                          0.0, HIGHEST_VOLUME, DEFAULT_VOLUME, playing));
  g_object_class_install_property(
      object_class, PROP_MUTE,
      g_param_spec_boolean("mute", "Mute", "Leave this input out of the mix", DEFAULT_MUTE,
                           playing));
  g_object_class_install_property(
      object_class, PROP_IDENTITY,
      g_param_spec_string("identity", "Identity",
                          "Whose audio this is; what is set here goes before what the stream says "
                          "(empty = as the stream says, else the stream's title, else the pad's "
                          "name)",
                          "", playing));
  g_object_class_install_property(
      object_class, PROP_DISPLAY_NAME,
      g_param_spec_string("display-name", "Display name",
                          "Name to show for this input; what is set here goes before what the "
                          "stream says (empty = as the stream says, else the identity)",
                          "", playing));
  g_object_class_install_property(
      object_class, PROP_TRACK,
      g_param_spec_string("track", "Track", "Track id that the stream names, else its stream id",
                          "", GParamFlags(G_PARAM_READABLE | G_PARAM_STATIC_STRINGS)));
}

namespace egressmux {

PadState& pad_state(GstEgressMuxPad* pad) {
  return *pad->state;
}

GstEgressMuxPad* pad_new(const gchar* name, GstPadTemplate* pad_template) {
  auto* pad = GST_EGRESS_MUX_PAD(g_object_new(GST_TYPE_EGRESS_MUX_PAD, "name", name, "direction",
                                              GST_PAD_SINK, "template", pad_template, nullptr));
  pad->state->input = std::make_shared<MixInput>(name);
  return pad;
}

}  // namespace egressmux
