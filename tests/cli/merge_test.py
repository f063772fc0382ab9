"""merge: from one store into another, of whatever kind."""

import json
import os
import subprocess
import unittest

from program import (A, B, C, CORRUPT, NOBODY, NOT_FOUND, OK, PROGRAM, ProgramTest, REFUSED, USAGE,
                     is_root, visible_skip)

KINDS = ("pack", "file", "vyre")


class MergeTest(ProgramTest):
    """Every store is a directory of this test, named by its kind and a name of its own."""

    def use(self, kind: str, name: str) -> str:
        """The verbs of this test now work on that store."""
        self.layout, self.store = kind, self.path(name)
        return self.location()

    def merge_words(self, source: str, target: str, *words: str) -> list[str]:
        return [PROGRAM, "--format", "json", *words, "merge", source, target]

    def merge(self, source: str, target: str, code: int = OK, says: str = "",
              **variables: str) -> dict:
        result = self.run_words(self.merge_words(source, target), **variables)
        self.expect(result, code)
        message = result.stderr.decode()
        self.assertLessEqual(len(message.splitlines()), 1, message)
        self.assertEqual(bool(message), bool(says), message)
        self.assertIn(says, message)
        return json.loads(result.stdout)

    def fingerprint_of(self, source: str) -> str:
        """Puts an entry with a recipe."""
        words = ["--domain", "test 2026-11", "--field", f"source={source}"]
        made = self.larder("fingerprint", *words).decode().strip()
        self.larder("put", made, "-", *words, given=source.encode() * 100)
        return made

    def pairs(self) -> list[tuple[str, str, str, str]]:
        """Two kinds, and a store of each for them alone."""
        return [(a, b, f"{a}-to-{b}/from", f"{a}-to-{b}/to") for a in KINDS for b in KINDS]


class Merge(MergeTest):
    def test_entries_go_from_every_kind_into_every_kind(self) -> None:
        for a, b, from_name, to_name in self.pairs():
            with self.subTest(a=a, b=b):
                source = self.use(a, from_name)
                made = self.fingerprint_of("kernel")
                self.put(A, b"")
                before = self.tree(self.store)
                target = self.use(b, to_name)
                drops = a != "vyre" and b == "vyre"
                report = self.merge(source, target, says="one recipe was" if drops else "")
                self.assertEqual(
                    (report["copied"], report["copied_bytes"], report["already_there"],
                     report["damaged"], report["refused"], report["recipes_dropped"]),
                    (2, 600, 0, [], [], int(drops)))
                self.assertEqual(self.tree(self.path(from_name)), before)
                self.assertEqual(self.larder("get", made), b"kernel" * 100)
                self.assertEqual(self.larder("get", A), b"")
                explained = json.loads(self.larder("explain", made, "--format", "json"))
                kept = a != "vyre" and b != "vyre"
                self.assertEqual(explained.get("fields"),
                                 {"source": '"kernel"'} if kept else None)
                counters = json.loads(self.larder("stats", "--format", "json"))
                self.assertEqual((counters["puts"], counters["flushes"]), (2, 1))
                report = self.merge(source, target)
                self.assertEqual((report["copied"], report["already_there"]), (0, 2))

    def test_what_is_there_stays(self) -> None:
        source = self.use("pack", "from")
        self.put(A, b"theirs")
        self.put(B, b"only there")
        target = self.use("file", "to")
        self.put(A, b"ours")
        report = self.merge(source, target)
        self.assertEqual((report["copied"], report["already_there"]), (1, 1))
        self.assertEqual((self.larder("get", A), self.larder("get", B)), (b"ours", b"only there"))

    def test_a_damaged_entry_is_left_where_it_is(self) -> None:
        for a, b, from_name, to_name in self.pairs():
            with self.subTest(a=a, b=b):
                source = self.use(a, from_name)
                self.put(A, b"a" * 100)
                self.put(B, b"b" * 100)
                self.flip_a_bit(A)
                before = self.tree(self.store)
                target = self.use(b, to_name)
                report = self.merge(source, target, says="1 damaged in FROM")
                self.assertEqual((report["copied"], [d["fingerprint"] for d in report["damaged"]]),
                                 (1, [A]))
                self.assertEqual(self.tree(self.path(from_name)), before)
                self.refused(NOT_FOUND, "get", A)
                self.assertEqual(self.larder("get", B), b"b" * 100)

    def test_a_damaged_entry_of_the_target_is_replaced(self) -> None:
        for a, b, from_name, to_name in self.pairs():
            with self.subTest(a=a, b=b):
                source = self.use(a, from_name)
                self.put(A, b"a" * 100)
                target = self.use(b, to_name)
                self.put(A, b"a" * 100)
                self.flip_a_bit(A)
                self.assertEqual(self.merge(source, target)["copied"], 1)
                self.assertEqual(self.larder("get", A), b"a" * 100)

    def test_in_text(self) -> None:
        source = self.use("file", "from")
        self.put(A, b"a" * 100)
        self.put(B, b"b" * 100)
        self.flip_a_bit(B)
        target = self.use("pack", "to")
        result = self.run_words([PROGRAM, "merge", source, target])
        self.expect(result, OK)
        lines = result.stdout.decode().splitlines()
        self.assertTrue(lines[0].startswith(f"damaged {B}: "), lines)
        self.assertEqual(lines[1:], ["1 copied (100 B), 0 already there, 1 damaged, 0 refused, "
                                     "0 evicted"])

    def test_names_that_say_no_kind(self) -> None:
        source = self.use("file", "from")
        self.put(A, b"x")
        report = self.merge(self.path("from"), self.path("to"))
        self.assertEqual(report["copied"], 1)
        self.use("pack", "to")
        self.assertEqual(self.larder("get", A), b"x")
        self.assertEqual(source, f"file:{self.path('from')}")

    def test_a_source_that_is_not_there_is_empty_and_not_made(self) -> None:
        report = self.merge(f"pack:{self.path('from')}", f"pack:{self.path('to')}",
                            says="does not exist")
        self.assertEqual(report["copied"], 0)
        self.assertEqual(os.listdir(self.root), [])


