// SPDX-License-Identifier: LGPL-2.1-or-later
#include "egresscontroller.h"

#include <algorithm>
#include <chrono>
#include <random>
#include <utility>

#include "apiaccess.h"
#include "listeningaddress.h"

namespace livekit {

namespace {

// The server answers 503 after 23.5 s when no egress service is there.
constexpr uint32_t kStartTimeoutMs = 40000;
constexpr uint32_t kCallTimeoutMs = 10000;
constexpr uint32_t kFirstCallTimeoutMs = 3000;
constexpr int64_t kKnownSilentMs = 100;
constexpr uint32_t kShutdownMs = 2000;
constexpr guint kDrainMs = 5000;
// From asking for an egress to its dialling in.
constexpr int64_t kTokenMs = 90000;

bool is_this_machine(const std::string& base_url) {
  const std::unique_ptr<GUri, decltype(&g_uri_unref)> uri(
      g_uri_parse(base_url.c_str(), G_URI_FLAGS_NONE, nullptr), g_uri_unref);
  const std::string host = uri && g_uri_get_host(uri.get()) ? g_uri_get_host(uri.get()) : "";
  return host == "localhost" || host == "::1" || host.starts_with("127.");
}

std::optional<std::string> checked_public_url(std::string url, std::string& error) {
  const std::unique_ptr<GUri, decltype(&g_uri_unref)> uri(
      g_uri_parse(url.c_str(), G_URI_FLAGS_NON_DNS, nullptr), g_uri_unref);
  const std::string scheme = uri ? g_uri_get_scheme(uri.get()) : "";
  const char* host = uri ? g_uri_get_host(uri.get()) : nullptr;
  if ((scheme != "ws" && scheme != "wss") || !host || !*host || g_uri_get_userinfo(uri.get()) ||
      g_uri_get_query(uri.get()) || g_uri_get_fragment(uri.get()) ||
      url.find_first_of(" \t\r\n") != url.npos) {
    error =
        "public-url is how LiveKit's egress service reaches this element: give it as "
        "wss://HOST:PORT or ws://HOST:PORT, without user and query.";
    return std::nullopt;
  }
  while (url.ends_with('/')) url.pop_back();
  return url;
}

std::string path_of(const std::string& path) {
  // What the user has escaped already stays so.
  const std::unique_ptr<char, decltype(&g_free)> text(
      g_uri_escape_string(path.c_str(), "/%", FALSE), g_free);
  std::string escaped = text.get();
  while (escaped.ends_with('/')) escaped.pop_back();
  return escaped.empty() || escaped.starts_with('/') ? escaped : "/" + escaped;
}

}  // namespace

std::set<std::string> parse_identities(const std::string& list) {
  std::set<std::string> identities;
  std::string current;
  size_t kept = 0;  // letters that are no spaces at the end
  const auto finish = [&] {
    current.resize(kept);
    if (!current.empty()) identities.insert(current);
    current.clear();
    kept = 0;
  };
  for (size_t i = 0; i < list.size(); ++i) {
    if (list[i] == ',') {
      finish();
    } else if (list[i] == '\\' && i + 1 < list.size()) {
      current += list[++i];
      kept = current.size();
    } else if (list[i] != ' ' || !current.empty()) {
      current += list[i];
      if (list[i] != ' ') kept = current.size();
    }
  }
  finish();
  return identities;
}

std::string doubtful_exclude(const EgressFilter& filter, const std::string& identity,
                             const std::string& name) {
  if (filter.exclude.contains(identity)) return "";
  const auto folded = [](const std::string& text) {
    const std::unique_ptr<gchar, decltype(&g_free)> result(
        g_utf8_casefold(text.data(), static_cast<gssize>(text.size())), g_free);
    return std::string(result.get());
  };
  for (const std::string& entry : filter.exclude) {
    const std::string wanted = folded(entry);
    if (wanted == folded(identity) || wanted == folded(name)) return entry;
  }
  return "";
}

std::string wrong_combination(const EgressSettings& settings) {
  if (settings.pair && !(settings.enabled && settings.mode == EgressMode::kPerson)) {
    return "pair puts two people into one egress: it needs egress=person.";
  }
  if (!settings.enabled || settings.mode == EgressMode::kTrack) return "";
  if ((settings.sources & kAllSources) != kAllSources) {
    return "sources needs egress=track: the egress of a person or of a room has all their tracks.";
  }
  if (settings.mode == EgressMode::kRoom &&
      !(settings.include.empty() && settings.exclude.empty())) {
    return "A mix of all has everybody in it: include and exclude need egress=track or "
           "egress=person.";
  }
  return "";
}

std::optional<ControllerConfig> make_controller_config(const EgressSettings& settings,
                                                       const std::string& room,
                                                       const std::string& path,
                                                       const ListenerConfig& listener,
                                                       uint16_t port, std::string& error) {
  ControllerConfig config;
  config.room = room;
  const ApiAccess access = with_environment({settings.livekit_url, settings.credentials});
  config.credentials = access.credentials;
  const std::string missing = missing_settings(access, room);
  if (!missing.empty()) {
    error = "To start egresses, set: " + missing + ".";
    return std::nullopt;
  }
  const auto base_url = api_base_url(access.url, error);
  if (!base_url) return std::nullopt;
  config.api_base_url = *base_url;
  std::string public_url = settings.public_url;
  if (public_url.empty() && is_this_machine(config.api_base_url)) {
    const std::unique_ptr<char, decltype(&g_free)> joined(
        g_uri_join(G_URI_FLAGS_NONE, listener.tls_certificate.empty() ? "ws" : "wss", nullptr,
                   loopback_host(listener.address).c_str(), port, "", nullptr, nullptr),
        g_free);
    public_url = joined.get();
  }
  if (public_url.empty()) {
    error =
        "To start egresses, set public-url: how LiveKit's egress service reaches this element, "
        "as in wss://transcribe.example.org:9000.";
    return std::nullopt;
  }
  const auto checked = checked_public_url(public_url, error);
  if (!checked) return std::nullopt;
  config.dial_base = *checked + path_of(path);
  config.filter.include = parse_identities(settings.include);
  config.filter.exclude = parse_identities(settings.exclude);
  config.filter.sources = settings.sources;
  config.mode = settings.mode;
  config.pair = settings.pair;
  config.away_timeout_ms = settings.away_timeout_ms;
  config.poll_interval_ms = settings.poll_interval_ms;
  return config;
}

EgressController::EgressController(ControllerConfig config, EgressObserver* observer)
    : config_(std::move(config)),
      thread_(ControlThread::acquire()),
      dial_ins_(std::make_shared<DialIns>(config_.room)),
      observer_(observer),
      filter_(config_.filter) {}

EgressController::~EgressController() {
  thread_->run([this] { close(); });
}

void EgressController::close() {
  observer_ = nullptr;
  drained_ = nullptr;
  wake_.reset();
  drain_timeout_.reset();
  client_.reset();
  plan_.reset();
}

bool EgressController::open(std::string& error) {
  thread_->post([this] {
    client_ = std::make_unique<TwirpClient>(thread_, config_.api_base_url, config_.credentials);
    PlanConfig plan;
    plan.dial_base = config_.dial_base;
    plan.filter = filter_;
    plan.mode = config_.mode;
    plan.pair = config_.pair;
    plan.away_ms = config_.away_timeout_ms;
    plan.poll_ms = config_.poll_interval_ms;
    plan.seed = std::random_device()();
    plan_ = std::make_unique<EgressPlan>(std::move(plan));
    tell_plan([this](EgressPlan& target) { target.begin(now_ms()); });
  });
  std::unique_lock lock(mutex_);
  wait_for_server(lock, kFirstCallTimeoutMs + 1000, [this] {
    const bool answered = egress_probe_ != Probe::kWaiting && room_probe_ != Probe::kWaiting;
    return answered || egress_probe_ == Probe::kHopeless || room_probe_ == Probe::kHopeless;
  });
  error = probe_error_;
  return error.empty();
}

void EgressController::wait_for_server(std::unique_lock<std::mutex>& lock, int64_t ms,
                                       const std::function<bool()>& holds) {
  heard_ = false;
  const bool silent = thread_->was_silent(config_.api_base_url);
  const std::chrono::milliseconds patience(silent ? kKnownSilentMs : ms);
  changed_.wait_for(lock, patience, holds);
  if (!heard_) thread_->note_silent(config_.api_base_url);
}

void EgressController::note_probe(Probe& probe, const TwirpAnswer& answer) {
  const std::lock_guard lock(mutex_);
  if (probe != Probe::kWaiting) return;
  probe = answer.hopeless ? Probe::kHopeless : Probe::kGood;
  if (answer.hopeless && probe_error_.empty()) probe_error_ = answer.failure.text;
  changed_.notify_all();
}

void EgressController::set_filter(EgressFilter filter) {
  thread_->post([this, filter = std::move(filter)] {
    filter_ = filter;
    tell_plan([&](EgressPlan& plan) { plan.set_filter(filter, now_ms()); });
  });
}

void EgressController::on_webhook(const WebhookEvent& event) {
  thread_->post(
      [this, event] { tell_plan([&](EgressPlan& plan) { plan.on_webhook(event, now_ms()); }); });
}

void EgressController::introduce(TrackRequest& request) const {
  dial_ins_->introduce(request);
}

void EgressController::on_session(uint64_t session, bool connected) {
  if (session == 0) return;
  if (!connected) dial_ins_->release(session);
  thread_->post([this, session, connected] {
    tell_plan([&](EgressPlan& plan) {
      if (connected) {
        plan.on_dialled(session, now_ms());
      } else {
        plan.on_connection_ended(session, now_ms());
      }
    });
  });
}

void EgressController::tell_plan(const std::function<void(EgressPlan&)>& event) {
  if (!plan_) return;
  event(*plan_);
  act();
}

void EgressController::act() {
  for (std::vector<PlanAction> actions = plan_->take_actions(); !actions.empty();
       actions = plan_->take_actions()) {
    for (const PlanAction& action : actions) act_on(action);
  }
  wake_.reset();
  const int64_t wake_ms = plan_->next_wake_ms();
  if (wake_ms != INT64_MAX) {
    const int64_t wait_ms = std::clamp<int64_t>(wake_ms - now_ms(), 0, 3600'000);
    wake_.reset(g_timeout_source_new(static_cast<guint>(wait_ms)));
    g_source_set_callback(wake_.get(), on_wake, this, nullptr);
    g_source_attach(wake_.get(), thread_->context());
  }
  check_ends();
}

gboolean EgressController::on_wake(gpointer data) {
  auto* const self = static_cast<EgressController*>(data);
  // Its successor takes its place, and this one must live until it returns.
  const GSourcePtr current = std::move(self->wake_);
  self->tell_plan([self](EgressPlan& plan) { plan.on_time(self->now_ms()); });
  return G_SOURCE_REMOVE;
}

void EgressController::act_on(const PlanAction& action) {
  switch (action.kind) {
    case PlanAction::Kind::kListParticipants:
      list_participants();
      break;
    case PlanAction::Kind::kListEgress:
      list_egress();
      break;
    case PlanAction::Kind::kCheckEgress:
      check_egress(action.egress);
      break;
    case PlanAction::Kind::kStart:
      start(action);
      break;
    case PlanAction::Kind::kStop:
      stop(action.egress);
      break;
    case PlanAction::Kind::kRevoke:
      dial_ins_->revoke(action.session);
      break;
    case PlanAction::Kind::kHangUp:
      if (observer_) observer_->on_hang_up(action.session);
      break;
    case PlanAction::Kind::kRename:
      dial_ins_->describe(action.identity, action.name, action.metadata, action.attributes);
      if (observer_) {
        const std::string identity = printable_name(action.identity);
        const std::string name = printable_name(action.name);
        observer_->on_participant(
            identity, {name.empty() ? identity : name, action.metadata, action.attributes});
        const std::string doubtful = doubtful_exclude(filter_, action.identity, action.name);
        if (!doubtful.empty()) observer_->on_doubtful_exclude(doubtful, identity);
      }
      break;
    case PlanAction::Kind::kTell:
      if (observer_) {
        PlanAction step = action;
        step.reason = without_secrets(std::move(step.reason), config_.credentials.secret);
        observer_->on_egress_step(step);
      }
      break;
  }
}

void EgressController::call(const std::string& method, const std::string& body,
                            const VideoGrants& grants, uint32_t timeout_ms,
                            std::function<void(const TwirpAnswer&)> answer) {
  client_->call(method, body, grants, timeout_ms,
                [this, answer = std::move(answer)](const TwirpAnswer& got) {
                  if (got.ok || got.failure.kind != CallFailure::Kind::kUnreachable) {
                    thread_->note_answer(config_.api_base_url);
                    const std::lock_guard lock(mutex_);
                    heard_ = true;
                  }
                  answer(got);
                  act();
                });
}

namespace {

// An answer that is JSON, but not what it should be, is as good as none.
CallFailure not_understood() {
  return {CallFailure::Kind::kUnreachable, "the server's answer is not understood"};
}

VideoGrants egress_grant() {
  VideoGrants grants;
  grants.room_record = true;
  return grants;
}

}  // namespace

void EgressController::list_participants() {
  VideoGrants grants;
  grants.room_admin = true;
  grants.room = config_.room;
  const bool first = room_probe_ == Probe::kWaiting;
  call("livekit.RoomService/ListParticipants", list_participants_body(config_.room), grants,
       first ? kFirstCallTimeoutMs : kCallTimeoutMs, [this](const TwirpAnswer& answer) {
         note_probe(room_probe_, answer);
         const auto list = answer.ok ? parse_participants(answer.body) : std::nullopt;
         if (list) {
           plan_->on_participants(*list, now_ms());
         } else {
           plan_->on_participants_failed(answer.ok ? not_understood() : answer.failure, now_ms());
         }
       });
}

void EgressController::list_egress() {
  const bool first = egress_probe_ == Probe::kWaiting;
  call("livekit.Egress/ListEgress", list_room_egress_body(config_.room), egress_grant(),
       first ? kFirstCallTimeoutMs : kCallTimeoutMs, [this](const TwirpAnswer& answer) {
         note_probe(egress_probe_, answer);
         const auto list = answer.ok ? parse_egress_list(answer.body) : std::nullopt;
         if (list) {
           plan_->on_egress_list(*list, now_ms());
         } else {
           plan_->on_egress_list_failed(answer.ok ? not_understood() : answer.failure, now_ms());
         }
       });
}

void EgressController::check_egress(const std::string& id) {
  call("livekit.Egress/ListEgress", list_one_egress_body(id), egress_grant(), kCallTimeoutMs,
       [this, id](const TwirpAnswer& answer) {
         const auto list = answer.ok ? parse_egress_list(answer.body) : std::nullopt;
         const bool found = list && !list->empty();
         plan_->on_egress_checked(id, found ? &list->front() : nullptr, now_ms());
       });
}

void EgressController::start(const PlanAction& action) {
  DialIns::Target target;
  target.key = action.key.substr(action.key.find('/') + 1);  // all of it, where there is none
  std::vector<std::string> identities;
  for (const PlanAction::Who& who : action.people) {
    target.people.push_back({who.identity, who.name});
    identities.push_back(who.identity);
  }
  if (action.track.empty()) {
    target.scope = identities.empty() ? TrackRequest::Scope::kRoom : TrackRequest::Scope::kPerson;
  }
  const std::string token = dial_ins_->issue(action.session, target, now_ms() + kTokenMs);
  const std::string url = config_.dial_base + "/" + action.key + "?token=" + token;
  const bool track = !action.track.empty();
  call(track ? "livekit.Egress/StartTrackEgress" : "livekit.Egress/StartEgress",
       track ? start_track_egress_body(config_.room, action.track, url)
             : start_people_egress_body(config_.room, identities, url),
       egress_grant(), kStartTimeoutMs,
       [this, session = action.session](const TwirpAnswer& answer) {
         const auto egress = answer.ok ? parse_egress(answer.body) : std::nullopt;
         if (egress) {
           plan_->on_start_answer(session, *egress, now_ms());
         } else {
           plan_->on_start_failed(session, answer.ok ? not_understood() : answer.failure, now_ms());
         }
       });
}

void EgressController::stop(const std::string& id) {
  call("livekit.Egress/StopEgress", stop_egress_body(id), egress_grant(), kCallTimeoutMs,
       [this, id](const TwirpAnswer& answer) {
         if (answer.ok) {
           plan_->on_stop_answer(id, now_ms());
         } else {
           plan_->on_stop_failed(id, answer.failure, now_ms());
         }
       });
}

void EgressController::check_ends() {
  if (!drained_ && !shutting_down_) return;
  if (plan_->finished() && plan_->quiet()) end_drain();
  if (!shutting_down_ || !plan_->finished()) return;
  const std::lock_guard lock(mutex_);
  stopped_ = true;
  changed_.notify_all();
}

gboolean EgressController::on_drain_over(gpointer data) {
  auto* const self = static_cast<EgressController*>(data);
  const GSourcePtr current = std::move(self->drain_timeout_);
  self->end_drain();
  return G_SOURCE_REMOVE;
}

void EgressController::end_drain() {
  if (!drained_) return;
  drain_timeout_.reset();
  tell_unfinished(plan_->unfinished());
  std::exchange(drained_, nullptr)();
}

void EgressController::tell_unfinished(std::vector<std::string> egresses) {
  if (egresses.empty() || egresses == unfinished_) return;
  unfinished_ = std::move(egresses);
  observer_->on_unfinished(unfinished_);
}

void EgressController::drain(std::function<void()> done) {
  thread_->post([this, done = std::move(done)] {
    if (!plan_) {
      done();
      return;
    }
    drained_ = done;
    drain_timeout_.reset(g_timeout_source_new(kDrainMs));
    g_source_set_callback(drain_timeout_.get(), on_drain_over, this, nullptr);
    g_source_attach(drain_timeout_.get(), thread_->context());
    tell_plan([this](EgressPlan& plan) { plan.shut_down(now_ms()); });
    // At once: when the stream has ended, nobody may read messages any more.
    tell_unfinished(plan_->lost());
  });
}

void EgressController::shut_down() {
  thread_->post([this] {
    shutting_down_ = true;
    tell_plan([this](EgressPlan& plan) { plan.shut_down(now_ms()); });
  });
  {
    std::unique_lock lock(mutex_);
    wait_for_server(lock, kShutdownMs, [this] { return stopped_; });
  }
  thread_->run([this] {
    if (plan_) tell_unfinished(plan_->unfinished());
    close();
  });
}

}  // namespace livekit
