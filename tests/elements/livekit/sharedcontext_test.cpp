// SPDX-License-Identifier: LGPL-2.1-or-later
// Several livekitwssrc on one thread.
#include <condition_variable>

#include "fakeroom.h"

namespace livekit::fake {
namespace {

TEST_F(LivekitWsSrc, SharedContextServesTwoRoomsOfOneThread) {
  RoomElement other(clock_);
  room_->set("context", "ctx", "path", "/a");
  other.set("context", "ctx", "path", "/b");
  room_->play();
  other.play();
  auto alice = call("alice", "TR_1", {}, 0);
  auto bob = call("bob", "TR_2", {}, 1);
  tick();
  EXPECT_EQ(gst_test_clock_peek_id_count(clock_), 1u) << "one wake-up for both";
  tick(2);
  EXPECT_EQ(room_->seen("src_0").clock_id, other.seen("src_0").clock_id);
  EXPECT_EQ(room_->seen("src_0").buffers.size(), 3u);
  EXPECT_EQ(other.seen("src_0").buffers.size(), 3u);
  room_->stop();
  tick(2);
  EXPECT_EQ(other.seen("src_0").buffers.size(), 5u);
}

// A room on a shared thread, behind whose pads sits a leaky queue, and then somebody who blocks.
class BlockedSink {
 public:
  BlockedSink() {
    sink_ = gst_pad_new("sink", GST_PAD_SINK);
    gst_object_ref_sink(sink_);
    gst_pad_set_element_private(sink_, this);
    gst_pad_set_chain_function(sink_, chain);
    gst_pad_set_active(sink_, TRUE);
  }
  ~BlockedSink() { gst_object_unref(sink_); }
  GstPad* pad() { return sink_; }
  void wait_until_blocked() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return blocked_; });
  }
  void release() {
    const std::lock_guard lock(mutex_);
    released_ = true;
    changed_.notify_all();
  }

 private:
  static GstFlowReturn chain(GstPad* pad, GstObject*, GstBuffer* buffer) {
    auto* self = static_cast<BlockedSink*>(gst_pad_get_element_private(pad));
    gst_buffer_unref(buffer);
    std::unique_lock lock(self->mutex_);
    self->blocked_ = true;
    self->changed_.notify_all();
    self->changed_.wait(lock, [self] { return self->released_; });
    return GST_FLOW_OK;
  }
  GstPad* sink_ = nullptr;
  std::mutex mutex_;
  std::condition_variable changed_;
  bool blocked_ = false;
  bool released_ = false;
};

TEST_F(LivekitWsSrc, BlockedRoomBehindALeakyQueueDoesNotHoldUpTheOthers) {
  RoomElement other(clock_);
  BlockedSink blocked;
  GstElement* queue = gst_element_factory_make("queue", nullptr);
  ASSERT_TRUE(queue);
  gst_object_ref_sink(queue);
  g_object_set(queue, "leaky", 2, "max-size-buffers", 4, nullptr);
  GstPad* queue_src = gst_element_get_static_pad(queue, "src");
  gst_pad_link(queue_src, blocked.pad());
  gst_object_unref(queue_src);
  gst_element_set_state(queue, GST_STATE_PLAYING);

  room_->set("context", "ctx", "path", "/a");
  other.set("context", "ctx", "path", "/b");
  room_->link_nothing();
  g_signal_connect(room_->element(), "pad-added",
                   G_CALLBACK(+[](GstElement*, GstPad* pad, gpointer to) {
                     GstPad* sink = gst_element_get_static_pad(GST_ELEMENT(to), "sink");
                     gst_pad_link(pad, sink);
                     gst_object_unref(sink);
                   }),
                   queue);
  room_->play();
  other.play();
  auto alice = call("alice", "TR_1", {}, 0);
  auto bob = call("bob", "TR_2", {}, 1);
  tick(2);
  blocked.wait_until_blocked();
  tick(100);
  EXPECT_EQ(other.seen("src_0").buffers.size(), 102u);
  EXPECT_EQ(other.stat("skipped-slices"), 0u);
  EXPECT_EQ(room_->stat("slices"), 102u) << "the blocked room goes on as well";
  blocked.release();
  room_->stop();
  gst_element_set_state(queue, GST_STATE_NULL);
  gst_object_unref(queue);
}

}  // namespace
}  // namespace livekit::fake
