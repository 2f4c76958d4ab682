// SPDX-License-Identifier: LGPL-2.1-or-later
// Callers who mean no good or know no better, and many callers.
#include <memory>

#include "livekitrtmp/listener.h"
#include "rtmpfixture.h"

namespace rtmp::test {
namespace {

Bytes frames(int count) {
  Bytes bytes = audio(0, aac_configuration());
  for (int i = 0; i < count; ++i) bytes = bytes + audio(uint32_t(i) * 23, aac_frame());
  return bytes;
}

// Somebody publishes well after all that has happened.
void expect_service(Pipeline& pipeline) {
  const size_t before = pipeline.count(Arrival::Kind::kBuffer);
  Caller caller(pipeline.port());
  ASSERT_TRUE(caller.publish("live", "standup"));
  caller.send(frames(3));
  EXPECT_TRUE(pipeline.wait_for_buffers(before + 4));
}

TEST(Peers, Garbage) {
  Pipeline pipeline("");
  pipeline.play();
  const std::pair<std::string, Bytes> cases[] = {
      {"spoke HTTP", {'G', 'E', 'T', ' ', '/'}},
      {"spoke TLS", {0x16, 3, 1, 0, 5}},
      {"did not speak RTMP", Bytes(5000, 0)},
      {"too long", client_handshake() + Bytes{0x03, 0, 0, 0, 0xff, 0xff, 0xff, 20, 0, 0, 0, 0}},
      {"cannot be read", client_handshake() + message(kCommandAmf0, Bytes(60000, 3))},
      {"has not begun", client_handshake() + Bytes(100, 0xff)},
  };
  for (const auto& [reason, bytes] : cases) {
    Caller caller(pipeline.port());
    caller.send(bytes);
    EXPECT_TRUE(caller.wait_for_end()) << reason;
    const std::string told = pipeline.wait_for_event("refused", "reason");
    EXPECT_NE(told.find(reason), std::string::npos) << told;
  }
  expect_service(pipeline);
}

TEST(Peers, APublisherWhoBreaksTheProtocolIsNamed) {
  Pipeline pipeline("max-message-size=1024");
  pipeline.play();
  Caller caller(pipeline.port());
  ASSERT_TRUE(caller.publish("live", "standup"));
  caller.send(frames(2) + audio(50, aac_frame(1025)));
  EXPECT_TRUE(caller.wait_for_end());
  const std::string text = pipeline.wait_for_complaint(GST_MESSAGE_WARNING);
  EXPECT_NE(text.find("broke the protocol: a message is too long"), std::string::npos) << text;
  EXPECT_TRUE(pipeline.wait_for_buffers(3));  // what had come before is not lost
  expect_service(pipeline);
}

// Each of these was an error of the demuxer, and the end of the pipeline.
TEST(Peers, MediaThatCannotBeDemuxedHarmsNobody) {
  Pipeline pipeline("", "flvdemux name=demux demux.audio ! fakesink name=watched sync=false");
  pipeline.play();
  const std::pair<std::string, Bytes> cases[] = {
      {"Opus", audio(0, {0x90, 'O', 'p', 'u', 's'})},
      {"unknown codec (13)", audio(0, {0xdf, 1, 2, 3})},
      {"MP3", frames(1) + audio(50, {0x2f, 0xff, 0xfb, 0x90, 0, 0})},
      {"AAC-LC", audio(0, {0xaf, 0, 0xff, 0xff, 0xff}) + audio(0, aac_frame())},
      {"unknown codec", frames(1) + message(kVideo, {0x1f, 1, 2, 3, 4}, 1, 50, 6)},
      {"enhanced RTMP", frames(1) + message(kVideo, {0x90, 'h', 'v', 'c', '1'}, 1, 50, 6)},
  };
  for (const auto& [reason, bytes] : cases) {
    {
      Caller caller(pipeline.port());
      ASSERT_TRUE(caller.publish("live", "standup"));
      caller.send(bytes);
      const std::string told = pipeline.wait_for_complaint(GST_MESSAGE_WARNING);
      EXPECT_NE(told.find(reason), std::string::npos) << told;
    }
    pipeline.wait_for_event("lost");
    const size_t before = pipeline.count(Arrival::Kind::kBuffer);
    Caller caller(pipeline.port());
    ASSERT_TRUE(caller.publish("live", "standup"));
    caller.send(frames(3));
    ASSERT_TRUE(pipeline.wait_for_buffers(before + 3)) << reason;
    caller.hang_up();
    pipeline.wait_for_event("lost");
  }
}

TEST(Peers, ByteByByte) {
  Pipeline pipeline("");
  pipeline.play();
  Caller caller(pipeline.port());
  for (const uint8_t byte : publisher("live", "standup") + frames(2)) caller.send({byte});
  EXPECT_TRUE(pipeline.wait_for_buffers(3));
}

TEST(Peers, HalfAHandshakeIsCutOff) {
  Pipeline pipeline("handshake-timeout=200");
  pipeline.play();
  Caller silent(pipeline.port());
  Caller half(pipeline.port());
  half.send(Bytes(700, 3));
  Caller connected(pipeline.port());
  connected.send(client_handshake() + connect("live"));
  EXPECT_TRUE(silent.wait_for_end());
  EXPECT_TRUE(half.wait_for_end());
  EXPECT_TRUE(connected.wait_for_end());
  expect_service(pipeline);
}

TEST(Peers, ASilentPublisherIsLostAfterTheIdleTimeout) {
  Pipeline pipeline("idle-timeout=300");
  pipeline.play();
  Caller caller(pipeline.port());
  ASSERT_TRUE(caller.publish("live", "standup"));
  EXPECT_TRUE(caller.wait_for_end());
  EXPECT_EQ(pipeline.wait_for_event("lost", "reason"), "\"timed-out\"");
  expect_service(pipeline);
}

TEST(Peers, AFloodOfPingsHoldsNobodyUp) {
  Pipeline pipeline("");
  pipeline.play();
  Caller flooder(pipeline.port());
  flooder.send(client_handshake());
  Bytes pings;
  for (int i = 0; i < 20000; ++i) {
    pings = pings + message(kUserControl, {0, 6, 1, 2, 3, 4}, 0, 0, 2);
    if (pings.size() > 4000) break;
  }
  for (int i = 0; i < 500; ++i) flooder.send_some(pings);
  expect_service(pipeline);
}

TEST(Peers, TheBusIsNotFilledWithRefusals) {
  Pipeline pipeline("");
  pipeline.play();
  for (int i = 0; i < 50; ++i) {
    Caller caller(pipeline.port());
    caller.send({'G', 'E', 'T'});
    EXPECT_TRUE(caller.wait_for_end());
  }
  EXPECT_EQ(pipeline.stat("callers-refused"), 50u);
  int told = 0;
  GstBus* bus = gst_element_get_bus(pipeline.pipeline());
  while (GstMessage* message = gst_bus_pop_filtered(bus, GST_MESSAGE_ELEMENT)) {
    ++told;
    gst_message_unref(message);
  }
  gst_object_unref(bus);
  EXPECT_GE(told, 10);
  EXPECT_LE(told, 40);
}

// From within the network thread's own call.
TEST(Peers, AHandlerMayStopTheElement) {
  Pipeline pipeline("");
  g_signal_connect(pipeline.src(), "caller-added",
                   G_CALLBACK(+[](GstElement* src, const GstStructure*, gpointer) {
                     gst_element_set_state(src, GST_STATE_NULL);
                   }),
                   nullptr);
  pipeline.play();
  Caller caller(pipeline.port());
  caller.send(publisher("live", "standup"));
  EXPECT_TRUE(caller.wait_for_end());
}

// The same from a bus handler, while the network thread still has media in its hands.
TEST(Peers, AWarningMayStopTheElement) {
  Pipeline pipeline("");
  GstBus* bus = gst_element_get_bus(pipeline.pipeline());
  gst_bus_set_sync_handler(
      bus,
      [](GstBus*, GstMessage* message, gpointer) {
        if (GST_MESSAGE_TYPE(message) == GST_MESSAGE_WARNING) {
          gst_element_set_state(GST_ELEMENT(GST_MESSAGE_SRC(message)), GST_STATE_NULL);
        }
        return GST_BUS_PASS;
      },
      nullptr, nullptr);
  pipeline.play();
  Caller caller(pipeline.port());
  ASSERT_TRUE(caller.publish("live", "standup"));
  caller.send(audio(0, {0x90, 'O', 'p', 'u', 's'}));
  EXPECT_TRUE(caller.wait_for_end());
  gst_bus_set_sync_handler(bus, nullptr, nullptr, nullptr);
  gst_object_unref(bus);
}

// What an element is to the listener, with a wait that a test can wait for.
class Desk : public Route {
 public:
  Verdict on_request(const Publisher&) override { return {}; }
  void on_added(const Publisher& publisher) override { tell("added " + publisher.stream); }
  bool on_media(const Media&, int64_t) override {
    tell("media");
    return true;
  }
  void on_bytes(size_t) override {}
  void on_removed(const Publisher& publisher, PublisherEnd end, const std::string&) override {
    tell("removed " + publisher.stream + (end == PublisherEnd::kReplaced ? " replaced" : ""));
  }
  void on_refused(const std::string&, unsigned status, const std::string&) override {
    tell("refused " + std::to_string(status));
  }
  std::vector<std::string> told() const {
    const std::lock_guard lock(mutex_);
    return told_;
  }

