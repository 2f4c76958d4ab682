// SPDX-License-Identifier: LGPL-2.1-or-later
// Files that are complete and valid after each result, and stay so when the disk is full.
#include <fcntl.h>
#include <glib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>
#include <vector>

#include "output.h"

namespace stt {

namespace {

constexpr size_t kMaxKeptBytes = 8 * 1024 * 1024;  // of what a full disk did not take
constexpr size_t kMaxCuesInMemory = 1024;          // later cues can still be put before these

class Fd {
 public:
  explicit Fd(int fd = -1) : fd_(fd) {}
  Fd(Fd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Fd& operator=(Fd&&) = delete;
  ~Fd() {
    if (fd_ >= 0) close(fd_);
  }
  int get() const { return fd_; }

 private:
  int fd_;
};

// Bytes written before an error; errno tells which.
size_t write_fully(int fd, std::string_view bytes) {
  size_t done = 0;
  while (done < bytes.size()) {
    const ssize_t count = ::write(fd, bytes.data() + done, bytes.size() - done);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) break;
    done += size_t(count);
  }
  return done;
}

size_t write_fully_at(int fd, std::string_view bytes, off_t offset) {
  size_t done = 0;
  while (done < bytes.size()) {
    const ssize_t count =
        ::pwrite(fd, bytes.data() + done, bytes.size() - done, offset + off_t(done));
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) break;
    done += size_t(count);
  }
  return done;
}

std::string read_file(int fd) {
  std::string content;
  char block[16384];
  ssize_t count = 0;
  while ((count = ::pread(fd, block, sizeof block, off_t(content.size()))) > 0) {
    content.append(block, size_t(count));
  }
  return content;
}

// A file that exists is not replaced until there is something to replace it with.
class Replacement {
 public:
  Replacement(int fd, bool wanted) : fd_(fd), is_due_(wanted) {}
  bool begun() const { return begun_; }
  void begin() {
    begun_ = true;
    // Where this fails, writing will, and tells.
    if (std::exchange(is_due_, false) && ftruncate(fd_, 0) != 0) return;
  }

 private:
  const int fd_;
  bool is_due_;
  bool begun_ = false;
};

// Entries one after another in the order in which they come.
class LineOutput : public Output {
 public:
  LineOutput(Fd fd, bool regular, bool replace, std::string path, Format format, bool partials)
      : fd_(std::move(fd)),
        regular_(regular),
        replacement_(fd_.get(), regular && replace),
        path_(std::move(path)),
        format_(format),
        partials_(partials) {
    kept_ = header_of(format_);
  }

  const std::string& location() const override { return path_; }
  uint64_t lost() const override { return lost_; }
  void begin() override { replacement_.begin(); }

  bool write(const Transcript& transcript, std::string& error) override {
    begin();
    if (!transcript.is_final && !partials_) return kept_.empty() || retry(error);
    if (transcript.text.empty() && !partials_) return true;
    if (kept_.size() < kMaxKeptBytes) {
      kept_ += to_entry(format_, transcript, ++number_);
    } else {
      ++lost_;
    }
    return retry(error);
  }

  bool retry(std::string& error) override {
    if (kept_.empty() || !replacement_.begun()) return true;
    const size_t done = write_fully(fd_.get(), kept_);
    if (done == kept_.size()) {
      kept_.clear();
      return true;
    }
    error = g_strerror(errno);
    struct stat info = {};
    if (!regular_) {
      kept_.erase(0, done);
    } else if (done > 0 && fstat(fd_.get(), &info) == 0 &&
               ftruncate(fd_.get(), info.st_size - off_t(done)) != 0) {
      kept_.erase(0, done);  // half an entry stays; its rest follows
    }
    return false;
  }

 private:
  const Fd fd_;
  const bool regular_;
  Replacement replacement_;
  const std::string path_;
  const Format format_;
  const bool partials_;
  std::string kept_;
  uint64_t number_ = 0;
  uint64_t lost_ = 0;
};

// Cues in order of their start. With several tracks a long utterance ends after a shorter one
// that began later: then the end of the file is rewritten with the earlier cue put in. What is
// written is never shorter than what it replaces, so that one write does it.
class CueOutput : public Output {
 public:
  CueOutput(Fd fd, bool replace, std::string path, Format format, const std::string& existing)
      : fd_(std::move(fd)),
        replacement_(fd_.get(), replace),
        path_(std::move(path)),
        format_(format) {
    base_ = off_t(existing.size());
    if (existing.empty()) {
      pending_head_ = header_of(format_);
    } else {
      if (!existing.ends_with("\n\n")) pending_head_ = existing.ends_with("\n") ? "\n" : "\n\n";
      for (size_t at = 0; (at = existing.find(" --> ", at)) != std::string::npos; at += 5) {
        ++cues_before_;
      }
    }
  }

