// SPDX-License-Identifier: LGPL-2.1-or-later
// LiveKit's HTTP API in front of the simulated egress service: who may call what, the little of
// RoomService that a receiver needs, and the way on to a real server. In the loop of the thread's
// default context.
#pragma once

#include <libsoup/soup.h>

#include <cstdio>
#include <map>
#include <memory>
#include <string>

#include "egressservice.h"
#include "livekit/gobjectptr.h"
#include "livekit/jwt.h"
#include "options.h"

namespace egresssim {

// What a call's token lets it do, or why not. Pure.
struct Authorization {
  TwirpError refusal;  // status 0 = none; code "" = plain text
  livekit::VideoGrants grants;
};
Authorization authorize(const std::string& header, const livekit::ApiCredentials& credentials,
                        int64_t now_s);

// What --data-log gets of a call of SendData, one line of JSON. Pure.
std::string data_line(std::string_view body, double at_s);

class ControlServer {
 public:
  ControlServer(const ControlOptions& options, EgressService::Settings service,
                const Prepared& prepared);
  ~ControlServer();
  ControlServer(const ControlServer&) = delete;
  ControlServer& operator=(const ControlServer&) = delete;

  bool listen(std::string& error);
  // What happened, as one line of JSON.
  std::string summary() const;

 private:
  struct Exchange;  // a request, until it is answered
  using ExchangePtr = std::shared_ptr<Exchange>;

  static void on_request(SoupServer* server, SoupServerMessage* message, const char* path,
                         GHashTable* query, gpointer self);
  void handle(const ExchangePtr& exchange);
  void handle_egress(const ExchangePtr& exchange, const livekit::VideoGrants& grants);
  void handle_rooms(const ExchangePtr& exchange, const livekit::VideoGrants& grants);
  void handle_simulate(const ExchangePtr& exchange);
  void pass_on(const ExchangePtr& exchange);
  void ask_people(const std::string& room, std::function<void(EgressService::People)> tell);
  void log_data(const std::string& body);
  void add_fault(ControlFault fault);
  static void respond(const ExchangePtr& exchange, unsigned status, const std::string& body,
                      const char* type = "application/json");
  static void refuse(const ExchangePtr& exchange, const TwirpError& error);

  const ControlOptions options_;
  const livekit::ApiCredentials credentials_;
  livekit::GObjectPtr<SoupServer> server_;
  livekit::GObjectPtr<SoupSession> session_;
  livekit::GObjectPtr<GCancellable> cancellable_;
  WebhookSender webhooks_;
  EgressService service_;
  std::map<std::string, uint64_t> calls_;  // by method
  std::FILE* data_log_ = nullptr;
  LoopTimers timers_;
};

// Serves until the process is asked to end; `summary` is what happened, as JSON. False with
// `error`.
bool run_control(const Options& options, const Prepared& prepared, std::string& summary,
                 std::string& error);

}  // namespace egresssim
