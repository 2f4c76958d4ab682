// sttsink: when the end has come, and pads that come and go.
#include "sttsinktest.h"

namespace stt {
namespace {

class SttSinkEnd : public SttSinkTest {
 protected:
  void send_eos() { EXPECT_TRUE(gst_element_send_event(pipeline, gst_event_new_eos())); }
  // What has been handed to the sink's own thread is done.
  void settle() {
    auto other = source();
    const size_t index = size_t(stat("inputs-seen")) - 1;
    other->release();
    told_transcriber(index).complete_drains();
    engine.wait_until_gone(index);
  }
};

TEST_F(SttSinkEnd, EosIsPostedWhenEveryFinalIsOut) {
  set("location", path("a.vtt").c_str());
  auto one = source(false);
  auto two = source(false);
  set_state(GST_STATE_PLAYING);
  one->begin();
  two->begin();
  one->push(0);
  two->push(0);
  one->end();
  two->end();
  told_transcriber(0).wait_for_drain();
  told_transcriber(1).wait_for_drain();
  told_transcriber(1).complete_drains();
  told_transcriber(0).understand(said("Last words."));
  EXPECT_FALSE(has_message(GST_MESSAGE_EOS));
  told_transcriber(0).complete_drains();
  GstMessage* first = message(GstMessageType(GST_MESSAGE_ELEMENT | GST_MESSAGE_EOS));
  EXPECT_EQ(GST_MESSAGE_TYPE(first), GST_MESSAGE_ELEMENT);
  gst_message_unref(first);
  wait_for_eos();
  EXPECT_EQ(content("a.vtt"), "WEBVTT\n\nu1\n00:00:01.000 --> 00:00:02.500\nLast words.\n\n");
  EXPECT_EQ(one->push(10), GST_FLOW_EOS);
}

TEST_F(SttSinkEnd, EosCarriesTheSeqnumOfTheEvent) {
  auto from = source(false);
  set_state(GST_STATE_PLAYING);
  from->begin();
  GstEvent* eos = gst_event_new_eos();
  const guint32 seqnum = gst_event_get_seqnum(eos);
  from->event(eos);
  told_transcriber(0).complete_drains();
  GstMessage* message_eos = message(GST_MESSAGE_EOS);
  EXPECT_EQ(gst_message_get_seqnum(message_eos), seqnum);
  gst_message_unref(message_eos);
}

TEST_F(SttSinkEnd, PipelineWithoutATrackEndsWhenTold) {
  set_state(GST_STATE_PLAYING);
  send_eos();
  wait_for_eos();
}

TEST_F(SttSinkEnd, PipelineWithoutATrackDoesNotEndByItself) {
  set_state(GST_STATE_PLAYING);
  settle();
  EXPECT_FALSE(has_message(GST_MESSAGE_EOS));
}

TEST_F(SttSinkEnd, EosBeforePlayingIsPostedInPlaying) {
  set_state(GST_STATE_PAUSED);
  send_eos();
  settle();
  EXPECT_FALSE(has_message(GST_MESSAGE_EOS));
  set_state(GST_STATE_PLAYING);
  wait_for_eos();
}

TEST_F(SttSinkEnd, EosWaitsForEveryLinkedTrack) {
  auto from = source();
  set_state(GST_STATE_PLAYING);
  from->begin();
  send_eos();  // the source will send its own, after its last audio
  from->push(0);
  from->end();
  told_transcriber(0).wait_for_drain();
  EXPECT_FALSE(has_message(GST_MESSAGE_EOS));
  told_transcriber(0).complete_drains();
  wait_for_eos();
}

TEST_F(SttSinkEnd, EosWhileTheModelLoadsWaitsForIt) {
  engine.hold_load();
  auto from = source(false);
  set_state(GST_STATE_PLAYING);
  from->begin();
  from->push(0);
  from->end();
  EXPECT_FALSE(has_message(GST_MESSAGE_EOS));
  engine.release_load();
  told_transcriber(0).wait_for_drain();
  EXPECT_EQ(told_transcriber(0).samples(), 160u);
  told_transcriber(0).complete_drains();
  wait_for_eos();
}

TEST_F(SttSinkEnd, TrackThatLeavesLosesNothingAndDoesNotEndTheRoom) {
  set("location", path("a.txt").c_str());
  set_state(GST_STATE_PLAYING);
  auto from = source();
  from->begin("TR_a", true);
  from->push(0);
  FakeTranscriber& transcriber = told_transcriber(0);
  from->end();
  from->release();
  transcriber.wait_for_drain(2);
  transcriber.understand(said("Bye."));
  transcriber.complete_drains();
  engine.wait_until_gone(0);
  settle();
  EXPECT_FALSE(has_message(GST_MESSAGE_EOS));
  EXPECT_EQ(stat("finals"), 4u);  // of both that left
  EXPECT_EQ(stat("inputs"), 0u);
  send_eos();
  wait_for_eos();
  EXPECT_EQ(content("a.txt"), "[00:00:01] Bye.\n");
}

TEST_F(SttSinkEnd, TrackThatLeavesWithoutEosIsDrainedToo) {
  set_state(GST_STATE_PLAYING);
  auto from = source();
  from->begin("TR_a", true);
  from->push(0);
  from->release();
  told_transcriber(0).wait_for_drain();
  send_eos();
  EXPECT_FALSE(has_message(GST_MESSAGE_EOS));
  told_transcriber(0).understand(said("Bye."));
  told_transcriber(0).complete_drains();
  gst_structure_free(transcript());
  wait_for_eos();
}

TEST_F(SttSinkEnd, RoomWhoseTracksAllEndAndStayHasEnded) {
  gst_stt_sink_set_room_grace(GST_STT_SINK(sink), std::chrono::milliseconds(1));
  set_state(GST_STATE_PLAYING);
  auto from = source();
  from->begin("TR_a", true);
  from->end();
  told_transcriber(0).complete_drains();
  wait_for_eos();
}

TEST_F(SttSinkEnd, EndedPadThatIsReleasedDoesNotBlockTheEnd) {
  auto one = source(false);
  auto two = source(false);
  set_state(GST_STATE_PLAYING);
  one->begin();
  two->begin();
  one->end();
  told_transcriber(0).complete_drains();
  one->release();
  told_transcriber(0).complete_drains();
  two->end();
  told_transcriber(1).complete_drains();
  two->release();  // after its end; may be before the sink has noticed the drain
  told_transcriber(1).complete_drains();
  wait_for_eos();
}

TEST_F(SttSinkEnd, UnlinkedPadIsUsedAgain) {
  set_state(GST_STATE_PLAYING);
  auto from = source();
  from->begin("TR_a", true);
  from->push(0);
  from->end();
  from->unlink();
  told_transcriber(0).complete_drains(2);
  engine.wait_until_gone(0);
  gst_pad_set_active(from->pad, FALSE);
  gst_pad_set_active(from->pad, TRUE);
  ASSERT_EQ(gst_pad_link(from->pad, from->sink_pad), GST_PAD_LINK_OK);
  from->begin("TR_b", true);
  EXPECT_EQ(from->push(500), GST_FLOW_OK);
  EXPECT_EQ(told_transcriber(1).samples(), 160u);
  EXPECT_EQ(engine.made(), 2u);
}

TEST_F(SttSinkEnd, NewStreamAfterEosOnTheSamePadIsTakenAndEndsAgain) {
  set_state(GST_STATE_PLAYING);
  auto from = source(false);
  for (size_t round = 0; round < 2; ++round) {
    from->begin();
    EXPECT_EQ(from->push(0), GST_FLOW_OK);
    from->end();
    told_transcriber(round).complete_drains();
    if (round == 0) wait_for_eos();
  }
  told_transcriber(0).complete_drains();  // the first one's input has left
  told_transcriber(1);
  GstMessage* eos = nullptr;
  ASSERT_TRUE(eos = message(GST_MESSAGE_EOS));
  gst_message_unref(eos);
}

TEST_F(SttSinkEnd, ManyPadsComeAndGoWhilePlaying) {
  set_state(GST_STATE_PLAYING);
  for (size_t i = 0; i < 50; ++i) {
    auto from = source();
    from->begin("TR_x", true);
    EXPECT_EQ(from->push(int(i) * 10), GST_FLOW_OK);
    told_transcriber(i).understand(said("x"));
    from->release();
    told_transcriber(i).complete_drains();
    engine.wait_until_gone(i);
  }
  EXPECT_EQ(stat("inputs-seen"), 50u);
  EXPECT_EQ(stat("transcripts"), 50u);
  EXPECT_EQ(gst_child_proxy_get_children_count(GST_CHILD_PROXY(sink)), 0u);
  send_eos();
  wait_for_eos();
}

TEST_F(SttSinkEnd, EosIsPostedAgainAfterPause) {
  set_state(GST_STATE_PLAYING);
  send_eos();
  wait_for_eos();
  set_state(GST_STATE_PAUSED);
  set_state(GST_STATE_PLAYING);
  wait_for_eos();
}

}  // namespace
}  // namespace stt
