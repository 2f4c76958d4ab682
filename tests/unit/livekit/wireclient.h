// SPDX-License-Identifier: LGPL-2.1-or-later
// The other end of the wire for tests of the network side: a plain socket, and a route that writes
// down what it is told. Everything waits on a condition, with a time limit, never just a time.
#pragma once

#include <arpa/inet.h>
#include <fcntl.h>
#include <gio/gio.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <dirent.h>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "clientframes.h"
#include "listener.h"

namespace livekit {

inline constexpr int kPatienceMs = 10000;

class WireClient {
 public:
  explicit WireClient(uint16_t port) {
    fd_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    const int on = 1;
    ::setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    connected_ = ::connect(fd_, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
  }
  ~WireClient() { hang_up(); }
  WireClient(WireClient&& other) noexcept
      : fd_(std::exchange(other.fd_, -1)), connected_(other.connected_) {}
  WireClient(const WireClient&) = delete;
  WireClient& operator=(const WireClient&) = delete;

  bool connected() const { return connected_; }

  bool send(const void* data, size_t size) {
    const char* bytes = static_cast<const char*>(data);
    while (size > 0) {
      const ssize_t sent = ::send(fd_, bytes, size, MSG_NOSIGNAL);
      if (sent <= 0) return false;
      bytes += sent;
      size -= static_cast<size_t>(sent);
    }
    return true;
  }
  bool send(const std::string& text) { return send(text.data(), text.size()); }
  bool send(const testing_frames::Bytes& bytes) { return send(bytes.data(), bytes.size()); }

  // Up to and with `end`; what came when the connection ended or patience did.
  std::string receive_until(const std::string& end) {
    return receive([&](const std::string& got) { return got.ends_with(end); });
  }
  std::string receive_bytes(size_t count) {
    return receive([&](const std::string& got) { return got.size() == count; });
  }
  // All until the other side closes. `*ended` tells whether it did.
  std::string receive_all(bool* ended = nullptr) {
    std::string got = receive([](const std::string&) { return false; });
    if (ended) *ended = ended_;
    return got;
  }
  void hang_up() {
    if (fd_ >= 0) ::close(fd_);
    fd_ = -1;
  }
  // Closes without a FIN: the peer gets a reset.
  void reset() {
    const linger now{1, 0};
    ::setsockopt(fd_, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    hang_up();
  }

 private:
  template <typename Enough>
  std::string receive(Enough enough) {
    std::string got;
    while (!enough(got)) {
      pollfd readable{fd_, POLLIN, 0};
      if (::poll(&readable, 1, kPatienceMs) <= 0) break;
      char byte;
      const ssize_t count = ::recv(fd_, &byte, 1, 0);
      if (count <= 0) {
        ended_ = true;
        break;
      }
      got += byte;
    }
    return got;
  }

  int fd_ = -1;
  bool connected_ = false;
  bool ended_ = false;
};

// What LiveKit's egress sends.
inline std::string upgrade_request(const std::string& target,
                                   const std::string& content_type = "audio/x-raw") {
  std::string request = "GET " + target +
                        " HTTP/1.1\r\nHost: 127.0.0.1\r\nUser-Agent: Go-http-client/1.1\r\n"
                        "Connection: Upgrade\r\n";
  if (!content_type.empty()) request += "Content-Type: " + content_type + "\r\n";
  return request +
         "Sec-WebSocket-Key: 23Yds43upQHDfOtJv5e6CQ==\r\nSec-WebSocket-Version: 13\r\n"
         "Upgrade: websocket\r\n\r\n";
}

class TestRoute : public Route {
 public:
  Verdict on_request(const TrackRequest& request) override {
    std::lock_guard lock(mutex_);
    requests_.push_back(request);
    changed_.notify_all();
    return answer;
  }
  void on_connected(const TrackRequest& request,
                    std::unique_ptr<TrackConnection> connection) override {
    std::lock_guard lock(mutex_);
    tracks_.push_back(request);
    connections_.push_back(std::move(connection));
    changed_.notify_all();
  }
  void on_refused(const std::string& remote, unsigned http_status,
                  const std::string& reason) override {
    std::lock_guard lock(mutex_);
    refusals_.push_back({http_status, reason});
    remotes_.push_back(remote);
    changed_.notify_all();
  }

  std::unique_ptr<TrackConnection> wait_connection(TrackRequest* request = nullptr) {
    std::unique_lock lock(mutex_);
    if (!wait(lock, [this] { return !connections_.empty(); })) return nullptr;
    auto connection = std::move(connections_.front());
    connections_.erase(connections_.begin());
    if (request) *request = tracks_.front();
    tracks_.erase(tracks_.begin());
    return connection;
  }
  Verdict wait_refusal() {
    std::unique_lock lock(mutex_);
    if (!wait(lock, [this] { return !refusals_.empty(); })) return {};
    Verdict verdict = refusals_.front();
    refusals_.erase(refusals_.begin());
    return verdict;
  }
  size_t waiting_connections() {
    std::lock_guard lock(mutex_);
    return connections_.size();
  }
  size_t requests() {
    std::lock_guard lock(mutex_);
    return requests_.size();
  }

  Verdict answer;  // of on_request; set before callers come

 private:
  template <typename Done>
  bool wait(std::unique_lock<std::mutex>& lock, Done done) {
    return changed_.wait_for(lock, std::chrono::milliseconds(kPatienceMs), done);
  }

  std::mutex mutex_;  // guards what follows
  std::condition_variable changed_;
  std::vector<TrackRequest> requests_;
  std::vector<TrackRequest> tracks_;
  std::vector<std::unique_ptr<TrackConnection>> connections_;
  std::vector<Verdict> refusals_;
  std::vector<std::string> remotes_;
};

// Keeps what a connection delivers.
class Messages : public MessageHandler {
 public:
  void on_audio(std::span<const uint8_t> piece, bool last) override {
    current.append(piece.begin(), piece.end());
    if (!last) return;
    audio.push_back(std::move(current));
    current.clear();
  }
  void on_text(std::string_view text) override { texts.emplace_back(text); }

  // Reads until `done`, or the connection ends.
  ConnectionState read_until(TrackConnection& connection, const std::function<bool()>& done) {
    const auto limit = std::chrono::steady_clock::now() + std::chrono::milliseconds(kPatienceMs);
    ConnectionState state = ConnectionState::kOpen;
    while (!done() && state == ConnectionState::kOpen && std::chrono::steady_clock::now() < limit) {
      bool more = false;
      state = connection.read(*this, 0, 1 << 20, &more);
      // There is no descriptor to wait on by contract: the room's clock is the wait.
      if (!more) ::poll(nullptr, 0, 1);
    }
    return state;
  }
  ConnectionState read_to_end(TrackConnection& connection) {
    return read_until(connection, [] { return false; });
  }

  std::vector<std::string> audio;
  std::vector<std::string> texts;
  std::string current;
};

// Entries of a folder: /proc/self/fd, /proc/self/task.
inline size_t count_entries(const char* folder) {
  size_t count = 0;
  DIR* const dir = ::opendir(folder);
  while (::readdir(dir)) ++count;
  ::closedir(dir);
  return count;
}

// Waits until `done` says so.
template <typename Done>
bool eventually(Done done) {
  for (int i = 0; i < kPatienceMs; ++i) {
    if (done()) return true;
    ::poll(nullptr, 0, 1);
  }
  return done();
}

}  // namespace livekit
