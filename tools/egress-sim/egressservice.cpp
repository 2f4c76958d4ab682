// SPDX-License-Identifier: LGPL-2.1-or-later
#include "egressservice.h"

#include <glib-unix.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <random>
#include <set>

#include "cliploader.h"
#include "compositeoutput.h"
#include "livekit/jsonreader.h"
#include "livekit/twirp.h"

namespace egresssim {
namespace {

// Measured: from the request to the egress' joining the room, and to its dialling.
constexpr double kJoin_s = 0.15;
constexpr double kDial_s = 0.30;
constexpr double kFirstDial_s = 0.80;  // of a room
constexpr double kPeoplePatience_s = 30;
constexpr double kStopPatience_s = 3;  // for an answer of whoever runs it
constexpr double kPoll_s = 0.25;
// No track of a real room lasts longer here; silence is planned ahead.
constexpr double kLongest_s = 6 * 3600.0;
constexpr double kLoadSignal_s = 10;

int64_t unix_ns() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

}  // namespace

struct EgressService::Session {
  std::string id;
  std::string identity;  // of its track, or of all its people
  double requested_s = 0;
  double connected_s = -1;
  double ended_s = -1;
  std::optional<size_t> connection;
  std::unique_ptr<Participant> who;  // what it plays; the playback refers to it
  bool joined = false;
  double joined_s = 0;
  bool killed = false;
  bool lost = false;  // its machine, of which nobody learns
  // Room composite: what plays it.
  std::atomic<int> stop = 0;
  std::jthread player;
};

EgressService::EgressService(Settings settings, const Prepared& prepared, WebhookSender* webhooks)
    : settings_(std::move(settings)),
      prepared_(prepared),
      webhooks_(webhooks),
      records_(std::random_device()()),
      simulator_({settings_.tls, 0, settings_.log, [this](size_t index) { on_change(index); }}) {}

EgressService::~EgressService() {
  if (simulator_source_ != 0) g_source_remove(simulator_source_);
  for (auto& [id, session] : sessions_) session->stop = 1;
  for (auto& [id, session] : sessions_)
    if (session->player.joinable()) session->player.join();
}

void EgressService::begin() {
  if (begun()) return;
  simulator_.begin();
  simulator_source_ = g_unix_fd_add_full(
      G_PRIORITY_HIGH, simulator_.descriptor(), G_IO_IN,
      [](gint, GIOCondition, gpointer self) -> gboolean {
        static_cast<EgressService*>(self)->simulator_.turn();
        return G_SOURCE_CONTINUE;
      },
      this, nullptr);
  rooms_ = std::make_unique<ControlRooms>(prepared_.scenario, simulator_.started_utc_s());
  if (!settings_.ask_people) {
    happenings_ = rooms_->happenings();
    tell_happenings();
  }
  for (const ControlFault& fault : faults_.all()) plan(fault);
}

void EgressService::add_fault(ControlFault fault) {
  if (begun()) plan(fault);
  faults_.add(std::move(fault));
}

void EgressService::plan(const ControlFault& fault) {
  if (fault.kind == ControlFault::Kind::kKill || fault.kind == ControlFault::Kind::kLose)
    timers_.after(fault.from_s - now_s(), [this, fault] { kill(fault); });
}

EgressRecord& EgressService::record(const Session& session) {
  return *records_.find(session.id);
}

void EgressService::log(const Session& session, const std::string& text) const {
  settings_.log(session.id + " (" + session.identity + "): " + text);
}

const Room* EgressService::scenario_room(const std::string& name, size_t* index) const {
  const std::vector<Room>& rooms = prepared_.scenario.rooms;
  for (size_t r = 0; r < rooms.size(); ++r) {
    if (rooms[r].name != name) continue;
    *index = r;
    return &rooms[r];
  }
  return nullptr;
}

void EgressService::send_webhook(const std::string& event, const std::string& members,
                                 const std::string& about) {
  const int64_t utc_s = unix_ns() / 1'000'000'000;
  const std::string id = make_sid("EV_", about + std::to_string(++webhook_number_));
  webhooks_->send(webhook_body(event, members, id, utc_s), utc_s);
}

void EgressService::tell(const EgressRecord& record, const char* event) {
  send_webhook(event, "\"egressInfo\":" + egress_json(record, ProtoStyle::kWebhook), record.id);
}

void EgressService::tell_happenings() {
  while (next_happening_ < happenings_.size() &&
         happenings_[next_happening_].at_s <= now_s() + 1e-3) {
    const ControlRooms::Happening& happening = happenings_[next_happening_++];
    send_webhook(happening.event, happening.body, happening.room);
    const bool unpublished = happening.event == "track_unpublished";
    if (!unpublished && happening.event != "room_finished") continue;
    // What they play ends by itself, for its end was known.
    for (const auto& [id, session] : sessions_) {
      const EgressRequest& request = record(*session).request;
      if (request.room != happening.room) continue;
      if (unpublished ? request.track == happening.track
                      : request.kind != EgressRequest::Kind::kTrack)
        ending(*session, "End reason: Source closed");
    }
  }
  if (next_happening_ < happenings_.size())
    timers_.after(happenings_[next_happening_].at_s - now_s(), [this] { tell_happenings(); });
}

std::vector<EgressGuest> EgressService::guests() const {
  std::vector<EgressGuest> guests;
  for (const EgressRecord& record : records_.all()) {
    const Session& session = *sessions_.at(record.id);
    if (session.joined) guests.push_back({record.request.room, record.id, session.joined_s});
  }
  return guests;
}

void EgressService::start(const EgressRequest& request, const Answer& answer) {
  if (faults_.find(ControlFault::Kind::kUnavailable, now_s())) {
    const TwirpError refusal{503, "unavailable", "no response from servers"};
    answer(&refusal, "");
    return;
  }
  const TwirpError no_room{404, "not_found", "requested room does not exist"};
  if (!settings_.ask_people) {
    if (rooms_->open_room(request.room, now_s()) == nullptr) {
      answer(&no_room, "");
    } else {
      accept(request, now_s(), answer);
    }
    return;
  }
  settings_.ask_people(request.room, [=, this, asked_s = now_s()](People people) {
    if (people && people->empty()) {
      answer(&no_room, "");
    } else {
      accept(request, asked_s, answer);
    }
  });
}

void EgressService::accept(const EgressRequest& request, double asked_s, const Answer& answer) {
  const auto& all = records_.all();
  const bool first = std::none_of(all.begin(), all.end(), [&](const EgressRecord& other) {
    return other.request.room == request.room;
  });
  EgressRecord& added = records_.add(request, unix_ns());
  auto session = std::make_unique<Session>();
  session->id = added.id;
  session->requested_s = asked_s;
  const std::string id = added.id;
  sessions_[id] = std::move(session);
  answer(nullptr, egress_json(added, ProtoStyle::kAnswer));
  tell(added, "egress_started");
  timers_.after(kJoin_s, [this, id] { join(id); });
  timers_.after(first ? kFirstDial_s : kDial_s, [this, id] { dial(id); });
  if (settings_.ask_people && !polling_) {
    polling_ = true;
    timers_.after(kPoll_s, [this] { poll_people(); });
  }
}

void EgressService::join(const std::string& id) {
  Session& session = *sessions_.at(id);
  if (record(session).over()) return;
  session.joined = true;
  session.joined_s = now_s();
  send_webhook("participant_joined",
               rooms_->guest_body({record(session).request.room, id, session.joined_s}, false), id);
}

void EgressService::dial(const std::string& id) {
  Session& session = *sessions_.at(id);
  const EgressRecord& own = record(session);
  if (own.state != EgressState::kStarting) return;
  const EgressRequest& request = own.request;
  switch (request.kind) {
    case EgressRequest::Kind::kTrack:
      if (!settings_.ask_people) {
        const Participant* who = rooms_->find_track(request.room, request.track, now_s());
        dial_track(id, who != nullptr ? who->identity : "");
        return;
      }
      settings_.ask_people(request.room, [this, id, track = request.track](People people) {
        std::string identity;
        for (const livekit::Participant& one : people.value_or(std::vector<livekit::Participant>()))
          for (const livekit::PublishedTrack& published : one.tracks)
            if (published.sid == track) identity = one.identity;
        dial_track(id, identity);
      });
      return;
    case EgressRequest::Kind::kPeople:
      dial_people(id, session.requested_s);
      return;
    case EgressRequest::Kind::kMix: {
      size_t index = 0;
      session.identity = "(everybody)";
      if (const Room* room = scenario_room(request.room, &index)) {
        const double end_s = settings_.ask_people ? now_s() + kLongest_s : rooms_->closed_s(*room);
        dial_url(id, mix_sound(*room, prepared_.of_room(index), end_s, prepared_.scenario.latency,
                               prepared_.scenario.seed));
      } else {
        finish(session, EgressState::kFailed, "the scenario has no room " + request.room, 404);
      }
      return;
    }
    case EgressRequest::Kind::kComposite:
      session.identity = "(everybody)";
      publish(id);
      return;
  }
}

void EgressService::dial_track(const std::string& id, const std::string& identity) {
  Session& session = *sessions_.at(id);
  const EgressRecord& own = record(session);
  if (own.state != EgressState::kStarting) return;
  session.identity = identity;
  if (identity.empty()) {
    finish(session, EgressState::kFailed, "track " + own.request.track + " not found", 404);
    return;
  }
  size_t index = 0;
  const Room* room = scenario_room(own.request.room, &index);
  const unsigned seed = prepared_.scenario.seed + static_cast<unsigned>(sessions_.size());
  // The publication itself; of a real room, all that the scenario has for that person.
  Participant real;
  real.identity = identity;
  real.leave_s = now_s() + kLongest_s;
  std::vector<Placement> placements;
  const Participant* who = nullptr;
  for (size_t p = 0; room != nullptr && p < room->participants.size(); ++p) {
    const Participant& one = room->participants[p];
    const bool asked = settings_.ask_people
                           ? one.identity == identity
                           : one.track == own.request.track && one.identity == identity;
    if (!asked) continue;
    who = settings_.ask_people ? &real : &one;
    const auto& its = prepared_.placements.at({index, p});
    placements.insert(placements.end(), its.begin(), its.end());
  }
  if (who == nullptr) {
    if (!load_signal_) load_signal_ = make_load_signal(prepared_.scenario.seed);
    for (double at_s = now_s(); at_s < now_s() + 3600; at_s += kLoadSignal_s)
      placements.push_back({load_signal_, at_s});
    who = &real;
  }
  dial_url(id, track_sound(*who, placements, prepared_.scenario.latency, seed));
}

void EgressService::dial_people(const std::string& id, double asked_s) {
  Session& session = *sessions_.at(id);
  const EgressRequest request = record(session).request;
  if (record(session).state != EgressState::kStarting) return;
  session.identity.clear();
  for (const EgressRoute& route : request.routes)
    session.identity += (session.identity.empty() ? "" : "+") + route.identity;
  const auto decide = [this, id, asked_s, request](const std::string& missing) {
    Session& own = *sessions_.at(id);
    if (record(own).state != EgressState::kStarting) return;
    if (!missing.empty() && now_s() - asked_s >= kPeoplePatience_s) {
      finish(own, EgressState::kFailed, "participant " + missing + " not found", 404);
    } else if (!missing.empty()) {
      timers_.after(kPoll_s, [this, id, asked_s] { dial_people(id, asked_s); });
    } else {
      size_t index = 0;
      const Room* room = scenario_room(request.room, &index);
      static const Room kNobody;
      const double end_s =
          settings_.ask_people || room == nullptr ? now_s() + kLongest_s : rooms_->closed_s(*room);
      dial_url(id, people_sound(room != nullptr ? *room : kNobody,
                                room != nullptr ? prepared_.of_room(index) : RoomPlacements(),
                                request.routes, end_s, prepared_.scenario.latency,
                                prepared_.scenario.seed));
    }
  };
  const auto missing = [request](const auto& is_present) {
    std::string last;
    for (const EgressRoute& route : request.routes)
      if (!is_present(route.identity)) last = route.identity;
    return last;
  };
  if (!settings_.ask_people) {
    decide(missing([&](const std::string& identity) {
      return rooms_->is_present(request.room, identity, now_s());
    }));
    return;
  }
  settings_.ask_people(request.room, [missing, decide](People people) {
    std::set<std::string> present;
    for (const livekit::Participant& one : people.value_or(std::vector<livekit::Participant>()))
      present.insert(one.identity);
    decide(missing([&](const std::string& identity) { return present.contains(identity); }));
  });
}

void EgressService::dial_url(const std::string& id, SessionSound sound) {
  Session& session = *sessions_.at(id);
  const EgressRequest& request = record(session).request;
  if (faults_.find(ControlFault::Kind::kNoDial, now_s(), session.identity, request.track)) return;
  if (faults_.find(ControlFault::Kind::kFail, now_s(), session.identity, request.track)) {
    finish(session, EgressState::kFailed, "internal error", 500);
    return;
  }
  Connection::Setup setup;
  setup.label = id + " (" + session.identity + ")";
  setup.content_type = "audio/x-raw";
  setup.connect_ns = static_cast<int64_t>(now_s() * 1e9);
  setup.seed = sessions_.size();
  std::string error;
  if (!parse_url(request.urls.front(), setup.url, error)) {
    finish(session, EgressState::kFailed, error, 400);
    return;
  }
  session.who = std::move(sound.who);
  sound.input.who = session.who.get();
  setup.playback = std::make_unique<TrackPlayback>(std::move(sound.input), nullptr);
  // It may end before dial() returns.
  const size_t index = simulator_.connections().size();
  session.connection = index;
  connections_[index] = id;
  simulator_.dial(std::move(setup));
}

void EgressService::publish(const std::string& id) {
  Session& session = *sessions_.at(id);
  const EgressRequest& request = record(session).request;
  size_t index = 0;
  const Room* room = scenario_room(request.room, &index);
  if (room == nullptr) {
    finish(session, EgressState::kFailed, "the scenario has no room " + request.room, 404);
    return;
  }
  CompositeInput input;
  input.room = room;
  input.placements = prepared_.of_room(index);
  input.seed = prepared_.scenario.seed;
  CompositePlan plan = plan_composite(input);
  plan.start_s = std::max(plan.start_s, now_s());
  CompositeTarget target;
  target.where = request.urls.front();
  activate(session);
  session.player = std::jthread([this, id, plan, target, &session] {
    const CompositeResult result = play_composite(plan, target, &session.stop);
    struct Told {
      EgressService* service;
      std::string id;
      std::string error;
    };
    // In the loop, or, if that has ended, never.
    g_idle_add_full(
        G_PRIORITY_DEFAULT,
        [](gpointer data) -> gboolean {
          const auto* told = static_cast<Told*>(data);
          Session& own = *told->service->sessions_.at(told->id);
          const bool failed = !told->error.empty();
          if (!told->service->record(own).over())
            told->service->finish(own, failed ? EgressState::kFailed : EgressState::kComplete,
                                  told->error, failed ? 400 : 0);
          return G_SOURCE_REMOVE;
        },
        new Told{this, id, result.error}, [](gpointer data) { delete static_cast<Told*>(data); });
  });
}

void EgressService::activate(Session& session) {
  EgressRecord& own = record(session);
  session.connected_s = now_s();
  own.state = EgressState::kActive;
  own.dialled_ns = own.updated_ns = unix_ns();
  tell(own, "egress_updated");
  const ControlFault* fault =
      faults_.find(ControlFault::Kind::kKillAfter, now_s(), session.identity, own.request.track);
  if (fault != nullptr)
    timers_.after(fault->length_s, [this, id = session.id] { kill(*sessions_.at(id)); });
}

void EgressService::on_change(size_t index) {
  const auto found = connections_.find(index);
  if (found == connections_.end()) return;
  Session& session = *sessions_.at(found->second);
  if (record(session).over()) return;
  const Connection& connection = *simulator_.connections()[index];
  if (connection.state() == Connection::State::kOpen) {
    activate(session);
    return;
  }
  if (session.lost) return;
  const std::string error = connection.error();
  if (session.killed) {
    finish(session, EgressState::kFailed, "signal: killed", 500);
  } else if (error.empty()) {
    if (record(session).state == EgressState::kActive) ending(session, "End reason: Source closed");
    finish(session, EgressState::kComplete, "", 0);
  } else if (session.connected_s < 0) {
    finish(session, EgressState::kFailed, error, 400);
  } else {
    const bool closed = error.find("closed the session") != error.npos;
    finish(session, EgressState::kFailed, closed ? "websocket: close sent" : "broken pipe", 503);
  }
}

void EgressService::ending(Session& session, const std::string& details) {
  EgressRecord& own = record(session);
  if (own.state != EgressState::kActive || session.lost) return;
  own.state = EgressState::kEnding;
  own.details = details;
  own.updated_ns = unix_ns();
  tell(own, "egress_updated");
}

void EgressService::finish(Session& session, EgressState state, const std::string& error,
                           int error_code) {
  EgressRecord& own = record(session);
  log(session, error.empty() ? state_name(state) : error);
  if (session.joined) {
    session.joined = false;
    send_webhook("participant_left",
                 rooms_->guest_body({own.request.room, own.id, session.joined_s}, true), own.id);
  }
  session.ended_s = now_s();
  own.state = state;
  own.error = error;
  own.error_code = error_code;
  own.ended_ns = own.updated_ns = unix_ns();
  tell(own, "egress_ended");
}

// Its source is over, or it is asked to stop: the rest of the audio is still played.
void EgressService::end_session(Session& session, const std::string& details) {
  ending(session, details);
  session.stop = 1;
  if (session.connection) simulator_.end_at(*session.connection, now_s());
}

void EgressService::stop(const std::string& id, const Answer& answer) {
  if (const auto refusal = records_.refuse_stop(id)) {
    answer(&*refusal, "");
    return;
  }
  Session& session = *sessions_.at(id);
  if (session.lost) {
    timers_.after(kStopPatience_s, [answer] {
      const TwirpError refusal{408, "deadline_exceeded", "twirp error unknown: request timed out"};
      answer(&refusal, "");
    });
    return;
  }
  if (record(session).state == EgressState::kStarting && !session.connection) {
    finish(session, EgressState::kAborted, "Stop called before pipeline could start", 412);
  } else {
    if (record(session).state == EgressState::kStarting)
      record(session).state = EgressState::kActive;
    end_session(session, "End reason: StopEgress API");
  }
  answer(nullptr, egress_json(record(session), ProtoStyle::kAnswer));
}

void EgressService::update_stream(std::string_view body, const Answer& answer) {
  EgressRecord* own = records_.find(requested_egress(body));
  if (own == nullptr) {
    const TwirpError refusal{404, "not_found", "egress does not exist"};
    answer(&refusal, "");
    return;
  }
  const livekit::JsonText json(body);
  std::vector<std::string>& urls = own->request.urls;
  for (const std::string& url : livekit::json_texts(json.object(), "removeOutputUrls"))
    std::erase(urls, url);
  for (const std::string& url : livekit::json_texts(json.object(), "addOutputUrls"))
    urls.push_back(url);
  own->updated_ns = unix_ns();
  if (urls.empty()) {
    end_session(*sessions_.at(own->id), "End reason: All streams removed");
  }
  answer(nullptr, egress_json(*own, ProtoStyle::kAnswer));
}

void EgressService::kill(const ControlFault& fault) {
  for (const auto& [id, session] : sessions_) {
    const bool asked = fault.who.empty() || fault.who == session->identity ||
                       fault.who == record(*session).request.track;
    if (!asked) continue;
    session->lost = session->lost || (fault.kind == ControlFault::Kind::kLose &&
                                      session->connection && !record(*session).over());
    kill(*session);
  }
}

void EgressService::kill(Session& session) {
  if (!session.connection || record(session).over() || session.killed) return;
  session.killed = true;
  simulator_.cut(*session.connection);
}

// Of a real room: whose track has gone?
void EgressService::poll_people() {
  std::set<std::string> rooms;
  for (const auto& [id, session] : sessions_) {
    const EgressRecord& own = record(*session);
    if (own.state == EgressState::kStarting || own.state == EgressState::kActive)
      rooms.insert(own.request.room);
  }
  polling_ = !rooms.empty();
  if (!polling_) return;
  for (const std::string& room : rooms)
    settings_.ask_people(room, [this, room](People people) {
      if (people) end_missing(room, *people);
    });
  timers_.after(kPoll_s, [this] { poll_people(); });
}

void EgressService::end_missing(const std::string& room,
                                const std::vector<livekit::Participant>& people) {
  std::set<std::string> tracks;
  bool somebody = false;
  for (const livekit::Participant& one : people) {
    somebody = somebody || !one.machine;
    for (const livekit::PublishedTrack& track : one.tracks) tracks.insert(track.sid);
  }
  for (const auto& [id, session] : sessions_) {
    const EgressRecord& own = record(*session);
    if (own.request.room != room || own.state != EgressState::kActive) continue;
    const bool there = own.request.kind == EgressRequest::Kind::kTrack
                           ? tracks.contains(own.request.track)
                           : somebody;
    if (!there) end_session(*session, "End reason: Source closed");
  }
}

bool EgressService::over() const {
  if (!begun()) return false;
  double last_s = 0;
  for (const Room& room : prepared_.scenario.rooms)
    last_s = std::max(last_s, rooms_->closed_s(room) - ControlRooms::kDeparture_s);
  const auto& all = records_.all();
  return now_s() > last_s && std::all_of(all.begin(), all.end(), [this](const EgressRecord& one) {
           return one.over() || sessions_.at(one.id)->lost;
         });
}

std::vector<std::string> EgressService::sessions_json() const {
  std::vector<std::string> all;
  for (const EgressRecord& own : records_.all()) {
    const Session& session = *sessions_.at(own.id);
    const uint64_t sent =
        session.connection ? simulator_.connections()[*session.connection]->stats().messages : 0;
    all.push_back("{\"egress_id\": " + livekit::json_quote(own.id) +
                  ", \"room\": " + livekit::json_quote(own.request.room) +
                  ", \"identity\": " + livekit::json_quote(session.identity) +
                  ", \"track\": " + livekit::json_quote(own.request.track) +
                  ", \"status\": " + livekit::json_quote(state_name(own.state)) +
                  ", \"requested_s\": " + json_seconds(session.requested_s) +
                  ", \"connected_s\": " + json_seconds(session.connected_s) + ", \"ended_s\": " +
                  json_seconds(session.ended_s) + ", \"messages\": " + std::to_string(sent) +
                  ", \"lost\": " + (session.lost ? "true" : "false") +
                  ", \"error\": " + json_string(livekit::without_secrets(own.error, "")) +
                  ", \"details\": " + livekit::json_quote(own.details) + "}");
  }
  return all;
}

}  // namespace egresssim
