"""put, get, exists, rm, list, inspect: one entry at a time, in every layout."""

import json
import os
import stat
import subprocess
import unittest

from program import (A, B, C, NOT_FOUND, OK, PROGRAM, ProgramTest, REFUSED, USAGE, both_layouts,
                     every_layout)


@every_layout
class Entries(ProgramTest):
    def test_round_trips(self) -> None:
        for number, size in enumerate((0, 1, 64 << 10, 64 << 20)):
            content = os.urandom(min(size, 1 << 16)) * max(1, size >> 16)
            content = content[:size]
            fingerprint = f"{number:064x}"
            self.larder("put", fingerprint, self.write("in", content))
            self.assertEqual(self.larder("get", fingerprint), content)
            self.larder("get", fingerprint, "-o", self.path("out"))
            self.assertEqual(self.read(self.path("out")), content)

    def test_put_reads_standard_input(self) -> None:
        self.put(A, b"piped")
        self.assertEqual(self.larder("get", A), b"piped")

    def test_put_replaces(self) -> None:
        self.put(A, b"old")
        self.put(A, b"new")
        self.assertEqual(self.larder("get", A), b"new")

    def test_an_output_file_has_the_mode_of_any_new_file(self) -> None:
        self.put(A, b"x")
        out = self.path("out")
        self.larder("get", A, "-o", out)
        umask = os.umask(0)
        os.umask(umask)
        self.assertEqual(stat.S_IMODE(os.stat(out).st_mode), 0o666 & ~umask)

    def test_output_goes_through_a_link_and_into_a_device(self) -> None:
        self.put(A, b"x")
        real = self.write("real", b"old")
        os.symlink(real, self.path("link"))
        self.larder("get", A, "-o", self.path("link"))
        self.assertTrue(os.path.islink(self.path("link")))
        self.assertEqual(self.read(real), b"x")
        self.larder("get", A, "-o", "/dev/null")
        self.assertTrue(stat.S_ISCHR(os.stat("/dev/null").st_mode))
        self.assertEqual(self.larder("get", A, "-o", "-"), b"x")
        self.assertFalse(os.path.exists(self.path("-")))

    def test_a_link_to_an_open_file_stays(self) -> None:
        self.put(A, b"x")
        link = self.path("so")
        os.symlink("/proc/self/fd/1", link)
        self.assertEqual(self.larder("get", A, "-o", link), b"x")  # a pipe
        out = self.write("out", b"before ")
        inode = os.stat(out).st_ino
        for _ in range(2):
            with open(out, "ab") as file:
                subprocess.run(self.command("get", A, "-o", link), stdout=file, check=True,
                               env=self.environment)
        self.assertEqual((self.read(out), os.stat(out).st_ino), (b"before xx", inode))
        self.assertEqual(os.readlink(link), "/proc/self/fd/1")
        self.refused(REFUSED, "once", A, "-o", link, "--", "touch", "ran", says=link)
        self.refused(REFUSED, "once", B, "-o", link, "--", "touch", "ran", says=link)
        self.assertEqual(os.readlink(link), "/proc/self/fd/1")
        self.assertFalse(os.path.exists(self.path("ran")))

    def test_a_link_to_nothing_is_refused(self) -> None:
        self.put(A, b"x")
        os.symlink("nowhere", self.path("link"))
        self.refused(REFUSED, "get", A, "-o", "link",
                     says="link is a link to nowhere, which does not exist")
        self.assertFalse(os.path.exists(self.path("nowhere")))
        self.assertEqual(os.readlink(self.path("link")), "nowhere")
        os.symlink("loop", self.path("loop"))
        self.refused(REFUSED, "get", A, "-o", "loop", says="loop")

    def test_a_device_is_no_output_of_once(self) -> None:
        self.put(A, b"x")
        self.refused(REFUSED, "once", A, "-o", "/dev/null", "--", "true", says="/dev/null")
        self.refused(USAGE, "once", A, "-o", "-", "--", "true", says="-o")
        self.refused(USAGE, "once", A, "-o", "out", "--", "", says="COMMAND is empty")
        for words in (("get", A, "-o", ""), ("once", A, "-o", "", "--", "true")):
            self.refused(USAGE, *words, says="-o: the name is empty")

    def test_a_pipe_is_written_when_somebody_reads_it(self) -> None:
        content = os.urandom(1 << 20)  # more than a pipe holds
        self.put(A, content)
        os.mkfifo(self.path("pipe"))
        self.refused(REFUSED, "get", A, "-o", "pipe", says="reader")
        reader = os.open(self.path("pipe"), os.O_RDONLY | os.O_NONBLOCK)
        os.set_blocking(reader, True)
        process = self.start("get", A, "-o", "pipe")
        read = b""
        while len(read) < len(content):
            piece = os.read(reader, 1 << 16)
            if not piece and process.poll() is not None:
                break  # before the writer comes, an end is none
            read += piece
        os.close(reader)
        self.assertEqual((process.wait(60), read == content), (OK, True))
        process.communicate()

    def test_a_miss_leaves_no_file_and_the_old_one_untouched(self) -> None:
        self.refused(NOT_FOUND, "get", A, "-o", "out", says=A)
        self.assertFalse(os.path.exists(self.path("out")))
        old = self.write("out", b"old")
        self.refused(NOT_FOUND, "get", A, "-o", "out")
        self.assertEqual(self.read(old), b"old")

    def test_reading_an_absent_store_makes_nothing(self) -> None:
        for words in (("get", A), ("exists", A), ("rm", A), ("inspect", A)):
            self.refused(NOT_FOUND, *words, says=A)
        for verb in ("list", "stats", "verify", "prune", "clear", "flush", "config", "doctor"):
            self.larder(verb)
        self.assertEqual(os.listdir(self.root), [])

    def test_put_makes_the_store_with_parents_for_this_user_alone(self) -> None:
        self.store = self.path("a/b/store")
        self.put(A, b"x")
        for folder in ("a", "a/b", "a/b/store"):
            self.assertEqual(stat.S_IMODE(os.stat(self.path(folder)).st_mode), 0o700)
        for path in self.tree(self.store):
            mode = os.stat(os.path.join(self.store, path)).st_mode
            self.assertEqual(stat.S_IMODE(mode), 0o700 if stat.S_ISDIR(mode) else 0o600, path)

    def test_exists_and_rm(self) -> None:
        self.put(A, b"x")
        self.assertEqual(self.larder("exists", A), b"")
        self.larder("rm", A)
        self.refused(NOT_FOUND, "exists", A)
        self.refused(NOT_FOUND, "rm", A, says="there is nothing to remove")
        self.assertEqual(self.larder("list"), b"")

    def test_a_damaged_entry_is_not_found_by_any_verb(self) -> None:
        for verb in ("get", "exists", "inspect", "rm"):
            self.put(A, b"x" * 100)
            self.flip_a_bit(A)
            self.refused(NOT_FOUND, verb, A, says="damaged" if verb != "inspect" else A)
        self.assertEqual(self.larder("list"), b"")

    def limited(self, blocks: int, *words: str) -> subprocess.CompletedProcess:
        """Runs the program under a limit of the size of files, in blocks of 512 or 1024 bytes."""
        return self.run_words(["sh", "-c", f'ulimit -f {blocks}; exec "$@"', "sh",
                               *self.command(*words)])

    def test_a_file_size_limit_is_an_error_and_no_signal(self) -> None:
        self.put(A, b"kept")
        big = self.write("big", os.urandom(300_000))
        small = self.write("small", os.urandom(40_000))
        for name in (big, small):  # large files are reserved first, small ones are just written
            result = self.limited(10, "put", B, name)
            message = self.expect_line(result, REFUSED, "file size limit")
            self.assertIn(self.store, message)
        self.assertEqual(self.larder("get", A), b"kept")
        self.refused(NOT_FOUND, "get", B)
        self.expect(self.limited(100_000, "put", B, big), OK)
        self.expect_line(self.limited(10, "get", B, "-o", "out"), REFUSED, "ulimit")
        self.assertEqual([n for n in os.listdir(self.root) if n.startswith((".larder", "out"))], [])

    def test_list(self) -> None:
        self.assertEqual(self.larder("list"), b"")
        self.put(B, b"12345")
        self.put(A, b"1")
        lines = self.larder("list").decode().splitlines()
        self.assertEqual([line.split()[:2] for line in lines], [[A, "1"], [B, "5"]])
        entries = json.loads(self.larder("list", "--format", "json"))
        self.assertEqual([e["fingerprint"] for e in entries], [A, B])
        self.assertEqual([e["payload_bytes"] for e in entries], [1, 5])

    def test_inspect(self) -> None:
        self.put(A, b"12345")
        entry = json.loads(self.larder("--format", "json", "inspect", A))
        self.assertEqual(entry["fingerprint"], A)
        self.assertEqual(entry["payload_bytes"], 5)
        self.assertEqual(entry["location"], self.location_of(A))
        self.assertEqual(entry["layout"], {"file": "larder 1", "pack": "pack 1"}.get(
            self.layout, self.layout))
        digest = subprocess.run(["b3sum", "--no-names"], input=b"12345", capture_output=True,
                                check=True).stdout.decode().strip()
        self.assertEqual(entry["payload_blake3"], digest)
        text = self.larder("inspect", A).decode()
        self.assertIn(digest, text)
        self.assertRegex(text, r"state +good")


