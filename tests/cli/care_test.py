"""stats, verify, prune, clear, flush, doctor, explain, diff: looking after a store."""

import fcntl
import json
import os
import pty
import struct
import subprocess
import time
import unittest

from program import (A, B, C, CORRUPT, NOT_FOUND, OK, PROGRAM, ProgramTest, REFUSED, USAGE,
                     both_layouts, every_layout)

MAKE_ENTRIES = os.environ["LARDER_MAKE_ENTRIES"]


class CareTest(ProgramTest):
    def counters(self) -> dict:
        return json.loads(self.larder("stats", "--format", "json"))

    def left(self) -> list[str]:
        return [line.split()[0] for line in self.larder("list").decode().splitlines()]


@every_layout
class Care(CareTest):
    def test_counters_of_all_processes(self) -> None:
        self.put(A, b"12345")
        self.put(A, b"12345")
        for _ in range(3):
            self.larder("get", A)
        self.refused(NOT_FOUND, "get", B)
        self.put(B, b"x" * 100)
        self.flip_a_bit(B)
        self.refused(NOT_FOUND, "get", B)
        counters = self.counters()
        expected = {"lookups": 5, "hits": 3, "absent": 1, "corrupt": 1, "io_errors": 0,
                    "skipped": 0, "hit_bytes": 15, "puts": 2,
                    "puts_unchanged": 1, "entries": 1, "hit_rate_ppm": 600_000}
        self.assertEqual({name: counters[name] for name in expected}, expected)
        self.assertIn(self.store, counters["store"])
        self.assertEqual(counters["layout"], {"file": "larder"}.get(self.layout, self.layout))

    def test_zero_stats(self) -> None:
        self.put(A, b"x")
        self.larder("get", A)
        self.larder("zero-stats")
        counters = self.counters()
        self.assertEqual((counters["lookups"], counters["puts"], counters["entries"]), (0, 0, 1))
        self.assertEqual(self.larder("get", A), b"x")

    def test_stats_in_text(self) -> None:
        self.put(A, b"x")
        self.larder("get", A)
        self.refused(NOT_FOUND, "get", B)
        text = self.larder("stats").decode()
        self.assertRegex(text, r"Entries +1\n")
        self.assertRegex(text, r"  Hits +1 / 2 \(50\.00%\)\n")
        self.assertRegex(text, r"  Hit rate +50\.00%\n")
        limit = r"/ 5\.0 GiB" if self.layout != "vyre" else "no limit"
        self.assertRegex(text, r"Size +.*" + limit)

    def test_stats_for_prometheus(self) -> None:
        self.put(A, b"x")
        self.larder("get", A)
        text = self.larder("stats", "--format", "prometheus").decode()
        families = set()
        for line in text.splitlines():
            if line.startswith("# TYPE "):
                families.add(line.split()[2])
            elif not line.startswith("#"):
                self.assertRegex(line, r'^larder_\w+(\{\w+="\w+"\})? \d+$')
                self.assertIn(line.split("{")[0].split()[0], families)
        self.assertIn('larder_lookups_total{result="hit"} 1\n', text)
        self.assertIn("larder_puts_total 1\n", text)
        self.assertIn("larder_entries 1\n", text)
        self.assertEqual("larder_size_limit_bytes" in text, self.layout != "vyre")

    def test_verify(self) -> None:
        self.put(A, b"a" * 100)
        self.put(B, b"b" * 100)
        self.assertIn(b"2 good", self.larder("verify"))
        self.flip_a_bit(B)
        result = self.run_words(self.command("verify"))
        self.expect_line(result, CORRUPT, "--repair")
        self.assertIn(B.encode(), result.stdout)
        report = json.loads(self.run_words(self.command("verify", "--format", "json")).stdout)
        self.assertEqual((report["good"], [d["fingerprint"] for d in report["damaged"]]), (1, [B]))
        self.assertIn(f"damaged {B} (removed): ".encode(), self.larder("verify", "--repair"))
        self.assertIn(b"1 good", self.larder("verify"))
        self.assertEqual(self.left(), [A])
        self.assertEqual(self.larder("get", A), b"a" * 100)

    def test_a_repair_removes_nothing_good_while_others_put(self) -> None:
        fingerprints = [f"{number:064x}" for number in range(40)]
        for fingerprint in fingerprints:
            self.put(fingerprint, b"x" * 100)
            self.flip_a_bit(fingerprint)
        repairs = [self.start("verify", "--repair") for _ in range(4)]
        for fingerprint in fingerprints:
            self.put(fingerprint, b"good")
        for process in repairs:
            process.communicate(timeout=60)
            self.assertEqual(process.returncode, OK)
        for fingerprint in fingerprints:
            self.assertEqual(self.larder("get", fingerprint), b"good")

    def test_clear(self) -> None:
        for fingerprint in (A, B, C):
            self.put(fingerprint, os.urandom(100_000))
        self.assertIn(b"evicted 3 entries", self.larder("clear"))
        self.assertEqual(self.left(), [])
        self.put(A, b"x")
        self.assertEqual(self.left(), [A])

    def test_the_closing_line_comes_last(self) -> None:
        self.put(A, b"x" * 100)
        self.flip_a_bit(A)
        with open(self.path("both"), "wb") as both:
            subprocess.run(self.command("verify"), stdout=both, stderr=both, check=False,
                           env=self.environment)
        lines = self.read(self.path("both")).decode().splitlines()
        self.assertTrue(lines[0].startswith("damaged "), lines)
        self.assertTrue(lines[-1].startswith("larder: "), lines)

    def test_flush(self) -> None:
        self.put(A, b"x")
        self.assertEqual(self.larder("flush"), b"")

    def test_doctor(self) -> None:
        self.put(A, b"x")
        before = set(self.tree(self.store))
        text = self.larder("doctor").decode()
        self.assertRegex(text, r"(?m)^ok +probe ")
        self.assertNotIn("fail", text)
        self.assertLessEqual(set(self.larder("list").split()), set(self.larder("list").split()))
        self.assertEqual(self.left(), [A])
        self.assertTrue(before <= set(self.tree(self.store)))
        checks = json.loads(self.larder("doctor", "--format", "json"))
        self.assertTrue({"directory", "store", "probe", "space"} <= {c["check"] for c in checks})

    def test_doctor_writes_nothing_where_nothing_is_to_be_written(self) -> None:
        self.put(A, b"x")
        for name, said in (("LARDER_MUST_HIT", "must_hit"), ("LARDER_READONLY", "read-only")):
            told = self.larder("doctor", **{name: "1"}).decode()
            self.assertRegex(told, f"(?m)^ok +probe +left out: .*{said}")

    def test_doctor_finds_what_is_wrong(self) -> None:
        self.put(A, b"x")
        os.chmod(self.store, 0o777)
        result = self.run_words(self.command("doctor"))
        self.expect_line(result, REFUSED, "failed")
        self.assertRegex(result.stdout.decode(), r"(?m)^fail +directory .*chmod 0700")

    def test_doctor_looks_at_the_nearest_parent_of_a_missing_store(self) -> None:
        parent = self.make_directory("parent", 0o755)
        self.store = os.path.join(parent, "a/store")
        self.assertRegex(self.larder("doctor").decode(),
                         r"(?m)^warn +directory .*does not exist; the first put makes it$")
        os.chmod(parent, 0o777)
        self.assertRegex(self.larder("doctor").decode(),
                         f"(?m)^warn +directory .*{parent}, .*may be written by others")
        os.chmod(parent, 0o1777)
        self.assertIn(b"the first put makes it\n", self.larder("doctor"))
        os.chmod(parent, 0o555)
        result = self.as_nobody("doctor", store=self.location())
        self.expect(result, REFUSED)
        self.assertRegex(result.stdout.decode(),
                         f"(?m)^fail +directory .*cannot be made in {parent} \\(Permission denied")

    def test_colours_are_for_terminals_alone(self) -> None:
        self.put(A, b"x")
        self.assertNotIn(b"\x1b", self.larder("doctor", TERM="xterm"))
        self.assertIn(b"\x1b[32m", self.on_a_terminal("doctor", TERM="xterm"))
        self.assertNotIn(b"\x1b", self.on_a_terminal("doctor", TERM="xterm", NO_COLOR="1"))
        self.assertNotIn(b"\x1b", self.on_a_terminal("doctor", TERM="dumb"))

    def on_a_terminal(self, *words: str, **variables: str) -> bytes:
        master, slave = pty.openpty()
        process = subprocess.Popen(self.command(*words), stdout=slave, stderr=slave,
                                   env={**self.environment, **variables})
        os.close(slave)
        shown = b""
        while True:
            try:
                piece = os.read(master, 4096)
            except OSError:  # the other end is closed
                break
            if not piece:
                break
            shown += piece
        os.close(master)
        self.assertEqual(process.wait(), OK, shown)
        return shown


