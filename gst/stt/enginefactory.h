// SPDX-License-Identifier: LGPL-2.1-or-later
// Where sttsink gets its engine from. The plugin sets the real one when it is loaded; tests of
// the element set one of their own, and need neither runtime nor models.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "transcriber.h"

namespace stt {

struct EngineFactory {
  std::function<std::string(const EngineConfig&)> check;
  std::function<std::shared_ptr<SpeechEngine>(const EngineConfig&, std::string& error,
                                              const std::function<void(int)>& progress)>
      load;
};

// Before the first element is made.
void set_engine_factory(EngineFactory factory);
const EngineFactory& engine_factory();

}  // namespace stt