@both_layouts
class EntryFiles(ProgramTest):
    def test_rm_of_a_link_gives_its_advice_once(self) -> None:
        self.put(A, b"x")
        os.unlink(self.entry_path(A))
        os.symlink("nowhere", self.entry_path(A))
        self.assertEqual(self.refused(NOT_FOUND, "rm", A).count("move it away"), 1)

    def test_what_is_no_regular_file_is_not_found_and_stays(self) -> None:
        self.put(A, b"x")
        self.put(B, b"y")
        os.rename(self.entry_path(B), self.path("elsewhere"))
        os.symlink(self.path("elsewhere"), self.entry_path(B))
        os.unlink(self.entry_path(A))
        os.mkdir(self.entry_path(A))
        for fingerprint in (A, B):
            for verb in ("get", "exists", "inspect", "rm"):
                self.refused(NOT_FOUND, verb, fingerprint)
        self.assertTrue(os.path.isdir(self.entry_path(A)))
        self.assertTrue(os.path.islink(self.entry_path(B)))
        self.assertTrue(os.path.exists(self.path("elsewhere")))


class OversizedEntry(ProgramTest):
    layout = "vyre"

    def test_it_is_not_found_and_not_read(self) -> None:
        self.put(A, b"x")
        with open(self.entry_path(A), "r+b") as file:
            file.truncate(1 << 40)  # sparse; reading it into memory would not end well
        for verb in ("get", "exists", "inspect"):
            self.refused(NOT_FOUND, verb, A)


