"""Bad words, bad places, bad machines: the right exit code, one clear line, nothing lost."""

import os
import subprocess
import unittest

from program import (A, B, NOBODY, NOT_FOUND, OK, PROGRAM, ProgramTest, REFUSED, USAGE,
                     every_layout, is_root, visible_skip)


class Words(ProgramTest):
    def test_malformed_fingerprints(self) -> None:
        for text in ("", "abc", "A" * 64, "g" * 64, "a" * 63, "a" * 65, " " + "a" * 63):
            for words in (("get", text), ("put", text, "-"), ("exists", text), ("rm", text),
                          ("inspect", text), ("explain", text), ("diff", A, text),
                          ("diff", text, A), ("once", text, "-o", "out", "--", "true")):
                self.refused(USAGE, *words, says="64 lower-case hex digits")
        self.assertEqual(os.listdir(self.root), [])

    def test_unknown_words(self) -> None:
        for words in ((), ("frobnicate",), ("get",), ("put", A), ("get", A, B),
                      ("get", A, "--frobnicate"), ("verify", "--repair=maybe"), ("list", "x"),
                      ("stats", "--format", "xml"), ("list", "--format", "prometheus"),
                      ("prune", "--max-size", "lots"), ("prune", "--max-size", "1.5G"),
                      ("prune", "--older-than", "7"), ("prune", "--older-than", "7y"),
                      ("fingerprint",), ("fingerprint", "--domain", "d", "--field", "x"),
                      ("fingerprint", "--domain", "d", "--field", "=x"),
                      ("fingerprint", "--domain", "", "--field", "a=x"),
                      ("fingerprint", "--domain", "d", "--field", "a=x", "--field", "a=y")):
            self.refused(USAGE, *words)
        self.assertEqual(os.listdir(self.root), [])

    def test_what_is_unknown_is_named(self) -> None:
        self.refused(USAGE, "frobnicate", A, says="`frobnicate` is no verb")
        result = self.run_words([PROGRAM, "--stor", "x", "list"])
        self.expect_line(result, USAGE, "`--stor` is no option")
        result = self.run_words([PROGRAM, "key", "new", "-"])
        self.expect_line(result, USAGE, "name the file")
        self.refused(USAGE, "get", A, "--frobnicate", says="--frobnicate")
        self.refused(USAGE, "--frobnicate", says="`--frobnicate` is no option")
        self.refused(USAGE, "prune", "--older-than", "0s", says="`larder clear`")
        self.refused(USAGE, "stats", "--format", "xml", says="`xml` is no format")

    def test_unknown_schemes(self) -> None:
        for store in ("redis://host", "word:x", "FILE:x", ""):
            self.refused(USAGE, "list", store=store, says="--store")
        self.larder("put", A, "-", given=b"x", store="./word:x")
        self.assertTrue(os.path.isdir(self.path("word:x")))

    def test_help_and_version(self) -> None:
        for words in (["--help"], ["get", "--help"], ["once", "--help"], ["--version"]):
            result = self.run_words([PROGRAM, *words])
            self.assertEqual((result.returncode, result.stderr), (OK, b""))
            self.assertIn(b"larder" if words == ["--version"] else b"Usage", result.stdout)

    def test_what_was_typed_is_judged_before_anything_is_opened(self) -> None:
        self.refused(USAGE, "get", "zz", store="/proc/nowhere", says="zz")


