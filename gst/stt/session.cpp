// SPDX-License-Identifier: LGPL-2.1-or-later
#include "session.h"

#include <pthread.h>
#include <unistd.h>

#include <algorithm>
#include <future>

#include "enginefactory.h"

namespace stt {

namespace {

constexpr std::chrono::milliseconds kRetryAfter{1000};
// A decode makes room without saying so; results do say so.
constexpr std::chrono::milliseconds kLookAgainAfter{50};
// An input that is not live waits beyond this much undecoded audio.
constexpr int64_t kMaxAheadNs = 30'000'000'000;
// At the end finals in a room are waited for like a reader of standard output.
constexpr std::chrono::milliseconds kLastCaptionsPatience{2000};
// Results that wait for a slow disk or terminal; partials go first.
constexpr size_t kMaxPartialsWaiting = 64;
constexpr size_t kMaxWaiting = 100'000;

void add(TranscriberStats& sum, const TranscriberStats& stats) {
  sum.partials += stats.partials;
  sum.partials_dropped += stats.partials_dropped;
  sum.finals += stats.finals;
  sum.finals_dropped += stats.finals_dropped;
  sum.lost_ns += stats.lost_ns;
  sum.queued_ns += stats.queued_ns;
  sum.finals_by_fallback += stats.finals_by_fallback;
  sum.speculations += stats.speculations;
  sum.speculations_used += stats.speculations_used;
}

}  // namespace

Session::Session(SessionSettings settings, SessionHost& host)
    : settings_(std::move(settings)), host_(host) {}

Session::~Session() {
  stop();
}

bool Session::open_outputs(std::string& location, std::string& error) {
  for (const std::string& path : settings_.locations) {
    Target target;
    if (path == "-") {
      target.output = open_stream_output(STDOUT_FILENO, "standard output", settings_.stdout_json,
                                         settings_.output_options, stopping_);
    } else {
      target.output = open_file_output(path, settings_.output_options, error);
    }
    if (!target.output) {
      location = path;
      return false;
    }
    targets_.push_back(std::move(target));
  }
  return true;
}

bool Session::open_captions(std::string& error) {
  if (!settings_.captions.enabled) return true;
  auto config = make_caption_config(settings_.captions, error);
  if (!config) return false;
  captions_ = std::make_unique<RoomCaptions>(
      std::move(*config), [this](const std::string& reason, SendResult result) {
        if (!stopping_) host_.on_captions_failed(settings_.captions.room, reason, result);
      });
  return true;
}

bool Session::owns_terminal() const {
  const auto& all = settings_.locations;
  return !settings_.stdout_json && std::find(all.begin(), all.end(), "-") != all.end() &&
         isatty(STDOUT_FILENO) == 1;
}

void Session::start() {
  if (captions_) captions_->start();
  worker_.start();
  worker_.post([this] { retry_outputs(); });  // headers
  loader_ = std::thread([this] {
    pthread_setname_np(pthread_self(), "sttsink-load");
    load();
  });
}

void Session::begin_stop() {
  stopping_ = true;
  if (captions_) captions_->wake();
  const std::lock_guard guard(lock_);
  changed_.notify_all();
}

void Session::stop() {
  begin_stop();
  if (loader_.joinable()) loader_.join();
  std::vector<Input> all;
  {
    const std::lock_guard guard(lock_);
    for (Entry& entry : inputs_) all.push_back(std::move(entry.input));
    for (Input& input : leaving_) all.push_back(std::move(input));
    inputs_.clear();
    leaving_.clear();
  }
  for (const Input& input : all) input->discard();
  // Together: one after another would let the next one's decode begin while this one's ends.
  std::vector<std::future<void>> ends;
  for (const Input& input : all) {
    ends.push_back(std::async(std::launch::async, [input] { input->shut_down(); }));
  }
  for (std::future<void>& end : ends) end.wait();
  worker_.stop();
  if (captions_) captions_->stop();
  for (Target& target : targets_) {
    std::string error;
    if (!target.output->finish(error)) ++writes_lost_;
  }
  targets_.clear();
  const std::lock_guard guard(lock_);
  engine_.reset();
}

void Session::load() {
  host_.on_load(LoadPhase::kStarted, 0, {});
  std::string error;
  std::shared_ptr<SpeechEngine> engine =
      engine_factory().load(settings_.engine, error, [this](int percent) {
        if (!stopping_) host_.on_load(LoadPhase::kProgress, percent, {});
      });
  std::vector<Input> waiting;
  {
    const std::lock_guard guard(lock_);
    if (stopping_) return;
    engine_ = engine;
    failed_ = !engine;
    for (const Entry& entry : inputs_) waiting.push_back(entry.input);
    waiting.insert(waiting.end(), leaving_.begin(), leaving_.end());
  }
  changed_.notify_all();
  for (const Input& input : waiting) {
    if (engine) {
      input->attach(*engine);
    } else {
      input->give_up();
    }
  }
  host_.on_load(engine ? LoadPhase::kComplete : LoadPhase::kFailed, 100, error);
}

Session::Entry* Session::find(const Input& input) {
  const auto entry = std::find_if(inputs_.begin(), inputs_.end(),
                                  [&](const Entry& known) { return known.input == input; });
  return entry == inputs_.end() ? nullptr : &*entry;
}

Session::Input Session::add_input() {
  auto input = std::make_shared<SpeechInput>(
      settings_.transcriber, [this] { return ++utterances_; },
      [this](Transcript&& transcript, bool live) { emit(std::move(transcript), live); });
  std::shared_ptr<SpeechEngine> engine;
  {
    const std::lock_guard guard(lock_);
    inputs_.push_back({input});
    ++inputs_seen_;
    ++end_generation_;
    if (finished_) finished_ = end_requested_ = false;
    engine = engine_;
    if (failed_) input->give_up();
  }
  if (engine) input->attach(*engine);
  return input;
}

void Session::remove_input(const Input& input) {
  {
    const std::lock_guard guard(lock_);
    Entry* entry = find(input);
    if (!entry) return;
    inputs_.erase(inputs_.begin() + (entry - inputs_.data()));
    leaving_.push_back(input);
    ++end_generation_;
  }
  changed_.notify_all();
  SpeechInput* const gone = input.get();
  // `done` comes on an engine's thread, where its Transcriber cannot be destroyed.
  input->finish([this, gone] {
    worker_.post([this, gone] {
      Input last;
      {
        const std::lock_guard guard(lock_);
        const auto found = std::find_if(leaving_.begin(), leaving_.end(),
                                        [gone](const Input& one) { return one.get() == gone; });
        if (found == leaving_.end()) return;
        last = *found;
      }
      add_stats_of(*last);
      last->shut_down();
      {
        const std::lock_guard guard(lock_);
        std::erase(leaving_, last);
      }
      check_end();
    });
  });
}

void Session::add_stats_of(const SpeechInput& input) {
  TranscriberStats stats = input.stats();
  stats.queued_ns = 0;
  const std::lock_guard guard(lock_);
  add(past_, stats);
}

Session::Input Session::replace_input(const Input& input) {
  input->discard();
  {
    const std::lock_guard guard(lock_);
    Entry* entry = find(input);
    if (entry) inputs_.erase(inputs_.begin() + (entry - inputs_.data()));
    if (entry) leaving_.push_back(input);
  }
  worker_.post([this, input] {
    add_stats_of(*input);
    input->shut_down();
    {
      const std::lock_guard guard(lock_);
      std::erase(leaving_, input);
    }
    check_end();
  });
  return add_input();
}

void Session::end_input(const Input& input, uint32_t seqnum, bool of_room) {
  {
    const std::lock_guard guard(lock_);
    Entry* entry = find(input);
    if (!entry || entry->ended) return;
    entry->ended = true;
    entry->of_room = of_room;
    seqnum_ = seqnum;
    ++end_generation_;
    const bool all_ended = std::all_of(inputs_.begin(), inputs_.end(),
                                       [](const Entry& one) { return one.ended && !one.of_room; });
    // Whoever unlinks his pads after that must not take the end back.
    if (all_ended) end_requested_ = true;
  }
  SpeechInput* const ended = input.get();
  input->finish([this, ended] {
    worker_.post([this, ended] {
      {
        const std::lock_guard guard(lock_);
        for (Entry& entry : inputs_) {
          if (entry.input.get() == ended) entry.drained = true;
        }
      }
      check_end();
    });
  });
}

void Session::request_end(uint32_t seqnum) {
  {
    const std::lock_guard guard(lock_);
    end_requested_ = true;
    seqnum_ = seqnum;
  }
  worker_.post([this] { check_end(); });
}

void Session::set_playing(bool playing) {
  {
    const std::lock_guard guard(lock_);
    playing_ = playing;
    finished_ = false;  // an end is told again in each PLAYING
  }
  changed_.notify_all();
  if (!playing) return;
  worker_.post([this] {
    for (Target& target : targets_) target.output->begin();
    retry_outputs();  // a header is there from the start
    check_end();
  });
}

// On the worker's thread.
void Session::check_end() {
  Ending ending;
  {
    const std::lock_guard guard(lock_);
    if (stopping_ || failed_ || finished_ || finishing_ || !playing_ || !leaving_.empty()) return;
    bool of_room = false;
    for (const Entry& entry : inputs_) {
      if (!entry.ended || !entry.drained) return;
      of_room = of_room || entry.of_room;
    }
    if (inputs_.empty() && !end_requested_) return;
    if (of_room && !end_requested_ && grace_over_ != end_generation_) {
      if (grace_started_ == end_generation_) return;
      const uint64_t generation = grace_started_ = end_generation_;
      worker_.post_after(settings_.room_grace, [this, generation] {
        {
          const std::lock_guard later(lock_);
          grace_over_ = generation;
        }
        check_end();
      });
      return;
    }
    finishing_ = true;
    ending = {seqnum_, end_generation_, inputs_seen_};
  }
  finish(ending);
}

void Session::finish(const Ending& ending) {
  for (Target& target : targets_) {
    std::string error;
    const bool written = target.output->finish(error);
    note_written(target, written, error);
  }
  if (captions_) captions_->finish(kLastCaptionsPatience, stopping_);
  bool told = false;
  {
    const std::lock_guard guard(lock_);
    finishing_ = false;
    // Somebody may have come in or paused meanwhile. An end that was asked for comes all the same,
    // but not while paused; whoever came during it may end again.
    const bool changed = end_generation_ != ending.generation;
    told = playing_ && (end_requested_ || !changed);
    finished_ = told && inputs_seen_ == ending.inputs_seen;
    if (told && !finished_) end_requested_ = false;
  }
  if (!told) return check_end();
  if (!stopping_) host_.on_finished(ending.seqnum);
}

bool Session::wait_for_space(const Input& input) {
  std::unique_lock guard(lock_);
  while (true) {
    const Entry* entry = find(input);
    if (stopping_ || !entry || entry->flushing) return false;
    if (failed_) return true;
    if (!playing_) {
      changed_.wait(guard);
      continue;
    }
    guard.unlock();
    const int64_t queued_ns = input->stats().queued_ns;
    guard.lock();
    if (queued_ns <= kMaxAheadNs) return true;
    changed_.wait_for(guard, kLookAgainAfter);
  }
}

void Session::set_flushing(const Input& input, bool flushing) {
  {
    const std::lock_guard guard(lock_);
    if (Entry* entry = find(input)) entry->flushing = flushing;
  }
  changed_.notify_all();
}

bool Session::failed() const {
  const std::lock_guard guard(lock_);
  return failed_;
}

void Session::emit(Transcript&& transcript, bool live) {
  if (stopping_) return;
  transcript.room = settings_.room;
  transcript.engine = settings_.engine.engine;
  if (transcript.language.empty()) transcript.language = settings_.language;
  if (live) {
    transcript.utc_start = host_.utc_at(transcript.start_ns);
    transcript.utc_end = host_.utc_at(transcript.end_ns);
    const int64_t now_ns = host_.running_time_ns();
    constexpr int64_t kMillisecondNs = 1'000'000;
    if (now_ns >= 0) {
      transcript.latency_ms = std::max<int64_t>(now_ns - transcript.end_ns, 0) / kMillisecondNs;
    }
  }
  if (transcript.is_final && !transcript.text.empty()) ++transcripts_;
  if (captions_) captions_->add(transcript);
  host_.on_transcript(transcript);
  changed_.notify_all();
  const size_t limit = transcript.is_final ? kMaxWaiting : kMaxPartialsWaiting;
  if (targets_.empty()) return;
  if (writes_waiting_ >= limit) {
    ++writes_lost_;
    return;
  }
  ++writes_waiting_;
  worker_.post([this, kept = std::move(transcript)] {
    --writes_waiting_;
    write(kept);
  });
}

void Session::write(const Transcript& transcript) {
  for (Target& target : targets_) {
    std::string error;
    const uint64_t lost_before = target.output->lost();
    const bool written = target.output->write(transcript, error);
    writes_lost_ += target.output->lost() - lost_before;
    note_written(target, written, error);
  }
}

void Session::note_written(Target& target, bool written, const std::string& error) {
  if (written) {
    target.failing = false;
    return;
  }
  if (!std::exchange(retry_due_, true)) {
    worker_.post_after(kRetryAfter, [this] { retry_outputs(); });
  }
  // A reader that is slow is no failure.
  if (error.empty() || std::exchange(target.failing, true)) return;
  ++write_failures_;
  if (!stopping_) host_.on_output_failed(target.output->location(), error);
}

void Session::retry_outputs() {
  retry_due_ = false;
  for (Target& target : targets_) {
    std::string error;
    const bool written = target.output->retry(error);
    note_written(target, written, error);
  }
}

SessionStats Session::stats() const {
  std::vector<Input> all;
  SessionStats stats;
  {
    const std::lock_guard guard(lock_);
    for (const Entry& entry : inputs_) all.push_back(entry.input);
    stats.speech = past_;
    stats.inputs = inputs_.size();
    stats.inputs_seen = inputs_seen_;
    stats.engine_ready = engine_ != nullptr;
  }
  for (const Input& input : all) add(stats.speech, input->stats());
  stats.transcripts = transcripts_;
  stats.write_failures = write_failures_;
  stats.writes_lost = writes_lost_;
  if (captions_) stats.captions = captions_->stats();
  return stats;
}

}  // namespace stt
