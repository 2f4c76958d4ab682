// SPDX-License-Identifier: LGPL-2.1-or-later
#include "trackmedia.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "arrivalline.h"
#include "gst/roomaudio/roomaudio.h"
#include "opuspackets.h"
#include "playout.h"

namespace livekit {
namespace {

constexpr guint kOpusRateHz = 48000;
// A message may hold an Opus packet of 120 ms at most; RFC 6716 bounds it to 1275 bytes a frame.
constexpr size_t kLongestOpusPacket = 48 * 1276;

SampleLayout layout_of(const AudioFormat& format) {
  SampleLayout layout;
  layout.type =
      format.encoding == AudioFormat::Encoding::kF32le ? SampleType::kF32 : SampleType::kS16;
  layout.rate_hz = format.rate_hz;
  layout.channels = format.channels;
  return layout;
}

// Frames before the end of slice `index`, so that any rate comes out exact over time.
guint64 frames_until(guint64 index, const SliceTime& slice, int rate_hz) {
  return gst_util_uint64_scale(index * slice.duration, guint64(rate_hz), GST_SECOND);
}

class AlignedSamples final : public TrackMedia {
 public:
  AlignedSamples(const AudioFormat& format, const PlayoutOptions& options)
      : layout_(layout_of(format)),
        playout_({layout_, options.margin_ms, options.max_margin_ms, options.max_backlog_ms}) {}

  void on_audio(std::span<const uint8_t> piece, bool) override { playout_.push(piece); }
  void finish() override { playout_.finish(); }

  bool push_slice(const SliceTime& slice, bool muted, TrackPad& pad) override {
    const guint64 begin = frames_until(slice.index, slice, layout_.rate_hz);
    const guint64 end = frames_until(slice.index + 1, slice, layout_.rate_hz);
    const auto frames = size_t(end - begin);
    if (frames == 0) return true;
    const Slice played = playout_.next_slice(frames);
    if (played.kind == Slice::Kind::kFinished) return false;
    if (slice.discont) pad.set_discont();
    const size_t bytes = frames * layout_.bytes_per_frame();
    if (played.kind == Slice::Kind::kSamples) {
      pad.push_samples(played.data, bytes, slice.pts, slice.duration, played.level_dbov, muted);
    } else {
      pad.push_silence(bytes, slice.pts, slice.duration, muted);
    }
    return true;
  }

  double depth_ms() const override { return playout_.depth_ms(); }
  guint64 dropped_frames() const override { return playout_.counters().dropped_backlog; }

  MediaCounters counters() const override {
    const PlayoutCounters& from = playout_.counters();
    MediaCounters to;
    to.depth_ms = playout_.depth_ms();
    to.margin_ms = playout_.margin_ms();
    to.drift_ppm = playout_.drift_ppm();
    to.underruns = from.underruns;
    to.frames_received = from.received;
    to.frames_invented = from.invented;
    to.frames_corrected = from.inserted + from.removed_drift;
    to.frames_skipped_silence = from.removed_silence;
    to.frames_skipped_speech = from.removed_speech;
    to.frames_dropped = from.dropped_backlog;
    to.bad_data = from.impossible_samples;
    return to;
  }

 private:
  const SampleLayout layout_;
  Playout playout_;
};

class ArrivalSamples final : public TrackMedia {
 public:
  ArrivalSamples(const AudioFormat& format, const PlayoutOptions& options)
      : layout_(layout_of(format)),
        queue_(layout_.bytes_per_frame()),
        line_(format.rate_hz, guint64(options.max_backlog_ms) * GST_MSECOND) {}

  void on_audio(std::span<const uint8_t> piece, bool) override { queue_.push(piece); }
  void finish() override { finished_ = true; }

