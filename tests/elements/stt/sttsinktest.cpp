#include "sttsinktest.h"

#include <glib/gstdio.h>

#include <algorithm>
#include <fstream>
#include <sstream>

namespace stt {

namespace {

FakeEngine* engine_of_test = nullptr;

gboolean answer_query(GstPad* pad, GstObject* parent, GstQuery* query) {
  if (GST_QUERY_TYPE(query) != GST_QUERY_LATENCY) return gst_pad_query_default(pad, parent, query);
  const bool live = g_object_get_data(G_OBJECT(pad), "live") != nullptr;
  gst_query_set_latency(query, live, live ? 30 * GST_MSECOND : 0, GST_CLOCK_TIME_NONE);
  return TRUE;
}

std::string ms(int64_t time_ns) {
  return std::to_string(time_ns / kMs);
}

}  // namespace

FakeTranscriber::~FakeTranscriber() {
  if (engine_of_test) engine_of_test->forget(this);
}

void FakeTranscriber::push(std::span<const float> samples, int64_t time_ns) {
  const std::lock_guard guard(lock_);
  samples_ += samples.size();
  end_ns_ = time_ns + int64_t(samples.size()) * 62'500;
  last_sample_ = samples.back();
  changed_.notify_all();
}

void FakeTranscriber::push_gap(int64_t time_ns, int64_t duration_ns) {
  const std::lock_guard guard(lock_);
  log_ += "gap " + ms(duration_ns) + "@" + ms(time_ns) + ";";
}

void FakeTranscriber::set_speaker(const Speaker& speaker, int64_t time_ns) {
  const std::lock_guard guard(lock_);
  speaker_ = speaker;
  log_ += speaker.track + "/" + speaker.identity + "/" + speaker.name + "@" + ms(time_ns) + ";";
}

void FakeTranscriber::drain(std::function<void()> done) {
  const std::lock_guard guard(lock_);
  log_ += "drain;";
  drains_.push_back(std::move(done));
  changed_.notify_all();
}

TranscriberStats FakeTranscriber::stats() const {
  const std::lock_guard guard(lock_);
  ++stats_calls;
  changed_.notify_all();
  return {.partials = 1, .finals = 2, .queued_ns = queued_ns_};
}

std::string FakeTranscriber::log() const {
  const std::lock_guard guard(lock_);
  return log_;
}

size_t FakeTranscriber::samples() const {
  const std::lock_guard guard(lock_);
  return samples_;
}

int64_t FakeTranscriber::end_ns() const {
  const std::lock_guard guard(lock_);
  return end_ns_;
}

float FakeTranscriber::last_sample() const {
  const std::lock_guard guard(lock_);
  return last_sample_;
}

void FakeTranscriber::set_queued_ns(int64_t queued_ns) {
  const std::lock_guard guard(lock_);
  queued_ns_ = queued_ns;
}

void FakeTranscriber::wait_for_drain(size_t count) {
  std::unique_lock guard(lock_);
  changed_.wait(guard, [this, count] { return drains_.size() >= count; });
}

void FakeTranscriber::wait_for_stats_calls(int calls) const {
  std::unique_lock guard(lock_);
  changed_.wait(guard, [this, calls] { return stats_calls >= calls; });
}

void FakeTranscriber::understand(Result result) {
  {
    const std::lock_guard guard(lock_);
    result.speaker = speaker_;
  }
  on_result_(result);
}

void FakeTranscriber::understand_as(const Speaker& speaker, Result result) {
  result.speaker = speaker;
  on_result_(result);
}

void FakeTranscriber::complete_drains(size_t count) {
  wait_for_drain(count);
  std::vector<std::function<void()>> drains;
  {
    const std::lock_guard guard(lock_);
    drains.swap(drains_);
  }
  for (const auto& done : drains) done();
}

class FakeEngine::Engine : public SpeechEngine {
 public:
  explicit Engine(FakeEngine& fake) : fake_(fake) {}
  std::unique_ptr<Transcriber> new_transcriber(const TranscriberConfig&,
                                               Transcriber::OnResult on_result) override {
    auto transcriber = std::make_unique<FakeTranscriber>(std::move(on_result));
    const std::lock_guard guard(fake_.lock);
    fake_.transcribers.push_back(transcriber.get());
    fake_.changed.notify_all();
    return transcriber;
  }

