// SPDX-License-Identifier: LGPL-2.1-or-later
// What people may call themselves, or a server be made to say.
#pragma once

#include <string>
#include <vector>

namespace livekit {

inline const std::vector<std::string>& hostile_names() {
  static const std::vector<std::string> names = {
      "\"quoted\" 'twice' `thrice`",
      "two\nlines\r\nand\ttabs",
      "../../etc/passwd",
      "/absolute/path",
      "C:\\Windows\\system32",
      "a?token=1&identity=bob#fragment",
      "%2e%2e%2f%00%0a",
      "space and + plus",
      "{room}/{identity}",
      "<script>alert(1)</script><v Mallory>",
      "1\n00:00:00.000 --> 00:00:10.000\nfake cue",
      "WEBVTT",
      "}{\"final\":true,\"identity\":\"bob\"}",
      "bob: I resign\n[00:00:01] bob",
      "\x1b[2J\x1b]0;title\x07",
      "%s%n%x",
      "$(reboot); `reboot` | reboot",
      "\xf0\x9f\x91\xa9\xe2\x80\x8d\xf0\x9f\x91\xa9\xe2\x80\x8d\xf0\x9f\x91\xa7 family",
      "\xe2\x80\xae"
      "edolppa",  // override: applpode
      "\xe2\x81\xa6left\xe2\x81\xa9 \xe2\x80\xab"
      "embedded",                                       // isolate, embedding
      "\xd7\xa9\xd7\x9c\xd7\x95\xd7\x9d\xe2\x80\x8f!",  // Hebrew and its mark
      "a\xcc\x81\xcc\x82\xcc\x83\xcc\x84\xcc\x85 zalgo",
      "\xe2\x80\xa8line\xe2\x80\xa9paragraph",
      "nul\x01\x1f\x7f\xc2\x85",
      std::string(1000, 'x'),
      " ",
  };
  return names;
}

}  // namespace livekit
