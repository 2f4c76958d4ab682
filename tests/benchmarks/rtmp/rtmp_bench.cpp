// SPDX-License-Identifier: LGPL-2.1-or-later
// Publishes the AAC of an FLV file over and over, in real time, to one address or to many; and,
// with --receive, measures how long a packet takes until its samples are there.
//
//   rtmp_bench --flv FILE --publish rtmp://HOST:PORT/APP/NAME [--publishers N] [--seconds S]
//              [--receive PIPELINE] [--absolute]
//
// With several publishers %d in the address is the number of each. PIPELINE ends in an element
// called "measured", whose buffers are decoded frames, one a packet. --absolute: their times are
// the publisher's, and not counted from the first packet.
#include <arpa/inet.h>
#include <gst/gst.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "../../unit/livekitrtmp/rtmpclient.h"

namespace {

using namespace rtmp;
using test::Bytes;
using test::operator+;

constexpr double kFrameMs = 1024 / 44.1;
// Of the beginning nothing is counted: connections are made, decoders allocate.
constexpr size_t kWarmUpFrames = 43;

[[noreturn]] void die(const std::string& why) {
  std::fprintf(stderr, "rtmp_bench: %s\n", why.c_str());
  std::exit(1);
}

struct Options {
  std::string flv;
  std::string url;
  std::string receive;
  int publishers = 1;
  double seconds = 20;
  bool absolute = false;
};

struct Recording {
  Bytes configuration;
  std::vector<Bytes> frames;
};

Recording load(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  const Bytes bytes((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  Recording recording;
  for (size_t at = 13; at + 15 <= bytes.size();) {
    const size_t size = read_u24(std::span(bytes).subspan(at + 1));
    if (at + 15 + size > bytes.size()) break;
    const Bytes payload(bytes.begin() + ptrdiff_t(at) + 11,
                        bytes.begin() + ptrdiff_t(at + 11 + size));
    if (bytes[at] == kAudio && size > 2) {
      if (payload[1] == 0) {
        recording.configuration = payload;
      } else {
        recording.frames.push_back(payload);
      }
    }
    at += 15 + size;
  }
  if (recording.frames.empty()) die("no AAC in " + path);
  return recording;
}

class Publisher {
 public:
  explicit Publisher(const std::string& url) {
    // rtmp://HOST:PORT/APP/NAME
    const size_t host = std::string("rtmp://").size();
    const size_t slash = url.find('/', host);
    const size_t name = url.rfind('/');
    const size_t colon = url.find(':', host);
    if (slash == std::string::npos || name <= slash || colon > slash) die("not an address: " + url);
    addrinfo hints{};
    hints.ai_family = AF_INET;
    hints.ai_socktype = SOCK_STREAM;
    addrinfo* found = nullptr;
    const std::string where = url.substr(host, colon - host);
    const std::string port = url.substr(colon + 1, slash - colon - 1);
    if (getaddrinfo(where.c_str(), port.c_str(), &hints, &found) != 0) die("unknown host " + where);
    socket_ = ::socket(AF_INET, SOCK_STREAM, 0);
    if (::connect(socket_, found->ai_addr, found->ai_addrlen) != 0) die("cannot connect to " + url);
    freeaddrinfo(found);
    const int one = 1;
    ::setsockopt(socket_, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    const timeval patience{10, 0};
    ::setsockopt(socket_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    // One thing after another: not every server takes them all at once.
    const Bytes handshake = test::client_handshake();
    const auto c2 = handshake.begin() + 1 + ptrdiff_t(kHandshakeBytes);
    test::Answers answers;
    const auto wait = [&](auto done) {
      while (!done()) {
        Bytes bytes(4096);
        const ssize_t got = ::recv(socket_, bytes.data(), bytes.size(), 0);
        if (got <= 0) die("was not let in: " + url);
        bytes.resize(size_t(got));
        answers.feed(bytes);
      }
    };
    send(Bytes(handshake.begin(), c2));
    wait([&] { return answers.handshake().size() == handshake.size(); });
    send(Bytes(c2, handshake.end()) + test::connect(url.substr(slash + 1, name - slash - 1)));
    wait([&] { return answers.has("_result NetConnection.Connect.Success"); });
    send(test::call("createStream", 4));
    wait([&] { return answers.has("_result"); });
    send(test::publish(url.substr(name + 1)));
    wait([&] { return answers.has("onStatus NetStream.Publish.Start"); });
  }
  ~Publisher() { ::close(socket_); }
  Publisher(const Publisher&) = delete;
  Publisher& operator=(const Publisher&) = delete;

  // What it says meanwhile (acknowledgements) is read away.
  void read_away() {
    char scratch[4096];
    while (::recv(socket_, scratch, sizeof scratch, MSG_DONTWAIT) > 0) {
    }
  }

  void send(const Bytes& bytes) {
    size_t sent = 0;
    while (sent < bytes.size()) {
      const ssize_t went = ::send(socket_, bytes.data() + sent, bytes.size() - sent, MSG_NOSIGNAL);
      if (went <= 0) die("the receiver hung up");
      sent += size_t(went);
    }
  }

 private:
  int socket_ = -1;
};

// When each frame was sent, and how long it took.
class Measurement {
 public:
  Measurement(const Options& options, size_t frames) : options_(options), sent_us_(frames) {
    if (options.receive.empty()) return;
    gst_init(nullptr, nullptr);
    GError* error = nullptr;
    pipeline_ = gst_parse_launch(options.receive.c_str(), &error);
    if (error) die(error->message);
    GstElement* sink = gst_bin_get_by_name(GST_BIN(pipeline_), "measured");
    GstPad* pad = sink ? gst_element_get_static_pad(sink, "sink") : nullptr;
    if (!pad) die("the pipeline has no element \"measured\"");
    gst_pad_add_probe(pad, GST_PAD_PROBE_TYPE_BUFFER, on_buffer, this, nullptr);
    gst_object_unref(pad);
    gst_object_unref(sink);
    gst_element_set_state(pipeline_, GST_STATE_PLAYING);
    gst_element_get_state(pipeline_, nullptr, nullptr, 2 * GST_SECOND);
  }
  ~Measurement() {
    if (!pipeline_) return;
    gst_element_set_state(pipeline_, GST_STATE_NULL);
    gst_object_unref(pipeline_);
  }
  Measurement(const Measurement&) = delete;
  Measurement& operator=(const Measurement&) = delete;

  void sent(size_t frame) { sent_us_[frame] = g_get_monotonic_time(); }

  void report() {
    if (!pipeline_) return;
    const std::lock_guard lock(mutex_);
    if (latencies_ms_.empty()) die("nothing was received");
    std::sort(latencies_ms_.begin(), latencies_ms_.end());
    const auto at = [this](double part) {
      return latencies_ms_[size_t(part * double(latencies_ms_.size() - 1))];
    };
    std::printf("%6zu packets   p50 %6.1f ms   p95 %6.1f ms   worst %6.1f ms\n",
                latencies_ms_.size(), at(0.5), at(0.95), at(1));
  }

 private:
  static GstPadProbeReturn on_buffer(GstPad*, GstPadProbeInfo* info, gpointer data) {
    auto* const self = static_cast<Measurement*>(data);
    const int64_t now_us = g_get_monotonic_time();
    const double time_ms = double(GST_BUFFER_PTS(GST_PAD_PROBE_INFO_BUFFER(info))) / 1e6;
    if (self->first_ms_ < 0) self->first_ms_ = self->options_.absolute ? 0 : time_ms;
    const auto frame = size_t(std::llround((time_ms - self->first_ms_) / kFrameMs));
    if (frame >= self->sent_us_.size() || frame < kWarmUpFrames) return GST_PAD_PROBE_OK;
    const int64_t sent_us = self->sent_us_[frame];
    if (sent_us == 0) return GST_PAD_PROBE_OK;
    const std::lock_guard lock(self->mutex_);
    self->latencies_ms_.push_back(double(now_us - sent_us) / 1000);
    return GST_PAD_PROBE_OK;
  }

  const Options& options_;
  GstElement* pipeline_ = nullptr;
  double first_ms_ = -1;  // streaming thread
  std::vector<std::atomic<int64_t>> sent_us_;
  std::mutex mutex_;  // guards what follows
  std::vector<double> latencies_ms_;
};

Options parse(int count, char** arguments) {
  Options options;
  for (int i = 1; i < count; ++i) {
    const std::string name = arguments[i];
    if (name == "--absolute") {
      options.absolute = true;
      continue;
    }
    if (i + 1 == count) die("what about " + name + "?");
    const std::string value = arguments[++i];
    if (name == "--flv") {
      options.flv = value;
    } else if (name == "--publish") {
      options.url = value;
    } else if (name == "--receive") {
      options.receive = value;
    } else if (name == "--publishers") {
      options.publishers = std::atoi(value.c_str());
    } else if (name == "--seconds") {
      options.seconds = std::atof(value.c_str());
    } else {
      die("unknown option " + name);
    }
  }
  if (options.flv.empty() || options.url.empty() || options.publishers < 1) {
    die("--flv and --publish are needed");
  }
  return options;
}

std::string numbered(std::string url, int number) {
  const size_t mark = url.find("%d");
  return mark == std::string::npos ? url : url.replace(mark, 2, std::to_string(number));
}

}  // namespace

int main(int count, char** arguments) {
  const Options options = parse(count, arguments);
  const Recording recording = load(options.flv);
  const auto frames = size_t(options.seconds * 1000 / kFrameMs);
  Measurement measurement(options, frames);
  std::vector<std::unique_ptr<Publisher>> publishers;
  for (int i = 0; i < options.publishers; ++i) {
    publishers.push_back(std::make_unique<Publisher>(numbered(options.url, i)));
    publishers.back()->send(test::audio(0, recording.configuration));
  }
  const auto begin = std::chrono::steady_clock::now();
  for (size_t frame = 0; frame < frames; ++frame) {
    for (size_t i = 0; i < publishers.size(); ++i) {
      // Evenly over the length of a frame, as rooms that know nothing of each other.
      const double due_ms = (double(frame) + double(i) / double(publishers.size())) * kFrameMs;
      std::this_thread::sleep_until(begin + std::chrono::microseconds(int64_t(due_ms * 1000)));
      publishers[i]->read_away();
      measurement.sent(frame);
      publishers[i]->send(test::audio(uint32_t(std::llround(double(frame) * kFrameMs)),
                                      recording.frames[frame % recording.frames.size()]));
    }
  }
  std::this_thread::sleep_for(std::chrono::milliseconds(500));
  measurement.report();
  return 0;
}
