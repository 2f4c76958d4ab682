// SPDX-License-Identifier: LGPL-2.1-or-later
// Owners for GLib's objects, so that every way out of a function lets go of them.
#pragma once

#include <gio/gio.h>

#include <memory>
#include <string>

namespace livekit {

struct GObjectUnref {
  void operator()(gpointer object) const { g_object_unref(object); }
};
template <typename T>
using GObjectPtr = std::unique_ptr<T, GObjectUnref>;

// Takes a reference of its own.
template <typename T>
GObjectPtr<T> share(T* object) {
  return GObjectPtr<T>(static_cast<T*>(g_object_ref(object)));
}

struct GSourceDestroy {
  void operator()(GSource* source) const {
    g_source_destroy(source);
    g_source_unref(source);
  }
};
// A source that goes away with its owner.
using GSourcePtr = std::unique_ptr<GSource, GSourceDestroy>;

// GError as an out parameter: `ErrorHolder error; f(..., error.out());`
class ErrorHolder {
 public:
  ErrorHolder() = default;
  ~ErrorHolder() { g_clear_error(&error_); }
  ErrorHolder(const ErrorHolder&) = delete;
  ErrorHolder& operator=(const ErrorHolder&) = delete;

  GError** out() {
    g_clear_error(&error_);
    return &error_;
  }
  bool is(GQuark domain, int code) const { return g_error_matches(error_, domain, code); }
  bool would_block() const { return is(G_IO_ERROR, G_IO_ERROR_WOULD_BLOCK); }
  std::string message() const { return error_ ? error_->message : "unknown error"; }

 private:
  GError* error_ = nullptr;
};

}  // namespace livekit
