// SPDX-License-Identifier: LGPL-2.1-or-later
// What a voice network spends its time on, by Eigen; built once for any CPU and once for AVX2.
#pragma once

#include <cstddef>

namespace speakerdetect {

struct LstmLayer {
  const float* input_weights = nullptr;      // [4 * cells][inputs]
  const float* recurrent_weights = nullptr;  // [4 * cells][cells]
  const float* bias = nullptr;  // [4 * cells]; gates in the order in, forget, cell, out
  size_t inputs = 0;
  size_t cells = 0;
};

struct VoiceKernel {
  // results[r][o] = sum over i of rows[r][i] * weights[o][i]
  void (*multiply)(const float* rows, size_t n_rows, size_t inputs, const float* weights,
                   size_t outputs, float* results);
  // From zero state over n_frames of `frames` [n_frames][inputs] to `hidden` [n_frames][cells];
  // `gates` is room for [n_frames][4 * cells].
  void (*run_lstm)(const LstmLayer& layer, const float* frames, size_t n_frames, float* gates,
                   float* hidden);
};

extern const VoiceKernel kPortableVoiceKernel;
#ifdef HAVE_AVX2_KERNEL
extern const VoiceKernel kAvx2VoiceKernel;
#endif

const VoiceKernel& fastest_voice_kernel();  // the best this CPU has

}  // namespace speakerdetect