 private:
  void tell(const std::string& what) {
    const std::lock_guard lock(mutex_);
    told_.push_back(what);
  }

  mutable std::mutex mutex_;
  std::vector<std::string> told_;  // guarded by mutex_
};

TEST(Peers, ASilentPublisherGivesWayToAnother) {
  Desk desk;
  std::string error;
  livekit::ListenerConfig config;
  config.address = "127.0.0.1";
  const std::shared_ptr<Listener> listener = Listener::acquire(config, error);
  ASSERT_TRUE(listener) << error;
  RouteConfig route;
  route.path = "/live";
  route.silent_us = 200'000;
  ASSERT_TRUE(listener->add_route(route, &desk, error)) << error;
  Caller first(listener->port());
  ASSERT_TRUE(first.publish("live", "first"));
  Caller early(listener->port());
  early.send(publisher("live", "early"));
  EXPECT_TRUE(early.wait_for("onStatus NetStream.Publish.BadName"));
  g_usleep(300'000);
  Caller second(listener->port());
  ASSERT_TRUE(second.publish("live", "second"));
  EXPECT_TRUE(first.wait_for_end());
  EXPECT_TRUE(first.answers().has("onStatus NetStream.Unpublish.Success"));
  second.send(audio(0, aac_frame()));
  EXPECT_TRUE(eventually([&] { return desk.told().size() >= 5; }));
  listener->remove_route(&desk);
  EXPECT_EQ(desk.told(), (std::vector<std::string>{"added /live/first", "refused 409",
                                                   "removed /live/first replaced",
                                                   "added /live/second", "media"}));
}

TEST(Peers, AHundredPublishersOnOnePort) {
  const guint port = [] {
    Pipeline probe("");
    probe.play();
    return probe.port();
  }();
  constexpr int kRooms = 100;
  std::vector<std::unique_ptr<Pipeline>> rooms;
  std::vector<std::unique_ptr<Caller>> callers;
  for (int i = 0; i < kRooms; ++i) {
    rooms.push_back(std::make_unique<Pipeline>("port=" + std::to_string(port) +
                                               " path=/live/room-" + std::to_string(i)));
    ASSERT_NE(rooms.back()->play(), GST_STATE_CHANGE_FAILURE);
  }
  for (int i = 0; i < kRooms; ++i) {
    callers.push_back(std::make_unique<Caller>(port));
    ASSERT_TRUE(callers.back()->publish("live", "room-" + std::to_string(i)));
  }
  for (int i = 0; i < kRooms; ++i) {
    callers[size_t(i)]->send(audio(0, aac_frame(size_t(100 + i))));
  }
  for (int i = 0; i < kRooms; ++i) {
    ASSERT_TRUE(rooms[size_t(i)]->wait_for_buffers(1));
    EXPECT_EQ(rooms[size_t(i)]->stream().size(), size_t(13 + 15 + 100 + i));
  }
}

}  // namespace
}  // namespace rtmp::test
