// SPDX-License-Identifier: LGPL-2.1-or-later
#include <filesystem>
#include <fstream>

#include "rtmpfixture.h"

namespace rtmp::test {
namespace {

// Metadata as LiveKit's egress begins with, configuration, and `frames` frames.
Bytes some_media(int frames, uint32_t from_ms = 0) {
  amf0::Writer metadata;
  metadata.text("@setDataFrame").text("onMetaData");
  metadata.begin_object().key("width").number(0).key("audiocodecid").number(10).end_object();
  Bytes bytes = message(kDataAmf0, metadata.bytes(), 1, 0, 4) + audio(from_ms, aac_configuration());
  for (int i = 0; i < frames; ++i) bytes = bytes + audio(from_ms + uint32_t(i) * 23, aac_frame());
  return bytes;
}

// Walks over an FLV stream; the types of its tags, "" when it is none.
std::string tag_types(const std::vector<uint8_t>& bytes) {
  if (bytes.size() < 13 || bytes[0] != 'F' || bytes[1] != 'L' || bytes[2] != 'V') return "";
  std::string types;
  size_t at = 13;
  while (at + 15 <= bytes.size()) {
    const size_t size = read_u24(std::span(bytes).subspan(at + 1));
    if (at + 15 + size > bytes.size() ||
        read_u32(std::span(bytes).subspan(at + 11 + size)) != size + 11) {
      return "broken";
    }
    types += bytes[at] == 8 ? 'a' : bytes[at] == 9 ? 'v' : bytes[at] == 18 ? 'd' : '?';
    at += 15 + size;
  }
  return at == bytes.size() ? types : "cut";
}

TEST(LivekitRtmpSrc, WaitsInPlayingForAPublisher) {
  Pipeline pipeline("path=/live/standup latency=700");
  EXPECT_EQ(gst_element_set_state(pipeline.pipeline(), GST_STATE_PAUSED),
            GST_STATE_CHANGE_NO_PREROLL);
  ASSERT_NE(pipeline.play(), GST_STATE_CHANGE_FAILURE);
  GstState state = GST_STATE_NULL;
  gst_element_get_state(pipeline.src(), &state, nullptr, GST_CLOCK_TIME_NONE);
  EXPECT_EQ(state, GST_STATE_PLAYING);
  EXPECT_GT(pipeline.port(), 0u);
  GstQuery* query = gst_query_new_latency();
  ASSERT_TRUE(gst_element_query(pipeline.src(), query));
  gboolean live = FALSE;
  GstClockTime least = 0;
  gst_query_parse_latency(query, &live, &least, nullptr);
  EXPECT_TRUE(live);
  EXPECT_EQ(least, 700 * GST_MSECOND);
  gst_query_unref(query);
}

TEST(LivekitRtmpSrc, APublisherBecomesAnFlvStream) {
  Pipeline pipeline("path=/live/standup");
  pipeline.play();
  Caller caller(pipeline.port());
  ASSERT_TRUE(caller.publish("live", "standup"));
  caller.send(some_media(10));
  ASSERT_TRUE(pipeline.wait_for_buffers(12));
  EXPECT_EQ(tag_types(pipeline.stream()), "daaaaaaaaaaa");
  const auto all = pipeline.arrivals();
  // Says that there is no video.
  const auto first = std::find_if(
      all.begin(), all.end(), [](const Arrival& a) { return a.kind == Arrival::Kind::kBuffer; });
  EXPECT_EQ(first->bytes[4], 4);
  const Arrival& last = all.back();
  const Arrival& before = all[all.size() - 2];
  EXPECT_EQ(last.pts - before.pts, 23 * GST_MSECOND);
  EXPECT_EQ(last.running_time, last.pts);
  EXPECT_EQ(pipeline.stat("audio-messages"), 11u);
  EXPECT_EQ(pipeline.stat("messages"), 12u);
  EXPECT_GT(pipeline.stat("bytes"), 3000u);
}

TEST(LivekitRtmpSrc, TimesBehindADemuxerAreRunningTimes) {
  // The publisher comes late: what it sends lies there, not at the beginning.
  Pipeline pipeline("", "flvdemux ! fakesink name=watched sync=false");
  pipeline.play();
  g_usleep(700'000);
  Caller caller(pipeline.port());
  ASSERT_TRUE(caller.publish("live", "standup"));
  caller.send(some_media(10));
  ASSERT_TRUE(pipeline.wait_for_buffers(10));
  const GstClockTime now = gst_element_get_current_running_time(pipeline.pipeline());
  GstClockTime first = GST_CLOCK_TIME_NONE;
  for (const Arrival& arrival : pipeline.arrivals()) {
    if (arrival.kind == Arrival::Kind::kBuffer && first == GST_CLOCK_TIME_NONE) {
      first = arrival.running_time;
    }
  }
  EXPECT_GE(first, 700 * GST_MSECOND);
  EXPECT_LE(first, now);
  caller.hang_up();
  // A gap of more than the 2 s at which demuxers grow suspicious.
  ASSERT_TRUE(pipeline.wait_for(Arrival::Kind::kGap));
  g_usleep(2'000'000);
  Caller again(pipeline.port());
  ASSERT_TRUE(again.publish("live", "standup"));
  const GstClockTime published = gst_element_get_current_running_time(pipeline.pipeline());
  again.send(some_media(5));
  ASSERT_TRUE(pipeline.wait_for_buffers(15));
  const GstClockTime later = gst_element_get_current_running_time(pipeline.pipeline());
  GstClockTime before = 0;
  GstClockTime back = GST_CLOCK_TIME_NONE;
  size_t count = 0;
  for (const Arrival& arrival : pipeline.arrivals()) {
    if (arrival.kind != Arrival::Kind::kBuffer) continue;
    EXPECT_GE(arrival.running_time, before);
    before = arrival.running_time;
    if (++count == 11) back = arrival.running_time;
  }
  EXPECT_GE(back + 2 * GST_MSECOND, published);
  EXPECT_LE(back, later);
}

TEST(LivekitRtmpSrc, AReconnectContinuesTheStream) {
  Pipeline pipeline("path=/live/standup");
  pipeline.play();
  {
    Caller caller(pipeline.port());
    ASSERT_TRUE(caller.publish("live", "standup"));
    caller.send(some_media(10, 500000));
    ASSERT_TRUE(pipeline.wait_for_buffers(12));
  }
  EXPECT_NE(pipeline.wait_for_event("lost"), "");
  ASSERT_TRUE(pipeline.wait_for(Arrival::Kind::kGap));
  Caller caller(pipeline.port());
  ASSERT_TRUE(caller.publish("live", "standup"));
  caller.send(some_media(10));
  ASSERT_TRUE(pipeline.wait_for_buffers(24));
  EXPECT_EQ(tag_types(pipeline.stream()), "daaaaaaaaaaadaaaaaaaaaaa");
  GstClockTime last = 0;
  std::string disconts;
  for (const Arrival& arrival : pipeline.arrivals()) {
    if (arrival.kind == Arrival::Kind::kEos) ADD_FAILURE() << "EOS";
    if (arrival.kind != Arrival::Kind::kBuffer) continue;
    EXPECT_GE(arrival.pts, last);
    disconts += arrival.discont ? 'D' : '.';
    last = arrival.pts;
  }
  // The header, and the first frame of each after metadata and codec data.
  EXPECT_EQ(disconts, "D.D...........D.........");
  EXPECT_GT(last, GST_SECOND);
  EXPECT_EQ(pipeline.stat("reconnects"), 1u);
  EXPECT_GE(pipeline.stat("without-publisher-ms"), 900u);
  std::string gap = pipeline.wait_for_event("added", "gap");
  EXPECT_GE(std::stoull(gap), 900'000'000u);
}

TEST(LivekitRtmpSrc, AnOrderlyEndIsNoLoss) {
  Pipeline pipeline("");
  pipeline.play();
  Caller caller(pipeline.port());
  ASSERT_TRUE(caller.publish("live", "standup"));
  caller.send(some_media(1) + call("FCUnpublish", 7, "standup") + delete_stream());
  EXPECT_EQ(pipeline.wait_for_event("removed", "reason"), "\"closed\"");
  // The same connection again.
  caller.send(publish("standup"));
  EXPECT_NE(pipeline.wait_for_event("added"), "");
}

TEST(LivekitRtmpSrc, ASecondPublisherIsRefused) {
  Pipeline pipeline("path=/live/standup");
  pipeline.play();
  Caller first(pipeline.port());
  ASSERT_TRUE(first.publish("live", "standup"));
  Caller second(pipeline.port());
  second.send(publisher("live", "standup"));
  EXPECT_TRUE(second.wait_for("onStatus NetStream.Publish.BadName"));
  EXPECT_TRUE(second.wait_for_end());
  EXPECT_EQ(pipeline.wait_for_event("refused", "status"), "409");
  first.send(some_media(3));
  EXPECT_TRUE(pipeline.wait_for_buffers(5));
  EXPECT_EQ(pipeline.stat("callers-refused"), 1u);
}

TEST(LivekitRtmpSrc, TheTokenIsAskedForAndNeverTold) {
  Pipeline pipeline("path=/live/standup token=s3cret");
  pipeline.play();
  Caller wrong(pipeline.port());
  wrong.send(publisher("live", "standup/guess"));
  EXPECT_TRUE(wrong.wait_for("onStatus NetStream.Publish.Denied"));
  const std::string refused = pipeline.wait_for_event("refused");
  EXPECT_NE(refused.find("401"), std::string::npos);
  EXPECT_EQ(refused.find("guess"), std::string::npos);
  Caller right(pipeline.port());
  ASSERT_TRUE(right.publish("live", "standup/s3cret"));
  const std::string added = pipeline.wait_for_event("added");
  EXPECT_NE(added.find("/live/standup"), std::string::npos);
  EXPECT_EQ(added.find("s3cret"), std::string::npos);
}

TEST(LivekitRtmpSrc, TheApplicationMayRefuse) {
  Pipeline pipeline("");
  g_signal_connect(pipeline.src(), "caller-connecting",
                   G_CALLBACK(+[](GstElement*, const GstStructure* caller, gpointer) -> gboolean {
                     return g_str_has_suffix(gst_structure_get_string(caller, "stream"), "friend");
                   }),
                   nullptr);
  pipeline.play();
  Caller stranger(pipeline.port());
  stranger.send(publisher("live", "stranger"));
  EXPECT_TRUE(stranger.wait_for("onStatus NetStream.Publish.Denied"));
  Caller friendly(pipeline.port());
  EXPECT_TRUE(friendly.publish("live", "friend"));
}

TEST(LivekitRtmpSrc, EosOnRequestComesAfterWhatWasSent) {
  Pipeline pipeline("");
  pipeline.play();
  Caller caller(pipeline.port());
  ASSERT_TRUE(caller.publish("live", "standup"));
  pipeline.block();
  caller.send(some_media(50));
  ASSERT_TRUE(eventually([&] { return pipeline.stat("messages") == 52; }));
  gst_element_send_event(pipeline.pipeline(), gst_event_new_eos());
  EXPECT_TRUE(caller.wait_for("onStatus NetStream.Unpublish.Success"));
  EXPECT_TRUE(caller.wait_for_end());
  pipeline.unblock();
  ASSERT_TRUE(pipeline.wait_for(Arrival::Kind::kEos));
  EXPECT_EQ(pipeline.count(Arrival::Kind::kBuffer), 52u);
}

TEST(LivekitRtmpSrc, EosWithNobodyThere) {
  // A demuxer takes it for an error, if nothing at all has come.
  Pipeline pipeline("", "flvdemux ! fakesink name=watched sync=false");
  pipeline.play();
  gst_element_send_event(pipeline.pipeline(), gst_event_new_eos());
  EXPECT_TRUE(pipeline.wait_for(Arrival::Kind::kEos));
}

TEST(LivekitRtmpSrc, StopsAndStartsAgain) {
  Pipeline pipeline("");
  for (int i = 0; i < 3; ++i) {
    pipeline.play();
    Caller caller(pipeline.port());
    ASSERT_TRUE(caller.publish("live", "standup"));
    caller.send(some_media(5));
    ASSERT_TRUE(pipeline.wait_for_buffers(size_t(i + 1) * 7));
    gst_element_set_state(pipeline.pipeline(), GST_STATE_READY);
    EXPECT_TRUE(caller.wait_for_end());
  }
}

TEST(LivekitRtmpSrc, ABlockedPipelineHoldsUpItsOwnPublisherOnly) {
  const guint port = [] {
    Pipeline probe("");
    probe.play();
    return probe.port();
  }();
  const std::string shared = "port=" + std::to_string(port) + " ";
  Pipeline slow(shared + "path=/live/slow max-queue-size=20000");
  Pipeline quick(shared + "path=/live/quick");
  slow.play();
  quick.play();
  Caller slow_caller(port);
  Caller quick_caller(port);
  ASSERT_TRUE(slow_caller.publish("live", "slow"));
  ASSERT_TRUE(quick_caller.publish("live", "quick"));
  slow.block();
  // Sends until nothing more is taken.
  const Bytes one = audio(0, aac_frame(4000));
  Bytes rest;
  size_t messages = 0;
  for (int64_t taken_us = g_get_monotonic_time(); g_get_monotonic_time() - taken_us < 300'000;) {
    if (rest.empty()) {
      rest = one;
      ++messages;
    }
    const size_t sent = slow_caller.send_some(rest);
    if (sent > 0) taken_us = g_get_monotonic_time();
    rest.erase(rest.begin(), rest.begin() + ptrdiff_t(sent));
  }
  EXPECT_LT(slow.stat("queue-bytes"), 100'000u);
  quick_caller.send(some_media(100));
  EXPECT_TRUE(quick.wait_for_buffers(102));
  slow.unblock();
  slow_caller.send(rest);
  EXPECT_TRUE(slow.wait_for_buffers(messages));
  EXPECT_EQ(slow.stat("audio-messages"), messages);
}

TEST(LivekitRtmpSrc, AStallIsToldAndDropsNothing) {
  Pipeline pipeline("");
  pipeline.play();
  Caller caller(pipeline.port());
  ASSERT_TRUE(caller.publish("live", "standup"));
  caller.send(some_media(10));
  EXPECT_NE(pipeline.wait_for_event("stalled"), "");
  Bytes burst;
  for (uint32_t i = 10; i < 130; ++i) burst = burst + audio(i * 23, aac_frame());
  caller.send(burst);
  EXPECT_NE(pipeline.wait_for_event("resumed"), "");
  ASSERT_TRUE(pipeline.wait_for_buffers(132));
  const auto all = pipeline.arrivals();
  // No gap was invented, and no time was moved.
  EXPECT_EQ(pipeline.count(Arrival::Kind::kGap), 0u);
  EXPECT_EQ(all.back().pts - all[all.size() - 130].pts, 129 * 23 * GST_MSECOND);
}

TEST(LivekitRtmpSrc, APauseShiftsNothing) {
  Pipeline pipeline("");
  pipeline.play();
  Caller caller(pipeline.port());
  ASSERT_TRUE(caller.publish("live", "standup"));
  caller.send(some_media(10));
  ASSERT_TRUE(pipeline.wait_for_buffers(12));
  gst_element_set_state(pipeline.pipeline(), GST_STATE_PAUSED);
  Bytes more;
  for (uint32_t i = 10; i < 210; ++i) more = more + audio(i * 23, aac_frame());
  caller.send(more);
  ASSERT_TRUE(eventually([&] { return pipeline.stat("audio-messages") == 211; }));
  pipeline.play();
  caller.send(audio(210 * 23, aac_frame()));
  ASSERT_TRUE(pipeline.wait_for_buffers(13));
  const Arrival last = pipeline.arrivals().back();
  EXPECT_TRUE(last.discont);
  // The first frames came at once, and so are a bit ahead.
  EXPECT_LE(last.running_time,
            gst_element_get_current_running_time(pipeline.pipeline()) + 300 * GST_MSECOND);
}

TEST(LivekitRtmpSrc, WhatComesBeforePlayingIsKept) {
  // Models may load until then.
  Pipeline pipeline("");
  gst_element_set_state(pipeline.pipeline(), GST_STATE_PAUSED);
  Caller caller(pipeline.port());
  ASSERT_TRUE(caller.publish("live", "standup"));
  caller.send(some_media(100));
  ASSERT_TRUE(eventually([&] { return pipeline.stat("audio-messages") == 101; }));
  pipeline.play();
  ASSERT_TRUE(pipeline.wait_for_buffers(102));
}

TEST(LivekitRtmpSrc, UnknownCodecsAreNamed) {
  Pipeline pipeline("");
  pipeline.play();
  Caller caller(pipeline.port());
  ASSERT_TRUE(caller.publish("live", "standup"));
  caller.send(audio(0, {0x90, 'O', 'p', 'u', 's'}));
  EXPECT_EQ(pipeline.wait_for_complaint(GST_MESSAGE_WARNING),
            "The publisher sends \"Opus\" by enhanced RTMP, which cannot be demuxed: have it send "
            "AAC.");
}

TEST(LivekitRtmpSrc, VideoIsLeftOutOnRequest) {
  Pipeline pipeline("audio-only=true");
  pipeline.play();
  Caller caller(pipeline.port());
  ASSERT_TRUE(caller.publish("live", "standup"));
  caller.send(message(kVideo, {0x17, 0, 0, 0, 0}, 1, 0, 6) + audio(0, aac_frame()) +
              message(kVideo, {0x17, 1, 0, 0, 0}, 1, 0, 6) + audio(23, aac_frame()));
  ASSERT_TRUE(pipeline.wait_for_buffers(2));
  EXPECT_EQ(tag_types(pipeline.stream()), "aa");
  EXPECT_EQ(pipeline.stat("video-messages"), 2u);
}

// ---- Errors before PLAYING ---------------------------------------------------------------------

TEST(LivekitRtmpSrc, APortInUseIsAnError) {
  Pipeline first("");
  first.play();
  // Another address of the same port: another listener, and the kernel says no.
  Pipeline second("address=0.0.0.0 port=" + std::to_string(first.port()));
  EXPECT_EQ(second.play(), GST_STATE_CHANGE_FAILURE);
  const std::string text = second.wait_for_complaint(GST_MESSAGE_ERROR);
  EXPECT_NE(text.find("another program uses it"), std::string::npos) << text;
}

TEST(LivekitRtmpSrc, APathInUseIsAnError) {
  Pipeline first("path=/live/standup");
  first.play();
  // port=0 is never shared.
  const guint port = [] {
    Pipeline probe("");
    probe.play();
    return probe.port();
  }();
  Pipeline second("path=/live/standup port=" + std::to_string(port));
  Pipeline third("path=/live/standup port=" + std::to_string(port));
  EXPECT_NE(second.play(), GST_STATE_CHANGE_FAILURE);
  EXPECT_EQ(third.play(), GST_STATE_CHANGE_FAILURE);
  const std::string text = third.wait_for_complaint(GST_MESSAGE_ERROR);
  EXPECT_NE(text.find("is taken by another element"), std::string::npos) << text;
}

TEST(LivekitRtmpSrc, ACertificateThatIsNotThereIsAnError) {
  Pipeline pipeline("tls-certificate=/nowhere/certificate.pem");
  EXPECT_EQ(pipeline.play(), GST_STATE_CHANGE_FAILURE);
  const std::string text = pipeline.wait_for_complaint(GST_MESSAGE_ERROR);
  EXPECT_NE(text.find("Both have to be readable PEM files"), std::string::npos) << text;
}

}  // namespace
}  // namespace rtmp::test
