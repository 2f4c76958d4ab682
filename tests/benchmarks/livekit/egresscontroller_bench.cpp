// SPDX-License-Identifier: LGPL-2.1-or-later
// The control plane alone: many rooms against a made-up API in the same process. Tells how long the
// starts of all egresses take, what the control thread costs once they run, and how long the
// shutdown takes.
//
//     egresscontroller-bench [ROOMS [PEOPLE]]
#include <sys/resource.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "gst/livekit/egresscontroller.h"
#include "tests/unit/livekit/fakeapi.h"

namespace {

using livekit::EgressController;
using livekit::FakeApi;

class Counter final : public livekit::EgressObserver {
 public:
  Counter(std::atomic<int>& running, std::atomic<size_t>& unfinished)
      : running_(running), unfinished_(unfinished) {}
  // As if it had dialled in at once.
  void on_egress_step(const livekit::PlanAction& step) override {
    if (step.step == "started") controller->on_session(step.session, true);
    if (step.step == "connected") ++running_;
  }
  void on_hang_up(uint64_t) override {}
  void on_participant(const std::string&, const livekit::ParticipantText&) override {}
  void on_doubtful_exclude(const std::string&, const std::string&) override {}
  void on_unfinished(const std::vector<std::string>& egresses) override {
    unfinished_ += egresses.size();
  }
  EgressController* controller = nullptr;

 private:
  std::atomic<int>& running_;
  std::atomic<size_t>& unfinished_;
};

std::string field(const std::string& body, const std::string& name) {
  const std::string start = "\"" + name + "\":\"";
  const size_t at = body.find(start) + start.size();
  return body.substr(at, body.find('"', at) - at);
}

double seconds() {
  return static_cast<double>(g_get_monotonic_time()) / G_USEC_PER_SEC;
}

double thread_seconds() {
  rusage usage{};
  getrusage(RUSAGE_THREAD, &usage);
  const auto of = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
  };
  return of(usage.ru_utime) + of(usage.ru_stime);
}

}  // namespace

int main(int argc, char** argv) {
  const int rooms = argc > 1 ? std::atoi(argv[1]) : 100;
  const int people = argc > 2 ? std::atoi(argv[2]) : 5;
  FakeApi api;
  api.answer("livekit.Egress/ListEgress", 200, "{\"items\":[]}");
  api.answer("livekit.Egress/StopEgress", 200, "{}");
  api.answer_with("livekit.RoomService/ListParticipants", [people](const std::string& body) {
    const std::string room = field(body, "room");
    std::string list;
    for (int i = 0; i < people; ++i) {
      const std::string id = room + "_" + std::to_string(i);
      list += std::string(i ? "," : "") + R"({"sid":"PA_)" + id + R"(","identity":")" + id +
              R"(","name":"Somebody","tracks":[{"sid":"TR_)" + id +
              R"(","type":"AUDIO","source":"MICROPHONE"}]})";
    }
    return FakeApi::Answer(200, "{\"participants\":[" + list + "]}");
  });
  api.answer_with("livekit.Egress/StartTrackEgress", [](const std::string& body) {
    return FakeApi::Answer(
        200, R"({"egress_id":"EG_)" + field(body, "track_id") + R"(","status":"EGRESS_STARTING"})");
  });

  std::atomic<int> running = 0;
  std::atomic<size_t> unfinished = 0;
  std::vector<std::unique_ptr<Counter>> counters;
  std::vector<std::unique_ptr<EgressController>> controllers;
  const double began = seconds();
  for (int i = 0; i < rooms; ++i) {
    livekit::ControllerConfig config;
    config.room = "room" + std::to_string(i);
    config.api_base_url = api.url();
    config.credentials = {"key", "secret"};
    config.dial_base = "ws://127.0.0.1:9000/" + config.room;
    counters.push_back(std::make_unique<Counter>(running, unfinished));
    controllers.push_back(std::make_unique<EgressController>(config, counters.back().get()));
    counters.back()->controller = controllers.back().get();
    std::string error;
    if (!controllers.back()->open(error)) {
      std::fprintf(stderr, "%s\n", error.c_str());
      return 1;
    }
  }
  while (running < rooms * people) {
    if (seconds() > began + 60) {
      std::fprintf(stderr, "only %d of %d egresses run\n", running.load(), rooms * people);
      return 1;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  std::printf("%d egresses of %d rooms run after %.2f s\n", running.load(), rooms,
              seconds() - began);

  const auto thread = livekit::ControlThread::acquire();
  double cpu_before = 0;
  double cpu_after = 0;
  constexpr int kIdleSeconds = 10;
  thread->run([&] { cpu_before = thread_seconds(); });
  std::this_thread::sleep_for(std::chrono::seconds(kIdleSeconds));
  thread->run([&] { cpu_after = thread_seconds(); });
  std::printf("control thread, polling every second: %.1f %% of a core\n",
              100 * (cpu_after - cpu_before) / kIdleSeconds);

  const double stopping = seconds();
  std::vector<std::thread> stoppers;
  for (auto& controller : controllers) {
    stoppers.emplace_back([&] { controller->shut_down(); });
  }
  for (std::thread& stopper : stoppers) stopper.join();
  std::printf("stopped all but %zu in %.2f s\n", unfinished.load(), seconds() - stopping);
  const size_t starts = api.requests("livekit.Egress/StartTrackEgress").size();
  const size_t stops = api.requests("livekit.Egress/StopEgress").size();
  std::printf("%zu starts, %zu stops\n", starts, stops);
  controllers.clear();
  return unfinished == 0 && starts == static_cast<size_t>(rooms * people) ? 0 : 1;
}
