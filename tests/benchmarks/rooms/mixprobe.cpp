// SPDX-License-Identifier: LGPL-2.1-or-later
// How long a sound takes from its sender to the mix: reads the mix (S16LE, any channel count) on
// stdin, notes when a loud burst comes by, and matches the bursts with the times that
// `egress-sim --marks FILE` wrote (nanoseconds of CLOCK_MONOTONIC, one a line).
//
//   … ! fdsink | mixprobe THRESHOLD MARKS-FILE      prints one JSON object at the end of the input
#include <fcntl.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <vector>

namespace {

constexpr int64_t kDebounceNs = 200'000'000;  // bursts are 500 ms apart
constexpr int64_t kLongestMs = 400;           // a later one belongs to the next mark

int64_t monotonic_ns() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return int64_t(now.tv_sec) * 1'000'000'000 + now.tv_nsec;
}

// Nearest-rank percentile of sorted values.
double percentile(const std::vector<double>& sorted, double share) {
  if (sorted.empty())
    return -1;
  const size_t rank = size_t(std::ceil(share * double(sorted.size())));
  return sorted[std::clamp<size_t>(rank, 1, sorted.size()) - 1];
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) {
    fprintf(stderr, "Usage: mixprobe THRESHOLD MARKS-FILE < S16LE-samples\n");
    return 2;
  }
  const int threshold = atoi(argv[1]);
  fcntl(STDIN_FILENO, F_SETPIPE_SZ, 1 << 20);  // a slow reader must not slow the mixer

  std::vector<int64_t> seen_ns;
  std::vector<int16_t> samples(1 << 15);
  uint64_t bytes = 0;
  int64_t last_loud_ns = INT64_MIN / 2;
  for (;;) {
    const ssize_t got = read(STDIN_FILENO, samples.data(), samples.size() * sizeof(int16_t));
    if (got <= 0)
      break;
    const int64_t now = monotonic_ns();
    bytes += uint64_t(got);
    const auto end = samples.begin() + got / ssize_t(sizeof(int16_t));
    const bool loud = std::any_of(samples.begin(), end,
                                  [threshold](int16_t value) { return std::abs(value) > threshold; });
    if (!loud)
      continue;
    if (now - last_loud_ns > kDebounceNs)
      seen_ns.push_back(now);
    last_loud_ns = now;
  }

  std::vector<double> delays_ms;
  size_t next = 0, marks = 0;
  std::ifstream file(argv[2]);
  for (int64_t sent_ns; file >> sent_ns;) {
    ++marks;
    while (next < seen_ns.size() && seen_ns[next] < sent_ns)
      ++next;
    if (next < seen_ns.size() && seen_ns[next] - sent_ns < kLongestMs * 1'000'000)
      delays_ms.push_back(double(seen_ns[next] - sent_ns) / 1e6);
  }
  std::sort(delays_ms.begin(), delays_ms.end());
  printf("{\"marks\":%zu,\"found\":%zu,\"p50_ms\":%.1f,\"p95_ms\":%.1f,\"p99_ms\":%.1f,"
         "\"max_ms\":%.1f,\"bytes\":%llu}\n",
         marks, delays_ms.size(), percentile(delays_ms, .5), percentile(delays_ms, .95),
         percentile(delays_ms, .99), delays_ms.empty() ? -1 : delays_ms.back(),
         static_cast<unsigned long long>(bytes));
  return delays_ms.size() == marks && marks > 0 ? 0 : 1;
}
