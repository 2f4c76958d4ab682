# SPDX-License-Identifier: LGPL-2.1-or-later
"""Known answers for tools/score-transcript. Skipped where its packages are not installed."""
import json
import os
import subprocess
import sys
import tempfile
import unittest

TOOL = sys.argv.pop(1)
STM = """;; a comment
standup 1 alice 1.0 2.0 good morning bob
standup 1 bob 2.5 4.0 <o,f0,male> hello alice it is 9:30
standup 1 alice 5.0 6.0 we sold 47 boxes
"""


def final(identity, start, text, **more):
    return {"type": "final", "identity": identity, "start": start, "end": start + 1, "text": text,
            **more}


GOOD = [{"type": "partial", "identity": "alice", "start": 1, "end": 1.5, "text": "nonsense"},
        final("alice", 1.0, "Good morning, Bob.", name="Alice A.", latency_ms=400),
        final("bob", 2.5, "Hello Alice, it is 9:30.", latency_ms=600),
        final("alice", 5.0, "We sold forty-seven boxes!", latency_ms=800)]


class ScoreTranscript(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)

    def path(self, name, text):
        path = os.path.join(self.folder.name, name)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        return path

    def run_tool(self, *arguments):
        return subprocess.run([sys.executable, TOOL, *arguments], capture_output=True, text=True,
                              check=False)

    def score(self, transcript, name="t.jsonl", stm=STM, *arguments):
        if not isinstance(transcript, str):
            transcript = "\n".join(json.dumps(r) for r in transcript)
        return self.run_tool("-r", self.path("r.stm", stm), self.path(name, transcript), "--json",
                             "-", *arguments)

    def report(self, *arguments):
        result = self.score(*arguments)
        self.assertEqual(result.returncode, 0, result.stderr)
        return json.loads(result.stdout)

    def test_perfect(self):
        report = self.report(GOOD)
        for kind in ("wer", "cpwer", "named"):
            self.assertEqual(report[kind]["errors"], 0, report)
        self.assertEqual(report["wer"]["words"], report["cpwer"]["words"])
        self.assertEqual(report["latency_ms"], {"median": 600, "p95": 800, "worst": 800})

    def test_one_word_wrong_one_missing_one_extra(self):
        report = self.report([final("alice", 1, "good morning rob"), final("bob", 2.5, "hello it is 9:30"),
                              final("alice", 5, "we sold 47 big boxes")])
        wer = report["wer"]
        self.assertEqual((wer["substitutions"], wer["deletions"], wer["insertions"]), (1, 1, 1))

    def test_plain_words_leave_contractions_and_numbers_alone(self):
        stm = "standup 1 alice 1.0 2.0 Mr. Bob's self-made boxes\n"
        report = self.report([final("alice", 1, "mister bobs self made boxes")], "t.jsonl", stm,
                             "--words", "plain")
        self.assertEqual((report["wer"]["words"], report["wer"]["errors"]), (5, 0))

    def test_swapped_labels_count_for_names_only(self):
        swapped = [{**r, "identity": {"alice": "bob", "bob": "alice"}[r["identity"]], "name": ""}
                   for r in GOOD]
        report = self.report(swapped)
        self.assertEqual(report["cpwer"]["errors"], 0)
        self.assertGreater(report["named"]["errors"], 5)

    def test_utterance_under_the_wrong_speaker_counts_twice(self):
        moved = [dict(r) for r in GOOD]
        moved[3]["identity"] = "bob"
        report = self.report(moved)
        self.assertEqual(report["wer"]["errors"], 0)
        self.assertEqual(report["cpwer"]["errors"], 8)

    def test_unknown_speaker_and_empty_transcript(self):
        report = self.report(GOOD + [final("ghost", 7, "hello there")])
        self.assertEqual(report["cpwer"]["insertions"], 2)
        self.assertEqual(report["named"]["insertions"], 2)
        report = self.report([])
        self.assertEqual(report["wer"]["rate"], 1.0)
        self.assertEqual(report["cpwer"]["rate"], 1.0)

    def test_vtt_and_srt(self):
        vtt = ("WEBVTT\n\n00:00:01.000 --> 00:00:02.000\n<v Alice>Good morning, Bob.</v>\n\n"
               "1\n00:02.500 --> 00:04.000\n<v bob>Hello Alice, it is 9:30.\n\n"
               "00:05.000 --> 00:06.000\n<v Alice>We sold 47 boxes.\n")
        self.assertEqual(self.report(vtt, "t.vtt")["named"]["errors"], 0)
        srt = ("1\n00:00:01,000 --> 00:00:02,000\nalice: Good morning, Bob.\n\n"
               "2\n00:00:02,500 --> 00:00:04,000\nbob: Hello Alice, it is 9:30.\n\n"
               "3\n00:00:05,000 --> 00:00:06,000\nalice: We sold 47 boxes.\n")
        self.assertEqual(self.report(srt, "t.srt")["named"]["errors"], 0)

    def test_rooms_are_kept_apart(self):
        stm = STM + "retro 1 alice 1.0 2.0 something else\n"
        both = [{**r, "room": "standup"} for r in GOOD] + [
            final("alice", 1, "something else", room="retro")]
        self.assertEqual(self.report(both, "t.jsonl", stm)["cpwer"]["errors"], 0)
        mixed = [{**r, "room": "retro"} for r in both]
        self.assertGreater(self.report(mixed, "t.jsonl", stm)["cpwer"]["errors"], 5)

    def test_limits_and_mistakes(self):
        wrong = GOOD[:-1]
        self.assertEqual(self.score(wrong, "t.jsonl", STM, "--max-wer", "50").returncode, 0)
        result = self.score(wrong, "t.jsonl", STM, "--max-wer", "5")
        self.assertEqual(result.returncode, 1)
        self.assertIn("more than 5 %", result.stderr)
        for name, text, said in (("t.doc", "", "unknown kind"), ("t.jsonl", "{", "t.jsonl:1"),
                                 ("t.jsonl", "{}", "needs a \"text\"")):
            result = self.score(text, name)
            self.assertEqual(result.returncode, 2)
            self.assertIn(said, result.stderr)
        result = self.score(GOOD, "t.jsonl", "one two\n")
        self.assertEqual(result.returncode, 2)
        self.assertIn("r.stm:1", result.stderr)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as probe:
        reference = os.path.join(probe, "p.stm")
        with open(reference, "w", encoding="utf-8") as probe_file:
            probe_file.write("r 1 a 0 1 word\n")
        tried = subprocess.run([sys.executable, TOOL, "-r", reference, reference],
                               capture_output=True, text=True, check=False)
    if "is missing" in tried.stderr:
        print(tried.stderr, end="")
        sys.exit(77)
    unittest.main()
