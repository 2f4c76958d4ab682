// SPDX-License-Identifier: LGPL-2.1-or-later
// What every server of this project needs before its first caller: a listening socket, perhaps a
// certificate, and if not, words that say what to do.
#pragma once

#include <gio/gio.h>

#include <cstdint>
#include <optional>
#include <string>

#include "gobjectptr.h"

namespace livekit {

// Where a server listens. All elements on one port share it: two that name the same address and
// port must agree on all of it.
struct ListenerConfig {
  std::string address = "0.0.0.0";
  uint16_t port = 0;            // 0 = any free port, never shared
  std::string tls_certificate;  // PEM file, "" = no TLS
  std::string tls_key;          // PEM file, "" = key is in the certificate's file
  uint32_t handshake_timeout_ms = 10000;
};

struct ListeningSocket {
  GObjectPtr<GSocket> socket;               // non-blocking, with a long backlog
  GObjectPtr<GTlsCertificate> certificate;  // null = no TLS

  uint16_t port() const;  // the real one when 0 was asked for
};

// nullopt with `error`.
std::optional<ListeningSocket> open_listening_socket(const ListenerConfig& config,
                                                     std::string& error);

// How a caller on a TLS port begins. A byte has to be there; it is left there.
enum class FirstByte { kTls, kOther, kGone };
FirstByte peek_first_byte(GSocket* socket);

// The server's side of TLS on `stream`, whose handshake is still to be done; `protocols` (ALPN) may
// be null. nullptr with `error`.
GObjectPtr<GIOStream> make_server_tls(GIOStream* stream, GTlsCertificate* certificate,
                                      const char* const* protocols, std::string& error);

}  // namespace livekit
