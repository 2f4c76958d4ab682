// SPDX-License-Identifier: LGPL-2.1-or-later
#include "embedding.h"

#include <cmath>
#include <numeric>

namespace speakerdetect {

float likeness(const Embedding& a, const Embedding& b) {
  if (a.size() != b.size()) return 0;
  return std::inner_product(a.begin(), a.end(), b.begin(), 0.0F);
}

Embedding normalized(Embedding embedding) {
  // The squares of floats fit a double, not a float.
  double sum = 0;
  for (const float value : embedding) sum += double(value) * value;
  const double length = std::sqrt(sum);
  if (!(length > 0) || !std::isfinite(length)) return {};
  for (float& value : embedding) value = float(value / length);
  return embedding;
}

}  // namespace speakerdetect
