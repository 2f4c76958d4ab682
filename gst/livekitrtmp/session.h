// SPDX-License-Identifier: LGPL-2.1-or-later
// One caller of an RTMP server that only takes publishers: bytes and time in; media, bytes to send
// and, at the end, a verdict out. No socket, no clock, no route.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "amf0.h"
#include "chunkstream.h"
#include "handshake.h"

namespace rtmp {

// The answer to a caller, in HTTP's numbers, as livekitwssrc tells them: 0 = welcome.
struct Verdict {
  unsigned status = 0;
  std::string reason;
};

// What a caller wants to publish, as on the wire: it may hold a secret.
struct PublishRequest {
  std::string app;
  std::string name;
};

enum class MediaKind : uint8_t { kAudio, kVideo, kData };

struct Media {
  MediaKind kind = MediaKind::kData;
  uint32_t timestamp_ms = 0;  // wraps around
  std::span<const uint8_t> payload;
};

// All calls come from within feed() or end().
class SessionHandler {
 public:
  virtual ~SessionHandler() = default;
  virtual Verdict on_publish(const PublishRequest& request) = 0;
  virtual void on_media(const Media& media) = 0;
  // The publisher has said that this was all.
  virtual void on_unpublish() = 0;
};

// Commands may not be longer than this, nor may anything from whoever does not publish yet.
inline constexpr size_t kMaxCommandBytes = 64 << 10;

class Session : private MessageHandler {
 public:
  enum class End {
    kOpen,
    kRefused,        // on_publish() said no, or asked for what is not done here
    kProtocolError,  // what came was no RTMP, or beyond the limits
    kTimedOut,
    kClosedLocally,  // end()
  };

  // `handshake_timeout_us` is the time until somebody publishes; 0 = any. `seed`: see Handshake.
  Session(SessionHandler& handler, int64_t handshake_timeout_us, uint32_t seed, int64_t now_us);
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  // Both give kOpen, or why this caller has to go once output() is sent.
  End feed(std::span<const uint8_t> bytes, int64_t now_us);
  End check_time(int64_t now_us);
  // Nothing was read from the caller until now, and that is not his silence.
  void excuse_silence(int64_t now_us) { last_arrival_us_ = now_us; }
  // Tells the publisher that the server ends the stream.
  void end(std::string_view why);
  // What holds for a publisher; to be called from on_publish(). 0 = no time-out.
  void set_publisher_limits(size_t max_message_bytes, int64_t idle_timeout_us);

  // To be sent, in this order; the caller takes away what is.
  std::vector<uint8_t>& output() { return output_; }
  bool publishing() const { return publishing_stream_ != 0; }
  int64_t last_arrival_us() const { return last_arrival_us_; }
  End state() const { return end_; }
  // Why it is over: words, and a status as in Verdict.
  const std::string& reason() const { return reason_; }
  unsigned status() const { return status_; }

 private:
  bool on_message(const Message& message) override;
  void on_user_control(std::span<const uint8_t> payload);
  void on_command(const Message& message);
  void on_connect(double transaction, const amf0::Value* object);
  void on_create_stream(double transaction);
  void on_publish_command(const Message& message, double transaction,
                          const std::vector<amf0::Value>& arguments);
  void on_stream_over(uint32_t stream_id);
  void on_data(const Message& message);
  void on_aggregate(const Message& message);
  void acknowledge();

  void send(uint32_t chunk_stream, MessageType type, uint32_t stream_id,
            std::span<const uint8_t> payload);
  void send_u32(MessageType type, uint32_t value);
  void send_result(double transaction);
  void send_error(double transaction, std::string_view code, std::string_view description);
  void send_status(uint32_t stream_id, std::string_view level, std::string_view code,
                   std::string_view description);
  void finish(End end, unsigned status, std::string reason);

  SessionHandler& handler_;
  const int64_t handshake_timeout_us_;
  int64_t idle_timeout_us_ = 0;
  Handshake handshake_;
  ChunkReader reader_;
  std::vector<uint8_t> output_;
  End end_ = End::kOpen;
  std::string reason_;
  unsigned status_ = 0;
  int64_t waiting_since_us_;  // for somebody to publish
  int64_t last_arrival_us_;
  std::optional<std::string> app_;  // once connected
  uint32_t last_stream_ = 0;        // message streams made so far
  uint32_t publishing_stream_ = 0;  // 0 = none
  uint32_t window_bytes_ = 0;       // the peer waits for news after so many; 0 = never
  uint32_t received_bytes_ = 0;     // wraps around, as it does on the wire
  uint32_t acknowledged_bytes_ = 0;
};

}  // namespace rtmp
