// SPDX-License-Identifier: LGPL-2.1-or-later
#include "simulator.h"

#include <poll.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <thread>

namespace egresssim {
namespace {

constexpr uint64_t kTimerTag = UINT64_MAX;
constexpr uint64_t kDialerTag = UINT64_MAX - 1;
// With many connections wake-ups are bundled to this grid: still ten times finer than a message.
constexpr int64_t kGrid_ns = 1'000'000;
constexpr size_t kManyConnections = 20;
// A signal may come just before going to sleep.
constexpr int kLongestSleep_ms = 500;

int64_t monotonic_ns() {
  timespec t{};
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1'000'000'000LL + t.tv_nsec;
}

double process_cpu_s() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) * 1e-6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

}  // namespace

Simulator::Simulator(Settings settings)
    : settings_(std::move(settings)),
      epoll_(epoll_create1(EPOLL_CLOEXEC)),
      timer_(timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC)) {
  // Edge-triggered: an expired timer wakes once and needs no read.
  epoll_event event{};
  event.events = EPOLLIN | EPOLLET;
  event.data.u64 = kTimerTag;
  epoll_ctl(epoll_, EPOLL_CTL_ADD, timer_, &event);
}

Simulator::~Simulator() {
  ::close(timer_);
  ::close(epoll_);
}

void Simulator::add(Connection::Setup setup) {
  connections_.push_back(std::make_unique<Connection>(std::move(setup), &lateness_));
  wake_ns_.push_back(kNever_ns);
}

int64_t Simulator::now_ns() const {
  return monotonic_ns() - start_ns_;
}

