// SPDX-License-Identifier: LGPL-2.1-or-later
#include "acceptor.h"

#include <gst/gst.h>

#include <memory>
#include <utility>

namespace livekit {

namespace {

constexpr int kAcceptsPerTurn = 64;
constexpr guint kPause_ms = 200;
constexpr guint kShortPause_ms = 10;

GstDebugCategory* acceptor_debug() {
  static GstDebugCategory* const category = [] {
    GstDebugCategory* made = nullptr;
    GST_DEBUG_CATEGORY_INIT(made, "livekitacceptor", 0, "who calls on a listening port");
    return made;
  }();
  return category;
}

}  // namespace

#define GST_CAT_DEFAULT acceptor_debug()

Acceptor::Acceptor(GSocket* listening, GMainContext* context, AcceptorOwner* owner)
    : listening_(share(listening)), context_(context), owner_(owner) {
  watch_listening();
}

Acceptor::~Acceptor() {
  acceptable_.reset();
  accept_again_.reset();
  g_socket_close(listening_.get(), nullptr);
}

void Acceptor::watch_listening() {
  acceptable_.reset(g_socket_create_source(listening_.get(), G_IO_IN, nullptr));
  g_source_set_callback(acceptable_.get(), G_SOURCE_FUNC(on_acceptable), this, nullptr);
  g_source_attach(acceptable_.get(), context_);
}

gboolean Acceptor::on_acceptable(GSocket* /*socket*/, GIOCondition /*condition*/, gpointer data) {
  auto* const self = static_cast<Acceptor*>(data);
  for (int i = 0; i < kAcceptsPerTurn; ++i) {
    if (!self->accept_one()) break;
  }
  return G_SOURCE_CONTINUE;
}

bool Acceptor::accept_one() {
  ErrorHolder error;
  GObjectPtr<GSocket> socket(g_socket_accept(listening_.get(), nullptr, error.out()));
  if (socket) {
    owner_->on_caller(std::move(socket));
    return true;
  }
  if (error.would_block()) return false;
  if (error.is(G_IO_ERROR, G_IO_ERROR_TOO_MANY_OPEN_FILES)) {
    GST_WARNING("cannot accept a connection: %s", error.message().c_str());
    // What was let go of is free once its user (libsoup, TLS) has noticed.
    pause(owner_->make_room() ? kShortPause_ms : kPause_ms);
    return false;
  }
  // ECONNABORTED and the like: the caller has hung up already.
  GST_INFO("a connection ended before it was accepted: %s", error.message().c_str());
  return true;
}

// The listening socket stays readable while nothing can be accepted; polling it would spin.
void Acceptor::pause(guint wait_ms) {
  acceptable_.reset();
  accept_again_.reset(g_timeout_source_new(wait_ms));
  g_source_set_callback(accept_again_.get(), on_accept_again, this, nullptr);
  g_source_attach(accept_again_.get(), context_);
}

gboolean Acceptor::on_accept_again(gpointer data) {
  auto* const self = static_cast<Acceptor*>(data);
  self->watch_listening();
  self->accept_again_.reset();
  return G_SOURCE_REMOVE;
}

std::string describe_address(GSocketAddress* address) {
  if (!G_IS_INET_SOCKET_ADDRESS(address)) return {};
  const std::unique_ptr<char, decltype(&g_free)> text(
      g_socket_connectable_to_string(G_SOCKET_CONNECTABLE(address)), g_free);
  return text.get();
}

}  // namespace livekit
