// SPDX-License-Identifier: LGPL-2.1-or-later
#include "speech/matrix.h"

namespace speech {
namespace {

// Eight floats, wherever they lie; split up by the compiler where registers are shorter.
using Vector = float __attribute__((vector_size(32), aligned(4), may_alias));

template <size_t ROWS>
[[gnu::always_inline]] inline void multiply_rows(const Matrix& matrix, const Rows& rows,
                                                 float* results) {
  for (size_t out = 0; out < matrix.outputs; out += 16) {
    Vector low[ROWS] = {};
    Vector high[ROWS] = {};
    const float* weight = matrix.values + out;
    for (size_t in = 0; in < matrix.inputs; in++, weight += matrix.outputs) {
      const Vector weight_low = *reinterpret_cast<const Vector*>(weight);
      const Vector weight_high = *reinterpret_cast<const Vector*>(weight + 8);
      for (size_t row = 0; row < ROWS; row++) {
        const float value = rows.first[row * rows.step + in];
        low[row] += weight_low * value;
        high[row] += weight_high * value;
      }
    }
    for (size_t row = 0; row < ROWS; row++) {
      float* result = results + row * matrix.outputs + out;
      *reinterpret_cast<Vector*>(result) = low[row];
      *reinterpret_cast<Vector*>(result + 8) = high[row];
    }
  }
}

[[gnu::always_inline]] inline void multiply_any(const Matrix& matrix, const Rows& rows,
                                                float* results, size_t n_rows) {
  switch (n_rows) {
    case 1:
      multiply_rows<1>(matrix, rows, results);
      break;
    case 2:
      multiply_rows<2>(matrix, rows, results);
      break;
    case 4:
      multiply_rows<4>(matrix, rows, results);
      break;
    default:
      break;
  }
}

void multiply_portable(const Matrix& matrix, const Rows& rows, float* results, size_t n_rows) {
  multiply_any(matrix, rows, results, n_rows);
}

#if defined(__x86_64__)
__attribute__((target("avx2,fma"))) void multiply_avx2(const Matrix& matrix, const Rows& rows,
                                                       float* results, size_t n_rows) {
  multiply_any(matrix, rows, results, n_rows);
}
#endif

Multiply choose() {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return multiply_avx2;
#endif
  return multiply_portable;
}

}  // namespace

Multiply portable_multiply() {
  return multiply_portable;
}

Multiply fastest_multiply() {
  static const Multiply multiply = choose();
  return multiply;
}

}  // namespace speech
