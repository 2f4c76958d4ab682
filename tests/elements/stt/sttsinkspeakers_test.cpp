// sttsink: whose speech it is, on tracks and on a mix.
#include "sttsinktest.h"

namespace stt {
namespace {

class SttSinkSpeakers : public SttSinkTest {
 protected:
  static constexpr RoomAudioTrack kAlice = {"TR_a", "alice", "Alice", -20, FALSE};
  static constexpr RoomAudioTrack kBob = {"TR_b", "bob", "", -20, FALSE};

  void push_mix(Source& from, int start_ms, double alice_dbov, double bob_dbov,
                const RoomAudioTrack* active, int since_ms) {
    from.push(start_ms, 10, 1000, [&](GstBuffer* buffer) {
      RoomAudioTrack tracks[] = {kAlice, kBob};
      tracks[0].level_dbov = alice_dbov;
      tracks[1].level_dbov = bob_dbov;
      room_audio_buffer_set_mix(buffer, tracks, 2);
      room_audio_buffer_set_active(buffer, active);
      GstCustomMeta* meta = gst_buffer_get_custom_meta(buffer, ROOM_AUDIO_META_NAME);
      gst_structure_set(gst_custom_meta_get_structure(meta), "active-since", G_TYPE_UINT64,
                        guint64(since_ms) * GST_MSECOND, nullptr);
    });
  }
  std::string name_of_next() {
    GstStructure* got = transcript();
    std::string text = std::string(gst_structure_get_string(got, "track")) + "/" +
                       gst_structure_get_string(got, "identity") + "/" +
                       gst_structure_get_string(got, "name");
    gst_structure_free(got);
    return text;
  }
};

TEST_F(SttSinkSpeakers, TrackIsNamedByItsMeta) {
  auto from = source();
  set_state(GST_STATE_PLAYING);
  from->begin("TR_from_stream", true);
  for (int i = 0; i < 3; ++i) {
    from->push(i * 10, 10, 1000,
               [&](GstBuffer* buffer) { room_audio_buffer_set_track(buffer, &kBob); });
  }
  EXPECT_EQ(told_transcriber(0).log(), "TR_b/bob/@0;");
  told_transcriber(0).understand(said("Hi."));
  EXPECT_EQ(name_of_next(), "TR_b/bob/bob");  // the name falls back to the identity
}

TEST_F(SttSinkSpeakers, WhatIsKnownOfTheParticipantIsInTheTranscript) {
  auto from = source();
  set_state(GST_STATE_PLAYING);
  from->begin("TR_b", true);
  const auto push_as = [&](int start_ms, const RoomAudioParticipant& participant) {
    from->push(start_ms, 10, 1000, [&](GstBuffer* buffer) {
      room_audio_buffer_set_track_of(buffer, &kBob, &participant);
    });
  };
  const auto next = [this] {
    told_transcriber(0).understand(said("Hi."));
    GstStructure* got = transcript();
    const auto field = [got](const char* name) {
      const gchar* text = gst_structure_get_string(got, name);
      return std::string(text ? text : "-");
    };
    const std::string text = field("metadata") + " " + field("attributes");
    gst_structure_free(got);
    return text;
  };
  push_as(0, {"", ""});
  EXPECT_EQ(next(), "- -");
  push_as(10, {"m", R"({"lang":"de"})"});
  EXPECT_EQ(next(), R"(m {"lang":"de"})");
  push_as(20, {"", R"({"lang":"en"})"});
  EXPECT_EQ(next(), R"(- {"lang":"en"})");
  // What the last one said comes out when another one is on.
  from->push(30, 10, 1000, [&](GstBuffer* buffer) {
    const RoomAudioTrack carol = {"TR_c", "carol", "", -20, FALSE};
    const RoomAudioParticipant hers = {"hers", ""};
    room_audio_buffer_set_track_of(buffer, &carol, &hers);
  });
  EXPECT_EQ(next(), "hers -");
  told_transcriber(0).understand_as({"TR_b", "bob", ""}, said("Bye."));
  GstStructure* late = transcript();
  EXPECT_STREQ(gst_structure_get_string(late, "identity"), "bob");
  EXPECT_FALSE(gst_structure_has_field(late, "metadata"));
  gst_structure_free(late);
}

TEST_F(SttSinkSpeakers, TrackOfARoomWithoutMetaIsNamedByStreamAndTags) {
  auto from = source();
  set_state(GST_STATE_PLAYING);
  from->begin("TR_c", true);
  from->event(gst_event_new_tag(
      gst_tag_list_new(GST_TAG_TITLE, "Carol", GST_TAG_ARTIST, "carol", nullptr)));
  from->push(0);
  EXPECT_EQ(told_transcriber(0).log(), "TR_c/carol/Carol@0;");
}

TEST_F(SttSinkSpeakers, TagsOfAFileAreNotASpeaker) {
  auto from = source(false);
  set_state(GST_STATE_PLAYING);
  from->begin("hash/of/a/file");
  from->event(gst_event_new_tag(gst_tag_list_new(GST_TAG_TITLE, "A song", nullptr)));
  from->push(0);
  EXPECT_EQ(told_transcriber(0).log(), "");
}

TEST_F(SttSinkSpeakers, PadPropertiesNameWhatNothingElseNames) {
  auto from = source(false);
  gst_child_proxy_set(GST_CHILD_PROXY(sink), "sink_0::identity", "dave", "sink_0::display-name",
                      "Dave", nullptr);
  set_state(GST_STATE_PLAYING);
  from->begin();
  from->push(0);
  EXPECT_EQ(told_transcriber(0).log(), "/dave/Dave@0;");
}

TEST_F(SttSinkSpeakers, MixIsCutWhereTheSpeakerChanges) {
  auto from = source();
  set_state(GST_STATE_PLAYING);
  from->begin();
  for (int at = 0; at < 2000; at += 10) push_mix(*from, at, -20, -127, &kAlice, 0);
  for (int at = 2000; at < 2500; at += 10) {
    push_mix(*from, at, -127, -20, at < 2200 ? &kAlice : &kBob, at < 2200 ? 0 : 2000);
  }
  EXPECT_EQ(told_transcriber(0).log(), "TR_a/alice/Alice@0;TR_b/bob/@2000;");
}

TEST_F(SttSinkSpeakers, ResultBelongsToWhoWasLouderInItsSpan) {
  auto from = source();
  set_state(GST_STATE_PLAYING);
  from->begin();
  for (int at = 0; at < 1000; at += 10) push_mix(*from, at, -20, -127, &kAlice, 0);
  // The detector is still at Alice when Bob's short answer is understood.
  for (int at = 1000; at < 2500; at += 10) push_mix(*from, at, -127, -20, &kAlice, 0);
  told_transcriber(0).understand(said("Yes."));
  EXPECT_EQ(name_of_next(), "TR_b/bob/bob");
}

TEST_F(SttSinkSpeakers, WithoutMetasNobodyIsNamed) {
  auto from = source();
  set_state(GST_STATE_PLAYING);
  from->begin();
  from->push(0);
  told_transcriber(0).understand(said("Hi."));
  EXPECT_EQ(name_of_next(), "//");
}

TEST_F(SttSinkSpeakers, NamesThatAreNotUtf8DoNoHarm) {
  auto from = source();
  set_state(GST_STATE_PLAYING);
  from->begin();
  from->push(0);
  Result result = said("caf\xe9");
  told_transcriber(0).understand(result);
  GstStructure* got = transcript();
  EXPECT_STREQ(gst_structure_get_string(got, "text"), "caf\xef\xbf\xbd");
  gst_structure_free(got);
}

}  // namespace
}  // namespace stt