  bool push_slice(const SliceTime& slice, bool muted, TrackPad& pad) override {
    const GstClockTime now = slice.pts + slice.duration;
    if (queue_.frames() == 0) {
      if (finished_) return false;
      if (const auto gap = line_.on_nothing(now)) {
        pad.push_gap_event(gap->start_ns, gap->duration_ns);
      }
      return true;
    }
    // Pieces short enough for a meaningful level and for whoever works on one buffer at a time.
    const size_t longest = layout_.frames_of_ms(100);
    while (queue_.frames() > 0) push_piece(std::min(queue_.frames(), longest), now, muted, pad);
    return true;
  }

  double depth_ms() const override { return 0.0; }

  MediaCounters counters() const override {
    MediaCounters to;
    to.frames_received = frames_;
    to.bad_data = bad_samples_;
    return to;
  }

 private:
  void push_piece(size_t frames, GstClockTime now, bool muted, TrackPad& pad) {
    const size_t bytes = frames * layout_.bytes_per_frame();
    const ArrivalLine::Stamp stamp = line_.on_frames(frames, queue_.frames() - frames, now);
    if (stamp.gap) pad.push_gap_event(stamp.gap->start_ns, stamp.gap->duration_ns);
    if (stamp.discont) pad.set_discont();
    double square = mean_square(layout_, queue_.data(), frames);
    if (!std::isfinite(square) || square > 1e3) {
      bad_samples_ += replace_impossible_samples(layout_, queue_.data(), frames);
      square = mean_square(layout_, queue_.data(), frames);
    }
    if (square > 0.0) {
      pad.push_samples(queue_.data(), bytes, stamp.span.start_ns, stamp.span.duration_ns,
                       level_dbov(square), muted);
    } else {
      pad.push_silence(bytes, stamp.span.start_ns, stamp.span.duration_ns, muted);
    }
    queue_.drop(frames);
    frames_ += frames;
  }

  const SampleLayout layout_;
  SampleQueue queue_;
  ArrivalLine line_;
  bool finished_ = false;
  guint64 frames_ = 0;
  guint64 bad_samples_ = 0;
};

// Collects the pieces of a message until the packet is whole.
class PacketAssembler {
 public:
  // The whole packet, or nothing yet; valid until the next call.
  std::span<const uint8_t> add(std::span<const uint8_t> piece, bool last) {
    if (complete_) packet_.clear();
    complete_ = last;
    // Too long to be Opus: keep enough for it to be counted as such, and no more.
    if (packet_.size() + piece.size() > kLongestOpusPacket) overlong_ = true;
    if (!overlong_) packet_.insert(packet_.end(), piece.begin(), piece.end());
    if (!last) return {};
    if (overlong_) packet_.clear();
    overlong_ = false;
    return packet_;
  }

 private:
  std::vector<uint8_t> packet_;
  bool complete_ = false;
  bool overlong_ = false;
};

class AlignedOpus final : public TrackMedia {
 public:
  explicit AlignedOpus(const PlayoutOptions& options)
      : packets_({guint64(options.margin_ms) * GST_MSECOND,
                  guint64(options.max_backlog_ms) * GST_MSECOND}),
        margin_ms_(options.margin_ms) {}

  void on_audio(std::span<const uint8_t> piece, bool last) override {
    const auto packet = assembler_.add(piece, last);
    if (last) packets_.push(packet);
  }
  void finish() override { packets_.finish(); }

  bool push_slice(const SliceTime& slice, bool muted, TrackPad& pad) override {
    if (packets_.drained()) return false;
    if (slice.discont) pad.set_discont();
    packets_.begin_slice(slice.pts, slice.duration);
    while (const auto packet = packets_.next()) {
      if (packet->discont) pad.set_discont();
      frames_ += gst_util_uint64_scale(packet->duration_ns, kOpusRateHz, GST_SECOND);
      pad.push_samples(packet->data.data(), packet->data.size(), packet->pts_ns,
                       packet->duration_ns, ROOM_AUDIO_SILENCE_DBOV, muted);
    }
    if (const auto gap = packets_.gap()) pad.push_gap_event(gap->pts_ns, gap->duration_ns);
    return true;
  }

  double depth_ms() const override { return double(packets_.depth_ns()) / double(GST_MSECOND); }
  guint64 dropped_frames() const override { return packets_.counters().dropped_backlog * kFrames; }

