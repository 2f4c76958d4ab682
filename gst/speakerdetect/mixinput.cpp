// SPDX-License-Identifier: LGPL-2.1-or-later
#include "mixinput.h"

namespace speakerdetect {
namespace {

constexpr std::chrono::milliseconds kEndTimeout(2000);

}  // namespace

bool MixInput::set_format(const GstAudioInfo& info) {
  if (converter_.is_format(info)) return true;
  flush_converter();
  return converter_.set_format(info);
}

void MixInput::flush_converter() {
  const speech::TimedConverter::Piece rest = converter_.flush();
  listener_.push(rest.samples, rest.time_ns);
}

void MixInput::push(GstBuffer* buffer, uint64_t running_time_ns) {
  const auto time_ns = int64_t(running_time_ns);
  if (!converter_.has_format()) return;
  if (!converter_.continues(time_ns)) flush_converter();
  const speech::TimedConverter::Piece piece = converter_.convert(buffer, time_ns);
  listener_.push(piece.samples, piece.time_ns);
}

void MixInput::push_gap(uint64_t running_time_ns, uint64_t duration_ns) {
  flush_converter();
  listener_.push_silence(int64_t(running_time_ns), int64_t(duration_ns));
}

bool MixInput::update() {
  report_ = listener_.report();
  bool changed = false;
  if (report_.turn) {
    changed = report_.turn->identity != speaker_.identity;
    speaker_.identity = report_.turn->identity;
    speaker_.name = speaker_.identity;
    speaker_.since_ns = uint64_t(report_.turn->since_ns);
  }
  speaker_.level_dbov = report_.state.level_dbov;
  talking_ = report_.state.is_speech ? dominant() : nullptr;
  return changed;
}

void MixInput::end() {
  flush_converter();
  listener_.end();
  listener_.wait(kEndTimeout);
}

void MixInput::flush() {
  converter_.flush();
  listener_.flush();
  speaker_.identity.clear(); /* since_ns stays: nobody knows of a later time */
  speaker_.name.clear();
  talking_ = nullptr;
}

}  // namespace speakerdetect
