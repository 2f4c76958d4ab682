// SPDX-License-Identifier: LGPL-2.1-or-later
#include "renderer.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <random>

namespace egresssim {
namespace {

constexpr int kTableSize = 4096;  // a power of two
// A message may begin anywhere in a table and is then read straight on.
constexpr int kTableTail = 960;

struct NoiseTables {
  std::array<int16_t, kTableSize + kTableTail> dither;
  std::array<int16_t, kTableSize> comfort;  // about one sample in four is not zero
  NoiseTables() {
    std::mt19937 random(20261123);
    for (int i = 0; i < kTableSize; ++i) {
      const unsigned draw = random() % 8;
      dither[i] = draw == 0 ? 1 : draw == 1 ? -1 : 0;
    }
    std::copy_n(dither.begin(), kTableTail, dither.begin() + kTableSize);
    for (auto& value : comfort) {
      const unsigned draw = random() % 16;
      value = draw < 2 ? 1 : draw < 4 ? -1 : 0;
    }
  }
};
const NoiseTables kTables;

int16_t clamp16(int value) {
  return static_cast<int16_t>(std::clamp(value, -32768, 32767));
}

// The part of `range` that lies in the message, relative to its first frame.
FrameRange within(const FrameRange& range, int64_t first, int count) {
  return {std::clamp<int64_t>(range.from - first, 0, count),
          std::clamp<int64_t>(range.to - first, 0, count)};
}

}  // namespace

int dither_at(int64_t frame) {
  return kTables.dither[frame & (kTableSize - 1)];
}

void Renderer::add_sound(const PlannedSound& sound, int64_t first, int count, bool alone,
                         int16_t* out) {
  const FrameRange part = within(sound.range, first, count);
  const int64_t offset = first - sound.range.from;
  if (sound.audio->channels == 2) {
    const int16_t* from = sound.audio->samples.data();
    for (int64_t i = part.from; i < part.to; ++i) {
      out[2 * i] = clamp16(out[2 * i] + from[2 * (i + offset)]);
      out[2 * i + 1] = clamp16(out[2 * i + 1] + from[2 * (i + offset) + 1]);
    }
    return;
  }
  const int16_t* from = sound.audio->samples.data() + offset;
  const int16_t* dither = &kTables.dither[first & (kTableSize - 1)];
  if (alone) {
    for (int64_t i = part.from; i < part.to; ++i) {
      const int sample = from[i];
      // Digital silence stays so on both sides.
      const int other = sample + (sample != 0 ? dither[i] : 0);
      out[2 * i] = static_cast<int16_t>(sample);
      out[2 * i + 1] = clamp16(other);
    }
    return;
  }
  for (int64_t i = part.from; i < part.to; ++i) {
    const int sample = from[i];
    out[2 * i] = clamp16(out[2 * i] + sample);
    out[2 * i + 1] = clamp16(out[2 * i + 1] + sample + (sample != 0 ? dither[i] : 0));
  }
}

void Renderer::render(int64_t first, int count, int16_t* out) {
  std::memset(out, 0, static_cast<size_t>(count) * kBytesPerFrame);
  const int64_t end = first + count;

  const auto& mutes = plan_->muted;
  while (mute_cursor_ < mutes.size() && mutes[mute_cursor_].to <= first) ++mute_cursor_;
  if (mute_cursor_ < mutes.size() && mutes[mute_cursor_].from <= first &&
      mutes[mute_cursor_].to >= end)
    return;

  const auto& sounds = plan_->sounds;
  while (sound_cursor_ < sounds.size() && sounds[sound_cursor_].range.to <= first) ++sound_cursor_;
  bool alone = true;
  for (size_t i = sound_cursor_; i < sounds.size() && sounds[i].range.from < end; ++i) {
    if (sounds[i].range.to <= first) continue;
    add_sound(sounds[i], first, count, alone, out);
    alone = false;
  }

  const auto& noise = plan_->noise;
  while (noise_cursor_ < noise.size() && noise[noise_cursor_].to <= first) ++noise_cursor_;
  for (size_t i = noise_cursor_; i < noise.size() && noise[i].from < end; ++i) {
    const FrameRange part = within(noise[i], first, count);
    for (int64_t k = part.from; k < part.to; ++k) {
      const int value = kTables.comfort[(first + k) * 7 & (kTableSize - 1)];
      out[2 * k] = static_cast<int16_t>(out[2 * k] + value);
      out[2 * k + 1] = static_cast<int16_t>(out[2 * k + 1] + value);
    }
  }

  for (size_t i = mute_cursor_; i < mutes.size() && mutes[i].from < end; ++i) {
    const FrameRange part = within(mutes[i], first, count);
    if (part.to > part.from)
      std::memset(out + 2 * part.from, 0,
                  static_cast<size_t>(part.to - part.from) * kBytesPerFrame);
  }
}

}  // namespace egresssim
