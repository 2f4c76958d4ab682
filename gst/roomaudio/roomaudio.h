/* gst-plugins-egress: real-time audio out of LiveKit rooms
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The vocabulary that the elements share with each other and with applications: the meta that
 * says whose audio a buffer holds, the bus messages, and the mark of a room's clock.
 * This is the one header an application includes; it is plain C.
 */
#pragma once

#include <gst/gst.h>

G_BEGIN_DECLS

/** Level of digital silence, in dBov (0 dBov = a full-scale square wave). */
#define ROOM_AUDIO_SILENCE_DBOV (-127.0)

/** One participant's track, as a RoomAudioMeta or a message describes it.
 * Strings that are not known are "" in results and may be NULL in arguments. */
typedef struct {
  const gchar* track;    /* track id, e.g. LiveKit's TR_xxx */
  const gchar* identity; /* participant identity, unique in the room */
  const gchar* name;     /* display name; falls back to the identity */
  gdouble level_dbov;    /* RMS over the buffer, ROOM_AUDIO_SILENCE_DBOV .. 0 */
  gboolean muted;        /* what the sender last said; the samples decide, not this */
} RoomAudioTrack;

/** What LiveKit's API says of a participant. "" in results, NULL or "" in arguments where it says
 * nothing. */
typedef struct {
  const gchar* metadata;   /* whatever the application has put there */
  const gchar* attributes; /* a JSON object of strings */
} RoomAudioParticipant;

/* ---- RoomAudioMeta ------------------------------------------------------------------------
 * A GstCustomMeta named "RoomAudioMeta" with the tag "audio", so that it survives audioconvert,
 * audioresample, queue, volume and the like. Fields of its structure:
 *   on a track's buffer: track, identity, name (string), level (double, dBov), muted (boolean)
 *              and, where LiveKit's API says them: metadata, attributes (string)
 *   on a mix:  tracks (array of structures with the first five of these, one a track in the mix)
 *   added by speakerdetect: active-identity, active-name, active-track (string; all "" when
 *              nobody speaks), active-level (double, dBov), active-since (guint64, ns of
 *              running time)
 */
#define ROOM_AUDIO_META_NAME "RoomAudioMeta"

/** Registers the meta; safe to call often and from any thread. */
const GstMetaInfo* room_audio_meta_register(void);

/** Marks @buffer (writable) as audio of one track, replacing an earlier RoomAudioMeta. */
void room_audio_buffer_set_track(GstBuffer* buffer, const RoomAudioTrack* track);

/** The same, with what is known of the participant. */
void room_audio_buffer_set_track_of(GstBuffer* buffer, const RoomAudioTrack* track,
                                    const RoomAudioParticipant* participant);

/** What is known of the participant of a track's buffer; FALSE when nothing is. */
gboolean room_audio_buffer_get_participant(GstBuffer* buffer, RoomAudioParticipant* participant);

/** Marks @buffer (writable) as a mix of @n_tracks tracks, replacing an earlier RoomAudioMeta. */
void room_audio_buffer_set_mix(GstBuffer* buffer, const RoomAudioTrack* tracks, guint n_tracks);

/** Number of tracks described: 0 with an empty mix, -1 without a RoomAudioMeta. */
gint room_audio_buffer_get_n_tracks(GstBuffer* buffer);

/** Reads entry @index (a track's buffer has one, index 0). Strings live as long as the meta. */
gboolean room_audio_buffer_get_track(GstBuffer* buffer, guint index, RoomAudioTrack* track);

/** Adds who speaks to the RoomAudioMeta of @buffer (writable); makes an empty mix if there is
 * none. @active NULL = nobody. */
void room_audio_buffer_set_active(GstBuffer* buffer, const RoomAudioTrack* active);

/** TRUE when a detector has judged @buffer. @active->identity is "" when nobody speaks. */
gboolean room_audio_buffer_get_active(GstBuffer* buffer, RoomAudioTrack* active);

/** Adds since when this has been so to a buffer (writable) with an active speaker or nobody: the
 * running time at which the speech began, or at which the last one ended. Set it after
 * room_audio_buffer_set_active(), which takes an earlier one away. */
