// SPDX-License-Identifier: LGPL-2.1-or-later
// A LiveKit API over HTTP that answers what a test wants, on a thread of its own.
#pragma once

#include <libsoup/soup.h>

#include <functional>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace livekit {

class FakeApi {
 public:
  struct Request {
    std::string method;  // "livekit.Egress/StopEgress"
    std::string body;
    std::string authorization;
    std::string content_type;
    gint64 at_us = 0;
    guint caller_port = 0;  // one connection, one port
  };
  using Answer = std::pair<unsigned, std::string>;  // status and body

  FakeApi() : context_(g_main_context_new()), loop_(g_main_loop_new(context_, FALSE)) {
    g_main_context_push_thread_default(context_);
    server_ = soup_server_new(nullptr, nullptr);
    soup_server_add_handler(server_, nullptr, on_request, this, nullptr);
    soup_server_listen_local(server_, 0, SOUP_SERVER_LISTEN_IPV4_ONLY, nullptr);
    GSList* uris = soup_server_get_uris(server_);
    port_ = g_uri_get_port(static_cast<GUri*>(uris->data));
    g_slist_free_full(uris, reinterpret_cast<GDestroyNotify>(g_uri_unref));
    g_main_context_pop_thread_default(context_);
    thread_ = std::thread([this] {
      g_main_context_push_thread_default(context_);
      g_main_loop_run(loop_);
      for (SoupServerMessage* message : hung_) {
        soup_server_message_unpause(message);
        g_object_unref(message);
      }
      soup_server_disconnect(server_);
      g_object_unref(server_);
      while (g_main_context_iteration(context_, FALSE)) {
      }
      g_main_context_pop_thread_default(context_);
    });
  }
  ~FakeApi() {
    GSource* quit = g_idle_source_new();
    g_source_set_callback(
        quit,
        [](gpointer loop) -> gboolean {
          g_main_loop_quit(static_cast<GMainLoop*>(loop));
          return G_SOURCE_REMOVE;
        },
        loop_, nullptr);
    g_source_attach(quit, context_);
    g_source_unref(quit);
    thread_.join();
    g_main_loop_unref(loop_);
    g_main_context_unref(context_);
  }
  FakeApi(const FakeApi&) = delete;
  FakeApi& operator=(const FakeApi&) = delete;

  std::string url() const { return "http://127.0.0.1:" + std::to_string(port_); }

  void answer(const std::string& method, unsigned status, const std::string& body) {
    answer_with(method, [status, body](const std::string&) { return Answer(status, body); });
  }
  // `make` gets the request's body, on the server's thread.
  void answer_with(const std::string& method, std::function<Answer(const std::string&)> make) {
    const std::lock_guard lock(mutex_);
    answers_[method] = std::move(make);
    hanging_.erase(method);
  }
  void hang(const std::string& method) {
    const std::lock_guard lock(mutex_);
    hanging_.insert(method);
  }
  void redirect_to(const std::string& location) {
    const std::lock_guard lock(mutex_);
    location_ = location;
  }
  std::vector<Request> requests() {
    const std::lock_guard lock(mutex_);
    return requests_;
  }
  std::vector<Request> requests(const std::string& method) {
    std::vector<Request> found;
    for (Request& request : requests()) {
      if (request.method == method) found.push_back(std::move(request));
    }
    return found;
  }

 private:
  static std::string header(SoupServerMessage* message, const char* name) {
    const char* value =
        soup_message_headers_get_one(soup_server_message_get_request_headers(message), name);
    return value ? value : "";
  }
  static void on_request(SoupServer*, SoupServerMessage* message, const char* path, GHashTable*,
                         gpointer data) {
    auto* const self = static_cast<FakeApi*>(data);
    SoupMessageBody* body = soup_server_message_get_request_body(message);
    Request request;
    request.at_us = g_get_monotonic_time();
    GSocketAddress* caller = soup_server_message_get_remote_address(message);
    request.caller_port = g_inet_socket_address_get_port(G_INET_SOCKET_ADDRESS(caller));
    request.method = std::string(path).substr(std::string(path).starts_with("/twirp/") ? 7 : 0);
    if (body->data) request.body.assign(body->data, static_cast<size_t>(body->length));
    request.authorization = header(message, "Authorization");
    request.content_type = header(message, "Content-Type");
    std::function<Answer(const std::string&)> make;
    {
      const std::lock_guard lock(self->mutex_);
      self->requests_.push_back(request);
      if (!self->location_.empty()) {
        soup_server_message_set_redirect(message, 307, self->location_.c_str());
        return;
      }
      if (self->hanging_.contains(request.method)) {
        soup_server_message_pause(message);
        self->hung_.push_back(SOUP_SERVER_MESSAGE(g_object_ref(message)));
        return;
      }
      const auto found = self->answers_.find(request.method);
      if (found != self->answers_.end()) make = found->second;
    }
    const auto [status, text] =
        make ? make(request.body) : Answer(404, R"({"code":"bad_route","msg":"no handler"})");
    soup_server_message_set_status(message, status, nullptr);
    soup_server_message_set_response(message, "application/json", SOUP_MEMORY_COPY, text.data(),
                                     text.size());
  }

  GMainContext* const context_;
  GMainLoop* const loop_;
  SoupServer* server_ = nullptr;
  int port_ = 0;
  std::thread thread_;
  std::vector<SoupServerMessage*> hung_;  // server's thread
  std::mutex mutex_;                      // guards what follows
  std::map<std::string, std::function<Answer(const std::string&)>> answers_;
  std::set<std::string> hanging_;
  std::string location_;
  std::vector<Request> requests_;
};

}  // namespace livekit
