// The real runtime and models, through load_engine. Skipped where they are not installed.
#include <gtest/gtest.h>
#include <stdlib.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <latch>
#include <mutex>
#include <random>
#include <string>

#include "../speech/wavfile.h"
#include "speech/speechfiles.h"
#include "stt/engines/engine.h"
#include "stt/transcriber.h"

namespace stt {
namespace {

namespace fs = std::filesystem;

std::vector<Result> transcribe(SpeechEngine& engine, const std::vector<float>& samples,
                               bool partials = false) {
  std::vector<Result> results;  // deliveries do not overlap
  TranscriberConfig config;
  config.partials = partials;
  const auto transcriber =
      engine.new_transcriber(config, [&](const Result& result) { results.push_back(result); });
  transcriber->set_live(false);
  for (size_t i = 0; i < samples.size(); i += 160) {
    const size_t count = std::min<size_t>(160, samples.size() - i);
    transcriber->push(std::span(samples).subspan(i, count), static_cast<int64_t>(i) * 62500);
  }
  std::latch done{1};
  transcriber->drain([&] { done.count_down(); });
  done.wait();
  return results;
}

std::string text_of(const std::vector<Result>& results) {
  std::string text;
  for (const Result& result : results) {
    if (result.is_final) text += (text.empty() ? "" : " ") + result.text;
  }
  return text;
}

class SpeechEngineTest : public ::testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    const EngineConfig config = {"sherpa", GetParam(), ""};
    if (const std::string problem = check_engine(config); !problem.empty()) {
      GTEST_SKIP() << problem;
    }
    std::string error;
    engine_ = load_engine(config, error, [this](int percent) { progress_.push_back(percent); });
    ASSERT_TRUE(engine_) << error;
  }
  std::vector<float> clip() {
    const fs::path assets = find_speech_files("").directory / "moonshine_voice" / "assets";
    std::vector<float> samples = read_wav(assets / "beckett.wav", 16000);
    EXPECT_FALSE(samples.empty());
    return samples;
  }
  std::shared_ptr<SpeechEngine> engine_;
  std::vector<int> progress_;
};

TEST_P(SpeechEngineTest, UnderstandsSpeech) {
  const auto results = transcribe(*engine_, clip(), true);
  const std::string text = text_of(results);
  for (const char* words : {"Ever tried", "Ever failed", "No matter", "Try again", "Fail again"}) {
    EXPECT_NE(text.find(words), std::string::npos) << text;
  }
  const bool is_large = std::string(GetParam()) != "tiny";
  for (const Result& result : results) {
    EXPECT_EQ(result.language, "en");
    EXPECT_LT(result.start_ns, result.end_ns);
    if (result.is_final) {
      EXPECT_EQ(result.model, is_large ? "moonshine-base" : "moonshine-tiny");
    }
  }
  EXPECT_NEAR(static_cast<double>(results.front().start_ns), 0.35e9, 0.1e9);
  EXPECT_EQ(progress_.front(), 0);
  EXPECT_EQ(progress_.back(), 100);
  EXPECT_TRUE(std::is_sorted(progress_.begin(), progress_.end()));
}

INSTANTIATE_TEST_SUITE_P(Models, SpeechEngineTest, ::testing::Values("tiny", "base", "tiered"));

// 20 s each, at -30 dBov.
class NoSpeechTest : public SpeechEngineTest {
 protected:
  template <typename Make>
  std::vector<float> noise(Make make) {
    std::vector<float> samples(20 * kSampleRateHz);
    double energy = 0;
    for (size_t i = 0; i < samples.size(); i++) {
      samples[i] = static_cast<float>(make(static_cast<double>(i) / kSampleRateHz));
      energy += samples[i] * samples[i];
    }
    const double gain =
        std::pow(10, -30.0 / 20) / std::sqrt(energy / static_cast<double>(samples.size()));
    for (float& sample : samples) sample = static_cast<float>(sample * gain);
    return samples;
  }
  std::mt19937 random_{7};
  std::normal_distribution<double> normal_;
};

