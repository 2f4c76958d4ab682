# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the tests with a real LiveKit share: checks, and gst-launch with what its messages say."""
import os
import re
import signal
import subprocess
import threading
import time

FAILED = []


def check(what, good, figure=""):
    print(f"{'ok  ' if good else 'FAIL'}  {what}{': ' + str(figure) if figure != '' else ''}", flush=True)
    if not good:
        FAILED.append(what)


class Pipeline:
    """A launch line that runs. `events`: (Unix time, event, identity, track) of each livekit-egress message."""

    def __init__(self, *line, **environment):
        self.events, self.output = [], []
        self.process = subprocess.Popen(["stdbuf", "-oL", "gst-launch-1.0", "-m", "-e", *line], env=os.environ | environment,
                                        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()

    def read(self):
        for line in self.process.stdout:
            now = time.time()
            self.output.append(line)
            found = re.search(r"livekit-egress, event=\(string\)(\w+)", line)
            if found:
                identity = re.search(r"identity=\(string\)\"?([^\",;]*)", line)
                track = re.search(r"track=\(string\)(\w*)", line)
                self.events.append((now, found[1], identity[1] if identity else "", track[1] if track else ""))

    def wait_event(self, event, identity="", seconds=10):
        end = time.time() + seconds
        while time.time() < end:
            for when, what, who, _ in list(self.events):
                if what == event and identity in who:
                    return when
            time.sleep(0.01)
        return None

    def stop(self, seconds=60):
        """Ctrl-C; how long it took."""
        began = time.time()
        self.process.send_signal(signal.SIGINT)
        self.process.wait(seconds)
        self.reader.join()
        return time.time() - began

    def text(self):
        return "".join(self.output)
