// SPDX-License-Identifier: LGPL-2.1-or-later
// The buffers of one stream of slices, for the elements that make them (C++, not installed).
#pragma once

#include <cstddef>

#include "roomaudio.h"

namespace roomaudio {

/** Hands out buffers of a room_audio_buffer_pool_new() as large as they are wanted. One thread. */
class SlicePool {
 public:
  SlicePool() = default;
  SlicePool(const SlicePool&) = delete;
  SlicePool& operator=(const SlicePool&) = delete;
  ~SlicePool() { drop(); }

  /** A writable buffer of @bytes with a RoomAudioMeta, its samples yet to be written. */
  GstBuffer* acquire(size_t bytes) {
    if (!pool_ || bytes > size_) {
      drop();
      size_ = bytes;
      pool_ = room_audio_buffer_pool_new(guint(bytes));
    }
    GstBuffer* buffer = nullptr;
    gst_buffer_pool_acquire_buffer(pool_, &buffer, nullptr);
    if (bytes < size_) gst_buffer_set_size(buffer, gssize(bytes));
    return buffer;
  }

 private:
  // Buffers that are still in use find their way back by themselves.
  void drop() {
    if (!pool_) return;
    gst_buffer_pool_set_active(pool_, FALSE);
    gst_object_unref(pool_);
    pool_ = nullptr;
  }

  GstBufferPool* pool_ = nullptr;
  size_t size_ = 0;
};

}  // namespace roomaudio
