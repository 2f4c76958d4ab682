// SPDX-License-Identifier: LGPL-2.1-or-later
// A .voice file, as anybody may put one into the folder of voices.
#include "speakerdetect/voicefile.h"

#include <cmath>
#include <cstdint>
#include <cstdlib>

using namespace speakerdetect;

namespace {

void require(bool holds) {
  if (!holds) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  KnownVoice voice;
  if (!voice_from_text({reinterpret_cast<const char*>(data), size}, voice)) {
    require(voice.embedding.empty());
    return 0;
  }
  // It can be compared and weighed, whatever it is.
  require(std::isfinite(voice.seconds) && voice.seconds > 0);
  require(std::abs(likeness(voice.embedding, voice.embedding) - 1) < 1e-3F);
  // What was read can be written and is the same then, but for the digits that are not written.
  KnownVoice again;
  require(voice_from_text(voice_to_text(voice), again));
  require(again.embedding.size() == voice.embedding.size());
  require(likeness(voice.embedding, again.embedding) > 0.999F);
  return 0;
}
