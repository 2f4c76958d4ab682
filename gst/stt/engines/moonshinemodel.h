// SPDX-License-Identifier: LGPL-2.1-or-later
// Moonshine (English) through sherpa-onnx.
#pragma once

#include <memory>
#include <string>

#include "speech/speechfiles.h"
#include "stt/engines/engine.h"

namespace stt {

// Takes some hundred milliseconds. nullptr with `error` for the user.
std::shared_ptr<const Model> load_moonshine(const SpeechFiles& files, const std::string& size,
                                            std::string& error);

}  // namespace stt
