"""once: COMMAND runs once among all processes, and decides about the exit status."""

import json
import os
import signal
import stat
import subprocess
import time
import unittest

from program import (A, B, NOT_FOUND, OK, PROGRAM, ProgramTest, REFUSED, USAGE, every_layout,
                     is_running, kill)

# Notes that it ran, takes its time, then writes what it was told to the file it was told.
SLOW = 'echo $$ >> ran; sleep "$0"; printf made > "$1"'


class Once(ProgramTest):
    def once(self, out: str, *command: str, code: int = OK, **variables: str) -> None:
        self.larder("once", A, "-o", out, "--", *command, code=code, **variables)

    def runs(self) -> int:
        path = self.path("ran")
        return len(self.read(path).splitlines()) if os.path.exists(path) else 0

    def start_slow(self, seconds: str, out: str) -> subprocess.Popen:
        return self.start("once", A, "-o", out, "--", "sh", "-c", SLOW, seconds, out)

    def wait_for_runs(self, count: int) -> list[int]:
        deadline = time.monotonic() + 30
        while self.runs() < count:
            self.assertLess(time.monotonic(), deadline, "COMMAND was not started")
            time.sleep(0.01)
        return [int(line) for line in self.read(self.path("ran")).split()]

    def test_the_second_time_it_is_served(self) -> None:
        self.once("one", "sh", "-c", SLOW, "0", "one")
        self.once("two", "sh", "-c", SLOW, "0", "two")
        self.assertEqual(self.runs(), 1)
        self.assertEqual(self.read(self.path("two")), b"made")

    def test_an_old_output_is_replaced_by_a_hit_and_removed_before_command(self) -> None:
        self.write("out", b"stale")
        self.once("out", "sh", "-c", "test ! -e out && printf made > out")
        self.write("out", b"stale")
        self.once("out", "false")
        self.assertEqual(self.read(self.path("out")), b"made")

    def test_commands_words_pass_unchanged(self) -> None:
        words = ["--foo", "-o", "x", "--", "--store", "y", "", "a b", "--help"]
        self.once("out", "sh", "-c", 'printf "%s|" "$@" > out', "sh", *words)
        self.assertEqual(self.read(self.path("out")).decode(), "|".join(words) + "|")

    def test_the_commands_own_status_is_returned_and_nothing_is_stored(self) -> None:
        self.once("out", "sh", "-c", "printf bad > out; exit 7", code=7)
        self.once("out", "sh", "-c", "kill -TERM $$", code=128 + signal.SIGTERM)
        self.once("out", "sh", "-c", "kill -KILL $$", code=128 + signal.SIGKILL)
        self.refused(NOT_FOUND, "exists", A)

    def test_a_command_that_does_not_run(self) -> None:
        self.refused(127, "once", A, "-o", "out", "--", "no-such-command",
                     says="check its name and PATH")
        text = self.write("text", b"no program")
        self.refused(126, "once", A, "-o", "out", "--", text, says=text)

    def test_an_output_that_is_missing_after_success(self) -> None:
        self.refused(REFUSED, "once", A, "-o", "out", "--", "true", says="out")
        self.refused(NOT_FOUND, "exists", A)

    def test_an_output_that_is_no_regular_file_is_not_stored(self) -> None:
        self.write("secret", b"secret")
        for make in ("ln -s secret out", "mkfifo out", "mkdir out"):
            self.refused(REFUSED, "once", A, "-o", "out", "--", "sh", "-c", make, says="out")
            self.run_words(["rm", "-rf", "out"])
        self.refused(NOT_FOUND, "exists", A)

    def test_a_directory_in_the_way_stays(self) -> None:
        self.write("out/precious", b"x")
        self.refused(REFUSED, "once", A, "-o", "out", "--", "true", says="out")
        self.assertEqual(self.read(self.path("out/precious")), b"x")

    def test_what_is_no_regular_file_is_refused_by_a_hit_as_by_a_miss(self) -> None:
        os.mkfifo(self.path("out"))
        self.refused(REFUSED, "once", A, "-o", "out", "--", "true", says="not a regular file")
        self.put(A, b"made")
        self.refused(REFUSED, "once", A, "-o", "out", "--", "false", says="not a regular file")
        self.assertTrue(stat.S_ISFIFO(os.stat(self.path("out")).st_mode))

    def test_a_link_in_the_way_is_replaced_by_a_hit_as_by_a_miss(self) -> None:
        kept = self.write("kept", b"kept")
        for target in (kept, "nowhere"):
            self.run_words(self.command("rm", A))
            for _ in ("miss", "hit"):
                os.symlink(target, self.path("out"))
                self.once("out", "sh", "-c", "printf made > out")
                self.assertFalse(os.path.islink(self.path("out")))
                self.assertEqual(self.read(self.path("out")), b"made")
                os.unlink(self.path("out"))
        self.assertEqual(self.read(kept), b"kept")
        self.assertFalse(os.path.exists(self.path("nowhere")))

    def test_no_command_is_a_usage_error(self) -> None:
        self.refused(USAGE, "once", A, "-o", "out", says="COMMAND")
        self.refused(USAGE, "once", A, "-o", "out", "--", says="COMMAND")
        self.refused(USAGE, "once", A, "--", "true", says="--output")

    def test_sixteen_processes_run_it_once(self) -> None:
        started = [self.start_slow("0.5", f"out{number}") for number in range(16)]
        for process in started:
            self.assertEqual(process.wait(60), OK, process.stderr.read())
            process.communicate()
        self.assertEqual(self.runs(), 1)
        for number in range(16):
            self.assertEqual(self.read(self.path(f"out{number}")), b"made")

    def test_a_killed_owner_is_taken_over_at_once_and_its_command_is_dead(self) -> None:
        owner = self.start("once", A, "-o", "out0", "--", "sh", "-c",
                           "echo $$ >> ran; exec sleep 60")
        [first] = self.wait_for_runs(1)
        waiter = self.start_slow("0", "out1")
        time.sleep(0.3)
        self.assertEqual(self.runs(), 1)
        self.assertIsNone(waiter.poll())
        kill(owner.pid)
        began = time.monotonic()
        self.assertEqual(waiter.wait(20), OK)
        self.assertLess(time.monotonic() - began, 5)
        self.assertEqual(self.runs(), 2)
        self.assertFalse(is_running(first))
        self.assertEqual(self.larder("get", A), b"made")
        for process in (owner, waiter):
            process.communicate()

    def test_a_failed_owner_lets_the_next_one_try(self) -> None:
        fails = self.start("once", A, "-o", "out0", "--", "sh", "-c",
                           "echo $$ >> ran; sleep 0.3; exit 9")
        self.wait_for_runs(1)
        self.once("out1", "sh", "-c", SLOW, "0", "out1")
        fails.communicate()
        self.assertEqual(fails.returncode, 9)
        self.assertEqual(self.runs(), 2)

    def test_signals_are_passed_on(self) -> None:
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            expected = self.runs() + 1
            process = self.start("once", A, "-o", "out", "--", "sh", "-c",
                                 "echo $$ >> ran; exec sleep 60")
            pids = self.wait_for_runs(expected)
            process.send_signal(number)
            process.communicate(timeout=20)
            self.assertEqual(process.returncode, 128 + number)
            self.assertFalse(is_running(pids[-1]))

    def test_command_inherits_no_descriptor_of_ours(self) -> None:
        self.once("out", "sh", "-c", "ls -l /proc/self/fd > out")
        self.assertNotIn(self.store, self.read(self.path("out")).decode())

    def test_command_gets_the_descriptors_that_we_were_given(self) -> None:
        reading, writing = os.pipe()
        os.set_inheritable(writing, True)
        process = self.start("once", A, "-o", "out", "--", "sh", "-c",
                             f"echo kept >&{writing}; printf made > out", close_fds=False)
        os.close(writing)
        process.communicate()
        self.assertEqual(process.returncode, OK)
        with os.fdopen(reading, "rb") as file:
            self.assertEqual(file.read(), b"kept\n")

    def test_standard_streams_are_the_commands(self) -> None:
        result = self.run_words(self.command("once", A, "-o", "out", "--", "sh", "-c",
                                             "cat; echo err >&2; printf made > out"), b"given")
        self.assertEqual((result.returncode, result.stdout, result.stderr),
                         (OK, b"given", b"err\n"))

    def test_a_broken_store_does_not_keep_command_from_running(self) -> None:
        file = self.write("file", b"not a store")
        for store, statuses in ((file, (OK, 5)), ("/proc/nowhere", (OK,))):
            for status in statuses:
                result = self.run_words(self.command(
                    "once", A, "-o", "out", "--", "sh", "-c", f"printf made > out; exit {status}",
                    store=store))
                self.assertEqual(result.returncode, status)
                self.assertIn(b"larder: warning: ", result.stderr)
                self.assertEqual(len(result.stderr.splitlines()), 1, result.stderr)
                self.assertEqual(self.read(self.path("out")), b"made")
        self.assertEqual(self.read(self.path("file")), b"not a store")
        os.unlink(self.path("out"))
        self.refused(REFUSED, "once", A, "-o", "out", "--", "touch", "out", store=file, says=file,
                     LARDER_MUST_HIT="1")
        self.assertFalse(os.path.exists(self.path("out")))

    def test_a_broken_file_does_not_keep_command_from_running(self) -> None:
        self.put(B, b"x")
        for name, text, mode in (("store/larder.conf", b"nonsense\n", 0o600),
                                 ("store/larder.conf", b"readonly = 0\n", 0o664),
                                 ("home/.config/larder/larder.conf", b"max_size = x\n", 0o600)):
            conf = self.write(name, text)
            os.chmod(conf, mode)
            result = self.run_words(self.command("once", A, "-o", "out", "--", "sh", "-c",
                                                 "printf made > out; exit 5"))
            self.expect(result, 5)
            self.assertRegex(result.stderr.decode(), f"\\Alarder: warning: [^\n]*{conf}[^\n]*\n\\Z")
            self.assertEqual(self.read(self.path("out")), b"made")
            os.unlink(self.path("out"))
            self.refused(USAGE, "once", A, "-o", "out", "--", "touch", "out", says=conf,
                         LARDER_MUST_HIT="1")
            self.refused(USAGE, "once", A, "-o", "out", "--", "touch", "out",
                         says="LARDER_MAX_SIZE", LARDER_MAX_SIZE="lots")
            self.refused(USAGE, "once", A, "-o", "out", "--", "touch", "out", says="redis",
                         store="redis://x")
            self.assertFalse(os.path.exists(self.path("out")))
            os.unlink(conf)

    def test_a_tier_that_cannot_be_opened_costs_not_the_local_store(self) -> None:
        self.put(A, b"kept")
        words = ("once", A, "-o", "out", "--", "touch", "out")
        remote = "redis://127.0.0.1:1 @password-file=" + self.path("none")
        result = self.run_words(self.command(*words), LARDER_REMOTE=remote)
        self.expect(result, OK)
        self.assertIn(b"larder: warning: going on without a remote tier: ", result.stderr)
        self.assertEqual(self.read(self.path("out")), b"kept")
        # Who must hit is told of a tier without which he may not go on, and stops.
        self.refused(USAGE, *words, says="write the secret into it", LARDER_MUST_HIT="1",
                     LARDER_REMOTE=remote + " required")

    def test_without_dashes_command_is_missed(self) -> None:
        for words in ((), ("cc", "-O2", "-c", "a.c", "-o", "a.o"), ("--",)):
            self.refused(USAGE, "once", A, "-o", "out", *words,
                         says="no COMMAND; write it after `--`")

    def test_a_disabled_cache_does_not_look_at_the_stores_file(self) -> None:
        self.put(B, b"x")
        os.chmod(self.write("store/larder.conf", b"nonsense\n"), 0o600)
        result = self.run_words(self.command("once", A, "-o", "out", "--", "touch", "out"),
                                LARDER_DISABLE="1")
        self.assertEqual((result.returncode, result.stderr), (OK, b""))

    def test_no_home_does_not_keep_command_from_running(self) -> None:
        result = self.run_words([PROGRAM, "once", A, "-o", "out", "--", "touch", "out"], HOME="")
        self.expect(result, OK)
        self.assertRegex(result.stderr.decode(), r"\Alarder: warning: [^\n]*HOME[^\n]*\n\Z")

    def test_a_result_over_the_cap_is_the_callers_all_the_same(self) -> None:
        result = self.run_words(self.command("once", A, "-o", "out", "--", "truncate", "-s",
                                             "65M", "out", store=f"vyre:{self.store}"))
        self.assertEqual(result.returncode, OK, result.stderr)
        self.assertIn(b"not stored", result.stderr)
        self.assertEqual(os.path.getsize(self.path("out")), 65 << 20)

    def test_modes(self) -> None:
        self.refused(NOT_FOUND, "once", A, "-o", "out", "--", "sh", "-c", SLOW, "0", "out",
                     says="must-hit", LARDER_MUST_HIT="1")
        message = self.refused(NOT_FOUND, "once", A, "-o", "out", "--", "true",
                               LARDER_MUST_HIT="1")
        self.assertEqual(message.count(A), 1)
        self.assertEqual(self.runs(), 0)
        for variable in ("LARDER_DISABLE", "LARDER_READONLY"):
            self.once("out", "sh", "-c", SLOW, "0", "out", **{variable: "1"})
            self.assertFalse(os.path.exists(self.store))
        self.assertEqual(self.runs(), 2)
        for _ in range(2):
            self.once("out", "sh", "-c", SLOW, "0", "out", LARDER_REFRESH="1")
        self.assertEqual(self.runs(), 4)
        self.once("out", "false", LARDER_MUST_HIT="1")
        self.once("out", "false", LARDER_READONLY="1")
        self.once("out", "sh", "-c", SLOW, "0", "out", LARDER_DISABLE="1")
        self.assertEqual(self.runs(), 5)

    def test_it_is_counted(self) -> None:
        for _ in range(3):
            self.once("out", "sh", "-c", "printf made > out")
        counters = json.loads(self.larder("stats", "--format", "json"))
        for name, count in {"lookups": 3, "hits": 2, "absent": 1, "compiles": 1, "puts": 1}.items():
            self.assertEqual(counters[name], count, name)


if __name__ == "__main__":
    unittest.main()
