// SPDX-License-Identifier: LGPL-2.1-or-later
// A track's connection after its handshake: a socket and a frame reader, read by the room's thread.
#pragma once

#include <gio/gio.h>

#include <memory>
#include <string>
#include <vector>

#include "gobjectptr.h"
#include "lingeringcloser.h"
#include "trackconnection.h"
#include "websocketframes.h"

namespace livekit {

// A connection as it was taken over from the HTTP server.
struct Transport {
  GObjectPtr<GSocket> socket;
  // The socket's own stream, or the TLS stream over it. Owns the descriptor.
  GObjectPtr<GIOStream> stream;
  // The HTTP server's stream over that, which may hold bytes that came with the request; may be
  // null. Is read until it would block, then dropped.
  GObjectPtr<GIOStream> buffered;
  bool tls = false;
};

class WebSocketConnection : public TrackConnection, private FrameHandler {
 public:
  WebSocketConnection(Transport transport, size_t max_message_size, uint32_t idle_timeout_ms,
                      std::weak_ptr<LingeringCloser> closer);
  ~WebSocketConnection() override;

  ConnectionState read(MessageHandler& handler, int64_t now_us, size_t budget_bytes,
                       bool* more) override;
  void close(uint16_t code, std::string_view reason) override;
  const ConnectionCounters& counters() const override { return counters_; }
  std::string close_reason() const override { return close_reason_; }

 private:
  enum class Received { kBytes, kNothing, kEnd, kError };

  void on_binary(std::span<const uint8_t> piece, bool last) override;
  void on_text_message(std::string_view text) override;
  void on_ping(std::span<const uint8_t> payload) override;
  void on_pong(std::span<const uint8_t> payload) override;
  void on_close(uint16_t code, std::string_view reason) override;

  Received receive(std::span<uint8_t> into, size_t& count, std::string& error);
  Received receive_from_stream(GIOStream* stream, std::span<uint8_t> into, size_t& count,
                               std::string& error);
  void answer_ping();
  void send(std::span<const uint8_t> frame);
  void flush();
  void end(ConnectionState state, std::string reason);
  void end_with_close_frame(ConnectionState state, uint16_t code, std::string_view reason);

  Transport transport_;
  int descriptor_;  // of the socket; -1 when it is closed
  FrameReader reader_;
  const int64_t idle_timeout_us_;
  const std::weak_ptr<LingeringCloser> closer_;

  ConnectionState state_ = ConnectionState::kOpen;
  std::string close_reason_;
  ConnectionCounters counters_;
  int64_t last_arrival_us_ = -1;    // -1: not read yet
  std::vector<uint8_t> last_ping_;  // its payload
  bool pong_due_ = false;
  std::vector<uint8_t> unsent_;        // what the socket did not take of our frames
  MessageHandler* handler_ = nullptr;  // during read() only
};

}  // namespace livekit
