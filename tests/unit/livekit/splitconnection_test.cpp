// SPDX-License-Identifier: LGPL-2.1-or-later
// Two people on left and right of one connection, taken apart.
#include "splitconnection.h"

#include <gtest/gtest.h>

#include <cstring>
#include <vector>

namespace livekit {
namespace {

// Hands on one piece at each read, and ends when there is none left.
class Fake final : public TrackConnection {
 public:
  explicit Fake(std::vector<std::vector<uint8_t>> pieces, bool* closed = nullptr)
      : pieces_(std::move(pieces)), closed_(closed) {}
  ConnectionState read(MessageHandler& handler, int64_t, size_t, bool* more) override {
    *more = false;
    if (next_ == pieces_.size()) return ConnectionState::kClosedByPeer;
    handler.on_text("{\"muted\":true}");
    handler.on_audio(pieces_[next_++], true);
    *more = next_ < pieces_.size();
    return ConnectionState::kOpen;
  }
  void close(uint16_t, std::string_view) override {
    if (closed_) *closed_ = true;
  }
  const ConnectionCounters& counters() const override { return counters_; }
  std::string close_reason() const override { return ""; }

 private:
  std::vector<std::vector<uint8_t>> pieces_;
  size_t next_ = 0;
  bool* closed_;
  ConnectionCounters counters_;
};

class Ear final : public MessageHandler {
 public:
  void on_audio(std::span<const uint8_t> piece, bool) override {
    heard.insert(heard.end(), piece.begin(), piece.end());
  }
  void on_text(std::string_view) override { ++texts; }
  std::vector<int16_t> samples() const {
    std::vector<int16_t> out(heard.size() / 2);
    if (!out.empty()) std::memcpy(out.data(), heard.data(), heard.size());
    return out;
  }
  std::vector<uint8_t> heard;
  int texts = 0;
};

std::vector<uint8_t> bytes_of(const std::vector<int16_t>& samples) {
  std::vector<uint8_t> bytes(samples.size() * 2);
  std::memcpy(bytes.data(), samples.data(), bytes.size());
  return bytes;
}

TEST(SplitConnection, EachHasHisOwnChannelOnBoth) {
  auto [left, right] = split_connection(
      std::make_unique<Fake>(std::vector{bytes_of({1, 10, 2, 20}), bytes_of({3, 30})}), {});
  Ear one;
  Ear other;
  bool more = false;
  EXPECT_EQ(left->read(one, 0, 100, &more), ConnectionState::kOpen);
  EXPECT_EQ(right->read(other, 0, 100, &more), ConnectionState::kOpen);
  EXPECT_EQ(left->read(one, 0, 100, &more), ConnectionState::kClosedByPeer);
  EXPECT_EQ(right->read(other, 0, 100, &more), ConnectionState::kClosedByPeer);
  EXPECT_EQ(one.samples(), (std::vector<int16_t>{1, 1, 2, 2, 3, 3}));
  EXPECT_EQ(other.samples(), (std::vector<int16_t>{10, 10, 20, 20, 30, 30}));
  EXPECT_EQ(one.texts + other.texts, 0) << "it does not say whom it means";
}

TEST(SplitConnection, WhateverTheMessagesAreCutAt) {
  const std::vector<uint8_t> all = bytes_of({1, 10, 2, 20, 3, 30, 4, 40});
  for (size_t cut = 1; cut < all.size(); ++cut) {
    auto [left, right] =
        split_connection(std::make_unique<Fake>(std::vector{
                             std::vector<uint8_t>(all.begin(), all.begin() + ptrdiff_t(cut)),
                             std::vector<uint8_t>(all.begin() + ptrdiff_t(cut), all.end())}),
                         {});
    Ear one;
    Ear other;
    bool more = false;
    while (left->read(one, 0, 100, &more) == ConnectionState::kOpen) continue;
    EXPECT_EQ(right->read(other, 0, 100, &more), ConnectionState::kClosedByPeer);
    EXPECT_EQ(one.samples(), (std::vector<int16_t>{1, 1, 2, 2, 3, 3, 4, 4})) << cut;
    EXPECT_EQ(other.samples(), (std::vector<int16_t>{10, 10, 20, 20, 30, 30, 40, 40})) << cut;
  }
}

TEST(SplitConnection, FloatSamplesToo) {
  AudioFormat format;
  format.encoding = AudioFormat::Encoding::kF32le;
  const float samples[] = {0.5f, -0.25f};
  std::vector<uint8_t> bytes(sizeof samples);
  std::memcpy(bytes.data(), samples, sizeof samples);
  auto [left, right] =
      split_connection(std::make_unique<Fake>(std::vector<std::vector<uint8_t>>{bytes}), format);
  Ear one;
  Ear other;
  bool more = false;
  left->read(one, 0, 100, &more);
  right->read(other, 0, 100, &more);
  float out[2];
  ASSERT_EQ(other.heard.size(), sizeof out);
  std::memcpy(out, other.heard.data(), sizeof out);
  EXPECT_EQ(out[0], -0.25f);
  EXPECT_EQ(out[1], -0.25f);
}

TEST(SplitConnection, ClosingOneClosesBoth) {
  bool closed = false;
  auto [left, right] =
      split_connection(std::make_unique<Fake>(std::vector<std::vector<uint8_t>>(), &closed), {});
  left->close(1001, "shutting down");
  EXPECT_TRUE(closed);
  Ear ear;
  bool more = false;
  EXPECT_EQ(right->read(ear, 0, 100, &more), ConnectionState::kClosedLocally);
}

}  // namespace
}  // namespace livekit
