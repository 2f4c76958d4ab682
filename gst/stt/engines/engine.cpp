// SPDX-License-Identifier: LGPL-2.1-or-later
#include "stt/engines/engine.h"

#include <map>
#include <mutex>

namespace stt {

std::shared_ptr<const Model> share_model(
    const std::string& key, const std::function<std::shared_ptr<const Model>()>& load) {
  static std::mutex mutex;
  static std::map<std::string, std::weak_ptr<const Model>> models;  // guarded by mutex
  // Held while loading, so that two sinks that start together load once.
  const std::lock_guard lock(mutex);
  std::weak_ptr<const Model>& known = models[key];
  std::shared_ptr<const Model> model = known.lock();
  if (!model) {
    model = load();
    known = model;
  }
  return model;
}

}  // namespace stt
