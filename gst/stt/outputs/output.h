// SPDX-License-Identifier: LGPL-2.1-or-later
// A place that results are written to. Not thread-safe: one thread writes.
#pragma once

#include <atomic>
#include <memory>
#include <string>

#include "../transcript.h"
#include "format.h"

namespace stt {

class Output {
 public:
  virtual ~Output() = default;
  virtual const std::string& location() const = 0;
  // The pipeline plays: what a file holds from before may go, unless it is added to. The first
  // write() does it too.
  virtual void begin() {}
  // false: nothing is lost yet, it is kept for retry(); `error` says why, "" = the reader is slow.
  virtual bool write(const Transcript& transcript, std::string& error) = 0;
  virtual bool retry(std::string& error) = 0;
  virtual bool finish(std::string& error) { return retry(error); }
  // Results that did not fit into what is kept.
  virtual uint64_t lost() const = 0;
};

struct OutputOptions {
  bool append = false;    // keep what a file holds already
  bool partials = false;  // also in .jsonl
};

// nullptr with `error` for the user. Files are seekable or not: pipes and devices work too.
std::unique_ptr<Output> open_file_output(const std::string& path, const OutputOptions& options,
                                         std::string& error);

// Live captions or JSON lines on `fd`, which stays open. A reader that pauses gets what is kept for
// it later; at the end it is waited for shortly, and not at all when `stopping`.
std::unique_ptr<Output> open_stream_output(int fd, const std::string& location, bool json,
                                           const OutputOptions& options,
                                           const std::atomic<bool>& stopping);

}  // namespace stt
