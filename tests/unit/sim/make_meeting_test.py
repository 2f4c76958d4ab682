# SPDX-License-Identifier: LGPL-2.1-or-later
"""tools/make-meeting: reproducible, and as much overlap as asked. Skipped without flite."""
import json
import os
import shutil
import subprocess
import sys
import tempfile
import unittest

SIMULATOR = os.path.abspath(sys.argv.pop(2))
TOOL = sys.argv.pop(1)


class MakeMeeting(unittest.TestCase):
    def make(self, *arguments):
        done = subprocess.run([sys.executable, TOOL, "--egress-sim", SIMULATOR, *arguments],
                              capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    def turns(self, text):
        """(start, end, identity) of the speech, as egress-sim sees it."""
        with tempfile.TemporaryDirectory() as folder:
            scenario, rttm = os.path.join(folder, "m.json"), os.path.join(folder, "m.rttm")
            with open(scenario, "w", encoding="utf-8") as file:
                file.write(text)
            subprocess.run([SIMULATOR, "--scenario", scenario, "--check", "--times", "spoken",
                            "--rttm", rttm], check=True)
            with open(rttm, encoding="utf-8") as file:
                fields = [line.split() for line in file]
        return sorted((float(f[3]), float(f[3]) + float(f[4]), f[7]) for f in fields)

    def test_same_arguments_same_meeting(self):
        one = self.make("--turns", "4", "--seed", "5")
        self.assertEqual(one, self.make("--turns", "4", "--seed", "5"))
        self.assertNotEqual(one, self.make("--turns", "4", "--seed", "6"))
        self.assertEqual(len(json.loads(one)["rooms"][0]["participants"]), 4)

    def test_turns_without_overlap_keep_their_pauses(self):
        turns = self.turns(self.make("--turns", "8", "--people", "3"))
        self.assertEqual(len(turns), 8)
        for before, after in zip(turns, turns[1:]):
            self.assertNotEqual(before[2], after[2])
            self.assertGreaterEqual(after[0] - before[1], 0.08)
            self.assertLessEqual(after[0] - before[1], 0.62)

    def test_overlap_is_as_asked_and_never_of_three(self):
        turns = self.turns(self.make("--turns", "16", "--overlap", "10", "--seed", "2"))
        overlap = sum(max(0.0, a[1] - b[0]) for a, b in zip(turns, turns[1:]))
        speech = sum(end - start for start, end, _ in turns)
        self.assertAlmostEqual(100 * overlap / speech, 10, delta=2.5)
        for first, third in zip(turns, turns[2:]):
            self.assertLess(first[1], third[0])

    def test_mistakes(self):
        done = subprocess.run([sys.executable, TOOL, "--people", "99", "--egress-sim", SIMULATOR],
                              capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, 2)
        self.assertIn("--people must be", done.stderr)


if __name__ == "__main__":
    if shutil.which("flite") is None:
        print("flite is not installed")
        sys.exit(77)
    unittest.main()
