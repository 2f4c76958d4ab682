// SPDX-License-Identifier: LGPL-2.1-or-later
#include <opus/opus.h>

#include <algorithm>
#include <cmath>
#include <cstring>

#include "playback.h"
#include "renderer.h"

namespace egresssim {
namespace {

int64_t to_ns(double seconds) {
  return std::llround(seconds * 1e9);
}

// A repeatable draw in [0, 1) for message `index` of the track `seed`.
double draw(unsigned seed, int64_t index) {
  uint64_t z = (uint64_t{seed} << 32) + static_cast<uint64_t>(index) * 0x9e3779b97f4a7c15u;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return static_cast<double>(z >> 11) * 0x1.0p-53;
}

}  // namespace

struct OpusStream::State {
  TrackPlan plan;
  std::unique_ptr<Renderer> renderer;
  OpusEncoder* encoder = nullptr;
  std::vector<std::vector<uint8_t>> packets;
  ~State() {
    if (encoder != nullptr) opus_encoder_destroy(encoder);
  }
};

std::shared_ptr<OpusStream> OpusStream::create(TrackInput input, std::string& error) {
  std::shared_ptr<OpusStream> stream(new OpusStream);
  stream->state_ = std::make_unique<State>();
  State& state = *stream->state_;
  input.upgrade_s = input.who->join_s;
  state.plan = plan_track(input);
  state.renderer = std::make_unique<Renderer>(state.plan);
  int code = OPUS_OK;
  state.encoder = opus_encoder_create(kRateHz, 1, OPUS_APPLICATION_VOIP, &code);
  if (state.encoder == nullptr) {
    error = std::string("cannot make an Opus encoder: ") + opus_strerror(code);
    return nullptr;
  }
  opus_encoder_ctl(state.encoder, OPUS_SET_BITRATE(32000));
  return stream;
}

OpusStream::~OpusStream() = default;

size_t OpusStream::packet_at(double spoken_s, uint8_t* out) {
  const int64_t wanted =
      std::llround(static_cast<double>(state_->plan.frame_at(spoken_s)) / kFramesPerPacket);
  const auto index = static_cast<size_t>(std::max<int64_t>(wanted, 0));
  while (state_->packets.size() <= index) {
    int16_t stereo[kFramesPerPacket * kChannels];
    state_->renderer->render(static_cast<int64_t>(state_->packets.size()) * kFramesPerPacket,
                             kFramesPerPacket, stereo);
    int16_t mono[kFramesPerPacket];
    for (int i = 0; i < kFramesPerPacket; ++i) mono[i] = stereo[2 * i];
    std::vector<uint8_t> packet(1500);
    const int length = opus_encode(state_->encoder, mono, kFramesPerPacket, packet.data(),
                                   static_cast<opus_int32>(packet.size()));
    packet.resize(static_cast<size_t>(std::max(length, 0)));
    state_->packets.push_back(std::move(packet));
  }
  const auto& packet = state_->packets[index];
  std::memcpy(out, packet.data(), packet.size());
  return packet.size();
}

struct TrackPlayback::Started {
  TrackPlan plan;
  Renderer renderer;
  int frames_per_message;
  int64_t message_count;
  int64_t next_message = 0;
  size_t next_control = 0;
  int64_t next_ping = 1;
  int64_t audio_due_ns = kNever_ns;
  int64_t jitter_floor_ns = 0;  // a jittered message never overtakes the one before
  Outgoing::Kind next_kind = Outgoing::Kind::kAudio;
  int64_t next_due_ns = kNever_ns;

