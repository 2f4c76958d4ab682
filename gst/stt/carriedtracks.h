// SPDX-License-Identifier: LGPL-2.1-or-later
// The tracks that a mix carries along (egressmux), each transcribed apart: whoever talks while
// another does is understood too, and names are certain.
#pragma once

#include <gst/audio/audio.h>
#include <gst/gst.h>

#include <map>
#include <mutex>
#include <string>

#include "session.h"

namespace stt {

class CarriedTracks {
 public:
  // False when `mix` carries no tracks: then the mix itself is all there is. What lies between
  // `time_ns` and `end_ns` and is not carried was silent.
  bool take(Session& session, GstBuffer* mix, int64_t time_ns, int64_t end_ns, bool live);
  // Nothing more comes: what was said is finished in the background.
  void end(Session& session);
  // What was said and is not out yet is forgotten.
  void flush(Session& session);
  // The session is gone.
  void forget();

 private:
  struct Track {
    Session::Input input;
    GstCaps* caps = nullptr;  // to compare; those of a mix are the same objects all the time
    GstAudioInfo info = {};
    int64_t end_ns = 0;    // of what was pushed
    int64_t heard_ns = 0;  // when it was last carried
  };

  // lock_ is held.
  void push(Session& session, GstBuffer* audio, GstCaps* caps, int64_t now_ns, bool live);

  void remove_all(Session& session);

  // A pad may be unlinked while its thread still pushes.
  std::mutex lock_;
  std::map<std::string, Track> tracks_;  // lock_; by track id
};

}  // namespace stt
