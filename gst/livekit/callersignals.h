// SPDX-License-Identifier: LGPL-2.1-or-later
// The four signals about callers that every element with a port has: caller-connecting (whose
// handlers must all say TRUE; without one everybody is welcome), caller-added, caller-removed and
// caller-rejected. What @caller holds is for the element's page to say.
#pragma once

#include <gst/gst.h>

namespace livekit {

class CallerSignals {
 public:
  // In class_init.
  void install(GObjectClass* object_class);

  bool emit_connecting(GstElement* element, const GstStructure* caller) const;
  void emit_added(GstElement* element, const GstStructure* caller) const;
  void emit_removed(GstElement* element, const GstStructure* caller) const;
  void emit_rejected(GstElement* element, const GstStructure* caller) const;

 private:
  guint connecting_ = 0;
  guint added_ = 0;
  guint removed_ = 0;
  guint rejected_ = 0;
};

}  // namespace livekit
