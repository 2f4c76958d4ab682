// SPDX-License-Identifier: LGPL-2.1-or-later
#include "webhooksender.h"

#include <algorithm>

#include "livekit/jsonreader.h"

namespace egresssim {
namespace {

std::string webhook_token(const livekit::ApiCredentials& credentials, const std::string& body,
                          int64_t now_s) {
  const std::string digest = livekit::sha256(body);
  g_autofree gchar* text =
      g_base64_encode(reinterpret_cast<const guchar*>(digest.data()), digest.size());
  constexpr int64_t kLifetime_s = 300;
  return livekit::sign_jwt(
      "{\"iss\":" + livekit::json_quote(credentials.key) +
          ",\"exp\":" + std::to_string(now_s + kLifetime_s) + ",\"nbf\":" + std::to_string(now_s) +
          ",\"iat\":" + std::to_string(now_s) + ",\"sha256\":\"" + text + "\"}",
      credentials.secret);
}

}  // namespace

WebhookSender::WebhookSender(SoupSession* session, livekit::ApiCredentials credentials,
                             const std::vector<std::string>& urls)
    : session_(livekit::share(session)),
      credentials_(std::move(credentials)),
      cancellable_(g_cancellable_new()) {
  for (const std::string& url : urls) {
    auto target = std::make_unique<Target>();
    target->sender = this;
    target->url = url;
    targets_.push_back(std::move(target));
  }
}

WebhookSender::~WebhookSender() {
  g_cancellable_cancel(cancellable_.get());
  // Their callbacks come in the loop, and hold the targets.
  while (std::any_of(targets_.begin(), targets_.end(),
                     [](const auto& target) { return target->under_way; }))
    g_main_context_iteration(nullptr, TRUE);
}

bool WebhookSender::idle() const {
  return std::all_of(targets_.begin(), targets_.end(), [](const auto& target) {
    return !target->under_way && target->waiting.empty();
  });
}

void WebhookSender::send(const std::string& body, int64_t now_s) {
  const std::string token = webhook_token(credentials_, body, now_s);
  for (const auto& target : targets_) {
    target->waiting.emplace_back(token, body);
    if (!target->under_way) send_next(target.get());
  }
}

void WebhookSender::send_next(Target* target) {
  if (target->waiting.empty() || g_cancellable_is_cancelled(target->sender->cancellable_.get()))
    return;
  const auto [token, body] = target->waiting.front();
  target->waiting.pop_front();
  target->message.reset(soup_message_new("POST", target->url.c_str()));
  if (!target->message) return;
  g_autoptr(GBytes) bytes = g_bytes_new(body.data(), body.size());
  soup_message_set_request_body_from_bytes(target->message.get(), "application/webhook+json",
                                           bytes);
  // A bare token: no "Bearer".
  soup_message_headers_replace(soup_message_get_request_headers(target->message.get()),
                               "Authorization", token.c_str());
  target->under_way = true;
  soup_session_send_and_read_async(target->sender->session_.get(), target->message.get(),
                                   G_PRIORITY_DEFAULT, target->sender->cancellable_.get(),
                                   on_answer, target);
}

void WebhookSender::on_answer(GObject* session, GAsyncResult* result, gpointer data) {
  auto* const target = static_cast<Target*>(data);
  g_autoptr(GError) error = nullptr;
  g_autoptr(GBytes) bytes =
      soup_session_send_and_read_finish(SOUP_SESSION(session), result, &error);
  const bool good = bytes != nullptr && soup_message_get_status(target->message.get()) < 300;
  ++(good ? target->sender->sent_ : target->sender->refused_);
  target->under_way = false;
  send_next(target);
}

}  // namespace egresssim