TEST_P(NoSpeechTest, GivesNoText) {
  EXPECT_EQ(text_of(transcribe(*engine_, std::vector<float>(320'000))), "") << "silence";
  EXPECT_EQ(text_of(transcribe(*engine_, noise([this](double) { return normal_(random_); }))), "")
      << "white noise";
  double brown = 0;
  EXPECT_EQ(text_of(transcribe(
                *engine_, noise([&](double) { return brown = 0.98 * brown + normal_(random_); }))),
            "")
      << "brown noise";
  EXPECT_EQ(text_of(transcribe(*engine_, noise([](double t) {
              double sum = 0;
              for (int h = 1; h < 8; h++) sum += std::sin(2 * M_PI * 50 * h * t) / h;
              return sum;
            }))),
            "")
      << "hum";
  // Keys: a burst of noise with a click, some 6 a second.
  double next = 0.1;
  double struck = -1;
  EXPECT_EQ(text_of(transcribe(*engine_, noise([&](double t) {
              if (t > next) {
                struck = t;
                next = t + 0.08 + 0.08 * std::abs(normal_(random_));
              }
              const double age = t - struck;
              return normal_(random_) * std::exp(-age / 0.008) +
                     0.5 * std::sin(2 * M_PI * 1800 * age) * std::exp(-age / 0.004);
            }))),
            "")
      << "keyboard";
  // A breath: noise that swells for 0.4 s, every 2 s.
  EXPECT_EQ(text_of(transcribe(*engine_, noise([&](double t) {
              const double phase = std::fmod(t, 2);
              return phase < 0.4 ? normal_(random_) * std::sin(M_PI * phase / 0.4) : 0.0;
            }))),
            "")
      << "breath";
}

INSTANTIATE_TEST_SUITE_P(Models, NoSpeechTest, ::testing::Values("tiny", "base"));

class NamedModel : public Model {
 public:
  const std::string& name() const override { return name_; }
  const Capabilities& capabilities() const override { return capabilities_; }
  std::unique_ptr<Session> new_session() const override { return nullptr; }

 private:
  const std::string name_ = "named";
  const Capabilities capabilities_;
};

TEST(ShareModel, LoadsOnceWhileSomebodyHoldsIt) {
  int loads = 0;
  const auto load = [&loads] {
    loads++;
    return std::make_shared<NamedModel>();
  };
  auto first = share_model("here", load);
  EXPECT_EQ(share_model("here", load), first);
  EXPECT_EQ(loads, 1);
  EXPECT_NE(share_model("there", load), first);
  EXPECT_EQ(loads, 2);
  first.reset();
  EXPECT_TRUE(share_model("here", load));
  EXPECT_EQ(loads, 3);
}

TEST(ShareModel, FailureIsNotRemembered) {
  EXPECT_FALSE(share_model("broken", [] { return nullptr; }));
  EXPECT_TRUE(share_model("broken", [] { return std::make_shared<NamedModel>(); }));
}

class BrokenInstallation : public ::testing::Test {
 protected:
  void SetUp() override {
    // A folder of its own for each test: the runtime is opened once for each path.
    directory_ = fs::path(::testing::TempDir()) /
                 (std::string("broken-speech-") +
                  ::testing::UnitTest::GetInstance()->current_test_info()->name());
    fs::remove_all(directory_);
    fs::create_directories(directory_);
  }
  void TearDown() override { fs::remove_all(directory_); }
  EngineConfig config() const { return {"sherpa", "tiny", directory_.string()}; }
  fs::path directory_;
};

TEST_F(BrokenInstallation, MissingFilesNameTheCommandThatInstallsThem) {
  const std::string problem = check_engine(config());
  EXPECT_NE(problem.find("tools/setup"), std::string::npos) << problem;
  std::string error;
  EXPECT_FALSE(load_engine(config(), error, nullptr));
  EXPECT_EQ(error, problem);
}

TEST_F(BrokenInstallation, TheEnvironmentNamesTheFolder) {
  const char* before = getenv("ROOMAUDIO_SPEECH_DIR");
  const std::string kept = before != nullptr ? before : "";
  setenv("ROOMAUDIO_SPEECH_DIR", directory_.c_str(), 1);
  EXPECT_EQ(find_speech_files("").directory, directory_);
  EXPECT_EQ(find_speech_files("/elsewhere").directory, "/elsewhere");
  if (before != nullptr) {
    setenv("ROOMAUDIO_SPEECH_DIR", kept.c_str(), 1);
  } else {
    unsetenv("ROOMAUDIO_SPEECH_DIR");
  }
}

TEST_F(BrokenInstallation, UnknownNamesSayWhatIsKnown) {
  EXPECT_NE(check_engine({"cloud", "tiny", ""}).find("sherpa"), std::string::npos);
  EXPECT_NE(check_engine({"sherpa", "huge", ""}).find("tiered"), std::string::npos);
}

TEST_F(BrokenInstallation, DamagedModelIsAnErrorAndNoCrash) {
  const SpeechFiles good = find_speech_files("");
  if (!check_engine({"sherpa", "tiny", ""}).empty()) GTEST_SKIP() << "no engine installed";
  fs::create_directory_symlink(good.directory / "sherpa_onnx", directory_ / "sherpa_onnx");
  fs::create_directories(directory_ / "models/moonshine-tiny");
  fs::copy_file(good.voice_activity, directory_ / "models/silero_vad_16k.safetensors");
  const MoonshineFiles from = good.moonshine("tiny");
  const MoonshineFiles to = find_speech_files(directory_.string()).moonshine("tiny");
  fs::copy_file(from.tokens, to.tokens);
  fs::copy_file(from.decoder, to.decoder);
  std::ofstream(to.encoder) << "this is no model";
  EXPECT_EQ(check_engine(config()), "");
  std::string error;
  EXPECT_FALSE(load_engine(config(), error, nullptr));
  EXPECT_NE(error.find("tools/setup"), std::string::npos) << error;
}

TEST_F(BrokenInstallation, RuntimeThatIsNoLibraryIsAnError) {
  const SpeechFiles files = find_speech_files(directory_.string());
  const MoonshineFiles model = files.moonshine("tiny");
  fs::create_directories(files.runtime.parent_path());
  fs::create_directories(model.encoder.parent_path());
  for (const fs::path& path : {files.runtime, model.encoder, model.decoder, model.tokens}) {
    std::ofstream(path) << "nothing";
  }
  const SpeechFiles good = find_speech_files("");
  if (!fs::exists(good.voice_activity)) GTEST_SKIP() << "no engine installed";
  fs::copy_file(good.voice_activity, files.voice_activity);
  std::string error;
  EXPECT_FALSE(load_engine(config(), error, nullptr));
  EXPECT_NE(error.find("tools/setup"), std::string::npos) << error;
}

}  // namespace
}  // namespace stt
