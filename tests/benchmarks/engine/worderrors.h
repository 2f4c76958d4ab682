// Word error rate with a plain normaliser: lower case, no punctuation, small numbers as words.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

std::vector<std::string> normalized_words(const std::string& text);

// The least substitutions, insertions and deletions that make `said` of `heard`.
size_t word_errors(const std::vector<std::string>& said, const std::vector<std::string>& heard);
