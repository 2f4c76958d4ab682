// SPDX-License-Identifier: LGPL-2.1-or-later
#include "controlserver.h"

#include <glib-unix.h>

#include <cerrno>
#include <chrono>
#include <cstring>

#include "livekit/jsonreader.h"
#include "livekit/livekitapi.h"
#include "livekit/twirp.h"

namespace egresssim {
namespace {

constexpr std::string_view kTwirp = "/twirp/livekit.";
constexpr const char* kJson = "application/json";
constexpr guint kUpstreamPatience_s = 10;

int64_t unix_s() {
  return std::chrono::duration_cast<std::chrono::seconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

TwirpError denied() {
  return {401, "unauthenticated", "permissions denied"};
}

// In the words of the JWT library that LiveKit uses.
std::string token_fault(const std::string& why) {
  if (why.find("signature") != why.npos) return "token signature is invalid: signature is invalid";
  if (why.find("expired") != why.npos) return "token has invalid claims: token is expired";
  if (why.find("not valid yet") != why.npos)
    return "token has invalid claims: token is not valid yet";
  return why;
}

}  // namespace

Authorization authorize(const std::string& header, const livekit::ApiCredentials& credentials,
                        int64_t now_s) {
  constexpr std::string_view kBearer = "Bearer ";
  constexpr int64_t kLeeway_s = 60;
  // Without a token every call is refused for want of a grant, later on.
  if (header.empty()) return {};
  if (!header.starts_with(kBearer))
    return {{401, "", "invalid authorization header. Must start with Bearer "}, {}};
  const std::string token = header.substr(kBearer.size());
  const auto issuer = livekit::jwt_issuer(token);
  if (!issuer) return {{401, "", "invalid authorization token"}, {}};
  if (*issuer != credentials.key) return {{401, "", "invalid API key: " + *issuer}, {}};
  std::string why;
  const auto claims = livekit::verify_jwt(token, credentials, now_s, kLeeway_s, why);
  if (!claims) return {{401, "", "invalid token: " + token + ", error: " + token_fault(why)}, {}};
  return {{}, claims->video};
}

std::string data_line(std::string_view body, double at_s) {
  const livekit::JsonText json(body);
  JsonObject* object = json.object();
  if (object == nullptr) return {};
  gsize length = 0;
  const std::string encoded = livekit::json_text(object, "data");
  g_autofree guchar* bytes = encoded.empty() ? nullptr : g_base64_decode(encoded.c_str(), &length);
  const std::string data(bytes != nullptr ? reinterpret_cast<const char*>(bytes) : "", length);
  std::string identities;
  for (const std::string& identity : livekit::json_texts(object, "destinationIdentities"))
    identities += (identities.empty() ? "" : ", ") + livekit::json_quote(identity);
  const bool readable = g_utf8_validate(data.data(), static_cast<gssize>(data.size()), nullptr);
  return "{\"at_s\": " + json_seconds(at_s) +
         ", \"room\": " + livekit::json_quote(livekit::json_text(object, "room")) +
         ", \"topic\": " + livekit::json_quote(livekit::json_text(object, "topic")) +
         ", \"kind\": " + livekit::json_quote(livekit::json_text(object, "kind")) +
         ", \"destination_identities\": [" + identities + "]" +
         (readable ? ", \"text\": " + livekit::json_quote(data)
                   : ", \"base64\": " + livekit::json_quote(encoded)) +
         "}";
}

struct ControlServer::Exchange {
  livekit::GObjectPtr<SoupServerMessage> message;
  std::string path;
  std::string body;
  std::string authorization;
  gulong finished_handler = 0;
  bool paused = false;
  bool gone = false;   // the caller has hung up, or was answered
  double delay_s = 0;  // of the answer
  LoopTimers* timers = nullptr;

