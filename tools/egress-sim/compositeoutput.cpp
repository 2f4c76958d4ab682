// SPDX-License-Identifier: LGPL-2.1-or-later
#include "compositeoutput.h"

#include <gio/gio.h>
#include <glib/gstdio.h>
#include <gst/app/gstappsrc.h>
#include <gst/gst.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <memory>
#include <thread>

#include "launchvalue.h"

namespace egresssim {
namespace {

using Steady = std::chrono::steady_clock;

constexpr int kSliceFrames = kRateHz / 100;
constexpr GstClockTime kEndPatience = 30 * GST_SECOND;

struct Unref {
  void operator()(gpointer object) const { gst_object_unref(object); }
};
template <typename T>
using Owned = std::unique_ptr<T, Unref>;

// The first error on the bus, with what the element says about it; "" if there is none.
std::string take_error(GstBus* bus, GstMessage* message) {
  if (message == nullptr) message = gst_bus_pop_filtered(bus, GST_MESSAGE_ERROR);
  if (message == nullptr) return {};
  g_autoptr(GError) error = nullptr;
  g_autofree gchar* debug = nullptr;
  gst_message_parse_error(message, &error, &debug);
  std::string text = error->message;
  if (debug != nullptr) text += std::string(" (") + debug + ")";
  gst_message_unref(message);
  return text;
}

GstBuffer* slice_buffer(CompositeRenderer& renderer, int64_t first, int count) {
  GstBuffer* buffer = gst_buffer_new_allocate(nullptr, gsize(count) * kBytesPerFrame, nullptr);
  GstMapInfo map;
  if (gst_buffer_map(buffer, &map, GST_MAP_WRITE)) {
    renderer.render(first, count, reinterpret_cast<int16_t*>(map.data));
    gst_buffer_unmap(buffer, &map);
  }
  GST_BUFFER_PTS(buffer) = gst_util_uint64_scale(guint64(first), GST_SECOND, kRateHz);
  GST_BUFFER_DURATION(buffer) = gst_util_uint64_scale(guint64(count), GST_SECOND, kRateHz);
  return buffer;
}

}  // namespace

std::string composite_pipeline(const CompositeTarget& target) {
  std::string line = "appsrc name=mix format=time block=true max-bytes=0 max-buffers=0 max-time=" +
                     std::to_string((target.live ? 60 : 1) * GST_SECOND) +
                     (target.live ? " is-live=true" : "") +
                     " caps=audio/x-raw,format=S16LE,rate=48000,channels=2,layout=interleaved,"
                     "channel-mask=(bitmask)0x3 ! audioconvert ! audioresample ! ";
  // voaacenc: the only AAC-LC encoder in Debian's main that needs no package of its own (the RTMP
  // elements come with it), and the one the measured egress ran with.
  const std::string aac =
      "audio/x-raw,rate=44100,channels=2 ! voaacenc bitrate=128000 ! aacparse ! ";
  const std::string file = "filesink location=" + launch_value(target.where);
  switch (target.kind) {
    case CompositeKind::kRtmp:
      return line + aac +
             "flvmux streamable=true ! rtmp2sink sync=false location=" + launch_value(target.where);
    case CompositeKind::kMp4:
      return line + aac + (target.fragmented ? "mp4mux fragment-duration=1000 ! " : "mp4mux ! ") +
             file;
    case CompositeKind::kOgg:
      return line + "opusenc bitrate=96000 ! oggmux ! " + file;
    case CompositeKind::kWav:
      return line + "wavenc ! " + file;
    case CompositeKind::kHls:
      return line + aac + "hls.audio hlssink2 name=hls target-duration=" +
             std::to_string(std::lround(target.segment_s)) + " max-files=" +
             std::to_string(target.playlist_length > 0 ? target.playlist_length + 3 : 0) +
             " playlist-length=" + std::to_string(target.playlist_length) +
             " location=" + launch_value(target.where + "/segment_%05d.ts") +
             " playlist-location=" + launch_value(target.where + "/playlist.m3u8");
  }
  return {};
}

CompositeResult play_composite(const CompositePlan& plan, const CompositeTarget& target,
                               const std::atomic<int>* stop) {
  CompositeResult result;
  if (target.kind == CompositeKind::kHls && g_mkdir_with_parents(target.where.c_str(), 0755) != 0) {
    result.error = "cannot make the folder " + target.where;
    return result;
  }
  g_autoptr(GError) error = nullptr;
  Owned<GstElement> pipeline(gst_parse_launch(composite_pipeline(target).c_str(), &error));
  if (error != nullptr) {
    result.error = std::string(error->message) +
                   " (gstreamer1.0-plugins-bad is missing? tools/setup installs it)";
    return result;
  }
  gst_object_ref_sink(pipeline.get());
  Owned<GstElement> source(gst_bin_get_by_name(GST_BIN(pipeline.get()), "mix"));
  Owned<GstBus> bus(gst_element_get_bus(pipeline.get()));

  // The clock of the scenario begins when the first participant is there.
  const auto began = Steady::now();
  const std::chrono::duration<double> unix_now =
      std::chrono::system_clock::now().time_since_epoch();
  result.started_utc_s = unix_now.count() - plan.start_s;
  gst_element_set_state(pipeline.get(), GST_STATE_PLAYING);

  CompositeRenderer renderer(plan);
  const int64_t total = plan.total_frames();
  for (int64_t first = 0; first < total && *stop == 0 && result.error.empty();) {
    const int count = static_cast<int>(std::min<int64_t>(kSliceFrames, total - first));
    const double media_s = plan.start_s + static_cast<double>(first + count) / kRateHz;
    if (target.live) {
      const double due_s = plan.due_s(media_s) - plan.start_s;
      std::this_thread::sleep_until(began + std::chrono::duration_cast<Steady::duration>(
                                                std::chrono::duration<double>(due_s)));
      const std::chrono::duration<double> now = Steady::now() - began;
      result.worst_lateness_s = std::max(result.worst_lateness_s, now.count() - due_s);
    }
    GstBuffer* buffer = slice_buffer(renderer, first, count);
    if (gst_app_src_push_buffer(GST_APP_SRC(source.get()), buffer) != GST_FLOW_OK) {
      result.error = take_error(bus.get(), nullptr);
      if (result.error.empty()) result.error = "the receiver ended the stream";
    } else {
      result.error = take_error(bus.get(), nullptr);
    }
    first += count;
    result.frames = first;
  }
  if (result.error.empty()) {
    gst_app_src_end_of_stream(GST_APP_SRC(source.get()));
    GstMessage* message = gst_bus_timed_pop_filtered(
        bus.get(), kEndPatience, GstMessageType(GST_MESSAGE_EOS | GST_MESSAGE_ERROR));
    if (message == nullptr)
      result.error = "the end was not taken within 30 s";
    else if (GST_MESSAGE_TYPE(message) == GST_MESSAGE_ERROR)
      result.error = take_error(bus.get(), message);
    else
      gst_message_unref(message);
  }
  gst_element_set_state(pipeline.get(), GST_STATE_NULL);
  return result;
}

bool wait_for_listener(const std::string& url, double wait_s, const std::atomic<int>* stop) {
  const auto give_up = Steady::now() + std::chrono::duration<double>(wait_s);
  g_autoptr(GSocketClient) client = g_socket_client_new();
  while (*stop == 0) {
    g_autoptr(GSocketConnection) connection =
        g_socket_client_connect_to_uri(client, url.c_str(), 1935, nullptr, nullptr);
    if (connection != nullptr) return true;
    if (Steady::now() >= give_up) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
  return false;
}

}  // namespace egresssim
