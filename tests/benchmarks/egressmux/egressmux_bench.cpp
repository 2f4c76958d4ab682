// What mixing costs: CPU seconds for one second of audio of many rooms, all pushed by one thread,
// as livekitwssrc does with a shared `context`.
//
//   egressmux_bench [rooms] [tracks] [rounds] [aligned|queue]
//
// Making the buffers, with their RoomAudioMeta, is not counted: this is the mixer alone.
// "queue" puts a queue before each pad, so that everything takes the way through audiomixer.
#include <gst/gst.h>
#include <time.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "roomaudio/roomaudio.h"

namespace {

constexpr int kSlicesPerRound = 100;
constexpr GstClockTime kSlice = 10 * GST_MSECOND;
constexpr size_t kBytes = 1920;

double cpu_seconds() {
  timespec now;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return double(now.tv_sec) + double(now.tv_nsec) / 1e9;
}

struct Track {
  GstPad* pad;
  std::string id;
  std::string identity;
  GstBuffer* buffer;
};

GstElement* make_room(int room, int tracks, bool with_queues, std::vector<Track>* all) {
  GError* error = nullptr;
  GstElement* pipeline = gst_parse_launch("egressmux name=mux ! fakesink sync=false", &error);
  if (error) {
    std::fprintf(stderr, "%s; is GST_PLUGIN_PATH set?\n", error->message);
    std::exit(1);
  }
  GstElement* mux = gst_bin_get_by_name(GST_BIN(pipeline), "mux");
  gst_element_set_state(pipeline, GST_STATE_PLAYING);
  for (int t = 0; t < tracks; ++t) {
    Track track{gst_pad_new(nullptr, GST_PAD_SRC),
                "TR_" + std::to_string(room * 1000 + t),
                "participant-" + std::to_string(t),
                {}};
    room_audio_pad_set_room_clocked(track.pad);
    gst_pad_set_active(track.pad, TRUE);
    GstPad* sink = gst_element_request_pad_simple(mux, "sink_%u");
    if (with_queues) {
      GstElement* queue = gst_element_factory_make("queue", nullptr);
      gst_bin_add(GST_BIN(pipeline), queue);
      gst_element_sync_state_with_parent(queue);
      GstPad* queue_src = gst_element_get_static_pad(queue, "src");
      gst_pad_link(queue_src, sink);
      gst_object_unref(queue_src);
      gst_object_unref(sink);
      sink = gst_element_get_static_pad(queue, "sink");
    }
    gst_pad_link(track.pad, sink);
    gst_object_unref(sink);
    GstEvent* start = gst_event_new_stream_start(track.id.c_str());
    room_audio_event_set_room_clock(start, ("room-" + std::to_string(room)).c_str(), kSlice);
    gst_pad_push_event(track.pad, start);
    GstCaps* caps = gst_caps_from_string(
        "audio/x-raw,format=S16LE,rate=48000,channels=2,layout=interleaved,"
        "channel-mask=(bitmask)0x3");
    gst_pad_push_event(track.pad, gst_event_new_caps(caps));
    gst_caps_unref(caps);
    GstSegment segment;
    gst_segment_init(&segment, GST_FORMAT_TIME);
    gst_pad_push_event(track.pad, gst_event_new_segment(&segment));
    all->push_back(std::move(track));
  }
  gst_object_unref(mux);
  return pipeline;
}

// Every buffer has a memory object of its own, as on the wire: one shared by thousands is slow.
GstBuffer* make_buffer(const Track& track, std::vector<guint8>* sound, GstClockTime pts) {
  GstBuffer* buffer = gst_buffer_new_wrapped_full(
      GST_MEMORY_FLAG_READONLY, sound->data(), sound->size(), 0, sound->size(), nullptr, nullptr);
  GST_BUFFER_PTS(buffer) = pts;
  GST_BUFFER_DURATION(buffer) = kSlice;
  const RoomAudioTrack meta = {track.id.c_str(), track.identity.c_str(), track.identity.c_str(),
                               -30.0, FALSE};
  room_audio_buffer_set_track(buffer, &meta);
  return buffer;
}

}  // namespace

int main(int argc, char** argv) {
  gst_init(&argc, &argv);
  const int rooms = argc > 1 ? std::atoi(argv[1]) : 100;
  const int tracks = argc > 2 ? std::atoi(argv[2]) : 5;
  const int rounds = argc > 3 ? std::atoi(argv[3]) : 5;
  const bool with_queues = argc > 4 && std::string(argv[4]) == "queue";

  std::vector<Track> all;
  std::vector<GstElement*> pipelines;
  for (int room = 0; room < rooms; ++room)
    pipelines.push_back(make_room(room, tracks, with_queues, &all));
  std::vector<guint8> sound(kBytes);
  for (size_t i = 0; i < sound.size(); ++i) sound[i] = guint8(i % 2 ? 3 : i * 7);

  GstClock* clock = gst_system_clock_obtain();
  // Timestamps begin at 0; the pipelines have been playing for a while.
  for (size_t t = 0; t < all.size(); ++t)
    gst_pad_set_offset(all[t].pad,
                       gint64(gst_clock_get_time(clock) -
                              gst_element_get_base_time(pipelines[t / size_t(tracks)])));
  std::vector<double> costs;
  GstClockTime pts = 0;
  for (int round = 0; round < rounds; ++round) {
    double cost = 0.0;
    const GstClockTime wall = gst_clock_get_time(clock);
    for (int slice = 0; slice < kSlicesPerRound; ++slice) {
      for (Track& track : all)
        track.buffer = make_buffer(track, &sound, pts + GstClockTime(slice) * kSlice);
      const double before = cpu_seconds();
      for (Track& track : all) gst_pad_push(track.pad, track.buffer);
      if (with_queues) {
        // A mixer with a clock of its own has to be fed in real time.
        GstClockID id =
            gst_clock_new_single_shot_id(clock, wall + GstClockTime(slice + 1) * kSlice);
        gst_clock_id_wait(id, nullptr);
        gst_clock_id_unref(id);
      }
      cost += cpu_seconds() - before;
    }
    costs.push_back(cost);
    pts += kSlicesPerRound * kSlice;
  }
  std::sort(costs.begin(), costs.end());
  std::printf(
      "egressmux %s: %d rooms x %d tracks: %.4f CPU s per s of audio (median of %d; "
      "%.4f to %.4f)\n",
      with_queues ? "through audiomixer" : "aligned", rooms, tracks, costs[costs.size() / 2],
      rounds, costs.front(), costs.back());
  gst_object_unref(clock);
  for (GstElement* pipeline : pipelines) {
    gst_element_set_state(pipeline, GST_STATE_NULL);
    gst_object_unref(pipeline);
  }
  for (Track& track : all) gst_object_unref(track.pad);
  return 0;
}
