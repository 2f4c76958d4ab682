#include "simulation.h"

#include <algorithm>
#include <cstdio>
#include <ctime>
#include <memory>
#include <optional>
#include <set>

#include "speech/silerovad.h"
#include "stt/engines/moonshinemodel.h"
#include "stt/segmenter.h"
#include "stt/textguard.h"
#include "worderrors.h"

namespace {

using Kind = stt::SegmentEvent::Kind;

double thread_cpu_seconds() {
  timespec time = {};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) / 1e9;
}

struct Decoded {
  double start_s = 0;
  double done_s = 0;
  std::string text;
};

// One clip's walk through time.
class Simulation {
 public:
  Simulation(stt::Session& final_session, stt::Session& partial_session, Measured& measured,
             double first_sound_s)
      : final_session_(final_session),
        partial_session_(partial_session),
        measured_(measured),
        first_sound_s_(first_sound_s) {}

  void handle(const stt::SegmentEvent& event, double now_s) {
    switch (event.kind) {
      case Kind::partial:
        handle_partial(event, now_s);
        break;
      case Kind::speculative:
        speculation_ = decode(final_session_, event, std::max(now_s, final_free_s_));
        break;
      case Kind::resumed:
        if (speculation_ && speculation_->start_s < now_s) begin_speculation();
        speculation_.reset();
        break;
      case Kind::part:
      case Kind::final:
        handle_part(event, now_s);
        break;
    }
  }
  const std::string& heard() const { return heard_; }
  double last_final_s() const { return last_final_s_; }

 private:
  Decoded decode(stt::Session& session, const stt::SegmentEvent& event, double start_s) {
    const double before_s = thread_cpu_seconds();
    Decoded decoded;
    decoded.text = session.decode({event.utterance, event.part, event.samples, true}).text;
    decoded.text = stt::plausible_text(decoded.text, event.end_ns - event.part_start_ns);
    decoded.start_s = start_s;
    decoded.done_s = start_s + thread_cpu_seconds() - before_s;
    return decoded;
  }
  void begin_speculation() {
    final_free_s_ = speculation_->done_s;
    measured_.cpu_s += speculation_->done_s - speculation_->start_s;
    measured_.stats.speculations++;
  }
  void handle_partial(const stt::SegmentEvent& event, double now_s) {
    if (partial_free_s_ > now_s) {
      measured_.stats.partials_dropped++;
      return;
    }
    const Decoded decoded = decode(partial_session_, event, now_s);
    partial_free_s_ = decoded.done_s;
    measured_.cpu_s += decoded.done_s - now_s;
    measured_.stats.partials++;
    if (!shown_.insert(event.utterance).second) return;
    const double spoken_s =
        event.utterance == 1 ? first_sound_s_ : static_cast<double>(event.start_ns) / 1e9;
    measured_.first_partial_s.push_back(decoded.done_s - spoken_s);
  }
  void handle_part(const stt::SegmentEvent& event, double now_s) {
    Decoded decoded;
    if (speculation_ && event.as_speculated && speculation_->start_s < now_s) {
      begin_speculation();
      measured_.stats.speculations_used++;
      decoded = *speculation_;
    } else if (!event.samples.empty()) {
      decoded = decode(final_session_, event, std::max(now_s, final_free_s_));
      final_free_s_ = decoded.done_s;
      measured_.cpu_s += decoded.done_s - decoded.start_s;
    }
    speculation_.reset();
    heard_ += decoded.text + ' ';
    if (event.kind != Kind::final) return;
    measured_.stats.finals++;
    last_final_s_ = std::max(now_s, decoded.done_s);
    measured_.final_s.push_back(last_final_s_ - static_cast<double>(event.end_ns) / 1e9);
  }

  stt::Session& final_session_;
  stt::Session& partial_session_;
  Measured& measured_;
  const double first_sound_s_;
  std::optional<Decoded> speculation_;
  double final_free_s_ = 0;
  double partial_free_s_ = 0;
  double last_final_s_ = 0;
  std::string heard_;
  std::set<uint64_t> shown_;
};

}  // namespace

bool simulate(const std::string& model, const std::vector<Clip>& clips, Measured& measured) {
  std::string error;
  const stt::SpeechFiles files = speech::find_speech_files("");
  const auto voice_activity = stt::load_silero(files.voice_activity, error);
  const bool is_tiered = model == "tiered";
  const auto final_model = stt::load_moonshine(files, is_tiered ? "base" : model, error);
  const auto partial_model = stt::load_moonshine(files, is_tiered ? "tiny" : model, error);
  if (!voice_activity || !final_model || !partial_model) {
    fprintf(stderr, "%s\n", error.c_str());
    return false;
  }
  const auto final_session = final_model->new_session();
  const auto partial_session = partial_model->new_session();
  for (const Clip& clip : clips) {
    std::vector<float> samples = clip.samples;
    samples.resize(samples.size() + 2 * stt::kSampleRateHz);
    const auto [first_sound_s, last_sound_s] = sound_range(clip.samples);
    Simulation simulation(*final_session, *partial_session, measured, first_sound_s);
    stt::GatedVoiceActivity gate(std::make_unique<stt::SileroVad>(voice_activity));
    stt::Segmenter segmenter({});
    for (size_t i = 0; i + stt::kWindowSamples <= samples.size(); i += stt::kWindowSamples) {
      const auto window = std::span(samples).subspan(i, stt::kWindowSamples);
      const double before_s = thread_cpu_seconds();
      const float probability = gate.probability(window);
      const auto events = segmenter.feed(window, static_cast<int64_t>(i) * 62500, probability);
      measured.cpu_s += thread_cpu_seconds() - before_s;
      const double now_s = static_cast<double>(i + stt::kWindowSamples) / stt::kSampleRateHz;
      for (const stt::SegmentEvent& event : events) simulation.handle(event, now_s);
    }
    const auto said = normalized_words(clip.text);
    const size_t errors = word_errors(said, normalized_words(simulation.heard()));
    measured.said += said.size();
    measured.errors += errors;
    measured.audio_s += static_cast<double>(samples.size()) / stt::kSampleRateHz;
    measured.clip_final_s.push_back(simulation.last_final_s() - last_sound_s);
    printf("%-12s %3zu words %2zu errors  %s\n", clip.name.c_str(), said.size(), errors,
           simulation.heard().c_str());
    fflush(stdout);
  }
  return true;
}