class Payloads(ProgramTest):
    def test_unreadable_payloads(self) -> None:
        self.put(A, b"good")
        for name in ("nothing-here", ".", "file/below"):
            self.write("file", b"x")
            self.refused(REFUSED, "put", A, self.path(name), says=self.path(name))
        self.assertEqual(self.larder("get", A), b"good")

    def test_a_payload_without_permission(self) -> None:
        store = self.make_directory("theirs", 0o700, owner=NOBODY)
        secret = self.write("secret", b"secret")
        os.chmod(secret, 0)
        result = self.as_nobody("put", A, secret, store=store)
        self.expect_line(result, REFUSED, secret)
        self.assertEqual(os.listdir(store), [])

    def test_an_output_that_cannot_be_written(self) -> None:
        self.put(A, b"good")
        folder = self.make_directory("folder", 0o755)
        for out in (folder, self.path("nowhere/out")):
            self.refused(REFUSED, "get", A, "-o", out, says=out)
        with open("/dev/full", "wb") as full:
            result = subprocess.run(self.command("get", A), stdout=full, stderr=subprocess.PIPE,
                                    env=self.environment, check=False)
        self.expect_line(result, REFUSED, "standard output")
        with open("/dev/full", "wb") as full:
            result = subprocess.run(self.command("stats"), stdout=full, stderr=subprocess.PIPE,
                                    env=self.environment, check=False)
        self.expect_line(result, REFUSED, "standard output cannot be written: No space left")

    def test_closed_standard_streams(self) -> None:
        self.put(A, b"good")
        for closing in ("<&-", ">&-", "2>&-", "<&- >&- 2>&-"):
            for words in (("get", A), ("get", B), ("put", B, self.write("in", b"x")), ("stats",)):
                script = f'"$@" {closing}'
                self.run_words(["sh", "-c", script, "sh", *self.command(*words)])
        self.assertIn(b"2 good", self.larder("verify"))
        result = self.run_words(["sh", "-c", '"$@" >&-', "sh", *self.command("get", A)])
        self.expect_line(result, REFUSED, "standard output")

    def test_over_the_cap(self) -> None:
        big = self.path("big")
        with open(big, "wb") as file:
            file.truncate((64 << 20) + 1)
        self.layout = "vyre"
        self.put(A, b"good")
        self.refused(REFUSED, "put", A, big)
        with open(big, "wb") as file:
            file.truncate((1 << 30) + 1)
        self.refused(REFUSED, "put", B, big, says="1.0 GiB", store=f"file:{self.path('other')}")
        self.assertEqual(self.larder("get", A), b"good")
        self.refused(NOT_FOUND, "exists", B)


@every_layout
class Places(ProgramTest):
    def refused_everywhere(self, store: str, says: str = "") -> None:
        """No verb works there, and none leaves a trace."""
        before = self.tree(self.root)
        for words in (("put", A, "-"), ("get", A), ("exists", A), ("rm", A), ("list",), ("stats",),
                      ("zero-stats",), ("verify", "--repair"), ("prune", "--max-size", "0"),
                      ("clear",), ("flush",)):
            self.refused(REFUSED, *words, store=store, says=says)
        self.assertEqual(self.run_words(self.command("doctor", store=store)).returncode, REFUSED)
        self.assertEqual(self.tree(self.root), before)

    def test_a_file(self) -> None:
        path = self.write("file", b"precious")
        self.refused_everywhere(f"{self.layout}:{path}", says=path)

    def test_below_a_file(self) -> None:
        path = self.write("file", b"precious")
        self.refused_everywhere(f"{self.layout}:{path}/store")

    def test_writable_by_others(self) -> None:
        for mode in (0o770, 0o707, 0o777, 0o1777):
            store = self.make_directory(f"open{mode:o}", mode)
            self.refused_everywhere(f"{self.layout}:{store}", says=store)

    def test_owned_by_somebody_else(self) -> None:
        if not is_root():
            visible_skip(self, "needs root to give a directory to somebody else")
        store = self.make_directory("theirs", 0o755, owner=NOBODY)
        self.refused_everywhere(f"{self.layout}:{store}", says=store)

    def test_a_read_only_directory(self) -> None:
        store = self.make_directory("fixed", 0o500, owner=NOBODY)
        location = f"{self.layout}:{store}"
        self.write("payload", b"x")
        os.chmod(self.path("payload"), 0o644)
        result = self.as_nobody("put", A, self.path("payload"), store=location)
        self.expect_line(result, REFUSED, "")
        self.expect(self.as_nobody("get", A, store=location), NOT_FOUND)
        self.expect(self.as_nobody("list", store=location), OK)
        self.assertEqual(os.listdir(store), [])

    def test_a_store_that_was_made_read_only_is_still_read(self) -> None:
        self.put(A, b"x")
        for base, folders, names in os.walk(self.store):
            for path in [base] + [os.path.join(base, name) for name in names]:
                if is_root():
                    os.chown(path, NOBODY, NOBODY)
                os.chmod(path, 0o500 if os.path.isdir(path) else 0o400)
        result = self.as_nobody("get", A, store=self.location())
        self.assertEqual((result.returncode, result.stdout), (OK, b"x"), result.stderr)
        for words in (("rm", A), ("clear",), ("prune", "--max-size", "0"), ("zero-stats",)):
            result = self.as_nobody(*words, store=self.location())
            self.assertIn("owner and mode", self.expect_line(result, REFUSED, self.store))
        os.chmod(self.make_directory("made", 0o777), 0o777)
        out = self.path("made/out")
        result = self.as_nobody("once", B, "-o", out, "--", "touch", out, store=self.location())
        self.expect(result, OK)
        warning = f"\\Alarder: warning: .*not stored in .*{self.store}"
        self.assertRegex(result.stderr.decode(), warning)
        self.assertEqual(self.as_nobody("get", A, store=self.location()).stdout, b"x")

    def test_a_full_disk(self) -> None:
        store = self.make_directory("small", 0o700)
        if not is_root():
            visible_skip(self, "needs root to mount a small tmpfs")
        mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m,mode=700", "none", store],
                                 capture_output=True, check=False)
        if mounted.returncode != 0:
            visible_skip(self, f"cannot mount a tmpfs: {mounted.stderr.decode().strip()}")
        self.addCleanup(subprocess.run, ["umount", "-l", store], check=True)
        self.store = store
        self.put(A, b"good")
        self.refused(REFUSED, "put", B, "-", given=bytes(2 << 20))
        self.assertEqual(self.larder("get", A), b"good")
        self.refused(NOT_FOUND, "exists", B)
        self.put(B, b"small")
        self.assertEqual(self.larder("get", B), b"small")


