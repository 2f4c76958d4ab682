// SPDX-License-Identifier: LGPL-2.1-or-later
#include "voicekernel.h"

namespace speakerdetect {

const VoiceKernel& fastest_voice_kernel() {
#ifdef HAVE_AVX2_KERNEL
  static const bool has_avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  if (has_avx2) return kAvx2VoiceKernel;
#endif
  return kPortableVoiceKernel;
}

}  // namespace speakerdetect
