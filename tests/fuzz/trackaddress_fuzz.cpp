// SPDX-License-Identifier: LGPL-2.1-or-later
// Upgrade requests with any address, content type and route. Input, a line each: address
// (path?query), content type (a line "-" = none), another route's path.
#include <cstdint>
#include <cstdlib>
#include <string>

#include "routetable.h"
#include "utf8.h"

namespace {

using namespace livekit;

constexpr const char* kToken = "OPEN-SESAME";

void require(bool good) {
  if (!good) std::abort();
}

void check_name(const std::string& name, bool may_be_empty) {
  require(may_be_empty || !name.empty());
  require(name.size() <= kMaxNameBytes && is_printable_utf8(name));
}

class CheckingRoute : public Route {
 public:
  Verdict on_request(const TrackRequest& request) override {
    check_name(request.room, true);
    check_name(request.identity, false);
    check_name(request.name, false);
    check_name(request.track, false);
    const AudioFormat& format = request.format;
    require(format.rate_hz >= 8000 && format.rate_hz <= 192000);
    const bool opus = format.encoding == AudioFormat::Encoding::kOpus;
    require(format.channels >= 1 && format.channels <= (opus ? 2 : 8));
    require((format.bytes_per_frame() == 0) == opus);
    return {};
  }
  void on_connected(const TrackRequest&, std::unique_ptr<TrackConnection>) override {}
  void on_refused(const std::string&, unsigned http_status, const std::string& reason) override {
    require(http_status >= 400 && http_status <= 599);
    require(!reason.empty() && is_printable_utf8(reason));
    require(reason.find(kToken) == std::string::npos);
  }
};

std::string take_line(std::string& text) {
  const size_t end = text.find('\n');
  const std::string line = text.substr(0, end);
  text = end == std::string::npos ? "" : text.substr(end + 1);
  return line;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string text(reinterpret_cast<const char*>(data), size);
  Caller caller;
  caller.path = take_line(text);
  if (const size_t mark = caller.path.find('?'); mark != std::string::npos) {
    caller.query = caller.path.substr(mark + 1);
    caller.path.resize(mark);
  }
  const std::string content_type = take_line(text);
  if (content_type != "-") caller.content_type = content_type;
  caller.remote = "127.0.0.1:1";

  RouteTable table;
  CheckingRoute open, guarded, other;
  std::string error;
  require(table.add({.path = "/open"}, &open, error));
  require(table.add({.path = "/guarded", .token = kToken}, &guarded, error));
  if (!table.add({.path = take_line(text)}, &other, error)) require(!error.empty());
  const Admission admission = table.admit(caller);
  require(admission.welcome() || admission.verdict.reason.find(kToken) == std::string::npos);
  // Judged the same a second time, but for the name that is made up.
  require(table.admit(caller).verdict.http_status == admission.verdict.http_status);
  return 0;
}
