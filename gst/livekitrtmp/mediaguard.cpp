// SPDX-License-Identifier: LGPL-2.1-or-later
#include "mediaguard.h"

#include <algorithm>
#include <array>

#include "flvtags.h"

namespace rtmp {

namespace {

constexpr int kMp3 = 2;
constexpr int kAac = 10;
constexpr int kMp3At8kHz = 14;
constexpr int kAvc = 7;
constexpr uint8_t kEnhancedVideo = 0x80;

// Takes bits from the front; those that are not there are 0 and are told by `ok`.
class Bits {
 public:
  explicit Bits(std::span<const uint8_t> bytes) : bytes_(bytes) {}

  unsigned take(unsigned count) {
    unsigned value = 0;
    for (; count > 0; --count, ++position_) {
      const size_t byte = position_ / 8;
      if (byte >= bytes_.size()) ok_ = false;
      value = value << 1 | (ok_ ? bytes_[byte] >> (7 - position_ % 8) & 1u : 0u);
    }
    return value;
  }
  bool ok() const { return ok_; }

 private:
  const std::span<const uint8_t> bytes_;
  size_t position_ = 0;
  bool ok_ = true;
};

const char* audio_name(int codec) {
  static constexpr std::array<const char*, 16> kNames = {
      "PCM",   "ADPCM", "MP3", "PCM",   "Nellymoser", "Nellymoser", "Nellymoser", "G.711 A-law",
      "G.711", "?",     "AAC", "Speex", "?",          "?",          "MP3",        "?"};
  return kNames[size_t(codec & 0x0f)];
}

const char* video_name(int codec) {
  static constexpr std::array<const char*, 8> kNames = {
      nullptr, nullptr, "Sorenson H.263", "Screen", "VP6", "VP6 with alpha", nullptr, "H.264"};
  return codec < int(kNames.size()) ? kNames[size_t(codec)] : nullptr;
}

bool is_main_to_ltp(unsigned object_type) {
  return object_type >= 1 && object_type <= 4;
}

}  // namespace

bool is_decodable_aac(std::span<const uint8_t> configuration) {
  constexpr unsigned kSbr = 5;
  constexpr unsigned kParametricStereo = 29;
  constexpr unsigned kRates = 13;  // those that have a number; none is written out here
  constexpr unsigned kMaxChannels = 7;
  Bits bits(configuration);
  const unsigned type = bits.take(5);
  const unsigned rate = bits.take(4);
  const unsigned channels = bits.take(4);
  bool good = rate < kRates && channels >= 1 && channels <= kMaxChannels;
  if (type == kSbr || type == kParametricStereo) {
    // HE-AAC: the rate that it is brought to, and what is inside.
    good = good && bits.take(4) < kRates && is_main_to_ltp(bits.take(5));
  } else {
    good = good && is_main_to_ltp(type);
  }
  return good && bits.ok();
}

void MediaGuard::begin_publisher() {
  configuration_bad_ = false;
}

bool MediaGuard::admits(const Media& media, std::string& complaint) {
  complaint.clear();
  if (media.payload.empty()) return false;
  if (media.kind == MediaKind::kAudio) return admits_audio(media.payload, complaint);
  if (media.kind == MediaKind::kVideo) return admits_video(media.payload, complaint);
  return true;
}

bool MediaGuard::admits_audio(std::span<const uint8_t> payload, std::string& complaint) {
  if (const std::string unknown = unknown_audio_codec(payload); !unknown.empty()) {
    complaint = "The publisher sends " + unknown + ", which cannot be demuxed: have it send AAC.";
    return false;
  }
  const int codec = payload[0] >> 4;
  if (audio_codec_ != kNone && codec != audio_codec_) {
    complaint = std::string("The publisher sends ") + audio_name(codec) + " where the stream is " +
                audio_name(audio_codec_) +
                " since its beginning, which cannot be decoded: have it " + "send " +
                audio_name(audio_codec_) + ", or start the pipeline again.";
    return false;
  }
  if (codec == kAac) {
    // Too short for a frame, or a configuration that is yet to come.
    if (payload.size() < 2 || (payload[1] == 0 && payload.size() == 2)) return false;
    if (payload[1] == 0) {
      configuration_bad_ = !is_decodable_aac(payload.subspan(2));
    }
    if (configuration_bad_) {
      complaint = "The publisher sends AAC of a kind that cannot be decoded: have it send AAC-LC.";
      return false;
    }
  } else if (codec == kMp3 || codec == kMp3At8kHz) {
    // 11 bits are 1 where a frame begins.
    const bool synchronous =
        payload.size() > 2 && payload[1] == 0xff && (payload[2] & 0xe0) == 0xe0;
    if (audio_codec_ == kNone && !synchronous) {
      complaint =
          "The publisher sends something that it calls MP3 and that is none: have it send "
          "AAC.";
      return false;
    }
  }
  audio_codec_ = codec;
  return true;
}

bool MediaGuard::admits_video(std::span<const uint8_t> payload, std::string& complaint) {
  const int codec = payload[0] & kEnhancedVideo ? kNone : payload[0] & 0x0f;
  const bool known = codec != kNone && video_name(codec);
  if (!known || (video_codec_ != kNone && codec != video_codec_)) {
    const std::string what = codec == kNone ? "by enhanced RTMP"
                             : known        ? std::string("as ") + video_name(codec)
                                            : "in an unknown codec";
    complaint = "The publisher sends video " + what +
                ", which cannot be demuxed and is left out: have it send H.264, or none.";
    return false;
  }
  // Its kind, and the time by which it is shown later.
  if (codec == kAvc && payload.size() < 5) return false;
  video_codec_ = codec;
  return true;
}

}  // namespace rtmp
