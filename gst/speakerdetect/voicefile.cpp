// SPDX-License-Identifier: LGPL-2.1-or-later
#include "voicefile.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <fstream>
#include <locale>
#include <optional>
#include <sstream>
#include <system_error>

namespace speakerdetect {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kVoiceFormat = "speakerdetect-voice-1";
constexpr size_t kMaxNumbers = 4096;
// Voices are weighed by it: what no recording can be long would drown all others.
constexpr double kMostSeconds = 1e6;
constexpr std::string_view kBlanks = " \t\r\n";

// The next word, taken off. Empty where there is none, or where it goes on to the end of the text:
// then the file may have been cut within it.
std::string_view take_word(std::string_view& text) {
  text.remove_prefix(std::min(text.find_first_not_of(kBlanks), text.size()));
  const size_t end = text.find_first_of(kBlanks);
  if (end == std::string_view::npos) return {};
  const std::string_view word = text.substr(0, end);
  text.remove_prefix(end);
  return word;
}

template <typename Number>
std::optional<Number> take_number(std::string_view& text) {
  const std::string_view word = take_word(text);
  Number number{};
  const auto [end, problem] = std::from_chars(word.data(), word.data() + word.size(), number);
  if (word.empty() || problem != std::errc() || end != word.data() + word.size()) return {};
  return number;
}

}  // namespace

std::string voice_to_text(const KnownVoice& voice) {
  std::ostringstream out;
  out.imbue(std::locale::classic());
  out << kVoiceFormat << ' ' << voice.seconds << ' ' << voice.embedding.size() << '\n';
  for (const float value : voice.embedding) out << value << '\n';
  return out.str();
}

bool voice_from_text(std::string_view text, KnownVoice& voice) {
  voice.embedding.clear();
  if (take_word(text) != kVoiceFormat) return false;
  const auto seconds = take_number<double>(text);
  const auto count = take_number<size_t>(text);
  // Written so that what is not a number is refused too.
  if (!seconds || !(*seconds > 0 && *seconds <= kMostSeconds)) return false;
  if (!count || *count == 0 || *count > kMaxNumbers) return false;
  Embedding embedding;
  embedding.reserve(*count);
  for (size_t i = 0; i < *count; i++) {
    const auto value = take_number<float>(text);
    if (!value || !std::isfinite(*value)) return false;
    embedding.push_back(*value);
  }
  if (text.find_first_not_of(kBlanks) != std::string_view::npos) return false;
  voice.embedding = normalized(std::move(embedding));
  voice.seconds = *seconds;
  return !voice.embedding.empty();
}

bool write_voice(const fs::path& file, const KnownVoice& voice, std::string& error) {
  // Whoever reads it meanwhile finds the old one or the new one.
  const fs::path fresh = file.string() + ".new";
  std::ofstream out(fresh);
  out << voice_to_text(voice);
  out.close();
  std::error_code problem;
  if (out) fs::rename(fresh, file, problem);
  if (out && !problem) return true;
  error = "cannot write " + file.string();
  fs::remove(fresh, problem);
  return false;
}

bool read_voice(const fs::path& file, KnownVoice& voice, std::string& error) {
  std::ifstream in(file, std::ios::binary);
  std::string text(kMaxVoiceFileBytes + 1, '\0');
  in.read(text.data(), std::streamsize(text.size()));
  text.resize(size_t(in.gcount()));
  if (text.size() <= kMaxVoiceFileBytes && voice_from_text(text, voice)) return true;
  voice.embedding.clear();
  error = "is no voice that speakerdetect wrote, or is damaged: remove it, and have it learnt anew";
  return false;
}

}  // namespace speakerdetect