  Started(TrackPlan planned, int frames)
      : plan(std::move(planned)), renderer(plan), frames_per_message(frames) {
    message_count = frames == kFramesPerMessage
                        ? (plan.total_frames + frames - 1) / frames
                        : plan.total_frames / frames;  // an Opus packet is always whole
  }
  Started(const Started&) = delete;  // the renderer points to the plan
  Started& operator=(const Started&) = delete;
};

TrackPlayback::TrackPlayback(TrackInput input, std::shared_ptr<OpusStream> opus)
    : input_(std::move(input)), opus_(std::move(opus)) {}

TrackPlayback::~TrackPlayback() = default;

void TrackPlayback::begin(int64_t upgrade_ns) {
  input_.upgrade_s = static_cast<double>(upgrade_ns) * 1e-9;
  started_ = std::make_unique<Started>(plan_track(input_),
                                       opus_ ? OpusStream::kFramesPerPacket : kFramesPerMessage);
  drop_audio(0);
}

void TrackPlayback::end_at(double at_s) {
  auto ended = std::make_unique<Participant>(*input_.who);
  ended->leave_s = at_s;
  // Whatever would have come later does not.
  std::erase_if(ended->faults, [at_s](const Fault& fault) { return fault.at_s >= at_s; });
  input_.who = ended.get();
  ended_ = std::move(ended);
  if (!started_) return;
  // The same plan up to now, since everything in it is drawn from the same seed.
  auto changed = std::make_unique<Started>(plan_track(input_), started_->frames_per_message);
  changed->next_message = started_->next_message;
  changed->next_ping = started_->next_ping;
  changed->jitter_floor_ns = started_->jitter_floor_ns;
  const auto& old_controls = started_->plan.controls;
  const auto& controls = changed->plan.controls;
  while (changed->next_control < started_->next_control &&
         changed->next_control + 1 < controls.size() &&
         controls[changed->next_control].at_s == old_controls[changed->next_control].at_s)
    ++changed->next_control;
  started_ = std::move(changed);
  drop_audio(0);
}

std::vector<Stall> TrackPlayback::stalls() const {
  return started_ ? started_->plan.stalls : std::vector<Stall>{};
}

int64_t TrackPlayback::next_due_ns() const {
  return started_ ? started_->next_due_ns : kNever_ns;
}

// Moves on by `count` audio messages and works out what comes next.
void TrackPlayback::drop_audio(int64_t count) {
  Started& s = *started_;
  if (count > 0 || s.audio_due_ns == kNever_ns) {
    s.next_message = std::min(s.next_message + count, s.message_count);
    s.audio_due_ns = kNever_ns;
    if (s.next_message < s.message_count) {
      s.audio_due_ns = to_ns(s.plan.message_due_s(s.next_message, s.frames_per_message));
      const double jitter_ms = input_.who->jitter_ms;
      if (jitter_ms > 0) {
        s.audio_due_ns += to_ns(jitter_ms * 1e-3 * draw(input_.seed, s.next_message));
        s.audio_due_ns = std::max(s.audio_due_ns, s.jitter_floor_ns);
        s.jitter_floor_ns = s.audio_due_ns;
      }
    }
  }
  s.next_kind = Outgoing::Kind::kAudio;
  s.next_due_ns = s.audio_due_ns;
  if (s.next_control < s.plan.controls.size()) {
    const ControlEvent& control = s.plan.controls[s.next_control];
    const int64_t due_ns = to_ns(control.at_s);
    // The close frame follows the last of the audio, however late that is; the rest does not wait.
    const bool waits = control.kind == ControlEvent::Kind::kClose && s.audio_due_ns != kNever_ns;
    if (!waits && due_ns < s.next_due_ns) {
      s.next_due_ns = due_ns;
      switch (control.kind) {
        case ControlEvent::Kind::kText:
          s.next_kind = Outgoing::Kind::kText;
          break;
        case ControlEvent::Kind::kClose:
          s.next_kind = Outgoing::Kind::kClose;
          break;
        case ControlEvent::Kind::kFinish:
          s.next_kind = Outgoing::Kind::kFinish;
          break;
        case ControlEvent::Kind::kReset:
          s.next_kind = Outgoing::Kind::kReset;
          break;
      }
    }
    const int64_t ping_ns =
        to_ns(s.plan.upgrade_s + static_cast<double>(s.next_ping) * kPingInterval_s);
    if (ping_ns < s.next_due_ns) {
      s.next_due_ns = ping_ns;
      s.next_kind = Outgoing::Kind::kPing;
    }
  }
}

Outgoing TrackPlayback::take(uint8_t* payload) {
  Started& s = *started_;
  Outgoing out{s.next_kind, 0};
  switch (s.next_kind) {
    case Outgoing::Kind::kAudio: {
      const int64_t first = s.next_message * s.frames_per_message;
      if (opus_) {
        out.length = opus_->packet_at(
            s.plan.origin_s + static_cast<double>(first) / s.plan.frames_per_s, payload);
      } else {
        const int frames =
            static_cast<int>(std::min<int64_t>(s.frames_per_message, s.plan.total_frames - first));
        s.renderer.render(first, frames, reinterpret_cast<int16_t*>(payload));
        out.length = static_cast<size_t>(frames) * kBytesPerFrame;
      }
      drop_audio(1);
      return out;
    }
    case Outgoing::Kind::kPing:
      std::memcpy(payload, "ping", 4);
      out.length = 4;
      ++s.next_ping;
      break;
    case Outgoing::Kind::kText: {
      const std::string& text = s.plan.controls[s.next_control].text;
      std::memcpy(payload, text.data(), text.size());
      out.length = text.size();
      ++s.next_control;
      break;
    }
    default:
      ++s.next_control;
      break;
  }
  drop_audio(0);
  return out;
}

int64_t TrackPlayback::overdue_audio(int64_t now_ns) const {
  const Started& s = *started_;
  if (s.audio_due_ns > now_ns) return 0;
  const double since_first_s = static_cast<double>(now_ns) * 1e-9 - s.plan.first_message_s;
  const auto due = static_cast<int64_t>(
      std::floor(since_first_s * s.plan.frames_per_s / s.frames_per_message) + 1);
  return std::max<int64_t>(std::min(due, s.message_count) - s.next_message, 0);
}

}  // namespace egresssim
