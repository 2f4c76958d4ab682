// SPDX-License-Identifier: LGPL-2.1-or-later
// From an RTMP packet published to its samples where a recogniser takes them. A click in the audio
// is the mark: when the packet that carries it leaves the publisher is noted, and when the decoded
// click arrives.
//   rtmp-latency PUBLISH-URL READER [SECONDS]
// READER is a launch line that ends in raw audio. Prints p50, p95 and worst in milliseconds.
#include <gst/app/gstappsink.h>
#include <gst/app/gstappsrc.h>
#include <gst/gst.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace {

constexpr int kRate = 44100;
constexpr int kFrame = 1024;
constexpr int kFramesBetweenClicks = 43;  // about a second
constexpr int kLoud = 8000;

struct Marks {
  std::mutex mutex;
  std::deque<gint64> published_us;  // mutex; packets with a click, in order
  std::vector<double> latency_ms;   // mutex
  gint64 last_click_us = 0;         // mutex
};
Marks marks;

const char* const kEncoder =
    "appsrc name=source format=time caps=audio/x-raw,format=S16LE,rate=44100,channels=2,"
    "layout=interleaved,channel-mask=(bitmask)3 ! voaacenc bitrate=128000 ! aacparse ! ";

bool is_loud(GstBuffer* buffer) {
  GstMapInfo map;
  if (!gst_buffer_map(buffer, &map, GST_MAP_READ)) return false;
  const auto* samples = reinterpret_cast<const int16_t*>(map.data);
  const bool loud = std::any_of(samples, samples + map.size / sizeof(int16_t),
                                [](int16_t s) { return s > kLoud / 4 || s < -kLoud / 4; });
  gst_buffer_unmap(buffer, &map);
  return loud;
}

GstClockTime frame_time(int frame) {
  return gst_util_uint64_scale(guint64(frame) * kFrame, GST_SECOND, kRate);
}

GstBuffer* make_frame(int frame, bool click) {
  std::vector<int16_t> samples(2 * kFrame, 0);
  for (int s = 0; click && s < 300; ++s)
    samples[2 * s] = samples[2 * s + 1] = int16_t((s / 10) % 2 ? kLoud * 2 : -kLoud * 2);
  GstBuffer* buffer = gst_buffer_new_memdup(samples.data(), samples.size() * sizeof(int16_t));
  GST_BUFFER_PTS(buffer) = frame_time(frame);
  GST_BUFFER_DURATION(buffer) = frame_time(1);
  return buffer;
}

// Encoders and decoders look ahead: by how much the timestamp of the packet whose decoding brings a
// click is later than the click's own.
gint64 codec_delay_ns();

// Of the packet that carries the next click; the publishing thread and the probe are one.
std::atomic<gint64> g_next_click_ns = G_MAXINT64;
gint64 g_codec_delay_ns = 0;

GstPadProbeReturn on_packet(GstPad*, GstPadProbeInfo* info, gpointer) {
  GstBuffer* buffer = GST_PAD_PROBE_INFO_BUFFER(info);
  const gint64 click_ns = g_next_click_ns;
  if (!GST_BUFFER_PTS_IS_VALID(buffer) || click_ns == G_MAXINT64) return GST_PAD_PROBE_OK;
  if (gint64(GST_BUFFER_PTS(buffer)) < click_ns + g_codec_delay_ns - 12'000'000)
    return GST_PAD_PROBE_OK;
  g_next_click_ns = G_MAXINT64;
  const std::lock_guard lock(marks.mutex);
  marks.published_us.push_back(g_get_monotonic_time());
  return GST_PAD_PROBE_OK;
}