  MediaCounters counters() const override {
    const OpusPackets::Counters& from = packets_.counters();
    MediaCounters to;
    to.depth_ms = depth_ms();
    to.margin_ms = margin_ms_;
    to.underruns = from.underruns;
    to.frames_received = frames_;
    to.frames_skipped_silence = from.dropped_silence * kFrames;
    to.frames_skipped_speech = from.dropped_speech * kFrames;
    to.frames_dropped = dropped_frames();
    to.bad_data = from.invalid;
    return to;
  }

 private:
  // Packets of one track are of one length, as good as always: 20 ms.
  static constexpr guint64 kFrames = kOpusRateHz / 50;

  PacketAssembler assembler_;
  OpusPackets packets_;
  const double margin_ms_;
  guint64 frames_ = 0;
};

class ArrivalOpus final : public TrackMedia {
 public:
  explicit ArrivalOpus(const PlayoutOptions& options)
      : line_(int(kOpusRateHz), guint64(options.max_backlog_ms) * GST_MSECOND) {}

  void on_audio(std::span<const uint8_t> piece, bool last) override {
    const auto packet = assembler_.add(piece, last);
    if (!last) return;
    const guint64 duration = opus_packet_duration_ns(packet);
    if (duration == 0) {
      ++invalid_;
      return;
    }
    packets_.push_back(
        {{packet.begin(), packet.end()}, gst_util_uint64_scale(duration, kOpusRateHz, GST_SECOND)});
  }
  void finish() override { finished_ = true; }

  bool push_slice(const SliceTime& slice, bool muted, TrackPad& pad) override {
    const GstClockTime now = slice.pts + slice.duration;
    if (packets_.empty()) {
      if (finished_) return false;
      if (const auto gap = line_.on_nothing(now)) {
        pad.push_gap_event(gap->start_ns, gap->duration_ns);
      }
      return true;
    }
    guint64 rest = 0;
    for (const Packet& packet : packets_) rest += packet.frames;
    for (const Packet& packet : packets_) {
      rest -= packet.frames;
      const ArrivalLine::Stamp stamp = line_.on_frames(packet.frames, rest, now);
      if (stamp.gap) pad.push_gap_event(stamp.gap->start_ns, stamp.gap->duration_ns);
      if (stamp.discont) pad.set_discont();
      pad.push_samples(packet.data.data(), packet.data.size(), stamp.span.start_ns,
                       stamp.span.duration_ns, ROOM_AUDIO_SILENCE_DBOV, muted);
      frames_ += packet.frames;
    }
    packets_.clear();
    return true;
  }

  double depth_ms() const override { return 0.0; }

  MediaCounters counters() const override {
    MediaCounters to;
    to.frames_received = frames_;
    to.bad_data = invalid_;
    return to;
  }

 private:
  struct Packet {
    std::vector<uint8_t> data;
    guint64 frames;
  };
  PacketAssembler assembler_;
  std::vector<Packet> packets_;
  ArrivalLine line_;
  bool finished_ = false;
  guint64 frames_ = 0;
  guint64 invalid_ = 0;
};

}  // namespace

bool is_room_clocked(const TrackRequest& request, const PlayoutOptions& options) {
  // A mixer takes a mix as it takes any other source: nobody's track.
  return !options.arrival && request.format.encoding != AudioFormat::Encoding::kOpus &&
         request.scope != TrackRequest::Scope::kRoom;
}

std::unique_ptr<TrackMedia> TrackMedia::create(const AudioFormat& format,
                                               const PlayoutOptions& options) {
  const bool opus = format.encoding == AudioFormat::Encoding::kOpus;
  if (opus && options.arrival) return std::make_unique<ArrivalOpus>(options);
  if (opus) return std::make_unique<AlignedOpus>(options);
  if (options.arrival) return std::make_unique<ArrivalSamples>(format, options);
  return std::make_unique<AlignedSamples>(format, options);
}

}  // namespace livekit
