// SPDX-License-Identifier: LGPL-2.1-or-later
// The numbers that tell a voice from others.
#pragma once

#include <vector>

namespace speakerdetect {

// Of length 1: the closer two are to the same direction, the more alike the voices.
using Embedding = std::vector<float>;

// Cosine of the angle between two embeddings.
float likeness(const Embedding& a, const Embedding& b);
// To length 1; empty when there is none, or a number that is none.
Embedding normalized(Embedding embedding);

}  // namespace speakerdetect
