// SPDX-License-Identifier: LGPL-2.1-or-later
// Knows when a slice is complete: when every pad of the room has brought its part.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <iterator>
#include <utility>
#include <vector>

namespace egressmux {

/** What the collector keeps about one pad; lives in the pad's own state. */
struct SliceMember {
  bool joined = false;            /* its part is waited for */
  bool delivered = false;         /* has brought anything since it joined */
  uint64_t last_slice_serial = 0; /* the slice it brought a part of most recently */
};

/** Parts of equal slices, brought by one thread in the same tick, gathered into slices.
 *
 * A slice is complete when every joined member has brought its part, or when any member brings a
 * part of a later one: then the tick is over, and who has not come is no longer waited for (until
 * it comes again). Times are samples; `Part` is whatever the caller wants back. */
template <typename Part>
class SliceCollector {
 public:
  struct Slice {
    uint64_t serial = 0;
    int64_t start = 0;
    int64_t frames = 0;
    bool closed = false; /* a later slice has begun */
    bool incomplete = false;
    std::vector<Part> parts;
  };
  enum class Delivery { kAccepted, kDuplicate };

  /** From now on slices wait for @member. */
  void join(SliceMember* member) {
    if (member->joined) return;
    *member = SliceMember{.joined = true};
    members_.push_back(member);
  }

  /** @member will bring nothing more; what it brought stays. */
  void leave(SliceMember* member) {
    if (!member->joined) return;
    if (has_open() && member->last_slice_serial == slices_.back().serial) --open_delivered_;
    if (member->delivered) --delivering_;
    std::erase(members_, member);
    *member = SliceMember{};
  }

  /** @member works, though what it brought cannot be used. */
  void note_alive(SliceMember* member) {
    join(member);
    if (member->delivered) return;
    member->delivered = true;
    ++delivering_;
  }

  Delivery deliver(SliceMember* member, int64_t start, int64_t frames, Part part) {
    note_alive(member);
    Slice* slice = find(start);
    if (!slice) slice = open(start);
    if (member->last_slice_serial == slice->serial) return Delivery::kDuplicate;
    // A part for a slice that closed before keeps the member's place in the open one.
    if (!slice->closed) {
      member->last_slice_serial = slice->serial;
      ++open_delivered_;
    }
    if (frames > slice->frames) slice->frames = frames;
    slice->parts.push_back(std::move(part));
    return Delivery::kAccepted;
  }

  bool empty() const { return slices_.empty(); }
  const Slice& head() const { return slices_.front(); }
  bool head_complete() const {
    return !slices_.empty() && (slices_.front().closed || open_delivered_ >= members_.size());
  }
  /** Takes the oldest slice, complete or not. */
  Slice take() {
    Slice slice = std::move(slices_.front());
    slices_.pop_front();
    if (!slice.closed) {
      slice.incomplete = open_delivered_ < members_.size();
      open_delivered_ = 0;
    }
    return slice;
  }
  /** Hands the storage of a used slice back. */
  void recycle(Slice slice) {
    slice.parts.clear();
    spare_ = std::move(slice.parts);
  }

  std::size_t waiting_slices() const { return slices_.size(); }
  std::size_t member_count() const { return members_.size(); }
  /** Members that have brought something since they joined. */
  std::size_t delivering_count() const { return delivering_; }

  /** Forgets slices and members. */
  void clear() {
    for (SliceMember* member : members_) *member = SliceMember{};
    members_.clear();
    slices_.clear();
    open_delivered_ = 0;
    delivering_ = 0;
  }

 private:
  bool has_open() const { return !slices_.empty() && !slices_.back().closed; }

  Slice* find(int64_t start) {
    for (auto slice = slices_.rbegin(); slice != slices_.rend() && slice->start >= start; ++slice)
      if (slice->start == start) return &*slice;
    return nullptr;
  }

  Slice* open(int64_t start) {
    auto place = slices_.end();
    while (place != slices_.begin() && std::prev(place)->start > start) --place;
    const bool newest = place == slices_.end();
    if (newest && has_open()) close(&slices_.back());
    place = slices_.emplace(place);
    place->serial = ++last_serial_;
    place->start = start;
    place->closed = !newest;
    place->parts = std::move(spare_);
    place->parts.clear();
    return &*place;
  }

  // Whoever is missing when its slice closes is not waited for again before it comes back.
  void close(Slice* slice) {
    slice->closed = true;
    if (open_delivered_ < members_.size()) {
      slice->incomplete = true;
      std::erase_if(members_, [&](SliceMember* member) {
        if (member->last_slice_serial == slice->serial) return false;
        if (member->delivered) --delivering_;
        *member = SliceMember{};
        return true;
      });
    }
    open_delivered_ = 0;
  }

  std::deque<Slice> slices_;
  std::vector<SliceMember*> members_;
  std::vector<Part> spare_;
  std::size_t open_delivered_ = 0;
  std::size_t delivering_ = 0;
  uint64_t last_serial_ = 0;
};

}  // namespace egressmux
