// SPDX-License-Identifier: LGPL-2.1-or-later
// A stereo stream in which each channel is a person: their levels, and each apart.
#pragma once

#include <gst/audio/audio.h>

#include <string>
#include <vector>

namespace speakerdetect {

/** What channel `channel` of `n_channels` is called: left, right; channel-1 … where there are more.
 */
std::string channel_name(int channel, int n_channels);

/** RMS of each channel in dBov; empty when the buffer cannot be read. Takes any format. */
std::vector<double> channel_levels(GstBuffer* buffer, const GstAudioInfo& info);

/** One channel as a buffer of its own, in the format of channel_caps(); nullptr when the buffer
 * cannot be read. */
GstBuffer* copy_channel(GstBuffer* buffer, const GstAudioInfo& info, int channel);
GstCaps* channel_caps(const GstAudioInfo& info);

}  // namespace speakerdetect
