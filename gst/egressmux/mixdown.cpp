// SPDX-License-Identifier: LGPL-2.1-or-later
#include "mixdown.h"

#include <algorithm>
#include <cmath>

namespace egressmux {

namespace {
// The caps of a track that a mix carries; the few there are live as long as the process.
GstCaps* carried_caps(SampleFormat format, int channels) {
  static GstCaps* const known[] = {
      gst_caps_from_string("audio/x-raw,format=S16LE,layout=interleaved,rate=48000,channels=1"),
      gst_caps_from_string("audio/x-raw,format=S16LE,layout=interleaved,rate=48000,channels=2,"
                           "channel-mask=(bitmask)3"),
      gst_caps_from_string("audio/x-raw,format=F32LE,layout=interleaved,rate=48000,channels=1"),
      gst_caps_from_string("audio/x-raw,format=F32LE,layout=interleaved,rate=48000,channels=2,"
                           "channel-mask=(bitmask)3")};
  return known[(format == SampleFormat::kF32 ? 2 : 0) + (channels == 2 ? 1 : 0)];
}

// Somebody whose clock ran away cannot make the mix put out more silence than this.
constexpr int64_t kLongestFillFrames = 10 * kMixRateHz;
}  // namespace

Mixdown::Mixdown() {
  set_output(OutputFormat{});
}

void Mixdown::reset() {
  collector_.clear();
  mixer_samples_.clear();
  mixer_inputs_.clear();
  ended_mixer_inputs_ = 0;
  timeline_.reset();
  limiter_.reset();
  counters_ = MixCounters{};
  discont_ = true;
}

void Mixdown::set_output(OutputFormat output) {
  output_ = output;
  limiter_.set_highest(output.format == SampleFormat::kS16 ? 32767.0f : kFullScale);
}

bool Mixdown::deliver(int64_t start, AlignedPart part) {
  const int64_t frames = part.frames;
  MixInput* input = part.input.get();
  if (!timeline_.started()) {
    timeline_.start(0, 1);
    timeline_.jump(start);
  }
  if (timeline_.place(start, frames).late) {
    ++counters_.dropped_late;
    ++input->late_slices;
    // The slices of a room that runs late must find the mix waiting, not running ahead of it.
    collector_.note_alive(&input->member);
    return false;
  }
  if (collector_.deliver(&input->member, start, frames, std::move(part)) ==
      Collector::Delivery::kDuplicate) {
    ++counters_.duplicate_slices;
    ++input->duplicate_slices;
    return true;
  }
  ++input->slices;
  return true;
}

void Mixdown::write_mixer(int64_t start, int64_t frames, const float* samples) {
  if (timeline_.started() && start < timeline_.position()) {
    const int64_t late = std::min(frames, timeline_.position() - start);
    counters_.mixer_late_samples += uint64_t(samples ? late : 0);
    start += late;
    frames -= late;
    if (samples) samples += kMixChannels * late;
  }
  mixer_samples_.write(start, frames, samples);
}

void Mixdown::add_mixer_input(std::shared_ptr<MixInput> input) {
  input->last_end = 0;
  input->mixer_ended = false;
  input->levels.clear();
  mixer_inputs_.push_back(std::move(input));
}

void Mixdown::end_mixer_input(MixInput* input) {
  const bool known = std::any_of(mixer_inputs_.begin(), mixer_inputs_.end(),
                                 [input](const auto& other) { return other.get() == input; });
  if (!known || input->mixer_ended) return;
  input->mixer_ended = true;
  ++ended_mixer_inputs_;
}

bool Mixdown::mixer_active() const {
  if (ended_mixer_inputs_ < mixer_inputs_.size()) return true;
  return !std::all_of(mixer_inputs_.begin(), mixer_inputs_.end(),
                      [this](const auto& input) { return mixer_input_passed(*input); });
}

bool Mixdown::has_passed_mixer_inputs() const {
  return ended_mixer_inputs_ > 0 &&
         std::any_of(mixer_inputs_.begin(), mixer_inputs_.end(),
                     [this](const auto& input) { return mixer_input_passed(*input); });
}

void Mixdown::remove_mixer_input(const MixInput* input) {
  std::erase_if(mixer_inputs_, [&](const auto& known) {
    if (known.get() != input) return false;
    if (known->mixer_ended) --ended_mixer_inputs_;
    known->levels.clear();
    return true;
  });
}

int64_t Mixdown::mixer_end() const {
  int64_t end = 0;
  for (const auto& input : mixer_inputs_) end = std::max(end, input->last_end);
  return end;
}

bool Mixdown::mixer_owes() const {
  const int64_t end = next_end();
  if (mixer_samples_.end() >= end || !mixer_active()) return false;
  // Once it sends, it sends without a break, whatever its inputs do.
  return mixer_samples_.end() > 0 ||
         std::any_of(mixer_inputs_.begin(), mixer_inputs_.end(),
                     [this](const auto& input) { return input->last_end > position(); });
}

int64_t Mixdown::next_end() const {
  if (collector_.empty()) return timeline_.position() + slice_frames_;
  const Collector::Slice& head = collector_.head();
  const int64_t fill = timeline_.place(head.start, head.frames).fill;
  if (fill > 0) return timeline_.position() + std::min(fill, slice_frames_);
  return std::max(head.start + head.frames, timeline_.position());
}

void Mixdown::skip_to(int64_t position) {
  if (position <= timeline_.position()) return;
  counters_.skipped_samples += uint64_t(position - timeline_.position());
  timeline_.jump(position);
  discont_ = true;
}

GstBuffer* Mixdown::compose_next(bool make_time) {
  while (!collector_.empty()) {
    const Collector::Slice& head = collector_.head();
    const MixTimeline::Placement place = timeline_.place(head.start, head.frames);
    if (place.fill > kLongestFillFrames) {
      skip_to(head.start);
    } else if (place.fill > 0) {
      const int64_t frames = std::min(place.fill, slice_frames_);
      if (mixer_inputs_.empty()) counters_.filled_samples += uint64_t(frames);
      return compose(frames, nullptr, 0);
    }
    Collector::Slice slice = collector_.take();
    if (slice.incomplete) ++counters_.incomplete_slices;
    GstBuffer* buffer = nullptr;
    if (place.late) {
      counters_.dropped_late += slice.parts.size();
    } else if (slice.frames > place.skip) {
      counters_.trimmed_samples += uint64_t(place.skip);
      buffer = compose(slice.frames - place.skip, &slice, place.skip);
    }
    collector_.recycle(std::move(slice));
    if (buffer) return buffer;
  }
  return make_time ? compose(slice_frames_, nullptr, 0) : nullptr;
}

bool Mixdown::add_part(AlignedPart* part, int64_t frames, int64_t skip) {
  MixInput& input = *part->input;
  const float target = input.wanted_gain();
  const GainRamp ramp{input.gain < 0.0f ? target : input.gain, target};
  input.gain = target;
  GstMapInfo map;
  bool audible = false;
  const int64_t wanted = std::min(frames, part->frames - skip);
  if (!part->gap && wanted > 0 && gst_buffer_map(part->buffer.get(), &map, GST_MAP_READ)) {
    const size_t offset = size_t(skip) * size_t(part->channels);
    if (part->format == SampleFormat::kS16) {
      const auto* samples = reinterpret_cast<const int16_t*>(map.data) + offset;
      add_s16(mix_.data(), samples, size_t(wanted), part->channels, ramp);
      if (!part->level_known)
        part->level_dbov = level_dbov_s16(samples, size_t(wanted) * size_t(part->channels));
    } else {
      const auto* samples = reinterpret_cast<const float*>(map.data) + offset;
      add_f32(mix_.data(), samples, size_t(wanted), part->channels, ramp);
      if (!part->level_known)
        part->level_dbov = level_dbov_f32(samples, size_t(wanted) * size_t(part->channels));
    }
    gst_buffer_unmap(part->buffer.get(), &map);
    audible = !ramp.is_silent();
  }
  if (target != 1.0f) part->level_dbov = level_after_gain(part->level_dbov, double(target));
  const TrackText& text = *part->text;
  tracks_.push_back({text.track.c_str(), text.identity.c_str(), text.name.c_str(), part->level_dbov,
                     part->muted || target == 0.0f});
  return audible;
}

void Mixdown::collect_mixer_tracks(int64_t start, int64_t frames) {
  for (const auto& input : mixer_inputs_) {
    auto& spans = input->levels;
    while (!spans.empty() && spans.front().end <= start) spans.pop_front();
    const LevelSpan* loudest = nullptr;
    for (const LevelSpan& span : spans) {
      if (span.start >= start + frames) break;
      if (!loudest || span.level_dbov > loudest->level_dbov) loudest = &span;
    }
    if (!loudest) continue;
    track_texts_.push_back(loudest->text);
    const TrackText& text = *loudest->text;
    tracks_.push_back({text.track.c_str(), text.identity.c_str(), text.name.c_str(),
                       loudest->level_dbov, loudest->muted});
  }
}

// References only. What is muted here is not heard, so it is not carried either.
void Mixdown::carry_tracks(GstBuffer* mix, Collector::Slice* slice, int64_t end) {
  room_audio_buffer_set_carries_tracks(mix);
  if (slice) {
    for (const AlignedPart& part : slice->parts) {
      if (part.gap || part.input->gain == 0.0f) continue;
      if (room_audio_buffer_get_n_tracks(part.buffer.get()) != 1) continue;
      room_audio_buffer_carry_track(mix, part.buffer.get(),
                                    carried_caps(part.format, part.channels));
    }
  }
  for (const auto& input : mixer_inputs_) {
    for (LevelSpan& span : input->levels) {
      if (span.start >= end) break;
      if (std::exchange(span.carried, true) || !span.audio.get()) continue;
      room_audio_buffer_carry_track(mix, span.audio.get(),
                                    carried_caps(SampleFormat::kF32, kMixChannels));
      span.audio = BufferRef();
    }
  }
}

GstBuffer* Mixdown::compose(int64_t frames, Collector::Slice* slice, int64_t skip) {
  const int64_t start = timeline_.position();
  bool audible = false;
  tracks_.clear();
  track_texts_.clear();
  mix_.assign(size_t(frames) * kMixChannels, 0.0f);
  if (slice)
    for (AlignedPart& part : slice->parts) audible |= add_part(&part, frames, skip);
  if (!mixer_inputs_.empty() || !mixer_samples_.empty()) {
    audible |= mixer_samples_.add_to(mix_.data(), start, frames, kFullScale);
    collect_mixer_tracks(start, frames);
  }

  const size_t bytes = size_t(frames) * output_.frame_bytes();
  GstBuffer* buffer = slices_.acquire(bytes);
  if (audible) {
    if (output_.channels == 1) fold_to_mono(mix_.data(), size_t(frames));
    limiter_.process(mix_.data(), size_t(frames), output_.channels);
    GstMapInfo map;
    if (gst_buffer_map(buffer, &map, GST_MAP_WRITE)) {
      const size_t count = size_t(frames) * size_t(output_.channels);
      if (output_.format == SampleFormat::kS16)
        store_s16(reinterpret_cast<int16_t*>(map.data), mix_.data(), count);
      else
        store_f32(reinterpret_cast<float*>(map.data), mix_.data(), count);
      gst_buffer_unmap(buffer, &map);
    }
  } else {
    limiter_.rest(size_t(frames));
    gst_buffer_memset(buffer, 0, 0, bytes);
    GST_BUFFER_FLAG_SET(buffer, GST_BUFFER_FLAG_GAP);
    ++counters_.gap_slices;
  }
  room_audio_buffer_set_mix(buffer, tracks_.data(), guint(tracks_.size()));
  if (carry_tracks_) carry_tracks(buffer, slice, start + frames);

  timeline_.advance(frames);
  const int64_t end = timeline_.position();
  GST_BUFFER_PTS(buffer) = GstClockTime(timeline_.time_at(start));
  GST_BUFFER_DURATION(buffer) = GstClockTime(timeline_.time_at(end) - timeline_.time_at(start));
  GST_BUFFER_OFFSET(buffer) = guint64(start);
  GST_BUFFER_OFFSET_END(buffer) = guint64(end);
  if (std::exchange(discont_, false)) GST_BUFFER_FLAG_SET(buffer, GST_BUFFER_FLAG_DISCONT);
  ++counters_.slices;
  return buffer;
}

}  // namespace egressmux