GstFlowReturn on_samples(GstAppSink* sink, gpointer) {
  GstSample* sample = gst_app_sink_pull_sample(sink);
  if (!sample) return GST_FLOW_EOS;
  const bool loud = is_loud(gst_sample_get_buffer(sample));
  gst_sample_unref(sample);
  if (!loud) return GST_FLOW_OK;
  const gint64 now_us = g_get_monotonic_time();
  const std::lock_guard lock(marks.mutex);
  if (now_us - marks.last_click_us > 300'000) {
    // Clicks from before the reader was there have no arrival.
    while (marks.published_us.size() > 1 && now_us - marks.published_us.front() > 900'000)
      marks.published_us.pop_front();
    if (!marks.published_us.empty()) {
      marks.latency_ms.push_back(double(now_us - marks.published_us.front()) / 1e3);
      marks.published_us.pop_front();
    }
  }
  marks.last_click_us = now_us;
  return GST_FLOW_OK;
}

GstElement* parse(const std::string& line) {
  GError* error = nullptr;
  GstElement* pipeline = gst_parse_launch(line.c_str(), &error);
  if (error) {
    std::fprintf(stderr, "rtmp-latency: %s\n", error->message);
    std::exit(2);
  }
  return pipeline;
}

gint64 codec_delay_ns() {
  constexpr int kClickFrame = 20;
  GstElement* pipeline = parse(std::string(kEncoder) +
                               "decodebin ! audioconvert ! audio/x-raw,format=S16LE,"
                               "layout=interleaved ! appsink name=sink sync=false");
  GstElement* source = gst_bin_get_by_name(GST_BIN(pipeline), "source");
  GstElement* sink = gst_bin_get_by_name(GST_BIN(pipeline), "sink");
  gst_element_set_state(pipeline, GST_STATE_PLAYING);
  for (int i = 0; i < 2 * kClickFrame; ++i)
    gst_app_src_push_buffer(GST_APP_SRC(source), make_frame(i, i == kClickFrame));
  gst_app_src_end_of_stream(GST_APP_SRC(source));
  gint64 delay_ns = 0;
  while (GstSample* sample = gst_app_sink_pull_sample(GST_APP_SINK(sink))) {
    GstBuffer* buffer = gst_sample_get_buffer(sample);
    if (delay_ns == 0 && is_loud(buffer))
      delay_ns = gint64(GST_BUFFER_PTS(buffer)) - gint64(frame_time(kClickFrame));
    gst_sample_unref(sample);
  }
  gst_element_set_state(pipeline, GST_STATE_NULL);
  gst_object_unref(source);
  gst_object_unref(sink);
  gst_object_unref(pipeline);
  return delay_ns;
}

void publish(GstElement* source, double seconds) {
  const gint64 began_us = g_get_monotonic_time();
  const int frames = int(seconds * kRate / kFrame);
  for (int i = 0; i < frames; ++i) {
    const gint64 due_us = began_us + gint64(i) * kFrame * 1'000'000 / kRate;
    g_usleep(gulong(std::max<gint64>(0, due_us - g_get_monotonic_time())));
    const bool click = i % kFramesBetweenClicks == kFramesBetweenClicks - 1;
    if (click) g_next_click_ns = gint64(frame_time(i));
    GstBuffer* buffer = make_frame(i, click);
    if (gst_app_src_push_buffer(GST_APP_SRC(source), buffer) != GST_FLOW_OK) break;
  }
}

}  // namespace

int main(int argc, char** argv) {
  gst_init(&argc, &argv);
  if (argc < 3) {
    std::fprintf(stderr, "usage: rtmp-latency PUBLISH-URL READER [SECONDS]\n");
    return 2;
  }
  const double seconds = argc > 3 ? g_ascii_strtod(argv[3], nullptr) : 60;
  g_codec_delay_ns = codec_delay_ns();
  std::printf("(the packet of a click is %.0f ms later than the click) ",
              double(g_codec_delay_ns) / 1e6);
  GstElement* reader = parse(std::string(argv[2]) +
                             " ! audioconvert ! audio/x-raw,format=S16LE,layout=interleaved ! "
                             "appsink name=sink sync=false");
  GstElement* sink = gst_bin_get_by_name(GST_BIN(reader), "sink");
  GstAppSinkCallbacks callbacks{};
  callbacks.new_sample = on_samples;
  gst_app_sink_set_callbacks(GST_APP_SINK(sink), &callbacks, nullptr, nullptr);
  gst_element_set_state(reader, GST_STATE_PLAYING);
  g_usleep(1'000'000);

  GstElement* publisher = parse(
      std::string(kEncoder) + "flvmux streamable=true ! rtmp2sink name=out sync=false location=\"" +
      std::string(argv[1]) + "\"");
  GstElement* out = gst_bin_get_by_name(GST_BIN(publisher), "out");
  GstPad* pad = gst_element_get_static_pad(out, "sink");
  gst_pad_add_probe(pad, GST_PAD_PROBE_TYPE_BUFFER, on_packet, nullptr, nullptr);
  GstElement* source = gst_bin_get_by_name(GST_BIN(publisher), "source");
  g_object_set(source, "is-live", TRUE, nullptr);
  gst_element_set_state(publisher, GST_STATE_PLAYING);
  publish(source, seconds);
  g_usleep(1'000'000);
  gst_element_set_state(reader, GST_STATE_NULL);
  gst_element_set_state(publisher, GST_STATE_NULL);
  gst_object_unref(source);
  gst_object_unref(pad);
  gst_object_unref(out);
  gst_object_unref(sink);
  gst_object_unref(publisher);
  gst_object_unref(reader);

  std::vector<double>& ms = marks.latency_ms;
  if (ms.size() < 5) {
    std::printf("only %zu clicks came\n", ms.size());
    return 1;
  }
  std::sort(ms.begin(), ms.end());
  std::printf("%zu clicks: p50 %.1f ms, p95 %.1f ms, worst %.1f ms\n", ms.size(), ms[ms.size() / 2],
              ms[ms.size() * 95 / 100], ms.back());
  return 0;
}
