// SPDX-License-Identifier: LGPL-2.1-or-later
// livekitwssrc with its real listener, called over loopback. Time is still the test clock's: the
// client's reads are what the test waits for.

#include "loopbackcaller.h"
#include "roomfixture.h"

// GstTestClock (GStreamer 1.22) keeps the entry of a wait that is unscheduled while it begins. Too
// deep in GLib for a suppression to name it, so this program alone is not searched for leaks.
extern "C" int __lsan_is_turned_off();
extern "C" int __lsan_is_turned_off() {
  return 1;
}

namespace livekit::fake {
namespace {

class Loopback : public RoomTest {
 protected:
  void SetUp() override {
    RoomTest::SetUp();
    room_->set("address", "127.0.0.1", "port", 0u);
  }
  guint port(RoomElement& room) {
    guint port = 0;
    g_object_get(room.element(), "port", &port, nullptr);
    return port;
  }
  // Slices until it holds; the network thread and the kernel need a moment.
  void tick_until(const std::function<bool()>& holds) {
    for (int i = 0; i < 100'000 && !holds(); ++i) tick();
    EXPECT_TRUE(holds());
  }
};

TEST_F(Loopback, TrackFromCallToClose) {
  room_->play();
  Caller alice(port(*room_), "/alice/TR_1?name=Alice%20Smith");
  EXPECT_EQ(alice.status(), 101);
  tick_until([this] { return room_->pads() == 1; });
  for (int i = 0; i < 10; ++i) {
    alice.send_audio(480, 1000);
    tick();
  }
  alice.send_text(R"({"muted":true})");
  alice.send_audio(13, 1000);
  alice.send_close();
  tick_until([this] { return room_->seen("src_0").removed; });
  const PadSeen pad = room_->seen("src_0");
  EXPECT_TRUE(pad.eos);
  EXPECT_EQ(pad.stream_id, "TR_1");
  EXPECT_EQ(pad.title, "Alice Smith");
  size_t loud = 0;
  for (const BufferSeen& buffer : pad.buffers) loud += !buffer.gap;
  EXPECT_EQ(loud, 11u) << "ten slices and the short last one";
  EXPECT_TRUE(room_->has_message("muted alice"));
  EXPECT_TRUE(room_->has_message("removed alice"));
  EXPECT_FALSE(room_->has_message("lost alice"));
}

TEST_F(Loopback, VanishedPeerIsLostAndWhatItSaidIsHeard) {
  room_->play();
  Caller alice(port(*room_), "/alice/TR_1");
  alice.send_audio(4800, 1000);
  alice.hang_up();
  tick_until([this] { return room_->has_message("removed alice"); });
  EXPECT_TRUE(room_->has_message("lost alice"));
  size_t loud = 0;
  for (const BufferSeen& buffer : room_->seen("src_0").buffers) loud += !buffer.gap;
  EXPECT_EQ(loud, 10u);
}

TEST_F(Loopback, TokenIsAskedFor) {
  room_->set("token", "s3cret");
  room_->play();
  EXPECT_EQ(Caller(port(*room_), "/alice/TR_1").status(), 401);
  EXPECT_EQ(Caller(port(*room_), "/alice/TR_1?token=wrong").status(), 401);
  EXPECT_EQ(Caller(port(*room_), "/alice/TR_1?token=s3cret").status(), 101);
}

TEST_F(Loopback, PortInUseIsAnErrorThatSaysWhatToDo) {
  const int taken = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in at{};
  at.sin_family = AF_INET;
  at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof at;
  ASSERT_EQ(::bind(taken, reinterpret_cast<sockaddr*>(&at), size), 0);
  ASSERT_EQ(::listen(taken, 1), 0);
  ::getsockname(taken, reinterpret_cast<sockaddr*>(&at), &size);
  room_->set("port", guint(ntohs(at.sin_port)));
  EXPECT_EQ(gst_element_set_state(room_->element(), GST_STATE_PAUSED), GST_STATE_CHANGE_FAILURE);
  EXPECT_TRUE(room_->has_message("error"));
  EXPECT_NE(room_->last_error().find("another port"), std::string::npos) << room_->last_error();
  ::close(taken);
}

TEST_F(Loopback, UnreadableCertificateIsAnErrorThatNamesIt) {
  room_->set("tls-certificate", "/nowhere/cert.pem");
  EXPECT_EQ(gst_element_set_state(room_->element(), GST_STATE_PAUSED), GST_STATE_CHANGE_FAILURE);
  EXPECT_TRUE(room_->has_message("error"));
  EXPECT_NE(room_->last_error().find("/nowhere/cert.pem"), std::string::npos);
}

TEST_F(Loopback, TwoRoomsOnOnePort) {
  room_->set("path", "/rooms/a");
  // A port that was free a moment ago.
  room_->play();
  const guint shared = port(*room_);
  room_->stop();
  RoomElement other(clock_);
  room_->set("port", shared);
  other.set("address", "127.0.0.1", "port", shared, "path", "/rooms/b");
  ASSERT_NE(room_->play(), GST_STATE_CHANGE_FAILURE);
  ASSERT_NE(other.play(), GST_STATE_CHANGE_FAILURE);
  Caller alice(shared, "/rooms/a/alice/TR_1");
  Caller bob(shared, "/rooms/b/bob/TR_2");
  EXPECT_EQ(Caller(shared, "/rooms/c/carol/TR_3").status(), 404);
  // Both rooms have a thread of their own, so both are waited for.
  gst_test_clock_wait_for_multiple_pending_ids(clock_, 2, nullptr);
  const auto both_added = [&] {
    return room_->has_message("added alice") && other.has_message("added bob");
  };
  for (int i = 0; i < 100'000 && !both_added(); ++i) {
    gst_test_clock_wait_for_multiple_pending_ids(clock_, 2, nullptr);
    gst_test_clock_advance_time(clock_, 10 * GST_MSECOND);
    while (gst_test_clock_process_next_clock_id(clock_)) {
    }
  }
  EXPECT_TRUE(room_->has_message("added alice"));
  EXPECT_TRUE(other.has_message("added bob"));
}

TEST_F(Loopback, HundredsComeAndGoAndLeaveNothing) {
  room_->play();
  for (int round = 0; round < 10; ++round) {
    std::vector<std::unique_ptr<Caller>> crowd;
    for (int i = 0; i < 30; ++i) {
      crowd.push_back(std::make_unique<Caller>(port(*room_), "/p" + std::to_string(i)));
      EXPECT_EQ(crowd.back()->status(), 101);
      if (i % 3 == 0) crowd.back()->send_close();
    }
    crowd.clear();
    tick_until([&] { return room_->stat("callers-removed") == guint64(round + 1) * 30; });
  }
  EXPECT_EQ(room_->element()->pads, nullptr);
}

TEST_F(Loopback, LifeCycleTwiceWithACaller) {
  for (int round = 0; round < 2; ++round) {
    room_->play();
    Caller alice(port(*room_), "/alice");
    EXPECT_EQ(alice.status(), 101);
    tick_until([this] { return room_->pads() > 0; });
    room_->stop();
  }
}

}  // namespace
}  // namespace livekit::fake
