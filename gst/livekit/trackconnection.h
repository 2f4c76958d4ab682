// SPDX-License-Identifier: LGPL-2.1-or-later
// What the network side (listener) and the room side (element) of livekitwssrc agree on: who
// calls (TrackRequest), whether he may (Verdict), and the connection that is then handed over.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace livekit {

// How a track's samples arrive. LiveKit's bare `audio/x-raw` means S16LE, 48000 Hz, 2 channels.
struct AudioFormat {
  enum class Encoding { kS16le, kF32le, kOpus };
  Encoding encoding = Encoding::kS16le;
  int rate_hz = 48000;
  int channels = 2;

  // Bytes of one sample of all channels; 0 for Opus.
  size_t bytes_per_frame() const;
  bool operator==(const AudioFormat&) const = default;
};

// One upgrade request, parsed. The token is not in here: it is checked and forgotten.
struct TrackRequest {
  // Whose audio a connection carries.
  enum class Scope {
    kTrack,   // a published track
    kPerson,  // somebody, over whatever tracks he publishes
    kRoom,    // everybody, mixed
  };
  Scope scope = Scope::kTrack;
  std::string room;        // "" when the address does not tell
  std::string identity;    // "" of a room's mix only: falls back to the track id
  std::string name;        // falls back to the identity
  std::string metadata;    // what LiveKit's API says of the participant, "" = nothing
  std::string attributes;  // a JSON object, "" = nothing
  std::string track;       // never "": made up when the address does not tell
  std::string remote;      // "127.0.0.1:41234", "" when the peer is already gone
  AudioFormat format;
  uint64_t session = 0;  // of the egress that was asked for; 0 = it came by itself
  // Somebody else, who is on the right channel; then `identity` is on the left one.
  std::shared_ptr<const TrackRequest> right;
};

// What LiveKit's API says of somebody.
struct ParticipantText {
  std::string name;
  std::string metadata;
  std::string attributes;  // a JSON object
};

// Answer to a request: 0 = welcome, else the HTTP status and what to tell the peer.
struct Verdict {
  unsigned http_status = 0;
  std::string reason;
};

// Takes what a TrackConnection reads, in the order of arrival. Called from within read().
class MessageHandler {
 public:
  virtual ~MessageHandler() = default;
  // A binary message's payload. Large or fragmented messages may come in several calls; spans
  // are valid during the call only.
  // `last` is true on the final piece (an Opus packet is whole only then).
  virtual void on_audio(std::span<const uint8_t> piece, bool last) = 0;
  // A whole text message of valid UTF-8.
  virtual void on_text(std::string_view text) = 0;
};

enum class ConnectionState {
  kOpen,
  kClosedByPeer,   // close frame: the track ended
  kLost,           // TCP end or error without a close frame
  kProtocolError,  // we closed it (1002, 1003, 1007, 1009); close_reason() says why
  kTimedOut,       // nothing at all arrived for the idle time-out
  kClosedLocally,  // close() was called
};

struct ConnectionCounters {
  uint64_t bytes = 0;
  uint64_t messages = 0;
  uint64_t texts = 0;
  uint64_t pings = 0;
};

// A connection after its handshake, owned and driven by one room thread. Not thread-safe: all
// calls come from that thread; destruction closes the socket.
class TrackConnection {
 public:
  virtual ~TrackConnection() = default;

  // Reads what has arrived, without waiting, and hands complete messages to `handler`. Answers
  // pings, echoes a close. `now_us` is monotonic and only used for the idle time-out. Reads at
  // most `budget_bytes` so that one peer's backlog cannot hold up the others; sets *more when
  // there may be more.
  virtual ConnectionState read(MessageHandler& handler, int64_t now_us, size_t budget_bytes,
                               bool* more) = 0;

  // Sends a close frame with `code` (best effort, never blocks) and closes.
  virtual void close(uint16_t code, std::string_view reason) = 0;

  virtual const ConnectionCounters& counters() const = 0;
  // Says in words why the connection is no longer open; "" while it is.
  virtual std::string close_reason() const = 0;
};

}  // namespace livekit
