// SPDX-License-Identifier: LGPL-2.1-or-later
#include "connection.h"

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstring>

namespace egresssim {
namespace {

// What a real egress could not deliver: 18 s lie in the socket buffers, 3 s in its own queue, which
// throws away its oldest audio.
constexpr double kSocketQueue_ms = 18000;
constexpr double kOwnQueue_ms = 3000;
constexpr int64_t kUpgradeTimeout_ns = 45'000'000'000;

int64_t to_ns(double seconds) {
  return std::llround(seconds * 1e9);
}

// Where messages are made; the loop is a single thread.
uint8_t* scratch() {
  alignas(64) static uint8_t buffer[kHeaderRoom + kMaxPayload];
  return buffer + kHeaderRoom;
}

}  // namespace

void Lateness::add(int64_t late_ns) {
  late_ns = std::max<int64_t>(late_ns, 0);
  worst_ns_ = std::max(worst_ns_, late_ns);
  ++counts_[std::min<size_t>(static_cast<size_t>(late_ns / kStep_ns), counts_.size() - 1)];
  ++total_;
}

double Lateness::quantile_ms(double share) const {
  uint64_t seen = 0;
  for (size_t i = 0; i < counts_.size(); ++i) {
    seen += counts_[i];
    if (total_ > 0 && static_cast<double>(seen) >= share * static_cast<double>(total_))
      return static_cast<double>(i + 1) * static_cast<double>(kStep_ns) * 1e-6;
  }
  return 0;
}

Connection::Connection(Setup setup, Lateness* lateness)
    : setup_(std::move(setup)), lateness_(lateness), masks_(setup_.seed) {}

void Connection::start(std::unique_ptr<Transport> transport, const std::string& error,
                       int64_t now_ns) {
  started_ns_ = now_ns;
  unreachable_ = false;
  error_.clear();
  transport_ = std::move(transport);
  state_ = State::kConnecting;
  if (!transport_) {
    unreachable_ = true;
    end("cannot connect to " + setup_.url.host_header + ": " + error, now_ns);
  }
}

void Connection::on_ready(bool readable, bool writable, int64_t now_ns) {
  if (state_ == State::kConnecting && (readable || writable)) {
    const int result = transport_->connect_result();
    if (result == -EINPROGRESS) return;
    if (result != 0) {
      unreachable_ = true;
      end("cannot connect to " + setup_.url.host_header + ": " + std::strerror(-result) +
              "; is the receiver running?",
          now_ns);
      return;
    }
    const std::string key = random_key();
    accept_ = accept_for_key(key);
    const std::string request = upgrade_request(setup_.url, setup_.content_type, key);
    unsent_.assign(request.begin(), request.end());
    unsent_at_ = 0;
    state_ = State::kUpgrading;
    flush(now_ns);
  }
  if (readable) read(now_ns);
  if (writable && (state_ == State::kOpen || state_ == State::kUpgrading) && flush(now_ns))
    pump(now_ns);
}

void Connection::read(int64_t now_ns) {
  uint8_t buffer[4096];
  while (state_ == State::kUpgrading || state_ == State::kOpen) {
    const long n = transport_->read(buffer, sizeof buffer);
    if (n == -EAGAIN) return;
    if (n <= 0) {
      const std::string how =
          n == 0 ? "the server ended the TCP connection" : std::strerror(static_cast<int>(-n));
      if (state_ == State::kUpgrading && n == 0 &&
          response_.finish() == ResponseReader::State::kRefused) {
        end("refused: " + response_.status_line() + ": " + response_.body(), now_ns);
      } else {
        end(how, now_ns);
      }
      return;
    }
    const std::span bytes(buffer, static_cast<size_t>(n));
    if (state_ == State::kUpgrading) {
      read_response(bytes, now_ns);
    } else if (!read_frames(bytes, now_ns)) {
      return;
    }
  }
}

void Connection::read_response(std::span<const uint8_t> bytes, int64_t now_ns) {
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  switch (response_.add(text, accept_)) {
    case ResponseReader::State::kIncomplete:
      return;
    case ResponseReader::State::kRefused:
      end("refused: " + response_.status_line() + ": " + response_.body(), now_ns);
      return;
    case ResponseReader::State::kBroken:
      end("the answer to the upgrade is not a WebSocket's: " + response_.status_line(), now_ns);
      return;
    case ResponseReader::State::kWelcome:
      break;
  }
  state_ = State::kOpen;
  stats_.upgraded_ns = now_ns;
  setup_.playback->begin(now_ns);
  stalls_ = setup_.playback->stalls();
  const std::string rest(response_.rest());
  if (!rest.empty())
    read_frames({reinterpret_cast<const uint8_t*>(rest.data()), rest.size()}, now_ns);
}

bool Connection::read_frames(std::span<const uint8_t> bytes, int64_t now_ns) {
  const bool sane = server_frames_.add(bytes, [&](Opcode opcode, std::span<const uint8_t> payload) {
    if (state_ != State::kOpen || ending_) return;
    if (opcode == Opcode::kPing) {
      // Not the ping's payload, as RFC 6455 wants it: the egress always says "pong".
      std::memcpy(scratch(), "pong", 4);
      ++stats_.pongs;
      send(Opcode::kPong, scratch(), 4, now_ns);
    } else if (opcode == Opcode::kClose) {
      ending_ = true;
      ending_error_ = "the server closed the session";
      const size_t length = payload.size() >= 2 ? 2 : 0;
      if (length == 2) {
        ending_error_ += " with " + std::to_string(payload[0] << 8 | payload[1]);
        if (payload.size() > 2)
          ending_error_.append(": ").append(payload.begin() + 2, payload.end());
        std::memcpy(scratch(), payload.data(), 2);
      }
      send(Opcode::kClose, scratch(), length, now_ns);
    }
    // Text and binary from the server are ignored.
  });
  if (!sane && state_ == State::kOpen) end("the server broke the WebSocket protocol", now_ns);
  return state_ == State::kOpen;
}

// Writes what is left of the last frame. True when nothing is left.
bool Connection::flush(int64_t now_ns) {
  while (unsent_at_ < unsent_.size()) {
    const long n = transport_->write(unsent_.data() + unsent_at_, unsent_.size() - unsent_at_);
    if (n == -EAGAIN) return false;
    if (n < 0) {
      end(std::strerror(static_cast<int>(-n)), now_ns);
      return false;
    }
    unsent_at_ += static_cast<size_t>(n);
  }
  unsent_.clear();
  unsent_at_ = 0;
  if (ending_) {
    end(ending_error_, now_ns);
    return false;
  }
  return true;
}

void Connection::send(Opcode opcode, uint8_t* payload, size_t length, int64_t now_ns) {
  const auto frame = finish_frame(opcode, payload, length, masks_.next());
  if (unsent_.empty()) {
    const long n = transport_->write(frame.data(), frame.size());
    if (n < 0 && n != -EAGAIN) {
      end(std::strerror(static_cast<int>(-n)), now_ns);
      return;
    }
    const size_t written = n > 0 ? static_cast<size_t>(n) : 0;
    if (written == frame.size()) {
      if (ending_) end(ending_error_, now_ns);
      return;
    }
    unsent_.assign(frame.begin() + static_cast<long>(written), frame.end());
    unsent_at_ = 0;
    behind_ = true;
    return;
  }
  unsent_.insert(unsent_.end(), frame.begin(), frame.end());
}

const Stall* Connection::stall_at(int64_t now_ns) const {
  if (next_stall_ >= stalls_.size()) return nullptr;
  const Stall& stall = stalls_[next_stall_];
  return now_ns >= to_ns(stall.from_s) ? &stall : nullptr;
}

void Connection::drop_what_egress_drops(int64_t now_ns) {
  const auto own_queue = static_cast<int64_t>(kOwnQueue_ms / setup_.message_ms);
  if (keep_backlog_) {
    if (hole_ > 0 && before_drop_ == 0) {
      setup_.playback->drop_audio(hole_);
      stats_.dropped += static_cast<uint64_t>(hole_);
      hole_ = 0;
    }
    return;
  }
  const int64_t overdue = setup_.playback->overdue_audio(now_ns);
  if (overdue <= own_queue) return;
  setup_.playback->drop_audio(overdue - own_queue);
  stats_.dropped += static_cast<uint64_t>(overdue - own_queue);
}

void Connection::send_next(int64_t due_ns, int64_t now_ns) {
  uint8_t* payload = scratch();
  const Outgoing out = setup_.playback->take(payload);
  switch (out.kind) {
    case Outgoing::Kind::kAudio:
      ++stats_.messages;
      stats_.audio_bytes += out.length;
      if (before_drop_ > 0) --before_drop_;
      if (!behind_) lateness_->add(now_ns - due_ns);
      send(Opcode::kBinary, payload, out.length, now_ns);
      break;
    case Outgoing::Kind::kText:
      ++stats_.texts;
      send(Opcode::kText, payload, out.length, now_ns);
      break;
    case Outgoing::Kind::kPing:
      ++stats_.pings;
      send(Opcode::kPing, payload, out.length, now_ns);
      break;
    case Outgoing::Kind::kPong:
      send(Opcode::kPong, payload, out.length, now_ns);
      break;
    case Outgoing::Kind::kClose:
      ending_ = true;
      send(Opcode::kClose, payload, out.length, now_ns);
      break;
    case Outgoing::Kind::kFinish:
      end({}, now_ns);
      break;
    case Outgoing::Kind::kReset:
      end({}, now_ns, true);
      break;
  }
}

void Connection::pump(int64_t now_ns) {
  while (state_ == State::kOpen && !ending_ && unsent_.empty()) {
    if (const Stall* stall = stall_at(now_ns)) {
      if (now_ns < to_ns(stall->to_s)) return;
      ++next_stall_;
      const auto in_sockets = static_cast<int64_t>(kSocketQueue_ms / setup_.message_ms);
      const auto in_queue = static_cast<int64_t>(kOwnQueue_ms / setup_.message_ms);
      const int64_t overdue = setup_.playback->overdue_audio(now_ns);
      behind_ = keep_backlog_ = true;
      before_drop_ = in_sockets;
      hole_ = std::max<int64_t>(overdue - in_sockets - in_queue, 0);
    }
    const int64_t due_ns = setup_.playback->next_due_ns();
    if (due_ns > now_ns) {
      behind_ = keep_backlog_ = false;
      hole_ = before_drop_ = 0;
      return;
    }
    // Only a backlog of more than one second is worth the arithmetic.
    if (now_ns - due_ns > 1'000'000'000) {
      drop_what_egress_drops(now_ns);
      if (setup_.playback->next_due_ns() > now_ns) continue;
    }
    send_next(setup_.playback->next_due_ns(), now_ns);
  }
}

void Connection::on_due(int64_t now_ns) {
  if ((state_ == State::kConnecting || state_ == State::kUpgrading) &&
      now_ns - started_ns_ >= kUpgradeTimeout_ns) {
    end("no answer to the upgrade for 45 s", now_ns);
    return;
  }
  pump(now_ns);
}

int64_t Connection::next_wake_ns(int64_t now_ns) const {
  switch (state_) {
    case State::kWaiting:
      return setup_.connect_ns;
    case State::kConnecting:
    case State::kUpgrading:
      return started_ns_ + kUpgradeTimeout_ns;
    case State::kOpen:
      break;
    case State::kClosed:
      return kNever_ns;
  }
  if (!unsent_.empty()) return kNever_ns;
  const int64_t due_ns = setup_.playback->next_due_ns();
  if (due_ns == kNever_ns) return kNever_ns;
  if (const Stall* stall = stall_at(std::max(due_ns, now_ns)))
    return std::max(due_ns, to_ns(stall->to_s));
  return due_ns;
}

void Connection::leave_now(int64_t now_ns) {
  if (state_ == State::kWaiting || state_ == State::kConnecting || state_ == State::kUpgrading) {
    end({}, now_ns);
  } else if (state_ == State::kOpen && !ending_) {
    ending_ = true;
    send(Opcode::kClose, scratch(), 0, now_ns);
  }
}

void Connection::end(const std::string& error, int64_t now_ns, bool reset) {
  if (transport_) transport_->close(reset);
  transport_.reset();
  state_ = State::kClosed;
  error_ = error;
  stats_.ended_ns = now_ns;
}

}  // namespace egresssim
