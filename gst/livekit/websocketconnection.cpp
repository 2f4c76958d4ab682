// SPDX-License-Identifier: LGPL-2.1-or-later
#include "websocketconnection.h"

#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

namespace livekit {

namespace {

// One a thread, not one a connection: 500 connections share it.
constexpr size_t kScratchBytes = 64 << 10;

std::span<uint8_t> thread_scratch() {
  static thread_local std::unique_ptr<uint8_t[]> scratch;
  if (!scratch) scratch = std::make_unique_for_overwrite<uint8_t[]>(kScratchBytes);
  return {scratch.get(), kScratchBytes};
}

}  // namespace

WebSocketConnection::WebSocketConnection(Transport transport, size_t max_message_size,
                                         uint32_t idle_timeout_ms,
                                         std::weak_ptr<LingeringCloser> closer)
    : transport_(std::move(transport)),
      descriptor_(g_socket_get_fd(transport_.socket.get())),
      reader_(FrameLimits{.max_message_size = max_message_size}),
      idle_timeout_us_(static_cast<int64_t>(idle_timeout_ms) * 1000),
      closer_(std::move(closer)) {}

WebSocketConnection::~WebSocketConnection() {
  // The descriptor is closed here and not left to the references: libsoup may keep some.
  if (transport_.socket) g_socket_close(transport_.socket.get(), nullptr);
}

ConnectionState WebSocketConnection::read(MessageHandler& handler, int64_t now_us,
                                          size_t budget_bytes, bool* more) {
  *more = false;
  if (state_ != ConnectionState::kOpen) return state_;
  if (last_arrival_us_ < 0) last_arrival_us_ = now_us;
  flush();
  handler_ = &handler;
  const std::span<uint8_t> scratch = thread_scratch();
  bool arrived = false;
  while (state_ == ConnectionState::kOpen) {
    if (budget_bytes == 0) {
      *more = true;
      break;
    }
    // Only a plain socket tells by a short read that it is empty.
    const bool short_read_is_all = !transport_.tls && !transport_.buffered;
    const auto room = scratch.first(std::min(scratch.size(), budget_bytes));
    size_t count = 0;
    std::string error;
    const Received received = receive(room, count, error);
    if (received == Received::kNothing) break;
    if (received == Received::kEnd) {
      end(ConnectionState::kLost, "the peer ended the connection without a close frame");
      break;
    }
    if (received == Received::kError) {
      end(ConnectionState::kLost, "the connection broke: " + error);
      break;
    }
    arrived = true;
    budget_bytes -= count;
    counters_.bytes += count;
    if (reader_.feed(room.first(count), *this) == FrameReader::Status::kFailed) {
      end_with_close_frame(ConnectionState::kProtocolError, reader_.failure_code(),
                           reader_.failure_reason());
    }
    if (count < room.size() && short_read_is_all) break;
  }
  if (state_ == ConnectionState::kOpen) {
    answer_ping();
    if (arrived) {
      last_arrival_us_ = now_us;
    } else if (idle_timeout_us_ > 0 && now_us - last_arrival_us_ >= idle_timeout_us_) {
      end_with_close_frame(ConnectionState::kTimedOut, kCloseGoingAway,
                           "nothing arrived for the idle time-out");
    }
  }
  if (state_ != ConnectionState::kOpen) *more = false;
  handler_ = nullptr;
  return state_;
}

WebSocketConnection::Received WebSocketConnection::receive(std::span<uint8_t> into, size_t& count,
                                                           std::string& error) {
  if (transport_.buffered) {
    const Received received = receive_from_stream(transport_.buffered.get(), into, count, error);
    if (received != Received::kNothing) return received;
    // It asked the socket as well, so nothing is left in its buffer.
    transport_.buffered.reset();
    return Received::kNothing;
  }
  if (transport_.tls) return receive_from_stream(transport_.stream.get(), into, count, error);
  ssize_t got;
  do {
    got = ::recv(descriptor_, into.data(), into.size(), MSG_DONTWAIT);
  } while (got < 0 && errno == EINTR);
  if (got > 0) {
    count = static_cast<size_t>(got);
    return Received::kBytes;
  }
  if (got == 0) return Received::kEnd;
  if (errno == EAGAIN || errno == EWOULDBLOCK) return Received::kNothing;
  error = g_strerror(errno);
  return Received::kError;
}

WebSocketConnection::Received WebSocketConnection::receive_from_stream(GIOStream* stream,
                                                                       std::span<uint8_t> into,
                                                                       size_t& count,
                                                                       std::string& error) {
  ErrorHolder failure;
  const gssize got = g_pollable_input_stream_read_nonblocking(
      G_POLLABLE_INPUT_STREAM(g_io_stream_get_input_stream(stream)), into.data(), into.size(),
      nullptr, failure.out());
  if (got > 0) {
    count = static_cast<size_t>(got);
    return Received::kBytes;
  }
  if (got == 0) return Received::kEnd;
  if (failure.would_block()) return Received::kNothing;
  error = failure.message();
  return Received::kError;
}

void WebSocketConnection::on_binary(std::span<const uint8_t> piece, bool last) {
  if (last) ++counters_.messages;
  handler_->on_audio(piece, last);
}

void WebSocketConnection::on_text_message(std::string_view text) {
  ++counters_.texts;
  handler_->on_text(text);
}

void WebSocketConnection::on_ping(std::span<const uint8_t> payload) {
  ++counters_.pings;
  last_ping_.assign(payload.begin(), payload.end());
  pong_due_ = true;
}

// Only the latest ping that a read brought is answered, as RFC 6455 5.5.3 allows: a flood of them
// must not cost the room's thread a system call each. A peer that does not read its pongs gets no
// more of them either, so the memory they take stays bounded.
void WebSocketConnection::answer_ping() {
  if (!std::exchange(pong_due_, false) || !unsent_.empty()) return;
  std::array<uint8_t, kMaxControlPayload + kMaxServerHeader> frame;
  send({frame.data(), write_frame(frame, Opcode::kPong, last_ping_)});
}

void WebSocketConnection::on_pong(std::span<const uint8_t> payload) {}

void WebSocketConnection::on_close(uint16_t code, std::string_view reason) {
  std::array<uint8_t, kMaxControlPayload + kMaxServerHeader> frame;
  send({frame.data(), write_close_frame(frame, code, "")});
  std::string text = "closed by the peer";
  if (code != kCloseNoStatus) text += " with code " + std::to_string(code);
  if (!reason.empty()) text += ": " + std::string(reason);
  end(ConnectionState::kClosedByPeer, std::move(text));
}

void WebSocketConnection::send(std::span<const uint8_t> frame) {
  unsent_.insert(unsent_.end(), frame.begin(), frame.end());
  flush();
}

// Failures are left to the next read, which finds out what became of the connection and first
// gets what the peer had sent before.
void WebSocketConnection::flush() {
  if (unsent_.empty()) return;
  gssize sent = 0;
  bool failed = false;
  if (transport_.tls) {
    ErrorHolder error;
    sent = g_pollable_output_stream_write_nonblocking(
        G_POLLABLE_OUTPUT_STREAM(g_io_stream_get_output_stream(transport_.stream.get())),
        unsent_.data(), unsent_.size(), nullptr, error.out());
    failed = sent < 0 && !error.would_block();
  } else {
    sent = ::send(descriptor_, unsent_.data(), unsent_.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    failed = sent < 0 && errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR;
  }
  if (failed) {
    unsent_.clear();
  } else if (sent > 0) {
    unsent_.erase(unsent_.begin(), unsent_.begin() + sent);
  }
}

void WebSocketConnection::close(uint16_t code, std::string_view reason) {
  if (state_ != ConnectionState::kOpen) return;
  end_with_close_frame(ConnectionState::kClosedLocally, code, reason);
}

void WebSocketConnection::end_with_close_frame(ConnectionState state, uint16_t code,
                                               std::string_view reason) {
  std::array<uint8_t, kMaxControlPayload + kMaxServerHeader> frame;
  send({frame.data(), write_close_frame(frame, code, reason)});
  std::string text = state == ConnectionState::kProtocolError
                         ? "broke the protocol (" + std::to_string(code) + "): "
                         : std::string();
  text += reason;
  if (auto closer = closer_.lock()) {
    transport_.buffered.reset();
    closer->take(std::move(transport_.socket), std::move(transport_.stream));
  }
  end(state, std::move(text));
}

void WebSocketConnection::end(ConnectionState state, std::string reason) {
  state_ = state;
  close_reason_ = std::move(reason);
  std::vector<uint8_t>().swap(unsent_);
  if (transport_.socket) g_socket_close(transport_.socket.get(), nullptr);
  transport_ = Transport{};
  descriptor_ = -1;
}

}  // namespace livekit
