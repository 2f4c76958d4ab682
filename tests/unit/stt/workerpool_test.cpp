// WorkerPool: who is served when. Every wait is for something that happens, never for time.
#include "stt/workerpool.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <functional>
#include <latch>
#include <string>

namespace stt {
namespace {

// Writes down that it was served, then does what the test says.
class TestClient : public PoolClient {
 public:
  using Log = std::vector<std::string>;
  TestClient(std::string name, WorkerPool& pool, std::mutex& mutex, Log& log)
      : name_(std::move(name)), pool_(pool), mutex_(mutex), log_(log) {
    pool_.add(*this);
  }
  ~TestClient() override { pool_.remove(*this); }

  void run_light() override {
    EXPECT_FALSE(in_light_.exchange(true));
    if (on_light) on_light();
    in_light_ = false;
  }
  double run_decode() override {
    EXPECT_FALSE(in_decode_.exchange(true));
    {
      const std::lock_guard lock(mutex_);
      log_.push_back(name_);
    }
    if (on_decode) on_decode();
    in_decode_ = false;
    return cost_s;
  }
  void want(Urgency urgency, int64_t age) { pool_.request_decode(*this, urgency, age); }

  std::function<void()> on_light;
  std::function<void()> on_decode;
  double cost_s = 0;

 private:
  const std::string name_;
  WorkerPool& pool_;
  std::mutex& mutex_;
  Log& log_;
  std::atomic<bool> in_light_ = false;
  std::atomic<bool> in_decode_ = false;
};

class WorkerPoolTest : public ::testing::Test {
 protected:
  std::unique_ptr<TestClient> client(const std::string& name) {
    return std::make_unique<TestClient>(name, pool_, mutex_, log_);
  }
  // Keeps the only decoder busy until release().
  void block() {
    blocker_ = client("blocker");
    blocker_->on_decode = [this] {
      blocked_.count_down();
      release_.wait();
    };
    blocker_->want(Urgency::final, 0);
    blocked_.wait();
  }
  void release() { release_.count_down(); }

  std::mutex mutex_;
  TestClient::Log log_;
  std::latch blocked_{1};
  std::latch release_{1};
  WorkerPool pool_{1};
  std::unique_ptr<TestClient> blocker_;
};

TEST_F(WorkerPoolTest, MostUrgentFirstThenOldest) {
  auto partial = client("partial");
  auto speculative = client("speculative");
  auto young = client("young final");
  auto old = client("old final");
  std::latch served{4};
  for (auto* each : {&partial, &speculative, &young, &old}) {
    (*each)->on_decode = [&] { served.count_down(); };
  }
  block();
  partial->want(Urgency::partial, 1);
  speculative->want(Urgency::speculative, 2);
  young->want(Urgency::final, 4);
  old->want(Urgency::final, 3);
  release();
  served.wait();
  EXPECT_EQ(log_,
            (TestClient::Log{"blocker", "old final", "young final", "speculative", "partial"}));
}

TEST_F(WorkerPoolTest, OneStreamWithALongBacklogDoesNotHoldUpTheOthers) {
  auto greedy = client("greedy");
  auto modest = client("modest");
  std::latch served{8};
  int left = 6;
  greedy->cost_s = 10;
  greedy->on_decode = [&] {
    if (--left > 0) greedy->want(Urgency::final, 1);
    served.count_down();
  };
  int modest_left = 2;
  modest->cost_s = 10;
  modest->on_decode = [&] {
    if (--modest_left > 0) modest->want(Urgency::final, 6);
    served.count_down();
  };
  block();
  greedy->want(Urgency::final, 1);
  modest->want(Urgency::final, 5);
  release();
  served.wait();
  EXPECT_EQ(log_, (TestClient::Log{"blocker", "greedy", "modest", "greedy", "modest", "greedy",
                                   "greedy", "greedy", "greedy"}));
}

TEST_F(WorkerPoolTest, ADecodeThatIsTakenBackDoesNotRun) {
  auto fickle = client("fickle");
  auto other = client("other");
  std::latch served{1};
  other->on_decode = [&] { served.count_down(); };
  block();
  fickle->want(Urgency::final, 1);
  fickle->want(Urgency::none, 0);
  other->want(Urgency::partial, 2);
  release();
  served.wait();
  EXPECT_EQ(log_, (TestClient::Log{"blocker", "other"}));
}

TEST_F(WorkerPoolTest, LightWorkAndDeliveriesGoOnWhileAllDecodersAreBusy) {
  auto busy = client("ready");
  std::latch light{1};
  std::latch delivered{1};
  busy->on_light = [&] { light.count_down(); };
  busy->on_decode = [&] { delivered.count_down(); };
  block();
  pool_.request_light(*busy);
  light.wait();
  busy->want(Urgency::ready, 1);
  delivered.wait();
  release();
}

TEST_F(WorkerPoolTest, LightRequestDuringALightRunIsNotForgotten) {
  auto again = client("again");
  std::latch runs{3};
  int left = 3;
  again->on_light = [&] {
    if (--left > 0) pool_.request_light(*again);
    runs.count_down();
  };
  pool_.request_light(*again);
  runs.wait();
  EXPECT_EQ(left, 0);
}

TEST_F(WorkerPoolTest, RemoveWaitsForWhatRunsAndDropsTheRest) {
  auto leaving = client("leaving");
  std::latch entered{1};
  std::atomic<bool> finished = false;
  // reset() empties the pointer before it waits for this to return.
  leaving->on_decode = [&, client = leaving.get()] {
    client->want(Urgency::final, 2);  // must not run any more
    entered.count_down();
    while (pool_.clients() > 0) std::this_thread::yield();
    finished = true;
  };
  leaving->want(Urgency::final, 1);
  entered.wait();
  leaving.reset();
  EXPECT_TRUE(finished);
  EXPECT_EQ(log_.size(), 1u);
}

TEST(WorkerPool, IsSharedWhileHeld) {
  const std::shared_ptr<WorkerPool> pool = WorkerPool::shared();
  EXPECT_EQ(pool, WorkerPool::shared());
  EXPECT_GE(pool->decoders(), 1u);
}

}  // namespace
}  // namespace stt
