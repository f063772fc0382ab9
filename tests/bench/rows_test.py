"""What larder-bench prints: rows of the promised shape, and damage that is found. Nothing is timed.
"""

import json
import os
import signal
import subprocess
import sys
import tempfile
import unittest

PROGRAM = os.environ["LARDER_BENCH"]
KEYS = ["suite", "op", "size", "entries", "store", "verified", "median_ns", "p10_ns", "p90_ns",
        "ratio_to_baseline"]
OPERATIONS = {"get", "view", "get_into", "get_many16", "miss", "put", "flush256", "open"}
# In memory where there is such a folder: syncs are not what is looked at.
PARENT = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None


def bench(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([PROGRAM, *arguments], check=False, capture_output=True, text=True)


class Rows(unittest.TestCase):
    @classmethod
    def setUpClass(cls) -> None:
        with tempfile.TemporaryDirectory(dir=PARENT) as directory:
            cls.result = bench("--quick", "--format", "json", "--directory", directory)
            cls.left = os.listdir(directory)
        cls.rows = [json.loads(line) for line in cls.result.stdout.splitlines()]

    def test_ends_well_and_leaves_nothing(self) -> None:
        self.assertEqual(self.result.returncode, 0, self.result.stderr)
        self.assertEqual(self.left, [])

    def test_every_row_has_every_key(self) -> None:
        for row in self.rows:
            self.assertEqual(list(row), KEYS)
            for key in ("suite", "op", "store", "verified"):
                self.assertTrue(row[key], row)
            for key in ("size", "entries", "median_ns", "p10_ns", "p90_ns", "ratio_to_baseline"):
                self.assertGreaterEqual(row[key], 0, row)
            self.assertLessEqual(row["p10_ns"], row["median_ns"], row)
            self.assertLessEqual(row["median_ns"], row["p90_ns"], row)

    def test_no_row_comes_twice(self) -> None:
        names = [tuple(row[key] for key in KEYS[:5]) for row in self.rows]
        self.assertEqual(len(names), len(set(names)))

    def test_every_timed_suite_has_its_stores_and_operations(self) -> None:
        self.assertEqual({row["suite"] for row in self.rows},
                         {"sweep", "mix", "growth", "flush", "scale"})
        for suite in ("sweep", "mix", "growth", "flush", "scale"):
            stores = {row["store"] for row in self.rows if row["suite"] == suite}
            self.assertLessEqual({"baseline", "pack", "file", "raw"}, stores, suite)
        pack = {row["op"] for row in self.rows if row["store"] == "pack"}
        self.assertLessEqual(OPERATIONS, pack)
        sizes = {row["size"] for row in self.rows if row["suite"] == "sweep"}
        self.assertLessEqual({1 << 10, 4 << 10, 16 << 10, 64 << 10}, sizes)

    def test_ratios_are_the_baselines_time_over_the_stores(self) -> None:
        baseline = {(row["suite"], row["op"], row["size"], row["entries"]): row["median_ns"]
                    for row in self.rows if row["store"] == "baseline"}
        for row in self.rows:
            place = (row["suite"], row["op"], row["size"], row["entries"])
            get = (row["suite"], "get", row["size"], row["entries"])
            theirs = baseline.get(place, baseline.get(get))
            self.assertIsNotNone(theirs, row)
            expected = theirs / row["median_ns"]
            self.assertAlmostEqual(row["ratio_to_baseline"], expected, delta=0.01 * expected + 0.01)


class Usage(unittest.TestCase):
    def test_an_interrupt_leaves_nothing(self) -> None:
        for how in (signal.SIGINT, signal.SIGTERM):
            with tempfile.TemporaryDirectory(dir=PARENT) as directory:
                words = [PROGRAM, "sweep", "--directory", directory]
                with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as running:
                    running.stdout.readline()  # the machine: by now the folder is there
                    self.assertEqual(len(os.listdir(directory)), 1)
                    running.send_signal(how)
                    running.communicate()
                self.assertEqual(os.listdir(directory), [])
                self.assertEqual(running.returncode, 1)

    def test_detect_finds_all_damage_and_says_so(self) -> None:
        with tempfile.TemporaryDirectory(dir=PARENT) as directory:
            result = bench("detect", "--quick", "--directory", directory)
        self.assertEqual(result.returncode, 0, result.stdout + result.stderr)
        for store in ("pack", "file"):
            lines = [line.split() for line in result.stdout.splitlines()
                     if line.startswith(f"detect  {store} ")]
            self.assertEqual(len(lines), 8, result.stdout)
            for line in lines:
                trials, *_, wrong, crashed, hung, _ = map(int, line[-8:])
                self.assertGreater(trials, 0, line)
                self.assertEqual([wrong, crashed, hung], [0, 0, 0], line)

    def test_bad_words_are_refused(self) -> None:
        for words in (["nonsense"], ["--format", "xml"], ["--directory", "/nonexistent"]):
            result = bench(*words)
            self.assertEqual(result.returncode, 2, words)
            self.assertTrue(result.stderr, words)
            self.assertEqual(result.stdout, "", words)


if __name__ == "__main__":
    sys.exit(unittest.main())
