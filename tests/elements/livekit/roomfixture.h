// SPDX-License-Identifier: LGPL-2.1-or-later
// A livekitwssrc without a network, driven slice by slice by a test clock.
#pragma once

#include <gst/check/gsttestclock.h>
#include <gst/gst.h>
#include <gtest/gtest.h>

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "gst/livekit/gstlivekitwssrc.h"
#include "gst/roomaudio/roomaudio.h"

namespace livekit::fake {

struct BufferSeen {
  GstClockTime pts = 0;
  GstClockTime duration = 0;
  size_t bytes = 0;
  bool gap = false;
  bool discont = false;
  int16_t first_sample = 0;
  bool all_zero = true;
  bool has_meta = false;
  int16_t second_sample = 0;  // of the other channel
  std::string identity, name, track, attributes;
  double level_dbov = 0;
  bool muted = false;
};

// What came out of one pad.
struct PadSeen {
  std::vector<BufferSeen> buffers;
  std::vector<std::string> events;  // type names, in order
  std::string stream_id, clock_id, caps, title, comment;
  std::vector<std::pair<GstClockTime, GstClockTime>> gaps;
  GstClockTime slice = 0;
  guint group_id = 0;
  bool room_clocked = false;
  bool eos = false;
  guint32 eos_seqnum = GST_SEQNUM_INVALID;
  bool removed = false;
};

class RoomElement {
 public:
  explicit RoomElement(GstTestClock* clock);
  ~RoomElement();

  template <typename... Properties>
  void set(Properties... properties) {
    g_object_set(element_, properties..., nullptr);
  }
  GstElement* element() { return element_; }

  GstStateChangeReturn play();
  void stop();
  // Makes pads answer with this instead of GST_FLOW_OK.
  void answer_with(GstFlowReturn flow) { answer_ = flow; }
  void link_nothing() { link_ = false; }

  PadSeen seen(const std::string& pad);
  size_t pads();
  // Has it been posted? "livekit-track" is called "event identity", others by their type's name.
  // Everything that all messages say.
  std::string all_messages();
  bool has_message(const std::string& text);
  std::string last_warning();
  std::string last_error();
  GstStructure* stats();  // transfer full
  guint64 stat(const char* field);

 private:
  static void on_pad_added(GstElement*, GstPad* pad, gpointer self);
  static void on_pad_removed(GstElement*, GstPad* pad, gpointer self);
  static GstFlowReturn chain(GstPad* pad, GstObject*, GstBuffer* buffer);
  static gboolean event(GstPad* pad, GstObject*, GstEvent* event);
  static GstBusSyncReply on_message(GstBus*, GstMessage* message, gpointer self);

  GstElement* element_ = nullptr;
  GstBus* bus_ = nullptr;
  std::mutex mutex_;  // guards all below but answer_ and link_
  std::map<std::string, PadSeen> pads_;
  std::vector<GstPad*> sinks_;
  std::vector<std::string> messages_;
  std::string last_warning_, last_error_;
  std::string all_messages_;  // as text
  std::atomic<GstFlowReturn> answer_{GST_FLOW_OK};
  bool link_ = true;
};

class RoomTest : public testing::Test {
 protected:
  static void SetUpTestSuite();
  void SetUp() override;
  void TearDown() override;

  // One slice, finished when this returns.
  void tick(int slices = 1);
  // The room's thread sleeps.
  void settle();

  GstTestClock* clock_ = nullptr;
  std::unique_ptr<RoomElement> room_;
};

}  // namespace livekit::fake
