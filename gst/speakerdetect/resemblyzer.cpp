// SPDX-License-Identifier: LGPL-2.1-or-later
// Resemblyzer's network: three layers of 256 LSTM cells over mel features, the last state of which
// goes through one more layer, is rectified and brought to length 1.
#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <mutex>
#include <numeric>

#include "melfeatures.h"
#include "speech/safetensors.h"
#include "voiceembedder.h"

namespace speakerdetect {
namespace {

constexpr size_t kCells = 256;
constexpr size_t kLayers = 3;
constexpr size_t kGates = 4 * kCells;
// The features are not logarithmic, so the level matters: the network knows speech of this one.
constexpr double kLevelDbov = -30;

struct Weights {
  std::array<std::vector<float>, kLayers> input, recurrent, bias;
  std::vector<float> linear, linear_bias;
};

class Resemblyzer : public VoiceEmbedder {
 public:
  explicit Resemblyzer(Weights weights) : weights_(std::move(weights)) {}

  Embedding embed(std::span<const float> speech) override {
    const double energy = std::transform_reduce(speech.begin(), speech.end(), 0.0, std::plus<>(),
                                                [](float s) { return double(s) * s; });
    if (energy <= 0) return {};
    const double power = energy / double(speech.size());
    const auto gain = float(std::sqrt(std::pow(10.0, kLevelDbov / 10) / power));
    std::vector<float> samples(speech.begin(), speech.end());
    for (float& sample : samples) sample *= gain;

    std::vector<float> frames = features_.run(samples);
    const size_t n_frames = frames.size() / kMelBands;
    std::vector<float> gates(n_frames * kGates);
    std::vector<float> hidden(n_frames * kCells);
    for (size_t layer = 0; layer < kLayers; layer++) {
      const size_t inputs = layer == 0 ? kMelBands : kCells;
      kernel_.run_lstm({weights_.input[layer].data(), weights_.recurrent[layer].data(),
                        weights_.bias[layer].data(), inputs, kCells},
                       frames.data(), n_frames, gates.data(), hidden.data());
      frames = hidden;
    }
    Embedding embedding(kCells);
    kernel_.multiply(&hidden[(n_frames - 1) * kCells], 1, kCells, weights_.linear.data(), kCells,
                     embedding.data());
    for (size_t i = 0; i < kCells; i++) {
      embedding[i] = std::max(0.0F, embedding[i] + weights_.linear_bias[i]);
    }
    return normalized(std::move(embedding));
  }

 private:
  const VoiceKernel& kernel_ = fastest_voice_kernel();
  const MelFeatures features_;
  const Weights weights_;
};

std::shared_ptr<VoiceEmbedder> read(const std::filesystem::path& path) {
  speech::Safetensors file;
  if (!file.open(path)) return nullptr;
  bool complete = true;
  const auto tensor = [&](const std::string& name, size_t count) {
    std::vector<float> values = file.tensor(name, count);
    complete = complete && values.size() == count;
    values.resize(count);
    return values;
  };
  Weights weights;
  for (size_t layer = 0; layer < kLayers; layer++) {
    const std::string at = "_l" + std::to_string(layer);
    const size_t inputs = layer == 0 ? kMelBands : kCells;
    weights.input[layer] = tensor("lstm.weight_ih" + at, kGates * inputs);
    weights.recurrent[layer] = tensor("lstm.weight_hh" + at, kGates * kCells);
    weights.bias[layer] = tensor("lstm.bias_ih" + at, kGates);
    const std::vector<float> more = tensor("lstm.bias_hh" + at, kGates);
    for (size_t i = 0; i < kGates; i++) weights.bias[layer][i] += more[i];
  }
  weights.linear = tensor("linear.weight", kCells * kCells);
  weights.linear_bias = tensor("linear.bias", kCells);
  return complete ? std::make_shared<Resemblyzer>(std::move(weights)) : nullptr;
}

}  // namespace

std::shared_ptr<VoiceEmbedder> load_resemblyzer(const std::filesystem::path& file,
                                                std::string& error) {
  static std::mutex mutex;
  static std::map<std::filesystem::path, std::weak_ptr<VoiceEmbedder>> loaded;  // mutex
  const std::lock_guard lock(mutex);
  std::shared_ptr<VoiceEmbedder> embedder = loaded[file].lock();
  if (embedder) return embedder;
  embedder = read(file);
  if (!embedder) {
    error = "The voice model " + file.string() +
            " is missing or damaged. Run tools/setup to install it.";
    return nullptr;
  }
  loaded[file] = embedder;
  return embedder;
}

}  // namespace speakerdetect
