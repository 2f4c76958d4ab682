// SPDX-License-Identifier: LGPL-2.1-or-later
// The byte streams below a connection: a plain TCP socket, or TLS through GIO. Never block.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "clientframes.h"

namespace egresssim {

class Transport {
 public:
  virtual ~Transport() = default;
  // Bytes moved, 0 at the peer's end (read only), or a negative errno (-EAGAIN: not now).
  virtual long read(uint8_t* data, size_t length) = 0;
  virtual long write(const uint8_t* data, size_t length) = 0;
  virtual int descriptor() const = 0;
  // 0 when connected, -EINPROGRESS while not, else a negative errno.
  virtual int connect_result() { return 0; }
  // Closes at once; with `reset` the peer sees a TCP RST.
  virtual void close(bool reset) = 0;
};

// Starts connecting. nullptr with `error` when the host is unknown.
std::unique_ptr<Transport> connect_plain(const UrlParts& url, std::string& error);

struct TlsSettings {
  bool insecure = false;  // accept any certificate
  std::string ca_file;    // PEM; "" = the system's
};

// Connects with TLS in threads of its own, since a handshake takes tens of milliseconds and must
// not disturb the pace of those that play already.
class TlsDialer {
 public:
  struct Result {
    size_t connection = 0;
    std::unique_ptr<Transport> transport;  // null: see error
    std::string error;
  };

  explicit TlsDialer(TlsSettings settings);
  ~TlsDialer();
  // Becomes readable when a result is there.
  int descriptor() const { return event_; }
  void dial(size_t connection, const UrlParts& url);
  std::vector<Result> take_results();

 private:
  void connect(size_t connection, const UrlParts& url);

  const TlsSettings settings_;
  int event_;
  std::vector<std::jthread> threads_;  // main thread only
  std::mutex lock_;
  std::vector<Result> results_;  // lock_
};

}  // namespace egresssim
