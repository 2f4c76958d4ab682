// A pipeline with sttsink and an engine that understands what the test tells it to.
#pragma once

#include <gst/check/gsttestclock.h>
#include <gst/gst.h>
#include <gtest/gtest.h>

#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "enginefactory.h"
#include "gststtsink.h"
#include "roomaudio/roomaudio.h"

namespace stt {

constexpr int64_t kMs = 1'000'000;

// Calls are written down as text; the times are milliseconds.
class FakeTranscriber : public Transcriber {
 public:
  explicit FakeTranscriber(OnResult on_result) : on_result_(std::move(on_result)) {}
  ~FakeTranscriber() override;

  void push(std::span<const float> samples, int64_t time_ns) override;
  void push_gap(int64_t time_ns, int64_t duration_ns) override;
  void set_speaker(const Speaker& speaker, int64_t time_ns) override;
  void set_live(bool /*live*/) override {}
  void drain(std::function<void()> done) override;
  TranscriberStats stats() const override;

  std::string log() const;  // gaps, speakers, drains
  size_t samples() const;
  int64_t end_ns() const;  // of what was pushed
  float last_sample() const;
  void set_queued_ns(int64_t queued_ns);
  void wait_for_drain(size_t count = 1);
  // As the engine's thread would; the current speaker is filled in.
  void understand(Result result);
  void understand_as(const Speaker& speaker, Result result);
  void complete_drains(size_t count = 1);  // waits until there are so many

 private:
  friend class FakeEngine;
  const OnResult on_result_;
  std::shared_ptr<bool> alive_;
  mutable std::mutex lock_;
  mutable std::condition_variable changed_;
  std::string log_;
  size_t samples_ = 0;
  int64_t end_ns_ = 0;
  float last_sample_ = 0;
  int64_t queued_ns_ = 0;
  Speaker speaker_;
  std::vector<std::function<void()>> drains_;

 public:
  mutable int stats_calls = 0;  // lock_
  void wait_for_stats_calls(int calls) const;
};

// What all sttsinks of the test get.
class FakeEngine {
 public:
  void install();
  // Loading does not end before release_load().
  void hold_load();
  void release_load();
  FakeTranscriber& transcriber(size_t index);  // waits until it exists
  size_t made() const;
  void forget(FakeTranscriber* gone);
  void wait_until_gone(size_t index);

  std::string missing;     // what check_engine() says
  std::string load_error;  // why loading fails

  class Engine;
  mutable std::mutex lock;
  std::condition_variable changed;
  std::vector<FakeTranscriber*> transcribers;  // lock; nullptr = destroyed
  bool load_held = false;                      // lock
};

class SttSinkTest : public ::testing::Test {
 protected:
  // Something upstream: a src pad linked to a request pad.
  class Source {
   public:
    Source(GstElement* sink, bool live, const char* name = nullptr);
    ~Source();
    void begin(const char* stream_id = "TR_x", bool of_room = false, int rate = 16000,
               int channels = 1, const char* format = "S16LE");
    GstFlowReturn push(int start_ms, int duration_ms = 10, int16_t value = 1000,
                       const std::function<void(GstBuffer*)>& edit = {});
    bool event(GstEvent* event) { return gst_pad_push_event(pad, event); }
    void end() { event(gst_event_new_eos()); }
    void unlink();
    void release();

    GstPad* pad = nullptr;
    GstPad* sink_pad = nullptr;
    GstElement* sink = nullptr;
    bool live = true;
    int rate = 16000;
    int channels = 1;
  };

  static void SetUpTestSuite();
  void SetUp() override;
  void TearDown() override;

  GstStateChangeReturn set_state(GstState state) { return gst_element_set_state(pipeline, state); }
  std::unique_ptr<Source> source(bool live = true);
  void set(const char* property, const char* value) {
    gst_util_set_object_arg(G_OBJECT(sink), property, value);
  }
  // The next message of these types, or nullptr after a long time.
  GstMessage* message(GstMessageType types, GstClockTime timeout = 60 * GST_SECOND);
  // The next transcript, as its structure; free it.
  GstStructure* transcript();
  bool has_message(GstMessageType types);
  void wait_for_eos();
  std::string path(const std::string& name) const { return folder + "/" + name; }
  std::string content(const std::string& name) const;
  static Result said(const std::string& text, bool is_final = true, uint64_t utterance = 1,
                     uint32_t revision = 0);
  guint64 stat(const char* field);
  // Waits until it exists and was told what had come before.
  FakeTranscriber& told_transcriber(size_t index);

  FakeEngine engine;
  GstElement* pipeline = nullptr;
  GstElement* sink = nullptr;
  GstBus* bus = nullptr;
  std::deque<GstMessage*> stash;  // popped from the bus, not asked for yet
  std::string folder;
};

}  // namespace stt
