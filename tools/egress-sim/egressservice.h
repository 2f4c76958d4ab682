// SPDX-License-Identifier: LGPL-2.1-or-later
// The simulated egress service: takes requests, dials, plays, ends, and tells of it by webhooks, in
// the order and with the delays of a real one. In the loop of the thread's default context.
#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "controlfaults.h"
#include "controlrooms.h"
#include "egressrecords.h"
#include "livekit/livekitapi.h"
#include "looptimers.h"
#include "preparation.h"
#include "simulator.h"
#include "webhooksender.h"

namespace egresssim {

class EgressService {
 public:
  using People = std::optional<std::vector<livekit::Participant>>;
  // Asks a real server who is in a room; nullopt: no answer.
  using AskPeople = std::function<void(const std::string& room, std::function<void(People)>)>;

  struct Settings {
    TlsSettings tls;
    AskPeople ask_people;  // empty: the scenario says who is there
    std::function<void(const std::string&)> log;
  };

  // `prepared` and `webhooks` must outlive this.
  EgressService(Settings settings, const Prepared& prepared, WebhookSender* webhooks);
  ~EgressService();
  EgressService(const EgressService&) = delete;
  EgressService& operator=(const EgressService&) = delete;

  // The scenario starts, if it has not yet.
  void begin();
  bool begun() const { return rooms_ != nullptr; }
  double now_s() const { return begun() ? simulator_.now_s() : 0; }
  const ControlRooms& rooms() const { return *rooms_; }  // after begin()

  void add_fault(ControlFault fault);
  const ControlFaults& faults() const { return faults_; }

  // After begin(). The answers' JSON, or a refusal.
  using Answer = std::function<void(const TwirpError* refusal, const std::string& json)>;
  void start(const EgressRequest& request, const Answer& answer);
  void stop(const std::string& id, const Answer& answer);
  void update_stream(std::string_view body, const Answer& answer);
  std::string list(std::string_view body) const { return records_.list(body); }
  std::vector<EgressGuest> guests() const;

  // Everybody has left, and no session is left.
  bool over() const;

  // For tests: every session there was, as JSON objects.
  std::vector<std::string> sessions_json() const;

 private:
  struct Session;

  // `about`: whom the event is about, for its id.
  void send_webhook(const std::string& event, const std::string& members, const std::string& about);
  void tell(const EgressRecord& record, const char* event);
  void tell_happenings();
  void accept(const EgressRequest& request, double asked_s, const Answer& answer);
  void join(const std::string& id);
  void dial(const std::string& id);
  void dial_track(const std::string& id, const std::string& identity);
  void dial_people(const std::string& id, double asked_s);
  void dial_url(const std::string& id, SessionSound sound);
  void publish(const std::string& id);
  void on_change(size_t connection);
  void activate(Session& session);
  void ending(Session& session, const std::string& details);
  void finish(Session& session, EgressState state, const std::string& error, int error_code);
  void end_session(Session& session, const std::string& details);
  void plan(const ControlFault& fault);
  void kill(const ControlFault& fault);
  void kill(Session& session);
  void poll_people();
  void end_missing(const std::string& room, const std::vector<livekit::Participant>& people);
  EgressRecord& record(const Session& session);
  void log(const Session& session, const std::string& text) const;
  const Room* scenario_room(const std::string& name, size_t* index) const;

  Settings settings_;
  const Prepared& prepared_;
  WebhookSender* const webhooks_;
  std::unique_ptr<ControlRooms> rooms_;  // after begin()
  std::vector<ControlRooms::Happening> happenings_;
  size_t next_happening_ = 0;
  ControlFaults faults_;
  EgressRecords records_;
  std::shared_ptr<const Audio> load_signal_;  // of people who are not in the scenario
  std::map<std::string, std::unique_ptr<Session>> sessions_;  // by egress
  std::map<size_t, std::string> connections_;                 // the simulator's, to egresses
  uint64_t webhook_number_ = 0;
  bool polling_ = false;
  Simulator simulator_;
  guint simulator_source_ = 0;
  LoopTimers timers_;
};

}  // namespace egresssim
