// SPDX-License-Identifier: LGPL-2.1-or-later
// Mixes rooms and prints when a loud sound leaves each mix. For tests/benchmarks/rooms/latency.
//   mixprobe ROOMS PORT SLICE_MS
// First line: "start UNIX", when running time was 0 (seconds). Then "ROOM SECONDS": running time
// at which the first buffer of a sound left egressmux. Ends when standard input does.
#include <gst/gst.h>
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

namespace {

constexpr int kLoud = 8000;
constexpr GstClockTime kQuietBefore = 200 * GST_MSECOND;

std::mutex print_lock;

struct Mix {
  int room = 0;
  GstElement* element = nullptr;
  GstClockTime last_loud = 0;  // running time; its streaming thread only
};

bool is_loud(GstBuffer* buffer) {
  if (GST_BUFFER_FLAG_IS_SET(buffer, GST_BUFFER_FLAG_GAP)) return false;
  GstMapInfo map;
  if (!gst_buffer_map(buffer, &map, GST_MAP_READ)) return false;
  const auto* samples = reinterpret_cast<const int16_t*>(map.data);
  bool loud = false;
  for (size_t i = 0; i < map.size / sizeof(int16_t) && !loud; ++i) {
    loud = samples[i] > kLoud || samples[i] < -kLoud;
  }
  gst_buffer_unmap(buffer, &map);
  return loud;
}

GstPadProbeReturn watch(GstPad*, GstPadProbeInfo* info, gpointer data) {
  auto* mix = static_cast<Mix*>(data);
  if (!is_loud(GST_PAD_PROBE_INFO_BUFFER(info))) return GST_PAD_PROBE_OK;
  const GstClockTime now = gst_element_get_current_running_time(mix->element);
  if (mix->last_loud == 0 || now > mix->last_loud + kQuietBefore) {
    const std::lock_guard<std::mutex> lock(print_lock);
    std::printf("%d %.6f\n", mix->room, double(now) / GST_SECOND);
    std::fflush(stdout);
  }
  mix->last_loud = now;
  return GST_PAD_PROBE_OK;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 4) {
    std::fputs("Usage: mixprobe ROOMS PORT SLICE_MS\n", stderr);
    return 2;
  }
  gst_init(nullptr, nullptr);
  const int rooms = std::atoi(argv[1]);
  std::string line;
  for (int room = 1; room <= rooms; ++room) {
    const std::string number = std::to_string(room);
    line += std::string("livekitwssrc port=") + argv[2] + " slice-duration=" + argv[3] +
            " path=/room-" + number + " context=all : egressmux name=mix" + number +
            " ! speakerdetect ! fakesink sync=false ";
  }
  GError* error = nullptr;
  GstElement* pipeline = gst_parse_launch(line.c_str(), &error);
  if (!pipeline || error) {
    std::fprintf(stderr, "mixprobe: %s\n", error ? error->message : "no pipeline");
    return 1;
  }
  std::vector<std::unique_ptr<Mix>> mixes;
  for (int room = 1; room <= rooms; ++room) {
    auto mix = std::make_unique<Mix>();
    mix->room = room;
    mix->element = gst_bin_get_by_name(GST_BIN(pipeline), ("mix" + std::to_string(room)).c_str());
    GstPad* pad = gst_element_get_static_pad(mix->element, "src");
    gst_pad_add_probe(pad, GST_PAD_PROBE_TYPE_BUFFER, watch, mix.get(), nullptr);
    gst_object_unref(pad);
    mixes.push_back(std::move(mix));
  }
  gst_element_set_state(pipeline, GST_STATE_PLAYING);
  if (gst_element_get_state(pipeline, nullptr, nullptr, 10 * GST_SECOND) ==
      GST_STATE_CHANGE_FAILURE) {
    std::fputs("mixprobe: the pipeline does not start\n", stderr);
    return 1;
  }
  const double running_s =
      double(gst_element_get_current_running_time(pipeline)) / double(GST_SECOND);
  std::printf("start %.6f\n", double(g_get_real_time()) / 1e6 - running_s);
  std::fflush(stdout);
  // The latency of live sources is told through the bus.
  GstBus* bus = gst_element_get_bus(pipeline);
  gst_bus_add_watch(
      bus,
      [](GstBus*, GstMessage* message, gpointer data) -> gboolean {
        if (GST_MESSAGE_TYPE(message) == GST_MESSAGE_LATENCY) {
          gst_bin_recalculate_latency(GST_BIN(data));
        }
        return TRUE;
      },
      pipeline);
  GMainLoop* loop = g_main_loop_new(nullptr, FALSE);
  GIOChannel* input = g_io_channel_unix_new(STDIN_FILENO);
  g_io_add_watch(
      input, GIOCondition(G_IO_IN | G_IO_HUP),
      [](GIOChannel*, GIOCondition, gpointer data) -> gboolean {
        g_main_loop_quit(static_cast<GMainLoop*>(data));
        return FALSE;
      },
      loop);
  g_main_loop_run(loop);
  gst_element_set_state(pipeline, GST_STATE_NULL);
  g_io_channel_unref(input);
  g_main_loop_unref(loop);
  gst_bus_remove_watch(bus);
  gst_object_unref(bus);
  for (const auto& mix : mixes) gst_object_unref(mix->element);
  gst_object_unref(pipeline);
  return 0;
}