class Words(MergeTest):
    def wrong(self, *words: str, says: str) -> None:
        self.expect_line(self.run_words([PROGRAM, *words]), USAGE, says)

    def test_the_same_store_is_a_usage_error(self) -> None:
        source = self.use("pack", "store")
        self.wrong("merge", source, source, says="the same store")
        self.assertEqual(os.listdir(self.root), [])
        self.put(A, b"x")
        os.symlink("store", self.path("link"))
        before = self.tree(self.store)
        for target in (self.store, "store", "./store/", f"file:{self.store}", self.path("link")):
            self.wrong("merge", source, target, says="the same store")
        self.wrong("merge", "pack:", "file:", says="the same store")
        self.assertEqual(self.tree(self.store), before)

    def test_what_was_typed_is_judged_first(self) -> None:
        self.wrong("merge", "a", says="TO")
        self.wrong("merge", says="FROM")
        self.wrong("merge", "a", "b", "c", says="c")
        self.wrong("merge", "word:a", "b", says="merge: FROM: `word:` is no kind of store")
        self.wrong("merge", "a", "word:b", says="merge: TO: `word:` is no kind of store")
        self.wrong("merge", "a", "", says="merge: TO: ")
        self.wrong("--store", "c", "merge", "a", "b", says="leave --store out")
        self.wrong("merge", "--store", "c", "a", "b", says="leave --store out")
        self.assertEqual(os.listdir(self.root), [])

    def test_the_stores_that_are_named_count_and_not_the_settings(self) -> None:
        source = self.use("file", "from")
        self.put(A, b"x")
        target = self.use("pack", "to")
        self.merge(source, target, LARDER_DIR=self.path("elsewhere"))
        self.assertEqual(sorted(os.listdir(self.root)), ["from", "to"])
        self.assertEqual(self.larder("get", A), b"x")

    def test_settings_may_forbid_it(self) -> None:
        source = self.use("file", "from")
        self.put(A, b"x")
        for variable in ("LARDER_READONLY", "LARDER_MUST_HIT", "LARDER_DISABLE"):
            result = self.run_words(self.merge_words(source, self.path("to")), **{variable: "1"})
            self.expect_line(result, REFUSED, "nothing is written")
        self.assertEqual(os.listdir(self.root), ["from"])


