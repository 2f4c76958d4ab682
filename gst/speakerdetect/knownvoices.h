// SPDX-License-Identifier: LGPL-2.1-or-later
// Voices that the user gives: recordings in a folder, each named after who speaks in it, and voices
// that were learnt from tracks.
#pragma once

#include <filesystem>
#include <memory>
#include <span>
#include <stop_token>
#include <string>
#include <vector>

#include "speech/silerovad.h"
#include "voiceembedder.h"
#include "voicefile.h"

namespace speakerdetect {

/** What a recording of one person sounds like, silence left out. Without an embedding where there
 * is less than a second of speech, or when told to stop. */
KnownVoice take_voice(const std::string& name, std::span<const float> samples,
                      VoiceEmbedder& embedder,
                      const std::shared_ptr<const speech::SileroWeights>& voice_activity,
                      const std::stop_token& stop = {});

/** Reads a recording in any format that GStreamer decodes, its first ten minutes, as mono at
 * 16 kHz. */
bool read_recording(const std::filesystem::path& file, std::vector<float>& samples,
                    std::string& error, const std::stop_token& stop = {});

/** All of a folder: alice.wav (or .ogg, .flac …) and alice.voice are alice's. `error` tells what
 * could not be used; what could is returned all the same. It may take minutes, unless told to stop:
 * then what is left is left out. */
std::vector<KnownVoice> read_known_voices(
    const std::filesystem::path& folder, VoiceEmbedder& embedder,
    const std::shared_ptr<const speech::SileroWeights>& voice_activity, std::string& error,
    const std::stop_token& stop = {});

}  // namespace speakerdetect
