// SPDX-License-Identifier: LGPL-2.1-or-later
#include "webhookdesk.h"

#include <gst/gst.h>

#include <algorithm>

GST_DEBUG_CATEGORY_EXTERN(livekit_listener_debug);
#define GST_CAT_DEFAULT livekit_listener_debug

namespace livekit {

namespace {

constexpr int64_t kSecondsPerLog = 60;

}  // namespace

void WebhookDesk::add(const HookConfig& config, HookSink* sink) {
  const std::lock_guard lock(mutex_);
  entries_.push_back({config, sink});
}

void WebhookDesk::remove(HookSink* sink) {
  const std::lock_guard lock(mutex_);
  std::erase_if(entries_, [sink](const Entry& entry) { return entry.sink == sink; });
}

bool WebhookDesk::serves(std::string_view path) const {
  const std::lock_guard lock(mutex_);
  return std::any_of(entries_.begin(), entries_.end(),
                     [path](const Entry& entry) { return entry.config.path == path; });
}

void WebhookDesk::log_refusal(const Verdict& verdict, int64_t now_s) {
  ++refused_;
  if (now_s < logged_s_ + kSecondsPerLog && now_s >= logged_s_) return;
  GST_WARNING("%" G_GUINT64_FORMAT " webhooks refused, the last with %u: %s", guint64(refused_),
              verdict.http_status, verdict.reason.c_str());
  logged_s_ = now_s;
  refused_ = 0;
}

Verdict WebhookDesk::take(std::string_view path, std::string_view authorization,
                          std::string_view body, int64_t now_s) {
  const std::lock_guard lock(mutex_);
  Verdict verdict{401, "the webhook's token is refused: no element here has its API key"};
  const ApiCredentials* signer = nullptr;
  int64_t expires_s = 0;
  for (const Entry& entry : entries_) {
    const ApiCredentials& candidate = entry.config.credentials;
    if (entry.config.path != path || (signer && *signer == candidate)) continue;
    signer = &candidate;
    verdict = verify_webhook(authorization, body, candidate, now_s, &expires_s);
    if (verdict.http_status != 401) break;
  }
  if (verdict.http_status == 0 && !taken_.take(authorization, expires_s, now_s)) {
    verdict = {401, "this webhook was taken before"};
  }
  if (verdict.http_status != 0) {
    log_refusal(verdict, now_s);
    return verdict;
  }
  const auto event = parse_webhook(body);
  if (!event) return {400, "the webhook is genuine, but not understood"};
  for (const Entry& entry : entries_) {
    if (entry.config.path == path && entry.config.credentials == *signer &&
        entry.config.room == event->room) {
      entry.sink->on_webhook(*event);
    }
  }
  return {200, "taken"};
}

}  // namespace livekit
