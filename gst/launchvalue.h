// SPDX-License-Identifier: LGPL-2.1-or-later
// A value in a launch line, as gst_parse_launch() reads it: in quotes, with what is special behind
// a backslash.
#pragma once

#include <string>

inline std::string launch_value(const std::string& text) {
  std::string result = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') result += '\\';
    result += c;
  }
  return result + "\"";
}
