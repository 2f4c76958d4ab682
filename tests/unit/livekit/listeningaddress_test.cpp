// SPDX-License-Identifier: LGPL-2.1-or-later
#include "listeningaddress.h"

#include <gtest/gtest.h>

#include "egresscontroller.h"

namespace livekit {
namespace {

struct Case {
  const char* address;
  const char* listened_on;
  const char* dialled;
};
constexpr Case kCases[] = {
    {"", "0.0.0.0", "ws://127.0.0.1:9000"},
    {"0.0.0.0", "0.0.0.0", "ws://127.0.0.1:9000"},
    {"*", "0.0.0.0", "ws://127.0.0.1:9000"},
    {"localhost", "127.0.0.1", "ws://127.0.0.1:9000"},
    {"192.0.2.10", "192.0.2.10", "ws://192.0.2.10:9000"},
    {"::", "::", "ws://[::1]:9000"},
    {"[::1]", "::1", "ws://[::1]:9000"},
    {"2001:db8::7", "2001:db8::7", "ws://[2001:db8::7]:9000"},
};

TEST(ListeningAddress, WhateverItIsCalledItCanBeListenedOn) {
  for (const Case& c : kCases) EXPECT_EQ(listening_host(c.address), c.listened_on) << c.address;
}

TEST(ListeningAddress, AServerOnThisMachineIsToldHowToReachIt) {
  EgressSettings settings;
  settings.livekit_url = "ws://localhost:7880";
  settings.credentials = {"key", "secret"};
  for (const Case& c : kCases) {
    ListenerConfig listener;
    listener.address = c.address;
    std::string error;
    const auto config = make_controller_config(settings, "standup", "/", listener, 9000, error);
    ASSERT_TRUE(config) << c.address << ": " << error;
    EXPECT_EQ(config->dial_base, c.dialled) << c.address;
    listener.tls_certificate = "cert.pem";
    const auto tls = make_controller_config(settings, "standup", "/", listener, 9000, error);
    ASSERT_TRUE(tls) << c.address << ": " << error;
    EXPECT_EQ(tls->dial_base, "wss" + std::string(c.dialled).substr(2)) << c.address;
  }
}

}  // namespace
}  // namespace livekit
