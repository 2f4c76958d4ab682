// SPDX-License-Identifier: LGPL-2.1-or-later
#include "connector.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "roomaudio/roomaudio.h"

GST_DEBUG_CATEGORY_EXTERN(gst_reconnect_src_debug);
#define GST_CAT_DEFAULT gst_reconnect_src_debug

namespace reconnect {

namespace {

// How often downstream hears that there is still nothing.
constexpr int64_t kGapInterval_ns = 200'000'000;
// What a connection gets to play out what it holds when the end is asked for.
constexpr int64_t kEndPatience_ns = 500'000'000;

int64_t now_ns() {
  return g_get_monotonic_time() * 1000;
}

// No other attempt would end otherwise.
bool is_hopeless(const GError* error) {
  return g_error_matches(error, GST_CORE_ERROR, GST_CORE_ERROR_MISSING_PLUGIN) ||
         g_error_matches(error, GST_STREAM_ERROR, GST_STREAM_ERROR_CODEC_NOT_FOUND);
}

}  // namespace

Connector::Connector(GstBin* bin) : bin_(bin), watch_(g_random_int()) {
  relay_ = GST_RECONNECT_RELAY(gst_object_ref_sink(relay_new(this)));
  gst_bin_add(bin, GST_ELEMENT(relay_));
}

Connector::~Connector() {
  stop();
  gst_object_unref(relay_);
}

void Connector::start(const ConnectorSettings& settings) {
  if (thread_.joinable()) return;
  relay_configure(relay_, settings.latency, settings.catch_up);
  {
    const std::lock_guard lock(mutex_);
    settings_ = settings;
    // An end may have been asked for already.
    stopping_ = eos_sent_ = connected_ = lost_ = ended_ = refused_ = false;
    last_reason_.clear();
    watch_.start(settings.watch, now_ns());
  }
  thread_ = std::thread([this] { run(); });
}

void Connector::stop() {
  if (!thread_.joinable()) return;
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    wake_.notify_all();
  }
  thread_.join();
}

void Connector::forget_end() {
  const std::lock_guard lock(mutex_);
  eos_wanted_ = false;
}

void Connector::request_eos() {
  const std::lock_guard lock(mutex_);
  eos_wanted_ = true;
  wake_.notify_all();
}

void Connector::run() {
  Lock lock(mutex_);
  int64_t eos_deadline_ns = 0;
  while (!stopping_) {
    const int64_t now = now_ns();
    if (std::exchange(connected_, false)) {
      const int64_t gap_ns = connected_gap_ns_;
      lock.unlock();
      say("connected", {}, 0, gap_ns);
      lock.lock();
      continue;
    }
    if (eos_wanted_ && !eos_sent_) {
      if (connection_ && !lost_ && eos_deadline_ns == 0) {
        eos_deadline_ns = now + kEndPatience_ns;
        GstElement* connection = GST_ELEMENT(gst_object_ref(connection_));
        lock.unlock();
        gst_element_send_event(connection, gst_event_new_eos());
        gst_object_unref(connection);
        lock.lock();
        continue;
      }
      if (!connection_ || lost_ || now >= eos_deadline_ns) {
        note_end(lock);
        continue;
      }
    } else if (lost_) {
      note_loss(lock);
      continue;
    }
    int64_t wake_at_ns = eos_sent_ ? now + kGapInterval_ns * 10 : watch_.next_poll_ns(now);
    if (eos_wanted_ && !eos_sent_) wake_at_ns = std::min(wake_at_ns, eos_deadline_ns);
    const ConnectionWatch::Action action =
        eos_wanted_ ? ConnectionWatch::Action::kNone : watch_.poll(now);
    switch (action) {
      case ConnectionWatch::Action::kConnect: {
        lock.unlock();
        std::string problem;
        say("connecting", {}, 0, 0);
        const bool opened = open(&problem);
        lock.lock();
        if (!opened) {
          lost_ = true;
          if (reason_.empty()) reason_ = problem;
        }
        continue;
      }
      case ConnectionWatch::Action::kAbandon:
        lost_ = true;
        reason_ = "nothing has come for too long";
        continue;
      case ConnectionWatch::Action::kSayQuiet:
        lock.unlock();
        say("quiet", "connected, but there is no audio yet", 0, 0);
        lock.lock();
        continue;
      case ConnectionWatch::Action::kGiveUp: {
        const std::string reason = last_reason_;
        lock.unlock();
        GST_ELEMENT_ERROR(bin_, RESOURCE, OPEN_READ,
                          ("There is no stream to be had from %s: %s",
                           masked(settings_.source).c_str(), reason.c_str()),
                          ("retry-limit reached"));
        lock.lock();
        continue;
      }
      case ConnectionWatch::Action::kNone:
        break;
    }
    const auto state = watch_.state();
    if (!eos_sent_ && (state == ConnectionWatch::State::kWaiting ||
                       state == ConnectionWatch::State::kConnecting)) {
      wake_at_ns = std::min(wake_at_ns, now + kGapInterval_ns);
      lock.unlock();
      relay_push_gap(relay_);
      lock.lock();
      if (stopping_ || lost_ || connected_ || eos_wanted_) continue;
    }
    wake_.wait_for(lock, std::chrono::nanoseconds(std::max<int64_t>(wake_at_ns - now, 1'000'000)));
  }
  lock.unlock();
  close();
}