// Tries the first connection's address until somebody listens there.
void Simulator::wait_for_receiver(const std::atomic<int>* stop) {
  if (settings_.wait_s <= 0 || connections_.empty()) return;
  const int64_t until_ns = monotonic_ns() + static_cast<int64_t>(settings_.wait_s * 1e9);
  while (*stop == 0 && monotonic_ns() < until_ns) {
    std::string error;
    if (const auto probe = connect_plain(connections_.front()->url(), error)) {
      pollfd wait{probe->descriptor(), POLLOUT, 0};
      if (poll(&wait, 1, 1000) == 1 && probe->connect_result() == 0) return;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
  }
}

void Simulator::reschedule(size_t index) {
  const int64_t wake_ns = connections_[index]->next_wake_ns(now_ns());
  if (wake_ns == wake_ns_[index]) return;
  wake_ns_[index] = wake_ns;
  if (wake_ns != kNever_ns) queue_.emplace(wake_ns, index);
}

void Simulator::watch(size_t index) {
  Connection& connection = *connections_[index];
  if (connection.descriptor() < 0) return;
  epoll_event event{};
  event.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET;
  event.data.u64 = index;
  epoll_ctl(epoll_, EPOLL_CTL_ADD, connection.descriptor(), &event);
}

void Simulator::start(size_t index) {
  Connection& connection = *connections_[index];
  if (connection.url().tls) {
    dialer_->dial(index, connection.url());
    // Until the dialer answers nothing is to do; it has a time-out of its own.
    wake_ns_[index] = kNever_ns;
    return;
  }
  std::string error;
  const Connection::State before = connection.state();
  auto transport = connect_plain(connection.url(), error);
  connection.start(std::move(transport), error, now_ns());
  watch(index);
  note_changes(index, before);
  reschedule(index);
}

void Simulator::note_changes(size_t index, Connection::State before) {
  const Connection& connection = *connections_[index];
  const Connection::State after = connection.state();
  if (after == before) return;
  if (after == Connection::State::kOpen) {
    ++open_;
    settings_.log(connection.label() + ": connected");
  }
  if (after == Connection::State::kClosed) {
    ++ended_;
    if (before == Connection::State::kOpen) --open_;
    settings_.log(connection.label() + ": " +
                  (connection.error().empty() ? "ended" : connection.error()));
  }
  const bool told = after == Connection::State::kOpen || after == Connection::State::kClosed;
  if (told && settings_.on_change) settings_.on_change(index);
}

void Simulator::arm_timer() {
  while (!queue_.empty() && wake_ns_[queue_.top().second] != queue_.top().first) queue_.pop();
  itimerspec when{};
  if (!queue_.empty()) {
    int64_t at_ns = std::max<int64_t>(queue_.top().first + start_ns_, 1);
    if (open_ > kManyConnections) at_ns = (at_ns + kGrid_ns - 1) / kGrid_ns * kGrid_ns;
    when.it_value = {at_ns / 1'000'000'000, at_ns % 1'000'000'000};
  }
  timerfd_settime(timer_, TFD_TIMER_ABSTIME, &when, nullptr);
}

int Simulator::take_events(int timeout_ms) {
  epoll_event events[256];
  const int count = epoll_wait(epoll_, events, 256, timeout_ms);
  for (int i = 0; i < count; ++i) {
    const uint64_t tag = events[i].data.u64;
    if (tag == kTimerTag) continue;
    if (tag == kDialerTag) {
      for (auto& result : dialer_->take_results()) {
        Connection& connection = *connections_[result.connection];
        const Connection::State before = connection.state();
        if (before == Connection::State::kClosed) continue;
        connection.start(std::move(result.transport), result.error, now_ns());
        watch(result.connection);
        note_changes(result.connection, before);
        reschedule(result.connection);
      }
      continue;
    }
    Connection& connection = *connections_[tag];
    const Connection::State before = connection.state();
    if (before == Connection::State::kClosed) continue;
    const uint32_t flags = events[i].events;
    connection.on_ready((flags & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0,
                        (flags & EPOLLOUT) != 0, now_ns());
    note_changes(tag, before);
    reschedule(tag);
  }
  return count;
}

void Simulator::play_what_is_due() {
  // One look at the clock serves all that are due; what is sent late is measured against it.
  const int64_t now = now_ns();
  while (!queue_.empty() && queue_.top().first <= now) {
    const auto [wake_ns, index] = queue_.top();
    queue_.pop();
    if (wake_ns_[index] != wake_ns) continue;
    wake_ns_[index] = kNever_ns;
    Connection& connection = *connections_[index];
    const Connection::State before = connection.state();
    if (before == Connection::State::kWaiting) {
      start(index);
      continue;
    }
    connection.on_due(now_ns());
    note_changes(index, before);
    reschedule(index);
  }
}

void Simulator::need_dialer() {
  if (dialer_) return;
  dialer_ = std::make_unique<TlsDialer>(settings_.tls);
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.u64 = kDialerTag;
  epoll_ctl(epoll_, EPOLL_CTL_ADD, dialer_->descriptor(), &event);
}

void Simulator::begin() {
  start_ns_ = monotonic_ns();
  started_utc_s_ =
      std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
  for (size_t i = 0; i < connections_.size(); ++i) reschedule(i);
}

void Simulator::turn() {
  while (take_events(0) > 0) {
  }
  play_what_is_due();
  arm_timer();
}

size_t Simulator::dial(Connection::Setup setup) {
  const size_t index = connections_.size();
  if (setup.url.tls) need_dialer();
  add(std::move(setup));
  reschedule(index);
  arm_timer();
  return index;
}

void Simulator::end_at(size_t index, double at_s) {
  connections_[index]->end_at(at_s);
  reschedule(index);
  arm_timer();
}

void Simulator::cut(size_t index) {
  const Connection::State before = connections_[index]->state();
  if (before == Connection::State::kClosed) return;
  connections_[index]->cut(now_ns());
  note_changes(index, before);
  reschedule(index);
  arm_timer();
}

void Simulator::run(const std::atomic<int>* stop) {
  if (std::any_of(connections_.begin(), connections_.end(),
                  [](const auto& connection) { return connection->url().tls; }))
    need_dialer();
  wait_for_receiver(stop);
  const double cpu_before_s = process_cpu_s();
  begin();
  bool leaving = false;
  while (ended_ < connections_.size()) {
    if (*stop != 0 && !leaving) {
      leaving = true;
      for (size_t i = 0; i < connections_.size(); ++i) {
        const Connection::State before = connections_[i]->state();
        connections_[i]->leave_now(now_ns());
        note_changes(i, before);
        reschedule(i);
      }
      continue;
    }
    play_what_is_due();
    arm_timer();
    take_events(kLongestSleep_ms);
  }
  wall_s_ = static_cast<double>(now_ns()) * 1e-9;
  cpu_s_ = process_cpu_s() - cpu_before_s;
}

}  // namespace egresssim
