// SPDX-License-Identifier: LGPL-2.1-or-later
// The Silero voice activity network (16 kHz), computed here: it is small (0.6 million
// multiplications a window), and a stream of it then costs 1.3 kB and no set-up, where a session
// of an inference library takes 9 MB and 50 ms. Gives the library's numbers to 4 digits.
#pragma once

#include <array>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "speech/voiceactivity.h"

namespace speech {

struct SileroWeights {
  // Each [inputs][outputs], the outputs padded to a multiple of 16.
  std::vector<float> spectrum;  // 256 -> 129 real and 129 imaginary
  std::vector<float> conv1;     // 3 * 129 -> 128
  std::vector<float> conv2;     // 3 * 128 -> 64
  std::vector<float> conv3;     // 3 * 64 -> 64
  std::vector<float> conv4;     // 64 -> 128; its outer taps only ever meet padding
  std::vector<float> lstm;      // 128 features, 128 of the state -> 4 * 128 gates
  std::vector<float> conv1_bias, conv2_bias, conv3_bias, conv4_bias, lstm_bias;
  std::vector<float> output;  // 128
  float output_bias = 0;
};

// Reads Silero's own safetensors file; the same file is read once in the process. nullptr with
// `error` for the user.
std::shared_ptr<const SileroWeights> load_silero(const std::filesystem::path& file,
                                                 std::string& error);

class SileroVad : public VoiceActivity {
 public:
  explicit SileroVad(std::shared_ptr<const SileroWeights> weights) : weights_(std::move(weights)) {}
  float probability(std::span<const float> window) override;
  void reset() override;

 private:
  std::shared_ptr<const SileroWeights> weights_;
  std::array<float, 64> context_{};  // the end of the window before
  std::array<float, 128> hidden_{};
  std::array<float, 128> cell_{};
};

}  // namespace speech
