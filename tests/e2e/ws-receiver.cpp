// SPDX-License-Identifier: LGPL-2.1-or-later
// Stands where livekitwssrc stands, so that foreign WebSocket clients can be tried against the
// network side alone: takes connections, counts what they send, and prints one line of JSON for
// each connection that ends or is refused. Its first line is the port.
//   ws-receiver [--port N] [--path P] [--token T] [--max-connections N] [--max-message-size N]
//               [--tls-certificate F] [--tls-key F] [--handshake-timeout MS] [--idle-timeout MS]
//               [--connections N]    (ends after that many connections have ended)
#include <glib.h>
#include <poll.h>
#include <signal.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <list>
#include <memory>
#include <mutex>
#include <string>

#include "listener.h"

namespace {

using namespace livekit;

volatile sig_atomic_t stop_asked = 0;

struct Checksum {
  std::unique_ptr<GChecksum, decltype(&g_checksum_free)> sum{g_checksum_new(G_CHECKSUM_SHA256),
                                                             g_checksum_free};
  void add(const void* data, size_t size) {
    g_checksum_update(sum.get(), static_cast<const guchar*>(data), static_cast<gssize>(size));
  }
  const char* hex() { return g_checksum_get_string(sum.get()); }
};

struct Track : MessageHandler {
  TrackRequest request;
  std::unique_ptr<TrackConnection> connection;
  Checksum audio;
  Checksum texts;
  uint64_t audio_bytes = 0;

  void on_audio(std::span<const uint8_t> piece, bool) override {
    audio_bytes += piece.size();
    audio.add(piece.data(), piece.size());
  }
  void on_text(std::string_view text) override { texts.add(text.data(), text.size()); }
};

class Receiver : public Route {
 public:
  Verdict on_request(const TrackRequest&) override { return {}; }
  void on_connected(const TrackRequest& request,
                    std::unique_ptr<TrackConnection> connection) override {
    auto track = std::make_unique<Track>();
    track->request = request;
    track->connection = std::move(connection);
    std::lock_guard lock(mutex_);
    arrived_.push_back(std::move(track));
  }
  void on_refused(const std::string&, unsigned http_status, const std::string& reason) override {
    std::lock_guard lock(mutex_);
    std::printf("{\"refused\": %u, \"reason\": \"%s\"}\n", http_status, reason.c_str());
    std::fflush(stdout);
  }

  // Reads every connection once; the number of those that have ended.
  int read_all(Listener& listener) {
    {
      std::lock_guard lock(mutex_);
      tracks_.splice(tracks_.end(), arrived_);
    }
    int ended = 0;
    for (auto it = tracks_.begin(); it != tracks_.end();) {
      bool more = true;
      ConnectionState state = ConnectionState::kOpen;
      while (more) {
        state = (*it)->connection->read(**it, g_get_monotonic_time(), 1 << 20, &more);
      }
      if (state == ConnectionState::kOpen) {
        ++it;
        continue;
      }
      print(**it, state);
      listener.connection_ended(this);
      it = tracks_.erase(it);
      ++ended;
    }
    return ended;
  }

 private:
  void print(Track& track, ConnectionState state) {
    static const char* const names[] = {"open",           "closed-by-peer", "lost",
                                        "protocol-error", "timed-out",      "closed-locally"};
    const ConnectionCounters& counters = track.connection->counters();
    std::lock_guard lock(mutex_);
    std::printf(
        "{\"identity\": \"%s\", \"track\": \"%s\", \"state\": \"%s\", \"reason\": \"%s\", "
        "\"messages\": %llu, \"audio_bytes\": %llu, \"audio_sha256\": \"%s\", \"texts\": %llu, "
        "\"text_sha256\": \"%s\", \"pings\": %llu}\n",
        track.request.identity.c_str(), track.request.track.c_str(), names[static_cast<int>(state)],
        track.connection->close_reason().c_str(),
        static_cast<unsigned long long>(counters.messages),
        static_cast<unsigned long long>(track.audio_bytes), track.audio.hex(),
        static_cast<unsigned long long>(counters.texts), track.texts.hex(),
        static_cast<unsigned long long>(counters.pings));
    std::fflush(stdout);
  }

  std::mutex mutex_;  // guards arrived_ and stdout
  std::list<std::unique_ptr<Track>> arrived_;
  std::list<std::unique_ptr<Track>> tracks_;
};

}  // namespace

int main(int argc, char** argv) {
  ListenerConfig config;
  RouteConfig route;
  config.address = "127.0.0.1";
  config.port = 0;
  long connections = -1;
  for (int i = 1; i + 1 < argc; i += 2) {
    const std::string option = argv[i];
    const char* value = argv[i + 1];
    const long number = std::atol(value);
    if (option == "--port") {
      config.port = static_cast<uint16_t>(number);
    } else if (option == "--path") {
      route.path = value;
    } else if (option == "--token") {
      route.token = value;
    } else if (option == "--max-connections") {
      route.max_connections = static_cast<uint32_t>(number);
    } else if (option == "--max-message-size") {
      route.max_message_size = static_cast<size_t>(number);
    } else if (option == "--tls-certificate") {
      config.tls_certificate = value;
    } else if (option == "--tls-key") {
      config.tls_key = value;
    } else if (option == "--handshake-timeout") {
      config.handshake_timeout_ms = static_cast<uint32_t>(number);
    } else if (option == "--idle-timeout") {
      route.idle_timeout_ms = static_cast<uint32_t>(number);
    } else if (option == "--connections") {
      connections = number;
    } else {
      std::fprintf(stderr, "ws-receiver: unknown option %s\n", option.c_str());
      return 2;
    }
  }
  struct sigaction action {};
  action.sa_handler = [](int) { stop_asked = 1; };
  ::sigaction(SIGTERM, &action, nullptr);
  ::sigaction(SIGINT, &action, nullptr);

  std::string error;
  const auto listener = Listener::acquire(config, error);
  Receiver receiver;
  if (!listener || !listener->add_route(route, &receiver, error)) {
    std::fprintf(stderr, "ws-receiver: %s\n", error.c_str());
    return 1;
  }
  std::printf("%u\n", listener->port());
  std::fflush(stdout);
  while (!stop_asked && connections != 0) {
    const int ended = receiver.read_all(*listener);
    if (connections > 0) connections -= std::min<long>(ended, connections);
    ::poll(nullptr, 0, 5);
  }
  listener->remove_route(&receiver);
}