void room_audio_buffer_set_active_since(GstBuffer* buffer, GstClockTime running_time);

/** GST_CLOCK_TIME_NONE when that is not known. It is earlier than the buffer: a speaker is known
 * some 100 ms after beginning to talk. */
GstClockTime room_audio_buffer_get_active_since(GstBuffer* buffer);

/** A pool of writable buffers of @size bytes (callers may shrink them) whose RoomAudioMeta stays
 * with them while they are away: naming the same tracks again allocates nothing. It is active; stop
 * it with gst_buffer_pool_set_active() before the last gst_object_unref(). The memory of a buffer
 * is what its last user left in it. */
GstBufferPool* room_audio_buffer_pool_new(guint size);

/* ---- Tracks carried along -------------------------------------------------------------------
 * A mix may carry the audio it was made of: references, not copies. So a recogniser behind the
 * mixer still hears each participant apart, when two talk at once too. Lost wherever a new buffer
 * is made from the samples (audioconvert, audioresample …): who needs it must work without it.
 */

/** Makes @mix (writable) carry @audio, the part of one track in it. @audio has a RoomAudioMeta
 * that says whose it is, and its timestamp is running time; @caps is its audio/x-raw format. */
void room_audio_buffer_carry_track(GstBuffer* mix, GstBuffer* audio, GstCaps* caps);

/** Marks @mix (writable) as one that carries all tracks which are not silent, be it none. */
void room_audio_buffer_set_carries_tracks(GstBuffer* mix);

/** FALSE: the mix is all there is. */
gboolean room_audio_buffer_carries_tracks(GstBuffer* mix);

/** Calls @func for each track carried. */
typedef void (*RoomAudioTrackFunc)(GstBuffer* audio, GstCaps* caps, gpointer user_data);
void room_audio_buffer_foreach_track(GstBuffer* mix, RoomAudioTrackFunc func, gpointer user_data);

/* ---- The room's clock ---------------------------------------------------------------------
 * Pads of one room are fed by one thread with equal slices: same timestamp, same duration, in
 * the same tick. Their stream-start event names that clock, so that a mixer linked to them
 * directly can sum them in the pushing thread without waiting for anybody.
 */

/** Writes the clock's name and slice length into @stream_start (writable). */
void room_audio_event_set_room_clock(GstEvent* stream_start, const gchar* clock_id,
                                     GstClockTime slice_duration);

/** FALSE when @stream_start names no room clock. @clock_id is owned by the event. */
gboolean room_audio_event_get_room_clock(GstEvent* stream_start, const gchar** clock_id,
                                         GstClockTime* slice_duration);

/** Declares @src_pad as fed by a room's clock thread; call once when making the pad. */
void room_audio_pad_set_room_clocked(GstPad* src_pad);

/** TRUE when @sink_pad's peer, looked up through ghost pads, is a room-clocked pad: nothing
 * (no queue, no converter) lies between. */
gboolean room_audio_pad_is_fed_by_room_clock(GstPad* sink_pad);

/* ---- Messages (GST_MESSAGE_ELEMENT; docs/messages.md lists the fields) ---------------------*/

/** "livekit-track": @event is one of added, removed, muted, unmuted, stalled, lost. */
GstMessage* room_audio_message_new_track(GstElement* source, const gchar* event, const gchar* room,
                                         const gchar* pad_name, const RoomAudioTrack* track,
                                         GstClockTime running_time);

/** "active-speaker": @active NULL = nobody; @speakers are all who talk now, loudest first. */
GstMessage* room_audio_message_new_active_speaker(GstElement* source, const RoomAudioTrack* active,
                                                  const RoomAudioTrack* speakers, guint n_speakers,
                                                  GstClockTime running_time);

/** Wall clock of @running_time as ISO 8601 with milliseconds and Z; g_free() it. "" when
 * @element has no clock or base time yet. */
gchar* room_audio_utc_at_running_time(GstElement* element, GstClockTime running_time);

G_END_DECLS
