// SPDX-License-Identifier: LGPL-2.1-or-later
#include "listeningsocket.h"

#include <sys/socket.h>

#include <utility>

#include "listeningaddress.h"

namespace livekit {
namespace {

// The default of 10 makes callers who come together wait a second for the kernel's next try.
constexpr int kBacklog = 1024;
constexpr uint8_t kTlsHandshakeRecord = 0x16;

GObjectPtr<GSocketAddress> make_address(const std::string& address, uint16_t port,
                                        std::string& error) {
  const GObjectPtr<GInetAddress> inet(
      g_inet_address_new_from_string(listening_host(address).c_str()));
  if (!inet) {
    error = "\"" + address + "\" is not an address to listen on: give an IP address of " +
            "this machine, 0.0.0.0 for all of them, or :: for IPv6 as well.";
    return nullptr;
  }
  return GObjectPtr<GSocketAddress>(g_inet_socket_address_new(inet.get(), port));
}

GObjectPtr<GSocket> listen_on(const std::string& address, uint16_t port, std::string& error) {
  const GObjectPtr<GSocketAddress> bound = make_address(address, port, error);
  if (!bound) return nullptr;
  ErrorHolder failure;
  const std::string where = "port " + std::to_string(port) + " of address " + address;
  GObjectPtr<GSocket> socket(g_socket_new(g_socket_address_get_family(bound.get()),
                                          G_SOCKET_TYPE_STREAM, G_SOCKET_PROTOCOL_TCP,
                                          failure.out()));
  if (socket) {
    g_socket_set_blocking(socket.get(), FALSE);
    g_socket_set_listen_backlog(socket.get(), kBacklog);
    if (g_socket_bind(socket.get(), bound.get(), TRUE, failure.out()) &&
        g_socket_listen(socket.get(), failure.out())) {
      return socket;
    }
    g_socket_close(socket.get(), nullptr);
  }
  if (failure.is(G_IO_ERROR, G_IO_ERROR_ADDRESS_IN_USE)) {
    error = "Cannot listen on " + where + ": another program uses it. Stop that program " +
            "(`ss -ltnp` shows it) or choose another port.";
  } else if (failure.is(G_IO_ERROR, G_IO_ERROR_PERMISSION_DENIED)) {
    error = "Cannot listen on " + where + ": not permitted. Ports below 1024 are for root; " +
            "choose another port.";
  } else {
    error = "Cannot listen on " + where + ": " + failure.message() +
            ". Choose an address that this machine has.";
  }
  return nullptr;
}

// `certificate` stays null when no file is named. False with `error`.
bool load_certificate(const std::string& certificate_file, const std::string& key_file,
                      GObjectPtr<GTlsCertificate>& certificate, std::string& error) {
  if (certificate_file.empty()) {
    if (key_file.empty()) return true;
    error = "A TLS key is given without a certificate: set tls-certificate too.";
    return false;
  }
  if (!g_tls_backend_supports_tls(g_tls_backend_get_default())) {
    error = "TLS is not available: install the package glib-networking.";
    return false;
  }
  const std::string& key = key_file.empty() ? certificate_file : key_file;
  ErrorHolder failure;
  certificate.reset(
      g_tls_certificate_new_from_files(certificate_file.c_str(), key.c_str(), failure.out()));
  if (certificate) return true;
  error = "Cannot use the TLS certificate " + certificate_file + " with the key " + key + ": " +
          failure.message() + ". Both have to be readable PEM files that belong together.";
  return false;
}

}  // namespace

uint16_t ListeningSocket::port() const {
  const GObjectPtr<GSocketAddress> local(g_socket_get_local_address(socket.get(), nullptr));
  return local ? g_inet_socket_address_get_port(G_INET_SOCKET_ADDRESS(local.get())) : 0;
}

std::optional<ListeningSocket> open_listening_socket(const ListenerConfig& config,
                                                     std::string& error) {
  ListeningSocket listening;
  if (!load_certificate(config.tls_certificate, config.tls_key, listening.certificate, error)) {
    return std::nullopt;
  }
  listening.socket = listen_on(config.address, config.port, error);
  if (!listening.socket) return std::nullopt;
  return listening;
}

FirstByte peek_first_byte(GSocket* socket) {
  uint8_t first = 0;
  const ssize_t count = ::recv(g_socket_get_fd(socket), &first, 1, MSG_PEEK | MSG_DONTWAIT);
  if (count <= 0) return FirstByte::kGone;
  return first == kTlsHandshakeRecord ? FirstByte::kTls : FirstByte::kOther;
}

GObjectPtr<GIOStream> make_server_tls(GIOStream* stream, GTlsCertificate* certificate,
                                      const char* const* protocols, std::string& error) {
  ErrorHolder failure;
  GObjectPtr<GIOStream> made(g_tls_server_connection_new(stream, certificate, failure.out()));
  if (!made) {
    error = failure.message();
    return nullptr;
  }
  GTlsConnection* tls = G_TLS_CONNECTION(made.get());
  // Nobody is asked for a certificate, and the default list of authorities costs 4 MB a connection.
  g_tls_connection_set_database(tls, nullptr);
  // Streams have an end of their own, and many clients then just close the socket.
  g_tls_connection_set_require_close_notify(tls, FALSE);
  if (protocols) g_tls_connection_set_advertised_protocols(tls, protocols);
  return made;
}

}  // namespace livekit
