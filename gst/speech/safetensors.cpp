// SPDX-License-Identifier: LGPL-2.1-or-later
#include "speech/safetensors.h"

#include <cstdint>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <iterator>

namespace speech {

bool Safetensors::open(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  data_.assign(std::istreambuf_iterator<char>(file), {});
  uint64_t header_size = 0;
  if (data_.size() < sizeof header_size) return false;
  std::memcpy(&header_size, data_.data(), sizeof header_size);
  if (header_size > data_.size() - sizeof header_size) return false;
  header_ = std::string_view(data_).substr(sizeof header_size, header_size);
  numbers_ = std::string_view(data_).substr(sizeof header_size + header_size);
  return true;
}

// Only as much of JSON is read as these files need: "name":{..."data_offsets":[begin,end]...}
std::vector<float> Safetensors::tensor(const std::string& name, size_t count) const {
  const size_t entry = header_.find('"' + name + '"');
  if (entry == std::string_view::npos) return {};
  const std::string_view rest = header_.substr(entry, header_.find('}', entry) - entry);
  const size_t offsets = rest.find("\"data_offsets\"");
  const size_t bracket = rest.find('[', offsets);
  if (offsets == std::string_view::npos || bracket == std::string_view::npos) return {};
  unsigned long long begin = 0;
  unsigned long long end = 0;
  if (std::sscanf(std::string(rest.substr(bracket)).c_str(), "[%llu ,%llu", &begin, &end) != 2) {
    return {};
  }
  if (end > numbers_.size() || begin > end || end - begin != count * sizeof(float)) return {};
  std::vector<float> values(count);
  std::memcpy(values.data(), numbers_.data() + begin, count * sizeof(float));
  return values;
}

}  // namespace speech
