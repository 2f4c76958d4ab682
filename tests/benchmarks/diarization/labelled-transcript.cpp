// SPDX-License-Identifier: LGPL-2.1-or-later
// Transcribes a WAV file whose speakers are told, not found: what sttsink makes of a mix when the
// labels are perfect. Where two talk at once the label changes in the middle of that.
//   labelled-transcript WAV RTTM MODEL OUT.jsonl
#include <gst/gst.h>

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "roomaudio/roomaudio.h"

namespace {

struct Turn {
  double start_s = 0;
  double end_s = 0;
  std::string who;
};

struct Label {
  double since_s = 0;
  std::string who;
};

std::vector<Label> read_labels(const char* path) {
  std::vector<Turn> turns;
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    std::istringstream fields(line);
    std::string skip;
    Turn turn;
    double length_s = 0;
    fields >> skip >> skip >> skip >> turn.start_s >> length_s >> skip >> skip >> turn.who;
    turn.end_s = turn.start_s + length_s;
    if (fields) turns.push_back(turn);
  }
  std::sort(turns.begin(), turns.end(),
            [](const Turn& a, const Turn& b) { return a.start_s < b.start_s; });
  std::vector<Label> labels;
  double last_end_s = 0;
  for (const Turn& turn : turns) {
    const double since_s =
        turn.start_s < last_end_s ? (turn.start_s + last_end_s) / 2 : turn.start_s;
    last_end_s = std::max(last_end_s, turn.end_s);
    if (labels.empty() || labels.back().who != turn.who) labels.push_back({since_s, turn.who});
  }
  return labels;
}

GstPadProbeReturn label(GstPad*, GstPadProbeInfo* info, gpointer data) {
  const auto& labels = *static_cast<std::vector<Label>*>(data);
  GstBuffer* buffer = gst_buffer_make_writable(GST_PAD_PROBE_INFO_BUFFER(info));
  GST_PAD_PROBE_INFO_DATA(info) = buffer;
  const double now_s = double(GST_BUFFER_PTS(buffer)) / GST_SECOND;
  const auto next = std::find_if(labels.begin(), labels.end(),
                                 [now_s](const Label& one) { return one.since_s > now_s; });
  if (next == labels.begin()) return GST_PAD_PROBE_OK;
  const Label& current = *(next - 1);
  const RoomAudioTrack active = {"", current.who.c_str(), current.who.c_str(), -20, FALSE};
  room_audio_buffer_set_active(buffer, &active);
  room_audio_buffer_set_active_since(buffer, GstClockTime(current.since_s * GST_SECOND));
  return GST_PAD_PROBE_OK;
}

}  // namespace

int main(int argc, char** argv) {
  gst_init(&argc, &argv);
  if (argc != 5) {
    std::fprintf(stderr, "usage: labelled-transcript WAV RTTM MODEL OUT.jsonl\n");
    return 2;
  }
  room_audio_meta_register();
  std::vector<Label> labels = read_labels(argv[2]);
  GError* error = nullptr;
  GstElement* pipeline = gst_parse_launch(
      "filesrc name=file ! wavparse ! identity name=labels ! sttsink name=text partials=false",
      &error);
  if (!pipeline) {
    std::fprintf(stderr, "%s\n", error->message);
    return 2;
  }
  const auto element = [&](const char* name) {
    return gst_bin_get_by_name(GST_BIN(pipeline), name);
  };
  GstElement* file = element("file");
  GstElement* text = element("text");
  GstElement* identity = element("labels");
  g_object_set(file, "location", argv[1], "blocksize", 1024, nullptr);
  g_object_set(text, "model", argv[3], "location", argv[4], nullptr);
  GstPad* pad = gst_element_get_static_pad(identity, "src");
  gst_pad_add_probe(pad, GST_PAD_PROBE_TYPE_BUFFER, label, &labels, nullptr);
  gst_element_set_state(pipeline, GST_STATE_PLAYING);
  GstBus* bus = gst_element_get_bus(pipeline);
  GstMessage* end = gst_bus_timed_pop_filtered(bus, GST_CLOCK_TIME_NONE,
                                               GstMessageType(GST_MESSAGE_EOS | GST_MESSAGE_ERROR));
  const bool failed = GST_MESSAGE_TYPE(end) == GST_MESSAGE_ERROR;
  gst_message_unref(end);
  gst_element_set_state(pipeline, GST_STATE_NULL);
  for (GstObject* object : {GST_OBJECT(pad), GST_OBJECT(bus), GST_OBJECT(file), GST_OBJECT(text),
                            GST_OBJECT(identity), GST_OBJECT(pipeline)}) {
    gst_object_unref(object);
  }
  return failed ? 1 : 0;
}
