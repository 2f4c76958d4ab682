// SPDX-License-Identifier: LGPL-2.1-or-later
// The client of LiveKit's API against what is no such server: bytes as they come over the wire.
#include <arpa/inet.h>
#include <gio/gio.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <filesystem>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "twirp.h"
#include "twirpcall.h"

// LeakSanitizer itself crashes (signal 11 in its tracer) once a TLS client of GIO has run in this
// program, so it is not searched for leaks; twirp_test says why its like is not either.
extern "C" int __lsan_is_turned_off();
extern "C" int __lsan_is_turned_off() {
  return 1;
}

namespace livekit {
namespace {

const std::string kSecret = "s3cret-of-the-api";

// Accepts connections one after another and lets `serve` do as it likes with each.
class WireServer {
 public:
  explicit WireServer(std::function<void(WireServer&, int)> serve) : serve_(std::move(serve)) {
    socket_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in here{};
    here.sin_family = AF_INET;
    here.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof here;
    if (::bind(socket_, reinterpret_cast<sockaddr*>(&here), size) != 0) return;
    ::listen(socket_, 4);
    ::getsockname(socket_, reinterpret_cast<sockaddr*>(&here), &size);
    port_ = ntohs(here.sin_port);
    thread_ = std::thread([this] { run(); });
  }
  ~WireServer() {
    stopping_ = true;
    thread_.join();
    ::close(socket_);
  }
  WireServer(const WireServer&) = delete;
  WireServer& operator=(const WireServer&) = delete;

  std::string url(const std::string& scheme = "http") const {
    return scheme + "://127.0.0.1:" + std::to_string(port_);
  }
  // False when the other side has gone, or the test has.
  bool write(int connection, const std::string& bytes) {
    size_t done = 0;
    while (done < bytes.size() && !stopping_) {
      pollfd ready{connection, POLLOUT, 0};
      if (::poll(&ready, 1, 10) == 0) continue;
      const ssize_t count =
          ::send(connection, bytes.data() + done, bytes.size() - done, MSG_NOSIGNAL);
      if (count <= 0) return false;
      done += size_t(count);
    }
    written += done;
    return !stopping_;
  }
  void forever(int connection, const std::string& bytes, int pause_ms) {
    while (write(connection, bytes))
      std::this_thread::sleep_for(std::chrono::milliseconds(pause_ms));
  }
  std::atomic<size_t> written = 0;

 private:
  void run() {
    while (!stopping_) {
      pollfd ready{socket_, POLLIN, 0};
      if (::poll(&ready, 1, 10) <= 0) continue;
      const int connection = ::accept(socket_, nullptr, nullptr);
      if (connection < 0) continue;
      char request[8192];
      (void)!::recv(connection, request, sizeof request, 0);
      serve_(*this, connection);
      ::close(connection);
    }
  }

