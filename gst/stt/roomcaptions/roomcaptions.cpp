// SPDX-License-Identifier: LGPL-2.1-or-later
#include "roomcaptions.h"

#include <algorithm>
#include <cstdio>
#include <random>
#include <utility>

#include "livekit/livekitapi.h"

namespace stt {

namespace {

constexpr uint32_t kPartialTimeoutMs = 2000;
constexpr uint32_t kFinalTimeoutMs = 5000;
constexpr uint32_t kProbeTimeoutMs = 5000;

std::string random_session() {
  std::random_device random;
  char text[13];
  std::snprintf(text, sizeof text, "%06x%06x", random() & 0xffffff, random() & 0xffffff);
  return text;
}

}  // namespace

std::optional<CaptionConfig> make_caption_config(const CaptionSettings& settings,
                                                 std::string& error) {
  const livekit::ApiAccess access = livekit::with_environment(settings.access);
  const std::string missing = livekit::missing_settings(access, settings.room);
  if (!missing.empty()) {
    error = "To send captions into a room, set: " + missing + ".";
    return std::nullopt;
  }
  const auto base_url = livekit::api_base_url(access.url, error);
  if (!base_url) return std::nullopt;
  return CaptionConfig{*base_url, access.credentials, settings.room};
}

RoomCaptions::RoomCaptions(CaptionConfig config, OnTrouble on_trouble)
    : config_(std::move(config)),
      on_trouble_(std::move(on_trouble)),
      session_(random_session()),
      thread_(livekit::ControlThread::acquire()),
      queue_(std::random_device()()) {}

void RoomCaptions::start() {
  const std::lock_guard guard(lock_);
  if (stopped_ || std::exchange(started_, true)) return;
  thread_->post([this] { probe(); });
}

void RoomCaptions::probe() {
  client_ =
      std::make_unique<livekit::TwirpClient>(thread_, config_.api_base_url, config_.credentials);
  livekit::VideoGrants grants;
  grants.room_admin = true;
  grants.room = config_.room;
  client_->call("livekit.RoomService/ListParticipants",
                livekit::list_participants_body(config_.room), grants, kProbeTimeoutMs,
                [this](const livekit::TwirpAnswer& answer) {
                  // Anything else may have passed by when there is a caption.
                  const SendResult result = judge(answer);
                  if (result == SendResult::kDenied) note_trouble(answer, result);
                });
  pump();
}

void RoomCaptions::add(const Transcript& transcript) {
  std::vector<CaptionPacket> packets = caption_packets(transcript, session_);
  const std::lock_guard guard(lock_);
  if (stopped_ || !started_) return;
  if (packets.empty()) queue_.add_dropped(transcript.is_final);
  for (CaptionPacket& packet : packets) queue_.add(std::move(packet), now_ms());
  pump_soon();
}

// Posting under the lock: once stopped_ is set, nothing is posted any more.
void RoomCaptions::pump_soon() {
  if (stopped_ || std::exchange(pumping_, true)) return;
  thread_->post([this] { pump(); });
}

void RoomCaptions::pump() {
  std::vector<CaptionQueue::Sending> sendings;
  int64_t wake_at_ms = -1;
  {
    const std::lock_guard guard(lock_);
    pumping_ = false;
    if (stopped_ || !client_) return;
    while (auto sending = queue_.next(now_ms())) sendings.push_back(std::move(*sending));
    wake_at_ms = queue_.wake_at_ms();
  }
  changed_.notify_all();  // finals may have expired
  for (const CaptionQueue::Sending& sending : sendings) send(sending);
  wake_.reset();
  if (wake_at_ms < 0) return;
  wake_.reset(g_timeout_source_new(guint(std::max<int64_t>(wake_at_ms - now_ms(), 1))));
  g_source_set_callback(wake_.get(), on_wake, this, nullptr);
  g_source_attach(wake_.get(), thread_->context());
}

gboolean RoomCaptions::on_wake(gpointer self) {
  static_cast<RoomCaptions*>(self)->pump();
  return G_SOURCE_REMOVE;
}

void RoomCaptions::send(const CaptionQueue::Sending& sending) {
  const bool is_final = sending.packet.is_final;
  livekit::VideoGrants grants;
  grants.room_admin = true;
  grants.room = config_.room;
  client_->call("livekit.RoomService/SendData", send_data_body(config_.room, sending.packet),
                grants, is_final ? kFinalTimeoutMs : kPartialTimeoutMs,
                [this, id = sending.id, is_final](const livekit::TwirpAnswer& answer) {
                  on_answer(id, is_final, answer);
                });
}

void RoomCaptions::on_answer(uint64_t id, bool is_final, const livekit::TwirpAnswer& answer) {
  const SendResult result = judge(answer);
  {
    const std::lock_guard guard(lock_);
    queue_.done(id, result, now_ms());
  }
  changed_.notify_all();
  // A partial that is lost is made up for by the next; only a key stays wrong.
  if (result == SendResult::kSent) {
    in_trouble_ = false;
  } else if (is_final || result == SendResult::kDenied) {
    note_trouble(answer, result);
  }
  pump();
}

SendResult RoomCaptions::judge(const livekit::TwirpAnswer& answer) {
  using Kind = livekit::CallFailure::Kind;
  if (answer.ok) {
    reached_ = true;
    return SendResult::kSent;
  }
  if (answer.failure.kind == Kind::kDenied) return SendResult::kDenied;
  // An address that was right stays right: its name, certificate or proxy are having an outage.
  if (answer.hopeless) return reached_ ? SendResult::kUnreachable : SendResult::kDenied;
  if (answer.failure.kind == Kind::kRefused) return SendResult::kRefused;
  return SendResult::kUnreachable;  // not found: the room may open yet
}

void RoomCaptions::note_trouble(const livekit::TwirpAnswer& answer, SendResult result) {
  if (std::exchange(in_trouble_, true)) return;
  on_trouble_(answer.failure.text, result);
}

bool RoomCaptions::finish(std::chrono::milliseconds patience, const std::atomic<bool>& stopping) {
  std::unique_lock guard(lock_);
  queue_.hurry(now_ms());
  pump_soon();
  return changed_.wait_for(guard, patience, [&] {
    return queue_.finals_done() || stopping || stopped_;
  }) && queue_.finals_done();
}

void RoomCaptions::wake() {
  // Under the lock, or a waiter between its look and its sleep would miss it.
  const std::lock_guard guard(lock_);
  changed_.notify_all();
}

void RoomCaptions::stop() {
  {
    const std::lock_guard guard(lock_);
    if (std::exchange(stopped_, true)) return;
    queue_.clear();
  }
  changed_.notify_all();
  thread_->run([this] {
    wake_.reset();
    client_.reset();
  });
}

CaptionStats RoomCaptions::stats() const {
  const std::lock_guard guard(lock_);
  return queue_.stats();
}

}  // namespace stt
