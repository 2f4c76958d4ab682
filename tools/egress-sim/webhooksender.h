// SPDX-License-Identifier: LGPL-2.1-or-later
// Sends webhooks as LiveKit does: signed, one after the other to each address. In the loop of the
// thread's default context.
#pragma once

#include <libsoup/soup.h>

#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "livekit/gobjectptr.h"
#include "livekit/jwt.h"

namespace egresssim {

class WebhookSender {
 public:
  WebhookSender(SoupSession* session, livekit::ApiCredentials credentials,
                const std::vector<std::string>& urls);
  ~WebhookSender();

  void send(const std::string& body, int64_t now_s);
  bool idle() const;
  uint64_t sent() const { return sent_; }
  uint64_t refused() const { return refused_; }  // or not reached

 private:
  struct Target {
    WebhookSender* sender = nullptr;
    std::string url;
    std::deque<std::pair<std::string, std::string>> waiting;  // token and body
    bool under_way = false;
    livekit::GObjectPtr<SoupMessage> message;
  };

  static void send_next(Target* target);
  static void on_answer(GObject* session, GAsyncResult* result, gpointer target);

  livekit::GObjectPtr<SoupSession> session_;
  const livekit::ApiCredentials credentials_;
  livekit::GObjectPtr<GCancellable> cancellable_;
  std::vector<std::unique_ptr<Target>> targets_;
  uint64_t sent_ = 0;
  uint64_t refused_ = 0;
};

}  // namespace egresssim
