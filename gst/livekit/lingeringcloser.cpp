// SPDX-License-Identifier: LGPL-2.1-or-later
#include "lingeringcloser.h"

#include <array>
#include <utility>

namespace livekit {

namespace {

constexpr guint kLingerMs = 2000;
constexpr size_t kMaxLingering = 256;
constexpr uint64_t kMaxBytes = 64 << 20;

}  // namespace

LingeringCloser::LingeringCloser(GMainContext* context) : context_(g_main_context_ref(context)) {}

LingeringCloser::~LingeringCloser() {
  stop();
  g_main_context_unref(context_);
}

void LingeringCloser::take(GObjectPtr<GSocket> socket, GObjectPtr<GIOStream> stream) {
  g_socket_shutdown(socket.get(), FALSE, TRUE, nullptr);
  std::lock_guard lock(mutex_);
  if (stopped_ || entries_.size() >= kMaxLingering) {
    g_socket_close(socket.get(), nullptr);
    return;
  }
  auto entry = std::make_unique<Entry>();
  Entry* const raw = entry.get();
  raw->owner = this;
  raw->socket = std::move(socket);
  raw->stream = std::move(stream);
  raw->readable.reset(g_socket_create_source(raw->socket.get(), G_IO_IN, nullptr));
  g_source_set_callback(raw->readable.get(), G_SOURCE_FUNC(on_readable), raw, nullptr);
  raw->timeout.reset(g_timeout_source_new(kLingerMs));
  g_source_set_callback(raw->timeout.get(), on_timeout, raw, nullptr);
  raw->position = entries_.insert(entries_.end(), std::move(entry));
  g_source_attach(raw->readable.get(), context_);
  g_source_attach(raw->timeout.get(), context_);
}

gboolean LingeringCloser::on_readable(GSocket* socket, GIOCondition condition, gpointer data) {
  auto* const entry = static_cast<Entry*>(data);
  std::array<char, 16384> scratch;
  for (int turn = 0; turn < 16; ++turn) {
    ErrorHolder error;
    const gssize count = g_socket_receive_with_blocking(socket, scratch.data(), scratch.size(),
                                                        FALSE, nullptr, error.out());
    if (count < 0 && error.would_block()) return G_SOURCE_CONTINUE;
    if (count > 0) entry->bytes += static_cast<uint64_t>(count);
    if (count <= 0 || entry->bytes > kMaxBytes) {
      entry->owner->finish(entry);
      return G_SOURCE_REMOVE;
    }
  }
  return G_SOURCE_CONTINUE;
}

gboolean LingeringCloser::on_timeout(gpointer data) {
  auto* const entry = static_cast<Entry*>(data);
  entry->owner->finish(entry);
  return G_SOURCE_REMOVE;
}

void LingeringCloser::finish(Entry* entry) {
  std::unique_ptr<Entry> last;
  {
    std::lock_guard lock(mutex_);
    last = std::move(*entry->position);
    entries_.erase(entry->position);
  }
  g_socket_close(last->socket.get(), nullptr);
}

void LingeringCloser::stop() {
  std::list<std::unique_ptr<Entry>> entries;
  {
    std::lock_guard lock(mutex_);
    stopped_ = true;
    entries.swap(entries_);
  }
  for (const auto& entry : entries) g_socket_close(entry->socket.get(), nullptr);
}

size_t LingeringCloser::waiting() const {
  std::lock_guard lock(mutex_);
  return entries_.size();
}

}  // namespace livekit
