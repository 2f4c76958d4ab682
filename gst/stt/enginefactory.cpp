// SPDX-License-Identifier: LGPL-2.1-or-later
#include "enginefactory.h"

namespace stt {

namespace {
EngineFactory& instance() {
  static EngineFactory factory = {
      [](const EngineConfig&) { return std::string("This build has no speech engine"); },
      [](const EngineConfig&, std::string& error, const std::function<void(int)>&) {
        error = "This build has no speech engine";
        return std::shared_ptr<SpeechEngine>();
      }};
  return factory;
}
}  // namespace

void set_engine_factory(EngineFactory factory) {
  instance() = std::move(factory);
}

const EngineFactory& engine_factory() {
  return instance();
}

}  // namespace stt
