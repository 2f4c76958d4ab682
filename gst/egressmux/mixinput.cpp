// SPDX-License-Identifier: LGPL-2.1-or-later
#include "mixinput.h"

namespace egressmux {

namespace {
const std::string& first_known(const std::string& a, const std::string& b, const std::string& c) {
  return !a.empty() ? a : !b.empty() ? b : c;
}
}  // namespace

const char* way_name(Way way) {
  switch (way) {
    case Way::kAligned:
      return "aligned";
    case Way::kMixer:
      return "mixer";
    case Way::kUndecided:
      break;
  }
  return "undecided";
}

TrackText TrackSources::resolve() const {
  TrackText text;
  text.track = first_known(meta_track, stream_id, pad_name);
  text.identity =
      first_known(set_identity, meta_identity, first_known(room_identity, title, pad_name));
  text.name = first_known(set_name, meta_name, first_known(title, text.identity, pad_name));
  return text;
}

MixInput::MixInput(const std::string& pad_name) {
  sources_.pad_name = pad_name;
  text_ = std::make_shared<TrackText>(sources_.resolve());
}

std::shared_ptr<const TrackText> MixInput::text() const {
  const std::lock_guard lock(text_mutex_);
  return text_;
}

bool MixInput::resolve_locked() {
  TrackText text = sources_.resolve();
  if (text.track == text_->track && text.identity == text_->identity && text.name == text_->name)
    return false;
  text_ = std::make_shared<TrackText>(std::move(text));
  return true;
}

bool MixInput::take_meta(const gchar* track, const gchar* identity, const gchar* name) {
  const std::lock_guard lock(text_mutex_);
  if (sources_.meta_track == track && sources_.meta_identity == identity &&
      sources_.meta_name == name)
    return false;
  sources_.meta_track = track;
  sources_.meta_identity = identity;
  sources_.meta_name = name;
  return resolve_locked();
}

}  // namespace egressmux
