// SPDX-License-Identifier: LGPL-2.1-or-later
#include "rtmpfixture.h"

#include "livekitrtmp/gstlivekitrtmpsrc.h"

namespace rtmp::test {

using livekit::ErrorHolder;
using livekit::GObjectPtr;

// ---- Caller ------------------------------------------------------------------------------------

Caller::Caller(guint port, bool tls) {
  const GObjectPtr<GSocketClient> client(g_socket_client_new());
  g_socket_client_set_timeout(client.get(), guint(kPatienceUs / 1'000'000));
  ErrorHolder error;
  socket_.reset(g_socket_client_connect_to_host(client.get(), "127.0.0.1", guint16(port), nullptr,
                                                error.out()));
  if (!socket_) return;
  stream_ = livekit::share(G_IO_STREAM(socket_.get()));
  if (!tls) return;
  stream_.reset(g_tls_client_connection_new(G_IO_STREAM(socket_.get()), nullptr, error.out()));
  g_signal_connect(stream_.get(), "accept-certificate",
                   G_CALLBACK(+[](GTlsConnection*, GTlsCertificate*, GTlsCertificateFlags,
                                  gpointer) -> gboolean { return TRUE; }),
                   nullptr);
  if (!g_tls_connection_handshake(G_TLS_CONNECTION(stream_.get()), nullptr, error.out())) {
    stream_.reset();
  }
}

void Caller::send(const Bytes& bytes) {
  // A server that has closed is found out by reading.
  g_output_stream_write_all(g_io_stream_get_output_stream(stream_.get()), bytes.data(),
                            bytes.size(), nullptr, nullptr, nullptr);
}

size_t Caller::send_some(const Bytes& bytes) {
  GSocket* const socket = g_socket_connection_get_socket(socket_.get());
  const gssize sent = g_socket_send_with_blocking(
      socket, reinterpret_cast<const gchar*>(bytes.data()), bytes.size(), FALSE, nullptr, nullptr);
  return sent > 0 ? size_t(sent) : 0;
}

bool Caller::read() {
  Bytes bytes(4096);
  const gssize got = g_input_stream_read(g_io_stream_get_input_stream(stream_.get()), bytes.data(),
                                         bytes.size(), nullptr, nullptr);
  if (got <= 0) return false;
  bytes.resize(size_t(got));
  answers_.feed(bytes);
  return true;
}

bool Caller::wait_for(const std::string& answer) {
  while (!answers_.has(answer)) {
    if (!read()) return false;
  }
  return true;
}

bool Caller::wait_for_end() {
  const int64_t deadline_us = g_get_monotonic_time() + kPatienceUs;
  while (read()) {
  }
  return g_get_monotonic_time() < deadline_us;
}

bool Caller::publish(const std::string& app, const std::string& name) {
  if (!connected()) return false;
  send(publisher(app, name));
  return wait_for("onStatus NetStream.Publish.Start");
}

// ---- Pipeline ----------------------------------------------------------------------------------

Pipeline::Pipeline(const std::string& options, const std::string& rest) {
  gst_init(nullptr, nullptr);
  GST_ELEMENT_REGISTER(livekitrtmpsrc, nullptr);
  const std::string line =
      "livekitrtmpsrc name=src address=127.0.0.1 port=0 " + options + " ! " + rest;
  ErrorHolder error;
  pipeline_ = gst_parse_launch(line.c_str(), error.out());
  EXPECT_NE(pipeline_, nullptr) << error.message();
  src_ = gst_bin_get_by_name(GST_BIN(pipeline_), "src");
  GstElement* sink = gst_bin_get_by_name(GST_BIN(pipeline_), "watched");
  watched_ = gst_element_get_static_pad(sink, "sink");
  gst_pad_add_probe(
      watched_, GstPadProbeType(GST_PAD_PROBE_TYPE_BUFFER | GST_PAD_PROBE_TYPE_EVENT_DOWNSTREAM),
      on_data, this, nullptr);
  gst_object_unref(sink);
}

Pipeline::~Pipeline() {
  unblock();
  gst_element_set_state(pipeline_, GST_STATE_NULL);
  gst_object_unref(watched_);
  gst_object_unref(src_);
  gst_object_unref(pipeline_);
}

GstStateChangeReturn Pipeline::play() {
  return gst_element_set_state(pipeline_, GST_STATE_PLAYING);
}

guint Pipeline::port() const {
  guint port = 0;
  g_object_get(src_, "port", &port, nullptr);
  return port;
}

GstStructure* Pipeline::stats() const {
  GstStructure* stats = nullptr;
  g_object_get(src_, "stats", &stats, nullptr);
  return stats;
}

guint64 Pipeline::stat(const char* name) const {
  GstStructure* all = stats();
  guint64 value = 0;
  gst_structure_get_uint64(all, name, &value);
  gst_structure_free(all);
  return value;
}

GstPadProbeReturn Pipeline::on_data(GstPad* pad, GstPadProbeInfo* info, gpointer data) {
  auto* const self = static_cast<Pipeline*>(data);
  Arrival arrival;
  if (info->type & GST_PAD_PROBE_TYPE_BUFFER) {
    GstBuffer* buffer = GST_PAD_PROBE_INFO_BUFFER(info);
    arrival.pts = GST_BUFFER_PTS(buffer);
    arrival.discont = GST_BUFFER_FLAG_IS_SET(buffer, GST_BUFFER_FLAG_DISCONT);
    arrival.bytes.resize(gst_buffer_get_size(buffer));
    gst_buffer_extract(buffer, 0, arrival.bytes.data(), arrival.bytes.size());
    GstEvent* event = gst_pad_get_sticky_event(pad, GST_EVENT_SEGMENT, 0);
    const GstSegment* segment = nullptr;
    gst_event_parse_segment(event, &segment);
    arrival.running_time = gst_segment_to_running_time(segment, GST_FORMAT_TIME, arrival.pts);
    gst_event_unref(event);
  } else {
    GstEvent* event = GST_PAD_PROBE_INFO_EVENT(info);
    if (GST_EVENT_TYPE(event) == GST_EVENT_GAP) {
      arrival.kind = Arrival::Kind::kGap;
      gst_event_parse_gap(event, &arrival.pts, &arrival.duration);
    } else if (GST_EVENT_TYPE(event) == GST_EVENT_SEGMENT) {
      arrival.kind = Arrival::Kind::kSegment;
    } else if (GST_EVENT_TYPE(event) == GST_EVENT_EOS) {
      arrival.kind = Arrival::Kind::kEos;
    } else {
      return GST_PAD_PROBE_OK;
    }
  }
  const std::lock_guard lock(self->mutex_);
  self->arrivals_.push_back(std::move(arrival));
  return GST_PAD_PROBE_OK;
}

std::vector<Arrival> Pipeline::arrivals() const {
  const std::lock_guard lock(mutex_);
  return arrivals_;
}

std::vector<uint8_t> Pipeline::stream() const {
  std::vector<uint8_t> bytes;
  for (const Arrival& arrival : arrivals()) {
    bytes.insert(bytes.end(), arrival.bytes.begin(), arrival.bytes.end());
  }
  return bytes;
}

size_t Pipeline::count(Arrival::Kind kind) const {
  const std::lock_guard lock(mutex_);
  return size_t(std::count_if(arrivals_.begin(), arrivals_.end(),
                              [kind](const Arrival& arrival) { return arrival.kind == kind; }));
}

bool Pipeline::wait_for_buffers(size_t wanted) const {
  return eventually([this, wanted] { return count(Arrival::Kind::kBuffer) >= wanted; });
}

bool Pipeline::wait_for(Arrival::Kind kind) const {
  return eventually([this, kind] { return count(kind) > 0; });
}

std::string Pipeline::wait_for_event(const std::string& event, const char* field) {
  GstBus* bus = gst_element_get_bus(pipeline_);
  std::string found;
  while (found.empty()) {
    GstMessage* message =
        gst_bus_timed_pop_filtered(bus, kPatienceUs * GST_USECOND, GST_MESSAGE_ELEMENT);
    if (!message) break;
    const GstStructure* structure = gst_message_get_structure(message);
    if (gst_structure_has_name(structure, "livekit-publisher") &&
        event == gst_structure_get_string(structure, "event")) {
      gchar* text = field ? g_strdup_value_contents(gst_structure_get_value(structure, field))
                          : gst_structure_to_string(structure);
      found = text;
      g_free(text);
    }
    gst_message_unref(message);
  }
  gst_object_unref(bus);
  return found;
}

std::string Pipeline::wait_for_complaint(GstMessageType type) {
  GstBus* bus = gst_element_get_bus(pipeline_);
  GstMessage* message = gst_bus_timed_pop_filtered(bus, kPatienceUs * GST_USECOND, type);
  gst_object_unref(bus);
  if (!message) return "";
  GError* error = nullptr;
  if (type == GST_MESSAGE_ERROR) {
    gst_message_parse_error(message, &error, nullptr);
  } else {
    gst_message_parse_warning(message, &error, nullptr);
  }
  const std::string text = error->message;
  g_error_free(error);
  gst_message_unref(message);
  return text;
}

void Pipeline::block() {
  block_ =
      gst_pad_add_probe(watched_, GST_PAD_PROBE_TYPE_BLOCK_DOWNSTREAM, on_block, nullptr, nullptr);
}

void Pipeline::unblock() {
  if (block_ != 0) gst_pad_remove_probe(watched_, block_);
  block_ = 0;
}

}  // namespace rtmp::test
