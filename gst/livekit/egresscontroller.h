// SPDX-License-Identifier: LGPL-2.1-or-later
// Drives one room's EgressPlan: makes its calls to LiveKit's API, gives each egress its token, and
// tells the plan what is heard of webhooks and dial-ins. Lives on the control thread; may be called
// from any other.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "controlthread.h"
#include "dialins.h"
#include "egressplan.h"
#include "listener.h"
#include "twirp.h"

namespace livekit {

// What the user says of the egresses that the element starts itself.
struct EgressSettings {
  bool enabled = false;
  EgressMode mode = EgressMode::kTrack;
  bool pair = false;                 // two people an egress, with kPerson
  uint32_t away_timeout_ms = 60000;  // a person's or a room's egress outlives them by so much
  std::string livekit_url;           // "" = LIVEKIT_URL, and so on
  ApiCredentials credentials;
  std::string public_url;
  std::string include;  // identities, separated by commas
  std::string exclude;
  unsigned sources = kAllSources;  // TrackSource, or'ed
  std::string webhook_path = "/livekit/webhook";
  uint32_t poll_interval_ms = 1000;
};

// Cut at commas; a backslash makes the next letter an ordinary one. Spaces around are left out.
std::set<std::string> parse_identities(const std::string& list);

// "" = the settings go together, else what does not, for the user.
std::string wrong_combination(const EgressSettings& settings);

struct ControllerConfig {
  std::string room;
  std::string api_base_url;
  ApiCredentials credentials;
  std::string dial_base;
  EgressFilter filter;
  EgressMode mode = EgressMode::kTrack;
  bool pair = false;
  uint32_t away_timeout_ms = 60000;
  uint32_t poll_interval_ms = 1000;
};

// The entry of exclude that was probably meant for somebody who is not excluded; "" = none.
std::string doubtful_exclude(const EgressFilter& filter, const std::string& identity,
                             const std::string& name);

// Fills in what the environment says, and checks it. nullopt with `error` telling what to set.
// Where the server is on this machine, public-url is `listener`'s address and `port`.
std::optional<ControllerConfig> make_controller_config(const EgressSettings& settings,
                                                       const std::string& room,
                                                       const std::string& path,
                                                       const ListenerConfig& listener,
                                                       uint16_t port, std::string& error);

// Called on the control thread; must not block.
class EgressObserver {
 public:
  virtual ~EgressObserver() = default;
  // A step, as PlanAction::kTell has it.
  virtual void on_egress_step(const PlanAction& step) = 0;
  // The connection of `session` has to be closed, from this side.
  virtual void on_hang_up(uint64_t session) = 0;
  // Somebody's name, safe to show; metadata and attributes (a JSON object) as they are.
  virtual void on_participant(const std::string& identity, const ParticipantText& text) = 0;
  // Nobody has the identity `entry` of exclude, but somebody who is heard has it as his name, or an
  // identity that differs in case only.
  virtual void on_doubtful_exclude(const std::string& entry, const std::string& identity) = 0;
  // All were to be stopped, and these may still run.
  virtual void on_unfinished(const std::vector<std::string>& egresses) = 0;
};

class EgressController final : public HookSink {
 public:
  EgressController(ControllerConfig config, EgressObserver* observer);
  ~EgressController() override;

  const ApiCredentials& credentials() const { return config_.credentials; }
  const std::shared_ptr<DialIns>& dial_ins() const { return dial_ins_; }

  // Begins, and waits for the first answers. False when they say that it can never work: a wrong
  // key, grant or address, in the server's own words. A server that cannot be reached will be tried
  // again.
  bool open(std::string& error);
  void set_filter(EgressFilter filter);

  // The listener's and the room's side.
  void on_webhook(const WebhookEvent& event) override;
  void on_session(uint64_t session, bool connected);
  // Writes into it the newest name, metadata and attributes. Any thread.
  void introduce(TrackRequest& request) const;

  // Stops all egresses and runs `done` on the control thread once they are stopped and have sent
  // what was on its way, or after 5 s. The observer learns before of those that may still run.
  void drain(std::function<void()> done);
  // Stops all egresses, and waits for that for 2 s at most. The observer learns of those that may
  // still run, if it does not know, and is not called any more after this.
  void shut_down();

 private:
  enum class Probe { kWaiting, kGood, kHopeless };

  static gboolean on_wake(gpointer self);
  static gboolean on_drain_over(gpointer self);
  int64_t now_ms() const { return g_get_monotonic_time() / 1000; }
  // Runs `event` on the plan and what follows from it.
  void tell_plan(const std::function<void(EgressPlan&)>& event);
  void act();
  void act_on(const PlanAction& action);
  void call(const std::string& method, const std::string& body, const VideoGrants& grants,
            uint32_t timeout_ms, std::function<void(const TwirpAnswer&)> answer);
  void list_participants();
  void list_egress();
  void check_egress(const std::string& id);
  void start(const PlanAction& action);
  void stop(const std::string& id);
  void note_probe(Probe& probe, const TwirpAnswer& answer);
  // Waits under `lock` until `holds`, for `ms` at most; briefly where the server is known not to
  // answer. Notes that when nothing was heard meanwhile.
  void wait_for_server(std::unique_lock<std::mutex>& lock, int64_t ms,
                       const std::function<bool()>& holds);
  void check_ends();
  void end_drain();
  void tell_unfinished(std::vector<std::string> egresses);
  void close();

  const ControllerConfig config_;
  const std::shared_ptr<ControlThread> thread_;
  const std::shared_ptr<DialIns> dial_ins_;

  // Control thread.
  EgressObserver* observer_;
  EgressFilter filter_;  // the one that was set last
  std::unique_ptr<TwirpClient> client_;
  std::unique_ptr<EgressPlan> plan_;
  GSourcePtr wake_;
  GSourcePtr drain_timeout_;
  std::function<void()> drained_;
  std::vector<std::string> unfinished_;  // that the observer knows of
  bool shutting_down_ = false;

  std::mutex mutex_;  // guards what follows
  std::condition_variable changed_;
  bool heard_ = false;  // an answer of the server, since that was last asked
  Probe egress_probe_ = Probe::kWaiting;
  Probe room_probe_ = Probe::kWaiting;
  std::string probe_error_;
  bool stopped_ = false;
};

}  // namespace livekit