  const std::function<void(WireServer&, int)> serve_;
  int socket_ = -1;
  int port_ = 0;
  std::atomic<bool> stopping_ = false;
  std::thread thread_;
};

TwirpAnswer call(const std::string& url, uint32_t timeout_ms) {
  const TwirpAnswer got = call_once(url, kSecret, "{}", timeout_ms, std::chrono::seconds(30));
  EXPECT_FALSE(got.ok);
  EXPECT_EQ(got.failure.text.find(kSecret), std::string::npos);
  EXPECT_EQ(got.failure.text.find("eyJ"), std::string::npos);
  return got;
}

// What the server sends first, and then `rest` for ever.
TwirpAnswer call_server(const std::string& first, const std::string& rest, int pause_ms,
                        uint32_t timeout_ms, size_t* written = nullptr) {
  WireServer server([&](WireServer& self, int connection) {
    if (!self.write(connection, first) || rest.empty()) return;
    self.forever(connection, rest, pause_ms);
  });
  const TwirpAnswer answer = call(server.url(), timeout_ms);
  if (written) *written = server.written;
  return answer;
}

const std::string kChunked =
    "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n";

TEST(TwirpWire, AnAnswerThatTricklesForEver) {
  const auto began = std::chrono::steady_clock::now();
  const TwirpAnswer answer = call_server(kChunked + "1\r\n{\r\n", "1\r\n \r\n", 5, 300);
  EXPECT_EQ(answer.failure.text, "no answer within 300 ms");
  EXPECT_EQ(answer.failure.kind, CallFailure::Kind::kUnreachable);
  EXPECT_LT(std::chrono::steady_clock::now() - began, std::chrono::seconds(5));
}

TEST(TwirpWire, JsonWithoutEnd) {
  const std::string piece(0xfff0, '[');
  size_t written = 0;
  const TwirpAnswer answer = call_server(kChunked, "fff0\r\n" + piece + "\r\n", 0, 20000, &written);
  EXPECT_EQ(answer.failure.text, "the answer is longer than any answer can be");
  EXPECT_LT(written, kMaxAnswerBytes + (16u << 20)) << "and no more is read";
}

TEST(TwirpWire, HeadersWithoutEnd) {
  size_t written = 0;
  const TwirpAnswer answer = call_server(
      "HTTP/1.1 200 OK\r\n", "X-More: " + std::string(60, 'x') + "\r\n", 0, 500, &written);
  EXPECT_EQ(answer.failure.kind, CallFailure::Kind::kUnreachable);
  EXPECT_LT(written, kMaxAnswerBytes);
}

TEST(TwirpWire, OneHeaderWithoutEnd) {
  size_t written = 0;
  call_server("HTTP/1.1 200 OK\r\nX-More: ", std::string(4096, 'x'), 0, 500, &written);
  EXPECT_LT(written, kMaxAnswerBytes);
}

TEST(TwirpWire, WhatIsNotHttp) {
  for (const std::string words :
       {"SSH-2.0-OpenSSH_9.2\r\n", "220 mail ESMTP\r\n", "\x15\x03\x01\x00\x02",
        "HTTP/9.9 abc\r\n\r\n", "HTTP/1.1 \r\n\r\n", "\n\n\n", ""}) {
    const TwirpAnswer answer = call_server(words, "", 0, 5000);
    EXPECT_FALSE(answer.failure.text.empty()) << words;
  }
}

TEST(TwirpWire, AnAnswerThatIsCutShort) {
  const TwirpAnswer answer =
      call_server("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{\"items\":[]}", "", 0, 5000);
  EXPECT_FALSE(answer.ok) << "though what came is JSON";
}

TEST(TwirpWire, ABombThatUnpacksToMuch) {
  // 64 MB of spaces in 64 kB.
  GConverter* packer = G_CONVERTER(g_zlib_compressor_new(G_ZLIB_COMPRESSOR_FORMAT_GZIP, 9));
  GOutputStream* memory = g_memory_output_stream_new_resizable();
  GOutputStream* packing = g_converter_output_stream_new(memory, packer);
  const std::string block(1 << 20, ' ');
  for (int i = 0; i < 64; ++i) {
    ASSERT_TRUE(
        g_output_stream_write_all(packing, block.data(), block.size(), nullptr, nullptr, nullptr));
  }
  g_output_stream_close(packing, nullptr, nullptr);
  const std::string packed(
      static_cast<const char*>(g_memory_output_stream_get_data(G_MEMORY_OUTPUT_STREAM(memory))),
      g_memory_output_stream_get_data_size(G_MEMORY_OUTPUT_STREAM(memory)));
  g_object_unref(packing);
  g_object_unref(memory);
  g_object_unref(packer);
  const TwirpAnswer answer =
      call_server("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: " +
                      std::to_string(packed.size()) + "\r\n\r\n" + packed,
                  "", 0, 20000);
  EXPECT_NE(answer.failure.text, "") << "not JSON, or too long";
}

TEST(TwirpWire, NoTlsWhereTlsIsAskedFor) {
  WireServer server([](WireServer& self, int connection) {
    self.write(connection, "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n");
  });
  const TwirpAnswer answer = call(server.url("https"), 5000);
  EXPECT_TRUE(answer.hopeless) << answer.failure.text;
  EXPECT_NE(answer.failure.text.find("TLS"), std::string::npos) << answer.failure.text;
}

TEST(TwirpWire, ATlsHandshakeThatHangs) {
  WireServer server([](WireServer& self, int connection) { self.forever(connection, "", 5); });
  EXPECT_EQ(call(server.url("https"), 300).failure.text, "no answer within 300 ms");
}

// For 127.0.0.1, with its key; false where the openssl program is not installed.
class TestCertificate {
 public:
  TestCertificate() {
    if (!::mkdtemp(folder_.data())) return;
    const std::string both = folder_ + "/both.pem";
    const std::string command =
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj "
        "/CN=127.0.0.1 -addext subjectAltName=IP:127.0.0.1 -keyout " +
        folder_ + "/key.pem -out " + file() + " 2>/dev/null && cat " + file() + " " + folder_ +
        "/key.pem > " + both;
    if (::system(command.c_str()) != 0) return;
    certificate_.reset(g_tls_certificate_new_from_file(both.c_str(), nullptr));
  }
  ~TestCertificate() { std::filesystem::remove_all(folder_); }
  TestCertificate(const TestCertificate&) = delete;
  TestCertificate& operator=(const TestCertificate&) = delete;

  explicit operator bool() const { return certificate_ != nullptr; }
  GTlsCertificate* get() const { return certificate_.get(); }
  std::string file() const { return folder_ + "/cert.pem"; }

