// SPDX-License-Identifier: LGPL-2.1-or-later
#include "resultmessage.h"

namespace stt {

namespace {

constexpr double kSecondNs = 1e9;

void put_words(GstStructure* structure, const std::vector<Word>& words) {
  GValue list = G_VALUE_INIT;
  gst_value_array_init(&list, guint(words.size()));
  for (const Word& word : words) {
    GstStructure* entry =
        gst_structure_new("word", "text", G_TYPE_STRING, word.text.c_str(), "start", G_TYPE_DOUBLE,
                          double(word.start_ns) / kSecondNs, "end", G_TYPE_DOUBLE,
                          double(word.end_ns) / kSecondNs, nullptr);
    GValue value = G_VALUE_INIT;
    g_value_init(&value, GST_TYPE_STRUCTURE);
    g_value_take_boxed(&value, entry);
    gst_value_array_append_and_take_value(&list, &value);
  }
  gst_structure_take_value(structure, "words", &list);
}

}  // namespace

GstStructure* to_structure(const Transcript& transcript) {
  GstStructure* structure = gst_structure_new(
      "transcript", "type", G_TYPE_STRING, transcript.is_final ? "final" : "partial", "utterance",
      G_TYPE_STRING, transcript.utterance.c_str(), "revision", G_TYPE_UINT, transcript.revision,
      "room", G_TYPE_STRING, transcript.room.c_str(), "track", G_TYPE_STRING,
      transcript.speaker.track.c_str(), "identity", G_TYPE_STRING,
      transcript.speaker.identity.c_str(), "name", G_TYPE_STRING,
      display_name(transcript.speaker).c_str(), "text", G_TYPE_STRING, transcript.text.c_str(),
      "language", G_TYPE_STRING, transcript.language.c_str(), "start", G_TYPE_DOUBLE,
      double(transcript.start_ns) / kSecondNs, "end", G_TYPE_DOUBLE,
      double(transcript.end_ns) / kSecondNs, "start-time", G_TYPE_UINT64,
      guint64(transcript.start_ns), "end-time", G_TYPE_UINT64, guint64(transcript.end_ns), "utc",
      G_TYPE_STRING, transcript.utc_start.c_str(), "utc-end", G_TYPE_STRING,
      transcript.utc_end.c_str(), "latency-ms", G_TYPE_INT64, gint64(transcript.latency_ms),
      "engine", G_TYPE_STRING, transcript.engine.c_str(), "model", G_TYPE_STRING,
      transcript.model.c_str(), nullptr);
  const ParticipantInfo& participant = transcript.participant;
  if (!participant.metadata.empty()) {
    gst_structure_set(structure, "metadata", G_TYPE_STRING, participant.metadata.c_str(), nullptr);
  }
  if (!participant.attributes.empty()) {
    gst_structure_set(structure, "attributes", G_TYPE_STRING, participant.attributes.c_str(),
                      nullptr);
  }
  if (!transcript.words.empty()) put_words(structure, transcript.words);
  if (transcript.confidence >= 0) {
    gst_structure_set(structure, "confidence", G_TYPE_DOUBLE, transcript.confidence, nullptr);
  }
  return structure;
}

}  // namespace stt
