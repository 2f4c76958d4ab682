// SPDX-License-Identifier: LGPL-2.1-or-later
#include "speech/silerovad.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <mutex>
#include <optional>

#include "speech/matrix.h"
#include "speech/safetensors.h"

namespace speech {
namespace {

constexpr size_t kContext = 64;  // samples of the window before, in front of each window
constexpr size_t kPad = 64;      // mirrored samples behind it
constexpr size_t kTransform = 256;
constexpr size_t kHop = 128;
constexpr size_t kFrames = 4;
constexpr size_t kBins = 129;
constexpr size_t kState = 128;

constexpr size_t padded(size_t outputs) {
  return (outputs + 15) / 16 * 16;
}

// [outputs][inputs][taps] as stored to [taps][inputs][outputs] as computed, of the taps
// first_tap .. first_tap + taps.
std::vector<float> transposed(const std::vector<float>& stored, size_t outputs, size_t inputs,
                              size_t all_taps, size_t first_tap, size_t taps) {
  std::vector<float> result(taps * inputs * padded(outputs));
  for (size_t tap = 0; tap < taps; tap++) {
    for (size_t in = 0; in < inputs; in++) {
      for (size_t out = 0; out < outputs; out++) {
        result[(tap * inputs + in) * padded(outputs) + out] =
            stored[(out * inputs + in) * all_taps + first_tap + tap];
      }
    }
  }
  return result;
}

std::shared_ptr<const SileroWeights> read_weights(const std::filesystem::path& path) {
  Safetensors file;
  if (!file.open(path)) return nullptr;
  bool complete = true;
  const auto tensor = [&](const char* name, size_t count) {
    std::vector<float> values = file.tensor(name, count);
    complete = complete && values.size() == count;
    values.resize(count);
    return values;
  };
  auto weights = std::make_shared<SileroWeights>();
  weights->spectrum = transposed(tensor("stft_conv.weight", 2 * kBins * kTransform), 2 * kBins, 1,
                                 kTransform, 0, kTransform);
  weights->conv1 = transposed(tensor("conv1.weight", 128 * kBins * 3), 128, kBins, 3, 0, 3);
  weights->conv2 = transposed(tensor("conv2.weight", 64 * 128 * 3), 64, 128, 3, 0, 3);
  weights->conv3 = transposed(tensor("conv3.weight", 64 * 64 * 3), 64, 64, 3, 0, 3);
  weights->conv4 = transposed(tensor("conv4.weight", 128 * 64 * 3), 128, 64, 3, 1, 1);
  weights->conv1_bias = tensor("conv1.bias", 128);
  weights->conv2_bias = tensor("conv2.bias", 64);
  weights->conv3_bias = tensor("conv3.bias", 64);
  weights->conv4_bias = tensor("conv4.bias", 128);
  const size_t gates = 4 * kState;
  weights->lstm = transposed(tensor("lstm_cell.weight_ih", gates * kState), gates, kState, 1, 0, 1);
  const std::vector<float> recurrent =
      transposed(tensor("lstm_cell.weight_hh", gates * kState), gates, kState, 1, 0, 1);
  weights->lstm.insert(weights->lstm.end(), recurrent.begin(), recurrent.end());
  weights->lstm_bias = tensor("lstm_cell.bias_ih", gates);
  const std::vector<float> recurrent_bias = tensor("lstm_cell.bias_hh", gates);
  for (size_t i = 0; i < gates; i++) weights->lstm_bias[i] += recurrent_bias[i];
  weights->output = tensor("final_conv.weight", kState);
  weights->output_bias = tensor("final_conv.bias", 1)[0];
  return complete ? weights : nullptr;
}

void add_bias_and_rectify(float* values, const std::vector<float>& bias) {
  for (size_t i = 0; i < bias.size(); i++) values[i] = std::max(0.0F, values[i] + bias[i]);
}

float sigmoid(float x) {
  return 1.0F / (1.0F + std::exp(-x));
}

}  // namespace

std::shared_ptr<const SileroWeights> load_silero(const std::filesystem::path& file,
                                                 std::string& error) {
  static std::mutex mutex;
  static std::map<std::filesystem::path, std::weak_ptr<const SileroWeights>> loaded;  // by mutex
  const std::lock_guard lock(mutex);
  std::shared_ptr<const SileroWeights> weights = loaded[file].lock();
  if (weights) return weights;
  weights = read_weights(file);
  if (!weights) {
    error = "The voice activity model " + file.string() +
            " is damaged. Run tools/setup to install it again.";
    return nullptr;
  }
  loaded[file] = weights;
  return weights;
}

float SileroVad::probability(std::span<const float> window) {
  const SileroWeights& weights = *weights_;
  const auto multiply = fastest_multiply();

  std::array<float, kContext + kWindowSamples + kPad> samples;
  std::copy(context_.begin(), context_.end(), samples.begin());
  std::copy(window.begin(), window.end(), samples.begin() + kContext);
  for (size_t i = 0; i < kPad; i++) {
    samples[kContext + kWindowSamples + i] = samples[kContext + kWindowSamples - 2 - i];
  }
  std::copy(window.end() - kContext, window.end(), context_.begin());

  // A convolution over frames is a product with the neighbouring frames in a row: each layer's
  // input has an empty frame in front and, where the last tap reaches over the end, one behind.
  std::array<float, kFrames * padded(2 * kBins)> spectrum;
  multiply({weights.spectrum.data(), kTransform, padded(2 * kBins)}, {samples.data(), kHop},
           spectrum.data(), kFrames);
  std::array<float, (kFrames + 2) * kBins> magnitudes{};
  for (size_t frame = 0; frame < kFrames; frame++) {
    const float* row = &spectrum[frame * padded(2 * kBins)];
    for (size_t bin = 0; bin < kBins; bin++) {
      magnitudes[(frame + 1) * kBins + bin] =
          std::sqrt(row[bin] * row[bin] + row[kBins + bin] * row[kBins + bin]);
    }
  }

  std::array<float, (kFrames + 1) * 128> layer1{};
  multiply({weights.conv1.data(), 3 * kBins, 128}, {magnitudes.data(), kBins}, &layer1[128],
           kFrames);
  for (size_t frame = 1; frame <= kFrames; frame++) {
    add_bias_and_rectify(&layer1[frame * 128], weights.conv1_bias);
  }
  std::array<float, 3 * 64> layer2{};
  multiply({weights.conv2.data(), 3 * 128, 64}, {layer1.data(), 2 * 128}, &layer2[64], 2);
  add_bias_and_rectify(&layer2[64], weights.conv2_bias);
  add_bias_and_rectify(&layer2[128], weights.conv2_bias);
  std::array<float, 64> layer3;
  multiply({weights.conv3.data(), 3 * 64, 64}, {layer2.data(), 0}, layer3.data(), 1);
  add_bias_and_rectify(layer3.data(), weights.conv3_bias);
  std::array<float, 2 * kState> features;
  multiply({weights.conv4.data(), 64, kState}, {layer3.data(), 0}, features.data(), 1);
  add_bias_and_rectify(features.data(), weights.conv4_bias);

  std::copy(hidden_.begin(), hidden_.end(), features.begin() + kState);
  std::array<float, 4 * kState> gates;
  multiply({weights.lstm.data(), 2 * kState, 4 * kState}, {features.data(), 0}, gates.data(), 1);
  float sum = weights.output_bias;
  for (size_t i = 0; i < kState; i++) {
    const auto gate = [&](size_t which) {
      return gates[which * kState + i] + weights.lstm_bias[which * kState + i];
    };
    cell_[i] = sigmoid(gate(1)) * cell_[i] + sigmoid(gate(0)) * std::tanh(gate(2));
    hidden_[i] = sigmoid(gate(3)) * std::tanh(cell_[i]);
    sum += weights.output[i] * std::max(0.0F, hidden_[i]);
  }
  return sigmoid(sum);
}

void SileroVad::reset() {
  context_.fill(0);
  hidden_.fill(0);
  cell_.fill(0);
}

}  // namespace speech
