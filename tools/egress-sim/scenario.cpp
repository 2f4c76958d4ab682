// SPDX-License-Identifier: LGPL-2.1-or-later
#include "scenario.h"

#include <glib.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

namespace egresssim {

std::string make_track_id(const std::string& room, const std::string& identity, unsigned seed) {
  static const char kLetters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
  uint64_t hash = 0xcbf29ce484222325u ^ seed;
  for (char c : room + '\n' + identity) hash = (hash ^ uint8_t(c)) * 0x100000001b3u;
  std::string id = "TR_";
  for (int i = 0; i < 12; ++i) {
    hash ^= hash >> 29;
    hash *= 0xbf58476d1ce4e5b9u;
    id += kLetters[(hash >> 33) % (sizeof kLetters - 1)];
  }
  return id;
}

namespace {

std::string where(const std::string& origin, int line) {
  return line > 0 ? origin + ":" + std::to_string(line) + ": " : origin + ": ";
}

bool check_participant(const Participant& who, const std::string& at, std::string& error) {
  const auto fail = [&](const std::string& text) {
    error = at + text;
    return false;
  };
  if (who.identity.empty()) return fail("a participant needs a non-empty \"identity\"");
  if (who.join_s < 0) return fail("\"join_s\" of " + who.identity + " must not be negative");
  if (who.leave_s && *who.leave_s <= who.join_s)
    return fail("\"leave_s\" of " + who.identity + " must be after its \"join_s\"");
  if (who.pitch < 0.5 || who.pitch > 2.0)
    return fail("\"pitch\" of " + who.identity + " must be between 0.5 and 2");
  if (std::abs(who.clock_ppm) > 100000)
    return fail("\"clock_ppm\" of " + who.identity + " must be between -100000 and 100000");
  if (who.jitter_ms < 0) return fail("\"jitter_ms\" of " + who.identity + " must not be negative");
  double muted_until = -1;
  for (const Mute& mute : who.mutes) {
    if (mute.to_s <= mute.from_s)
      return fail("a mute of " + who.identity + " must end after it starts: [from, to]");
    if (mute.from_s < muted_until)
      return fail("the mutes of " + who.identity + " must be in order and not overlap");
    muted_until = mute.to_s;
  }
  double unpublished_until = -1;
  for (const Mute& pause : who.unpublished) {
    if (pause.to_s <= pause.from_s || pause.from_s < unpublished_until)
      return fail("\"unpublished\" of " + who.identity +
                  " must be in order, not overlap, and end after it starts: [from, to]");
    unpublished_until = pause.to_s;
  }
  if (!who.kind.empty() && who.kind != "agent")
    return fail("\"kind\" of " + who.identity + " is \"agent\", or not there");
  return true;
}

}  // namespace

bool check_scenario(const Scenario& scenario, const std::string& origin, std::string& error) {
  if (scenario.rooms.empty()) {
    error =
        where(origin, 0) + "no room; give \"rooms\": [{\"name\": ..., \"participants\": [...]}]";
    return false;
  }
  std::set<std::string> rooms;
  for (const Room& room : scenario.rooms) {
    if (!rooms.insert(room.name).second) {
      error = where(origin, 0) + "room \"" + room.name + "\" is there twice; give it another name";
      return false;
    }
    if (room.participants.empty()) {
      error = where(origin, 0) + "room \"" + room.name + "\" has nobody in it; add participants";
      return false;
    }
    for (const Participant& who : room.participants) {
      const std::string at = where(origin, who.line);
      if (!check_participant(who, at, error)) return false;
      for (const Clip& clip : who.clips) {
        const std::string clip_at = where(origin, clip.line);
        if (clip.at_s < 0 || clip.repeat_s < 0) {
          error = clip_at + "\"at_s\" and \"repeat_s\" must not be negative";
          return false;
        }
        if (clip.file.empty() && clip.text.empty()) {
          error = clip_at + "a clip needs a \"file\", or a \"text\" for the speech synthesiser";
          return false;
        }
        if (clip.file.empty() && clip.voice.empty()) {
          error = clip_at + "a text without \"file\" needs a \"voice\" (of the clip or of " +
                  who.identity + "); `flite -lv` lists them";
          return false;
        }
        if (clip.pitch < 0.5 || clip.pitch > 2.0) {
          error = clip_at + "\"pitch\" must be between 0.5 and 2";
          return false;
        }
        if (clip.repeat_s > 0 && !who.leave_s) {
          error = clip_at + "\"repeat_s\" needs a \"leave_s\" of " + who.identity +
                  ", else it would never end";
          return false;
        }
      }
      for (const Fault& fault : who.faults) {
        if (fault.at_s < who.join_s ||
            (fault.kind == Fault::Kind::kStall && fault.duration_s <= 0)) {
          error = at + "a fault of " + who.identity +
                  " must be after its \"join_s\"; a stall needs \"duration_s\" above 0";
          return false;
        }
      }
    }
  }
  return true;
}

Scenario clone_scenario(const Scenario& scenario, int rooms, int participants) {
  if (rooms <= 0 && participants <= 0) return scenario;
  Scenario result = scenario;
  result.rooms.clear();
  const int copies = std::max(rooms, 1);
  for (int copy = 1; copy <= copies; ++copy) {
    for (const Room& original : scenario.rooms) {
      Room room = original;
      // Track ids are unique on a LiveKit server, so a copy never keeps the original's.
      if (copies > 1) {
        room.name += "-" + std::to_string(copy);
        for (Participant& who : room.participants) who.track.clear();
      }
      if (participants > 0 && !original.participants.empty()) {
        room.participants.resize(
            std::min(room.participants.size(), static_cast<size_t>(participants)));
        for (int i = static_cast<int>(room.participants.size()); i < participants; ++i) {
          const int n = static_cast<int>(original.participants.size());
          Participant who = original.participants[i % n];
          who.identity += "-" + std::to_string(i / n + 1);
          if (!who.name.empty()) who.name += " " + std::to_string(i / n + 1);
          who.track.clear();
          room.participants.push_back(std::move(who));
        }
      }
      result.rooms.push_back(std::move(room));
    }
  }
  return result;
}

void split_publications(Room& room) {
  std::vector<Participant> publications;
  int stay = 0;
  for (const Participant& who : room.participants) {
    std::vector<Mute> published;
    double from_s = who.join_s;
    const double leave_s = who.leave_s.value_or(INFINITY);
    for (const Mute& pause : who.unpublished) {
      const double to_s = std::min(pause.from_s, leave_s);
      if (to_s > from_s) published.push_back({from_s, to_s});
      from_s = std::max(from_s, pause.to_s);
    }
    if (from_s < leave_s) published.push_back({from_s, leave_s});
    size_t number = 0;
    for (const Mute& time : published) {
      Participant& one = publications.emplace_back(who);
      one.unpublished.clear();
      one.stay = stay;
      one.present_from_s = who.join_s;
      one.present_to_s = who.leave_s;
      one.join_s = time.from_s;
      one.leave_s.reset();
      if (time.to_s < INFINITY) one.leave_s = time.to_s;
      if (!one.track.empty() && ++number > 1) one.track += std::to_string(number);
      std::erase_if(one.clips, [&](const Clip& clip) {
        return !who.unpublished.empty() && (clip.at_s < time.from_s || clip.at_s >= time.to_s);
      });
    }
    ++stay;
  }
  room.participants = std::move(publications);
}

const std::string& name_at(const Participant& who, double at_s) {
  const std::string* name = &who.name;
  for (const Rename& rename : who.renames)
    if (rename.at_s <= at_s) name = &rename.name;
  return *name;
}

}  // namespace egresssim