 private:
  std::string folder_ = (std::filesystem::temp_directory_path() / "twirp-tls-XXXXXX").string();
  GObjectPtr<GTlsCertificate> certificate_;
};

// All TLS of the process trusts this one alone.
class TrustedHere {
 public:
  explicit TrustedHere(const TestCertificate& certificate) {
    const GObjectPtr<GTlsDatabase> database(
        g_tls_file_database_new(certificate.file().c_str(), nullptr));
    g_tls_backend_set_default_database(g_tls_backend_get_default(), database.get());
  }
  ~TrustedHere() { g_tls_backend_set_default_database(g_tls_backend_get_default(), nullptr); }
  TrustedHere(const TrustedHere&) = delete;
  TrustedHere& operator=(const TrustedHere&) = delete;
};

// Takes one TLS connection, notes how much it reads from it, and lets `answer` end it.
class TlsServer {
 public:
  using Answer = std::function<void(GIOStream* tls, GSocketConnection* plain)>;

  explicit TlsServer(GTlsCertificate* certificate, Answer answer = {})
      : listener_(g_socket_listener_new()),
        port_(g_socket_listener_add_any_inet_port(listener_.get(), nullptr, nullptr)),
        thread_([this, certificate, answer = std::move(answer)] {
          // Its own accept: the client speaks first, and TLS wants those bytes.
          const GObjectPtr<GSocketConnection> plain(
              g_socket_listener_accept(listener_.get(), nullptr, nullptr, nullptr));
          if (!plain) return;
          const GObjectPtr<GIOStream> tls(
              g_tls_server_connection_new(G_IO_STREAM(plain.get()), certificate, nullptr));
          if (!tls) return;
          char request[4096];
          const gssize got = g_input_stream_read(g_io_stream_get_input_stream(tls.get()), request,
                                                 sizeof request, nullptr, nullptr);
          if (got > 0) heard += size_t(got);
          if (answer) answer(tls.get(), plain.get());
        }) {}
  ~TlsServer() { thread_.join(); }
  std::string url() const { return "https://127.0.0.1:" + std::to_string(port_); }
  std::atomic<size_t> heard = 0;

 private:
  const GObjectPtr<GSocketListener> listener_;
  const guint16 port_;
  std::thread thread_;
};

TEST(TwirpWire, ACertificateThatNobodyTrusts) {
  const TestCertificate certificate;
  if (!certificate) GTEST_SKIP() << "the openssl program is not installed";
  TlsServer server(certificate.get());
  const TwirpAnswer answer = call(server.url(), 5000);
  EXPECT_TRUE(answer.hopeless) << answer.failure.text;
  EXPECT_NE(answer.failure.text.find("certificate"), std::string::npos) << answer.failure.text;
  EXPECT_EQ(server.heard, 0u) << "no token for a stranger";
}

// A server that restarts ends what it has begun in one of these ways.
TEST(TwirpWire, ATlsServerThatRestartsWillBeBack) {
  const TestCertificate certificate;
  if (!certificate) GTEST_SKIP() << "the openssl program is not installed";
  const TrustedHere trusted(certificate);
  const auto shut = [](GIOStream*, GSocketConnection* plain) {
    g_socket_shutdown(g_socket_connection_get_socket(plain), TRUE, TRUE, nullptr);
  };
  const auto half = [shut](GIOStream* tls, GSocketConnection* plain) {
    const std::string words = "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{\"a\":";
    g_output_stream_write_all(g_io_stream_get_output_stream(tls), words.data(), words.size(),
                              nullptr, nullptr, nullptr);
    shut(tls, plain);
  };
  // A proxy whose other side has gone.
  const auto in_clear = [](GIOStream*, GSocketConnection* plain) {
    const std::string words = "HTTP/1.1 502 Bad Gateway\r\n\r\n";
    g_output_stream_write_all(g_io_stream_get_output_stream(G_IO_STREAM(plain)), words.data(),
                              words.size(), nullptr, nullptr, nullptr);
  };
  for (const TlsServer::Answer& answer_with :
       std::vector<TlsServer::Answer>{shut, half, in_clear}) {
    TlsServer server(certificate.get(), answer_with);
    const TwirpAnswer answer = call(server.url(), 5000);
    EXPECT_GT(server.heard, 0u) << answer.failure.text;
    EXPECT_EQ(answer.failure.kind, CallFailure::Kind::kUnreachable);
    EXPECT_FALSE(answer.hopeless) << answer.failure.text;
  }
}

TEST(TwirpWire, ATlsServerThatRestartsDuringTheHandshakeWillBeBack) {
  for (const bool reset : {false, true}) {
    WireServer server([reset](WireServer&, int connection) {
      const linger at_once{1, 0};
      if (reset) ::setsockopt(connection, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    });
    const TwirpAnswer answer = call(server.url("https"), 5000);
    EXPECT_EQ(answer.failure.kind, CallFailure::Kind::kUnreachable);
    EXPECT_FALSE(answer.hopeless) << reset << " " << answer.failure.text;
  }
}

}  // namespace
}  // namespace livekit
