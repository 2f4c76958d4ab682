// SPDX-License-Identifier: LGPL-2.1-or-later
// A learnt voice as a file of text: a line with the format's name, the seconds of speech it was
// taken from and how many numbers follow, then the numbers, one a line.
#pragma once

#include <cstddef>
#include <filesystem>
#include <string>
#include <string_view>

#include "embedding.h"

namespace speakerdetect {

struct KnownVoice {
  std::string name;
  Embedding embedding;
  double seconds = 0; /* of speech it was taken from */
};

// No file of ours is longer; nothing more is read of others.
inline constexpr size_t kMaxVoiceFileBytes = 128 << 10;

std::string voice_to_text(const KnownVoice& voice);
// False where the text is not whole and sound; `voice` then has no embedding. The name is left.
bool voice_from_text(std::string_view text, KnownVoice& voice);

bool write_voice(const std::filesystem::path& file, const KnownVoice& voice, std::string& error);
bool read_voice(const std::filesystem::path& file, KnownVoice& voice, std::string& error);

}  // namespace speakerdetect