  const std::string& location() const override { return path_; }
  uint64_t lost() const override { return lost_; }
  void begin() override { replacement_.begin(); }

  bool write(const Transcript& transcript, std::string& error) override {
    begin();
    if (!transcript.is_final || transcript.text.empty()) return is_clean() || retry(error);
    if (cues_.size() - clean_ > kMaxCuesInMemory * 8) {
      ++lost_;
      return retry(error);
    }
    const auto place = std::upper_bound(
        cues_.begin(), cues_.end(), transcript.start_ns,
        [](int64_t start_ns, const Transcript& cue) { return start_ns < cue.start_ns; });
    clean_ = std::min(clean_, size_t(place - cues_.begin()));
    cues_.insert(place, transcript);
    return retry(error);
  }

  bool retry(std::string& error) override {
    if (is_clean() || !replacement_.begun()) return true;
    const size_t keep = clean_ < starts_.size() ? starts_[clean_] : on_disk_.size();
    std::string fresh = pending_head_;
    std::vector<size_t> starts;
    for (size_t i = clean_; i < cues_.size(); ++i) {
      starts.push_back(keep + fresh.size() - pending_head_.size());
      fresh += entry(i);
    }
    if (write_fully_at(fd_.get(), fresh, base_ + off_t(keep)) < fresh.size()) {
      error = g_strerror(errno);
      restore(keep);
      return false;
    }
    if (!pending_head_.empty()) {
      base_ += off_t(pending_head_.size());
      fresh.erase(0, pending_head_.size());
      pending_head_.clear();
    }
    on_disk_.resize(keep);
    on_disk_ += fresh;
    starts_.resize(clean_);
    starts_.insert(starts_.end(), starts.begin(), starts.end());
    clean_ = cues_.size();
    forget_old();
    return true;
  }

 private:
  bool is_clean() const { return clean_ == cues_.size() && pending_head_.empty(); }

  std::string entry(size_t index) const {
    return to_entry(format_, cues_[index], cues_before_ + index + 1);
  }

  // Back to the last state that was whole; needs no new space.
  void restore(size_t from) {
    const std::string_view old = std::string_view(on_disk_).substr(from);
    write_fully_at(fd_.get(), old, base_ + off_t(from));
    if (ftruncate(fd_.get(), base_ + off_t(on_disk_.size())) != 0) return;
  }

  void forget_old() {
    if (cues_.size() <= kMaxCuesInMemory) return;
    const size_t old = kMaxCuesInMemory / 2;
    const size_t bytes = starts_[old];
    on_disk_.erase(0, bytes);
    base_ += off_t(bytes);
    cues_.erase(cues_.begin(), cues_.begin() + ptrdiff_t(old));
    starts_.erase(starts_.begin(), starts_.begin() + ptrdiff_t(old));
    for (size_t& start : starts_) start -= bytes;
    cues_before_ += old;
    clean_ = cues_.size();
  }

  const Fd fd_;
  Replacement replacement_;
  const std::string path_;
  const Format format_;
  off_t base_ = 0;            // where on_disk_ begins in the file
  std::string on_disk_;       // the file from there on
  std::string pending_head_;  // to be written before the first cue
  std::vector<Transcript> cues_;
  std::vector<size_t> starts_;  // in on_disk_, of the cues in it
  size_t clean_ = 0;            // cues before this one are in on_disk_ as they are
  uint64_t cues_before_ = 0;
  uint64_t lost_ = 0;
};

}  // namespace

std::unique_ptr<Output> open_file_output(const std::string& path, const OutputOptions& options,
                                         std::string& error) {
  Format format = Format::kText;
  if (!format_of_path(path, format)) {
    error = "its name must end in .jsonl, .txt, .vtt or .srt";
    return nullptr;
  }
  // Read access is for appending to cues; a pipe without a reader fails instead of waiting.
  const bool cues = format == Format::kWebVtt || format == Format::kSubRip;
  int flags = O_CREAT | O_CLOEXEC | O_NONBLOCK | (cues ? O_RDWR : O_WRONLY | O_APPEND);
  struct stat info = {};
  if (stat(path.c_str(), &info) == 0 && !S_ISREG(info.st_mode)) {
    flags = O_WRONLY | O_CLOEXEC | O_NONBLOCK;
  }
  Fd fd(::open(path.c_str(), flags, 0666));
  if (fd.get() < 0 || fstat(fd.get(), &info) != 0) {
    error = g_strerror(errno);
    return nullptr;
  }
  const bool regular = S_ISREG(info.st_mode);
  if (!cues || !regular) {
    return std::make_unique<LineOutput>(std::move(fd), regular, !options.append, path, format,
                                        options.partials && format == Format::kJsonLines);
  }
  const std::string existing = options.append ? read_file(fd.get()) : std::string();
  return std::make_unique<CueOutput>(std::move(fd), !options.append, path, format, existing);
}

}  // namespace stt
