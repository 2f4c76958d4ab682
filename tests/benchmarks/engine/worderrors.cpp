#include "worderrors.h"

#include <algorithm>
#include <cctype>
#include <numeric>

std::vector<std::string> normalized_words(const std::string& text) {
  // One word or two is a matter of taste in writing, so hyphens are dropped as blanks.
  std::vector<std::string> words;
  std::string word;
  const auto finish = [&] {
    if (word == "1") word = "one";
    if (word == "mr") word = "mister";
    if (!word.empty()) words.push_back(word);
    word.clear();
  };
  for (const char character : text) {
    const auto byte = static_cast<unsigned char>(character);
    if (std::isalnum(byte)) {
      word += static_cast<char>(std::tolower(byte));
    } else if (character != '\'' && byte < 128) {
      finish();
    }
  }
  finish();
  return words;
}

size_t word_errors(const std::vector<std::string>& said, const std::vector<std::string>& heard) {
  std::vector<size_t> row(heard.size() + 1);
  std::iota(row.begin(), row.end(), 0);
  for (size_t i = 1; i <= said.size(); i++) {
    size_t diagonal = row[0];
    row[0] = i;
    for (size_t j = 1; j <= heard.size(); j++) {
      const size_t substituted = diagonal + (said[i - 1] == heard[j - 1] ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, substituted});
    }
  }
  return row.back();
}
