// SPDX-License-Identifier: LGPL-2.1-or-later
// What the two files of the element share.
#pragma once

#include <gst/audio/audio.h>

#include <memory>
#include <mutex>
#include <stop_token>
#include <string>
#include <vector>

#include "dominantspeaker.h"
#include "gstspeakerdetect.h"
#include "mixinput.h"
#include "mixparts.h"
#include "roomaudio/roomaudio.h"
#include "tracklearner.h"

enum SpeakerDetectChannels {
  SPEAKER_DETECT_CHANNELS_MIX = 1,
  SPEAKER_DETECT_CHANNELS_SPEAKERS = 2
};

constexpr guint SPEAKER_DETECT_DEFAULT_SILENCE_TIMEOUT_MS = 1500;
constexpr guint SPEAKER_DETECT_DEFAULT_SPEAKERS_INTERVAL_MS = 0;
constexpr bool SPEAKER_DETECT_DEFAULT_FIND_VOICES = true;
constexpr guint SPEAKER_DETECT_DEFAULT_MAX_VOICES = 20;
constexpr SpeakerDetectChannels SPEAKER_DETECT_DEFAULT_CHANNELS = SPEAKER_DETECT_CHANNELS_MIX;

struct SpeakerDetectCapsUnref {
  void operator()(GstCaps* caps) const { gst_caps_unref(caps); }
};

struct SpeakerDetectPrivate {
  // Streaming thread only, or while there is none (start, stop).
  speakerdetect::DominantSpeaker detector;
  std::unique_ptr<speakerdetect::MixInput> mix;  // where nothing but the voices tells who speaks
  std::unique_ptr<speakerdetect::TrackLearner> learner;
  std::unique_ptr<GstCaps, SpeakerDetectCapsUnref> channel_caps;
  std::vector<std::string> names_of_channels;
  std::vector<speakerdetect::TrackLevel> levels;
  std::vector<RoomAudioTrack> speakers;
  GstAudioInfo audio_info;
  GstClockTime next_running_time = GST_CLOCK_TIME_NONE;
  GstClockTime last_message_time = GST_CLOCK_TIME_NONE;
  bool told_talking = false;  // the last message listed somebody
  bool seen_meta = false;

  // What properties show: guarded by `lock`, which is never held while calling out.
  std::mutex lock;
  std::stop_source loading;  // of one run; stopped when nobody waits for the voices any more
  guint silence_timeout_ms = SPEAKER_DETECT_DEFAULT_SILENCE_TIMEOUT_MS;
  guint speakers_interval_ms = SPEAKER_DETECT_DEFAULT_SPEAKERS_INTERVAL_MS;
  bool find_voices = SPEAKER_DETECT_DEFAULT_FIND_VOICES;
  speakerdetect::MixSettings mix_settings{.max_voices = SPEAKER_DETECT_DEFAULT_MAX_VOICES};
  std::string learn_voices;
  SpeakerDetectChannels channels = SPEAKER_DETECT_DEFAULT_CHANNELS;
  std::vector<std::string> channel_names;
  std::string active_identity;
  std::string active_name;
  std::vector<speakerdetect::Speaker> shown_speakers;
  speakerdetect::DominantSpeaker::Counters counters;
  guint64 buffers_without_meta = 0;
  guint64 known_participants = 0;
  speakerdetect::MixState mix_state;
  gint64 lost_ns = 0;
};

struct _GstSpeakerDetect {
  GstBaseTransform parent;
  SpeakerDetectPrivate* priv;
};

/** All but what every element has. */
void gst_speaker_detect_install_properties(GObjectClass* object_class);