 private:
  FakeEngine& fake_;
};

void FakeEngine::install() {
  engine_of_test = this;
  set_engine_factory(
      {[this](const EngineConfig&) { return missing; },
       [this](const EngineConfig&, std::string& error, const std::function<void(int)>& progress) {
         progress(50);
         std::unique_lock guard(lock);
         changed.wait(guard, [this] { return !load_held; });
         error = load_error;
         return error.empty() ? std::make_shared<Engine>(*this) : nullptr;
       }});
}

void FakeEngine::hold_load() {
  const std::lock_guard guard(lock);
  load_held = true;
}

void FakeEngine::release_load() {
  const std::lock_guard guard(lock);
  load_held = false;
  changed.notify_all();
}

FakeTranscriber& FakeEngine::transcriber(size_t index) {
  std::unique_lock guard(lock);
  changed.wait(guard, [this, index] { return transcribers.size() > index; });
  return *transcribers[index];
}

size_t FakeEngine::made() const {
  const std::lock_guard guard(lock);
  return transcribers.size();
}

void FakeEngine::forget(FakeTranscriber* gone) {
  const std::lock_guard guard(lock);
  for (FakeTranscriber*& one : transcribers) one = one == gone ? nullptr : one;
  changed.notify_all();
}

void FakeEngine::wait_until_gone(size_t index) {
  std::unique_lock guard(lock);
  changed.wait(guard, [this, index] { return transcribers.at(index) == nullptr; });
}

SttSinkTest::Source::Source(GstElement* element, bool is_live, const char* name)
    : sink(element), live(is_live) {
  pad = gst_pad_new("src", GST_PAD_SRC);
  gst_pad_set_query_function(pad, answer_query);
  if (live) g_object_set_data(G_OBJECT(pad), "live", GINT_TO_POINTER(1));
  gst_pad_set_active(pad, TRUE);
  sink_pad = gst_element_request_pad_simple(sink, name ? name : "sink_%u");
  EXPECT_EQ(gst_pad_link(pad, sink_pad), GST_PAD_LINK_OK);
}

SttSinkTest::Source::~Source() {
  release();
  gst_pad_set_active(pad, FALSE);
  gst_object_unref(pad);
}

void SttSinkTest::Source::unlink() {
  gst_pad_unlink(pad, sink_pad);
}

void SttSinkTest::Source::release() {
  if (!sink_pad) return;
  unlink();
  gst_element_release_request_pad(sink, sink_pad);
  g_clear_pointer(&sink_pad, gst_object_unref);
}

void SttSinkTest::Source::begin(const char* stream_id, bool of_room, int rate_hz, int n_channels,
                                const char* format) {
  rate = rate_hz;
  channels = n_channels;
  GstEvent* start = gst_event_new_stream_start(stream_id);
  if (of_room) room_audio_event_set_room_clock(start, "room-1", 10 * GST_MSECOND);
  EXPECT_TRUE(event(start));
  GstCaps* caps = gst_caps_new_simple("audio/x-raw", "format", G_TYPE_STRING, format, "rate",
                                      G_TYPE_INT, rate, "channels", G_TYPE_INT, channels, "layout",
                                      G_TYPE_STRING, "interleaved", nullptr);
  EXPECT_TRUE(event(gst_event_new_caps(caps)));
  gst_caps_unref(caps);
  GstSegment segment;
  gst_segment_init(&segment, GST_FORMAT_TIME);
  EXPECT_TRUE(event(gst_event_new_segment(&segment)));
}

GstFlowReturn SttSinkTest::Source::push(int start_ms, int duration_ms, int16_t value,
                                        const std::function<void(GstBuffer*)>& edit) {
  std::vector<int16_t> samples(size_t(rate / 1000 * duration_ms * channels), value);
  GstBuffer* buffer = gst_buffer_new_memdup(samples.data(), samples.size() * 2);
  GST_BUFFER_PTS(buffer) = GstClockTime(start_ms) * GST_MSECOND;
  GST_BUFFER_DURATION(buffer) = GstClockTime(duration_ms) * GST_MSECOND;
  if (edit) edit(buffer);
  return gst_pad_push(pad, buffer);
}

void SttSinkTest::SetUpTestSuite() {
  gst_init(nullptr, nullptr);
}

void SttSinkTest::SetUp() {
  engine.install();
  gchar* made = g_dir_make_tmp("sttsink-XXXXXX", nullptr);
  folder = made;
  g_free(made);
  pipeline = gst_pipeline_new(nullptr);
  sink = GST_ELEMENT(g_object_new(GST_TYPE_STT_SINK, "name", "stt", nullptr));
  gst_bin_add(GST_BIN(pipeline), sink);
  bus = gst_element_get_bus(pipeline);
}

void SttSinkTest::TearDown() {
  engine.release_load();
  set_state(GST_STATE_NULL);
  for (GstMessage* kept : stash) gst_message_unref(kept);
  gst_object_unref(bus);
  gst_object_unref(pipeline);
  engine_of_test = nullptr;
  GDir* names = g_dir_open(folder.c_str(), 0, nullptr);
  while (const gchar* name = g_dir_read_name(names)) g_unlink(path(name).c_str());
  g_dir_close(names);
  g_rmdir(folder.c_str());
}

std::unique_ptr<SttSinkTest::Source> SttSinkTest::source(bool live) {
  return std::make_unique<Source>(sink, live);
}

GstMessage* SttSinkTest::message(GstMessageType types, GstClockTime timeout) {
  const auto kept = std::find_if(stash.begin(), stash.end(), [types](GstMessage* one) {
    return (GST_MESSAGE_TYPE(one) & types) != 0;
  });
  if (kept != stash.end()) {
    GstMessage* found = *kept;
    stash.erase(kept);
    return found;
  }
  // A bus that is asked for some types throws the others away.
  while (GstMessage* next = gst_bus_timed_pop(bus, timeout)) {
    if (GST_MESSAGE_TYPE(next) & types) return next;
    stash.push_back(next);
  }
  return nullptr;
}

bool SttSinkTest::has_message(GstMessageType types) {
  GstMessage* found = message(types, 0);
  if (!found) return false;
  gst_message_unref(found);
  return true;
}

GstStructure* SttSinkTest::transcript() {
  GstMessage* found = message(GST_MESSAGE_ELEMENT);
  if (!found) return gst_structure_new_empty("none");
  GstStructure* structure = gst_structure_copy(gst_message_get_structure(found));
  gst_message_unref(found);
  return structure;
}

void SttSinkTest::wait_for_eos() {
  GstMessage* eos = message(GST_MESSAGE_EOS);
  ASSERT_TRUE(eos);
  gst_message_unref(eos);
}

std::string SttSinkTest::content(const std::string& name) const {
  std::ifstream file(path(name));
  std::stringstream all;
  all << file.rdbuf();
  return all.str();
}

Result SttSinkTest::said(const std::string& text, bool is_final, uint64_t utterance,
                         uint32_t revision) {
  Result result;
  result.is_final = is_final;
  result.utterance = utterance;
  result.revision = revision;
  result.text = text;
  result.language = "en";
  result.start_ns = 1000 * kMs;
  result.end_ns = 2500 * kMs;
  result.model = "fake-tiny";
  return result;
}

FakeTranscriber& SttSinkTest::told_transcriber(size_t index) {
  FakeTranscriber& found = engine.transcriber(index);
  // Whoever attaches it holds the lock that this needs.
  stat("finals");
  return found;
}

guint64 SttSinkTest::stat(const char* field) {
  GstStructure* stats = nullptr;
  guint64 value = 0;
  g_object_get(sink, "stats", &stats, nullptr);
  EXPECT_TRUE(gst_structure_get_uint64(stats, field, &value)) << field;
  gst_structure_free(stats);
  return value;
}

}  // namespace stt
