// SPDX-License-Identifier: LGPL-2.1-or-later
// Compiled several times, with VOICE_KERNEL as the name of the result. Eigen's namespace is renamed
// with it: the linker would else take one build's templates for the other, and a CPU without AVX2
// would meet its instructions. For the same reason nothing of the C++ library is used here.
#define Eigen VOICE_KERNEL_EIGEN
#include <Eigen/Core>

#include "voicekernel.h"

namespace speakerdetect {
namespace {

using Row = Eigen::Matrix<float, 1, Eigen::Dynamic>;
using Column = Eigen::Matrix<float, Eigen::Dynamic, 1>;
using Rows = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

void multiply(const float* rows, size_t n_rows, size_t inputs, const float* weights, size_t outputs,
              float* results) {
  const Eigen::Map<const Rows> in(rows, Eigen::Index(n_rows), Eigen::Index(inputs));
  const Eigen::Map<const Rows> by(weights, Eigen::Index(outputs), Eigen::Index(inputs));
  Eigen::Map<Rows> out(results, Eigen::Index(n_rows), Eigen::Index(outputs));
  out.noalias() = in * by.transpose();
}

void run_lstm(const LstmLayer& layer, const float* frames, size_t n_frames, float* gates,
              float* hidden) {
  const Eigen::Index cells = Eigen::Index(layer.cells);
  const Eigen::Map<const Row> bias(layer.bias, 4 * cells);
  const Eigen::Map<const Rows> recurrent(layer.recurrent_weights, 4 * cells, cells);
  multiply(frames, n_frames, layer.inputs, layer.input_weights, 4 * layer.cells, gates);
  Column state = Column::Zero(cells);
  for (size_t frame = 0; frame < n_frames; frame++) {
    Eigen::Map<Column> gate(gates + frame * 4 * layer.cells, 4 * cells);
    Eigen::Map<Column> out(hidden + frame * layer.cells, cells);
    gate += bias.transpose();
    if (frame > 0) {
      const Eigen::Map<const Column> before(hidden + (frame - 1) * layer.cells, cells);
      gate.noalias() += recurrent * before;
    }
    const auto in = gate.segment(0, cells).array().logistic();
    const auto forget = gate.segment(cells, cells).array().logistic();
    const auto added = gate.segment(2 * cells, cells).array().tanh();
    state = (forget * state.array() + in * added).matrix();
    out = (gate.segment(3 * cells, cells).array().logistic() * state.array().tanh()).matrix();
  }
}

}  // namespace

extern const VoiceKernel VOICE_KERNEL;
const VoiceKernel VOICE_KERNEL = {multiply, run_lstm};

}  // namespace speakerdetect
