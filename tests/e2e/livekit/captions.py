# SPDX-License-Identifier: LGPL-2.1-or-later
"""sttsink livekit-captions=true with a real livekit-server: what the people in the room receive."""
import asyncio
import base64
import collections
import json
import os
import statistics
import subprocess
import threading
import time

from livekit import rtc
from people import Person

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", "..", ".."))
SPEECH = os.environ.get("ROOMAUDIO_SPEECH_DIR") or os.path.join(
    os.environ.get("XDG_DATA_HOME") or os.path.expanduser("~/.local/share"), "gst-plugins-egress", "speech")
TALK = os.path.join(ROOT, "tests", "data", "speech", "sonnet1.mp3")


def listen(person):
    """Keeps (time, packet) of all that this client is sent."""
    person.packets, person.streams = [], []
    person.room.register_text_stream_handler("lk.transcription", lambda *what: person.streams.append(what))
    person.room.on("data_received", lambda packet: person.packets.append((time.time(), packet)))


class Sink:
    """A recording through sttsink; its results as it tells them."""

    def __init__(self, server, room="standup", paced=False, **environment):
        environment = {"LIVEKIT_URL": server.url, "LIVEKIT_API_KEY": server.key,
                       "LIVEKIT_API_SECRET": server.secret} | environment
        self.results, self.output = [], []
        self.process = subprocess.Popen(
            ["gst-launch-1.0", "filesrc", f"location={TALK}", "!", "decodebin", "!", "identity",
             f"sync={str(paced).lower()}", "!", "sttsink", "livekit-captions=true", f"room={room}", "location=-", "stdout-format=jsonl",
             "file-partials=true", "sink_0::identity=alice", "sink_0::track=TR_alice",
             "sink_0::display-name=Alice \"A\" Ünal 😀"],
            env=os.environ | environment, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True)
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()

    def read(self):
        for line in self.process.stdout:
            # gst-launch's own words may end without a line break.
            begin = line.find('{"type":')
            if begin >= 0:
                self.results.append((time.time(), json.loads(line[begin:])))
            else:
                self.output.append(line)

    def warnings(self):
        return [line.strip() for line in self.output if "WARN" in line or "CRITICAL" in line or "ERROR" in line]

    async def end(self):
        await asyncio.to_thread(self.process.wait, 120)
        self.reader.join()
        return time.time()


async def reach_everybody(check, server, people):
    sink = Sink(server, paced=True)  # as it was said
    ended = await sink.end()
    await asyncio.sleep(1)
    check("captions: the pipeline ended well and said nothing", sink.process.returncode == 0 and not sink.warnings(),
          sink.warnings() or "")
    said = [(when, result) for when, result in sink.results if result["type"] == "final" and result["text"]]
    for person in people:
        finals, shown = {}, collections.OrderedDict()
        doubles, kinds = 0, set()
        for when, packet in person.packets:
            caption = json.loads(packet.data)
            segment = caption["segments"][0]
            assert packet.topic == "lk.transcription", packet.topic
            kinds.add((segment["final"], packet.kind))
            if segment["final"]:
                doubles += segment["id"] in finals
                finals[segment["id"]] = (when, segment["text"], caption)
            shown.setdefault(segment["id"].rsplit("_")[-1], {})[segment["revision"]] = (when, segment["text"])
        check(f"captions: {person.identity} got every final once, in order",
              len(said) > 3 and doubles == 0 and
              [text for _, text, _ in finals.values() if text] == [result["text"] for _, result in said],
              f"{len(said)} finals, {sum(len(one) for one in shown.values())} packets")
        names = {(caption["transcribedParticipantIdentity"], caption["trackId"], caption["name"])
                 for _, _, caption in finals.values()}
        check(f"captions: {person.identity} knows who spoke", names == {("alice", "TR_alice", 'Alice "A" Ünal 😀')}, names)
        check("captions: finals are reliable, partials lossy, none is a text stream", not person.streams and
              kinds == {(True, rtc.DataPacketKind.KIND_RELIABLE), (False, rtc.DataPacketKind.KIND_LOSSY)})
        delays = {"partial": [], "final": []}
        for when, result in sink.results:
            got = shown.get(result["utterance"], {}).get(result["revision"])
            if got:
                delays[result["type"]].append((got[0] - when) * 1000)
        for kind, all_of_kind in delays.items():
            all_of_kind.sort()
            worst = all_of_kind[-1] if all_of_kind else 99999
            check(f"captions: sttsink's result to {person.identity}'s callback, {kind}s", worst < 200,
                  f"median {statistics.median(all_of_kind or [99999]):.1f} ms, p95 "
                  f"{all_of_kind[int(len(all_of_kind) * 0.95)] if all_of_kind else 0:.1f} ms, worst {worst:.1f} ms "
                  f"of {len(all_of_kind)}")
        check(f"captions: {person.identity} had the last words before the pipeline ended",
              max((when for when, _, _ in finals.values()), default=ended) < ended)


async def what_the_server_promises(check, server, person):
    """The limits and the dropping of doubles that sttsink relies on."""
    def send(size, kind, nonce):
        server.call("RoomService/SendData", {
            "room": server.room, "data": base64.b64encode(b"x" * size).decode(), "kind": kind, "topic": "size",
            "nonce": base64.b64encode(nonce).decode()}, {"room": server.room, "roomAdmin": True})

    person.packets.clear()
    for size, kind, nonce in ((15000, "RELIABLE", b"a" * 16), (1300, "LOSSY", b"b" * 16),
                              (10, "RELIABLE", b"c" * 16), (10, "RELIABLE", b"c" * 16)):
        send(size, kind, nonce)
    await asyncio.sleep(1)
    check("captions: the largest packets arrive, and doubles once",
          sorted(len(packet.data) for _, packet in person.packets) == [10, 1300, 15000],
          [len(packet.data) for _, packet in person.packets])


async def refusals(check, server):
    for wrong, words in (({"LIVEKIT_API_KEY": "another"}, "invalid API key: another"),
                         ({"LIVEKIT_API_SECRET": "guessed"}, "token signature is invalid"),
                         ({"LIVEKIT_URL": "ws://127.0.0.1:1"}, "Connection refused")):
        sink = Sink(server, **wrong)
        await sink.end()
        text = "".join(sink.output)
        lines = sink.warnings()
        check(f"captions: told once: {words}", len(lines) == 1 and words in text and sink.process.returncode == 0 and
              "eyJ" not in text and server.secret not in text and len(sink.results) > 3, lines[:1])
    sink = Sink(server, "nobody-here")
    await sink.end()
    lines = sink.warnings()
    check("captions: a room that is not there is told once", len(lines) == 1 and sink.process.returncode == 0, lines)


async def story(check, server):
    if not os.path.isdir(os.path.join(SPEECH, "models")):
        print("skipped captions: the speech models are not installed (tools/setup)", flush=True)
        return
    people = [Person(server, "alice"), Person(server, "bob")]
    for person in people:
        await person.join()
        listen(person)
    await reach_everybody(check, server, people)
    await what_the_server_promises(check, server, people[0])
    await refusals(check, server)
    for person in people:
        await person.room.disconnect()
