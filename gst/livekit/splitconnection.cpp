// SPDX-License-Identifier: LGPL-2.1-or-later
#include "splitconnection.h"

#include <algorithm>
#include <cstring>
#include <vector>

namespace livekit {

namespace {

// What both halves have in common. Whoever reads first in a slice reads for both.
class Shared final : private MessageHandler {
 public:
  Shared(std::unique_ptr<TrackConnection> connection, const AudioFormat& format)
      : connection_(std::move(connection)),
        bytes_per_sample_(format.encoding == AudioFormat::Encoding::kF32le ? 4 : 2),
        bytes_per_frame_(2 * bytes_per_sample_) {}

  ConnectionState read(int channel, MessageHandler& handler, int64_t now_us, size_t budget_bytes,
                       bool* more) {
    bool unread = false;
    if (state_ == ConnectionState::kOpen) {
      state_ = connection_->read(*this, now_us, budget_bytes, &unread);
    }
    std::vector<uint8_t>& waiting = waiting_[channel];
    if (!waiting.empty()) {
      const std::vector<uint8_t> audio = std::exchange(waiting, {});
      handler.on_audio(audio, true);
    }
    *more = unread;
    return state_;
  }

  void close(uint16_t code, std::string_view reason) {
    if (state_ != ConnectionState::kOpen) return;
    connection_->close(code, reason);
    state_ = ConnectionState::kClosedLocally;
  }
  const TrackConnection& connection() const { return *connection_; }

 private:
  void on_audio(std::span<const uint8_t> piece, bool) override {
    // A frame may be cut between two pieces.
    if (loose_.empty() && piece.size() % bytes_per_frame_ == 0) {
      spread(piece);
      return;
    }
    loose_.insert(loose_.end(), piece.begin(), piece.end());
    const size_t whole = loose_.size() - loose_.size() % bytes_per_frame_;
    spread({loose_.data(), whole});
    loose_.erase(loose_.begin(), loose_.begin() + static_cast<std::ptrdiff_t>(whole));
  }
  // {"muted":...} does not say which of the two it means.
  void on_text(std::string_view) override {}

  void spread(std::span<const uint8_t> frames) {
    for (int channel = 0; channel < 2; ++channel) {
      std::vector<uint8_t>& waiting = waiting_[channel];
      waiting.resize(waiting.size() + frames.size());
      spread_channel(frames, bytes_per_sample_, channel,
                     waiting.data() + waiting.size() - frames.size());
    }
  }

  const std::unique_ptr<TrackConnection> connection_;
  const size_t bytes_per_sample_;
  const size_t bytes_per_frame_;
  std::vector<uint8_t> waiting_[2];
  std::vector<uint8_t> loose_;  // less than a frame
  ConnectionState state_ = ConnectionState::kOpen;
};

class Half final : public TrackConnection {
 public:
  Half(std::shared_ptr<Shared> shared, int channel)
      : shared_(std::move(shared)), channel_(channel) {}

  ConnectionState read(MessageHandler& handler, int64_t now_us, size_t budget_bytes,
                       bool* more) override {
    return shared_->read(channel_, handler, now_us, budget_bytes, more);
  }
  void close(uint16_t code, std::string_view reason) override { shared_->close(code, reason); }
  const ConnectionCounters& counters() const override { return shared_->connection().counters(); }
  std::string close_reason() const override { return shared_->connection().close_reason(); }

 private:
  const std::shared_ptr<Shared> shared_;
  const int channel_;
};

}  // namespace

void spread_channel(std::span<const uint8_t> frames, size_t bytes_per_sample, int channel,
                    uint8_t* out) {
  const size_t bytes_per_frame = 2 * bytes_per_sample;
  for (size_t at = 0; at + bytes_per_frame <= frames.size(); at += bytes_per_frame) {
    const uint8_t* const sample = frames.data() + at + (channel == 0 ? 0 : bytes_per_sample);
    std::memcpy(out + at, sample, bytes_per_sample);
    std::memcpy(out + at + bytes_per_sample, sample, bytes_per_sample);
  }
}

std::pair<std::unique_ptr<TrackConnection>, std::unique_ptr<TrackConnection>> split_connection(
    std::unique_ptr<TrackConnection> connection, const AudioFormat& format) {
  const auto shared = std::make_shared<Shared>(std::move(connection), format);
  return {std::make_unique<Half>(shared, 0), std::make_unique<Half>(shared, 1)};
}

}  // namespace livekit
