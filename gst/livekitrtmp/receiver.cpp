// SPDX-License-Identifier: LGPL-2.1-or-later
#include "receiver.h"

#include <algorithm>
#include <utility>

#include "flvtags.h"
#include "gst/roomaudio/roomaudio.h"

GST_DEBUG_CATEGORY_EXTERN(gst_livekit_rtmp_src_debug);
#define GST_CAT_DEFAULT gst_livekit_rtmp_src_debug

namespace rtmp {

namespace {

constexpr unsigned kForbidden = 403;
// Video alone for so long: somebody has forgotten the audio.
constexpr int64_t kVideoAloneUs = 5'000'000;
// Messages a second, so that nobody fills the bus by calling again and again.
constexpr unsigned kRefusalsTold = 10;
constexpr int64_t kRefusalsUs = 1'000'000;

const char* end_name(PublisherEnd end) {
  switch (end) {
    case PublisherEnd::kClosed:
      return "closed";
    case PublisherEnd::kLost:
      return "lost";
    case PublisherEnd::kTimedOut:
      return "timed-out";
    case PublisherEnd::kReplaced:
      return "replaced";
    case PublisherEnd::kProtocolError:
      return "protocol-error";
    case PublisherEnd::kShutdown:
      return "shutdown";
  }
  return "";
}

}  // namespace

Receiver::Receiver(GstElement* element, ReceiverObserver* observer, ReceiverConfig config)
    : element_(element),
      observer_(observer),
      config_(std::move(config)),
      queue_(config_.max_queue_bytes, [this] {
        if (listener_) listener_->resume(this);
      }) {}

Receiver::~Receiver() = default;

GstStructure* Receiver::describe(const Publisher& publisher) const {
  return gst_structure_new("caller", "path", G_TYPE_STRING, config_.path.c_str(), "stream",
                           G_TYPE_STRING, publisher.stream.c_str(), "remote", G_TYPE_STRING,
                           publisher.remote.c_str(), nullptr);
}

void Receiver::post(const char* event, const Publisher& publisher, const std::string& reason,
                    GstClockTime gap, unsigned status) {
  const GstClockTime running_time = gst_element_get_current_running_time(element_);
  gchar* utc = GST_CLOCK_TIME_IS_VALID(running_time)
                   ? room_audio_utc_at_running_time(element_, running_time)
                   : g_strdup("");
  GstStructure* structure = gst_structure_new(
      "livekit-publisher", "event", G_TYPE_STRING, event, "path", G_TYPE_STRING,
      config_.path.c_str(), "stream", G_TYPE_STRING, publisher.stream.c_str(), "remote",
      G_TYPE_STRING, publisher.remote.c_str(), "reason", G_TYPE_STRING, reason.c_str(), "status",
      G_TYPE_UINT, status, "gap", G_TYPE_UINT64, guint64(gap), "running-time", G_TYPE_UINT64,
      guint64(running_time), "utc", G_TYPE_STRING, utc, nullptr);
  g_free(utc);
  gst_element_post_message(element_, gst_message_new_element(GST_OBJECT(element_), structure));
}

Verdict Receiver::on_request(const Publisher& publisher) {
  const auto self = shared_from_this();
  GstStructure* caller = describe(publisher);
  const bool welcome = observer_->on_caller_connecting(caller);
  gst_structure_free(caller);
  if (!welcome) return {kForbidden, "the application refused this publisher"};
  return {};
}

void Receiver::on_added(const Publisher& publisher) {
  const auto self = shared_from_this();
  const int64_t now_us = g_get_monotonic_time();
  GstClockTime gap = 0;
  {
    const std::lock_guard lock(mutex_);
    ++counters_.added;
    if (last_media_us_ != 0) gap = GstClockTime(now_us - last_media_us_) * GST_USECOND;
    if (since_us_ != 0) {
      counters_.without_publisher += GstClockTime(now_us - since_us_) * GST_USECOND;
    }
    present_ = true;
    publisher_ = publisher;
    since_us_ = now_us;
  }
  guard_.begin_publisher();
  audio_seen_ = false;
  complained_.clear();
  first_video_us_ = 0;
  QueuedMedia item;
  item.event = QueuedMedia::Event::kPublisherAdded;
  item.arrival_us = now_us;
  queue_.push(std::move(item));
  GST_INFO_OBJECT(element_, "%s publishes %s", publisher.remote.c_str(), publisher.stream.c_str());
  GstStructure* caller = describe(publisher);
  observer_->on_caller_added(caller);
  gst_structure_free(caller);
  post("added", publisher, "", gap);
}

void Receiver::on_bytes(size_t count) {
  const std::lock_guard lock(mutex_);
  counters_.bytes += count;
}

bool Receiver::on_media(const Media& media, int64_t now_us) {
  {
    const std::lock_guard lock(mutex_);
    last_media_us_ = now_us;
    ++(media.kind == MediaKind::kAudio   ? counters_.audio_messages
       : media.kind == MediaKind::kVideo ? counters_.video_messages
                                         : counters_.data_messages);
  }
  // Only where a handler of the application may run, which may stop the element.
  const auto self = complained_.contains(media.kind) ? nullptr : shared_from_this();
  if (!examine(media)) return true;
  if (paused_ && !is_configuration(media)) return true;
  QueuedMedia item;
  item.kind = media.kind;
  item.configuration = is_configuration(media);
  item.timestamp_ms = media.timestamp_ms;
  item.arrival_us = now_us;
  item.tag = flv_tag(media);
  return queue_.push(std::move(item));
}

// One bad publisher gives a warning that names him, never an error: false is left out.
bool Receiver::examine(const Media& media) {
  if (media.kind == MediaKind::kAudio) audio_seen_ = true;
  if (media.kind == MediaKind::kVideo && !audio_seen_) {
    const int64_t now_us = g_get_monotonic_time();
    if (first_video_us_ == 0) first_video_us_ = now_us;
    if (now_us - first_video_us_ >= kVideoAloneUs) {
      complain(media.kind,
               "The publisher sends video only: there is nothing to hear. Ask LiveKit for "
               "an egress with audio.");
    }
  }
  if (config_.audio_only && media.kind == MediaKind::kVideo) return false;
  std::string complaint;
  const bool admitted = guard_.admits(media, complaint);
  if (!complaint.empty()) complain(media.kind, complaint);
  return admitted;
}

void Receiver::complain(MediaKind kind, const std::string& text) {
  if (!complained_.insert(kind).second) return;
  GST_ELEMENT_WARNING(element_, STREAM, WRONG_TYPE, ("%s", text.c_str()),
                      ("from %s", publisher_.remote.c_str()));
}

void Receiver::on_removed(const Publisher& publisher, PublisherEnd end, const std::string& reason) {
  const auto self = shared_from_this();
  const int64_t now_us = g_get_monotonic_time();
  const bool orderly = end == PublisherEnd::kClosed || end == PublisherEnd::kShutdown;
  {
    const std::lock_guard lock(mutex_);
    ++counters_.removed;
    if (!orderly) ++counters_.lost;
    present_ = false;
    since_us_ = now_us;
  }
  QueuedMedia item;
  item.event = QueuedMedia::Event::kPublisherGone;
  item.arrival_us = now_us;
  queue_.push(std::move(item));
  GST_INFO_OBJECT(element_, "%s has gone (%s): %s", publisher.remote.c_str(), end_name(end),
                  reason.c_str());
  if (end == PublisherEnd::kProtocolError) {
    GST_ELEMENT_WARNING(element_, STREAM, DECODE,
                        ("The publisher %s %s.", publisher.remote.c_str(), reason.c_str()),
                        ("stream %s", publisher.stream.c_str()));
  }
  GstStructure* caller = describe(publisher);
  gst_structure_set(caller, "reason", G_TYPE_STRING, end_name(end), nullptr);
  observer_->on_caller_removed(caller);
  gst_structure_free(caller);
  post(orderly ? "removed" : "lost", publisher, end_name(end));
}

void Receiver::on_refused(const std::string& remote, unsigned status, const std::string& reason) {
  const auto self = shared_from_this();
  {
    const std::lock_guard lock(mutex_);
    ++counters_.refused;
  }
  GST_INFO_OBJECT(element_, "refused %s with %u: %s", remote.c_str(), status, reason.c_str());
  GstStructure* caller =
      gst_structure_new("caller", "remote", G_TYPE_STRING, remote.c_str(), "status", G_TYPE_UINT,
                        status, "reason", G_TYPE_STRING, reason.c_str(), nullptr);
  observer_->on_caller_rejected(caller);
  gst_structure_free(caller);
  const int64_t now_us = g_get_monotonic_time();
  if (now_us - refusals_since_us_ >= kRefusalsUs) {
    refusals_since_us_ = now_us;
    refusals_told_ = 0;
  }
  if (++refusals_told_ <= kRefusalsTold) post("refused", {"", remote}, reason, 0, status);
}

void Receiver::shut_down() {
  Publisher publisher;
  {
    const std::lock_guard lock(mutex_);
    if (!present_) return;
    publisher = publisher_;
  }
  on_removed(publisher, PublisherEnd::kShutdown, "the element stops");
}

void Receiver::set_paused(bool paused) {
  if (paused_ && !paused) {
    // Before anything can come behind it.
    QueuedMedia item;
    item.event = QueuedMedia::Event::kResumed;
    item.arrival_us = g_get_monotonic_time();
    queue_.push(std::move(item));
  }
  paused_ = paused;
}

void Receiver::report_stalled(bool stalled) {
  Publisher publisher;
  {
    const std::lock_guard lock(mutex_);
    publisher = publisher_;
  }
  post(stalled ? "stalled" : "resumed", publisher, "");
}

GstStructure* Receiver::stats() const {
  const int64_t now_us = g_get_monotonic_time();
  const std::lock_guard lock(mutex_);
  const auto age_ms = [now_us](int64_t since_us) {
    return since_us == 0 ? guint64(0) : guint64((now_us - since_us) / 1000);
  };
  return gst_structure_new(
      "livekitrtmpsrc-stats", "publishing", G_TYPE_BOOLEAN, gboolean(present_), "stream",
      G_TYPE_STRING, present_ ? publisher_.stream.c_str() : "", "remote", G_TYPE_STRING,
      present_ ? publisher_.remote.c_str() : "", "publishing-ms", G_TYPE_UINT64,
      present_ ? age_ms(since_us_) : 0, "silent-ms", G_TYPE_UINT64,
      present_ ? age_ms(std::max(since_us_, last_media_us_)) : 0, "without-publisher-ms",
      G_TYPE_UINT64,
      guint64(counters_.without_publisher / GST_MSECOND) + (present_ ? 0 : age_ms(since_us_)),
      "lateness-ms", G_TYPE_INT64, gint64(lateness_ms_), "queue-bytes", G_TYPE_UINT64,
      guint64(queue_.bytes()), "bytes", G_TYPE_UINT64, counters_.bytes, "messages", G_TYPE_UINT64,
      counters_.audio_messages + counters_.video_messages + counters_.data_messages,
      "audio-messages", G_TYPE_UINT64, counters_.audio_messages, "video-messages", G_TYPE_UINT64,
      counters_.video_messages, "callers-added", G_TYPE_UINT64, counters_.added, "callers-removed",
      G_TYPE_UINT64, counters_.removed, "callers-lost", G_TYPE_UINT64, counters_.lost,
      "callers-refused", G_TYPE_UINT64, counters_.refused, "reconnects", G_TYPE_UINT64,
      counters_.added > 0 ? counters_.added - 1 : 0, nullptr);
}

}  // namespace rtmp
