#include "measured.h"

#include <sys/resource.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <string>

namespace {

std::string quantiles(std::vector<double> values) {
  if (values.empty()) return "-";
  std::sort(values.begin(), values.end());
  const auto at = [&values](double q) {
    return values[static_cast<size_t>(std::ceil(q * static_cast<double>(values.size())) - 1)];
  };
  char text[100];
  snprintf(text, sizeof text, "%.2f / %.2f / %.2f s (n=%zu)", at(0.5), at(0.95), values.back(),
           values.size());
  return text;
}

}  // namespace

void print_measured(const Measured& measured) {
  rusage usage = {};
  getrusage(RUSAGE_SELF, &usage);
  const stt::TranscriberStats& stats = measured.stats;
  printf("word error rate             %.1f %% (%zu of %zu)\n",
         100.0 * static_cast<double>(measured.errors) / static_cast<double>(measured.said),
         measured.errors, measured.said);
  printf("end of speech to final      %s median / p95 / worst\n",
         quantiles(measured.final_s).c_str());
  printf("last sound to last final    %s\n", quantiles(measured.clip_final_s).c_str());
  printf("first word to first partial %s\n", quantiles(measured.first_partial_s).c_str());
  printf("CPU                         %.3f s for a second of audio\n",
         measured.cpu_s / measured.audio_s);
  printf("peak memory                 %ld MB\n", usage.ru_maxrss / 1024);
  const auto number = [](uint64_t value) { return static_cast<unsigned long>(value); };
  printf("partials %lu, dropped %lu; finals %lu, by the small model %lu\n", number(stats.partials),
         number(stats.partials_dropped), number(stats.finals), number(stats.finals_by_fallback));
  printf("decoded ahead %lu, right %lu\n", number(stats.speculations),
         number(stats.speculations_used));
}
