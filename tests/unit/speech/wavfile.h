// A 16-bit PCM WAV file with one channel, as the speech clips are.
#pragma once

#include <cstdint>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

// Empty when `path` is not such a file at `rate_hz`.
inline std::vector<float> read_wav(const std::filesystem::path& path, uint32_t rate_hz) {
  std::ifstream file(path, std::ios::binary);
  const std::string data(std::istreambuf_iterator<char>(file), {});
  const auto number = [&data](size_t at, auto value) {
    if (at + sizeof value <= data.size()) std::memcpy(&value, &data[at], sizeof value);
    return value;
  };
  if (data.substr(0, 4) != "RIFF") return {};
  uint32_t rate = 0;
  for (size_t at = 12; at + 8 <= data.size();) {
    const std::string chunk = data.substr(at, 4);
    const uint32_t size = number(at + 4, uint32_t{0});
    if (chunk == "fmt ") {
      rate = number(at + 12, uint32_t{0});
      const bool is_mono_s16 =
          number(at + 10, uint16_t{0}) == 1 && number(at + 22, uint16_t{0}) == 16;
      if (!is_mono_s16) return {};
    } else if (chunk == "data" && rate == rate_hz) {
      std::vector<float> samples;
      for (size_t i = at + 8; i + 2 <= std::min<size_t>(at + 8 + size, data.size()); i += 2) {
        samples.push_back(number(i, int16_t{0}) / 32768.0F);
      }
      return samples;
    }
    at += 8 + size + size % 2;
  }
  return {};
}
