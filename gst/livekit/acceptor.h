// SPDX-License-Identifier: LGPL-2.1-or-later
// Takes callers from a listening socket, in one thread's main context; also while the process has
// no descriptors left.
#pragma once

#include <gio/gio.h>

#include <string>

#include "gobjectptr.h"

namespace livekit {

class AcceptorOwner {
 public:
  virtual ~AcceptorOwner() = default;
  virtual void on_caller(GObjectPtr<GSocket> socket) = 0;
  // The process has no descriptors left, and callers wait: lets go of some that have not said yet
  // who they are. False: there is none.
  virtual bool make_room() = 0;
};

class Acceptor {
 public:
  // `context` has to be run by the thread that owns the acceptor.
  Acceptor(GSocket* listening, GMainContext* context, AcceptorOwner* owner);
  ~Acceptor();
  Acceptor(const Acceptor&) = delete;
  Acceptor& operator=(const Acceptor&) = delete;

 private:
  static gboolean on_acceptable(GSocket* socket, GIOCondition condition, gpointer self);
  static gboolean on_accept_again(gpointer self);

  void watch_listening();
  bool accept_one();
  void pause(guint wait_ms);

  const GObjectPtr<GSocket> listening_;
  GMainContext* const context_;
  AcceptorOwner* const owner_;
  GSourcePtr acceptable_;
  GSourcePtr accept_again_;
};

// "127.0.0.1:41234", "[::1]:41234"; "" for what is no internet address.
std::string describe_address(GSocketAddress* address);

}  // namespace livekit
