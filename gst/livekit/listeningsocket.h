// SPDX-License-Identifier: LGPL-2.1-or-later
// What every server of this project needs before its first caller: a listening socket, perhaps a
// certificate, and if not, words that say what to do.
#pragma once

#include <gio/gio.h>

#include <cstdint>
#include <string>

#include "gobjectptr.h"

namespace livekit {

// `address` as g_inet_address knows it: the usual names of "all" and "this machine" replaced.
std::string listening_host(const std::string& address);

// Non-blocking, with a long backlog. nullptr with `error`.
GObjectPtr<GSocket> listen_on(const std::string& address, uint16_t port, std::string& error);
uint16_t listening_port(GSocket* socket);

// `certificate` stays null when no file is named. False with `error`.
bool load_certificate(const std::string& certificate_file, const std::string& key_file,
                      GObjectPtr<GTlsCertificate>& certificate, std::string& error);

}  // namespace livekit
