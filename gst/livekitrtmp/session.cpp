// SPDX-License-Identifier: LGPL-2.1-or-later
#include "session.h"

#include <algorithm>
#include <array>
#include <utility>

namespace rtmp {

namespace {

constexpr uint32_t kWindowBytes = 2'500'000;
constexpr uint32_t kOutputChunkSize = 4096;
constexpr uint32_t kProtocolChunks = 2;
constexpr uint32_t kCommandChunks = 3;
constexpr uint32_t kStatusChunks = 5;
constexpr uint32_t kMaxStreams = 8;
// A caller who lets more than this lie does not read.
constexpr size_t kMaxOutputBytes = 64 << 10;
constexpr size_t kMaxArguments = 8;
constexpr uint8_t kDynamicLimit = 2;
constexpr size_t kTagHeaderBytes = 11;
// An aggregate is taken apart in one go, while all others wait, and whatever the queue says.
constexpr size_t kMaxAggregated = 1024;

enum UserControl : uint16_t {
  kStreamBegin = 0,
  kStreamEof = 1,
  kPingRequest = 6,
  kPingResponse = 7
};

std::array<uint8_t, 6> user_control(UserControl event, uint32_t value) {
  return {0,
          static_cast<uint8_t>(event),
          static_cast<uint8_t>(value >> 24),
          static_cast<uint8_t>(value >> 16),
          static_cast<uint8_t>(value >> 8),
          static_cast<uint8_t>(value)};
}

const char* code_of(unsigned status) {
  return status == 401 || status == 403 ? "NetStream.Publish.Denied" : "NetStream.Publish.BadName";
}

}  // namespace

Session::Session(SessionHandler& handler, int64_t handshake_timeout_us, uint32_t seed,
                 int64_t now_us)
    : handler_(handler),
      handshake_timeout_us_(handshake_timeout_us),
      handshake_(seed),
      reader_(ChunkLimits{.max_message_bytes = kMaxCommandBytes}),
      waiting_since_us_(now_us),
      last_arrival_us_(now_us) {}

void Session::set_publisher_limits(size_t max_message_bytes, int64_t idle_timeout_us) {
  reader_.set_max_message_bytes(max_message_bytes);
  idle_timeout_us_ = idle_timeout_us;
}

Session::End Session::feed(std::span<const uint8_t> bytes, int64_t now_us) {
  if (end_ != End::kOpen || bytes.empty()) return end_;
  const bool was_publishing = publishing();
  last_arrival_us_ = now_us;
  received_bytes_ += static_cast<uint32_t>(bytes.size());
  if (handshake_.status() == Handshake::Status::kGoing &&
      handshake_.feed(bytes, output_) == Handshake::Status::kFailed) {
    finish(End::kProtocolError, 400, handshake_.failure_reason());
    return end_;
  }
  if (reader_.feed(bytes, *this) == ChunkReader::Status::kFailed && end_ == End::kOpen) {
    finish(End::kProtocolError, 400,
           std::string("broke the protocol: ") + reader_.failure_reason());
  }
  if (end_ == End::kOpen) {
    acknowledge();
    if (output_.size() > kMaxOutputBytes) {
      finish(End::kProtocolError, 400, "does not read what it is answered");
    }
  }
  if (was_publishing && !publishing()) waiting_since_us_ = now_us;
  return end_;
}

Session::End Session::check_time(int64_t now_us) {
  if (end_ != End::kOpen) return end_;
  if (publishing()) {
    if (idle_timeout_us_ > 0 && now_us - last_arrival_us_ >= idle_timeout_us_) {
      finish(End::kTimedOut, 408, "nothing arrived for the idle time-out");
    }
  } else if (handshake_timeout_us_ > 0 && now_us - waiting_since_us_ >= handshake_timeout_us_) {
    finish(End::kTimedOut, 408, "did not begin to publish in time");
  }
  return end_;
}

void Session::end(std::string_view why) {
  if (end_ != End::kOpen) return;
  if (publishing()) {
    send_status(publishing_stream_, "status", "NetStream.Unpublish.Success", why);
    const auto eof = user_control(kStreamEof, publishing_stream_);
    send(kProtocolChunks, kUserControl, 0, eof);
  }
  finish(End::kClosedLocally, 503, std::string(why));
}

void Session::finish(End end, unsigned status, std::string reason) {
  if (end_ != End::kOpen) return;
  end_ = end;
  status_ = status;
  reason_ = std::move(reason);
}

// ---- What comes in -----------------------------------------------------------------------------

bool Session::on_message(const Message& message) {
  switch (message.type) {
    case kAudio:
    case kVideo:
      if (publishing() && message.stream_id == publishing_stream_) {
        handler_.on_media({message.type == kAudio ? MediaKind::kAudio : MediaKind::kVideo,
                           message.timestamp_ms, message.payload});
      }
      break;
    case kDataAmf0:
    case kDataAmf3:
      on_data(message);
      break;
    case kAggregate:
      on_aggregate(message);
      break;
    case kCommandAmf0:
    case kCommandAmf3:
      on_command(message);
      break;
    case kUserControl:
      on_user_control(message.payload);
      break;
    case kWindowAckSize:
      if (message.payload.size() >= 4) window_bytes_ = read_u32(message.payload);
      break;
    default:  // acknowledgements, bandwidth, shared objects
      break;
  }
  return end_ == End::kOpen;
}

void Session::on_user_control(std::span<const uint8_t> payload) {
  if (payload.size() < 6 || payload[0] != 0 || payload[1] != kPingRequest) return;
  send(kProtocolChunks, kUserControl, 0, user_control(kPingResponse, read_u32(payload.subspan(2))));
}

// Metadata. `@setDataFrame` is a word to the server, not a part of it.
void Session::on_data(const Message& message) {
  if (!publishing() || message.stream_id != publishing_stream_) return;
  auto payload = message.payload;
  if (message.type == kDataAmf3) {
    if (payload.empty()) return;
    payload = payload.subspan(1);
  }
  amf0::Reader reader(payload);
  const auto name = reader.next();
  if (!name || name->type != amf0::Value::Type::kText) return;
  if (name->text == "@setDataFrame") payload = payload.subspan(reader.position());
  if (payload.empty() || name->text == "@clearDataFrame") return;
  handler_.on_media({MediaKind::kData, message.timestamp_ms, payload});
}

// Several messages in one, each with the header and the trailer of an FLV tag.
void Session::on_aggregate(const Message& message) {
  auto rest = message.payload;
  std::optional<uint32_t> first_ms;
  size_t count = 0;
  while (rest.size() >= kTagHeaderBytes && end_ == End::kOpen) {
    const uint32_t length = read_u24(rest.subspan(1));
    const uint32_t timestamp = uint32_t{rest[7]} << 24 | read_u24(rest.subspan(4));
    if (rest.size() - kTagHeaderBytes < length) break;
    if (++count > kMaxAggregated) {
      return finish(End::kProtocolError, 413, "sent an aggregate of too many messages");
    }
    if (!first_ms) first_ms = timestamp;
    const uint8_t type = rest[0];
    if (type == kAudio || type == kVideo || type == kDataAmf0) {
      on_message({type, message.timestamp_ms + (timestamp - *first_ms), message.stream_id,
                  rest.subspan(kTagHeaderBytes, length)});
    }
    rest = rest.subspan(kTagHeaderBytes + length);
    rest = rest.subspan(std::min<size_t>(rest.size(), 4));
  }
}

void Session::on_command(const Message& message) {
  if (message.payload.size() > kMaxCommandBytes) {
    return finish(End::kProtocolError, 413, "sent a command that is too long");
  }
  auto payload = message.payload;
  // AMF3 commands begin with a 0 and are then AMF0.
  if (message.type == kCommandAmf3 && !payload.empty()) payload = payload.subspan(1);
  amf0::Reader reader(payload);
  const auto name = reader.next();
  const auto transaction_value = reader.next();
  if (!name || name->type != amf0::Value::Type::kText || reader.failed()) {
    return finish(End::kProtocolError, 400, "sent a command that cannot be read");
  }
  const double transaction = transaction_value ? transaction_value->number : 0;
  std::vector<amf0::Value> arguments;  // the command object first
  while (arguments.size() < kMaxArguments) {
    auto argument = reader.next();
    if (!argument) break;
    arguments.push_back(std::move(*argument));
  }
  if (reader.failed()) {
    return finish(End::kProtocolError, 400, "sent a command that cannot be read");
  }
  const std::string& command = name->text;
  if (command == "connect")
    return on_connect(transaction, arguments.empty() ? nullptr : &arguments[0]);
  // Answers to what was asked, which is nothing.
  if (command == "_result" || command == "_error" || command == "onStatus") return;
  if (!app_) return finish(End::kProtocolError, 400, "sent a command before connect");
  if (command == "createStream") {
    on_create_stream(transaction);
  } else if (command == "publish") {
    on_publish_command(message, transaction, arguments);
  } else if (command == "deleteStream") {
    const double id = arguments.size() > 1 ? arguments[1].number : 0;
    if (id >= 1 && id <= kMaxStreams) on_stream_over(static_cast<uint32_t>(id));
  } else if (command == "closeStream") {
    on_stream_over(message.stream_id);
  } else if (command == "FCUnpublish") {
    // Says no stream; there is but one that publishes.
    on_stream_over(publishing_stream_);
    send_result(transaction);
  } else if (command == "releaseStream" || command == "FCPublish" || command == "_checkbw") {
    send_result(transaction);
  } else if (command == "play" || command == "play2") {
    send_status(message.stream_id, "error", "NetStream.Play.Failed",
                "Nothing can be played here: this server takes publishers only.");
    finish(End::kRefused, 405, "wanted to play; only publishers are taken");
  } else {
    send_error(transaction, "NetConnection.Call.Failed", "This server does not know this call.");
  }
}

void Session::on_connect(double transaction, const amf0::Value* object) {
  if (app_) return finish(End::kProtocolError, 400, "sent connect twice");
  const amf0::Value* app = object ? object->find("app") : nullptr;
  app_ = app ? std::string(app->as_text()) : std::string();
  send_u32(kWindowAckSize, kWindowBytes);
  std::vector<uint8_t> bandwidth;
  append_u32(bandwidth, kWindowBytes);
  bandwidth.push_back(kDynamicLimit);
  send(kProtocolChunks, kSetPeerBandwidth, 0, bandwidth);
  send_u32(kSetChunkSize, kOutputChunkSize);
  amf0::Writer answer;
  answer.text("_result").number(transaction);
  answer.begin_object().key("fmsVer").text("FMS/3,0,1,123").key("capabilities").number(31);
  answer.end_object();
  answer.begin_object().key("level").text("status");
  answer.key("code").text("NetConnection.Connect.Success");
  answer.key("description").text("Connection succeeded.");
  answer.key("objectEncoding").number(0).end_object();
  send(kCommandChunks, kCommandAmf0, 0, answer.bytes());
}

void Session::on_create_stream(double transaction) {
  if (last_stream_ >= kMaxStreams) {
    return send_error(transaction, "NetConnection.Call.Failed", "Too many streams.");
  }
  amf0::Writer answer;
  answer.text("_result").number(transaction).null().number(++last_stream_);
  send(kCommandChunks, kCommandAmf0, 0, answer.bytes());
}

void Session::on_publish_command(const Message& message, double transaction,
                                 const std::vector<amf0::Value>& arguments) {
  if (message.stream_id == 0 || message.stream_id > last_stream_) {
    return send_error(transaction, "NetStream.Publish.BadName", "Call createStream first.");
  }
  if (publishing()) {
    return send_status(message.stream_id, "error", "NetStream.Publish.BadName",
                       "This connection publishes already.");
  }
  PublishRequest request{*app_, ""};
  if (arguments.size() > 1) request.name = arguments[1].as_text();
  const Verdict verdict = handler_.on_publish(request);
  if (verdict.status != 0) {
    send_status(message.stream_id, "error", code_of(verdict.status), verdict.reason);
    return finish(End::kRefused, verdict.status, verdict.reason);
  }
  publishing_stream_ = message.stream_id;
  const auto begin = user_control(kStreamBegin, publishing_stream_);
  send(kProtocolChunks, kUserControl, 0, begin);
  send_status(publishing_stream_, "status", "NetStream.Publish.Start", "Go ahead.");
}

void Session::on_stream_over(uint32_t stream_id) {
  if (!publishing() || stream_id != publishing_stream_) return;
  publishing_stream_ = 0;
  handler_.on_unpublish();
}

void Session::acknowledge() {
  if (window_bytes_ == 0 || received_bytes_ - acknowledged_bytes_ < window_bytes_) return;
  acknowledged_bytes_ = received_bytes_;
  send_u32(kAcknowledgement, received_bytes_);
}

// ---- What goes out -----------------------------------------------------------------------------

void Session::send(uint32_t chunk_stream, MessageType type, uint32_t stream_id,
                   std::span<const uint8_t> payload) {
  // Once it is this much, feed() gives the caller up.
  if (output_.size() > kMaxOutputBytes) return;
  // All of ours are shorter than either chunk size, but for what the peer must know the new one.
  const uint32_t chunk_size = type == kCommandAmf0 ? kOutputChunkSize : kDefaultChunkSize;
  write_message(output_, chunk_stream, {type, 0, stream_id, payload}, chunk_size);
}

void Session::send_u32(MessageType type, uint32_t value) {
  std::vector<uint8_t> payload;
  append_u32(payload, value);
  send(kProtocolChunks, type, 0, payload);
}

void Session::send_result(double transaction) {
  if (transaction == 0) return;
  amf0::Writer answer;
  answer.text("_result").number(transaction).null().null();
  send(kCommandChunks, kCommandAmf0, 0, answer.bytes());
}

void Session::send_error(double transaction, std::string_view code, std::string_view description) {
  if (transaction == 0) return;
  amf0::Writer answer;
  answer.text("_error").number(transaction).null();
  answer.begin_object().key("level").text("error").key("code").text(code);
  answer.key("description").text(description).end_object();
  send(kCommandChunks, kCommandAmf0, 0, answer.bytes());
}

void Session::send_status(uint32_t stream_id, std::string_view level, std::string_view code,
                          std::string_view description) {
  amf0::Writer status;
  status.text("onStatus").number(0).null();
  status.begin_object().key("level").text(level).key("code").text(code);
  status.key("description").text(description).end_object();
  send(kStatusChunks, kCommandAmf0, stream_id, status.bytes());
}

}  // namespace rtmp
