// Any raw audio to mono float at 16 kHz: lengths, levels and channels.
#include "speech/inputconverter.h"

#include <gtest/gtest.h>

#include <cmath>

#include "speech/voiceactivity.h"

namespace speech {
namespace {

GstAudioInfo format(GstAudioFormat sample, int rate, int channels) {
  GstAudioInfo info;
  gst_audio_info_init(&info);
  std::vector<GstAudioChannelPosition> none(size_t(channels), GST_AUDIO_CHANNEL_POSITION_NONE);
  gst_audio_info_set_format(&info, sample, rate, channels, channels > 2 ? none.data() : nullptr);
  return info;
}

class InputConverterTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() { gst_init(nullptr, nullptr); }

  // One second of S16 in 10 ms buffers; channel values by `value(frame, channel)`.
  template <typename Value>
  std::vector<float> second_of_s16(int rate, int channels, Value value) {
    InputConverter converter;
    EXPECT_TRUE(converter.set_format(format(GST_AUDIO_FORMAT_S16LE, rate, channels)));
    std::vector<float> all;
    for (int first = 0; first < rate; first += rate / 100) {
      std::vector<int16_t> data;
      for (int frame = first; frame < first + rate / 100; ++frame) {
        for (int channel = 0; channel < channels; ++channel) {
          data.push_back(int16_t(value(frame, channel)));
        }
      }
      GstBuffer* buffer = gst_buffer_new_memdup(data.data(), data.size() * 2);
      int64_t frames = 0;
      const auto samples = converter.convert(buffer, frames);
      EXPECT_EQ(frames, rate / 100);
      all.insert(all.end(), samples.begin(), samples.end());
      gst_buffer_unref(buffer);
    }
    const auto rest = converter.flush();
    all.insert(all.end(), rest.begin(), rest.end());
    EXPECT_TRUE(converter.flush().empty());
    return all;
  }
};

TEST_F(InputConverterTest, SameRateIsCopied) {
  const auto all = second_of_s16(16000, 1, [](int frame, int) { return frame % 100; });
  ASSERT_EQ(all.size(), 16000u);
  EXPECT_NEAR(all[50], 50 / 32768.0, 1e-6);
}

TEST_F(InputConverterTest, NothingIsLostAtAnyRate) {
  for (const int rate : {8000, 22000, 44100, 48000, 96000}) {
    const auto all = second_of_s16(rate, 2, [](int, int) { return 8192; });
    EXPECT_NEAR(double(all.size()), 16000, 2) << rate;
    EXPECT_NEAR(all[8000], 0.25, 0.005) << rate;
  }
}

// A recurrent network that has seen one of these hears nothing any more.
TEST_F(InputConverterTest, WhatIsNoNumberIsSilence) {
  for (const int rate : {16000, 44100}) {
    InputConverter converter;
    ASSERT_TRUE(converter.set_format(format(GST_AUDIO_FORMAT_F32, rate, 1)));
    std::vector<float> data(size_t(rate), 0.25f);
    data[100] = NAN;
    data[101] = INFINITY;
    data[102] = -INFINITY;
    data[103] = 3e38f;
    GstBuffer* buffer = gst_buffer_new_memdup(data.data(), data.size() * sizeof(float));
    int64_t frames = 0;
    const auto samples = converter.convert(buffer, frames);
    for (const float sample : samples) {
      ASSERT_TRUE(std::isfinite(sample));
      ASSERT_LE(std::abs(sample), 4.0f);
    }
    EXPECT_NEAR(samples[8000], 0.25, 0.005);
    gst_buffer_unref(buffer);
  }
}

TEST_F(InputConverterTest, ResampledAudioIsNotShifted) {
  // A step at half a second.
  const auto all =
      second_of_s16(48000, 1, [](int frame, int) { return frame < 24000 ? 0 : 16384; });
  size_t step = 0;
  while (step < all.size() && all[step] < 0.25) ++step;
  EXPECT_NEAR(double(step), 8000, 2);
}

TEST_F(InputConverterTest, ChannelsAreAveragedWhateverTheyAre) {
  const auto stereo =
      second_of_s16(16000, 2, [](int, int channel) { return channel == 0 ? 16384 : 0; });
  EXPECT_NEAR(stereo[1000], 0.25, 1e-3);
  const auto six =
      second_of_s16(16000, 6, [](int, int channel) { return channel == 3 ? 24576 : 0; });
  EXPECT_NEAR(six[1000], 0.125, 1e-3);
}

TEST_F(InputConverterTest, EmptyBufferIsNothing) {
  InputConverter converter;
  ASSERT_TRUE(converter.set_format(format(GST_AUDIO_FORMAT_F32LE, 48000, 2)));
  GstBuffer* buffer = gst_buffer_new();
  int64_t frames = 1;
  EXPECT_TRUE(converter.convert(buffer, frames).empty());
  EXPECT_EQ(frames, 0);
  gst_buffer_unref(buffer);
  EXPECT_TRUE(converter.flush().empty());
}

}  // namespace
}  // namespace speech
