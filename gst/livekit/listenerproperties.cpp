// SPDX-License-Identifier: LGPL-2.1-or-later
#include "listenerproperties.h"

namespace livekit {

namespace {

constexpr const gchar* DEFAULT_ADDRESS = "0.0.0.0";
constexpr guint DEFAULT_HANDSHAKE_TIMEOUT_MS = 10000;

}  // namespace

std::string text_of(const GValue* value, const gchar* fallback) {
  const gchar* given = g_value_get_string(value);
  return given ? given : fallback;
}

void set_text(GValue* value, const std::string& text) {
  g_value_set_string(value, text.empty() ? nullptr : text.c_str());
}

ListenerConfig default_listener(guint port) {
  ListenerConfig config;
  config.address = DEFAULT_ADDRESS;
  config.port = guint16(port);
  config.handshake_timeout_ms = DEFAULT_HANDSHAKE_TIMEOUT_MS;
  return config;
}

void install_listener_properties(GObjectClass* object_class, guint default_port,
                                 const gchar* handshake_blurb) {
  constexpr auto kFlags =
      GParamFlags(G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | GST_PARAM_MUTABLE_READY);
  const auto text = [object_class](guint id, const gchar* name, const gchar* nick,
                                   const gchar* blurb, const gchar* initial) {
    g_object_class_install_property(object_class, id,
                                    g_param_spec_string(name, nick, blurb, initial, kFlags));
  };
  text(PROP_ADDRESS, "address", "Address", "IP address to listen on", DEFAULT_ADDRESS);
  g_object_class_install_property(
      object_class, PROP_PORT,
      g_param_spec_uint("port", "Port",
                        "TCP port to listen on; elements with the same address and port share it. "
                        "While running, the real one (0 = any free port)",
                        0, 65535, default_port, kFlags));
  text(PROP_TLS_CERTIFICATE, "tls-certificate", "TLS certificate",
       "PEM file with the certificate chain (empty = no TLS)", nullptr);
  text(PROP_TLS_KEY, "tls-key", "TLS key",
       "PEM file with the private key (empty = in the certificate's file)", nullptr);
  g_object_class_install_property(
      object_class, PROP_HANDSHAKE_TIMEOUT,
      g_param_spec_uint("handshake-timeout", "Handshake time-out", handshake_blurb, 1, G_MAXUINT,
                        DEFAULT_HANDSHAKE_TIMEOUT_MS, kFlags));
}

bool set_listener_property(ListenerConfig& config, guint id, const GValue* value) {
  switch (id) {
    case PROP_ADDRESS:
      config.address = text_of(value, DEFAULT_ADDRESS);
      break;
    case PROP_PORT:
      config.port = guint16(g_value_get_uint(value));
      break;
    case PROP_TLS_CERTIFICATE:
      config.tls_certificate = text_of(value);
      break;
    case PROP_TLS_KEY:
      config.tls_key = text_of(value);
      break;
    case PROP_HANDSHAKE_TIMEOUT:
      config.handshake_timeout_ms = g_value_get_uint(value);
      break;
    default:
      return false;
  }
  return true;
}

bool get_listener_property(const ListenerConfig& config, guint id, GValue* value) {
  switch (id) {
    case PROP_ADDRESS:
      set_text(value, config.address);
      break;
    case PROP_PORT:
      g_value_set_uint(value, config.port);
      break;
    case PROP_TLS_CERTIFICATE:
      set_text(value, config.tls_certificate);
      break;
    case PROP_TLS_KEY:
      set_text(value, config.tls_key);
      break;
    case PROP_HANDSHAKE_TIMEOUT:
      g_value_set_uint(value, config.handshake_timeout_ms);
      break;
    default:
      return false;
  }
  return true;
}

}  // namespace livekit
