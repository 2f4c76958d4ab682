// SPDX-License-Identifier: LGPL-2.1-or-later
// Weights of a network: a safetensors file, which is the length of a JSON header, the header, and
// the numbers.
#pragma once

#include <cstddef>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace speech {

class Safetensors {
 public:
  // false: there is no such file, or it is none of these.
  bool open(const std::filesystem::path& path);
  // Empty unless the tensor is there with exactly `count` numbers.
  std::vector<float> tensor(const std::string& name, size_t count) const;

 private:
  std::string data_;
  std::string_view header_;
  std::string_view numbers_;
};

}  // namespace speech
