// SPDX-License-Identifier: LGPL-2.1-or-later
// An RTMP caller who sends any bytes: whole, one by one, and cut at places that the bytes
// themselves decide. All have to give the same, and to keep what the session promises. The first
// byte chooses whether the input begins with the handshake, after it, or while publishing.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <vector>

#include "livekitrtmp/flvtags.h"
#include "livekitrtmp/publishaddress.h"
#include "livekitrtmp/session.h"

namespace {

using namespace rtmp;

constexpr size_t kMaxMessageBytes = 2000;

void require(bool good) {
  if (!good) std::abort();
}

class Recorder : public SessionHandler {
 public:
  Verdict on_publish(const PublishRequest& request) override {
    require(!publishing_);
    log += "|publish|" + request.app + "|" + request.name;
    static const livekit::AccessToken token("s3cret");
    const auto address = parse_publish_address(request);
    std::string stream;
    if (!address) return {400, "no address"};
    if (check_token(*address, {"live"}, token, stream).status == 0) {
      require(stream.find("s3cret") == std::string::npos || address->parts.size() > 1);
      log += stream;
    }
    if (request.name == "refused") return {409, "refused"};
    session->set_publisher_limits(kMaxMessageBytes, 0);
    publishing_ = true;
    return {};
  }
  void on_media(const Media& media) override {
    require(publishing_);
    require(media.payload.size() <= std::max(kMaxMessageBytes, kMaxCommandBytes));
    log += "|media|" + std::to_string(static_cast<int>(media.kind)) + "|" +
           std::to_string(media.timestamp_ms) + "|";
    log.append(media.payload.begin(), media.payload.end());
    log += is_configuration(media) ? "|configuration" : "|frame";
    if (media.kind == MediaKind::kAudio) log += unknown_audio_codec(media.payload);
    if (announces_video(media)) log += "|video";
    require(flv_tag(media).size() == media.payload.size() + kFlvTagOverhead);
  }
  void on_unpublish() override {
    require(publishing_);
    publishing_ = false;
    log += "|unpublish|";
  }

  Session* session = nullptr;
  std::string log;

 private:
  bool publishing_ = false;
};

template <typename Append>
void command(std::vector<uint8_t>& out, uint32_t stream_id, Append append) {
  amf0::Writer writer;
  append(writer);
  write_message(out, 3, {kCommandAmf0, 0, stream_id, writer.bytes()}, kDefaultChunkSize);
}

// What comes before the input, so that it need not find the way in by itself.
std::vector<uint8_t> opening(uint8_t choice) {
  std::vector<uint8_t> bytes;
  if (choice % 3 == 0) return bytes;
  bytes.assign(1 + 2 * kHandshakeBytes, 3);
  if (choice % 3 == 1) return bytes;
  command(bytes, 0, [](amf0::Writer& writer) {
    writer.text("connect").number(1).begin_object().key("app").text("live").end_object();
  });
  command(bytes, 0, [](amf0::Writer& w) { w.text("createStream").number(2).null(); });
  command(bytes, 1, [](amf0::Writer& w) { w.text("publish").number(3).null().text("a"); });
  return bytes;
}

template <typename NextCut>
std::string run(std::span<const uint8_t> bytes, NextCut next_cut) {
  Recorder recorder;
  Session session(recorder, 0, 1, 0);
  recorder.session = &session;
  session.feed(opening(bytes.empty() ? 0 : bytes[0]), 0);
  session.output().clear();
  if (!bytes.empty()) bytes = bytes.subspan(1);
  // Each piece lies at the very end of its memory, so that a step too far is seen.
  std::vector<uint8_t> memory(bytes.size());
  while (!bytes.empty()) {
    const size_t count = std::min(next_cut(), bytes.size());
    const std::span<uint8_t> piece = std::span(memory).last(count);
    std::copy_n(bytes.begin(), count, piece.begin());
    session.feed(piece, 0);
    require(session.output().size() <= 140'000);
    session.output().clear();
    bytes = bytes.subspan(count);
  }
  require((session.state() == Session::End::kOpen) == session.reason().empty());
  // How often is acknowledged depends on the cuts, and whether whoever does not read is given up.
  return recorder.log + "|" + session.reason();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::span<const uint8_t> bytes(data, size);
  uint32_t random = 2166136261u;
  for (uint8_t byte : bytes) random = (random ^ byte) * 16777619u;
  const std::string whole = run(bytes, [&] { return size; });
  if (whole.ends_with("does not read what it is answered")) return 0;
  require(run(bytes, [] { return size_t{1}; }) == whole);
  require(run(bytes, [&] {
            random = random * 1664525u + 1013904223u;
            return size_t{1} + (random >> 16) % (1 + (random >> 24));
          }) == whole);
  return 0;
}
