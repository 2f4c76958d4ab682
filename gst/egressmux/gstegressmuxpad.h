// SPDX-License-Identifier: LGPL-2.1-or-later
// The request pads of egressmux: ghost pads with the settings of one input.
#pragma once

#include <gst/gst.h>

#include <memory>
#include <string>

#include "mixdown.h"
#include "mixinput.h"

G_BEGIN_DECLS

#define GST_TYPE_EGRESS_MUX_PAD (gst_egress_mux_pad_get_type())
G_DECLARE_FINAL_TYPE(GstEgressMuxPad, gst_egress_mux_pad, GST, EGRESS_MUX_PAD, GstGhostPad)

G_END_DECLS

namespace egressmux {

/** What one pad knows about its stream. */
struct PadState {
  std::shared_ptr<MixInput> input;

  // ---- guarded by the pad's stream lock
  GstSegment segment;
  std::string room_clock; /* empty: not fed by a room's clock */
  GstClockTime slice_duration = 0;
  SampleFormat format = SampleFormat::kS16;
  int channels = 2;

  std::atomic<Way> way{Way::kUndecided};
  std::atomic<bool> ended{false};    /* got EOS */
  std::atomic<bool> released{false}; /* is being released: takes no way any more */
};

PadState& pad_state(GstEgressMuxPad* pad);
GstEgressMuxPad* pad_new(const gchar* name, GstPadTemplate* pad_template);

}  // namespace egressmux