// The stream is over for good.
void Connector::note_end(Lock& lock) {
  watch_.stop();
  eos_sent_ = true;
  lock.unlock();
  close();
  relay_push_eos(relay_);
  lock.lock();
}

void Connector::note_loss(Lock& lock) {
  const bool over = (ended_ && settings_.at_end == AtEnd::kEnd) || refused_;
  const bool is_first = watch_.failures_in_a_row() == 0;
  const bool was_streaming = watch_.state() == ConnectionWatch::State::kStreaming;
  last_reason_ = reason_.empty() ? "the stream has ended" : reason_;
  reason_.clear();
  const std::string reason = last_reason_;
  if (over) {
    // A refusal is an error downstream, and told as such.
    if (refused_) {
      watch_.stop();
      lock.unlock();
      close();
      lock.lock();
    } else {
      note_end(lock);
    }
    return;
  }
  lock.unlock();
  close();
  lock.lock();
  watch_.lost(now_ns());
  const int64_t wait_ns = watch_.wait_ns();
  lock.unlock();
  say(was_streaming ? "lost" : "failed", reason, wait_ns, 0);
  if (is_first)
    GST_ELEMENT_WARNING(bin_, RESOURCE, READ,
                        ("The stream of %s %s; waiting for it", masked(settings_.source).c_str(),
                         was_streaming ? "is lost" : "is not there"),
                        ("%s", reason.c_str()));
  lock.lock();
}

bool Connector::open(std::string* problem) {
  relay_begin_connection(relay_);
  GError* error = nullptr;
  GstElement* connection =
      gst_parse_bin_from_description_full(connection_line(settings_.source).c_str(), FALSE, nullptr,
                                          GST_PARSE_FLAG_FATAL_ERRORS, &error);
  if (!connection) {
    *problem = error ? error->message : "no reason given";
    GST_ELEMENT_ERROR(
        bin_, CORE, MISSING_PLUGIN,
        ("An element to read %s is missing; run tools/setup.", masked(settings_.source).c_str()),
        ("%s", problem->c_str()));
    g_clear_error(&error);
    const std::lock_guard lock(mutex_);
    refused_ = true;
    return false;
  }
  g_clear_error(&error);
  // Its states are its own: the pipeline does not wait for a server.
  g_object_set(connection, "async-handling", TRUE, nullptr);
  gst_element_set_locked_state(connection, TRUE);
  GstElement* out = gst_bin_get_by_name(GST_BIN(connection), "out");
  GstPad* target = gst_element_get_static_pad(out, "src");
  GstPad* ghost = gst_ghost_pad_new("src", target);
  gst_object_unref(target);
  gst_object_unref(out);
  gst_pad_set_active(ghost, TRUE);
  gst_element_add_pad(connection, ghost);
  {
    const std::lock_guard lock(mutex_);
    connection_ = GST_ELEMENT(gst_object_ref(connection));
    lost_ = ended_ = false;
    reason_.clear();
  }
  gst_bin_add(bin_, connection);
  GstPad* sink = gst_element_get_static_pad(GST_ELEMENT(relay_), "sink");
  const bool linked = gst_pad_link(ghost, sink) == GST_PAD_LINK_OK;
  gst_object_unref(sink);
  if (linked && gst_element_set_state(connection, GST_STATE_PLAYING) != GST_STATE_CHANGE_FAILURE)
    return true;
  *problem = linked ? "it could not be opened" : "it could not be linked";
  return false;
}

void Connector::close() {
  GstElement* connection = nullptr;
  {
    const std::lock_guard lock(mutex_);
    connection = connection_;
  }
  // Known as ours until it is gone: what it says on its way out is nobody's business.
  if (connection) {
    gst_element_set_state(connection, GST_STATE_NULL);
    gst_bin_remove(bin_, connection);
  }
  const std::lock_guard lock(mutex_);
  connection_ = nullptr;
  lost_ = ended_ = false;
  if (connection) gst_object_unref(connection);
}

