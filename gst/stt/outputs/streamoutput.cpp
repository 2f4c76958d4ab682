// SPDX-License-Identifier: LGPL-2.1-or-later
#include <glib.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cerrno>

#include "captions.h"
#include "output.h"

namespace stt {

namespace {

constexpr size_t kMaxKeptBytes = 1024 * 1024;
// A pipe that polls writable takes this much without blocking.
constexpr size_t kChunkBytes = 4096;
// A reader that pauses for longer is left behind: the other outputs do not wait for it.
constexpr int kPatienceMs = 200;
constexpr int kLastPatienceMs = 2000;

class StreamOutput : public Output {
 public:
  StreamOutput(int fd, std::string location, bool json, bool partials,
               const std::atomic<bool>& stopping)
      : fd_(fd),
        location_(std::move(location)),
        json_(json),
        partials_(partials),
        stopping_(stopping),
        captions_(isatty(fd) == 1) {}

  const std::string& location() const override { return location_; }
  uint64_t lost() const override { return lost_; }

  bool write(const Transcript& transcript, std::string& error) override {
    std::string text;
    if (!json_) {
      text = captions_.update(transcript, columns());
    } else if (partials_ || (transcript.is_final && !transcript.text.empty())) {
      text = to_json(transcript) + "\n";
    }
    if (kept_.size() + text.size() > kMaxKeptBytes) {
      ++lost_;
    } else {
      kept_ += text;
    }
    return flush(left_behind_ ? 0 : kPatienceMs, error);
  }

  bool finish(std::string& error) override {
    kept_ += captions_.finish();
    if (flush(stopping_ ? 0 : kLastPatienceMs, error)) return true;
    if (error.empty()) error = "nobody reads";
    return false;
  }

  bool retry(std::string& error) override { return flush(0, error); }

 private:
  // Waits for the reader for `patience_ms` without progress.
  bool flush(int patience_ms, std::string& error) {
    while (!kept_.empty()) {
      pollfd ready = {fd_, POLLOUT, 0};
      const int count = poll(&ready, 1, patience_ms);
      if (count < 0 && errno == EINTR) continue;
      left_behind_ = count == 0;
      if (left_behind_) return false;
      const ssize_t done = ::write(fd_, kept_.data(), std::min(kept_.size(), kChunkBytes));
      if (done < 0 && (errno == EINTR || errno == EAGAIN)) continue;
      if (done <= 0) {
        error = g_strerror(errno);
        return false;
      }
      kept_.erase(0, size_t(done));
    }
    return true;
  }

  int columns() const {
    winsize size = {};
    constexpr int kUsualColumns = 80;
    return ioctl(fd_, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : kUsualColumns;
  }

  const int fd_;
  const std::string location_;
  const bool json_;
  const bool partials_;
  const std::atomic<bool>& stopping_;
  Captions captions_;
  std::string kept_;
  bool left_behind_ = false;  // the reader, when it was last seen
  uint64_t lost_ = 0;
};

}  // namespace

std::unique_ptr<Output> open_stream_output(int fd, const std::string& location, bool json,
                                           const OutputOptions& options,
                                           const std::atomic<bool>& stopping) {
  return std::make_unique<StreamOutput>(fd, location, json, options.partials, stopping);
}

}  // namespace stt
