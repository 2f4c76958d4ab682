// SPDX-License-Identifier: LGPL-2.1-or-later
// rtmps, with a certificate made on the spot by the openssl program.
#include <stdlib.h>

#include <filesystem>
#include <memory>
#include <vector>

#include "rtmpfixture.h"

namespace rtmp::test {
namespace {

Bytes frames(int count) {
  Bytes bytes = audio(0, aac_configuration());
  for (int i = 0; i < count; ++i) bytes = bytes + audio(uint32_t(i) * 23, aac_frame());
  return bytes;
}

class TlsPeers : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string name = (std::filesystem::temp_directory_path() / "livekit-rtmps-XXXXXX").string();
    ASSERT_TRUE(::mkdtemp(name.data()));
    folder_ = name;
    const std::string command =
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 "
        "-subj /CN=localhost -keyout " +
        (folder_ / "key.pem").string() + " -out " + (folder_ / "certificate.pem").string() +
        " 2>/dev/null";
    if (::system(command.c_str()) != 0) GTEST_SKIP() << "the openssl program is not installed";
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }
  std::string options() const {
    return "tls-certificate=" + (folder_ / "certificate.pem").string() +
           " tls-key=" + (folder_ / "key.pem").string();
  }

  std::filesystem::path folder_;
};

TEST_F(TlsPeers, PublishByRtmps) {
  Pipeline pipeline(options());
  pipeline.play();
  Caller caller(pipeline.port(), true);
  ASSERT_TRUE(caller.publish("live", "standup"));
  caller.send(frames(2000));
  EXPECT_TRUE(pipeline.wait_for_buffers(2001));
  EXPECT_EQ(pipeline.stat("audio-messages"), 2001u);
}

TEST_F(TlsPeers, APlainCallerIsTold) {
  Pipeline pipeline(options());
  pipeline.play();
  Caller caller(pipeline.port());
  caller.send(client_handshake());
  EXPECT_TRUE(caller.wait_for_end());
  EXPECT_NE(pipeline.wait_for_event("refused", "reason").find("rtmps://"), std::string::npos);
}

TEST_F(TlsPeers, SilentOnesAreCutOff) {
  Pipeline pipeline(options() + " handshake-timeout=200");
  pipeline.play();
  Caller silent(pipeline.port());
  Caller half(pipeline.port());
  half.send({0x16, 3, 1, 2, 0, 1});
  EXPECT_TRUE(silent.wait_for_end());
  EXPECT_TRUE(half.wait_for_end());
  EXPECT_EQ(pipeline.wait_for_event("refused", "status"), "408");
  EXPECT_EQ(pipeline.stat("callers-refused"), 2u);
}

// They hold the few threads that GIO has for handshakes.
TEST_F(TlsPeers, HalfHandshakesKeepNobodyOutForLong) {
#ifdef __SANITIZE_ADDRESS__
  GTEST_SKIP()
      << "LeakSanitizer's own tracer dies in every other run with this test, in none without";
#endif
  Pipeline pipeline(options() + " handshake-timeout=120000");
  pipeline.play();
  std::vector<std::unique_ptr<Caller>> halves;
  for (int i = 0; i < 150; ++i) {
    halves.push_back(std::make_unique<Caller>(pipeline.port()));
    halves.back()->send({0x16, 3, 1, 2, 0, 1});
  }
  const int64_t before_us = g_get_monotonic_time();
  Caller caller(pipeline.port(), true);
  ASSERT_TRUE(caller.publish("live", "standup"));
  EXPECT_LT(g_get_monotonic_time() - before_us, 60'000'000);
}

TEST_F(TlsPeers, StoppingInTheMiddleOfAHandshake) {
  Pipeline pipeline(options());
  pipeline.play();
  Caller half(pipeline.port());
  half.send({0x16, 3, 1, 2, 0, 1});
  g_usleep(50'000);
  gst_element_set_state(pipeline.pipeline(), GST_STATE_NULL);
  EXPECT_TRUE(half.wait_for_end());
}

}  // namespace
}  // namespace rtmp::test
