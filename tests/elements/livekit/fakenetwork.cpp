// SPDX-License-Identifier: LGPL-2.1-or-later
#include "fakenetwork.h"

#include <algorithm>
#include <utility>

namespace livekit {
namespace fake {

class Connection final : public TrackConnection {
 public:
  explicit Connection(std::shared_ptr<Peer> peer) : peer_(std::move(peer)) {}
  ~Connection() override {
    const std::lock_guard lock(peer_->mutex_);
    peer_->released_ = true;
  }

  ConnectionState read(MessageHandler& handler, int64_t, size_t budget_bytes, bool* more) override {
    *more = false;
    for (;;) {
      Peer::Message message;
      {
        const std::lock_guard lock(peer_->mutex_);
        if (peer_->messages_.empty()) {
          reason_ = peer_->reason_;
          return peer_->state_;
        }
        if (budget_bytes == 0) {
          *more = true;
          return ConnectionState::kOpen;
        }
        message = std::move(peer_->messages_.front());
        peer_->messages_.pop_front();
      }
      if (message.is_text) {
        ++counters_.texts;
        handler.on_text(message.text);
        continue;
      }
      ++counters_.messages;
      counters_.bytes += message.audio.size();
      budget_bytes -= std::min(budget_bytes, message.audio.size());
      // In two pieces, as large messages come.
      const auto half = std::ptrdiff_t(message.audio.size() / 2);
      const std::span<const uint8_t> whole(message.audio);
      handler.on_audio(whole.first(size_t(half)), false);
      handler.on_audio(whole.subspan(size_t(half)), true);
    }
  }

  void close(uint16_t code, std::string_view) override {
    const std::lock_guard lock(peer_->mutex_);
    peer_->closed_with_ = code;
    peer_->state_ = ConnectionState::kClosedLocally;
  }
  const ConnectionCounters& counters() const override { return counters_; }
  std::string close_reason() const override { return reason_; }

 private:
  const std::shared_ptr<Peer> peer_;
  ConnectionCounters counters_;
  std::string reason_;
};

void Peer::send_audio(std::vector<uint8_t> bytes) {
  const std::lock_guard lock(mutex_);
  messages_.push_back({std::move(bytes), "", false});
}

void Peer::send_s16(size_t frames, int16_t value, int channels) {
  std::vector<uint8_t> bytes(frames * size_t(channels) * 2);
  for (size_t i = 0; i < bytes.size(); i += 2) {
    bytes[i] = uint8_t(value & 0xFF);
    bytes[i + 1] = uint8_t((value >> 8) & 0xFF);
  }
  send_audio(std::move(bytes));
}

void Peer::send_text(std::string text) {
  const std::lock_guard lock(mutex_);
  messages_.push_back({{}, std::move(text), true});
}

void Peer::close(ConnectionState how, std::string reason) {
  const std::lock_guard lock(mutex_);
  state_ = how;
  reason_ = std::move(reason);
}

uint16_t Peer::closed_with() {
  const std::lock_guard lock(mutex_);
  return closed_with_;
}

bool Peer::released() {
  const std::lock_guard lock(mutex_);
  return released_;
}

Network& Network::instance() {
  static Network network;
  return network;
}

void Network::fail_next(std::string error) {
  const std::lock_guard lock(mutex_);
  next_error_ = std::move(error);
}

Verdict Network::call(const TrackRequest& request, std::shared_ptr<Peer>* peer, size_t index) {
  Route* route = nullptr;
  {
    const std::lock_guard lock(mutex_);
    if (index >= routes_.size()) return {404, "no such path"};
    route = routes_[index].route;
  }
  Verdict verdict = route->on_request(request);
  if (verdict.http_status != 0) {
    route->on_refused(request.remote, verdict.http_status, verdict.reason);
    return verdict;
  }
  *peer = std::make_shared<Peer>();
  route->on_connected(request, std::make_unique<Connection>(*peer));
  return verdict;
}

void Network::refuse(const std::string& remote, unsigned status, const std::string& reason) {
  Route* route = nullptr;
  {
    const std::lock_guard lock(mutex_);
    route = routes_.at(0).route;
  }
  route->on_refused(remote, status, reason);
}

size_t Network::routes() {
  const std::lock_guard lock(mutex_);
  return routes_.size();
}

int Network::ended() {
  const std::lock_guard lock(mutex_);
  return ended_;
}

RouteConfig Network::route_config(size_t index) {
  const std::lock_guard lock(mutex_);
  return routes_.at(index).config;
}

ListenerConfig Network::listener_config() {
  const std::lock_guard lock(mutex_);
  return config_;
}

class FakeListener final : public Listener {
 public:
  uint16_t port() const override { return 54321; }
  bool add_route(const RouteConfig& config, Route* route, std::string& error) override {
    Network& network = Network::instance();
    const std::lock_guard lock(network.mutex_);
    for (const auto& entry : network.routes_) {
      if (entry.config.path != config.path) continue;
      error = "path taken";
      return false;
    }
    network.routes_.push_back({config, route});
    return true;
  }
  void remove_route(Route* route) override {
    Network& network = Network::instance();
    const std::lock_guard lock(network.mutex_);
    std::erase_if(network.routes_, [route](const auto& entry) { return entry.route == route; });
  }
  void connection_ended(Route*) override {
    Network& network = Network::instance();
    const std::lock_guard lock(network.mutex_);
    ++network.ended_;
  }
  void add_hook(const HookConfig&, HookSink*) override {}
  void remove_hook(HookSink*) override {}
};

TrackRequest caller(const std::string& identity, const std::string& track, AudioFormat format) {
  TrackRequest request;
  request.identity = identity;
  request.name = identity + " Smith";
  request.track = track;
  request.remote = "192.0.2.1:5000";
  request.format = format;
  return request;
}

}  // namespace fake

std::shared_ptr<Listener> Listener::acquire(const ListenerConfig& config, std::string& error) {
  fake::Network& network = fake::Network::instance();
  const std::lock_guard lock(network.mutex_);
  if (!network.next_error_.empty()) {
    error = std::exchange(network.next_error_, "");
    return nullptr;
  }
  network.config_ = config;
  network.ended_ = 0;
  return std::make_shared<fake::FakeListener>();
}

}  // namespace livekit
