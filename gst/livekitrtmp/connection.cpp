// SPDX-License-Identifier: LGPL-2.1-or-later
#include "connection.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <utility>

namespace rtmp {

namespace {

// A turn is short, so that nobody's backlog holds up the others.
constexpr int kReadsPerTurn = 4;
constexpr size_t kScratchBytes = 16 << 10;  // no more than a TLS record

// A host that has vanished is found out in about 11 s, without idle-timeout.
void keep_alive(int descriptor) {
  const auto set = [descriptor](int level, int option, int value) {
    ::setsockopt(descriptor, level, option, &value, sizeof value);
  };
  set(SOL_SOCKET, SO_KEEPALIVE, 1);
  set(IPPROTO_TCP, TCP_KEEPIDLE, 5);
  set(IPPROTO_TCP, TCP_KEEPINTVL, 2);
  set(IPPROTO_TCP, TCP_KEEPCNT, 3);
  set(IPPROTO_TCP, TCP_NODELAY, 1);
}

PublisherEnd end_of(Session::End end) {
  switch (end) {
    case Session::End::kProtocolError:
    case Session::End::kRefused:
      return PublisherEnd::kProtocolError;
    case Session::End::kTimedOut:
      return PublisherEnd::kTimedOut;
    case Session::End::kClosedLocally:
      return PublisherEnd::kShutdown;
    case Session::End::kOpen:
      break;
  }
  return PublisherEnd::kLost;
}

}  // namespace

Connection::Connection(ConnectionOwner& owner, uint64_t id, livekit::GObjectPtr<GSocket> socket,
                       std::string remote, int64_t handshake_timeout_us, int64_t now_us)
    : owner_(owner),
      id_(id),
      socket_(std::move(socket)),
      remote_(std::move(remote)),
      session_(*this, handshake_timeout_us, static_cast<uint32_t>(id * 2654435761u), now_us),
      now_us_(now_us) {
  keep_alive(descriptor());
}

Connection::~Connection() {
  // Before the stream goes, so that TLS does not try to say goodbye, which may block.
  if (socket_) g_socket_close(socket_.get(), nullptr);
}

void Connection::abandon() {
  finished_ = true;
  tls_.reset();
  socket_.reset();
}

Connection::Wants Connection::read(int64_t now_us) {
  now_us_ = now_us;
  std::array<uint8_t, kScratchBytes> scratch;
  for (int turn = 0; turn < kReadsPerTurn; ++turn) {
    if (end_) return Wants::kEnd;
    if (paused_) return write();
    size_t count = 0;
    const Received received = receive(scratch, count);
    if (received == Received::kNothing) return write();
    if (received == Received::kEnd) return Wants::kEnd;
    if (admission_) owner_.routes().bytes(*admission_, count, now_us);
    if (session_.feed(std::span(scratch).first(count), now_us) != Session::End::kOpen) {
      return Wants::kEnd;
    }
    // Only a plain socket tells by a short read that it is empty.
    if (!tls_ && count < scratch.size()) return write();
  }
  return write() == Wants::kEnd ? Wants::kEnd : Wants::kMoreTurns;
}

Connection::Received Connection::receive(std::span<uint8_t> into, size_t& count) {
  if (tls_) {
    livekit::ErrorHolder error;
    const gssize got = g_pollable_input_stream_read_nonblocking(
        G_POLLABLE_INPUT_STREAM(g_io_stream_get_input_stream(tls_.get())), into.data(), into.size(),
        nullptr, error.out());
    if (got > 0) {
      count = static_cast<size_t>(got);
      return Received::kBytes;
    }
    if (got < 0 && error.would_block()) return Received::kNothing;
    lose(got == 0 ? "the publisher hung up" : "the connection broke: " + error.message());
    return Received::kEnd;
  }
  ssize_t got;
  do {
    got = ::recv(descriptor(), into.data(), into.size(), MSG_DONTWAIT);
  } while (got < 0 && errno == EINTR);
  if (got > 0) {
    count = static_cast<size_t>(got);
    return Received::kBytes;
  }
  if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return Received::kNothing;
  lose(got == 0 ? "the publisher hung up"
                : std::string("the connection broke: ") + g_strerror(errno));
  return Received::kEnd;
}

void Connection::lose(std::string why) {
  if (end_) return;
  end_ = PublisherEnd::kLost;
  end_reason_ = std::move(why);
}

Connection::Wants Connection::write() {
  if (end_) return Wants::kEnd;
  if (flush()) return Wants::kNothing;
  lose("the connection broke");
  return Wants::kEnd;
}

bool Connection::flush() {
  std::vector<uint8_t>& output = session_.output();
  if (output.empty()) return true;
  gssize sent = 0;
  bool failed = false;
  if (tls_) {
    livekit::ErrorHolder error;
    sent = g_pollable_output_stream_write_nonblocking(
        G_POLLABLE_OUTPUT_STREAM(g_io_stream_get_output_stream(tls_.get())), output.data(),
        output.size(), nullptr, error.out());
    failed = sent < 0 && !error.would_block();
  } else {
    sent = ::send(descriptor(), output.data(), output.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    failed = sent < 0 && errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR;
  }
  if (sent > 0) output.erase(output.begin(), output.begin() + sent);
  return !failed;
}

Connection::Wants Connection::check_time(int64_t now_us) {
  now_us_ = now_us;
  if (end_) return Wants::kEnd;
  if (paused_) {
    // It is not the publisher who is silent.
    session_.excuse_silence(now_us);
    if (admission_) owner_.routes().bytes(*admission_, 0, now_us);
    return Wants::kNothing;
  }
  return session_.check_time(now_us) == Session::End::kOpen ? Wants::kNothing : Wants::kEnd;
}

void Connection::end(PublisherEnd end, const std::string& why) {
  if (end_) return;
  session_.end(why);
  end_ = end;
  end_reason_ = why;
}

void Connection::finish(livekit::LingeringCloser& closer) {
  if (std::exchange(finished_, true)) return;
  // Not kOpen: the session has ended by itself, and says why better.
  const Session::End session_end = session_.state();
  if (!end_ || (session_end != Session::End::kOpen && *end_ == PublisherEnd::kLost)) {
    end_ = end_of(session_end);
    end_reason_ = session_.reason();
  }
  const bool lost = *end_ == PublisherEnd::kLost;
  if (!lost) flush();
  if (admission_) {
    const Admission admission = std::move(*admission_);
    admission_.reset();
    owner_.routes().leave(admission, id_, *end_, end_reason_);
  } else if (!refusal_told_ && session_.status() != 0 && *end_ != PublisherEnd::kShutdown) {
    owner_.routes().refused_unrouted(remote_, {session_.status(), session_.reason()});
  }
  if (lost) {
    g_socket_close(socket_.get(), nullptr);
  } else {
    closer.take(std::move(socket_), std::move(tls_));
  }
}

// ---- The session's side ------------------------------------------------------------------------

Verdict Connection::on_publish(const PublishRequest& request) {
  Admission admission = owner_.routes().admit(request, remote_, id_, now_us_);
  if (!admission.welcome()) {
    refusal_told_ = true;
    return admission.verdict;
  }
  if (admission.replaced != 0) owner_.replace(admission.replaced);
  session_.set_publisher_limits(admission.max_message_bytes,
                                int64_t{admission.idle_timeout_ms} * 1000);
  admission_ = std::move(admission);
  owner_.routes().added(*admission_);
  return {};
}

void Connection::on_media(const Media& media) {
  if (!owner_.routes().media(*admission_, media, now_us_)) paused_ = true;
}

void Connection::on_unpublish() {
  const Admission admission = std::move(*admission_);
  admission_.reset();
  owner_.routes().leave(admission, id_, PublisherEnd::kClosed,
                        "the publisher has ended the stream");
}

}  // namespace rtmp
