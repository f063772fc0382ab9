"""Settings as the program sees them: variables, files, modes, the log."""

import json
import os
import unittest

from program import (A, B, NOT_FOUND, OK, PROGRAM, ProgramTest, REFUSED, USAGE, in_layouts)


@in_layouts("pack")
class Settings(ProgramTest):
    def settings(self, *words: str, **variables: str) -> dict[str, tuple[str, str]]:
        result = self.run_words([PROGRAM, *words, "config", "--format", "json"], **variables)
        self.expect(result, OK)
        return {s["key"]: (s["value"], s["origin"]) for s in json.loads(result.stdout)}

    def test_origins(self) -> None:
        settings = self.settings()
        self.assertEqual(settings["dir"], (self.path("home/.cache/larder"), "default"))
        self.assertEqual(settings["max_size"], ("5G", "default"))
        conf = self.write("home/.config/larder/larder.conf", b"max_size = 1G\nreadonly = yes\n")
        settings = self.settings(LARDER_DIR=self.store, LARDER_MAX_SIZE="2G")
        self.assertEqual(settings["dir"], (self.store, "environment LARDER_DIR"))
        self.assertEqual(settings["max_size"], ("2G", "environment LARDER_MAX_SIZE"))
        self.assertEqual(settings["readonly"], ("yes", conf + ":2"))
        self.assertEqual(self.settings("--store", self.store)["dir"][1], "argument --store")

    def test_config_in_text(self) -> None:
        text = self.larder("config").decode()
        self.assertIn(f"dir = {self.location()} (argument --store)\n", text)
        self.assertIn("max_size = 5G (default)\n", text)

    def test_a_bad_variable_is_named(self) -> None:
        for name, value in (("LARDER_MAX_SIZE", "lots"), ("LARDER_DISABLE", "maybe"),
                            ("LARDER_REMOTE", "redis:x"), ("LARDER_NAMESPACE", "n")):
            self.refused(USAGE, "list", says=name, **{name: value})
        result = self.run_words([PROGRAM, "list"], LARDER_DIR="redis://x")
        self.expect_line(result, USAGE, "LARDER_DIR")

    def test_a_bad_file_is_named_with_its_line(self) -> None:
        conf = self.write("home/.config/larder/larder.conf", b"\nmax_sise = 1G\n")
        self.refused(USAGE, "list", says=conf + ":2")

    def test_a_stores_own_file(self) -> None:
        self.put(A, b"x")
        conf = self.write("store/larder.conf", b"readonly = 1\n")
        os.chmod(conf, 0o600)
        self.refused(REFUSED, "put", B, "-", given=b"y")
        os.chmod(conf, 0o666)
        self.refused(USAGE, "get", A, says=conf)

    def test_a_stores_own_file_cannot_choose_the_log(self) -> None:
        self.put(A, b"x" * 100)
        self.flip_a_bit(A)
        os.chmod(self.write("store/larder.conf", f"log = {self.path('log')}\n".encode()), 0o600)
        self.refused(USAGE, "get", A, says="larder.conf:1")
        self.assertFalse(os.path.exists(self.path("log")))

    def test_the_stores_own_file_is_not_taken_for_a_foreign_directory(self) -> None:
        os.mkdir(self.store, 0o700)
        self.write("store/larder.conf", b"max_size = 1G\n")
        os.chmod(self.path("store/larder.conf"), 0o600)
        self.put(A, b"x")
        self.assertEqual(self.larder("get", A), b"x")
        self.larder("clear")
        self.assertTrue(os.path.exists(self.path("store/larder.conf")))

    def test_no_home(self) -> None:
        result = self.run_words(["env", "-u", "HOME", PROGRAM, "list"])
        message = self.expect_line(result, REFUSED, "XDG_CACHE_HOME")
        self.assertIn("HOME", message)
        result = self.run_words([PROGRAM, "list"], HOME="", XDG_CACHE_HOME="relative")
        self.expect_line(result, REFUSED, "XDG_CACHE_HOME")

    def test_doctor_tells_of_settings_that_cannot_be_had(self) -> None:
        result = self.run_words([PROGRAM, "doctor"], HOME="")
        self.expect_line(result, REFUSED, "1 of 1 checks failed")
        self.assertRegex(result.stdout.decode(), r"\Afail +home +.*XDG_CACHE_HOME")
        result = self.run_words([PROGRAM, "doctor"], LARDER_MAX_SIZE="lots")
        self.expect_line(result, REFUSED, "1 of 2 checks failed")
        self.assertRegex(result.stdout.decode(),
                         r"\Aok +home .*\nfail +settings +.*LARDER_MAX_SIZE")

    def test_variables_that_are_no_settings_are_told_of(self) -> None:
        for verb, stream in (("config", "stderr"), ("doctor", "stdout")):
            told = self.run_words(self.command(verb), LARDER_REMOT="redis://x", LARDER_MAXSIZE="",
                                  LARDER_REFRESH="0")
            self.expect(told, OK)
            text = getattr(told, stream).decode()
            self.assertIn("LARDER_REMOT: no setting has that name", text)
            self.assertNotIn("LARDER_MAXSIZE", text)
            self.assertNotIn("redis", text)

    def test_a_word_does_without_the_tiers_of_a_file(self) -> None:
        self.write("home/.config/larder/larder.conf", b"remote = redis://127.0.0.1:1 required\n")
        result = self.run_words(self.command("get", A))
        self.assertNotIn(result.returncode, (OK, NOT_FOUND))
        self.refused(NOT_FOUND, "get", A, LARDER_REMOTE="none")
        self.refused(NOT_FOUND, "get", A, LARDER_REMOTE=" none ")
        settings = self.settings(LARDER_DIR=self.store, LARDER_REMOTE="none")
        self.assertEqual(settings["remote"], ("none", "environment LARDER_REMOTE"))
        self.refused(USAGE, "push", says="there is no remote tier", LARDER_REMOTE="none")

    def test_disabled_needs_no_home(self) -> None:
        script = 'unset HOME; "$@"'
        for words, code in ((["once", A, "-o", "out", "--", "touch", "out"], OK),
                            (["get", A], NOT_FOUND), (["put", A, "-"], REFUSED)):
            result = self.run_words(["sh", "-c", script, "sh", PROGRAM, *words],
                                    LARDER_DISABLE="1")
            self.expect(result, code)
            self.assertEqual(len(result.stderr.splitlines()), 0 if code == OK else 1)
        self.assertTrue(os.path.exists(self.path("out")))

    def test_the_default_stores(self) -> None:
        for words, place in (([], "home/.cache/larder"),
                             (["--store", "vyre:"], "home/.cache/vyre/pipelines")):
            self.expect(self.run_words([PROGRAM, *words, "put", A, "-"], b"x"), OK)
            self.assertTrue(os.path.isdir(self.path(place)))

    def test_modes(self) -> None:
        self.put(A, b"x")
        for words in (("put", B, "-"), ("rm", A)):
            self.refused(REFUSED, *words, says="readonly is set (environment LARDER_READONLY); "
                         "unset it", LARDER_READONLY="1")
            self.refused(REFUSED, *words, says="environment LARDER_DISABLE", LARDER_DISABLE="1")
        for words in (("clear",), ("prune",), ("zero-stats",), ("verify", "--repair")):
            self.refused(REFUSED, *words, says="LARDER_READONLY", LARDER_READONLY="1")
        self.larder("prune", "--dry-run", LARDER_READONLY="1")
        self.assertEqual(self.larder("get", A, LARDER_READONLY="1"), b"x")
        self.refused(NOT_FOUND, "get", A, LARDER_DISABLE="1")
        self.refused(REFUSED, "put", B, "-", given=b"y", LARDER_DISABLE="1")
        self.assertEqual(self.larder("get", A, LARDER_MUST_HIT="1"), b"x")
        self.refused(NOT_FOUND, "get", B, LARDER_MUST_HIT="1")
        self.refused(NOT_FOUND, "exists", B)

    def test_read_only_writes_nothing(self) -> None:
        self.put(A, b"x" * 100)
        self.flip_a_bit(A)
        before = self.tree(self.store)
        self.refused(NOT_FOUND, "get", A, LARDER_READONLY="1")
        for verb in ("list", "stats", "verify", "doctor"):
            self.run_words(self.command(verb), LARDER_READONLY="1")
        self.assertEqual(self.tree(self.store), before)

    def test_the_size_limit_is_kept(self) -> None:
        for number in range(20):
            self.larder("put", f"{number:064x}", "-", given=os.urandom(100_000))
        self.larder("prune", LARDER_MAX_SIZE="1M")
        self.assertLess(len(self.larder("list").splitlines()), 21)

    def test_the_log(self) -> None:
        self.put(A, b"x" * 100)
        self.flip_a_bit(A)
        log = self.path("log")
        self.refused(NOT_FOUND, "get", A, LARDER_LOG=log)
        line = self.read(log).decode()
        self.assertRegex(line, r"^\d{4}-\d\d-\d\dT\S+Z larder\[\d+\] warning: .*" + A)
        result = self.run_words(self.command("list"), LARDER_LOG="/proc/nowhere/log")
        self.assertEqual(result.returncode, OK)
        self.assertIn(b"larder: warning: the log /proc/nowhere/log", result.stderr)

    def test_a_pipe_is_no_log(self) -> None:
        os.mkfifo(self.path("pipe"))
        for _ in ("without a reader", "with one"):
            result = self.run_words(self.command("list"), LARDER_LOG="pipe")
            self.assertEqual(result.returncode, OK)
            self.assertRegex(result.stderr.decode(),
                             r"\Alarder: warning: the log pipe [^\n]*regular file[^\n]*\n\Z")
            reader = os.open(self.path("pipe"), os.O_RDONLY | os.O_NONBLOCK)
            self.addCleanup(os.close, reader)


if __name__ == "__main__":
    unittest.main()