class Kinds(ProgramTest):
    def test_a_directory_that_is_not_ours(self) -> None:
        self.write("photos/holiday.jpg", b"precious")
        store = self.path("photos")
        for location in (store, f"file:{store}"):
            for words in (("put", A, "-"), ("get", A), ("clear",), ("prune", "--max-size", "0"),
                          ("verify", "--repair"), ("rm", A)):
                self.refused(REFUSED, *words, store=location, says=store)
        self.assertEqual(self.tree(store), {"holiday.jpg": b"precious"})

    def test_a_store_of_the_other_kind(self) -> None:
        self.put(A, b"x")
        before = self.tree(self.store)
        for words in (("put", B, "-"), ("get", A), ("clear",), ("list",)):
            self.refused(REFUSED, *words, store=f"vyre:{self.store}", says=self.store)
        self.assertEqual(self.tree(self.store), before)

    def test_a_vyre_directory_named_as_file(self) -> None:
        vyre = self.path("pipelines")
        self.larder("put", A, "-", given=b"x", store=f"vyre:{vyre}")
        before = self.tree(vyre)
        for location in (vyre, f"file:{vyre}"):
            for words in (("put", B, "-"), ("get", A), ("clear",), ("list",)):
                self.refused(REFUSED, *words, store=location, says=vyre)
        self.assertEqual(self.tree(vyre), before)

    def test_foreign_files_survive_in_a_store_of_ours(self) -> None:
        for layout in ("file", "vyre"):
            self.layout = layout
            self.store = self.path(layout)
            self.put(A, b"x")
            foreign = ["notes.txt", "larder.conf.bak", B + ".bin.orig", "ab/notes", ".hidden",
                       "A" * 64 + ".bin"]
            for name in foreign:
                self.write(f"{layout}/{name}", b"precious")
            self.larder("prune", "--max-size", "0")
            self.larder("clear")
            self.larder("verify", "--repair")
            for name in foreign:
                self.assertEqual(self.read(os.path.join(self.store, name)), b"precious", name)
            self.refused(NOT_FOUND, "exists", A)


if __name__ == "__main__":
    unittest.main()
