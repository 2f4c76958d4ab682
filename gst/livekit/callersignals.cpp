// SPDX-License-Identifier: LGPL-2.1-or-later
#include "callersignals.h"

namespace livekit {

namespace {

gboolean all_accept(GSignalInvocationHint*, GValue* total, const GValue* answer, gpointer) {
  const gboolean accepted = g_value_get_boolean(answer);
  g_value_set_boolean(total, accepted);
  return accepted;
}

gboolean accept_caller(GstElement*, const GstStructure*) {
  return TRUE;
}

}  // namespace

void CallerSignals::install(GObjectClass* object_class) {
  const GType type = G_TYPE_FROM_CLASS(object_class);
  const GType caller = GST_TYPE_STRUCTURE | G_SIGNAL_TYPE_STATIC_SCOPE;
  connecting_ = g_signal_new_class_handler("caller-connecting", type, G_SIGNAL_RUN_LAST,
                                           G_CALLBACK(accept_caller), all_accept, nullptr, nullptr,
                                           G_TYPE_BOOLEAN, 1, caller);
  const auto tell = [type, caller](const gchar* name) {
    return g_signal_new(name, type, G_SIGNAL_RUN_LAST, 0, nullptr, nullptr, nullptr, G_TYPE_NONE, 1,
                        caller);
  };
  added_ = tell("caller-added");
  removed_ = tell("caller-removed");
  rejected_ = tell("caller-rejected");
}

bool CallerSignals::emit_connecting(GstElement* element, const GstStructure* caller) const {
  gboolean welcome = TRUE;
  g_signal_emit(element, connecting_, 0, caller, &welcome);
  return welcome != FALSE;
}

void CallerSignals::emit_added(GstElement* element, const GstStructure* caller) const {
  g_signal_emit(element, added_, 0, caller);
}

void CallerSignals::emit_removed(GstElement* element, const GstStructure* caller) const {
  g_signal_emit(element, removed_, 0, caller);
}

void CallerSignals::emit_rejected(GstElement* element, const GstStructure* caller) const {
  g_signal_emit(element, rejected_, 0, caller);
}

}  // namespace livekit
