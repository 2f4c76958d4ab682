// SPDX-License-Identifier: LGPL-2.1-or-later
// One input of the mix: its settings, whose audio it is, and what has happened to it.
#pragma once

#include <gst/gst.h>

#include <atomic>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <utility>

#include "slicecollector.h"
#include "sumkernel.h"

namespace egressmux {

/** Which way an input takes through the element. */
enum class Way { kUndecided, kAligned, kMixer };
const char* way_name(Way way);

/** Whose audio it is, as the output's meta will say. Never changes once made. */
struct TrackText {
  std::string track;
  std::string identity;
  std::string name;
};

/** Where the words of a TrackText come from, the most trustworthy first. */
struct TrackSources {
  std::string set_identity; /* the pad's properties */
  std::string set_name;
  std::string meta_track; /* RoomAudioMeta on the buffers */
  std::string meta_identity;
  std::string meta_name;
  std::string room_identity; /* tags of a room's track */
  std::string stream_id;     /* stream-start */
  std::string title;         /* tags */
  std::string pad_name;
  TrackText resolve() const;
};

/** A reference to a buffer. */
class BufferRef {
 public:
  BufferRef() = default;
  /** Takes a reference of its own. */
  static BufferRef to(GstBuffer* buffer) { return BufferRef(gst_buffer_ref(buffer)); }
  static BufferRef adopt(GstBuffer* buffer) { return BufferRef(buffer); }
  BufferRef(BufferRef&& other) noexcept : buffer_(std::exchange(other.buffer_, nullptr)) {}
  BufferRef& operator=(BufferRef&& other) noexcept {
    std::swap(buffer_, other.buffer_);
    return *this;
  }
  BufferRef(const BufferRef&) = delete;
  BufferRef& operator=(const BufferRef&) = delete;
  ~BufferRef() {
    if (buffer_) gst_buffer_unref(buffer_);
  }
  GstBuffer* get() const { return buffer_; }

 private:
  explicit BufferRef(GstBuffer* buffer) : buffer_(buffer) {}
  GstBuffer* buffer_ = nullptr;
};

/** A stretch of sound and how loud it was. */
struct LevelSpan {
  int64_t start;
  int64_t end;
  double level_dbov;
  bool muted;
  std::shared_ptr<const TrackText> text;
  BufferRef audio;      /* the sound itself, for the mix to carry along; may be none */
  bool carried = false; /* a mix has it */
};

class MixInput {
 public:
  explicit MixInput(const std::string& pad_name);

  // ---- settings, any thread
  std::atomic<double> volume{1.0};
  std::atomic<bool> mute{false};
  // ---- figures, any thread
  std::atomic<int64_t> shift_ns{0}; /* how much later than its own time it is heard */
  std::atomic<int64_t> cut_ns{0};   /* pauses left out to catch up */

  float wanted_gain() const { return mute ? 0.0f : float(volume.load()); }

  std::shared_ptr<const TrackText> text() const;
  /** Changes the sources under the lock; TRUE when the resulting text is another one. */
  template <typename Change>
  bool change_text(Change change) {
    const std::lock_guard lock(text_mutex_);
    change(sources_);
    return resolve_locked();
  }
  /** As change_text() for what a buffer's meta says, without cost while it stays the same. */
  bool take_meta(const gchar* track, const gchar* identity, const gchar* name);

  // ---- guarded by the owning GstRoomSum's mutex
  SliceMember member;
  Way way = Way::kUndecided;
  float gain = -1.0f; /* what the last slice ended with; below 0 = nothing played yet */
  std::deque<LevelSpan> levels;
  int64_t last_end = 0;     /* where the sound sent to the mixer ends so far */
  bool mixer_ended = false; /* nothing more will be sent to the mixer */
  uint64_t slices = 0;
  uint64_t late_slices = 0;
  uint64_t duplicate_slices = 0;

 private:
  bool resolve_locked();

  mutable std::mutex text_mutex_;
  TrackSources sources_;                   // text_mutex_
  std::shared_ptr<const TrackText> text_;  // text_mutex_
};

}  // namespace egressmux
