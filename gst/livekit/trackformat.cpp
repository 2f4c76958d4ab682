// SPDX-License-Identifier: LGPL-2.1-or-later
#include "trackformat.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <string>

namespace livekit {

const char* const kAcceptedFormats =
    "accepted are audio/x-raw (S16LE, 48000 Hz, 2 channels unless it says otherwise: "
    "audio/x-raw;format=S16LE|F32LE;rate=8000..192000;channels=1..8) and audio/x-opus "
    "(rate 8000, 12000, 16000, 24000 or 48000, 1 or 2 channels)";

size_t AudioFormat::bytes_per_frame() const {
  switch (encoding) {
    case Encoding::kS16le:
      return 2 * static_cast<size_t>(channels);
    case Encoding::kF32le:
      return 4 * static_cast<size_t>(channels);
    case Encoding::kOpus:
      break;
  }
  return 0;
}

namespace {

constexpr size_t kMaxContentTypeBytes = 512;
constexpr int kMinRateHz = 8000;
constexpr int kMaxRateHz = 192000;
constexpr int kMaxChannels = 8;
constexpr int kMaxOpusChannels = 2;

Verdict unsupported(const std::string& what) {
  return {415, "unsupported audio format: " + what + "; " + kAcceptedFormats};
}

std::string_view trim(std::string_view text) {
  const auto first = text.find_first_not_of(" \t");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

bool equals_ignoring_case(std::string_view a, std::string_view b) {
  auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; };
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [&](char x, char y) { return lower(x) == lower(y); });
}

// A parameter's value without quotes and without the type that GStreamer's caps put before it.
std::string_view bare_value(std::string_view value) {
  value = trim(value);
  if (value.starts_with('(')) {
    const auto end = value.find(')');
    if (end != std::string_view::npos) value = trim(value.substr(end + 1));
  }
  if (value.size() >= 2 && value.front() == '"' && value.back() == '"') {
    value = value.substr(1, value.size() - 2);
  }
  return value;
}

std::optional<int> to_number(std::string_view text) {
  int value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

enum class Family { kRaw, kOpus };

// What has been asked for so far.
struct Wanted {
  Family family = Family::kRaw;
  AudioFormat::Encoding encoding = AudioFormat::Encoding::kS16le;
  std::optional<int> rate_hz;
  std::optional<int> channels;
};

// "" or what is wrong with it.
std::string apply(std::string_view name, std::string_view value, Wanted& wanted) {
  if (equals_ignoring_case(name, "rate")) {
    wanted.rate_hz = to_number(value);
    return wanted.rate_hz ? "" : "the rate is not a number";
  }
  if (equals_ignoring_case(name, "channels")) {
    wanted.channels = to_number(value);
    return wanted.channels ? "" : "the number of channels is not a number";
  }
  if (equals_ignoring_case(name, "format")) {
    if (equals_ignoring_case(value, "opus")) {
      wanted.family = Family::kOpus;
      return "";
    }
    if (wanted.family == Family::kOpus) return "Opus has no sample format";
    if (equals_ignoring_case(value, "S16LE")) {
      wanted.encoding = AudioFormat::Encoding::kS16le;
    } else if (equals_ignoring_case(value, "F32LE")) {
      wanted.encoding = AudioFormat::Encoding::kF32le;
    } else {
      return "this sample format is not known";
    }
    return "";
  }
  if (equals_ignoring_case(name, "layout")) {
    return equals_ignoring_case(value, "interleaved") ? "" : "the layout is not interleaved";
  }
  // One Opus stream with at most two channels, which is all that is accepted, has family 0.
  if (wanted.family == Family::kOpus && equals_ignoring_case(name, "channel-mapping-family")) {
    return value == "0" ? "" : "Opus with more than one stream";
  }
  return "there is a parameter that is not known";
}

std::string apply_content_type(std::string_view content_type, Wanted& wanted) {
  if (content_type.size() > kMaxContentTypeBytes) return "the Content-Type is too long";
  size_t end = content_type.find_first_of(";,");
  const std::string_view type = trim(content_type.substr(0, end));
  if (equals_ignoring_case(type, "audio/x-opus") || equals_ignoring_case(type, "audio/opus")) {
    wanted.family = Family::kOpus;
  } else if (!equals_ignoring_case(type, "audio/x-raw")) {
    return "this Content-Type is not known";
  }
  while (end != std::string_view::npos) {
    content_type = content_type.substr(end + 1);
    end = content_type.find_first_of(";,");
    const std::string_view parameter = trim(content_type.substr(0, end));
    if (parameter.empty()) continue;
    const size_t equals = parameter.find('=');
    if (equals == std::string_view::npos) return "there is a parameter without a value";
    std::string problem =
        apply(trim(parameter.substr(0, equals)), bare_value(parameter.substr(equals + 1)), wanted);
    if (!problem.empty()) return problem;
  }
  return "";
}

std::string resolve(const Wanted& wanted, AudioFormat& format) {
  format.encoding = wanted.encoding;
  format.rate_hz = wanted.rate_hz.value_or(48000);
  format.channels = wanted.channels.value_or(2);
  int max_channels = kMaxChannels;
  if (wanted.family == Family::kOpus) {
    format.encoding = AudioFormat::Encoding::kOpus;
    max_channels = kMaxOpusChannels;
    constexpr std::array<int, 5> kOpusRates = {8000, 12000, 16000, 24000, 48000};
    if (std::find(kOpusRates.begin(), kOpusRates.end(), format.rate_hz) == kOpusRates.end()) {
      return "Opus has no rate of " + std::to_string(format.rate_hz) + " Hz";
    }
  } else if (format.rate_hz < kMinRateHz || format.rate_hz > kMaxRateHz) {
    return "a rate of " + std::to_string(format.rate_hz) + " Hz";
  }
  if (format.channels < 1 || format.channels > max_channels) {
    return std::to_string(format.channels) + " channels";
  }
  return "";
}

}  // namespace

Verdict parse_track_format(std::optional<std::string_view> content_type, const FormatWish& wish,
                           AudioFormat& format) {
  Wanted wanted;
  std::string problem;
  if (content_type && !trim(*content_type).empty()) {
    problem = apply_content_type(*content_type, wanted);
  }
  if (problem.empty() && wish.format) {
    // The query wins altogether: S16LE in it makes an Opus content type raw.
    if (!equals_ignoring_case(*wish.format, "opus")) wanted.family = Family::kRaw;
    problem = apply("format", *wish.format, wanted);
  }
  if (problem.empty() && wish.rate) problem = apply("rate", *wish.rate, wanted);
  if (problem.empty() && wish.channels) problem = apply("channels", *wish.channels, wanted);
  if (problem.empty()) problem = resolve(wanted, format);
  return problem.empty() ? Verdict{} : unsupported(problem);
}

}  // namespace livekit
