// AudioWindows: pieces of any length with jittering times become whole windows.
#include "speech/audiowindows.h"

#include <gtest/gtest.h>

#include <numeric>
#include <vector>

namespace speech {
namespace {

constexpr int64_t kMsNs = 1'000'000;

class AudioWindowsTest : public ::testing::Test {
 protected:
  struct Taken {
    std::vector<float> samples;
    int64_t time_ns;
  };
  void push(size_t count, int64_t time_ns) {
    std::vector<float> samples(count);
    std::iota(samples.begin(), samples.end(), next_value_);
    next_value_ += static_cast<float>(count);
    windows_.push(samples, time_ns);
  }
  std::vector<float> joined() const {
    std::vector<float> all;
    for (const Taken& taken : taken_) {
      all.insert(all.end(), taken.samples.begin(), taken.samples.end());
    }
    return all;
  }

  float next_value_ = 1;
  std::vector<Taken> taken_;
  int breaks_ = 0;
  AudioWindows windows_{[this](std::span<const float> window, int64_t time_ns) {
                          taken_.push_back({{window.begin(), window.end()}, time_ns});
                        },
                        [this] { breaks_++; }};
};

TEST_F(AudioWindowsTest, PiecesBecomeWindowsInOrder) {
  int64_t time_ns = 7 * kMsNs;
  for (const size_t count : {1u, 160u, 0u, 400u, 2000u, 511u}) {
    push(count, time_ns);
    time_ns += static_cast<int64_t>(count) * kSampleNs;
  }
  ASSERT_EQ(taken_.size(), 6u);
  EXPECT_EQ(taken_[0].time_ns, 7 * kMsNs);
  EXPECT_EQ(taken_[5].time_ns, 7 * kMsNs + 5 * kWindowNs);
  for (size_t i = 0; i < joined().size(); i++) ASSERT_EQ(joined()[i], static_cast<float>(i + 1));
  EXPECT_EQ(breaks_, 0);
  windows_.flush();
  EXPECT_EQ(taken_.size(), 6u);  // 3072 = 6 * 512: nothing had begun
  push(1, time_ns);
  windows_.flush();
  ASSERT_EQ(taken_.size(), 7u);
  EXPECT_EQ(taken_[6].samples[0], 3073);
  EXPECT_EQ(taken_[6].samples[1], 0);
}

TEST_F(AudioWindowsTest, JitterMovesNoSampleButTheTimeFollows) {
  int64_t time_ns = 0;
  for (int i = 0; i < 32; i++) {
    push(160, time_ns + (i % 2 == 0 ? 0 : 30 * kMsNs));
    time_ns += 10 * kMsNs;
  }
  EXPECT_EQ(taken_.size(), 10u);
  EXPECT_EQ(breaks_, 0);
  for (size_t i = 0; i < joined().size(); i++) ASSERT_EQ(joined()[i], static_cast<float>(i + 1));
  EXPECT_NEAR(static_cast<double>(taken_[9].time_ns), 9.0 * kWindowNs, 31e6);
}

TEST_F(AudioWindowsTest, JumpForwardIsSilence) {
  push(512, 0);
  push(512, 32 * kMsNs + 64 * kMsNs);
  ASSERT_EQ(taken_.size(), 4u);
  EXPECT_EQ(taken_[1].samples, std::vector<float>(512));
  EXPECT_EQ(taken_[2].samples, std::vector<float>(512));
  EXPECT_EQ(taken_[3].samples[0], 513);
  EXPECT_EQ(taken_[3].time_ns, 96 * kMsNs);
  EXPECT_EQ(breaks_, 0);
}

TEST_F(AudioWindowsTest, HoursOfSilenceAreNotCounted) {
  push(512, 0);
  push(512, int64_t{7200} * 1000 * kMsNs);
  EXPECT_LT(taken_.size(), 70u);
  EXPECT_EQ(breaks_, 1);
  EXPECT_EQ(taken_.back().time_ns, int64_t{7200} * 1000 * kMsNs);
  EXPECT_EQ(taken_.back().samples[0], 513);
}

TEST_F(AudioWindowsTest, JumpBackwardStartsOver) {
  push(600, 1000 * kMsNs);
  push(512, 0);
  ASSERT_EQ(taken_.size(), 3u);
  EXPECT_EQ(breaks_, 1);
  EXPECT_EQ(taken_[1].samples[87], 600);
  EXPECT_EQ(taken_[1].samples[88], 0);
  EXPECT_EQ(taken_[2].time_ns, 0);
}

TEST_F(AudioWindowsTest, GapsAreSilenceOfTheirLength) {
  push(512, 0);
  for (int i = 0; i < 32; i++) windows_.push_silence((32 + 10 * i) * kMsNs, 10 * kMsNs);
  EXPECT_EQ(taken_.size(), 11u);
  push(512, 352 * kMsNs);
  ASSERT_EQ(taken_.size(), 12u);
  EXPECT_EQ(taken_[11].time_ns, 352 * kMsNs);
  EXPECT_EQ(breaks_, 0);
  windows_.push_silence(384 * kMsNs, 0);
  windows_.push_silence(384 * kMsNs, -5);
  EXPECT_EQ(taken_.size(), 12u);
}

TEST_F(AudioWindowsTest, GapThatBeginsLaterFillsWhatIsBefore) {
  push(512, 0);
  windows_.push_silence(96 * kMsNs, 32 * kMsNs);
  EXPECT_EQ(taken_.size(), 4u);
  windows_.push_silence(0, 32 * kMsNs);
  EXPECT_EQ(breaks_, 1);
}

}  // namespace
}  // namespace speech