@both_layouts
class CareOfFiles(CareTest):
    def test_verify_finds_every_truncation(self) -> None:
        self.put(A, b"a" * 100)
        whole = self.read(self.entry_path(A))
        for length in (0, 1, 31, 32, len(whole) // 2, len(whole) - 1):
            with open(self.entry_path(A), "wb") as file:
                file.write(whole[:length])
            self.refused(CORRUPT, "verify")

    def test_rejected_puts_are_counted_by_reason(self) -> None:
        if self.layout == "file":
            self.put(A, b"x")
            os.unlink(self.entry_path(A))
            os.mkdir(self.entry_path(A))
            self.refused(REFUSED, "put", A, "-", given=b"x")
            self.assertEqual(self.counters()["rejected_not_ours"], 1)
        else:
            self.refused(REFUSED, "put", A, "-", given=bytes((64 << 20) + 1))
            self.put(A, b"x")
            self.refused(REFUSED, "put", A, "-", given=bytes((64 << 20) + 1))
            self.assertGreaterEqual(self.counters()["rejected_too_large"], 1)

    def age(self, fingerprint: str, seconds: int) -> None:
        then = time.time() - seconds
        os.utime(self.entry_path(fingerprint), (then, then))

    def fill(self) -> None:
        for days, fingerprint in ((10, A), (5, B), (1, C)):
            self.put(fingerprint, os.urandom(100_000))
            self.age(fingerprint, days * 86400)

    def test_prune_by_age(self) -> None:
        self.fill()
        self.assertIn(b"would evict 1 entry", self.larder("prune", "--older-than", "7d",
                                                            "--dry-run"))
        self.assertEqual(self.left(), [A, B, C])
        self.assertIn(b"evicted 1 entry", self.larder("prune", "--older-than", "7d"))
        self.assertEqual(self.left(), [B, C])

    def test_prune_by_size_evicts_the_least_recently_used_first(self) -> None:
        self.fill()
        report = json.loads(self.larder("prune", "--max-size", "150K", "--format", "json"))
        self.assertEqual((report["evicted_entries"], report["kept_entries"]), (2, 1))
        self.assertEqual(self.left(), [C])
        self.assertEqual(self.counters()["evictions"], 2)

    def test_prune_without_a_limit_keeps_the_configured_one(self) -> None:
        self.fill()
        self.larder("prune")
        self.assertEqual(self.left(), [A, B, C])
        self.larder("prune", LARDER_MAX_SIZE="250K")
        self.assertEqual(self.left(), [B, C])

    def test_doctor_tells_of_leftovers_that_cannot_be_removed(self) -> None:
        self.put(A, b"x")
        self.assertRegex(self.larder("doctor").decode(), r"(?m)^ok +leftovers ")
        os.mkdir(os.path.join(self.store, ".larder-" + "0" * 32 + ".tmp"))
        self.assertRegex(self.larder("doctor").decode(), r"(?m)^warn +leftovers ")


class CareOfPacks(CareTest):
    layout = "pack"

    def disk_bytes(self) -> int:
        paths = [self.store, *(os.path.join(self.store, path) for path in self.tree(self.store))]
        return sum(os.lstat(path).st_blocks * 512 for path in paths)

    def test_prune_by_size(self) -> None:
        for number in range(8):
            self.put(f"{number:064x}", os.urandom(400_000))
        before = self.tree(self.store)
        words = ("prune", "--max-size", "2M", "--format", "json")
        foreseen = json.loads(self.larder(*words, "--dry-run"))
        self.assertGreater(foreseen["evicted_entries"], 2)
        self.assertEqual(self.tree(self.store).keys(), before.keys())
        report = json.loads(self.larder(*words))
        self.assertEqual(report["evicted_entries"] + report["kept_entries"], 8)
        self.assertGreater(report["kept_entries"], 0)
        self.assertEqual(len(self.left()), report["kept_entries"])
        self.assertEqual(self.counters()["evictions"], report["evicted_entries"])
        self.assertLessEqual(self.disk_bytes(), 2 << 20)
        self.assertIn(b" good", self.larder("verify"))

    def test_prune_tells_what_keeps_it_from_the_size(self) -> None:
        for number in range(2):
            self.put(f"{number:064x}", os.urandom(400_000))
        segments = os.path.join(self.store, "segments")
        (name,) = os.listdir(segments)
        with open(os.path.join(segments, name), "r+b") as held:
            # As the process that appends to it holds it.
            lock = struct.pack("hhqqi", fcntl.F_WRLCK, os.SEEK_SET, 1 << 40, 1, 0)
            fcntl.fcntl(held, fcntl.F_OFD_SETLK, lock)
            for words in (("--dry-run",), ()):
                told = self.run_words(self.command("prune", "--max-size", "300K", *words))
                self.expect(told, OK)
                self.assertRegex(told.stderr.decode(),
                                 r"^larder: warning: the store [^\n]* more than 300\.0 KiB: [^\n]* "
                                 r"running processes write, or that the disk cannot read; "
                                 r"prune again when those have ended\n$")
        told = self.run_words(self.command("prune", "--max-size", "300K"))
        self.expect(told, OK)
        self.assertEqual(told.stderr, b"")
        self.assertLessEqual(self.disk_bytes(), 300 << 10)

    def test_prune_without_a_limit_keeps_the_configured_one(self) -> None:
        for number in range(8):
            self.put(f"{number:064x}", os.urandom(400_000))
        self.larder("prune")
        self.assertEqual(len(self.left()), 8)
        self.larder("prune", LARDER_MAX_SIZE="2M")
        self.assertLessEqual(self.disk_bytes(), 2 << 20)

    def test_a_budget_below_the_stores_own_files_is_told_of(self) -> None:
        self.put(A, b"x")
        told = self.run_words(self.command("prune", "--max-size", "50K"))
        self.expect(told, OK)
        self.assertRegex(told.stderr.decode(),
                         r"more than 50\.0 KiB: those are its own .* no entry;")
        self.refused(REFUSED, "put", B, "-", says="a budget of 51200 bytes has room for no entry",
                     LARDER_MAX_SIZE="50K")
        result = self.run_words(self.command("doctor"), LARDER_MAX_SIZE="50K")
        self.assertRegex(result.stdout.decode(), r"(?m)^fail +probe .* has room for no entry")

    def test_prune_by_age_leaves_what_is_young(self) -> None:
        self.put(A, b"x")
        self.assertIn(b"evicted 0 entries", self.larder("prune", "--older-than", "1d"))
        self.assertEqual(self.left(), [A])

    def test_a_large_artifact_is_an_entry_like_others(self) -> None:
        content = os.urandom(5 << 20)
        self.put(A, content)
        self.put(B, b"small")
        self.assertEqual(self.larder("get", A), content)
        self.assertEqual(self.left(), [A, B])
        self.assertIn(b"2 good", self.larder("verify"))
        entry = json.loads(self.larder("inspect", A, "--format", "json"))
        self.assertEqual(entry["payload_bytes"], len(content))
        self.larder("rm", A)
        self.assertEqual(self.left(), [B])
        self.assertLess(self.disk_bytes(), 4 << 20)

    def test_a_lost_index_is_made_anew(self) -> None:
        for fingerprint in (A, B, C):
            self.put(fingerprint, fingerprint.encode())
        self.larder("rm", C)
        for name in os.listdir(self.store):
            if name == "state" or name.startswith("index."):
                os.unlink(os.path.join(self.store, name))
        self.assertEqual(self.left(), [A, B])
        self.assertEqual(self.larder("get", A), A.encode())

class Fingerprints(ProgramTest):
    def fingerprint(self, *words: str) -> str:
        return self.larder("fingerprint", "--domain", "test 2026-11", *words).decode().strip()

    def test_fields_decide(self) -> None:
        made = self.fingerprint("--field", "options=-O2", "--field", "device=x")
        self.assertRegex(made, "^[0-9a-f]{64}$")
        self.assertEqual(made, self.fingerprint("--field", "device=x", "--field", "options=-O2"))
        others = [self.fingerprint(), self.fingerprint("--field", "options=-O2"),
                  self.fingerprint("--field", "options=-O3", "--field", "device=x"),
                  self.fingerprint("--field", "options=-O2device", "--field", "=x"[1:] + "=x")]
        self.assertEqual(len({made, *others}), 5)

    def test_a_file_is_its_content(self) -> None:
        path = self.write("kernel.cl", b"content\n")
        self.assertEqual(self.fingerprint("--file", f"source={path}"),
                         self.fingerprint("--field", "source=content\n"))
        self.refused(REFUSED, "fingerprint", "--domain", "d", "--file", "source=/nowhere",
                     says="/nowhere")

    def test_values_may_look_like_anything(self) -> None:
        values = ["[a,b]", "{a}", "--help", "a=b", "a,b", "'a b'", '"', ""]
        made = {self.fingerprint("--field", f"k={value}") for value in values}
        self.assertEqual(len(made), len(values))

    def test_it_is_the_librarys_fingerprint(self) -> None:
        subprocess.run([MAKE_ENTRIES, self.store], check=True)
        made = self.larder("fingerprint", "--domain", "example.org 2026-11 test v1", "--field",
                           "options=-O2", "--field", "source=kernel").decode().strip()
        self.assertEqual(self.larder("get", made), b"one")


class RecipesOfWords(ProgramTest):
    """put and once keep what the fingerprint was made from, as `fingerprint` takes it."""

    def words(self, options: str) -> list[str]:
        return ["--domain", "test 2026-11", "--field", f"options={options}", "--file",
                f"source={self.write('kernel.cl', b'content')}"]

    def fingerprint(self, options: str) -> str:
        return self.larder("fingerprint", *self.words(options)).decode().strip()

    def test_explain_and_diff_show_what_put_and_once_kept(self) -> None:
        one, two = self.fingerprint("-O2"), self.fingerprint("-O3")
        self.larder("put", one, "-", *self.words("-O2"), given=b"one")
        self.larder("once", two, "-o", "out", *self.words("-O3"), "--", "touch", "out")
        for fingerprint, options in ((one, "-O2"), (two, "-O3")):
            explained = json.loads(self.larder("explain", fingerprint, "--format", "json"))
            self.assertEqual(explained["fields"],
                             {"options": f'"{options}"', "source": '"content"'})
            text = self.larder("explain", fingerprint).decode()
            self.assertRegex(text, r"recomputed +matches\n")
        self.assertEqual(self.larder("diff", one, two), b'options\n  A  "-O2"\n  B  "-O3"\n')

    def test_fields_of_another_fingerprint_are_refused(self) -> None:
        right = self.fingerprint("-O2")
        for words in (["put", A, "-", *self.words("-O2")],
                      ["once", A, "-o", "out", *self.words("-O2"), "--", "touch", "out"]):
            self.assertIn(A, self.refused(USAGE, *words, says=right))
        self.assertFalse(os.path.exists(self.store))
        self.assertFalse(os.path.exists(self.path("out")))

    def test_fields_without_a_domain_are_refused(self) -> None:
        for words in (["--field", "a=b"], ["--file", "a=b"], ["--domain", ""],
                      ["--domain", "", "--field", "a=b"]):
            self.refused(USAGE, "put", A, "-", *words, says="--domain")
            self.refused(USAGE, "once", A, "-o", "out", *words, "--", "touch", "out",
                         says="--domain")
        self.refused(REFUSED, "put", A, "-", "--domain", "d", "--file", "a=/nowhere",
                     says="/nowhere")


class Recipes(ProgramTest):
    def setUp(self) -> None:
        super().setUp()
        made = subprocess.run([MAKE_ENTRIES, self.store], check=True, capture_output=True)
        self.one, self.two = made.stdout.decode().split()

    def test_explain(self) -> None:
        text = self.larder("explain", self.one).decode()
        self.assertRegex(text, r"domain +example\.org 2026-11 test v1\n")
        self.assertRegex(text, r"recomputed +matches\n")
        self.assertRegex(text, r'options +"-O2"\n')
        explained = json.loads(self.larder("explain", self.two, "--format", "json"))
        self.assertEqual(explained["fields"]["options"], '"-O3"')

    def test_explain_without_a_recipe_or_with_a_wrong_one(self) -> None:
        self.put(A, b"x")
        self.assertIn(b"no recipe was kept", self.larder("explain", A))
        self.assertIn(b"does not match", self.larder("explain", C))

    def test_diff(self) -> None:
        text = self.larder("diff", self.one, self.two).decode()
        self.assertEqual(text, 'options\n  A  "-O2"\n  B  "-O3"\nversion\n  A  (absent)\n  B  7\n')
        found = json.loads(self.larder("diff", self.one, self.two, "--format", "json"))
        self.assertEqual(found, [{"field": "options", "a": '"-O2"', "b": '"-O3"'},
                                 {"field": "version", "a": None, "b": "7"}])
        self.assertEqual(self.larder("diff", self.one, self.one), b"no field differs\n")

    def test_whatever_is_no_good_entry_is_not_found(self) -> None:
        self.refused(NOT_FOUND, "explain", A, says=A)
        self.refused(NOT_FOUND, "diff", self.one, A, says=A)
        self.flip_a_bit(self.two)
        self.refused(NOT_FOUND, "explain", self.two, says=self.two)
        self.refused(NOT_FOUND, "diff", self.one, self.two, says=self.two)


if __name__ == "__main__":
    unittest.main()
