// SPDX-License-Identifier: LGPL-2.1-or-later
// The properties of every element with a port: address, port, tls-certificate, tls-key and
// handshake-timeout. The element locks.
#pragma once

#include <gst/gst.h>

#include <string>

#include "listeningsocket.h"

namespace livekit {

// The element's own ids begin at kFirstOwnProperty.
enum ListenerProperty : guint {
  PROP_0,
  PROP_ADDRESS,
  PROP_PORT,
  PROP_TLS_CERTIFICATE,
  PROP_TLS_KEY,
  PROP_HANDSHAKE_TIMEOUT,
  kFirstOwnProperty,
};

// A string property: unset = `fallback`, and "" is shown as unset.
std::string text_of(const GValue* value, const gchar* fallback = "");
void set_text(GValue* value, const std::string& text);

ListenerConfig default_listener(guint port);
// `handshake_blurb` is static; it says what a caller has to have done by then, and the unit.
void install_listener_properties(GObjectClass* object_class, guint default_port,
                                 const gchar* handshake_blurb);
// false: no such property.
bool set_listener_property(ListenerConfig& config, guint id, const GValue* value);
bool get_listener_property(const ListenerConfig& config, guint id, GValue* value);

}  // namespace livekit
