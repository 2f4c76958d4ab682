// SPDX-License-Identifier: LGPL-2.1-or-later
// How likely it is that a window of audio holds speech.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

namespace speech {

constexpr int kSampleRateHz = 16000;  // every engine gets mono float samples at this rate
constexpr int64_t kSampleNs = 1'000'000'000 / kSampleRateHz;
constexpr size_t kWindowSamples = 512;  // 32 ms
constexpr int64_t kWindowNs = kWindowSamples * kSampleNs;
constexpr double kSilenceDbov = -127.0;

class VoiceActivity {
 public:
  virtual ~VoiceActivity() = default;
  // `window` has kWindowSamples and follows the one before; 0..1.
  virtual float probability(std::span<const float> window) = 0;
  // What comes next does not follow what was heard.
  virtual void reset() = 0;
};

double level_dbov(std::span<const float> samples);

// Spares the model windows that are too quiet to hold speech: muted tracks send exact zeros all
// day. The model hears the first second of a silence and then nothing until there is sound again;
// what it remembers is how silence sounds. A model that remembers nothing, or hears zeros for
// minutes, doubts the first words: docs/figures.md, "Egresses that the element starts".
class GatedVoiceActivity : public VoiceActivity {
 public:
  explicit GatedVoiceActivity(std::unique_ptr<VoiceActivity> model) : model_(std::move(model)) {}
  float probability(std::span<const float> window) override;
  void reset() override;

 private:
  std::unique_ptr<VoiceActivity> model_;
  bool is_fresh_ = true;  // the model remembers nothing
  int quiet_windows_ = 0;
};

}  // namespace speech
