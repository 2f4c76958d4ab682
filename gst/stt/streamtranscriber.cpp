// SPDX-License-Identifier: LGPL-2.1-or-later
#include "stt/streamtranscriber.h"

#include <algorithm>
#include <utility>

#include "stt/textguard.h"

namespace stt {
namespace {

constexpr int64_t kMillisecondNs = 1'000'000;
// Silence without samples needs no hurry while nobody speaks.
constexpr int64_t kIdleSilenceNs = 1'000'000'000;
// So much audio at a time is segmented before other streams get their turn.
constexpr int64_t kLightTurnNs = 1'000'000'000;
// Pushes that continue each other this exactly are one.
constexpr int64_t kSeamlessNs = kMillisecondNs;
// Live sources begin with what they had waiting; more than this is a file.
constexpr size_t kLongestMerged = kSampleRateHz / 10;

int64_t duration_ns(size_t samples) {
  return static_cast<int64_t>(samples) * kSampleNs;
}

SegmenterConfig segmenter_config(const TranscriberConfig& config, const Model& model) {
  SegmenterConfig result;
  result.partials = config.partials;
  result.partial_interval_ms = config.partial_interval_ms;
  result.pre_roll_ms = config.pre_roll_ms;
  result.end_silence_ms = config.end_silence_ms;
  result.max_utterance_ms = std::min(config.max_utterance_ms, model.capabilities().longest_span_ms);
  return result;
}

}  // namespace

StreamTranscriber::StreamTranscriber(SpeechParts parts, const TranscriberConfig& config,
                                     OnResult on_result)
    : parts_(std::move(parts)),
      config_(config),
      on_result_(std::move(on_result)),
      segmenter_(segmenter_config(config, *parts_.final_model)),
      windows_(
          [this](std::span<const float> window, int64_t time_ns) { take_window(window, time_ns); },
          [this] { take_break(); }) {
  parts_.pool->add(final_lane_);
  parts_.pool->add(partial_lane_);
}

StreamTranscriber::~StreamTranscriber() {
  parts_.pool->remove(final_lane_);
  parts_.pool->remove(partial_lane_);
}

void StreamTranscriber::push(std::span<const float> samples, int64_t time_ns) {
  if (samples.empty()) return;
  const int64_t pushed_ns = duration_ns(samples.size());
  const std::lock_guard lock(mutex_);
  // Muted tracks send zeros.
  if (std::all_of(samples.begin(), samples.end(), [](float sample) { return sample == 0; })) {
    add_silence(time_ns, pushed_ns);
    return;
  }
  Audio* last = input_.empty() ? nullptr : std::get_if<Audio>(&input_.back());
  const auto is_seamless = [&] {
    const int64_t end_ns = last->time_ns + duration_ns(last->samples.size());
    return std::abs(time_ns - end_ns) <= kSeamlessNs && last->samples.size() < kLongestMerged;
  };
  if (last != nullptr && is_seamless()) {
    last->samples.insert(last->samples.end(), samples.begin(), samples.end());
  } else {
    input_.emplace_back(Audio{{samples.begin(), samples.end()}, time_ns});
  }
  input_ns_ += pushed_ns;
  make_room();
  request_segmenting();
}

void StreamTranscriber::push_gap(int64_t time_ns, int64_t duration_ns) {
  const std::lock_guard lock(mutex_);
  add_silence(time_ns, duration_ns);
}

void StreamTranscriber::set_speaker(const Speaker& speaker, int64_t time_ns) {
  const std::lock_guard lock(mutex_);
  input_.emplace_back(SpeakerChange{speaker, time_ns});
}

void StreamTranscriber::drain(std::function<void()> done) {
  const std::lock_guard lock(mutex_);
  input_.emplace_back(Drain{done ? std::move(done) : [] {}});
  parts_.pool->request_light(final_lane_);
}

TranscriberStats StreamTranscriber::stats() const {
  const std::lock_guard lock(mutex_);
  TranscriberStats stats = stats_;
  stats.queued_ns = input_ns_ + jobs_ns_;
  return stats;
}

void StreamTranscriber::set_live(bool live) {
  const std::lock_guard lock(mutex_);
  is_live_ = live;
}

void StreamTranscriber::add_silence(int64_t time_ns, int64_t duration_ns) {
  Silence* last = input_.empty() ? nullptr : std::get_if<Silence>(&input_.back());
  if (last != nullptr && std::abs(time_ns - last->time_ns - last->duration_ns) <= kSeamlessNs) {
    last->duration_ns = time_ns + duration_ns - last->time_ns;
  } else {
    input_.emplace_back(Silence{time_ns, duration_ns});
  }
  silence_ns_ += duration_ns;
  request_segmenting();
}

void StreamTranscriber::request_segmenting() {
  const bool is_window_full = input_ns_ + silence_ns_ + duration_ns(window_filled_) >= kWindowNs;
  const bool is_silence_only = input_ns_ == 0 && is_idle_;
  if (is_silence_only ? silence_ns_ >= kIdleSilenceNs : is_window_full) {
    parts_.pool->request_light(final_lane_);
  }
}

// The oldest goes first: finals that wait, then audio that nobody has looked at.
void StreamTranscriber::make_room() {
  const int64_t limit_ns = int64_t{config_.max_queue_ms} * kMillisecondNs;
  while (input_ns_ + jobs_ns_ > limit_ns && lose_oldest_job()) {
  }
  auto oldest = input_.begin();
  while (input_ns_ + jobs_ns_ > limit_ns && oldest != input_.end()) {
    const Audio* audio = std::get_if<Audio>(&*oldest);
    if (audio == nullptr) {
      ++oldest;
      continue;
    }
    const int64_t lost_ns = duration_ns(audio->samples.size());
    input_ns_ -= lost_ns;
    stats_.lost_ns += lost_ns;
    oldest = input_.erase(oldest);
  }
}

bool StreamTranscriber::lose_oldest_job() {
  const auto oldest = std::find_if(jobs_.begin(), jobs_.end(), [](const Job& job) {
    return !job.is_ready() && !job.speculation;
  });
  if (oldest == jobs_.end()) return false;
  const int64_t lost_ns = duration_ns(oldest->segment.samples.size());
  jobs_ns_ -= lost_ns;
  stats_.lost_ns += lost_ns;
  stats_.finals_dropped++;
  oldest->segment.samples = {};
  oldest->is_lost = true;
  request_decoding();
  return true;
}

// ---- Segmenting -------------------------------------------------------------------------------

void StreamTranscriber::run_segmenter() {
  std::deque<Input> inputs;
  {
    const std::lock_guard lock(mutex_);
    int64_t taken_ns = 0;
    while (!input_.empty() && taken_ns < kLightTurnNs) {
      Input& next = input_.front();
      if (const auto* audio = std::get_if<Audio>(&next)) {
        const int64_t audio_ns = duration_ns(audio->samples.size());
        input_ns_ -= audio_ns;
        taken_ns += audio_ns;
      } else if (const auto* silence = std::get_if<Silence>(&next)) {
        silence_ns_ -= silence->duration_ns;
      }
      inputs.push_back(std::move(next));
      input_.pop_front();
    }
    // Merged silences may overlap by a little.
    if (input_.empty()) silence_ns_ = 0;
  }
  for (Input& input : inputs) take(input);
  const std::lock_guard lock(mutex_);
  is_idle_ = segmenter_.is_idle();
  window_filled_ = windows_.filled();
  const bool has_drain = std::any_of(input_.begin(), input_.end(), [](const Input& input) {
    return std::holds_alternative<Drain>(input);
  });
  if (has_drain) parts_.pool->request_light(final_lane_);
  request_segmenting();
}

void StreamTranscriber::take(Input& input) {
  if (const auto* audio = std::get_if<Audio>(&input)) {
    windows_.push(audio->samples, audio->time_ns);
  } else if (const auto* silence = std::get_if<Silence>(&input)) {
    windows_.push_silence(silence->time_ns, silence->duration_ns);
  } else if (const auto* change = std::get_if<SpeakerChange>(&input)) {
    handle(segmenter_.set_speaker(change->speaker, change->time_ns));
  } else if (auto* drain = std::get_if<Drain>(&input)) {
    windows_.flush();
    handle(segmenter_.end());
    if (voice_activity_) voice_activity_->reset();
    const std::lock_guard lock(mutex_);
    Job mark;
    mark.queued_at = parts_.now();
    mark.drained = std::move(drain->done);
    jobs_.push_back(std::move(mark));
    request_decoding();
  }
}

void StreamTranscriber::take_window(std::span<const float> window, int64_t time_ns) {
  if (!voice_activity_ && level_dbov(window) > kSilenceDbov) {
    voice_activity_ = std::make_unique<GatedVoiceActivity>(parts_.new_voice_activity());
  }
  const float probability = voice_activity_ ? voice_activity_->probability(window) : 0.0F;
  handle(segmenter_.feed(window, time_ns, probability));
}

void StreamTranscriber::take_break() {
  handle(segmenter_.end());
  if (voice_activity_) voice_activity_->reset();
}

void StreamTranscriber::handle(Segmenter::Events events) {
  if (events.empty()) return;
  const std::lock_guard lock(mutex_);
  for (SegmentEvent& event : events) handle(event);
  request_decoding();
}

void StreamTranscriber::handle(SegmentEvent& event) {
  switch (event.kind) {
    case SegmentEvent::Kind::partial:
      drop_partial();
      open_utterance_ = event.utterance;
      partial_ = PartialJob{std::move(event), parts_.now()};
      break;
    case SegmentEvent::Kind::speculative:
      drop_partial();
      open_utterance_ = event.utterance;
      speculation_ = std::make_shared<Speculation>();
      speculation_->segment = std::move(event);
      speculation_->queued_at = parts_.now();
      break;
    case SegmentEvent::Kind::resumed:
      speculation_.reset();
      break;
    case SegmentEvent::Kind::part:
    case SegmentEvent::Kind::final:
      close_part(event);
      break;
  }
}

void StreamTranscriber::close_part(SegmentEvent& event) {
  drop_partial();
  Job job;
  job.queued_at = parts_.now();
  if (speculation_ && event.as_speculated && speculation_->state != Speculation::State::waiting) {
    job.speculation = speculation_;
    stats_.speculations_used++;
    event.samples = {};
  }
  speculation_.reset();
  jobs_ns_ += duration_ns(event.samples.size());
  open_utterance_ = event.kind == SegmentEvent::Kind::final ? 0 : event.utterance;
  job.segment = std::move(event);
  jobs_.push_back(std::move(job));
}

void StreamTranscriber::drop_partial() {
  if (!partial_) return;
  partial_.reset();
  stats_.partials_dropped++;
}

// ---- Decoding ---------------------------------------------------------------------------------

void StreamTranscriber::request_decoding() {
  Urgency urgency = Urgency::none;
  Clock::time_point queued_at;
  if (!jobs_.empty()) {
    const bool is_awaited = std::any_of(
        jobs_.begin(), jobs_.end(), [](const Job& job) { return job.is_last() || job.drained; });
    urgency = jobs_.front().is_ready() ? Urgency::ready
              : is_awaited             ? Urgency::final
                                       : Urgency::speculative;
    queued_at = jobs_.front().queued_at;
  } else if (speculation_ && speculation_->state == Speculation::State::waiting) {
    urgency = Urgency::speculative;
    queued_at = speculation_->queued_at;
  }
  parts_.pool->request_decode(final_lane_, urgency, queued_at.time_since_epoch().count());
  urgency = partial_ ? Urgency::partial : Urgency::none;
  queued_at = partial_ ? partial_->queued_at : Clock::time_point();
  parts_.pool->request_decode(partial_lane_, urgency, queued_at.time_since_epoch().count());
}

double StreamTranscriber::run_finals() {
  Lock lock(mutex_);
  double decoded_s = 0;
  // Whoever comes to deliver is not kept with a decode: it may be the light thread.
  if (!jobs_.empty() && !jobs_.front().is_ready()) {
    decoded_s = decode_job(lock);
  } else if (jobs_.empty() && speculation_ && speculation_->state == Speculation::State::waiting) {
    decoded_s = decode_speculation(lock);
  }
  take_ready_jobs();
  request_decoding();
  deliver(lock);
  return decoded_s;
}

double StreamTranscriber::run_partial() {
  Lock lock(mutex_);
  if (!partial_) return 0;
  const PartialJob job = std::move(*partial_);
  partial_.reset();
  if (!partial_session_) partial_session_ = parts_.partial_model->new_session();
  Decoded decoded = decode(lock, *parts_.partial_model, *partial_session_, job.segment, false);
  if (job.segment.utterance == open_utterance_) {
    understood(job.segment, std::move(decoded), false);
    publish_partial();
  } else {
    stats_.partials_dropped++;
  }
  request_decoding();
  deliver(lock);
  return static_cast<double>(job.segment.samples.size()) / kSampleRateHz;
}

double StreamTranscriber::decode_job(Lock& lock) {
  const Job job = std::move(jobs_.front());
  jobs_.pop_front();
  jobs_ns_ -= duration_ns(job.segment.samples.size());
  const bool is_fallback = is_fallback_due(job);
  if (is_fallback) stats_.finals_by_fallback++;
  const Model& model = is_fallback ? *parts_.partial_model : *parts_.final_model;
  std::unique_ptr<Session>& session = is_fallback ? fallback_session_ : final_session_;
  if (!session) session = model.new_session();
  Decoded decoded = decode(lock, model, *session, job.segment, true);
  understood(job.segment, std::move(decoded), true);
  if (job.is_last()) publish_final(job.segment.utterance);
  publish_partial();
  return static_cast<double>(job.segment.samples.size()) / kSampleRateHz;
}

double StreamTranscriber::decode_speculation(Lock& lock) {
  const std::shared_ptr<Speculation> speculation = speculation_;
  const SegmentEvent& segment = speculation->segment;
  speculation->state = Speculation::State::running;
  stats_.speculations++;
  if (!final_session_) final_session_ = parts_.final_model->new_session();
  speculation->decoded = decode(lock, *parts_.final_model, *final_session_, segment, true);
  speculation->state = Speculation::State::done;
  // Until the silence is long enough, and if it never is, it is the best partial there can be.
  if (segment.utterance == open_utterance_) {
    understood(segment, speculation->decoded, false);
    publish_partial();
  }
  return static_cast<double>(segment.samples.size()) / kSampleRateHz;
}

bool StreamTranscriber::is_fallback_due(const Job& job) const {
  return parts_.partial_model != parts_.final_model && is_live_ &&
         parts_.now() - job.queued_at >= parts_.fallback_after;
}

StreamTranscriber::Decoded StreamTranscriber::decode(Lock& lock, const Model& model,
                                                     Session& session, const SegmentEvent& segment,
                                                     bool is_final) {
  const bool has_second = is_final && parts_.partial_model != parts_.final_model;
  if (has_second && !fallback_session_) fallback_session_ = parts_.partial_model->new_session();
  Session* const second_session = fallback_session_.get();
  lock.unlock();
  Decoded decoded = {session.decode({segment.utterance, segment.part, segment.samples, is_final}),
                     &model};
  Hypothesis& hypothesis = decoded.hypothesis;
  const int64_t speech_ns = segment.end_ns - segment.part_start_ns;
  hypothesis.text = plausible_text(hypothesis.text, speech_ns);
  // The large model now and then skips the first half of a span that begins inside a word, or all
  // of it, where the small one writes something down.
  if (has_second && &session == final_session_.get() &&
      seems_to_leave_words_out(hypothesis.text, speech_ns)) {
    Hypothesis second =
        second_session->decode({segment.utterance, segment.part, segment.samples, is_final});
    second.text = plausible_text(second.text, speech_ns);
    if (word_count(second.text) * 2 > word_count(hypothesis.text) * 3) {
      decoded = {std::move(second), parts_.partial_model.get()};
    }
  }
  for (Word& word : hypothesis.words) {
    word.start_ns += segment.samples_ns;
    word.end_ns += segment.samples_ns;
  }
  lock.lock();
  return decoded;
}

// Jobs whose text is known already, up to the first that has to be decoded.
void StreamTranscriber::take_ready_jobs() {
  while (!jobs_.empty() && jobs_.front().is_ready()) {
    Job job = std::move(jobs_.front());
    jobs_.pop_front();
    if (job.drained) {
      deliveries_.push_back(std::move(job.drained));
      continue;
    }
    if (job.speculation) {
      understood(job.segment, std::move(job.speculation->decoded), true);
    } else {
      Utterance& utterance = utterances_[job.segment.utterance];
      utterance.speaker = job.segment.speaker;
      utterance.start_ns = job.segment.start_ns;
      utterance.end_ns = job.segment.end_ns;
    }
    if (job.is_last()) publish_final(job.segment.utterance);
    publish_partial();
  }
}

// ---- Results ----------------------------------------------------------------------------------

void StreamTranscriber::understood(const SegmentEvent& segment, Decoded decoded, bool is_done) {
  Utterance& utterance = utterances_[segment.utterance];
  if (utterance.parts.size() <= segment.part) utterance.parts.resize(segment.part + 1);
  Utterance::Part& part = utterance.parts[segment.part];
  const size_t samples = segment.samples.size();
  // A partial may come in after what was decoded ahead of more audio.
  if (!is_done && (part.is_done || samples <= part.samples)) return;
  part.hypothesis = std::move(decoded.hypothesis);
  part.samples = samples;
  part.is_done = is_done;
  if (segment.part + 1 < utterance.parts.size()) return;
  utterance.model = decoded.model->name();
  utterance.speaker = segment.speaker;
  utterance.start_ns = segment.start_ns;
  utterance.end_ns = segment.end_ns;
}

void StreamTranscriber::publish_final(uint64_t id) {
  const auto found = utterances_.find(id);
  publish(id, found->second, true);
  utterances_.erase(found);
}

// What is new of the utterance that is being spoken. It does not wait for an earlier one's final:
// what somebody says now is wanted now, and utterances are told apart by their numbers.
void StreamTranscriber::publish_partial() {
  const auto found = utterances_.find(open_utterance_);
  if (found == utterances_.end() || !config_.partials) return;
  publish(open_utterance_, found->second, false);
}

void StreamTranscriber::publish(uint64_t id, Utterance& utterance, bool is_final) {
  Result result;
  for (const Utterance::Part& part : utterance.parts) {
    const Hypothesis& hypothesis = part.hypothesis;
    if (hypothesis.text.empty()) continue;
    if (!result.text.empty()) result.text += ' ';
    result.text += hypothesis.text;
    result.language = hypothesis.language;
    result.words.insert(result.words.end(), hypothesis.words.begin(), hypothesis.words.end());
    result.confidence = result.confidence < 0 ? hypothesis.confidence
                                              : std::min(result.confidence, hypothesis.confidence);
  }
  const bool is_news = is_final ? utterance.revisions > 0 || !result.text.empty()
                                : result.text != utterance.shown && !result.text.empty();
  if (!is_news) return;
  result.is_final = is_final;
  result.utterance = id;
  result.revision = utterance.revisions++;
  result.speaker = utterance.speaker;
  result.start_ns = utterance.start_ns;
  result.end_ns = utterance.end_ns;
  result.model = utterance.model;
  utterance.shown = result.text;
  (is_final ? stats_.finals : stats_.partials)++;
  deliveries_.emplace_back([this, result = std::move(result)] { on_result_(result); });
}

void StreamTranscriber::deliver(Lock& lock) {
  if (is_delivering_) return;
  is_delivering_ = true;
  while (!deliveries_.empty()) {
    const std::function<void()> delivery = std::move(deliveries_.front());
    deliveries_.pop_front();
    lock.unlock();
    delivery();
    lock.lock();
  }
  is_delivering_ = false;
}

}  // namespace stt
