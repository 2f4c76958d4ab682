// SPDX-License-Identifier: LGPL-2.1-or-later
#include "transport.h"

#include <fcntl.h>
#include <gio/gio.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

namespace egresssim {
namespace {

void set_abortive_close(int descriptor) {
  const linger at_once{1, 0};
  setsockopt(descriptor, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
}

class PlainTransport : public Transport {
 public:
  explicit PlainTransport(int descriptor) : descriptor_(descriptor) {}
  ~PlainTransport() override { close(false); }

  long read(uint8_t* data, size_t length) override {
    const ssize_t n = ::recv(descriptor_, data, length, 0);
    return n < 0 ? -errno : n;
  }
  long write(const uint8_t* data, size_t length) override {
    const ssize_t n = ::send(descriptor_, data, length, MSG_NOSIGNAL);
    return n < 0 ? -errno : n;
  }
  int descriptor() const override { return descriptor_; }
  int connect_result() override {
    int code = 0;
    socklen_t length = sizeof code;
    getsockopt(descriptor_, SOL_SOCKET, SO_ERROR, &code, &length);
    return -code;
  }
  void close(bool reset) override {
    if (descriptor_ < 0) return;
    if (reset) set_abortive_close(descriptor_);
    ::close(descriptor_);
    descriptor_ = -1;
  }

 private:
  int descriptor_;
};

class TlsTransport : public Transport {
 public:
  explicit TlsTransport(GSocketConnection* connection) : connection_(connection) {
    GSocket* socket = g_socket_connection_get_socket(connection_);
    g_socket_set_blocking(socket, FALSE);
    descriptor_ = g_socket_get_fd(socket);
    input_ = G_POLLABLE_INPUT_STREAM(g_io_stream_get_input_stream(G_IO_STREAM(connection_)));
    output_ = G_POLLABLE_OUTPUT_STREAM(g_io_stream_get_output_stream(G_IO_STREAM(connection_)));
  }
  ~TlsTransport() override {
    close(false);
    g_object_unref(connection_);
  }

  long read(uint8_t* data, size_t length) override {
    g_autoptr(GError) error = nullptr;
    const gssize n =
        g_pollable_input_stream_read_nonblocking(input_, data, length, nullptr, &error);
    return n < 0 ? code(error) : n;
  }
  long write(const uint8_t* data, size_t length) override {
    g_autoptr(GError) error = nullptr;
    const gssize n =
        g_pollable_output_stream_write_nonblocking(output_, data, length, nullptr, &error);
    return n < 0 ? code(error) : n;
  }
  int descriptor() const override { return descriptor_; }
  void close(bool reset) override {
    if (descriptor_ < 0) return;
    if (reset) set_abortive_close(descriptor_);
    // The socket itself: closing the TLS stream would wait for the peer's close notify.
    g_socket_close(g_socket_connection_get_socket(connection_), nullptr);
    descriptor_ = -1;
  }

 private:
  static long code(const GError* error) {
    if (g_error_matches(error, G_IO_ERROR, G_IO_ERROR_WOULD_BLOCK)) return -EAGAIN;
    if (g_error_matches(error, G_IO_ERROR, G_IO_ERROR_BROKEN_PIPE)) return -EPIPE;
    // A TLS end without a close notify is an ordinary TCP end here.
    if (g_error_matches(error, G_TLS_ERROR, G_TLS_ERROR_EOF)) return 0;
    return -ECONNRESET;
  }

  GSocketConnection* connection_;
  GPollableInputStream* input_;
  GPollableOutputStream* output_;
  int descriptor_;
};

gboolean accept_any_certificate(GTlsConnection*, GTlsCertificate*, GTlsCertificateFlags, gpointer) {
  return TRUE;
}

void on_client_event(GSocketClient*, GSocketClientEvent event, GSocketConnectable*,
                     GIOStream* stream, gpointer user_data) {
  if (event != G_SOCKET_CLIENT_TLS_HANDSHAKING) return;
  const auto* settings = static_cast<const TlsSettings*>(user_data);
  if (settings->insecure)
    g_signal_connect(stream, "accept-certificate", G_CALLBACK(accept_any_certificate), nullptr);
  if (!settings->ca_file.empty()) {
    g_autoptr(GTlsDatabase) database = g_tls_file_database_new(settings->ca_file.c_str(), nullptr);
    if (database != nullptr) g_tls_connection_set_database(G_TLS_CONNECTION(stream), database);
  }
}

}  // namespace

std::unique_ptr<Transport> connect_plain(const UrlParts& url, std::string& error) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  const int code = getaddrinfo(url.host.c_str(), std::to_string(url.port).c_str(), &hints, &found);
  if (code != 0) {
    error = "cannot find the host \"" + url.host + "\": " + gai_strerror(code);
    return nullptr;
  }
  // "localhost" has an IPv6 address too, on which few receivers listen.
  const addrinfo* address = found;
  for (const addrinfo* a = found; a != nullptr; a = a->ai_next) {
    if (a->ai_family != AF_INET) continue;
    address = a;
    break;
  }
  const int descriptor = socket(address->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (descriptor < 0) {
    error = std::string("cannot make a socket: ") + std::strerror(errno);
    freeaddrinfo(found);
    return nullptr;
  }
  // Go turns Nagle's algorithm off as well: a message is sent when it is written.
  const int on = 1;
  setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  const int result = ::connect(descriptor, address->ai_addr, address->ai_addrlen);
  const int reason = errno;
  freeaddrinfo(found);
  if (result != 0 && reason != EINPROGRESS) {
    error = std::strerror(reason);
    ::close(descriptor);
    return nullptr;
  }
  return std::make_unique<PlainTransport>(descriptor);
}

TlsDialer::TlsDialer(TlsSettings settings)
    : settings_(std::move(settings)), event_(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {}

TlsDialer::~TlsDialer() {
  threads_.clear();
  ::close(event_);
}

void TlsDialer::dial(size_t connection, const UrlParts& url) {
  threads_.emplace_back([this, connection, url] { connect(connection, url); });
}

void TlsDialer::connect(size_t connection, const UrlParts& url) {
  g_autoptr(GSocketClient) client = g_socket_client_new();
  g_socket_client_set_tls(client, TRUE);
  g_socket_client_set_enable_proxy(client, FALSE);
  g_socket_client_set_timeout(client, 10);
  g_signal_connect(client, "event", G_CALLBACK(on_client_event),
                   const_cast<TlsSettings*>(&settings_));
  Result result;
  result.connection = connection;
  g_autoptr(GError) error = nullptr;
  g_autoptr(GSocketConnectable) address = g_network_address_new(url.host.c_str(), url.port);
  GSocketConnection* stream = g_socket_client_connect(client, address, nullptr, &error);
  if (stream != nullptr) {
    GSocket* socket = g_socket_connection_get_socket(stream);
    g_socket_set_timeout(socket, 0);
    g_socket_set_option(socket, IPPROTO_TCP, TCP_NODELAY, 1, nullptr);
    result.transport = std::make_unique<TlsTransport>(stream);
  } else {
    result.error = error->message;
    if (error->domain == G_TLS_ERROR)
      result.error += " (name its authority with --ca, or use --insecure)";
  }
  {
    const std::lock_guard guard(lock_);
    results_.push_back(std::move(result));
  }
  const uint64_t one = 1;
  [[maybe_unused]] const ssize_t n = ::write(event_, &one, sizeof one);
}

std::vector<TlsDialer::Result> TlsDialer::take_results() {
  uint64_t count = 0;
  [[maybe_unused]] const ssize_t n = ::read(event_, &count, sizeof count);
  const std::lock_guard guard(lock_);
  return std::exchange(results_, {});
}

}  // namespace egresssim
