# SPDX-License-Identifier: LGPL-2.1-or-later
"""Real people in a real LiveKit: a server's API, and publishers by LiveKit's own client."""
import base64
import hashlib
import hmac
import json
import time
import urllib.request

import numpy
from livekit import rtc

RATE = 48000


class Server:
    """LiveKit as its URL, key and secret reach it."""

    def __init__(self, url, key, secret, room="standup"):
        self.url, self.key, self.secret, self.room = url, key, secret, room

    def token(self, identity, name="", kind="", grants=None):
        claims = {"iss": self.key, "sub": identity, "nbf": int(time.time()) - 10, "exp": int(time.time()) + 3600,
                  "name": name, "video": grants or {"room": self.room, "roomJoin": True}}
        if kind:
            claims["kind"] = kind
        encode = lambda data: base64.urlsafe_b64encode(data).rstrip(b"=")
        text = b".".join(encode(json.dumps(part).encode()) for part in ({"alg": "HS256", "typ": "JWT"}, claims))
        return (text + b"." + encode(hmac.new(self.secret.encode(), text, hashlib.sha256).digest())).decode()

    def call(self, method, request, grants):
        """One call of the API (livekit.METHOD), as JSON; raises urllib.error.HTTPError."""
        call = urllib.request.Request(
            f"{self.url.replace('ws', 'http', 1)}/twirp/livekit.{method}", json.dumps(request).encode(),
            {"Authorization": "Bearer " + self.token("test", grants=grants), "Content-Type": "application/json"})
        with urllib.request.urlopen(call, timeout=30) as answer:
            return json.load(answer)

    def egresses(self, **filters):
        return self.call("Egress/ListEgress", {"room_name": self.room} | filters, {"roomRecord": True}).get("items", [])

    def rename(self, identity, name):
        self.call("RoomService/UpdateParticipant", {"room": self.room, "identity": identity, "name": name},
                  {"roomAdmin": True, "room": self.room})


class Person:
    def __init__(self, server, identity, name="", kind=""):
        self.server, self.identity, self.name, self.kind = server, identity, name, kind
        self.room = self.track = None

    async def join(self):
        self.room = rtc.Room()
        await self.room.connect(self.server.url, self.server.token(self.identity, self.name, self.kind))

    async def publish(self):
        """Unix times before and after the call."""
        self.source = rtc.AudioSource(RATE, 1)
        options = rtc.TrackPublishOptions()
        options.source = rtc.TrackSource.SOURCE_MICROPHONE
        self.local = rtc.LocalAudioTrack.create_audio_track("mic", self.source)
        began = time.time()
        publication = await self.room.local_participant.publish_track(self.local, options)
        self.track = publication.sid
        ended = time.time()
        await self.say(numpy.zeros(RATE // 100, numpy.int16))
        return began, ended

    async def say(self, samples):
        """16-bit samples, at RATE; returns when they are queued, which is when they are being sent."""
        await self.source.capture_frame(rtc.AudioFrame(samples.tobytes(), RATE, 1, len(samples)))

    def mute(self, muted):
        if muted:
            self.local.mute()
        else:
            self.local.unmute()

    async def unpublish(self):
        await self.room.local_participant.unpublish_track(self.track)
        self.track = None

    async def leave(self):
        await self.room.disconnect()