bool Connector::take_message(GstMessage* message) {
  const std::lock_guard lock(mutex_);
  if (!connection_ || !GST_MESSAGE_SRC(message) ||
      !(GST_MESSAGE_SRC(message) == GST_OBJECT(connection_) ||
        gst_object_has_as_ancestor(GST_MESSAGE_SRC(message), GST_OBJECT(connection_))))
    return false;
  switch (GST_MESSAGE_TYPE(message)) {
    case GST_MESSAGE_ERROR: {
      GError* error = nullptr;
      gst_message_parse_error(message, &error, nullptr);
      // Not `debug`: it often has the address with its key.
      GST_INFO_OBJECT(bin_, "%s", told(error->message).c_str());
      // What has been read once can be read: this is the page of a proxy, or the like.
      const bool hopeless = is_hopeless(error) && watch_.connections() == 0;
      refused_ = refused_ || hopeless;
      const bool forward = refused_ && !stopping_;
      if (reason_.empty()) reason_ = told(error->message);
      lost_ = true;
      g_error_free(error);
      wake_.notify_all();
      return !forward;
    }
    // The bin's own state is not the connection's.
    case GST_MESSAGE_ASYNC_START:
    case GST_MESSAGE_ASYNC_DONE:
    case GST_MESSAGE_EOS:
    case GST_MESSAGE_STATE_DIRTY:
    case GST_MESSAGE_CLOCK_LOST:
    case GST_MESSAGE_CLOCK_PROVIDE:
    case GST_MESSAGE_BUFFERING:
      return true;
    default:
      return false;
  }
}

void Connector::data(int64_t gap_ns) {
  const std::lock_guard lock(mutex_);
  if (!watch_.data(now_ns())) return;
  connected_ = true;
  connected_gap_ns_ = gap_ns;
  wake_.notify_all();
}

void Connector::stream_ended() {
  const std::lock_guard lock(mutex_);
  lost_ = ended_ = true;
  wake_.notify_all();
}

void Connector::refused(GstFlowReturn flow) {
  GST_INFO_OBJECT(bin_, "downstream says %s", gst_flow_get_name(flow));
  const std::lock_guard lock(mutex_);
  refused_ = true;
}

void Connector::say(const char* event, const std::string& reason, int64_t wait_ns, int64_t gap_ns) {
  const GstClockTime running_time = relay_running_time(relay_);
  unsigned attempt = 0;
  {
    const std::lock_guard lock(mutex_);
    attempt = watch_.failures_in_a_row();
  }
  GST_INFO_OBJECT(bin_, "%s %s", event, reason.c_str());
  gchar* utc = room_audio_utc_at_running_time(GST_ELEMENT(relay_), running_time);
  GstStructure* structure = gst_structure_new(
      "reconnect", "event", G_TYPE_STRING, event, "location", G_TYPE_STRING,
      masked(settings_.source).c_str(), "reason", G_TYPE_STRING, reason.c_str(), "failures",
      G_TYPE_UINT, attempt, "wait", G_TYPE_UINT64, guint64(std::max<int64_t>(wait_ns, 0)), "gap",
      G_TYPE_UINT64, guint64(std::max<int64_t>(gap_ns, 0)), "running-time", G_TYPE_UINT64,
      guint64(running_time), "utc", G_TYPE_STRING, utc, nullptr);
  g_free(utc);
  gst_element_post_message(GST_ELEMENT(bin_), gst_message_new_element(GST_OBJECT(bin_), structure));
}

GstStructure* Connector::make_stats() {
  const RelayStats relay = relay_stats(relay_);
  const std::lock_guard lock(mutex_);
  return gst_structure_new(
      "stats", "state", G_TYPE_STRING, state_name(watch_.state()), "attempts", G_TYPE_UINT64,
      watch_.attempts(), "connections", G_TYPE_UINT64, watch_.connections(), "outages",
      G_TYPE_UINT64, watch_.outages(), "failures-in-a-row", G_TYPE_UINT, watch_.failures_in_a_row(),
      "last-reason", G_TYPE_STRING, last_reason_.c_str(), "buffers", G_TYPE_UINT64, relay.buffers,
      "gaps", G_TYPE_UINT64, relay.gaps, "gap-time", G_TYPE_UINT64, guint64(relay.gap_ns),
      "cut-time", G_TYPE_UINT64, guint64(relay.cut_ns), "lateness", G_TYPE_INT64, relay.lateness_ns,
      "resyncs", G_TYPE_UINT64, relay.resyncs, nullptr);
}

}  // namespace reconnect
