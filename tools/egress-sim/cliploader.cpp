// SPDX-License-Identifier: LGPL-2.1-or-later
#include "cliploader.h"

#include <gio/gio.h>
#include <glib/gstdio.h>
#include <gst/app/gstappsink.h>
#include <gst/gst.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <random>

namespace egresssim {
namespace {

struct Unref {
  void operator()(gpointer object) const { gst_object_unref(object); }
};

// flite talks faster than people do; a little slower, speech engines hear it as well as a person.
constexpr double kPace = 1.1;

// Decodes anything GStreamer knows to 48 kHz S16, mono or stereo as it was.
bool decode(const std::string& path, Audio& audio, std::string& error) {
  if (!g_file_test(path.c_str(), G_FILE_TEST_IS_REGULAR)) {
    error = "there is no audio file " + path;
    return false;
  }
  g_autoptr(GError) failure = nullptr;
  std::unique_ptr<GstElement, Unref> pipeline(
      gst_parse_launch("filesrc name=file ! decodebin ! audioconvert ! audioresample ! "
                       "audio/x-raw,format=S16LE,rate=48000,channels=[1,2],layout=interleaved ! "
                       "appsink name=samples sync=false",
                       &failure));
  if (pipeline == nullptr || failure != nullptr) {
    error = std::string("cannot decode audio: ") + (failure ? failure->message : "no pipeline") +
            "; install gstreamer1.0-plugins-base and -good";
    return false;
  }
  std::unique_ptr<GstElement, Unref> file(gst_bin_get_by_name(GST_BIN(pipeline.get()), "file"));
  std::unique_ptr<GstElement, Unref> sink(gst_bin_get_by_name(GST_BIN(pipeline.get()), "samples"));
  g_object_set(file.get(), "location", path.c_str(), nullptr);
  gst_element_set_state(pipeline.get(), GST_STATE_PLAYING);
  while (GstSample* sample = gst_app_sink_pull_sample(GST_APP_SINK(sink.get()))) {
    gst_structure_get_int(gst_caps_get_structure(gst_sample_get_caps(sample), 0), "channels",
                          &audio.channels);
    GstMapInfo map;
    if (gst_buffer_map(gst_sample_get_buffer(sample), &map, GST_MAP_READ)) {
      const auto* from = reinterpret_cast<const int16_t*>(map.data);
      audio.samples.insert(audio.samples.end(), from, from + map.size / 2);
      gst_buffer_unmap(gst_sample_get_buffer(sample), &map);
    }
    gst_sample_unref(sample);
  }
  std::unique_ptr<GstBus, Unref> bus(gst_element_get_bus(pipeline.get()));
  GstMessage* message = gst_bus_pop_filtered(bus.get(), GST_MESSAGE_ERROR);
  gst_element_set_state(pipeline.get(), GST_STATE_NULL);
  if (message != nullptr) {
    g_autoptr(GError) reason = nullptr;
    gst_message_parse_error(message, &reason, nullptr);
    error = "cannot decode " + path + ": " + reason->message;
    gst_message_unref(message);
    return false;
  }
  if (audio.samples.empty()) {
    error = path + " holds no audio";
    return false;
  }
  return true;
}

// A voice is lifted or lowered by playing it faster or slower than it was made, and made slower or
// faster in return: formants move too, so it sounds like another person.
bool set_wave_rate(const std::string& path, double factor, std::string& error) {
  g_autofree gchar* data = nullptr;
  gsize length = 0;
  g_autoptr(GError) failure = nullptr;
  if (!g_file_get_contents(path.c_str(), &data, &length, &failure) || length < 44 ||
      std::memcmp(data, "RIFF", 4) != 0 || std::memcmp(data + 12, "fmt ", 4) != 0) {
    error = "flite did not write a wave file to " + path;
    return false;
  }
  const auto scale = [&](size_t at) {
    guint32 value;
    std::memcpy(&value, data + at, 4);
    value = GUINT32_TO_LE(static_cast<guint32>(GUINT32_FROM_LE(value) * factor) & ~1u);
    std::memcpy(data + at, &value, 4);
  };
  scale(24);  // samples a second
  scale(28);  // bytes a second
  if (!g_file_set_contents(path.c_str(), data, gssize(length), &failure)) {
    error = failure->message;
    return false;
  }
  return true;
}

// flite takes its default voice, without a word, for one that it does not know.
bool check_voice(const std::string& voice, std::string& error) {
  if (voice.find('/') != std::string::npos) return true;  // a voice file
  g_autoptr(GError) failure = nullptr;
  g_autofree gchar* output = nullptr;
  g_autoptr(GSubprocess) flite =
      g_subprocess_new(G_SUBPROCESS_FLAGS_STDOUT_PIPE, &failure, "flite", "-lv", nullptr);
  if (flite == nullptr ||
      !g_subprocess_communicate_utf8(flite, nullptr, nullptr, &output, nullptr, &failure)) {
    error = std::string("cannot start the speech synthesiser: ") + failure->message +
            "; install the package flite";
    return false;
  }
  const std::string list = output != nullptr ? output : "";
  const size_t colon = list.find(':');
  const std::string names = " " + list.substr(colon == std::string::npos ? 0 : colon + 1);
  for (size_t at = names.find(voice); at != std::string::npos; at = names.find(voice, at + 1)) {
    const char after = at + voice.size() < names.size() ? names[at + voice.size()] : ' ';
    if (names[at - 1] == ' ' && g_ascii_isspace(after)) return true;
  }
  error = "flite has no voice \"" + voice + "\"; it has:" + names;
  while (g_ascii_isspace(error.back())) error.pop_back();
  return false;
}

}  // namespace

void find_speech(Audio& audio) {
  const int64_t window = kRateHz / 100;
  const int64_t windows = (audio.frames() + window - 1) / window;
  std::vector<double> power(static_cast<size_t>(windows), 0.0);
  for (int64_t w = 0; w < windows; ++w) {
    const int64_t end = std::min((w + 1) * window, audio.frames());
    for (int64_t i = w * window * audio.channels; i < end * audio.channels; ++i)
      power[w] += double{1} * audio.samples[i] * audio.samples[i];
  }
  const double loudest = windows > 0 ? *std::max_element(power.begin(), power.end()) : 0;
  const auto loud = [&](double p) { return p > loudest * 1e-4; };
  const auto first = std::find_if(power.begin(), power.end(), loud);
  const auto last = std::find_if(power.rbegin(), power.rend(), loud);
  audio.speech_from_s =
      first == power.end() ? 0 : 0.01 * static_cast<double>(first - power.begin());
  audio.speech_to_s =
      last == power.rend()
          ? audio.duration_s()
          : std::min(0.01 * static_cast<double>(power.rend() - last), audio.duration_s());
}

std::string ClipLoader::synthesise(const Clip& clip, std::string& error) {
  char numbers[64];
  g_snprintf(numbers, sizeof numbers, "%d", static_cast<int>(std::lround(clip.pitch * 1000)));
  const std::string key = "2\n" + clip.voice + "\n" + numbers + "\n" + clip.text;
  g_autofree gchar* sum = g_compute_checksum_for_string(G_CHECKSUM_SHA256, key.c_str(), -1);
  const std::string path = cache_folder_ + "/" + std::string(sum, 32) + ".wav";
  if (g_file_test(path.c_str(), G_FILE_TEST_IS_REGULAR)) return path;
  if (!check_voice(clip.voice, error)) return {};
  if (g_mkdir_with_parents(cache_folder_.c_str(), 0755) != 0) {
    error = "cannot make the folder " + cache_folder_ + " for synthesised speech; use --cache";
    return {};
  }
  // Several simulators may fill the same cache: write aside, then rename.
  const std::string aside = path + "." + std::to_string(g_random_int()) + ".tmp";
  char pace[G_ASCII_DTOSTR_BUF_SIZE];
  g_ascii_formatd(pace, sizeof pace, "%.3f", clip.pitch * kPace);
  const std::string stretch = std::string("duration_stretch=") + pace;
  g_autoptr(GError) failure = nullptr;
  g_autofree gchar* output = nullptr;
  g_autoptr(GSubprocess) flite =
      g_subprocess_new(static_cast<GSubprocessFlags>(G_SUBPROCESS_FLAGS_STDERR_MERGE |
                                                     G_SUBPROCESS_FLAGS_STDOUT_PIPE),
                       &failure, "flite", "-voice", clip.voice.c_str(), "--setf", stretch.c_str(),
                       "-t", clip.text.c_str(), "-o", aside.c_str(), nullptr);
  if (flite == nullptr) {
    error = std::string("cannot start the speech synthesiser: ") + failure->message +
            "; install the package flite";
    return {};
  }
  if (!g_subprocess_communicate_utf8(flite, nullptr, nullptr, &output, nullptr, &failure) ||
      !g_subprocess_get_successful(flite) || !set_wave_rate(aside, clip.pitch, error)) {
    error = "flite could not say \"" + clip.text + "\" with voice \"" + clip.voice +
            "\" (`flite -lv` lists the voices)" + (output && *output ? ": " : "") +
            (output ? output : "");
    g_unlink(aside.c_str());
    return {};
  }
  if (g_rename(aside.c_str(), path.c_str()) != 0) {
    error = "cannot write " + path;
    return {};
  }
  return path;
}

std::shared_ptr<const Audio> ClipLoader::load(const Clip& clip, std::string& error) {
  const std::string key = clip.file.empty()
                              ? clip.voice + "\n" + std::to_string(clip.pitch) + "\n" + clip.text +
                                    "\n" + std::to_string(clip.gain)
                              : clip.file + "\n" + std::to_string(clip.gain);
  if (const auto found = loaded_.find(key); found != loaded_.end()) return found->second;
  const std::string path = clip.file.empty() ? synthesise(clip, error) : clip.file;
  if (path.empty()) return nullptr;
  auto audio = std::make_shared<Audio>();
  if (!decode(path, *audio, error)) return nullptr;
  if (clip.gain != 1) {
    for (int16_t& sample : audio->samples)
      sample = static_cast<int16_t>(std::clamp(std::lround(sample * clip.gain), -32768L, 32767L));
  }
  find_speech(*audio);
  loaded_[key] = audio;
  return audio;
}

std::shared_ptr<const Audio> make_load_signal(unsigned seed) {
  auto audio = std::make_shared<Audio>();
  audio->samples.resize(10 * kRateHz);
  std::mt19937 random(seed);
  std::uniform_int_distribution<int> noise(-6000, 6000);
  double low = 0;
  for (size_t i = 0; i < audio->samples.size(); ++i) {
    low += 0.2 * (noise(random) - low);
    // Syllables of a quarter second, and 3 s of pause in 10 s.
    const double t = static_cast<double>(i) / kRateHz;
    const double syllable = 0.5 - 0.5 * std::cos(2 * M_PI * 4 * t);
    audio->samples[i] = t < 7 ? static_cast<int16_t>(low * syllable) : int16_t{0};
  }
  find_speech(*audio);
  return audio;
}

}  // namespace egresssim
