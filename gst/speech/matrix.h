// SPDX-License-Identifier: LGPL-2.1-or-later
// The one matrix product that small networks need.
#pragma once

#include <cstddef>

namespace speech {

struct Matrix {
  const float* values = nullptr;  // [inputs][outputs]
  size_t inputs = 0;
  size_t outputs = 0;  // a multiple of 16
};

// Row r is at `first + r * step`; rows may overlap.
struct Rows {
  const float* first = nullptr;
  size_t step = 0;
};

// results[r][o] = sum over i of row r[i] * matrix[i][o], for 1, 2 or 4 rows.
using Multiply = void (*)(const Matrix& matrix, const Rows& rows, float* results, size_t n_rows);

Multiply portable_multiply();
Multiply fastest_multiply();  // the best this CPU has

}  // namespace speech