  ~Exchange() {
    if (finished_handler != 0) g_signal_handler_disconnect(message.get(), finished_handler);
  }
};

namespace {

gboolean accept_any_certificate(SoupMessage*, GTlsCertificate*, GTlsCertificateFlags, gpointer) {
  return TRUE;
}

void on_queued(SoupSession*, SoupMessage* message, gpointer) {
  g_signal_connect(message, "accept-certificate", G_CALLBACK(accept_any_certificate), nullptr);
}

// For webhooks and for what goes on to a real server.
SoupSession* make_session(const TlsSettings& tls) {
  SoupSession* const session =
      soup_session_new_with_options("timeout", kUpstreamPatience_s, nullptr);
  if (tls.insecure) g_signal_connect(session, "request-queued", G_CALLBACK(on_queued), nullptr);
  if (!tls.ca_file.empty()) {
    g_autoptr(GTlsDatabase) database = g_tls_file_database_new(tls.ca_file.c_str(), nullptr);
    if (database != nullptr) g_object_set(session, "tls-database", database, nullptr);
  }
  return session;
}

}  // namespace

ControlServer::ControlServer(const ControlOptions& options, EgressService::Settings service,
                             const Prepared& prepared)
    : options_(options),
      credentials_{options.api_key, options.api_secret},
      server_(soup_server_new(nullptr, nullptr)),
      session_(make_session(service.tls)),
      cancellable_(g_cancellable_new()),
      webhooks_(session_.get(), credentials_, options.webhooks),
      service_(
          [&] {
            if (!options_.upstream.empty()) {
              service.ask_people = [this](const std::string& room, auto tell) {
                ask_people(room, std::move(tell));
              };
            }
            return std::move(service);
          }(),
          prepared, &webhooks_) {
  soup_server_add_handler(server_.get(), nullptr, on_request, this, nullptr);
  for (const ControlFault& fault : options_.faults) add_fault(fault);
}

ControlServer::~ControlServer() {
  g_cancellable_cancel(cancellable_.get());
  soup_server_disconnect(server_.get());
  soup_session_abort(session_.get());
  if (data_log_ != nullptr && data_log_ != stdout) std::fclose(data_log_);
}

bool ControlServer::listen(std::string& error) {
  if (data_log_ == nullptr) {
    const bool to_stdout = options_.data_log.empty() || options_.data_log == "-";
    data_log_ = to_stdout ? stdout : std::fopen(options_.data_log.c_str(), "w");
    if (data_log_ == nullptr) {
      error = "cannot write " + options_.data_log + ": " + std::strerror(errno);
      return false;
    }
  }
  g_autoptr(GSocketAddress) address =
      g_inet_socket_address_new_from_string(options_.address.c_str(), options_.port);
  if (address == nullptr) {
    error = "--control: " + options_.address + " is not an IP address";
    return false;
  }
  livekit::ErrorHolder failure;
  if (soup_server_listen(server_.get(), address, SoupServerListenOptions(0), failure.out()))
    return true;
  error = "cannot listen on " + options_.address + ":" + std::to_string(options_.port) + ": " +
          failure.message();
  return false;
}

// "down" counts from now: the scenario cannot start while nobody listens.
void ControlServer::add_fault(ControlFault fault) {
  if (fault.kind == ControlFault::Kind::kDown) {
    const double now_s = service_.now_s();
    timers_.after(fault.from_s - now_s, [this] { soup_server_disconnect(server_.get()); });
    if (fault.to_s < 1e9)
      timers_.after(fault.to_s - now_s, [this] {
        std::string error;
        if (!listen(error)) std::fprintf(stderr, "egress-sim: %s\n", error.c_str());
      });
  }
  service_.add_fault(std::move(fault));
}

void ControlServer::on_request(SoupServer*, SoupServerMessage* message, const char* path,
                               GHashTable*, gpointer data) {
  auto* const self = static_cast<ControlServer*>(data);
  auto exchange = std::make_shared<Exchange>();
  exchange->message = livekit::share(message);
  exchange->path = path;
  exchange->timers = &self->timers_;
  const char* authorization = soup_message_headers_get_one(
      soup_server_message_get_request_headers(message), "Authorization");
  exchange->authorization = authorization != nullptr ? authorization : "";
  const SoupMessageBody* body = soup_server_message_get_request_body(message);
  exchange->body.assign(body->data, static_cast<size_t>(body->length));
  exchange->finished_handler =
      g_signal_connect(message, "finished", G_CALLBACK(+[](SoupServerMessage*, gpointer one) {
                         static_cast<Exchange*>(one)->gone = true;
                       }),
                       exchange.get());
  exchange->paused = true;
  soup_server_message_pause(message);
  self->handle(exchange);
}

void ControlServer::respond(const ExchangePtr& exchange, unsigned status, const std::string& body,
                            const char* type) {
  if (exchange->delay_s > 0) {
    const double delay_s = std::exchange(exchange->delay_s, 0);
    exchange->timers->after(
        delay_s, [=, type = std::string(type)] { respond(exchange, status, body, type.c_str()); });
    return;
  }
  if (exchange->gone) return;
  soup_server_message_set_status(exchange->message.get(), status, nullptr);
  soup_server_message_set_response(exchange->message.get(), type, SOUP_MEMORY_COPY, body.data(),
                                   body.size());
  if (std::exchange(exchange->paused, false)) soup_server_message_unpause(exchange->message.get());
}

void ControlServer::refuse(const ExchangePtr& exchange, const TwirpError& error) {
  if (error.code.empty()) {
    respond(exchange, error.status, error.msg, "text/plain");
  } else {
    respond(exchange, error.status, error.json());
  }
}

void ControlServer::handle(const ExchangePtr& exchange) {
  if (exchange->path == "/simulate") {
    handle_simulate(exchange);
    return;
  }
  const bool twirp = exchange->path.starts_with(kTwirp);
  const bool post = g_strcmp0(soup_server_message_get_method(exchange->message.get()), "POST") == 0;
  if (!twirp || !post) {
    if (options_.upstream.empty()) {
      refuse(exchange, {404, "bad_route", "no handler for path " + exchange->path});
    } else {
      pass_on(exchange);
    }
    return;
  }
  service_.begin();
  ++calls_[exchange->path.substr(kTwirp.size())];
  const double now_s = service_.now_s();
  if (service_.faults().find(ControlFault::Kind::kHang, now_s)) {
    // Never answered; but not forgotten either, or its connection would end.
    timers_.after(3600, [exchange] {});
    return;
  }
  if (const auto* fault = service_.faults().find(ControlFault::Kind::kDelay, now_s))
    exchange->delay_s = fault->length_s;
  const bool egress = exchange->path.starts_with("/twirp/livekit.Egress/");
  if (!egress && !options_.upstream.empty()) {
    if (exchange->path.ends_with("/SendData")) log_data(exchange->body);
    pass_on(exchange);
    return;
  }
  const Authorization authorization = authorize(exchange->authorization, credentials_, unix_s());
  if (authorization.refusal.status != 0) {
    refuse(exchange, authorization.refusal);
  } else if (egress) {
    handle_egress(exchange, authorization.grants);
  } else {
    handle_rooms(exchange, authorization.grants);
  }
}

void ControlServer::handle_egress(const ExchangePtr& exchange, const livekit::VideoGrants& grants) {
  if (!grants.room_record) {
    refuse(exchange, denied());
    return;
  }
  const std::string method = exchange->path.substr(exchange->path.rfind('/') + 1);
  const EgressService::Answer answer = [exchange](const TwirpError* refusal,
                                                  const std::string& json) {
    if (refusal != nullptr) {
      refuse(exchange, *refusal);
    } else {
      respond(exchange, 200, json);
    }
  };
  if (method == "StartTrackEgress" || method == "StartEgress" ||
      method == "StartRoomCompositeEgress") {
    TwirpError error;
    const auto request = parse_start(method, exchange->body, error);
    if (request) {
      service_.start(*request, answer);
    } else {
      refuse(exchange, error);
    }
  } else if (method == "StopEgress") {
    service_.stop(requested_egress(exchange->body), answer);
  } else if (method == "ListEgress") {
    respond(exchange, 200, service_.list(exchange->body));
  } else if (method == "UpdateStream") {
    service_.update_stream(exchange->body, answer);
  } else {
    refuse(exchange, {404, "bad_route", "no handler for path " + exchange->path});
  }
}

void ControlServer::handle_rooms(const ExchangePtr& exchange, const livekit::VideoGrants& grants) {
  const livekit::JsonText json(exchange->body);
  if (json.object() == nullptr) {
    refuse(exchange, {400, "malformed", "the json request could not be decoded"});
    return;
  }
  const std::string room = livekit::json_text(json.object(), "room");
  const bool admin = grants.room_admin && grants.room == room;
  const double now_s = service_.now_s();
  const ControlRooms& rooms = service_.rooms();
  const std::string method = exchange->path.substr(kTwirp.size());
  if (method == "RoomService/ListParticipants") {
    if (admin) {
      respond(exchange, 200, rooms.list_participants(room, now_s, service_.guests()));
    } else {
      refuse(exchange, denied());
    }
  } else if (method == "RoomService/ListRooms") {
    if (grants.room_list) {
      respond(exchange, 200, rooms.list_rooms(livekit::json_texts(json.object(), "names"), now_s));
    } else {
      refuse(exchange, denied());
    }
  } else if (method == "RoomService/SendData") {
    if (!admin) {
      refuse(exchange, denied());
    } else if (rooms.open_room(room, now_s) == nullptr) {
      refuse(exchange, {404, "not_found", "requested room does not exist"});
    } else {
      log_data(exchange->body);
      respond(exchange, 200, "{}");
    }
  } else {
    refuse(exchange, {404, "bad_route", "no handler for path " + exchange->path});
  }
}

// For tests: GET tells what there is, POST adds faults, one a line, FROM counting from now.
void ControlServer::handle_simulate(const ExchangePtr& exchange) {
  if (g_strcmp0(soup_server_message_get_method(exchange->message.get()), "POST") == 0) {
    g_auto(GStrv) lines = g_strsplit(exchange->body.c_str(), "\n", -1);
    for (gchar** line = lines; *line != nullptr; ++line) {
      if (*g_strstrip(*line) == '\0') continue;
      std::string error;
      auto fault = parse_fault(*line, service_.now_s(), error);
      if (!fault) {
        respond(exchange, 400, error + "\n", "text/plain");
        return;
      }
      add_fault(std::move(*fault));
    }
  }
  respond(exchange, 200, summary());
}

void ControlServer::log_data(const std::string& body) {
  const std::string line = data_line(body, service_.now_s());
  if (line.empty()) return;
  std::fprintf(data_log_, "%s\n", line.c_str());
  std::fflush(data_log_);
}

namespace {

// A request to the real server, and what is to be done with its answer.
struct Upstream {
  livekit::GObjectPtr<SoupMessage> message;
  std::function<void(unsigned status, const std::string& body, const char* type)> tell;
};

void send_upstream(SoupSession* session, GCancellable* cancellable,
                   std::unique_ptr<Upstream> call) {
  SoupMessage* message = call->message.get();
  soup_session_send_and_read_async(
      session, message, G_PRIORITY_DEFAULT, cancellable,
      [](GObject* source, GAsyncResult* result, gpointer data) {
        const std::unique_ptr<Upstream> own(static_cast<Upstream*>(data));
        g_autoptr(GError) error = nullptr;
        g_autoptr(GBytes) bytes =
            soup_session_send_and_read_finish(SOUP_SESSION(source), result, &error);
        // This process ends: whoever would be told has gone.
        if (g_error_matches(error, G_IO_ERROR, G_IO_ERROR_CANCELLED)) return;
        if (bytes == nullptr) {
          const TwirpError refusal{
              502, "unavailable",
              std::string("no answer from the upstream server: ") + error->message};
          own->tell(refusal.status, refusal.json(), kJson);
          return;
        }
        gsize size = 0;
        const auto* text = static_cast<const char*>(g_bytes_get_data(bytes, &size));
        const char* type = soup_message_headers_get_one(
            soup_message_get_response_headers(own->message.get()), "Content-Type");
        own->tell(soup_message_get_status(own->message.get()),
                  std::string(text != nullptr ? text : "", size), type != nullptr ? type : kJson);
      },
      call.release());
}

}  // namespace

void ControlServer::pass_on(const ExchangePtr& exchange) {
  auto call = std::make_unique<Upstream>();
  const char* method = soup_server_message_get_method(exchange->message.get());
  call->message.reset(soup_message_new(method, (options_.upstream + exchange->path).c_str()));
  if (!call->message) {
    refuse(exchange, {400, "bad_route", "no such path"});
    return;
  }
  SoupMessageHeaders* headers = soup_message_get_request_headers(call->message.get());
  if (!exchange->authorization.empty())
    soup_message_headers_replace(headers, "Authorization", exchange->authorization.c_str());
  if (!exchange->body.empty()) {
    g_autoptr(GBytes) body = g_bytes_new(exchange->body.data(), exchange->body.size());
    const char* type = soup_message_headers_get_one(
        soup_server_message_get_request_headers(exchange->message.get()), "Content-Type");
    soup_message_set_request_body_from_bytes(call->message.get(), type != nullptr ? type : kJson,
                                             body);
  }
  call->tell = [exchange](unsigned status, const std::string& body, const char* type) {
    respond(exchange, status, body, type);
  };
  send_upstream(session_.get(), cancellable_.get(), std::move(call));
}

void ControlServer::ask_people(const std::string& room,
                               std::function<void(EgressService::People)> tell) {
  auto call = std::make_unique<Upstream>();
  call->message.reset(soup_message_new(
      "POST", (options_.upstream + "/twirp/livekit.RoomService/ListParticipants").c_str()));
  livekit::VideoGrants grants;
  grants.room_admin = true;
  grants.room = room;
  constexpr int64_t kLifetime_s = 60;
  const std::string token =
      "Bearer " + livekit::make_api_token(credentials_, grants, unix_s(), kLifetime_s);
  soup_message_headers_replace(soup_message_get_request_headers(call->message.get()),
                               "Authorization", token.c_str());
  const std::string body = livekit::list_participants_body(room);
  g_autoptr(GBytes) bytes = g_bytes_new(body.data(), body.size());
  soup_message_set_request_body_from_bytes(call->message.get(), kJson, bytes);
  call->tell = [tell = std::move(tell)](unsigned status, const std::string& answer, const char*) {
    tell(status == 200 ? livekit::parse_participants(answer) : std::nullopt);
  };
  send_upstream(session_.get(), cancellable_.get(), std::move(call));
}

std::string ControlServer::summary() const {
  std::string calls;
  for (const auto& [method, count] : calls_)
    calls +=
        (calls.empty() ? "" : ", ") + livekit::json_quote(method) + ": " + std::to_string(count);
  std::string sessions;
  for (const std::string& session : service_.sessions_json())
    sessions += (sessions.empty() ? "" : ", ") + session;
  return "{\"now_s\": " + json_seconds(service_.now_s()) +
         ", \"over\": " + (service_.over() ? "true" : "false") + ", \"calls\": {" + calls +
         "}, \"webhooks_taken\": " + std::to_string(webhooks_.sent()) +
         ", \"webhooks_lost\": " + std::to_string(webhooks_.refused()) + ", \"sessions\": [" +
         sessions + "]}\n";
}

bool run_control(const Options& options, const Prepared& prepared, std::string& summary,
                 std::string& error) {
  ControlOptions control = *options.control;
  if (!control.upstream.empty()) {
    const auto base = livekit::api_base_url(control.upstream, error);
    if (!base) {
      error = "--upstream " + control.upstream + " is not a LiveKit server's address";
      return false;
    }
    control.upstream = *base;
  }
  EgressService::Settings settings;
  settings.tls = {options.insecure, options.ca_file};
  settings.log = [&](const std::string& line) {
    if (options.verbose) std::fprintf(stderr, "egress-sim: %s\n", line.c_str());
  };
  GMainLoop* const loop = g_main_loop_new(nullptr, FALSE);
  const auto quit = [](gpointer data) -> gboolean {
    g_main_loop_quit(static_cast<GMainLoop*>(data));
    return G_SOURCE_CONTINUE;
  };
  const guint signals[] = {g_unix_signal_add(SIGINT, quit, loop),
                           g_unix_signal_add(SIGTERM, quit, loop)};
  bool listens = false;
  {
    ControlServer server(control, std::move(settings), prepared);
    listens = server.listen(error);
    if (listens) g_main_loop_run(loop);
    summary = server.summary();
  }
  for (const guint id : signals) g_source_remove(id);
  g_main_loop_unref(loop);
  return listens;
}

}  // namespace egresssim
