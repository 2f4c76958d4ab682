// SPDX-License-Identifier: LGPL-2.1-or-later
// Sends captions into a LiveKit room by the server's API. Calls are made on the control thread that
// all sttsinks of the process share; nothing here blocks whoever has a result.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "captionqueue.h"
#include "livekit/apiaccess.h"
#include "livekit/controlthread.h"
#include "livekit/twirp.h"

namespace stt {

// What the user says.
struct CaptionSettings {
  bool enabled = false;
  livekit::ApiAccess access;  // "" = of the environment
  std::string room;
};

struct CaptionConfig {
  std::string api_base_url;
  livekit::ApiCredentials credentials;
  std::string room;
};

// Fills in what the environment says, and checks it. nullopt with `error` telling what to set.
std::optional<CaptionConfig> make_caption_config(const CaptionSettings& settings,
                                                 std::string& error);

class RoomCaptions {
 public:
  // An incident has begun: captions do not arrive, and `result` says what becomes of them. On the
  // control thread, without locks held; once until captions have arrived again.
  using OnTrouble = std::function<void(const std::string& reason, SendResult result)>;

  RoomCaptions(CaptionConfig config, OnTrouble on_trouble);
  ~RoomCaptions() { stop(); }
  RoomCaptions(const RoomCaptions&) = delete;
  RoomCaptions& operator=(const RoomCaptions&) = delete;

  // Asks the server something harmless, so that a wrong key is known before anybody speaks.
  void start();
  void add(const Transcript& transcript);
  // Waits until the finals have been sent, so long at most, and not once `stopping` is set and
  // wake() called. False when some have not.
  bool finish(std::chrono::milliseconds patience, const std::atomic<bool>& stopping);
  void wake();
  // Gives up what is not sent yet. Not from the control thread.
  void stop();
  CaptionStats stats() const;

 private:
  static gboolean on_wake(gpointer self);
  static int64_t now_ms() { return g_get_monotonic_time() / 1000; }
  void probe();
  void pump_soon();  // lock_ is held
  void pump();
  void send(const CaptionQueue::Sending& sending);
  void on_answer(uint64_t id, bool is_final, const livekit::TwirpAnswer& answer);
  SendResult judge(const livekit::TwirpAnswer& answer);
  void note_trouble(const livekit::TwirpAnswer& answer, SendResult result);

  const CaptionConfig config_;
  const OnTrouble on_trouble_;
  const std::string session_;  // in the ids of segments
  const std::shared_ptr<livekit::ControlThread> thread_;

  // Control thread.
  std::unique_ptr<livekit::TwirpClient> client_;
  livekit::GSourcePtr wake_;
  bool in_trouble_ = false;
  bool reached_ = false;  // key, grant and address have been right

  mutable std::mutex lock_;
  std::condition_variable changed_;
  CaptionQueue queue_;    // lock_
  bool started_ = false;  // lock_
  bool stopped_ = false;  // lock_
  bool pumping_ = false;  // lock_; a pump() is on its way
};

}  // namespace stt
