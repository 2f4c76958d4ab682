// SPDX-License-Identifier: LGPL-2.1-or-later
// A result as the structure that the bus message and the signal carry.
#pragma once

#include <gst/gst.h>

#include "transcript.h"

namespace stt {

// "transcript", with the fields that docs/sttsink.md lists. The caller frees it.
GstStructure* to_structure(const Transcript& transcript);

}  // namespace stt
