// SPDX-License-Identifier: LGPL-2.1-or-later
#include "jwt.h"

#include <gtest/gtest.h>

namespace livekit {
namespace {

constexpr int64_t kNow = 1'700'000'000;
const ApiCredentials kCredentials{"APIkey", "secret"};

std::string token(const std::string& claims, const std::string& secret = "secret") {
  return sign_jwt(claims, secret);
}

std::string refusal(const std::string& text, int64_t now_s = kNow) {
  std::string why;
  return verify_jwt(text, kCredentials, now_s, 60, why) ? "" : why;
}

TEST(Jwt, Base64OfUrls) {
  EXPECT_EQ(base64url(""), "");
  EXPECT_EQ(base64url("f"), "Zg");
  EXPECT_EQ(base64url("fo"), "Zm8");
  EXPECT_EQ(base64url("\xfb\xff\xfe"), "-__-");
  EXPECT_EQ(base64url_decode("-__-"), "\xfb\xff\xfe");
  EXPECT_EQ(base64url_decode("Zg"), "f");
  EXPECT_EQ(base64url_decode(""), "");
  for (const char* bad : {"Z", "Zg==", "Z+", "Z/", "Z g"})
    EXPECT_FALSE(base64url_decode(bad)) << bad;
}

// RFC 4231, test case 2.
TEST(Jwt, HmacIsTheStandardOne) {
  EXPECT_EQ(base64url(hmac_sha256("Jefe", "what do ya want for nothing?")),
            "W9zBRr9gdU5qBCQmCJV1x1oAPwidJzmDnexYuWTsOEM");
}

// The example of RFC 7515 A.1, whose key is given there in base64url.
TEST(Jwt, AForeignTokenIsVerified) {
  const std::string example =
      "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9."
      "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0"
      "dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
  const auto key = base64url_decode(
      "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow");
  ASSERT_TRUE(key);
  std::string why;
  const auto claims = verify_jwt(example, {"joe", *key}, 1300819000, 0, why);
  ASSERT_TRUE(claims) << why;
  EXPECT_EQ(claims->expires_s, 1300819380);
  EXPECT_FALSE(verify_jwt(example, {"joe", *key}, 1300819380, 0, why)) << "expired";
}

TEST(Jwt, AnApiTokenSaysWhatItPermits) {
  VideoGrants grants;
  grants.room_record = true;
  grants.room_admin = true;
  grants.room = "a \"room\"\n";
  const std::string text = make_api_token(kCredentials, grants, kNow, 60);
  EXPECT_EQ(refusal(text), "");
  EXPECT_EQ(refusal(text, kNow - 30), "") << "for a server whose clock is behind";
  const size_t first = text.find('.') + 1;
  EXPECT_EQ(
      base64url_decode(text.substr(first, text.rfind('.') - first)),
      "{\"iss\":\"APIkey\",\"sub\":\"livekitwssrc\",\"nbf\":1699999990,\"exp\":1700000060,"
      "\"video\":{\"roomRecord\":true,\"roomAdmin\":true,\"room\":\"a \\\"room\\\"\\u000a\"}}");
  EXPECT_EQ(jwt_issuer(text), "APIkey");
  EXPECT_EQ(text.find("secret"), std::string::npos);
}

TEST(Jwt, Refusals) {
  const std::string good = R"({"iss":"APIkey","nbf":1700000000,"exp":1700000300})";
  EXPECT_EQ(refusal(token(good)), "");
  EXPECT_EQ(refusal(token(good), kNow + 359), "") << "clocks may differ by a minute";
  EXPECT_NE(refusal(token(good), kNow + 360), "") << "stale";
  EXPECT_NE(refusal(token(good), kNow - 61), "") << "of the future";
  EXPECT_NE(refusal(token(good, "another")), "");
  EXPECT_NE(refusal(token(R"({"iss":"APIother","exp":1700000300})")), "");
  EXPECT_NE(refusal(token(R"({"iss":"APIkey"})")), "") << "no expiry";
  EXPECT_NE(refusal(token(R"({"iss":"APIkey","exp":-9223372036854775808})")), "");
  EXPECT_NE(refusal(token(R"({"iss":"APIkey","exp":-1e999})")), "");
  EXPECT_NE(refusal(token("[1]")), "");
  EXPECT_NE(refusal(token("")), "");
  for (const char* bad : {"", ".", "..", "a.b", "a.b.c.d", "a.b.c", "€.€.€"}) {
    EXPECT_NE(refusal(bad), "") << bad;
  }
}

TEST(Jwt, EveryChangedByteIsNoticed) {
  const std::string good = token(R"({"iss":"APIkey","exp":1700000300})");
  const size_t last = good.size() - 1;  // has two bits that mean nothing
  for (size_t i = 0; i < last; ++i) {
    std::string forged = good;
    forged[i] = forged[i] == 'A' ? 'B' : 'A';
    EXPECT_NE(refusal(forged), "") << i;
  }
}

TEST(Jwt, AnotherAlgorithmIsNotTaken) {
  // Signed well, but says "none".
  const std::string text =
      base64url(R"({"alg":"none"})") + "." + base64url(R"({"iss":"APIkey","exp":1700000300})");
  EXPECT_NE(refusal(text + "." + base64url(hmac_sha256("secret", text))), "");
  EXPECT_NE(refusal(text + "."), "");
}

TEST(Jwt, NoSecretMeansNobody) {
  std::string why;
  EXPECT_FALSE(verify_jwt(token(R"({"iss":"","exp":1700000300})", ""), {"", ""}, kNow, 60, why));
}

TEST(Jwt, Comparison) {
  EXPECT_TRUE(equal_in_constant_time("abc", "abc"));
  EXPECT_FALSE(equal_in_constant_time("abc", "abd"));
  EXPECT_FALSE(equal_in_constant_time("abc", "ab"));
  EXPECT_TRUE(equal_in_constant_time("", ""));
}

}  // namespace
}  // namespace livekit
