// SPDX-License-Identifier: LGPL-2.1-or-later
// livekitwssrc with a test clock and without a network: pads, events, slices, states.
#include <cmath>

#include "fakeroom.h"

namespace livekit::fake {
namespace {

constexpr GstClockTime kMs = GST_MSECOND;

TEST_F(LivekitWsSrc, LifeCycleTwice) {
  for (int round = 0; round < 2; ++round) {
    EXPECT_EQ(gst_element_set_state(room_->element(), GST_STATE_READY), GST_STATE_CHANGE_SUCCESS);
    EXPECT_EQ(gst_element_set_state(room_->element(), GST_STATE_PAUSED),
              GST_STATE_CHANGE_NO_PREROLL);
    EXPECT_EQ(Network::instance().routes(), 1u);
    EXPECT_EQ(gst_element_set_state(room_->element(), GST_STATE_PLAYING), GST_STATE_CHANGE_SUCCESS);
    auto peer = call("alice", "TR_1");
    peer->send_s16(960, 1000);
    tick(3);
    EXPECT_EQ(room_->stat("callers-added"), 1u);
    EXPECT_EQ(gst_element_set_state(room_->element(), GST_STATE_PAUSED),
              GST_STATE_CHANGE_NO_PREROLL);
    EXPECT_EQ(gst_element_set_state(room_->element(), GST_STATE_READY), GST_STATE_CHANGE_SUCCESS);
    EXPECT_EQ(Network::instance().routes(), 0u);
    EXPECT_TRUE(peer->released());
    EXPECT_EQ(peer->closed_with(), 1001);
    EXPECT_EQ(gst_element_set_state(room_->element(), GST_STATE_NULL), GST_STATE_CHANGE_SUCCESS);
    // Pads are numbered afresh: everything has been forgotten.
    EXPECT_EQ(room_->pads(), 1u);
    EXPECT_TRUE(room_->seen("src_0").removed);
  }
}

TEST_F(LivekitWsSrc, ShutdownTellsWhoIsGoneAndFromWhichPad) {
  std::vector<std::string> removed;
  g_signal_connect(
      room_->element(), "caller-removed",
      G_CALLBACK(+[](GstElement*, GstStructure* caller, gpointer list) {
        const gchar* pad = gst_structure_get_string(caller, "pad");
        static_cast<std::vector<std::string>*>(list)->push_back(
            std::string(gst_structure_get_string(caller, "identity")) + " " + (pad ? pad : "?"));
      }),
      &removed);
  room_->play();
  auto alice = call("alice", "TR_1");
  tick();
  gst_element_set_state(room_->element(), GST_STATE_PAUSED);
  // Let in, but no slice has taken him over yet.
  auto bob = call("bob", "TR_2");
  gst_element_set_state(room_->element(), GST_STATE_READY);
  EXPECT_EQ(removed, std::vector<std::string>{"alice src_0"});
  EXPECT_TRUE(room_->has_message("removed alice"));
  EXPECT_EQ(alice->closed_with(), 1001);
  EXPECT_EQ(bob->closed_with(), 1001);
}

TEST_F(LivekitWsSrc, EveryStepOfStatesTwice) {
  for (int round = 0; round < 2; ++round) {
    for (const GstState state :
         {GST_STATE_READY, GST_STATE_PAUSED, GST_STATE_PLAYING, GST_STATE_PAUSED, GST_STATE_PLAYING,
          GST_STATE_READY, GST_STATE_PAUSED, GST_STATE_NULL}) {
      EXPECT_NE(gst_element_set_state(room_->element(), state), GST_STATE_CHANGE_FAILURE);
    }
  }
}

TEST_F(LivekitWsSrc, ListenerFailureIsAnErrorBeforePlaying) {
  Network::instance().fail_next("Port 9000 is in use: choose another one.");
  EXPECT_EQ(gst_element_set_state(room_->element(), GST_STATE_PAUSED), GST_STATE_CHANGE_FAILURE);
  EXPECT_TRUE(room_->has_message("error"));
  EXPECT_EQ(room_->last_error(), "Port 9000 is in use: choose another one.");
  room_->stop();
  EXPECT_EQ(room_->play(), GST_STATE_CHANGE_SUCCESS) << "works after the port is free";
}

TEST_F(LivekitWsSrc, TakenPathIsAnError) {
  RoomElement other(clock_);
  EXPECT_NE(room_->play(), GST_STATE_CHANGE_FAILURE);
  EXPECT_EQ(other.play(), GST_STATE_CHANGE_FAILURE);
  EXPECT_EQ(other.last_error(), "path taken");
  EXPECT_TRUE(other.has_message("error"));
}

TEST_F(LivekitWsSrc, PropertiesReachTheListener) {
  room_->set("address", "127.0.0.1", "port", 0u, "path", "/rooms/a", "token", "secret",
             "tls-certificate", "c.pem", "tls-key", "k.pem", "max-connections", 7u,
             "max-message-size", 4096u, "idle-timeout", 1u, "handshake-timeout", 2u);
  room_->play();
  const ListenerConfig listener = Network::instance().listener_config();
  EXPECT_EQ(listener.address, "127.0.0.1");
  EXPECT_EQ(listener.port, 0);
  EXPECT_EQ(listener.tls_certificate, "c.pem");
  EXPECT_EQ(listener.tls_key, "k.pem");
  EXPECT_EQ(listener.handshake_timeout_ms, 2u);
  const RouteConfig route = Network::instance().route_config(0);
  EXPECT_EQ(route.path, "/rooms/a");
  EXPECT_EQ(route.token, "secret");
  EXPECT_EQ(route.max_connections, 7u);
  EXPECT_EQ(route.max_message_size, 4096u);
  EXPECT_EQ(route.idle_timeout_ms, 1u);
  guint port = 0;
  g_object_get(room_->element(), "port", &port, nullptr);
  EXPECT_EQ(port, 54321u) << "the real one, while running";
  room_->stop();
  g_object_get(room_->element(), "port", &port, nullptr);
  EXPECT_EQ(port, 0u);
}

TEST_F(LivekitWsSrc, NoTrackIsNormal) {
  room_->play();
  tick(50);
  EXPECT_EQ(room_->pads(), 0u);
  EXPECT_EQ(room_->stat("slices"), 50u);
  EXPECT_FALSE(room_->has_message("error"));
  EXPECT_FALSE(room_->has_message("warning"));
}

TEST_F(LivekitWsSrc, TrackHasStickyEventsBeforeItsFirstSlice) {
  room_->play();
  auto peer = call("alice", "TR_1");
  tick();
  const PadSeen pad = room_->seen("src_0");
  EXPECT_EQ(pad.events, (std::vector<std::string>{"stream-start", "caps", "segment", "tag"}));
  EXPECT_EQ(pad.stream_id, "TR_1");
  EXPECT_EQ(pad.title, "alice Smith");
  EXPECT_NE(pad.clock_id, "");
  EXPECT_EQ(pad.slice, 10 * kMs);
  EXPECT_TRUE(pad.room_clocked);
  EXPECT_NE(pad.caps.find("S16LE"), std::string::npos) << pad.caps;
  EXPECT_NE(pad.caps.find("rate=(int)48000"), std::string::npos) << pad.caps;
  ASSERT_EQ(pad.buffers.size(), 1u);
  EXPECT_TRUE(pad.buffers[0].gap);
  EXPECT_TRUE(pad.buffers[0].discont);
  EXPECT_EQ(pad.buffers[0].bytes, 1920u);
  EXPECT_TRUE(room_->has_message("added alice"));
  EXPECT_TRUE(room_->has_message("latency"));
}

TEST_F(LivekitWsSrc, SlicesOfAllTracksAreEqual) {
  room_->play();
  auto alice = call("alice", "TR_1");
  tick(2);
  auto bob = call("bob", "TR_2");
  for (int i = 0; i < 20; ++i) {
    alice->send_s16(480, 1000);
    if (i % 3 == 0) bob->send_s16(480, 2000);
    tick();
  }
  const PadSeen a = room_->seen("src_0");
  const PadSeen b = room_->seen("src_1");
  ASSERT_EQ(a.buffers.size(), 22u);
  ASSERT_EQ(b.buffers.size(), 20u);
  EXPECT_EQ(a.clock_id, b.clock_id);
  EXPECT_EQ(a.group_id, b.group_id);
  for (size_t i = 0; i < b.buffers.size(); ++i) {
    EXPECT_EQ(a.buffers[i + 2].pts, b.buffers[i].pts);
    EXPECT_EQ(a.buffers[i + 2].duration, b.buffers[i].duration);
    EXPECT_EQ(b.buffers[i].pts, (i + 2) * 10 * kMs);
    EXPECT_EQ(b.buffers[i].bytes, 1920u);
  }
}

TEST_F(LivekitWsSrc, SamplesAndMetaComeThrough) {
  room_->play();
  auto peer = call("alice", "TR_1");
  for (int i = 0; i < 5; ++i) {
    peer->send_s16(480, 3277);  // -20 dBov
    tick();
  }
  const PadSeen pad = room_->seen("src_0");
  EXPECT_TRUE(pad.buffers[0].gap) << "waits for its margin";
  for (size_t i = 1; i < 5; ++i) {
    const BufferSeen& buffer = pad.buffers[i];
    EXPECT_FALSE(buffer.gap);
    EXPECT_EQ(buffer.first_sample, 3277);
    EXPECT_EQ(buffer.identity, "alice");
    EXPECT_EQ(buffer.name, "alice Smith");
    EXPECT_EQ(buffer.track, "TR_1");
    EXPECT_NEAR(buffer.level_dbov, -20.0, 0.01);
    EXPECT_FALSE(buffer.discont);
  }
}

TEST_F(LivekitWsSrc, DigitalSilenceIsAGapBufferOfZeros) {
  room_->play();
  auto peer = call("alice", "TR_1");
  peer->send_s16(480 * 4, 0);
  tick(4);
  for (const BufferSeen& buffer : room_->seen("src_0").buffers) {
    EXPECT_TRUE(buffer.gap);
    EXPECT_TRUE(buffer.all_zero);
    EXPECT_EQ(buffer.bytes, 1920u);
    EXPECT_EQ(buffer.level_dbov, ROOM_AUDIO_SILENCE_DBOV);
    EXPECT_EQ(buffer.identity, "alice");
  }
}

TEST_F(LivekitWsSrc, AnyRateIsExactOverTime) {
  room_->play();
  AudioFormat format;
  format.rate_hz = 11025;
  format.channels = 1;
  auto peer = call("alice", "TR_1", format);
  tick(400);
  size_t frames = 0;
  for (const BufferSeen& buffer : room_->seen("src_0").buffers) frames += buffer.bytes / 2;
  EXPECT_EQ(frames, 44100u);
}

TEST_F(LivekitWsSrc, FloatAndManyChannels) {
  room_->play();
  AudioFormat format{AudioFormat::Encoding::kF32le, 32000, 6};
  auto peer = call("alice", "TR_1", format);
  tick();
  const PadSeen pad = room_->seen("src_0");
  EXPECT_NE(pad.caps.find("F32LE"), std::string::npos) << pad.caps;
  EXPECT_NE(pad.caps.find("channels=(int)6"), std::string::npos) << pad.caps;
  EXPECT_EQ(pad.buffers.at(0).bytes, 320u * 6 * 4);
}

TEST_F(LivekitWsSrc, EndPlaysWhatIsLeftThenEosAndThePadGoes) {
  room_->play();
  auto peer = call("alice", "TR_1");
  for (int i = 0; i < 3; ++i) {
    peer->send_s16(480, 1000);
    tick();
  }
  peer->send_s16(100, 500);
  peer->close();
  tick(3);
  const PadSeen pad = room_->seen("src_0");
  EXPECT_TRUE(pad.eos);
  EXPECT_TRUE(pad.removed);
  // 3 * 480 + 100 frames: the wait, three slices, the rest.
  ASSERT_EQ(pad.buffers.size(), 5u);
  EXPECT_EQ(pad.buffers[4].first_sample, 500);
  EXPECT_EQ(pad.buffers[4].bytes, 1920u);
  EXPECT_TRUE(room_->has_message("removed alice"));
  EXPECT_FALSE(room_->has_message("lost alice"));
  EXPECT_EQ(Network::instance().ended(), 1);
  EXPECT_TRUE(peer->released());
}

TEST_F(LivekitWsSrc, VanishedPeerIsLost) {
  room_->play();
  auto peer = call("alice", "TR_1");
  peer->send_s16(480, 1000);
  tick(2);
  peer->close(ConnectionState::kLost, "connection reset");
  tick(3);
  EXPECT_TRUE(room_->has_message("lost alice"));
  EXPECT_TRUE(room_->has_message("removed alice"));
  EXPECT_FALSE(room_->has_message("error"));
}

TEST_F(LivekitWsSrc, BrokenProtocolIsAWarningThatNamesThePeerAndOthersGoOn) {
  room_->play();
  auto mallory = call("mallory", "TR_1");
  auto alice = call("alice", "TR_2");
  tick();
  mallory->close(ConnectionState::kProtocolError, "unmasked frame");
  tick(3);
  EXPECT_TRUE(room_->has_message("warning"));
  EXPECT_NE(room_->last_warning().find("mallory"), std::string::npos);
  EXPECT_FALSE(room_->has_message("error"));
  EXPECT_EQ(room_->seen("src_1").buffers.size(), 4u);
  EXPECT_FALSE(room_->seen("src_1").removed);
}

TEST_F(LivekitWsSrc, SameIdentityTwiceAtOnce) {
  room_->play();
  auto one = call("alice", "TR_1");
  auto two = call("alice", "TR_1");
  tick();
  EXPECT_EQ(room_->seen("src_0").stream_id, "TR_1");
  EXPECT_EQ(room_->seen("src_1").stream_id, "TR_1#2");
  EXPECT_EQ(room_->stat("same-identity"), 1u);
}

gboolean refuse_mallory(GstElement*, const GstStructure* caller, gpointer) {
  return g_strcmp0(gst_structure_get_string(caller, "identity"), "mallory") != 0;
}

void remember(GstElement*, const GstStructure* caller, gpointer list) {
  gchar* text = gst_structure_to_string(caller);
  static_cast<std::vector<std::string>*>(list)->push_back(text);
  g_free(text);
}

TEST_F(LivekitWsSrc, SignalsTellOfCallers) {
  std::vector<std::string> added;
  std::vector<std::string> removed;
  std::vector<std::string> rejected;
  g_signal_connect(room_->element(), "caller-connecting", G_CALLBACK(refuse_mallory), nullptr);
  g_signal_connect(room_->element(), "caller-added", G_CALLBACK(remember), &added);
  g_signal_connect(room_->element(), "caller-removed", G_CALLBACK(remember), &removed);
  g_signal_connect(room_->element(), "caller-rejected", G_CALLBACK(remember), &rejected);
  room_->set("room", "standup");
  room_->play();
  std::shared_ptr<Peer> nobody;
  EXPECT_EQ(Network::instance().call(caller("mallory", "TR_0"), &nobody).http_status, 403u);
  EXPECT_FALSE(nobody);
  auto peer = call("alice", "TR_1");
  tick();
  ASSERT_EQ(added.size(), 1u);
  EXPECT_NE(added[0].find("alice"), std::string::npos);
  EXPECT_NE(added[0].find("src_0"), std::string::npos);
  EXPECT_NE(added[0].find("standup"), std::string::npos);
  peer->close();
  tick(2);
  ASSERT_EQ(removed.size(), 1u);
  EXPECT_NE(removed[0].find("closed"), std::string::npos);
  ASSERT_EQ(rejected.size(), 1u);
  EXPECT_NE(rejected[0].find("403"), std::string::npos);
  Network::instance().refuse("192.0.2.9:1", 401, "wrong token");
  EXPECT_EQ(rejected.size(), 2u);
  tick();
  EXPECT_EQ(room_->stat("callers-refused"), 2u);
}

TEST_F(LivekitWsSrc, MutedTextInformsButDoesNotGateAudio) {
  room_->play();
  auto peer = call("alice", "TR_1");
  for (int i = 0; i < 3; ++i) {
    peer->send_s16(480, 1000);
    tick();
  }
  peer->send_text(R"({"muted":true})");
  peer->send_s16(480, 1000);
  tick();
  const BufferSeen last = room_->seen("src_0").buffers.back();
  EXPECT_TRUE(last.muted);
  EXPECT_FALSE(last.gap);
  EXPECT_EQ(last.first_sample, 1000);
  EXPECT_TRUE(room_->has_message("muted alice"));
  EXPECT_FALSE(room_->has_message("unmuted alice"));
  peer->send_text(R"({"muted":false})");
  peer->send_text("something else");
  peer->send_text(R"({"muted":"perhaps"})");
  tick();
  EXPECT_TRUE(room_->has_message("unmuted alice"));
}

TEST_F(LivekitWsSrc, NothingForASecondIsAStall) {
  room_->play();
  auto peer = call("alice", "TR_1");
  tick(300);
  EXPECT_FALSE(room_->has_message("stalled alice")) << "egress takes seconds to begin";
  peer->send_s16(960, 1000);
  tick(90);
  EXPECT_FALSE(room_->has_message("stalled alice"));
  tick(20);
  EXPECT_TRUE(room_->has_message("stalled alice"));
  EXPECT_EQ(room_->seen("src_0").buffers.size(), 410u) << "slices go on";
}

TEST_F(LivekitWsSrc, FallingBehindSkipsAndSaysSo) {
  room_->play();
  auto peer = call("alice", "TR_1");
  tick(3);
  gst_test_clock_set_time(clock_, 5 * GST_SECOND);
  tick(2);
  const PadSeen pad = room_->seen("src_0");
  ASSERT_EQ(pad.buffers.size(), 5u);
  EXPECT_EQ(pad.buffers[3].pts, 5 * GST_SECOND - 10 * kMs);
  EXPECT_TRUE(pad.buffers[3].discont);
  EXPECT_FALSE(pad.buffers[4].discont);
  EXPECT_TRUE(room_->has_message("warning"));
  EXPECT_EQ(room_->stat("skipped-slices"), 496u);
}

TEST_F(LivekitWsSrc, LateByAFewSlicesIsMadeUpFor) {
  room_->play();
  auto peer = call("alice", "TR_1");
  tick(3);
  gst_test_clock_set_time(clock_, 85 * kMs);
  tick(5);
  const PadSeen pad = room_->seen("src_0");
  ASSERT_EQ(pad.buffers.size(), 8u);
  for (size_t i = 0; i < 8; ++i) EXPECT_EQ(pad.buffers[i].pts, i * 10 * kMs);
  EXPECT_FALSE(room_->has_message("warning"));
  EXPECT_GT(room_->stat("late-slices"), 0u);
}

TEST_F(LivekitWsSrc, LatencyIsOneSlice) {
  room_->set("slice-duration", 20u);
  room_->play();
  GstQuery* query = gst_query_new_latency();
  ASSERT_TRUE(gst_element_query(room_->element(), query));
  gboolean live = FALSE;
  GstClockTime low = 0;
  GstClockTime high = 0;
  gst_query_parse_latency(query, &live, &low, &high);
  EXPECT_TRUE(live);
  EXPECT_EQ(low, 20 * kMs);
  EXPECT_EQ(high, GST_CLOCK_TIME_NONE);
  gst_query_unref(query);
  auto peer = call("alice", "TR_1");
  tick();
  GstPad* pad = gst_element_get_static_pad(room_->element(), "src_0");
  query = gst_query_new_latency();
  EXPECT_TRUE(gst_pad_query(pad, query));
  gst_query_parse_latency(query, &live, &low, &high);
  EXPECT_EQ(low, 20 * kMs);
  gst_query_unref(query);
  gst_object_unref(pad);
  EXPECT_EQ(room_->seen("src_0").buffers.at(0).bytes, 3840u);
}

TEST_F(LivekitWsSrc, SliceIsLongerWhereAThreadIsShared) {
  const auto latency = [this] {
    GstQuery* query = gst_query_new_latency();
    EXPECT_TRUE(gst_element_query(room_->element(), query));
    GstClockTime low = 0;
    gst_query_parse_latency(query, nullptr, &low, nullptr);
    gst_query_unref(query);
    return low;
  };
  EXPECT_EQ(latency(), 10 * kMs);
  room_->set("context", "many");
  EXPECT_EQ(latency(), 20 * kMs);
  room_->set("slice-duration", 1u);
  EXPECT_EQ(latency(), 2 * kMs) << "as short as it gets";
  room_->set("slice-duration", 10u);
  EXPECT_EQ(latency(), 10 * kMs);
  room_->play();
  EXPECT_EQ(latency(), 10 * kMs);
}

TEST_F(LivekitWsSrc, UnlinkedPadIsNoError) {
  room_->link_nothing();
  room_->play();
  auto peer = call("alice", "TR_1");
  for (int i = 0; i < 50; ++i) {
    peer->send_s16(480, 1);
    tick();
  }
  EXPECT_FALSE(room_->has_message("error"));
  GstStructure* stats = room_->stats();
  const GValue* list = gst_structure_get_value(stats, "connections");
  ASSERT_EQ(gst_value_array_get_size(list), 1u);
  const GstStructure* entry = gst_value_get_structure(gst_value_array_get_value(list, 0));
  guint64 received = 0;
  gst_structure_get_uint64(entry, "frames-received", &received);
  EXPECT_EQ(received, 24000u) << "read all the same";
  EXPECT_STREQ(gst_structure_get_string(entry, "identity"), "alice");
  EXPECT_STREQ(gst_structure_get_string(entry, "state"), "open");
  gst_structure_free(stats);
}

TEST_F(LivekitWsSrc, ErrorDownstreamOfAllPadsIsAnError) {
  room_->play();
  auto peer = call("alice", "TR_1");
  tick();
  room_->answer_with(GST_FLOW_ERROR);
  tick(5);
  EXPECT_TRUE(room_->has_message("error"));
}

TEST_F(LivekitWsSrc, FlowThatOnlyEndsIsNoError) {
  room_->play();
  auto peer = call("alice", "TR_1");
  tick();
  room_->answer_with(GST_FLOW_EOS);
  tick(5);
  EXPECT_FALSE(room_->has_message("error"));
  EXPECT_EQ(room_->seen("src_0").buffers.size(), 2u);
}

TEST_F(LivekitWsSrc, EosOnRequestEndsAllTracks) {
  room_->play();
  auto alice = call("alice", "TR_1");
  auto bob = call("bob", "TR_2");
  for (int i = 0; i < 5; ++i) {
    alice->send_s16(480, 1000);
    tick();
  }
  GstEvent* const eos = gst_event_new_eos();
  const guint32 seqnum = gst_event_get_seqnum(eos);
  EXPECT_TRUE(gst_element_send_event(room_->element(), eos));
  tick(4);
  for (const char* pad : {"src_0", "src_1"}) {
    EXPECT_TRUE(room_->seen(pad).eos);
    EXPECT_EQ(room_->seen(pad).eos_seqnum, seqnum);
  }
  EXPECT_EQ(alice->closed_with(), 1001);
  EXPECT_EQ(bob->closed_with(), 1001);
  std::shared_ptr<Peer> late;
  EXPECT_EQ(Network::instance().call(caller("carol", "TR_3"), &late).http_status, 503u);
}

TEST_F(LivekitWsSrc, EosOnRequestWithoutTracksComesOutOfAnEmptyOne) {
  room_->play();
  tick(5);
  EXPECT_TRUE(gst_element_send_event(room_->element(), gst_event_new_eos()));
  tick();
  EXPECT_TRUE(room_->seen("src_0").eos);
  EXPECT_TRUE(room_->seen("src_0").removed);
  EXPECT_TRUE(room_->seen("src_0").buffers.empty());
}

TEST_F(LivekitWsSrc, OpusPacketsPassAsTheyAre) {
  room_->play();
  AudioFormat format{AudioFormat::Encoding::kOpus, 48000, 2};
  auto peer = call("alice", "TR_1", format);
  for (int i = 0; i < 20; ++i) {
    if (i % 2 == 0) peer->send_audio({31 << 3, 1, 2, 3, uint8_t(i)});
    tick();
  }
  const PadSeen pad = room_->seen("src_0");
  EXPECT_NE(pad.caps.find("audio/x-opus"), std::string::npos) << pad.caps;
  EXPECT_NE(pad.caps.find("channel-mapping-family=(int)0"), std::string::npos) << pad.caps;
  EXPECT_EQ(pad.clock_id, "") << "not fed by equal slices";
  EXPECT_FALSE(pad.room_clocked);
  ASSERT_GE(pad.buffers.size(), 9u);
  for (size_t i = 0; i < pad.buffers.size(); ++i) {
    EXPECT_EQ(pad.buffers[i].bytes, 5u);
    EXPECT_EQ(pad.buffers[i].duration, 20 * kMs);
    if (i > 0) {
      EXPECT_EQ(pad.buffers[i].pts, pad.buffers[i - 1].pts + 20 * kMs);
    }
    EXPECT_EQ(pad.buffers[i].identity, "alice");
    EXPECT_FALSE(pad.buffers[i].gap);
  }
  tick(20);
  EXPECT_FALSE(room_->seen("src_0").gaps.empty()) << "time goes on without packets";
}

TEST_F(LivekitWsSrc, ArrivalHandsOnABacklogWhole) {
  gst_util_set_object_arg(G_OBJECT(room_->element()), "playout", "arrival");
  room_->play();
  auto peer = call("alice", "TR_1");
  tick(50);
  EXPECT_TRUE(room_->seen("src_0").buffers.empty());
  for (int i = 0; i < 10; ++i) {
    peer->send_s16(480, 1000);
    tick();
  }
  EXPECT_EQ(room_->seen("src_0").buffers.size(), 10u);
  EXPECT_EQ(room_->seen("src_0").buffers[0].pts, 500 * kMs);
  tick(2000);  // a stall of 20 s
  peer->send_s16(48000 * 20, 1000);
  for (int i = 0; i < 12; ++i) {
    peer->send_s16(480, 1000);
    tick();
  }
  const PadSeen pad = room_->seen("src_0");
  size_t frames = 0;
  GstClockTime end = pad.buffers[0].pts;
  for (const BufferSeen& buffer : pad.buffers) {
    EXPECT_NEAR(double(buffer.pts), double(end), 2.0);
    end = buffer.pts + buffer.duration;
    frames += buffer.bytes / 4;
  }
  EXPECT_EQ(frames, 480u * 22 + 48000 * 20) << "nothing dropped";
  EXPECT_NEAR(double(end), double(gst_clock_get_time(GST_CLOCK(clock_))), 20.0 * kMs);
  EXPECT_TRUE(pad.gaps.empty()) << "what comes late gets its true time";
}

TEST_F(LivekitWsSrc, AThousandComeAndGo) {
  room_->play();
  for (int round = 0; round < 50; ++round) {
    std::vector<std::shared_ptr<Peer>> crowd;
    for (int i = 0; i < 20; ++i) {
      crowd.push_back(call("p" + std::to_string(i), "TR_" + std::to_string(i)));
      if (i % 2) crowd.back()->send_s16(480, 100);
    }
    tick(2);
    for (auto& peer : crowd) {
      peer->close(round % 2 ? ConnectionState::kLost : ConnectionState::kClosedByPeer);
    }
    for (int i = 0; i < 100 && room_->stat("callers-removed") < guint64(round + 1) * 20; ++i)
      tick();
    for (auto& peer : crowd) EXPECT_TRUE(peer->released());
  }
  EXPECT_EQ(room_->stat("callers-added"), 1000u);
  EXPECT_EQ(room_->stat("callers-removed"), 1000u);
  EXPECT_EQ(Network::instance().ended(), 1000);
  GList* pads = room_->element()->pads;
  EXPECT_EQ(pads, nullptr);
}

TEST_F(LivekitWsSrc, FiftyTracksAtOnce) {
  room_->play();
  std::vector<std::shared_ptr<Peer>> peers;
  for (int i = 0; i < 60; ++i) {
    peers.push_back(call("p" + std::to_string(i), "TR_" + std::to_string(i)));
  }
  tick(70);  // one a slice at least is let in
  EXPECT_EQ(room_->pads(), 60u);
  for (int i = 0; i < 60; ++i) {
    EXPECT_EQ(room_->seen("src_" + std::to_string(i)).buffers.back().pts, 690 * kMs);
  }
}

TEST_F(LivekitWsSrc, PauseAndResumeGoesOnWithoutGoingBack) {
  room_->play();
  auto peer = call("alice", "TR_1");
  tick(5);
  gst_element_set_state(room_->element(), GST_STATE_PAUSED);
  gst_test_clock_advance_time(clock_, 3 * GST_SECOND + 4 * kMs);
  // As a pipeline does: running time stands still in PAUSED.
  gst_element_set_base_time(room_->element(), 3 * GST_SECOND + 4 * kMs);
  gst_element_set_state(room_->element(), GST_STATE_PLAYING);
  tick(5);
  const PadSeen pad = room_->seen("src_0");
  EXPECT_GE(pad.buffers.size(), 9u);
  for (size_t i = 1; i < pad.buffers.size(); ++i) {
    EXPECT_GE(pad.buffers[i].pts, pad.buffers[i - 1].pts + 10 * kMs);
  }
}

}  // namespace
}  // namespace livekit::fake
