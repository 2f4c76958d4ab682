// SPDX-License-Identifier: LGPL-2.1-or-later
// libsoup's WebSocket client sends N messages of binary, one text, and closes.
//   ws-soup-client URL MESSAGES   (prints the sha256 of the binary payloads)
#include <libsoup/soup.h>

#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

namespace {

struct Session {
  GMainLoop* loop = nullptr;
  int messages = 0;
  int status = 1;
};

void on_connected(GObject* source, GAsyncResult* result, gpointer data) {
  auto* const session = static_cast<Session*>(data);
  GError* error = nullptr;
  SoupWebsocketConnection* const connection =
      soup_session_websocket_connect_finish(SOUP_SESSION(source), result, &error);
  if (!connection) {
    std::fprintf(stderr, "ws-soup-client: %s\n", error->message);
    g_clear_error(&error);
    g_main_loop_quit(session->loop);
    return;
  }
  g_signal_connect(connection, "closed",
                   G_CALLBACK(+[](SoupWebsocketConnection* closed, gpointer user) {
                     auto* const self = static_cast<Session*>(user);
                     const bool good = soup_websocket_connection_get_close_code(closed) ==
                                       SOUP_WEBSOCKET_CLOSE_NORMAL;
                     self->status = good ? 0 : 1;
                     g_main_loop_quit(self->loop);
                   }),
                   session);
  GChecksum* const sum = g_checksum_new(G_CHECKSUM_SHA256);
  std::vector<guchar> payload(1920);
  for (int i = 0; i < session->messages; ++i) {
    for (size_t k = 0; k < payload.size(); ++k) payload[k] = static_cast<guchar>(i * 31 + k);
    g_checksum_update(sum, payload.data(), static_cast<gssize>(payload.size()));
    soup_websocket_connection_send_binary(connection, payload.data(), payload.size());
  }
  soup_websocket_connection_send_text(connection, "{\"muted\":true}");
  soup_websocket_connection_close(connection, SOUP_WEBSOCKET_CLOSE_NORMAL, nullptr);
  std::printf("%s\n", g_checksum_get_string(sum));
  g_checksum_free(sum);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  Session session;
  session.loop = g_main_loop_new(nullptr, FALSE);
  session.messages = std::atoi(argv[2]);
  SoupSession* const soup = soup_session_new();
  SoupMessage* const message = soup_message_new("GET", argv[1]);
  soup_session_websocket_connect_async(soup, message, nullptr, nullptr, G_PRIORITY_DEFAULT, nullptr,
                                       on_connected, &session);
  g_main_loop_run(session.loop);
  g_object_unref(message);
  g_object_unref(soup);
  g_main_loop_unref(session.loop);
  return session.status;
}