class Obstacles(MergeTest):
    def test_what_is_no_store(self) -> None:
        self.write("photos/holiday.jpg", b"precious")
        source = self.use("file", "from")
        self.put(A, b"x")
        for words in ((source, self.path("photos")), (self.path("photos"), self.path("to"))):
            result = self.run_words(self.merge_words(*words))
            self.expect_line(result, REFUSED, self.path("photos"))
        self.assertEqual(self.tree(self.path("photos")), {"holiday.jpg": b"precious"})
        self.assertFalse(os.path.exists(self.path("to")))

    def test_a_full_disk(self) -> None:
        if not is_root():
            visible_skip(self, "needs root to mount a small tmpfs")
        for kind in KINDS:
            with self.subTest(kind=kind):
                small = self.make_directory(f"small-{kind}", 0o700)
                mounted = subprocess.run(
                    ["mount", "-t", "tmpfs", "-o", "size=2m,mode=700", "none", small],
                    capture_output=True, check=False)
                if mounted.returncode != 0:
                    visible_skip(self, f"cannot mount a tmpfs: {mounted.stderr.decode().strip()}")
                self.addCleanup(subprocess.run, ["umount", "-l", small], check=True)
                source = self.use("file", f"from-{kind}")
                self.put(A, os.urandom(3 << 20))
                self.put(B, b"small")
                before = self.tree(self.store)
                target = self.use(kind, f"small-{kind}")
                report = self.merge(source, target, REFUSED, says="1 not copied")
                self.assertEqual((report["copied"], [d["fingerprint"] for d in report["refused"]]),
                                 (1, [A]))
                self.assertEqual(self.larder("get", B), b"small")
                self.assertEqual(self.tree(self.path(f"from-{kind}")), before)

    def test_a_source_that_may_only_be_read(self) -> None:
        for kind in KINDS:
            with self.subTest(kind=kind):
                source = self.use(kind, f"from-{kind}")
                self.put(A, b"x" * 100)
                for base, _, names in os.walk(self.store):
                    os.chmod(base, 0o555)
                    for name in names:
                        os.chmod(os.path.join(base, name), 0o444)
                self.addCleanup(subprocess.run, ["chmod", "-R", "u+w", self.store], check=True)
                before = self.tree(self.store)
                home = self.make_directory(f"home-{kind}", 0o700, NOBODY)
                target = f"pack:{home}/to"
                result = self.as_nobody("merge", source, target, store=None)
                self.expect(result, OK)
                self.assertIn(b"1 copied", result.stdout)
                self.assertEqual(self.tree(self.path(f"from-{kind}")), before)

    def test_an_entry_that_is_none(self) -> None:
        source = self.use("vyre", "from")
        self.put(A, b"x")
        self.put(B, b"y")
        with open(self.entry_path(A), "r+b") as file:
            file.truncate(1 << 40)
        report = self.merge(source, self.path("to"), REFUSED, says="1 not copied")
        self.assertEqual((report["copied"], [d["fingerprint"] for d in report["refused"]]),
                         (1, [A]))

    def test_a_folder_that_cannot_be_listed(self) -> None:
        source = self.use("file", "from")
        self.put(A, b"x")
        self.put(B, b"y")
        folder = os.path.dirname(self.entry_path(A))
        for base, _, names in os.walk(self.store):
            for name in [base] + [os.path.join(base, name) for name in names]:
                if is_root():
                    os.chown(name, NOBODY, NOBODY)
        os.chmod(folder, 0)
        self.addCleanup(os.chmod, folder, 0o700)
        target = os.path.join(self.make_directory("home", 0o700, NOBODY), "to")
        result = self.as_nobody("--format", "json", "merge", source, target, store=None)
        self.expect_line(result, REFUSED, "1 not copied")
        report = json.loads(result.stdout)
        self.assertEqual((report["copied"], len(report["passed_over"])), (1, 1))
        self.assertIn(folder, report["passed_over"][0])

    def test_the_budget_of_the_target_is_kept(self) -> None:
        source = self.use("file", "from")
        for number in range(20):
            self.put(f"{number:064x}", os.urandom(200_000))
        target = self.use("file", "to")
        report = self.merge(source, target, LARDER_MAX_SIZE="1M")
        left = len(self.larder("list").splitlines())
        self.assertEqual((report["copied"], report["evicted"]), (20, 20 - left))
        self.assertLess(left, 7)

    def test_damage_that_only_an_inspection_sees(self) -> None:
        source = self.use("file", "from")
        made = self.fingerprint_of("kernel")
        with open(self.entry_path(made), "r+b") as file:
            file.seek(-1, os.SEEK_END)
            byte = file.read(1)[0]
            file.seek(-1, os.SEEK_END)
            file.write(bytes([byte ^ 1]))
        self.assertEqual(self.larder("get", made), b"kernel" * 100)
        report = self.merge(source, self.path("to"), says="1 damaged")
        self.assertEqual((report["copied"], len(report["damaged"])), (0, 1))
        self.refused(CORRUPT, "verify")


if __name__ == "__main__":
    unittest.main()
