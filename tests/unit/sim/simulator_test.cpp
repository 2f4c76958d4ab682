// SPDX-License-Identifier: LGPL-2.1-or-later
// The simulator against a tiny server on loopback that keeps every byte it gets. These run in real
// time, so everything in them is short.
#include "simulator.h"

#include <arpa/inet.h>
#include <glib.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <thread>

using namespace egresssim;

namespace {

using Clock = std::chrono::steady_clock;

struct Frame {
  int opcode = 0;
  bool masked = false;
  std::string payload;
  size_t audio_before = 0;  // binary messages that came before it
  double at_s = 0;          // since the upgrade
};

// Serves one connection, then keeps what came.
class TestServer {
 public:
  // `answer` "" = a proper 101; `greeting` is sent right behind it, in the same write.
  explicit TestServer(std::string answer = "", std::string greeting = "")
      : answer_(std::move(answer)), greeting_(std::move(greeting)) {
    listener_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(bind(listener_, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    EXPECT_EQ(listen(listener_, 8), 0);
    socklen_t length = sizeof address;
    getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &length);
    port_ = ntohs(address.sin_port);
    thread_ = std::thread([this] { serve(); });
  }
  ~TestServer() { finish(); }

  int port() const { return port_; }
  void finish() {
    if (!thread_.joinable()) return;
    // Also when nobody ever connected.
    shutdown(listener_, SHUT_RDWR);
    thread_.join();
    close(listener_);
  }

  // Valid after finish().
  std::string request;
  std::vector<Frame> frames;
  int end_errno = 0;  // 0 = an orderly TCP end

  size_t count(int opcode) const {
    size_t n = 0;
    for (const Frame& frame : frames) n += frame.opcode == opcode;
    return n;
  }

 private:
  bool receive(int socket, void* data, size_t length) {
    auto* at = static_cast<uint8_t*>(data);
    while (length > 0) {
      const ssize_t n = recv(socket, at, length, 0);
      if (n <= 0) {
        end_errno = n < 0 ? errno : 0;
        return false;
      }
      at += n;
      length -= static_cast<size_t>(n);
    }
    return true;
  }

  void serve() {
    const int socket = accept(listener_, nullptr, nullptr);
    if (socket < 0) return;
    char c;
    while (request.find("\r\n\r\n") == std::string::npos && receive(socket, &c, 1)) request += c;
    std::string answer = answer_;
    if (answer.empty()) {
      const size_t at = request.find("Sec-WebSocket-Key: ") + 19;
      answer = "HTTP/1.1 101 Switching Protocols\r\nSec-WebSocket-Accept: " +
               accept_for_key(request.substr(at, 24)) + "\r\n\r\n";
    }
    answer += greeting_;
    EXPECT_EQ(send(socket, answer.data(), answer.size(), MSG_NOSIGNAL),
              static_cast<ssize_t>(answer.size()));
    const auto start = Clock::now();
    size_t audio = 0;
    uint8_t head[2];
    while (receive(socket, head, 2)) {
      Frame frame;
      frame.opcode = head[0] & 15;
      frame.masked = (head[1] & 0x80) != 0 && (head[0] & 0xf0) == 0x80;
      size_t length = head[1] & 0x7f;
      uint8_t wide[2];
      if (length == 126 && receive(socket, wide, 2)) length = wide[0] << 8 | wide[1];
      uint8_t mask[4];
      frame.payload.resize(length);
      if (!receive(socket, mask, 4) || !receive(socket, frame.payload.data(), length)) break;
      for (size_t i = 0; i < length; ++i) frame.payload[i] ^= static_cast<char>(mask[i % 4]);
      frame.audio_before = audio;
      frame.at_s = std::chrono::duration<double>(Clock::now() - start).count();
      if (frame.opcode == 2) ++audio;
      frames.push_back(std::move(frame));
    }
    close(socket);
  }

  const std::string answer_;
  const std::string greeting_;
  int listener_ = -1;
  int port_ = 0;
  std::thread thread_;
};

std::shared_ptr<const Audio> tone(double seconds) {
  auto audio = std::make_shared<Audio>();
  for (int i = 0; i < static_cast<int>(seconds * kRateHz); ++i)
    audio->samples.push_back((i / 50 % 2) != 0 ? 4000 : -4000);
  return audio;
}

// Plays one participant to `port` and returns the simulator for its counts.
std::unique_ptr<Simulator> play(int port, const Participant& who,
                                const std::string& path = "/r/a/t",
                                const std::atomic<int>* stop = nullptr) {
  auto simulator =
      std::make_unique<Simulator>(Simulator::Settings{.log = [](const std::string&) {}});
  Connection::Setup setup;
  setup.label = who.identity;
  setup.content_type = "audio/x-raw";
  std::string error;
  EXPECT_TRUE(parse_url("ws://127.0.0.1:" + std::to_string(port) + path, setup.url, error));
  TrackInput input;
  input.who = &who;
  input.latency = {50, 70};
  input.placements = {{tone(*who.leave_s), 0}};
  setup.playback = std::make_unique<TrackPlayback>(input, nullptr);
  simulator->add(std::move(setup));
  const std::atomic<int> never = 0;
  simulator->run(stop != nullptr ? stop : &never);
  return simulator;
}

Participant participant(double leave_s) {
  Participant who;
  who.identity = "alice";
  who.leave_s = leave_s;
  return who;
}

TEST(Simulator, PlaysASessionAsTheEgressDoes) {
  // A ping with another payload, and a text that must be ignored, behind the 101.
  TestServer server("", std::string("\x89\x03"
                                    "abc"
                                    "\x81\x02hi",
                                    9));
  const Participant who = participant(0.4);
  const auto simulator = play(server.port(), who, "/standup/alice/TR_1?name=Alice");
  server.finish();
  EXPECT_EQ(server.request.rfind("GET /standup/alice/TR_1?name=Alice HTTP/1.1\r\nHost: 127.0.0.1:" +
                                     std::to_string(server.port()) +
                                     "\r\nUser-Agent: Go-http-client/1.1\r\nConnection: Upgrade\r\n"
                                     "Content-Type: audio/x-raw\r\nSec-WebSocket-Key: ",
                                 0),
            0u)
      << server.request;
  ASSERT_GE(server.frames.size(), 4u);
  EXPECT_EQ(server.frames[0].opcode, 10);
  EXPECT_EQ(server.frames[0].payload, "pong");
  const size_t audio = server.count(2);
  // 0.07 s of pre-roll less the upgrade's own time, 0.4 s of speech, 0.2 s of zeros.
  EXPECT_GE(audio, 58u);
  EXPECT_LE(audio, 64u);
  for (size_t i = 1; i <= audio; ++i) {
    ASSERT_EQ(server.frames[i].opcode, 2);
    ASSERT_TRUE(server.frames[i].masked);
    if (i == audio) break;
    ASSERT_EQ(server.frames[i].payload.size(), 1920u);
  }
  const std::string& last = server.frames[audio].payload;
  EXPECT_LT(last.size(), 1920u);
  EXPECT_EQ(last.size() % 4, 0u);
  EXPECT_EQ(last.find_first_not_of('\0'), std::string::npos);
  EXPECT_NE(server.frames[10].payload.find_first_not_of('\0'), std::string::npos);
  // Real time: never ahead; how late is the machine's business.
  EXPECT_GE(server.frames[1].at_s, 0.045);
  EXPECT_GE(server.frames[audio].at_s, 0.05 + 0.01 * static_cast<double>(audio - 1) - 0.005);
  EXPECT_EQ(server.frames.back().opcode, 8);
  EXPECT_EQ(server.frames.back().payload, "");
  EXPECT_EQ(server.end_errno, 0);
  const Connection& connection = *simulator->connections().at(0);
  EXPECT_EQ(connection.error(), "");
  EXPECT_EQ(connection.stats().messages, audio);
  EXPECT_EQ(connection.stats().pongs, 1u);
}

TEST(Simulator, MuteTextsComeAtTheirTime) {
  TestServer server;
  Participant who = participant(1.9);
  who.mutes = {{0.1, 1.7}};
  play(server.port(), who);
  server.finish();
  std::vector<Frame> texts;
  for (const Frame& frame : server.frames)
    if (frame.opcode == 1) texts.push_back(frame);
  ASSERT_EQ(texts.size(), 2u);
  EXPECT_EQ(texts[0].payload, "{\"muted\":true}");
  EXPECT_EQ(texts[1].payload, "{\"muted\":false}");
  // At 1.585 s and 1.710 s; the first message was due at 0.050 s.
  EXPECT_NEAR(static_cast<double>(texts[0].audio_before), 154, 2);
  EXPECT_NEAR(static_cast<double>(texts[1].audio_before), 167, 2);
}

TEST(Simulator, AStallEndsInABurstWithoutLoss) {
  TestServer server;
  Participant who = participant(0.6);
  who.faults = {{Fault::Kind::kStall, 0.2, 0.3}};
  const auto simulator = play(server.port(), who);
  server.finish();
  double longest_s = 0;
  for (size_t i = 1; i < server.frames.size(); ++i)
    longest_s = std::max(longest_s, server.frames[i].at_s - server.frames[i - 1].at_s);
  EXPECT_GE(longest_s, 0.28);
  EXPECT_GE(server.count(2), 78u);
  EXPECT_EQ(simulator->connections()[0]->stats().dropped, 0u);
}

TEST(Simulator, KilledHandlersLeaveNoCloseFrame) {
  for (const auto kind : {Fault::Kind::kFinish, Fault::Kind::kReset}) {
    TestServer server;
    Participant who = participant(5);
    who.faults = {{kind, 0.2, 0}};
    const auto simulator = play(server.port(), who);
    server.finish();
    EXPECT_EQ(server.count(8), 0u);
    EXPECT_GT(server.count(2), 5u);
    EXPECT_EQ(server.end_errno, kind == Fault::Kind::kReset ? ECONNRESET : 0);
    EXPECT_EQ(simulator->connections()[0]->error(), "");
  }
}

// In another loop: dialled while it runs, then ended, or cut.
TEST(Simulator, IsDrivenFromOutside) {
  for (const bool cut : {false, true}) {
    TestServer server;
    const Participant who = participant(1000);
    std::vector<Connection::State> states;
    Simulator* played = nullptr;
    Simulator simulator(Simulator::Settings{
        .log = [](const std::string&) {},
        .on_change =
            [&](size_t index) { states.push_back(played->connections()[index]->state()); }});
    played = &simulator;
    simulator.begin();
    simulator.turn();
    Connection::Setup setup;
    setup.content_type = "audio/x-raw";
    std::string error;
    ASSERT_TRUE(
        parse_url("ws://127.0.0.1:" + std::to_string(server.port()) + "/x", setup.url, error));
    TrackInput input;
    input.who = &who;
    input.latency = {20, 40};
    setup.playback = std::make_unique<TrackPlayback>(input, nullptr);
    const size_t index = simulator.dial(std::move(setup));
    const auto until = Clock::now() + std::chrono::seconds(10);
    bool ended = false;
    while (simulator.connections()[index]->state() != Connection::State::kClosed &&
           Clock::now() < until) {
      pollfd wait{simulator.descriptor(), POLLIN, 0};
      poll(&wait, 1, 1000);
      simulator.turn();
      if (simulator.connections()[index]->stats().messages < 10 || ended) continue;
      ended = true;
      if (cut) {
        simulator.cut(index);
      } else {
        simulator.end_at(index, simulator.now_s());
      }
    }
    server.finish();
    EXPECT_EQ(states, (std::vector{Connection::State::kOpen, Connection::State::kClosed}));
    EXPECT_EQ(server.count(8), cut ? 0u : 1u);
    EXPECT_GE(server.count(2), cut ? 10u : 28u);
    EXPECT_LE(server.count(2), cut ? 20u : 45u);
    EXPECT_EQ(simulator.connections()[index]->error(), "");
  }
}

TEST(Simulator, ServersCloseIsEchoedAndEndsTheSession) {
  TestServer server("", std::string("\x88\x05\x03\xe8"
                                    "bye",
                                    7));
  const Participant who = participant(5);
  const auto simulator = play(server.port(), who);
  server.finish();
  ASSERT_EQ(server.frames.size(), 1u);
  EXPECT_EQ(server.frames[0].opcode, 8);
  EXPECT_EQ(server.frames[0].payload, "\x03\xe8");
  EXPECT_EQ(simulator->connections()[0]->error(), "the server closed the session with 1000: bye");
}

TEST(Simulator, RefusalsAreReported) {
  const Participant who = participant(5);
  {
    TestServer server("HTTP/1.1 401 Unauthorized\r\nContent-Length: 12\r\n\r\nwrong token\n");
    const auto simulator = play(server.port(), who);
    server.finish();
    EXPECT_EQ(simulator->connections()[0]->error(),
              "refused: HTTP/1.1 401 Unauthorized: wrong token\n");
  }
  int nobody = 0;
  {
    TestServer server;
    nobody = server.port();
  }
  const auto simulator = play(nobody, who);
  EXPECT_NE(simulator->connections()[0]->error().find("is the receiver running?"),
            std::string::npos)
      << simulator->connections()[0]->error();
  EXPECT_TRUE(simulator->connections()[0]->unreachable());
}

TEST(Simulator, StoppingSaysGoodbye) {
  TestServer server;
  std::atomic<int> stop = 0;
  const Participant who = participant(30);
  std::thread stopper([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(200));
    stop = 1;
  });
  play(server.port(), who, "/", &stop);
  stopper.join();
  server.finish();
  ASSERT_FALSE(server.frames.empty());
  EXPECT_EQ(server.frames.back().opcode, 8);
}

TEST(Simulator, CapturesArePlayedByteForByte) {
  g_autofree gchar* folder = g_dir_make_tmp("capture-XXXXXX", nullptr);
  const auto write = [&](const std::string& name, const std::string& text) {
    ASSERT_TRUE(g_file_set_contents((std::string(folder) + "/" + name).c_str(), text.data(),
                                    gssize(text.size()), nullptr));
  };
  write("manifest.json", R"({"connections": [{"name": "bob", "path": "/e/r/bob/TR_2",
    "headers": [["Host", "x"], ["Content-Type", "audio/x-raw"]], "t_connect": 0.0,
    "frames": "bob.frames.jsonl", "payload": "bob.payload.bin"}]})");
  write(
      "bob.frames.jsonl",
      "{\"t\": 0.05, \"op\": \"binary\", \"len\": 4}\n{\"t\": 0.1, \"op\": \"text\", \"len\": 2}\n"
      "{\"t\": 0.2, \"op\": \"close\", \"len\": 0}\n");
  write("bob.payload.bin", "abcdHi");
  std::vector<CapturedConnection> captured;
  std::string error;
  ASSERT_TRUE(load_capture(folder, captured, error)) << error;
  ASSERT_EQ(captured.size(), 1u);
  EXPECT_EQ(captured[0].path, "/e/r/bob/TR_2");

  TestServer server;
  Simulator simulator({.log = [](const std::string&) {}});
  Connection::Setup setup;
  ASSERT_TRUE(parse_url("ws://127.0.0.1:" + std::to_string(server.port()) + captured[0].path,
                        setup.url, error));
  setup.playback =
      std::make_unique<CapturePlayback>(std::make_shared<CapturedConnection>(captured[0]), 2.0);
  simulator.add(std::move(setup));
  const std::atomic<int> never = 0;
  simulator.run(&never);
  server.finish();
  ASSERT_EQ(server.frames.size(), 3u);
  EXPECT_EQ(server.frames[0].payload, "abcd");
  EXPECT_EQ(server.frames[1].payload, "Hi");
  EXPECT_EQ(server.frames[2].opcode, 8);
  EXPECT_GE(server.frames[2].at_s, 0.09);  // at twice the speed

  write("bob.payload.bin", "abcd");
  captured.clear();
  EXPECT_FALSE(load_capture(folder, captured, error));
  EXPECT_NE(error.find("add up to 6 bytes, the payload has 4"), std::string::npos) << error;
  for (const char* name : {"manifest.json", "bob.frames.jsonl", "bob.payload.bin"})
    unlink((std::string(folder) + "/" + name).c_str());
  rmdir(folder);
}

}  // namespace