class Swapped(ProgramTest):
    def test_two_swapped_entries_are_two_corrupt_misses_and_the_next_put_mends_them(self) -> None:
        first, second = "1" * 64, "1" * 63 + "2"
        self.put(first, b"first")
        self.put(second, b"second")
        os.rename(self.entry_path(first), self.path("aside"))
        os.rename(self.entry_path(second), self.entry_path(first))
        os.rename(self.path("aside"), self.entry_path(second))
        self.larder("zero-stats")
        for fingerprint in (first, second):
            self.refused(NOT_FOUND, "get", fingerprint, says="damaged")
        counters = json.loads(self.larder("stats", "--format", "json"))
        self.assertEqual((counters["lookups"], counters["corrupt"], counters["hits"]), (2, 2, 0))
        self.put(first, b"first")
        self.put(second, b"second")
        self.assertEqual(self.larder("get", first), b"first")
        self.assertEqual(self.larder("get", second), b"second")


class ReferenceLayout(ProgramTest):
    layout = "vyre"

    def b3sum(self, content: bytes) -> bytes:
        return subprocess.run(["b3sum", "--raw"], input=content, capture_output=True,
                              check=True).stdout

    def test_a_file_made_by_others_is_read(self) -> None:
        content = os.urandom(5000)
        os.mkdir(self.store, 0o700)
        self.write(f"store/{A}.bin", content + self.b3sum(content))
        self.assertEqual(self.larder("get", A), content)

    def test_a_file_of_ours_is_read_by_others(self) -> None:
        for content in (b"", b"x", os.urandom(70000)):
            self.put(C, content)
            stored = self.read(self.entry_path(C))
            self.assertEqual(stored, content + self.b3sum(content))



class TerminalTest(ProgramTest):
    def test_no_control_character_reaches_a_terminal(self) -> None:
        recipe = ("--domain", "tests 2026-11", "--field", "a\x9b2Jb\xe4=x", "--field", "\x1bc=y")
        name = self.run_words([PROGRAM, "fingerprint", *recipe]).stdout.decode().strip()
        self.larder("put", name, "-", *recipe, given=b"x")
        for verb in ("explain", "inspect"):
            told = self.larder(verb, name)
            self.assertNotIn(b"\xc2\x9b", told)
            self.assertNotIn(b"\x1b", told)
        self.assertIn("a??2Jb\xe4".encode(), self.larder("explain", name))
        told = self.run_words([PROGRAM, "config", "--format", "json"],
                              LARDER_DIR="file:/tmp/a\x7f\x9bb").stdout
        self.assertIn(b"a\\u007f\\u009bb", told)


if __name__ == "__main__":
    unittest.main()
