// SPDX-License-Identifier: LGPL-2.1-or-later
#include "stt/workerpool.h"

#include <algorithm>

namespace stt {
namespace {

// More than this waiting is more than the light thread manages: decoders lend a hand.
constexpr size_t kLightBacklog = 16;

}  // namespace

WorkerPool::WorkerPool(unsigned decoders)
    : n_decoders_(decoders > 0 ? decoders : std::max(1U, std::thread::hardware_concurrency())) {
  threads_.emplace_back([this] { light_thread(); });
  for (unsigned i = 0; i < n_decoders_; i++) threads_.emplace_back([this] { decoder_thread(); });
}

WorkerPool::~WorkerPool() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  light_wake_.notify_all();
  decode_wake_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

std::shared_ptr<WorkerPool> WorkerPool::shared() {
  static std::mutex mutex;
  static std::weak_ptr<WorkerPool> known;  // guarded by mutex
  const std::lock_guard lock(mutex);
  std::shared_ptr<WorkerPool> pool = known.lock();
  if (!pool) {
    pool = std::make_shared<WorkerPool>();
    known = pool;
  }
  return pool;
}

void WorkerPool::add(PoolClient& client) {
  const std::lock_guard lock(mutex_);
  clients_[&client].served = served_now_;
}

void WorkerPool::remove(PoolClient& client) {
  std::unique_lock lock(mutex_);
  const auto found = clients_.find(&client);
  if (found == clients_.end()) return;
  Client& state = found->second;
  state.removing = true;
  std::erase(light_queue_, &client);
  idle_.wait(lock, [&state] { return !state.light_running && !state.decode_running; });
  clients_.erase(found);
}

size_t WorkerPool::clients() const {
  const std::lock_guard lock(mutex_);
  return static_cast<size_t>(std::count_if(
      clients_.begin(), clients_.end(), [](const auto& entry) { return !entry.second.removing; }));
}

void WorkerPool::request_light(PoolClient& client) {
  {
    const std::lock_guard lock(mutex_);
    const auto found = clients_.find(&client);
    if (found == clients_.end() || found->second.removing || found->second.light_queued) return;
    found->second.light_queued = true;
    // While it runs it is put into the queue by the thread that runs it.
    if (!found->second.light_running) light_queue_.push_back(&client);
  }
  light_wake_.notify_one();
}

void WorkerPool::request_decode(PoolClient& client, Urgency urgency, int64_t age) {
  {
    const std::lock_guard lock(mutex_);
    const auto found = clients_.find(&client);
    if (found == clients_.end() || found->second.removing) return;
    Client& state = found->second;
    if (state.urgency == Urgency::none && !state.decode_running) {
      state.served = std::max(state.served, served_now_);
    }
    state.urgency = urgency;
    state.age = age;
    if (state.decode_running) return;  // looked at again when it ends
  }
  wake(urgency);
}

void WorkerPool::wake(Urgency urgency) {
  if (urgency == Urgency::ready) light_wake_.notify_one();
  if (urgency != Urgency::none) decode_wake_.notify_one();
}

void WorkerPool::light_thread() {
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    if (!run_one_decode(lock, Urgency::ready) && !run_one_light(lock)) light_wake_.wait(lock);
  }
}

void WorkerPool::decoder_thread() {
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    if (light_queue_.size() > kLightBacklog && run_one_light(lock)) continue;
    if (!run_one_decode(lock, Urgency::partial)) decode_wake_.wait(lock);
  }
}

bool WorkerPool::run_one_light(std::unique_lock<std::mutex>& lock) {
  if (light_queue_.empty()) return false;
  PoolClient* client = light_queue_.front();
  light_queue_.pop_front();
  Client& state = clients_.at(client);
  state.light_queued = false;
  state.light_running = true;
  lock.unlock();
  client->run_light();
  lock.lock();
  state.light_running = false;
  if (state.light_queued && !state.removing) {
    light_queue_.push_back(client);
    light_wake_.notify_one();
  }
  idle_.notify_all();
  return true;
}

bool WorkerPool::run_one_decode(std::unique_lock<std::mutex>& lock, Urgency least) {
  const auto before = [](const Client& a, const Client& b) {
    if (a.urgency != b.urgency) return a.urgency < b.urgency;
    if (a.served != b.served) return a.served < b.served;
    return a.age < b.age;
  };
  auto best = clients_.end();
  for (auto it = clients_.begin(); it != clients_.end(); ++it) {
    const Client& state = it->second;
    if (state.decode_running || state.removing) continue;
    if (state.urgency > least || state.urgency == Urgency::none) continue;
    if (best == clients_.end() || before(state, best->second)) best = it;
  }
  if (best == clients_.end()) return false;
  PoolClient* client = best->first;
  Client& state = best->second;
  state.urgency = Urgency::none;
  state.decode_running = true;
  served_now_ = std::max(served_now_, state.served);
  lock.unlock();
  const double cost = client->run_decode();
  lock.lock();
  state.served += cost;
  state.decode_running = false;
  const Urgency next = state.urgency;
  idle_.notify_all();
  wake(next);
  return true;
}

}  // namespace stt
