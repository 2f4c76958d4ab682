// SPDX-License-Identifier: LGPL-2.1-or-later
// One connection with a person on each channel, taken apart: two connections, each with one
// person's audio on both channels, in the format of the first. Both are read by one thread.
#pragma once

#include <memory>
#include <utility>

#include "trackconnection.h"

namespace livekit {

// `format` is raw and has two channels. The first is the left one.
std::pair<std::unique_ptr<TrackConnection>, std::unique_ptr<TrackConnection>> split_connection(
    std::unique_ptr<TrackConnection> connection, const AudioFormat& format);

// Copies one channel of whole interleaved frames of two to both.
void spread_channel(std::span<const uint8_t> frames, size_t bytes_per_sample, int channel,
                    uint8_t* out);

}  // namespace livekit
