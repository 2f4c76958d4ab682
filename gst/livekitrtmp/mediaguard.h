// SPDX-License-Identifier: LGPL-2.1-or-later
// Lets through what stock elements can demux and decode. Anything else would be an error of the
// demuxer or of the decoder, which ends the pipeline, and with it every other publisher's stream.
#pragma once

#include <string>

#include "session.h"

namespace rtmp {

class MediaGuard {
 public:
  // The codecs of those before stay: a demuxer's pads are what they were.
  void begin_publisher();
  // False: to be left out. `complaint` is a sentence for the user where there is one to say; the
  // same one may come for every message.
  bool admits(const Media& media, std::string& complaint);

 private:
  bool admits_audio(std::span<const uint8_t> payload, std::string& complaint);
  bool admits_video(std::span<const uint8_t> payload, std::string& complaint);

  static constexpr int kNone = -1;
  int audio_codec_ = kNone;  // of the stream, once something of it was let through
  int video_codec_ = kNone;
  bool configuration_bad_ = false;  // the last one this publisher sent
};

// Whether an AudioSpecificConfig is of an AAC that decoders know.
bool is_decodable_aac(std::span<const uint8_t> configuration);

}  // namespace rtmp
