// SPDX-License-Identifier: LGPL-2.1-or-later
#include "twirp.h"

#include <algorithm>
#include <utility>

#include "jsonreader.h"
#include "livekitapi.h"

namespace livekit {

namespace {

constexpr gsize kReadBytes = 64 << 10;
constexpr int64_t kTokenLifetimeS = 600;
constexpr unsigned kTooManyRequests = 429;

TwirpAnswer failed(CallFailure::Kind kind, std::string text, bool hopeless = false) {
  TwirpAnswer answer;
  answer.failure = {kind, std::move(text)};
  answer.hopeless = hopeless;
  return answer;
}

CallFailure::Kind kind_of(unsigned http_status) {
  switch (http_status) {
    case 401:
    case 403:
      return CallFailure::Kind::kDenied;
    case 404:
      return CallFailure::Kind::kNotFound;
    case 412:
      return CallFailure::Kind::kOver;
    case 408:
      return CallFailure::Kind::kTimedOut;
    case 502:
    case 504:
      return CallFailure::Kind::kUnreachable;  // a proxy gave up: it may have been done
    case kTooManyRequests:
    case 500:
    case 503:
      return CallFailure::Kind::kUnavailable;
    default:
      return CallFailure::Kind::kRefused;
  }
}

// A server or proxy that restarts ends TLS without notice, or a handshake half way (which GIO calls
// NOT_TLS): it will be back.
bool is_hopeless(const GError* error, bool connected) {
  if (g_error_matches(error, G_RESOLVER_ERROR, G_RESOLVER_ERROR_NOT_FOUND)) return true;
  if (error->domain != G_TLS_ERROR) return false;
  switch (error->code) {
    case G_TLS_ERROR_UNAVAILABLE:
    case G_TLS_ERROR_BAD_CERTIFICATE:
    case G_TLS_ERROR_HANDSHAKE:
    case G_TLS_ERROR_CERTIFICATE_REQUIRED:
      return true;
    case G_TLS_ERROR_MISC:
      return !connected;  // it answered the handshake with something else
    default:
      return false;
  }
}

constexpr const char* kConnected = "livekit-connected";

// libsoup is about to send the request: a connection, new or old, is there.
void on_starting(SoupMessage* message, gpointer) {
  g_object_set_data(G_OBJECT(message), kConnected, message);
}

}  // namespace

std::optional<std::string> api_base_url(std::string_view livekit_url, std::string& error) {
  const std::string given(livekit_url);
  const std::unique_ptr<GUri, decltype(&g_uri_unref)> uri(
      g_uri_parse(given.c_str(), G_URI_FLAGS_NON_DNS, nullptr), g_uri_unref);
  const std::string scheme = uri ? g_uri_get_scheme(uri.get()) : "";
  const char* host = uri ? g_uri_get_host(uri.get()) : nullptr;
  const bool plain = scheme == "ws" || scheme == "http";
  const bool tls = scheme == "wss" || scheme == "https";
  const bool blank = given.find_first_of(" \t\r\n") != given.npos;
  if ((!plain && !tls) || !host || !*host || blank) {
    error = "livekit-url is not an address of a LiveKit server: give it as wss://HOST, " +
            std::string("as in LIVEKIT_URL.");
    return std::nullopt;
  }
  if (g_uri_get_userinfo(uri.get()) || g_uri_get_query(uri.get()) ||
      g_uri_get_fragment(uri.get())) {
    error = "livekit-url must not have a user, a query or a fragment: give it as wss://HOST.";
    return std::nullopt;
  }
  const std::unique_ptr<char, decltype(&g_free)> joined(
      g_uri_join(G_URI_FLAGS_NON_DNS, tls ? "https" : "http", nullptr, host,
                 g_uri_get_port(uri.get()), g_uri_get_path(uri.get()), nullptr, nullptr),
      g_free);
  std::string base = joined.get();
  while (base.ends_with('/')) base.pop_back();
  return base;
}

std::string without_secrets(std::string text, const std::string& secret) {
  const auto blank_from = [&text](size_t at) {
    size_t end = at;
    while (end < text.size() && (g_ascii_isalnum(text[end]) || text[end] == '.' ||
                                 text[end] == '-' || text[end] == '_' || text[end] == '%')) {
      ++end;
    }
    text.replace(at, end - at, "...");
  };
  constexpr std::string_view kToken = "token=";
  for (size_t at = text.find(kToken); at != text.npos; at = text.find(kToken, at)) {
    at += kToken.size();
    blank_from(at);
  }
  // The beginning of every JSON Web Token: base64 of {" .
  constexpr std::string_view kJwt = "eyJ";
  for (size_t at = text.find(kJwt); at != text.npos; at = text.find(kJwt, at)) blank_from(at);
  if (secret.empty()) return text;
  for (size_t at = text.find(secret); at != text.npos; at = text.find(secret, at + 3)) {
    text.replace(at, secret.size(), "...");
  }
  return text;
}

TwirpAnswer judge_answer(unsigned http_status, std::string_view phrase, std::string_view location,
                         std::string body, const std::string& secret) {
  // Blanked before it is cut: half a token would not be known as one.
  const auto readable = [&secret](std::string_view words) {
    return printable_name(without_secrets(std::string(words), secret));
  };
  const JsonText json(body);
  if (http_status == 200) {
    if (!json.object()) {
      return failed(CallFailure::Kind::kRefused,
                    "the answer is not JSON: livekit-url is not the address of a LiveKit server",
                    true);
    }
    TwirpAnswer answer;
    answer.ok = true;
    answer.body = std::move(body);
    return answer;
  }
  const std::string status = "HTTP " + std::to_string(http_status);
  if (http_status >= 300 && http_status < 400) {
    return failed(CallFailure::Kind::kRefused,
                  status + ": it wants to redirect to " + readable(location) +
                      "; give the final address as livekit-url",
                  true);
  }
  const std::string code = json_text(json.object(), "code");
  std::string words = readable(json_text(json.object(), "msg"));
  // Some refusals are plain text; pages of a proxy are no words of the server.
  if (words.empty() && !json.object() && !body.starts_with("<")) words = readable(body);
  while (words.ends_with(' ')) words.pop_back();
  if (words.empty()) words = readable(phrase);
  std::string text = words + " (" + status + (code.empty() ? "" : ", " + readable(code)) + ")";
  // Twirp says not_found where there is something to find; anything else has no such API.
  const bool no_api = http_status == 404 && code != "not_found";
  // A server without Redis has no egress, today and tomorrow.
  const bool no_egress = words.find("egress not connected") != words.npos;
  const CallFailure::Kind kind = no_api ? CallFailure::Kind::kRefused : kind_of(http_status);
  return failed(kind, std::move(text), no_api || no_egress || kind == CallFailure::Kind::kDenied);
}

struct TwirpClient::Call {
  TwirpClient* client = nullptr;  // nullptr: it has gone
  std::list<Call*>::iterator position;
  GObjectPtr<SoupMessage> message;
  GObjectPtr<GInputStream> stream;
  GObjectPtr<GCancellable> cancellable;
  GSourcePtr timeout;
  bool timed_out = false;
  uint32_t timeout_ms = 0;
  std::string body;
  Callback callback;
};

TwirpClient::TwirpClient(std::shared_ptr<ControlThread> thread, std::string base_url,
                         ApiCredentials credentials)
    : thread_(std::move(thread)),
      base_url_(std::move(base_url)),
      credentials_(std::move(credentials)) {}

TwirpClient::~TwirpClient() {
  for (Call* call : std::exchange(calls_, {})) {
    call->client = nullptr;
    call->timeout.reset();
    g_cancellable_cancel(call->cancellable.get());
  }
}

void TwirpClient::call(const std::string& method, const std::string& body,
                       const VideoGrants& grants, uint32_t timeout_ms, Callback callback) {
  auto call = std::make_unique<Call>();
  const std::string url = base_url_ + "/twirp/" + method;
  call->client = this;
  call->callback = std::move(callback);
  call->timeout_ms = timeout_ms;
  call->cancellable.reset(g_cancellable_new());
  call->message.reset(soup_message_new(SOUP_METHOD_POST, url.c_str()));
  SoupMessage* const message = call->message.get();
  soup_message_add_flags(message, SOUP_MESSAGE_NO_REDIRECT);
  g_signal_connect(message, "starting", G_CALLBACK(on_starting), nullptr);
  // libsoup gives a POST a connection of its own, unless it may be sent again where an idle
  // connection turns out to be dead. What starts something may not.
  const bool starts = method.find("/Start") != method.npos;
  if (!starts) soup_message_add_flags(message, SOUP_MESSAGE_IDEMPOTENT);
  SoupMessageHeaders* headers = soup_message_get_request_headers(message);
  const int64_t now_s = g_get_real_time() / G_USEC_PER_SEC;
  const std::string authorization =
      "Bearer " + make_api_token(credentials_, grants, now_s, kTokenLifetimeS);
  soup_message_headers_replace(headers, "Authorization", authorization.c_str());
  const std::unique_ptr<GBytes, decltype(&g_bytes_unref)> bytes(
      g_bytes_new(body.data(), body.size()), g_bytes_unref);
  soup_message_set_request_body_from_bytes(message, "application/json", bytes.get());
  call->timeout.reset(g_timeout_source_new(timeout_ms));
  g_source_set_callback(call->timeout.get(), on_timeout, call.get(), nullptr);
  g_source_attach(call->timeout.get(), thread_->context());
  call->position = calls_.insert(calls_.end(), call.get());
  GCancellable* const cancellable = call->cancellable.get();
  SoupSession* const session = starts ? thread_->start_session() : thread_->session();
  soup_session_send_async(session, message, G_PRIORITY_DEFAULT, cancellable, on_sent,
                          call.release());
}

gboolean TwirpClient::on_timeout(gpointer data) {
  auto* const call = static_cast<Call*>(data);
  call->timed_out = true;
  g_cancellable_cancel(call->cancellable.get());
  return G_SOURCE_REMOVE;
}

void TwirpClient::finish(std::unique_ptr<Call> call, TwirpAnswer answer) {
  TwirpClient* const client = call->client;
  if (!client) return;
  client->calls_.erase(call->position);
  answer.failure.text =
      without_secrets(std::move(answer.failure.text), client->credentials_.secret);
  const Callback callback = std::move(call->callback);
  call.reset();
  callback(std::move(answer));
}

void TwirpClient::fail(std::unique_ptr<Call> call, const GError* error) {
  const bool timed_out = call->timed_out;
  const uint32_t timeout_ms = call->timeout_ms;
  const bool connected = g_object_get_data(G_OBJECT(call->message.get()), kConnected) != nullptr;
  finish(std::move(call), timed_out
                              ? failed(CallFailure::Kind::kUnreachable,
                                       "no answer within " + std::to_string(timeout_ms) + " ms")
                              : failed(CallFailure::Kind::kUnreachable,
                                       error ? error->message : "the connection ended",
                                       error && is_hopeless(error, connected)));
}

void TwirpClient::on_sent(GObject* session, GAsyncResult* result, gpointer data) {
  std::unique_ptr<Call> call(static_cast<Call*>(data));
  GError* error = nullptr;
  call->stream.reset(soup_session_send_finish(SOUP_SESSION(session), result, &error));
  if (!call->stream) {
    fail(std::move(call), error);
    g_clear_error(&error);
    return;
  }
  read_more(std::move(call));
}

void TwirpClient::read_more(std::unique_ptr<Call> call) {
  GInputStream* const stream = call->stream.get();
  GCancellable* const cancellable = call->cancellable.get();
  g_input_stream_read_bytes_async(stream, kReadBytes, G_PRIORITY_DEFAULT, cancellable, on_read,
                                  call.release());
}

void TwirpClient::on_read(GObject* stream, GAsyncResult* result, gpointer data) {
  std::unique_ptr<Call> call(static_cast<Call*>(data));
  GError* error = nullptr;
  const std::unique_ptr<GBytes, decltype(&g_bytes_unref)> bytes(
      g_input_stream_read_bytes_finish(G_INPUT_STREAM(stream), result, &error), g_bytes_unref);
  if (!bytes) {
    fail(std::move(call), error);
    g_clear_error(&error);
    return;
  }
  gsize size = 0;
  const auto* data_bytes = static_cast<const char*>(g_bytes_get_data(bytes.get(), &size));
  if (size > 0) {
    if (call->body.size() + size > kMaxAnswerBytes) {
      g_cancellable_cancel(call->cancellable.get());
      finish(std::move(call), failed(CallFailure::Kind::kUnreachable,
                                     "the answer is longer than any answer can be"));
      return;
    }
    call->body.append(data_bytes, size);
    read_more(std::move(call));
    return;
  }
  SoupMessage* const message = call->message.get();
  const char* phrase = soup_message_get_reason_phrase(message);
  const char* location =
      soup_message_headers_get_one(soup_message_get_response_headers(message), "Location");
  TwirpAnswer answer =
      judge_answer(soup_message_get_status(message), phrase ? phrase : "", location ? location : "",
                   std::move(call->body), call->client ? call->client->credentials_.secret : "");
  finish(std::move(call), std::move(answer));
}

}  // namespace livekit
