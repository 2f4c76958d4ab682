// SPDX-License-Identifier: LGPL-2.1-or-later
// The private element inside egressmux that every sample leaves through. Not a factory.
#pragma once

#include <gst/gst.h>

#include <memory>

#include "mixdown.h"

G_BEGIN_DECLS

#define GST_TYPE_ROOM_SUM (gst_room_sum_get_type())
G_DECLARE_FINAL_TYPE(GstRoomSum, gst_room_sum, GST, ROOM_SUM, GstElement)

G_END_DECLS

namespace egressmux {

class RoomSum;

/** What the sum needs of the bin around it. Called from streaming threads, without locks held. */
class RoomSumOwner {
 public:
  virtual ~RoomSumOwner() = default;
  /** Live latency of the whole mix. */
  virtual void find_latency(GstClockTime* min, GstClockTime* max) = 0;
  /** Downstream takes nothing the sum can make: puts a converter behind it. */
  virtual bool insert_converter() = 0;
  /** The mix leaves later than it used to. No lock of the sum is held. */
  virtual void delay_grew() = 0;
  /** Some inputs of the mixer have nothing more to give: their connections can go. */
  virtual void mixer_inputs_passed() = 0;
  /** Takes @event. */
  virtual gboolean send_upstream(GstEvent* event) = 0;
};

/** @owner outlives the element. */
GstRoomSum* room_sum_new(RoomSumOwner* owner);
RoomSum& room_sum_of(GstRoomSum* element);

/** The caps of everything that goes through the mixer. */
GstCaps* room_sum_mixer_caps();

}  // namespace egressmux
