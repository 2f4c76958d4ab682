// SPDX-License-Identifier: LGPL-2.1-or-later
// LiveKit's server API: Twirp, that is JSON in an HTTP POST. Asynchronous, on the control thread.
// An answer is limited in time and size, redirects are not followed (a token must not travel), and
// no text that comes out of here holds a token or the secret.
#pragma once

#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "controlthread.h"
#include "egressplan.h"
#include "jwt.h"

namespace livekit {

inline constexpr size_t kMaxAnswerBytes = 32 << 20;

struct TwirpAnswer {
  bool ok = false;
  std::string body;       // of a good answer: a JSON object
  CallFailure failure;    // of a bad one
  bool hopeless = false;  // key, grant or address are wrong: trying again cannot help
};

// "wss://host/x/" as "https://host/x"; nullopt with `error` saying what is wrong with it.
std::optional<std::string> api_base_url(std::string_view livekit_url, std::string& error);

// Servers quote what they were given: tokens, bare or in a URL, are blanked, and so is the secret.
std::string without_secrets(std::string text, const std::string& secret);

// What an HTTP answer means, told without `secret`. Pure.
TwirpAnswer judge_answer(unsigned http_status, std::string_view phrase, std::string_view location,
                         std::string body, const std::string& secret);

class TwirpClient {
 public:
  using Callback = std::function<void(TwirpAnswer)>;

  // `base_url` as api_base_url() gives it. All further calls, the end too, on the thread.
  TwirpClient(std::shared_ptr<ControlThread> thread, std::string base_url,
              ApiCredentials credentials);
  ~TwirpClient();  // what is under way is cancelled; no callback comes any more
  TwirpClient(const TwirpClient&) = delete;
  TwirpClient& operator=(const TwirpClient&) = delete;

  // `method` as in "livekit.Egress/StopEgress". The callback comes exactly once, never from within.
  void call(const std::string& method, const std::string& body, const VideoGrants& grants,
            uint32_t timeout_ms, Callback callback);

 private:
  struct Call;

  static void on_sent(GObject* session, GAsyncResult* result, gpointer call);
  static void on_read(GObject* stream, GAsyncResult* result, gpointer call);
  static gboolean on_timeout(gpointer call);
  static void read_more(std::unique_ptr<Call> call);
  static void finish(std::unique_ptr<Call> call, TwirpAnswer answer);
  static void fail(std::unique_ptr<Call> call, const GError* error);

  const std::shared_ptr<ControlThread> thread_;
  const std::string base_url_;
  const ApiCredentials credentials_;
  std::list<Call*> calls_;  // under way
};

}  // namespace livekit
