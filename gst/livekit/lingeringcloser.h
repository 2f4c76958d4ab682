// SPDX-License-Identifier: LGPL-2.1-or-later
// Closes sockets late enough for the peer to read the last words. A socket that is closed with
// unread bytes in it resets the connection, and the close frame or the HTTP answer, though sent,
// may never be seen; so what still comes in is read away, for a bounded time.
#pragma once

#include <gio/gio.h>

#include <cstdint>
#include <list>
#include <memory>
#include <mutex>

#include "gobjectptr.h"

namespace livekit {

class LingeringCloser : public std::enable_shared_from_this<LingeringCloser> {
 public:
  // Reads in `context`, which some thread must run.
  explicit LingeringCloser(GMainContext* context);
  ~LingeringCloser();
  LingeringCloser(const LingeringCloser&) = delete;
  LingeringCloser& operator=(const LingeringCloser&) = delete;

  // From any thread. Sends the end of the stream, closes the socket when the peer has closed his
  // side or the time is up. `stream` is kept as long as the socket is.
  void take(GObjectPtr<GSocket> socket, GObjectPtr<GIOStream> stream);

  // Closes all at once; further ones are closed as they come. From the context's thread, or when
  // nothing runs the context any more.
  void stop();

  size_t waiting() const;

 private:
  struct Entry {
    LingeringCloser* owner = nullptr;
    GObjectPtr<GSocket> socket;
    GObjectPtr<GIOStream> stream;
    GSourcePtr readable;
    GSourcePtr timeout;
    uint64_t bytes = 0;
    std::list<std::unique_ptr<Entry>>::iterator position;
  };

  static gboolean on_readable(GSocket* socket, GIOCondition condition, gpointer entry);
  static gboolean on_timeout(gpointer entry);
  void finish(Entry* entry);

  GMainContext* const context_;
  mutable std::mutex mutex_;  // guards what follows
  bool stopped_ = false;
  std::list<std::unique_ptr<Entry>> entries_;
};

}  // namespace livekit
